"""A song through the network: waveform → STFT → patches → magnitudes → masks → stems.

The network reads patches of 512 frames (11.9 s) that do not overlap and do not know of each
other, so a song can pass through patch by patch with exactly the result of the whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from mssviz import audio, presets, pretrained
from mssviz._ahead import ahead
from mssviz._progress import reporter
from mssviz._typing import AnyArray, Extension, Magnitude, PathLike, Progress, Waveform
from mssviz.errors import AudioError, PretrainedError
from mssviz.presets import Preset
from mssviz.separation import MaskOptions, Segment, Separation, Store
from mssviz.stft import magnitude, stft_blocks

if TYPE_CHECKING:
    from mssviz.networks import Network


class Separator:
    """A pretrained network, built once, for any number of songs.

    Parameters
    ----------
    model
        Name of a preset (see `models`), a folder with ``config.json`` and weights, or a
        configuration file, mssviz's or Spleeter's.
    power, extension, mwf_iterations, binary
        As in `MaskOptions`; left out, the preset's.
    fetch
        Fetch missing weights; otherwise their absence is an error.
    progress
        For fetching: True for a bar, or a callback.

    Raises
    ------
    ParameterError
        If there is no such preset or an option is out of range.
    PretrainedError
        If weights cannot be had.

    Notes
    -----
    Mono is separated as stereo with equal channels, and gives stereo stems, as in Spleeter;
    of more than two channels the first two are separated, with a warning. Other sample rates
    are converted to the preset's, and stems keep the preset's rate.
    """

    def __init__(
        self,
        model: PathLike = "spleeter:2stems",
        *,
        power: float | None = None,
        extension: Extension | None = None,
        mwf_iterations: int = 0,
        binary: bool = False,
        fetch: bool = True,
        progress: bool | Progress = True,
    ) -> None:
        self.preset = presets.find(model)
        self.options = MaskOptions(
            power=self.preset.mask_power if power is None else power,
            extension=self.preset.mask_extension if extension is None else extension,
            mwf_iterations=mwf_iterations,
            binary=binary,
        )
        if fetch and pretrained.state(self.preset) != "ready":
            with reporter(progress, unit="B") as report:
                pretrained.fetch(self.preset, report)
        self._network: Network | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the stems, in order."""
        return self.preset.targets

    @property
    def sample_rate(self) -> int:
        """Rate that the network works at, in hertz."""
        return self.preset.stft.sample_rate

    @property
    def network(self) -> "Network":
        """The network, built at first use."""
        if self._network is None:
            self._network = pretrained.load(self.preset)
        return self._network

    def separate(
        self, waveform: AnyArray, sample_rate: int, progress: bool | Progress = True
    ) -> "Separation":
        """Separate a waveform and keep every intermediate.

        Parameters
        ----------
        waveform
            ``(n_samples, n_channels)`` or ``(n_samples,)``, floating point in [-1, 1].
        sample_rate
            In hertz.
        progress
            True for a bar, False for none, or a callback ``(seconds done, seconds in all,
            what)``; what it raises, such as `Cancelled`, stops the work.

        Returns
        -------
        Separation

        Raises
        ------
        AudioError
            If the waveform is not fit; see `audio.check_waveform`.
        """
        audio.check_sample_rate(sample_rate, "sample_rate")
        waveform = audio.check_waveform(waveform)
        mixture = audio.to_channels(waveform, self.preset.n_channels)
        mixture = audio.resample(mixture, sample_rate, self.sample_rate)
        if not len(mixture):
            raise AudioError(f"waveform is shorter than one sample at {self.sample_rate} Hz")
        n_frames = self.preset.stft.n_frames(len(mixture))
        shape = (n_frames, self.preset.model_bins, self.preset.n_channels)
        store = Store()
        magnitudes = {target: store.empty(shape) for target in self.targets}
        done = 0
        with reporter(progress) as report:
            for segment in self.segments([mixture], report, len(mixture)):
                stop = done + len(segment.mixture)
                for target, values in segment.magnitudes.items():
                    magnitudes[target][done:stop] = values
                done = stop
        return Separation(self.preset, mixture, magnitudes, self.options, store)

    def segments(
        self, blocks: Iterable[Waveform], progress: Progress, n_samples: int | None = None
    ) -> Iterator[Segment]:
        """Run a stream of samples through the network, one patch at a time.

        Parameters
        ----------
        blocks
            ``(any, n_channels)`` at the preset's sample rate and channels.
        progress
            Called after each patch, in seconds.
        n_samples
            Length of the stream, if known, for `progress`.

        Raises
        ------
        PretrainedError
            If the network gives every target the same magnitude, as one without weights does.
        """
        params = self.preset.stft
        n_patch = self.preset.patch_frames
        total = None if n_samples is None else n_samples / self.sample_rate
        # while TensorFlow is imported and the network built, reading has begun
        with ahead(stft_blocks(blocks, params, n_patch)) as spectra:
            network = self.network
            done = 0
            for spectrum in spectra:
                n_frames = len(spectrum)
                patch = np.zeros(
                    (1, n_patch, spectrum.shape[2], self.preset.model_bins), np.float32
                )
                patch = np.moveaxis(patch, 2, 3)  # memory order of spectra, see stft
                patch[0, :n_frames] = magnitude(spectrum[:, : self.preset.model_bins])
                predicted = network(patch)
                found = {name: values[0, :n_frames] for name, values in predicted.items()}
                _check_trained(found, self.preset)
                done += n_frames
                seconds = done * params.hop_length / params.sample_rate
                progress(seconds if total is None else min(seconds, total), total, "separate")
                yield Segment(spectrum, found)


def _check_trained(magnitudes: Mapping[str, Magnitude], preset: Preset) -> None:
    first, *others = magnitudes.values()
    if others and first.any() and all(np.array_equal(first, other) for other in others):
        raise PretrainedError(
            f"{preset.name}: every mask is exactly 1/{len(magnitudes)}: the network has no trained "
            f"weights; run: mssviz models fetch {preset.name}"
        )
