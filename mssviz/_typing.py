"""Aliases of array types and of option names, as signatures use them.

These are the only layouts in the package:

========== ===================================== ==========
Waveform   ``(n_samples, n_channels)``           float32, nominally in [-1, 1]
Stft       ``(n_frames, n_bins, n_channels)``    complex64
Magnitude  ``(n_frames, n_bins, n_channels)``    float32, linear
Mask       ``(n_frames, n_bins, n_channels)``    float32, in [0, 1]
========== ===================================== ==========

A complex mask has the layout and the type of an STFT, and any level. Several sources are a dict in
the preset's order.
"""

import os
from collections.abc import Callable
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

Waveform = NDArray[np.float32]
Stft = NDArray[np.complex64]
Magnitude = NDArray[np.float32]
Mask = NDArray[np.float32]
AnyArray = NDArray[Any]

PathLike = str | os.PathLike[str]
#: Source that sound is read from: a path, or a binary file object that can seek.
SoundSource = PathLike | BinaryIO
BitDepth = Literal["16", "24", "float"]
Extension = Literal["zeros", "average"]
MaskPart = Literal["whole", "magnitude", "turn"]
Codec = Literal["wav", "flac", "mp3", "ogg", "m4a", "wma"]

#: Callback (done, total, what); `total` is None while unknown. It raises `Cancelled` to stop the
#: work.
Progress = Callable[[float, float | None, str], None]
