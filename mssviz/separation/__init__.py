"""A separation: what a model predicts, how masks are made of it, and what follows.

In the order of a song's way: `prediction`, `segments`, `masking`, `song`, `run`; then what people
do with it: `editing`, `laboratory`. Names are found when they are used, so that the command line
can ask `options` without waiting for numpy.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
