"""A song's arrays for tests of pictures: random spectra, masks, and what views show of them."""

import numpy as np

from mssviz.stft import StftParams, bins_to_hz, frames_to_time, to_db
from mssviz.widgets import _tiles

PARAMS = StftParams(sample_rate=8000, n_fft=64, hop_length=16)
N_FRAMES, N_BINS = 600, PARAMS.n_bins
STEMS = ("vocals", "drums")
HERTZ = bins_to_hz(np.arange(N_BINS), PARAMS)


def random_song(seed=0, n_frames=N_FRAMES, n_channels=2):
    rng = np.random.default_rng(seed)
    shape = (n_frames, N_BINS, n_channels)

    def spectrum():
        level = 10 ** rng.uniform(-4, 1, shape)
        return (level * np.exp(2j * np.pi * rng.uniform(size=shape))).astype(np.complex64)

    share = rng.uniform(0, 1, shape).astype(np.float32)
    masks = dict(zip(STEMS, (share, 1 - share), strict=True))
    other = rng.uniform(0, 1, shape).astype(np.float32)
    compare = dict(zip(STEMS, (other, 1 - other), strict=True))
    return spectrum(), masks, {"vocals": spectrum()}, compare


class Lazy:
    """What is read from a file: a shape, and slices along its frames."""

    def __init__(self, values):
        self._values = values
        self.shape = values.shape

    def __getitem__(self, frames):
        assert isinstance(frames, slice)
        return self._values[frames]


def level_db(values, channel):
    level = _tiles.channel_view(values, channel)
    return to_db(level, reference=PARAMS.n_fft / 4, floor_db=-160)


def shown_share(mask, channel):
    return {"left": mask[..., 0], "right": mask[..., -1]}.get(channel, mask.mean(axis=-1))


class Arrays:
    """What a picture is made of; `lazy` arrays can be read slice by slice alone."""

    def __init__(self, lazy=False, n_frames=N_FRAMES, n_channels=2, offset=0.0):
        arrays = random_song(0, n_frames, n_channels)
        self.mixture, self.masks, self.references, self.compare = arrays
        self.offset, self._wrap = offset, Lazy if lazy else np.asarray

    def given(self):
        """Keywords of a view, or of the numbers behind it."""
        masks, references, compare = (
            {stem: self._wrap(array) for stem, array in arrays.items()}
            for arrays in (self.masks, self.references, self.compare)
        )
        return {
            "mixture": self._wrap(self.mixture), "params": PARAMS, "masks": masks,
            "references": references, "compare": {"other": compare}, "offset": self.offset,
        }  # fmt: skip

    def time(self, frame):
        """Centre of a frame on the song's time axis, in seconds."""
        return self.offset + float(frames_to_time(frame, PARAMS))
