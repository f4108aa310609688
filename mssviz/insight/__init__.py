"""Why a mask is as it is: the evidence for one of its values, and networks with parts cut out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
