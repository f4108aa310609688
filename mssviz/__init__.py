"""mssviz: see, hear and measure how a neural network pulls a song apart.

A signal's life is the order of the modules, and imports only point back:

audio → stft → plots → masks → networks → presets, pretrained → separation → separators, insight
→ scores → tracks, datasets → comparison → training, export → widgets → lessons, cli

Importing mssviz is quick and does not import TensorFlow: modules and names are found when used.
"""

import lazy_loader

from mssviz import _moved

__version__ = "1.0.0"

_moved.install()
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
