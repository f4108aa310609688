"""A song through a model, above all a network: waveform → STFT → magnitudes → masks → stems.

The network reads patches of 512 frames (11.9 s) that do not overlap and do not know of each
other, so a song can pass through patch by patch with exactly the result of the whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Unpack

import numpy as np

from mssviz import audio, presets, pretrained
from mssviz._ahead import ahead
from mssviz._progress import reporter
from mssviz._typing import AnyArray, Magnitude, PathLike, Progress, Waveform
from mssviz.errors import AudioError, ParameterError, PretrainedError
from mssviz.presets import Preset
from mssviz.separation import MaskChanges, MaskOptions, Segment, Separation, Store, changed
from mssviz.stft import magnitude, stft_blocks

if TYPE_CHECKING:
    from mssviz.networks import Network


#: Quality to the variant of a preset that it takes, and to mask options; see docs/quality.md.
QUALITIES: dict[str, tuple[str, MaskChanges]] = {
    "fast": ("", {}),
    "best": ("-16kHz", {"power": 1.0, "extension": "average"}),
}


class Model:
    """What separates mixtures: a network, a classical method, or an oracle.

    Attributes
    ----------
    preset : Preset
        Targets, time-frequency grid and description.
    options : MaskOptions
        How its masks are made.
    """

    preset: Preset
    options: MaskOptions
    #: Whether it needs the true stems, as oracles do.
    needs_references = False

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the stems, in order."""
        return self.preset.targets

    @property
    def sample_rate(self) -> int:
        """Rate that the network works at, in hertz."""
        return self.preset.stft.sample_rate

    def fingerprint(self) -> str:
        """What the result depends on besides the sound, as text."""
        return f"{self.preset.name} {self.preset.targets} {self.options}"

    def separate(
        self,
        waveform: AnyArray,
        sample_rate: int,
        progress: bool | Progress = True,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Separation:
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
        references
            Target to its true stem, as long as `waveform`; only oracles use it, and need it.

        Returns
        -------
        Separation

        Raises
        ------
        AudioError
            If the waveform is not fit; see `audio.check_waveform`.
        ParameterError
            If this is an oracle and `references` are not those of its targets.
        """
        separation = self.begin(waveform, sample_rate, references)
        for _ in self.proceed(separation, progress):
            pass
        return separation

    def begin(
        self,
        waveform: AnyArray,
        sample_rate: int,
        references: Mapping[str, AnyArray] | None = None,
    ) -> Separation:
        """A separation before the work: all magnitudes are 0; see `proceed`.

        Parameters, errors
            As in `separate`.
        """
        mixture = self.prepared(waveform, sample_rate)
        n_frames = self.preset.stft.n_frames(len(mixture))
        shape = (n_frames, self.preset.model_bins, self.preset.n_channels)
        store = Store()
        magnitudes = {target: store.empty(shape) for target in self.targets}
        return Separation(self.preset, mixture, magnitudes, self.options, store)

    def prepared(self, waveform: AnyArray, sample_rate: int, name: str = "waveform") -> Waveform:
        """Check a waveform and bring it to the model's channels and sample rate."""
        audio.check_sample_rate(sample_rate, "sample_rate")
        checked = audio.to_channels(audio.check_waveform(waveform, name), self.preset.n_channels)
        resampled = audio.resample(checked, sample_rate, self.sample_rate)
        if not len(resampled):
            raise AudioError(f"{name} is shorter than one sample at {self.sample_rate} Hz")
        return resampled

    def proceed(self, separation: Separation, progress: bool | Progress = True) -> Iterator[slice]:
        """Do the work on a separation from `begin`, part by part.

        Parameters
        ----------
        separation
            Its magnitudes are filled in.
        progress
            As in `separate`.

        Yields
        ------
        slice
            The frames that have just been filled in.
        """
        raise NotImplementedError


class Separator(Model):
    """A pretrained network, built once, for any number of songs.

    Parameters
    ----------
    model
        Name of a preset (see `models`), a folder with ``config.json`` and weights, or a
        configuration file, mssviz's or Spleeter's.
    quality
        ``"fast"``: as published. ``"best"``: what scored best on real songs with the same
        weights: the network up to 16 kHz where a preset has such a variant, exponent 1, the band
        above extended; 1.5 times the work. `options` come before both.
    fetch
        Fetch missing weights; otherwise their absence is an error.
    progress
        For fetching: True for a bar, or a callback.
    options
        Any of `MaskOptions`: ``power``, ``extension``, ``mwf_iterations``, ``smoothing``,
        ``hardness``, ``threshold``, ``bandwidth``; left out or None, the preset's.

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
        quality: str = "fast",
        fetch: bool = True,
        progress: bool | Progress = True,
        **options: Unpack[MaskChanges],
    ) -> None:
        if quality not in QUALITIES:
            raise ParameterError(f"quality must be one of {', '.join(QUALITIES)} (got {quality!r})")
        variant, changes = QUALITIES[quality]
        wider = f"{model}{variant}"
        self.preset = presets.find(wider if wider in presets.shipped() else model)
        own = MaskOptions(power=self.preset.mask_power, extension=self.preset.mask_extension)
        self.options = changed(changed(own, changes), options)
        if fetch and pretrained.state(self.preset) != "ready":
            with reporter(progress, unit="B") as report:
                pretrained.fetch(self.preset, report)
        self._network: Network | None = None

    def fingerprint(self) -> str:
        """As `Model.fingerprint`, with the weights."""
        return f"{super().fingerprint()} {pretrained.fingerprint(self.preset)}"

    @property
    def network(self) -> "Network":
        """The network, built at first use."""
        if self._network is None:
            self._network = pretrained.load(self.preset)
        return self._network

    def proceed(self, separation: Separation, progress: bool | Progress = True) -> Iterator[slice]:
        """As `Model.proceed`: the parts are the network's patches."""
        mixture, done = separation.mixture, 0
        with reporter(progress) as report:
            for segment in self.segments([mixture], report, len(mixture)):
                frames = slice(done, done + len(segment.mixture))
                for target, values in segment.magnitudes.items():
                    separation.magnitudes[target][frames] = values
                done = frames.stop
                yield frames

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
