"""Energies with a sign, as a spectrogram view shows them: errors, evidence, what layers do."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.stft import to_db
from mssviz.widgets._layers import Signs
from mssviz.widgets._tiles import Channel, largest, mask_view, quantise_signed


@dataclass(frozen=True, eq=False)
class SignedMap:
    """Values above and below 0 on a song's time-frequency grid, as `SpectrogramView` shows them.

    Parameters
    ----------
    values
        Energies with a sign ``(n_frames, n_bins, n_channels)``, or anything that can be sliced
        along its frames, such as `scores.ErrorMap.signed` or `insight.Evidence.values`.
    peak
        Size of a value that has the strongest colour; the largest of all if left out, for which all
        of them are computed once.
    below, above
        Texts that say what values below and above 0 mean.
    title
        Text that says what the strength of a colour stands for.
    peak_db
        Level, in dB, of `peak`: 0 for levels relative to it.

    Raises
    ------
    ParameterError
        If `peak` is no size.

    Examples
    --------
    >>> mixture, sources, _ = mssviz.examples()["francium"].excerpt(0, 2).sound()
    >>> params = mssviz.stft.StftParams()
    >>> errors = mssviz.scores.error_map(sources["vocals"], 0.5 * sources["vocals"], params)
    >>> found = mssviz.SignedMap(errors.signed, below="missing", above="too much")
    >>> stft = mssviz.stft.stft(mixture, params)
    >>> view = mssviz.SpectrogramView(stft, params, maps={"error": {"vocals": found}})
    >>> view.shows
    ['mixture', 'map/vocals/error']
    """

    values: Any
    peak: float | None = None
    below: str = "below 0"
    above: str = "above 0"
    title: str = "level, of the strongest place"
    peak_db: float = 0.0

    def __post_init__(self) -> None:
        if self.peak is None:
            object.__setattr__(self, "peak", largest(self.values))
        elif not (np.isfinite(self.peak) and self.peak >= 0):
            raise ParameterError(f"peak must be a size, 0 or more (got {self.peak})")

    @property
    def signs(self) -> Signs:
        """What the values mean, for the picture's legend."""
        return Signs(self.below, self.above, self.title, self.peak_db)

    def quantised(self, frames: slice, channel: Channel) -> AnyArray:
        """Levels of some frames with their signs in 8 bits, see `_tiles.quantise_signed`."""
        energies = mask_view(np.asarray(self.values[frames]), channel)
        return quantise_signed(energies, self.peak or 0.0)

    def read(self, frame: int, index: int, channel: Channel) -> dict[str, Any]:
        """Level of a bin in dB, and what its sign means, see `SpectrogramView.read`."""
        part = np.asarray(self.values[frame : frame + 1])[:, index : index + 1]
        value = float(mask_view(part, channel)[0, 0])
        level_db = 0.5 * float(to_db(np.array(abs(value)), self.peak or 1.0, floor_db=-320))
        return {
            "level_db": level_db + self.peak_db,
            "side": self.above if value > 0 else self.below,
        }
