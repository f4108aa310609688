"""A separation: what a model predicts, how masks are made of it, and what follows.

The modules in the order of a song's way are `prediction`, `segments`, `masking`, `song` and `run`;
then come `editing` and `laboratory`, with which people work on the result. Names are found when
they are used, so that the command line can read `options` without waiting for numpy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
