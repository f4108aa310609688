"""The mask laboratory: a separated excerpt whose masks can be changed and heard, part by part.

A slider changes the masks of all frames, a stroke those of a few. Either way only the frames that
changed are masked and turned into sound again, so that the result comes while one listens.
"""

import itertools
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np

from mssviz import masks
from mssviz._typing import AnyArray, Mask, MaskPart, Stft, Waveform
from mssviz.audio import residual_db
from mssviz.errors import ParameterError
from mssviz.separation import MaskChanges, Separation, changed, given_options
from mssviz.separation.editing import MaskEditor
from mssviz.separation.song import BLOCK_FRAMES, Store
from mssviz.stft import Frames, istft_part, stft_frames, time_to_frames

#: What no true stem tells, beside names of targets, which are not empty.
_REST = ""
#: Length of the parts in which a long excerpt is worked on, in seconds.
PART_SECONDS = 10.0


class Laboratory:
    """Masks, strokes on them, and the stems that they let through, all kept up to date.

    Parameters
    ----------
    separation
        Separation that the masks come from. The network may still be filling it in: then call
        `remask` and `resound` for the frames that are done.
    references
        True stems ``(n_samples, n_channels)`` by target, where known.

    Attributes
    ----------
    editor : MaskEditor
        Editor that holds the present masks; all are 0 until `remask`.
    estimates : dict
        Stems ``(n_samples, n_channels)`` by target, as the present masks let them through; silent
        until `resound`.
    oracle_phase : bool
        Whether stems get their true stem's phase, where known, instead of the mixture's.
    mask_part : str
        What of the model's complex masks is heard, see `masks.apply_part`; strokes replace them by
        masks in [0, 1], which have no parts.

    Examples
    --------
    >>> waveform, sample_rate = mssviz.load_audio(mssviz.datasets.example_mixture(), duration=2.0)
    >>> separation = mssviz.Separator().separate(waveform, sample_rate, progress=False)
    >>> laboratory = mssviz.Laboratory(separation)
    >>> laboratory.set_options(hardness=1.0)
    >>> for frames in laboratory.parts():
    ...     laboratory.remask(frames)
    ...     first, pieces = laboratory.resound(frames)
    >>> laboratory.estimates["vocals"].shape
    (88200, 2)
    """

    def __init__(
        self, separation: Separation, references: Mapping[str, Waveform] | None = None
    ) -> None:
        if not isinstance(separation, Separation):
            raise ParameterError(
                "separation must be what Separator.separate returns (got "
                f"{type(separation).__name__})"
            )
        self.separation = separation
        self.references = dict(references or {})
        _check_references(self.references, separation)
        self.oracle_phase = False
        self.mask_part: MaskPart = "whole"
        self._heard: Callable[[], Separation | None] = _nobody
        self.mixture_stft = separation.mixture_stft
        self.params = separation.preset.stft
        store, shape = separation.store, self.mixture_stft.shape
        empty = {target: store.empty(shape) for target in separation.targets}
        self.editor = MaskEditor(empty, self.params, copy=False)
        self.estimates: dict[str, Waveform] = {
            target: store.empty(separation.mixture.shape) for target in separation.targets
        }

    @property
    def reference_stfts(self) -> dict[str, Frames]:
        """STFTs of the true stems by target, computed when they are looked at."""
        return {t: stft_frames(waveform, self.params) for t, waveform in self.references.items()}

    @property
    def ideal_masks(self) -> dict[str, Frames]:
        """Ideal ratio masks by target, where the true stem is known; computed at each look.

        What no true stem tells shares the mixture with those that are known.
        """
        true = self.reference_stfts
        complete = len(true) == len(self.estimates)

        def of(target: str) -> Frames:
            def compute(start: int, stop: int) -> AnyArray:
                spectra = {name: frames[start:stop] for name, frames in true.items()}
                if not complete:
                    known = np.add.reduce(list(spectra.values()))
                    spectra[_REST] = self.mixture_stft[start:stop] - known
                return masks.ideal_ratio_masks(spectra)[target]

            return Frames(self.mixture_stft.shape, np.float32, compute)

        return {target: of(target) for target in true}

    @property
    def complex_masks(self) -> dict[str, Frames]:
        """Complex masks of the present options, whole and without strokes; computed at each look.

        They are those of `Separation.complex_masks`, and none where it has none.
        """

        def of(target: str) -> Frames:
            def compute(start: int, stop: int) -> AnyArray:
                return self.separation.complex_masks[target][start:stop]

            return Frames(self.mixture_stft.shape, np.complex64, compute)

        return {target: of(target) for target in self.separation.complex_masks}

    def set_options(
        self,
        oracle_phase: bool = False,
        mask_part: MaskPart = "whole",
        **changes: Unpack[MaskChanges],
    ) -> None:
        """Choose how masks are made and heard; `remask` and `resound` apply it.

        Parameters
        ----------
        oracle_phase
            Whether stems get the true stems' phase instead of the mixture's.
        mask_part
            Part of complex masks that is heard: ``"whole"``, ``"magnitude"`` or ``"turn"``, see
            `masks.apply_part`. The oracle phase comes after it.
        changes
            Mask options to change, any of `MaskOptions`.

        Raises
        ------
        ParameterError
            If a value is out of range, the oracle phase is wanted but true stems are not known, or
            a part of masks that have none.
        """
        if oracle_phase and not self.references:
            raise ParameterError("the oracle phase needs the true stems; choose the mixture's")
        masks.check_part(mask_part)
        separation = self.separation
        given = given_options(changes)
        if any(getattr(separation.options, name) != value for name, value in given.items()):
            separation = separation.with_options(**changes)
        if mask_part != "whole" and not separation.prediction.kind.is_filter(separation.options):
            raise ParameterError(
                f"{separation.preset.name}: its masks lie in [0, 1] and turn no phase, so there is "
                f"no part of them to hear (got mask_part={mask_part!r}); leave it at 'whole'"
            )
        self.separation = separation
        self.oracle_phase, self.mask_part = oracle_phase, mask_part
        self._heard = _nobody

    def take(self, separation: Separation) -> None:
        """Go on with another separation of the same mixture; strokes and options stay.

        Parameters
        ----------
        separation
            Separation by the same model, such as one with parts switched off. `remask` and
            `resound` apply it.

        Raises
        ------
        ParameterError
            If it is of another mixture, or by another model.
        """
        present = self.separation
        if separation.preset != present.preset or not np.array_equal(
            separation.mixture, present.mixture
        ):
            raise ParameterError(
                "a laboratory goes on with a separation of its own mixture by "
                f"{present.preset.name} (got {separation.preset.name}); make another for that"
            )
        self.separation = replace(separation, options=present.options, store=Store())
        self._heard = _nobody

    def is_local(
        self,
        oracle_phase: bool = False,
        mask_part: MaskPart = "whole",
        **changes: Unpack[MaskChanges],
    ) -> bool:
        """Whether with these options a frame's masks need no other frame's prediction.

        Then they can be made while the network is still at work on later frames.

        Parameters
        ----------
        oracle_phase, mask_part, changes
            Options as for `set_options`; the first two make no difference here.
        """
        options = changed(self.separation.options, changes)
        return not options.mwf and not options.margin(self.params)

    def parts(
        self, first: Sequence[tuple[float, float]] = (), within: slice | None = None
    ) -> Iterator[slice]:
        """Divide the frames into parts of some seconds.

        Parameters
        ----------
        first
            Parts (start, stop), in seconds from the excerpt's beginning, whose frames come first,
            in this order; they may overlap.
        within
            Frames to divide; all if left out.
        """
        begin, end, _ = (within or slice(None)).indices(self.mixture_stft.shape[0])
        size = round(PART_SECONDS * self.params.sample_rate / self.params.hop_length)
        left = [(begin, end)]
        for wanted in (*(self._frames_of(seconds) for seconds in first), (begin, end)):
            taken, left = _split(left, *wanted)
            for low, high in taken:
                # parts of even length, so that none has only a few frames
                edges = np.linspace(low, high, 1 + max(1, round((high - low) / size))).astype(int)
                for start, stop in itertools.pairwise(edges.tolist()):
                    yield slice(start, stop)

    def _frames_of(self, seconds: tuple[float, float]) -> tuple[int, int]:
        start, stop = time_to_frames(np.array(seconds), self.params).tolist()
        return start, stop + 1

    def remask(self, frames: slice) -> None:
        """Make the masks of some frames anew; strokes stay on them."""
        for block, found in self.separation.masked(frames.start, frames.stop):
            self.editor.rebase(block, found)
        self._heard = _nobody

    def resound(self, frames: slice) -> tuple[int, dict[str, Waveform]]:
        """Turn the present masks of some frames into sound.

        Returns
        -------
        start : int
            Number of the first sample that may have changed.
        pieces : dict
            New samples ``(any, n_channels)`` from there on, by target; they are in `estimates`,
            too.
        """
        params, n_samples = self.params, len(self.separation.mixture)
        overlap = params.n_fft // params.hop_length - 1
        wide = slice(
            max(0, frames.start - overlap), min(self.mixture_stft.shape[0], frames.stop + overlap)
        )
        pieces, start = {}, 0
        for target, spectrum in self._spectra(wide).items():
            first, piece = istft_part(spectrum, params, wide.start)
            start = max(0, first)
            pieces[target] = piece[start - first : n_samples - first]
            self.estimates[target][start : start + len(pieces[target])] = pieces[target]
        self._heard = _nobody
        return start, pieces

    @property
    def heard(self) -> Separation:
        """The separation as it is seen and heard now, strokes included; it does not change later.

        Its masks and estimates are copies, sample for sample.
        """
        found = self._heard()  # one that somebody holds is as good while nothing changes
        if found is None:
            found = self._copied()
            self._heard = weakref.ref(found)
        return found

    def residual_db(self) -> float:
        """Level of the mixture minus all stems, relative to the mixture, in dB; NaN in silence."""
        return residual_db(self.separation.mixture, self.estimates.values())

    def _copied(self) -> Separation:
        store, made = self.separation.store, self.separation
        stems, painted = {}, {}
        for target, mask in self.editor.masks.items():
            stems[target] = _copy(store, self.estimates[target])
            if self.editor.edited:
                painted[target] = _copy(store, mask)
        return _Heard(
            made.preset, made.mixture, made.prediction, made.options,
            Store({**store.cache, "stems": stems}),
            painted,
            _Recipe(self.references, self.oracle_phase, self.mask_part, self.editor.changes),
        )  # fmt: skip

    def _spectra(self, frames: slice) -> dict[str, Stft]:
        mixture = self.mixture_stft[frames]
        if self.separation.masker.is_filter and not self.editor.edited:
            # the filter moves levels between channels, which no mask in [0, 1] does
            blocks = self.separation.segments(frames.start, frames.stop)
            parts = [self.separation.masker.spectra(segment) for segment in blocks]
            spectra = {
                t: masks.apply_part(np.concatenate([p[t] for p in parts]), mixture, self.mask_part)
                for t in self.estimates
            }
        else:
            found = self.editor.masks
            spectra = {t: masks.apply(mask[frames], mixture) for t, mask in found.items()}
        if self.oracle_phase:
            true = self.reference_stfts
            for target, stft in true.items():
                spectra[target] = masks.with_phase(spectra[target], stft[frames])
        return spectra


def _split(
    runs: Sequence[tuple[int, int]], start: int, stop: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """What of some runs of frames lies from `start` to `stop`, and what is left of them."""
    inside, outside = [], []
    for low, high in runs:
        middle = max(low, min(start, high)), min(high, max(stop, low))
        if middle[0] >= middle[1]:
            outside.append((low, high))
            continue
        inside.append(middle)
        outside += [run for run in ((low, middle[0]), (middle[1], high)) if run[0] < run[1]]
    return inside, outside


@dataclass(frozen=True)
class _Recipe:
    """What a laboratory does beyond what a model does by itself."""

    references: Mapping[str, Waveform]
    oracle_phase: bool
    mask_part: MaskPart
    changes: Sequence[Any]

    @property
    def does_nothing(self) -> bool:
        return not (self.changes or self.oracle_phase or self.mask_part != "whole")

    def applied(self, separation: Separation) -> Separation:
        laboratory = Laboratory(separation, self.references)
        laboratory.oracle_phase, laboratory.mask_part = self.oracle_phase, self.mask_part
        laboratory.editor.follow(self.changes)
        for frames in laboratory.parts():
            laboratory.remask(frames)
            laboratory.resound(frames)
        return laboratory.heard


@dataclass(frozen=True, eq=False, repr=False)
class _Heard(Separation):
    """A song as it was heard in a laboratory at one time."""

    painted: Mapping[str, Mask]  # empty where masks are as the model makes them
    recipe: _Recipe

    def masked(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[slice, dict[str, Mask]]]:
        if not self.painted:
            yield from super().masked(start, stop)
            return
        n_frames = self.mixture_stft.shape[0]
        stop = n_frames if stop is None else min(stop, n_frames)
        for first in range(start, stop, BLOCK_FRAMES):
            frames = slice(first, min(first + BLOCK_FRAMES, stop))
            yield frames, {target: mask[frames] for target, mask in self.painted.items()}

    def with_options(self, **changes: Unpack[MaskChanges]) -> Separation:
        """As `Separation.with_options`; strokes stay on the new masks."""
        made = Separation(self.preset, self.mixture, self.prediction, self.options, Store())
        made = made.with_options(**changes)
        return made if self.recipe.does_nothing else self.recipe.applied(made)


def _copy(store: Store, array: AnyArray) -> AnyArray:
    copied = store.empty(array.shape, array.dtype)
    copied[:] = array
    return copied


def _nobody() -> None:
    """In place of a reference to what nobody holds."""


def _check_references(references: Mapping[str, Waveform], separation: Separation) -> None:
    """Raise `ParameterError` unless true stems are of a separation's targets and length."""
    if not set(references) <= set(separation.targets):
        raise ParameterError(
            f"references must be of {', '.join(separation.targets)} (got {', '.join(references)})"
        )
    shape = separation.mixture.shape
    for target, stem in references.items():
        if np.shape(stem) != shape:
            raise ParameterError(
                f"reference {target} must have the mixture's shape {shape} (got {np.shape(stem)})"
            )
