"""A song through a network: waveform → STFT → magnitudes → masks → stems.

Spleeter's network reads patches of 512 frames (11.9 s) that do not overlap and do not know of each
other, so a song that passes through patch by patch gives exactly the result of the whole. Networks
that look further get frames, or samples, of the neighbouring patches as context. Networks that give
waveforms choose a phase of their own, so their masks show only what they do to the level.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, Unpack

import numpy as np

from mssviz import presets, pretrained
from mssviz._ahead import ahead
from mssviz._progress import reporter
from mssviz._spleeter import METHODS
from mssviz._typing import AnyArray, Magnitude, PathLike, Progress, Waveform
from mssviz.errors import ParameterError, PretrainedError
from mssviz.presets import Preset
from mssviz.separation import (
    MAGNITUDE,
    SPECTRUM,
    MaskChanges,
    MaskOptions,
    Segment,
    Separation,
    changed,
    with_margins,
)
from mssviz.separators import recipes
from mssviz.separators.chunks import in_chunks, in_patches, in_triangles
from mssviz.separators.levels import at_song_level
from mssviz.separators.model import Model
from mssviz.stft import Frames, magnitude, stft_blocks

if TYPE_CHECKING:
    from mssviz.networks import Network


@dataclass(frozen=True)
class Quality:
    """A way to use a network.

    Parameters
    ----------
    variant
        Ending of a preset's name; the preset with this ending is taken where there is one.
    options
        Mask options that are set.
    """

    variant: str = ""
    options: MaskChanges = field(default_factory=lambda: MaskChanges())


#: Ways to use a network by name; docs/quality.md has the measurements.
QUALITIES = {
    "fast": Quality(),
    "best": Quality("-16kHz", {"extension": "average"}),
}


class Separator(Model):
    """A pretrained network, built once, for any number of songs.

    Parameters
    ----------
    model
        Name of a preset (see `models`), a folder with ``config.json`` and weights, or a
        configuration file, mssviz's or Spleeter's.
    quality
        ``"fast"`` is the network as published. ``"best"`` is what lost on no song of 37 with the
        same weights, and often gained for the accompaniment: the network up to 16 kHz where a
        preset has such a variant, and the band above extended; 1.5 times the work. `options` take
        precedence over both. Networks that give waveforms have only the published way.
    fetch
        Whether to fetch missing weights; otherwise their absence is an error.
    progress
        True for a bar while weights are fetched, False for none, or a callback.
    options
        Any of `MaskOptions`: ``power``, ``extension``, ``mwf``, ``smoothing``, ``hardness``,
        ``threshold``, ``bandwidth``. The preset's are used for those that are left out or None.

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

    Examples
    --------
    >>> waveform, sample_rate = mssviz.load_audio(mssviz.datasets.example_mixture(), duration=2.0)
    >>> separator = mssviz.Separator("spleeter:2stems", power=1.0)
    >>> separation = separator.separate(waveform, sample_rate, progress=False)
    >>> separation.estimates["vocals"].shape
    (88200, 2)
    """

    _network: "Network | None"

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
        if recipes.read(str(model)):
            raise ParameterError(
                f"{model} is made of several models, and a Separator is one network; call "
                "mssviz.separators.find"
            )
        wider = f"{model}{QUALITIES[quality].variant}"
        self._describe(presets.find(wider if wider in presets.shipped() else model))
        usual = changed(self.options, QUALITIES[quality].options)
        self.options = self.kind.change(usual, options, self.preset.name)
        if fetch and pretrained.state(self.preset) != "ready":
            with reporter(progress, unit="B") as report:
                pretrained.fetch(self.preset, report)

    @classmethod
    def from_network(cls, preset: Preset, network: "Network | None" = None) -> "Separator":
        """Make a separator of a preset that need not exist anywhere but in memory.

        Parameters
        ----------
        preset
            Targets, grid and network: the description that `network` was built from.
        network
            Network with its weights; if left out, the preset's own is loaded when it is needed.
        """
        separator = cls.__new__(cls)
        separator._describe(preset)
        separator._network = network
        return separator

    def _describe(self, preset: Preset) -> None:
        self.preset, self._network = preset, None
        self._loaded: str | None = None  # fingerprint of the files that the network was read from
        self.kind = SPECTRUM if preset.gives_waveforms else MAGNITUDE
        self.options = MaskOptions(power=preset.mask_power, extension=preset.mask_extension)

    if not TYPE_CHECKING:  # a type checker would take every name for known

        def __getattr__(self, name: str) -> NoReturn:
            remedy = f": {METHODS[name]}" if name in METHODS else ""
            raise AttributeError(f"a {type(self).__name__} has no {name!r}{remedy}")

    def fingerprint(self) -> str:
        """Everything that the result depends on, as `Model.fingerprint`, with the weights.

        They are those that the network runs with, although files may have changed since.
        """
        if self._network is None:
            weights = pretrained.fingerprint(self.preset)
        else:
            weights = self._loaded or self._network.fingerprint()
        return f"{super().fingerprint()} {weights}"

    def __getstate__(self) -> dict[str, Any]:
        """The state without the network, which another process builds for itself."""
        if self._network is not None and self._loaded is None:
            raise ParameterError(
                f"{self.preset.name} was made of a network in memory, which no other process has: "
                "save it as a preset, and name that"
            )
        return {**self.__dict__, "_network": None, "_loaded": None}

    @property
    def network(self) -> "Network":
        """The network, built at first use."""
        if self._network is None:
            network = pretrained.load(self.preset)
            self._loaded = pretrained.fingerprint(self.preset)
            self._network = network
        return self._network

    def fill(self, separation: Separation, progress: Progress) -> Iterator[slice]:
        """Fill in the prediction, as `Model.fill` does, one patch of the network at a time."""
        mixture, done = separation.mixture, 0
        for segment in self.segments([mixture], progress, len(mixture)):
            frames = slice(done, done + len(segment.mixture))
            for target, values in segment.values.items():
                separation.prediction.values[target][frames] = values
            done = frames.stop
            yield frames

    def segments(
        self, blocks: Iterable[Waveform], progress: Progress, n_samples: int | None = None
    ) -> Iterator[Segment]:
        """Run a stream of samples through the network, one patch at a time.

        Parameters
        ----------
        blocks
            Blocks of samples ``(any, n_channels)`` with the preset's sample rate and channels.
        progress
            Callback that is called after each patch, in seconds.
        n_samples
            Length of the stream in samples, if known, for `progress`.

        Raises
        ------
        PretrainedError
            If the network gives every target the same magnitude, as one without weights does, or
            gives anything that is not finite.
        """
        hop = self.preset.stft.hop_length / self.sample_rate
        total = None if n_samples is None else n_samples / self.sample_rate
        of_patches = self._of_waveforms if self.preset.gives_waveforms else self._of_spectra
        done = 0
        for segment in of_patches(blocks):
            _check_answers(segment.values, self.preset, done * hop)
            done += len(segment.mixture)
            seconds = done * hop
            progress(seconds if total is None else min(seconds, total), total, "separate")
            yield segment

    def _of_spectra(self, blocks: Iterable[Waveform]) -> Iterator[Segment]:
        context = self.preset.context
        n_core = self.preset.patch_frames - 2 * context
        # reading begins while TensorFlow is imported and the network is built
        with ahead(stft_blocks(blocks, self.preset.stft, n_core)) as spectra:
            network = self.network
            for part in with_margins((Segment(spectrum, {}) for spectrum in spectra), context):
                core = part.core(part.mixture)
                frames = slice(context, context + len(core))
                found = network(self._patch(part.mixture, context - part.before))
                yield Segment(core, {name: values[0, frames] for name, values in found.items()})

    def patch_of(self, mixture_stft: AnyArray | Frames, frame: int) -> tuple[AnyArray, int]:
        """The patch that the network reads to estimate a frame of a song.

        Parameters
        ----------
        mixture_stft
            STFT of the song's mixture, ``(n_frames, n_bins, n_channels)``.
        frame
            Number of the frame.

        Returns
        -------
        patch : array
            Magnitudes or spectra, ``(1, patch_frames, n_model_bins, n_channels)``; silent where the
            song has no frames.
        first : int
            Number that the patch's first frame has in the song; below 0 in a margin before it.

        Raises
        ------
        ParameterError
            If the network reads waveforms.
        """
        if self.network.signal == "waveform":
            raise ParameterError(f"{self.preset.name} reads waveforms and no spectrogram")
        n_core = self.preset.patch_frames - 2 * self.preset.context
        first = frame // n_core * n_core - self.preset.context
        spectrum = mixture_stft[max(0, first) : first + self.preset.patch_frames]
        return self._patch(spectrum, max(0, -first)), first

    def _patch(self, spectrum: AnyArray, first: int) -> AnyArray:
        """A patch with a spectrum from its frame `first` on."""
        read = magnitude if self.network.signal == "magnitude" else np.asarray
        shape = (1, self.preset.patch_frames, spectrum.shape[2], self.preset.model_bins)
        # memory order of spectra, see stft
        patch = np.moveaxis(np.zeros(shape, read(spectrum[:0]).dtype), 2, 3)
        patch[0, first : first + len(spectrum)] = read(spectrum[:, : self.preset.model_bins])
        return patch

    def _of_waveforms(self, blocks: Iterable[Waveform]) -> Iterator[Segment]:
        preset = self.preset
        n_core = preset.patch_samples - 2 * preset.context

        def estimate(patch: Waveform) -> Waveform:
            return np.concatenate([s[0] for s in self.network(patch[np.newaxis]).values()], axis=1)

        def joined(blocks: Iterable[Waveform]) -> Iterator[Waveform]:
            # mixture and stems side by side, as channels
            if preset.crossfade:
                return in_triangles(blocks, preset.patch_samples, preset.crossfade, estimate)
            if preset.overlap:
                return in_chunks(blocks, preset.patch_samples, preset.overlap, estimate)
            return in_patches(blocks, n_core, preset.context, preset.n_channels, estimate)

        together = (
            at_song_level(blocks, preset.n_channels, joined)
            if preset.song_level
            else joined(blocks)
        )
        n_frames = max(1, n_core // preset.stft.hop_length)
        for spectra in stft_blocks(together, preset.stft, n_frames):
            mixture, *stems = np.split(spectra, 1 + len(self.targets), axis=2)
            yield Segment(mixture, dict(zip(self.targets, stems, strict=True)))


def is_ready_network(name: PathLike) -> bool:
    """Whether a model is a network of a preset whose weights are on this machine."""
    try:
        return pretrained.state(presets.find(name)) == "ready"
    except ParameterError:  # another kind of model
        return False


def warm_up(model: Model) -> None:
    """Build a model and let it work once, on a tenth of a second of silence."""
    silence = np.zeros((model.sample_rate // 10, 2), np.float32)
    model.separate(silence, model.sample_rate, progress=False)


def _check_answers(magnitudes: Mapping[str, Magnitude], preset: Preset, seconds: float) -> None:
    for target, values in magnitudes.items():
        if not np.isfinite(values).all():
            raise PretrainedError(
                f"{preset.name}: the network's {target} is not finite after {seconds:.1f} s, so no "
                "stem can be made of it: its weights are damaged, or the sound lies far above full "
                "scale"
            )
    first, *others = magnitudes.values()
    if others and first.any() and all(np.array_equal(first, other) for other in others):
        raise PretrainedError(
            f"{preset.name}: every mask is exactly 1/{len(magnitudes)}: the network has no trained "
            "weights; choose another model",
            f"or run: {pretrained.fetch_command(preset)}",
        )
