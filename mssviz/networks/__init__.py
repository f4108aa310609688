"""Networks: the class `Network`, a file for each architecture, and `table`, which names them all.

Importing the package is quick; `Network`, and every file but `table`, imports TensorFlow.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
