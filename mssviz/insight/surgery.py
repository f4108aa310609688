"""A network with layers, skip connections or single channels scaled or switched off."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mssviz._checks import check_number
from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.insight.evidence import frame_at
from mssviz.separation import Separation
from mssviz.separators import Separator
from mssviz.stft import frames_to_time

if TYPE_CHECKING:
    from mssviz.networks.gates import Gates, Site


class Surgery(Separator):
    """A network whose parts can be scaled and switched off; used as any other separator.

    Parameters
    ----------
    separator
        Network to operate on. It stays as it is, and its weights are shared.

    Attributes
    ----------
    whole : Separator
        Network that is operated on.

    Raises
    ------
    ParameterError
        If it is no network.

    Examples
    --------
    >>> surgery = mssviz.insight.Surgery(mssviz.Separator())
    >>> surgery.scale("vocals_conv1_skip", 0)
    >>> surgery.cuts
    {'vocals_conv1_skip': 'off'}
    >>> waveform, sample_rate = mssviz.load_audio(mssviz.datasets.example_mixture(), duration=2.0)
    >>> separation = surgery.separate(waveform, sample_rate, progress=False)
    >>> surgery.reset()
    """

    def __init__(self, separator: Separator) -> None:
        if not isinstance(separator, Separator):
            raise ParameterError(
                f"only a network has layers to cut (got {type(separator).__name__})"
            )
        self._describe(separator.preset)
        self.options, self.whole = separator.options, separator
        self._gates: Gates | None = None
        self._gains: dict[str, AnyArray] = {}

    @property
    def network(self) -> Any:
        """The network with its gates, made at first use."""
        if self._network is None:
            self._network = self.whole.network.with_model(self.gates.model)
        return self._network

    @property
    def gates(self) -> "Gates":
        """The gates of the network, made at first use."""
        if self._gates is None:
            from mssviz.networks.gates import Gates

            self._gates = Gates(self.whole.network.model, self.targets)
            self._gates.set_gains(self._gains)
        return self._gates

    @property
    def sites(self) -> "Mapping[str, Site]":
        """What can be scaled, by name, in the order in which the network computes."""
        return self.gates.sites

    @property
    def cuts(self) -> dict[str, str]:
        """What differs from the whole network, by name of the site, in words."""
        return {name: _in_words(gains) for name, gains in self._gains.items()}

    @property
    def gains(self) -> dict[str, list[float]]:
        """Gains of all channels of each site that differs from the whole network, by its name."""
        return {name: gains.tolist() for name, gains in self._gains.items()}

    def scale(self, site: str, gain: float = 0.0, channels: Any = None) -> None:
        """Scale what a layer or a skip connection hands on.

        Parameters
        ----------
        site
            Name of the site, one of `sites`.
        gain
            Gain, 0 for off, 1 for as it was.
        channels
            Numbers of the channels to scale, from 0; all if left out.

        Raises
        ------
        ParameterError
            If there is no such site or channel, or the gain is no finite number.
        """
        n_channels = self.gates.site(site).n_channels
        check_number(gain, "gain")
        if not abs(gain) <= np.finfo(np.float32).max:
            raise ParameterError(f"gain must be finite in 32 bits (got {gain})")
        gains = self._gains.get(site, np.ones(n_channels, np.float32)).copy()
        try:
            chosen = np.arange(n_channels) if channels is None else np.atleast_1d(channels)
        except ValueError:  # rows of several lengths
            chosen = np.array([channels], object)
        if chosen.dtype.kind not in "iu" or not ((chosen >= 0) & (chosen < n_channels)).all():
            raise ParameterError(
                f"channels of {site} are whole numbers from 0 to {n_channels - 1} (got {channels})"
            )
        gains[chosen] = gain
        self._gains.pop(site, None)
        if (gains != 1).any():
            self._gains[site] = gains
        self.gates.set_gains(self._gains)

    def reset(self) -> None:
        """Make the network whole again."""
        self._gains = {}
        self.gates.set_gains(self._gains)

    def feature_maps(
        self, site: str, separation: Separation, time: float
    ) -> tuple[AnyArray, tuple[float, float]]:
        """What a layer hands on for the patch of a song that holds a time, cuts included.

        Parameters
        ----------
        site
            Name of the site, one of `sites`.
        separation
            Song, separated by this network or by the whole one.
        time
            Time in seconds from the excerpt's beginning.

        Returns
        -------
        maps : array
            Output, float32. Of layers with an image, ``(n_times, n_bands, n_channels)``: they lie
            on the spectrogram's axes, from the first bin to the last that the network reads.
            Others have a shape of their own, with channels last.
        seconds : tuple of float
            Times of the patch's first and last frame; the maps' first axis runs from one to the
            other.

        Raises
        ------
        ParameterError
            If there is no such site or time, or the network reads waveforms.
        """
        params = separation.preset.stft
        patch, first = self.patch_of(separation.mixture_stft, frame_at(separation, time))
        ends = frames_to_time(np.array([first, first + patch.shape[1] - 1]), params)
        mixture = self.network.model_input(np.ascontiguousarray(patch))
        return self.gates.output(site, mixture)[0], (float(ends[0]), float(ends[1]))

    def fingerprint(self) -> str:
        """Everything that the result depends on, as `Separator.fingerprint`, with the cuts."""
        return f"{super().fingerprint()} {self.gains}"

    def __getstate__(self) -> dict[str, Any]:
        """The state without networks, which another process builds for itself."""
        return {**super().__getstate__(), "_gates": None}


def _in_words(gains: AnyArray) -> str:
    """What is done to a site's channels, such as ``"off"`` or ``"channels 3, 7: off"``."""
    words = {gain: "off" if gain == 0 else f"x {gain:g}" for gain in np.unique(gains[gains != 1])}
    if len(words) == 1 and (gains != 1).all():
        return next(iter(words.values()))
    return "; ".join(
        f"channels {', '.join(map(str, np.flatnonzero(gains == gain)))}: {word}"
        for gain, word in words.items()
    )
