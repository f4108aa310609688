"""mssviz: see, hear and measure how a neural network pulls a song apart.

A signal's life is the order of the modules, and imports only point back:

audio → stft → plots → masks, mask_options, mask_editing, measures, loudness
→ networks → presets, pretrained → separation, separate
→ oracles, baselines, laboratory → bss_eval, metrics → tracks, datasets
→ scale, comparison, evaluation → chunks, patches, training → export → widgets, cli

Importing mssviz is quick and does not import TensorFlow: modules and names are found when used.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
