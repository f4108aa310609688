"""Networks: the class `Network`, a file for each architecture, and `table`, which names them all.

Importing the package is quick: TensorFlow is imported only by `Network` and by files other than
`table`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
