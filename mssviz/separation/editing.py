"""Painting on masks: strokes in seconds and hertz, undo and redo, and masks that keep their sum."""

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mssviz._checks import check_number
from mssviz._fetch import no_progress
from mssviz._files import new_file
from mssviz._typing import AnyArray, Mask, PathLike, Progress
from mssviz.errors import ParameterError, reason
from mssviz.separation import _brush
from mssviz.stft import StftParams, bins_to_hz, frames_to_time

#: Memory for strokes that can be taken back, in bytes; beyond it the oldest are forgotten.
HISTORY_BYTES = 512 << 20

#: Most points of a stroke; a hand does not make more.
MAX_POINTS = 20_000
#: Half-axes of the narrowest brush, in seconds and hertz.
LEAST_RADII = (1e-4, 1.0)
_FARTHEST = 1e9

Tool = Literal["paint", "erase", "lasso", "comb"]
TOOLS: tuple[Tool, ...] = ("paint", "erase", "lasso", "comb")

# what numpy raises for files that are not its archives, or are damaged
_UNREADABLE = (
    OSError, ValueError, TypeError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Stroke:
    """One movement of the brush.

    Parameters
    ----------
    target
        Stem whose mask is painted on.
    tool
        Kind of brush: ``"paint"`` and ``"erase"`` follow the points, ``"lasso"`` fills the polygon
        that they enclose, and ``"comb"`` follows them and all multiples of their frequency.
    points
        Points of the movement, ``(seconds, hertz)``, at least one.
    radius_seconds, radius_hertz
        Half-axes of the brush, in seconds and hertz.
    softness
        Softness of the edge: 0 is a hard edge, 1 fades out from the centre.
    value
        Value that the mask gets where the stroke has full strength; 0 for ``"erase"``.
    """

    target: str
    tool: Tool
    points: Sequence[tuple[float, float]]
    radius_seconds: float = 0.05
    radius_hertz: float = 100.0
    softness: float = 0.5
    value: float = 1.0

    def __post_init__(self) -> None:
        if self.tool not in TOOLS:
            raise ParameterError(f"tool must be one of {', '.join(TOOLS)} (got {self.tool!r})")
        try:
            points = np.asarray(self.points, float)
        except (TypeError, ValueError):  # no numbers, or rows of several lengths
            points = np.zeros(0)
        if points.ndim != 2 or not len(points) or points.shape[1] != 2:
            raise ParameterError("a stroke needs at least one point (seconds, hertz)")
        for name in ("radius_seconds", "radius_hertz", "softness", "value"):
            check_number(getattr(self, name), name)
        if len(self.points) > MAX_POINTS:
            raise ParameterError(
                f"a stroke has at most {MAX_POINTS} points (got {len(self.points)}); draw it in "
                "parts"
            )
        if not (np.abs(points) <= _FARTHEST).all():
            raise ParameterError(
                f"the points of a stroke must be finite, within {_FARTHEST:.0e} s and Hz"
            )
        radii = (self.radius_seconds, self.radius_hertz)
        if not (LEAST_RADII[0] <= radii[0] < np.inf and LEAST_RADII[1] <= radii[1] < np.inf):
            raise ParameterError(
                f"brush radius must be positive: {LEAST_RADII[0]:g} s and {LEAST_RADII[1]:g} Hz or "
                f"more (got {radii[0]} s, {radii[1]} Hz)"
            )
        if not (0 <= self.softness <= 1 and 0 <= self.value <= 1):
            raise ParameterError(
                f"softness and value lie in [0, 1] (got {self.softness}, {self.value})"
            )


@dataclass
class _Edit:
    # what was done, with the masks of the changed frames before and after it
    frames: slice
    change: Stroke | dict[str, Mask]  # a stroke, or all masks from a file
    sum_to_one: bool
    before: dict[str, Mask] = field(default_factory=dict)
    after: dict[str, Mask] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        return sum(m.nbytes for masks in (self.before, self.after) for m in masks.values())


class MaskEditor:
    """The masks of all stems, with a history of strokes as long as `HISTORY_BYTES` allows.

    Parameters
    ----------
    masks
        Masks ``(n_frames, n_bins, n_channels)`` in [0, 1], by target.
    params
        Time-frequency grid of the masks.
    sum_to_one
        Whether the other stems share what one gains or loses, in proportion to what they had, so
        that the masks keep their sum. Where the others have nothing, they share equally; where one
        is painted above the sum of all, the others are 0; and no mask goes above 1.
    copy
        Whether to leave `masks` as they are; otherwise they are painted on directly, and must be
        float32.

    Examples
    --------
    >>> from mssviz.separation.editing import Stroke
    >>> masks = {"vocals": np.full((100, 2049, 2), 0.5), "rest": np.full((100, 2049, 2), 0.5)}
    >>> editor = mssviz.MaskEditor(masks, mssviz.stft.StftParams())
    >>> changed = editor.apply(Stroke("vocals", "erase", [(0.5, 1000.0), (1.0, 1000.0)]))
    >>> float(editor.masks["vocals"].min()), float(editor.masks["rest"].max())
    (0.0, 1.0)
    >>> undone = editor.undo()
    >>> editor.edited
    False
    """

    def __init__(
        self,
        masks: Mapping[str, AnyArray],
        params: StftParams,
        sum_to_one: bool = True,
        copy: bool = True,
    ) -> None:
        self.params, self.sum_to_one = params, sum_to_one
        take = np.array if copy else np.asarray
        self.masks = {target: take(mask, np.float32) for target, mask in masks.items()}
        shapes = {mask.shape for mask in self.masks.values()}
        if len(shapes) != 1:
            raise ParameterError(f"masks must share one shape (got {shapes})")
        self._shape = shapes.pop()
        if len(self._shape) != 3:
            raise ParameterError(
                f"masks must be of shape (n_frames, n_bins, n_channels) (got {self._shape})"
            )
        if copy and not all(np.isfinite(mask).all() for mask in self.masks.values()):
            raise ParameterError("masks must be finite")
        self._done: list[_Edit] = []
        self._undone: list[_Edit] = []
        self._forgotten: list[_Edit] = []  # these cannot be taken back any more

    @property
    def edited(self) -> bool:
        """Whether the masks differ from those that were given."""
        return bool(self._done or self._forgotten)

    @property
    def can_undo(self) -> bool:
        """Whether there is a stroke to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a stroke to paint again."""
        return bool(self._undone)

    @property
    def strokes(self) -> "list[tuple[Stroke, bool]]":
        """Strokes that the masks hold, in order, each with the `sum_to_one` that it had.

        Raises
        ------
        ParameterError
            If masks of a file are under them, which no stroke tells.
        """
        found = []
        for edit in self.changes:
            if not isinstance(edit.change, Stroke):
                raise ParameterError(
                    "masks were loaded from a file, which strokes do not tell; save the masks"
                )
            found.append((edit.change, edit.sum_to_one))
        return found

    @property
    def changes(self) -> "tuple[_Edit, ...]":
        """What was done to the masks, in order, for `follow`."""
        return tuple(replace(e, before={}, after={}) for e in (*self._forgotten, *self._done))

    def follow(self, changes: "Sequence[_Edit]") -> None:
        """Take over another editor's `changes`, for good; `rebase` paints them."""
        self._forgotten.extend(changes)

    def apply(self, stroke: Stroke, progress: Progress = no_progress) -> slice:
        """Paint a stroke.

        Parameters
        ----------
        stroke
            Stroke to paint.
        progress
            Callback that gets the share of the geometry that is done, before any mask changes. What
            it raises, such as `Cancelled`, leaves everything as it was.

        Returns
        -------
        slice
            Frames that changed; empty if the stroke lies outside.

        Raises
        ------
        ParameterError
            If there is no such target, or the stroke goes over too many bins.
        """
        if stroke.target not in self.masks:
            raise ParameterError(f"no stem {stroke.target!r}; choose among {', '.join(self.masks)}")
        frames = self._extent(stroke)
        if frames.stop <= frames.start:
            return slice(0, 0)
        strength = self._strength(stroke, frames, progress)
        if not strength.any():
            return slice(0, 0)
        self._do(_Edit(frames, stroke, self.sum_to_one), strength)
        return frames

    def undo(self) -> slice:
        """Take the last stroke back, and return the frames that changed."""
        return self._move(self._done, self._undone, "before")

    def redo(self) -> slice:
        """Paint again the stroke that was taken back last, and return the frames that changed."""
        return self._move(self._undone, self._done, "after")

    def save(self, path: PathLike) -> None:
        """Write the masks to an ``.npz`` file, under a temporary name until it is complete."""
        arrays: dict[str, Any] = dict(self.masks)
        with new_file(Path(path)) as scratch, scratch.open("wb") as file:
            np.savez_compressed(file, **arrays)

    def load(self, path: PathLike) -> slice:
        """Replace the masks by those of a file that `save` wrote, as one step that can be undone.

        Raises
        ------
        ParameterError
            If this is no such file, its stems or shapes are others, or values are not in [0, 1].
        """
        loaded = _read_masks(Path(path), list(self.masks), self._shape)
        if not all(m.min() > -1e-5 and m.max() < 1 + 1e-5 for m in loaded.values()):
            raise ParameterError(f"{path}: holds values that do not lie in [0, 1]")
        frames = slice(0, self._shape[0])
        self._do(_Edit(frames, loaded, self.sum_to_one))
        return frames

    def rebase(self, frames: slice, masks: Mapping[str, AnyArray]) -> None:
        """Put other masks under the strokes, which stay and can still be taken back.

        Parameters
        ----------
        frames
            Frames whose masks are replaced.
        masks
            New masks of these frames by target, as they are without any stroke.
        """
        self._undone.clear()
        for target, mask in masks.items():
            self.masks[target][frames] = mask
        for edit in (*self._forgotten, *self._done):
            start = max(frames.start, edit.frames.start)
            stop = min(frames.stop, edit.frames.stop)
            if start >= stop:
                continue
            part = slice(start - edit.frames.start, stop - edit.frames.start)
            for target, before in edit.before.items():
                before[part] = self.masks[target][start:stop]
            self._paint(edit, slice(start, stop))
            for target, after in edit.after.items():
                after[part] = self.masks[target][start:stop]

    def _do(self, edit: _Edit, strength: AnyArray | None = None) -> None:
        edit.before = self._copy(edit.frames)
        self._paint(edit, edit.frames, strength)
        edit.after = self._copy(edit.frames)
        self._done.append(edit)
        self._undone.clear()
        while len(self._done) > 1 and sum(e.nbytes for e in self._done) > HISTORY_BYTES:
            oldest = self._done.pop(0)
            self._forgotten.append(replace(oldest, before={}, after={}))

    def _copy(self, frames: slice) -> dict[str, Mask]:
        return {target: mask[frames].copy() for target, mask in self.masks.items()}

    def _paint(self, edit: _Edit, frames: slice, strength: AnyArray | None = None) -> None:
        # paints some of the frames of an edit; each is painted by itself
        stroke = edit.change
        if not isinstance(stroke, Stroke):
            for target, mask in stroke.items():
                self.masks[target][frames] = mask[frames]
            return
        if strength is None:
            strength = self._strength(stroke, frames)
        before = self._copy(frames)
        old = before[stroke.target]
        value = 0.0 if stroke.tool == "erase" else stroke.value
        new = old + strength[:, :, None] * (np.float32(value) - old)
        self.masks[stroke.target][frames] = new
        if edit.sum_to_one:
            self._share(stroke.target, frames, before, new)

    def _move(self, source: list[_Edit], target: list[_Edit], which: str) -> slice:
        if not source:
            return slice(0, 0)
        edit = source.pop()
        target.append(edit)
        values: dict[str, Mask] = getattr(edit, which)
        for name, mask in values.items():
            self.masks[name][edit.frames] = mask
        return edit.frames

    def _share(self, target: str, frames: slice, before: Mapping[str, Mask], new: Mask) -> None:
        others = [t for t in self.masks if t != target]
        if not others:
            return
        total = np.add.reduce(list(before.values()))
        rest = np.add.reduce([before[t] for t in others])
        left = np.maximum(total - new, 0)
        # where all masks are 0, above the modelled band, painting adds and takes nothing from the
        # others
        moved = (total > 1e-6) & (new != before[target])
        for t in others:
            share = np.where(rest > 1e-6, before[t] / np.maximum(rest, 1e-6), 1 / len(others))
            self.masks[t][frames] = np.where(moved, np.minimum(share * left, 1), before[t])

    def _extent(self, stroke: Stroke) -> slice:
        times = np.array([seconds for seconds, _ in stroke.points])
        margin = 0.0 if stroke.tool == "lasso" else stroke.radius_seconds
        centres = frames_to_time(np.arange(self._shape[0]), self.params)
        start = np.searchsorted(centres, times.min() - margin)
        stop = np.searchsorted(centres, times.max() + margin, side="right")
        return slice(int(start), int(stop))

    def _strength(
        self, stroke: Stroke, frames: slice, progress: Progress = no_progress
    ) -> AnyArray:
        # strength ``(n_frames, n_bins)`` in [0, 1]
        seconds = frames_to_time(np.arange(frames.start, frames.stop), self.params)
        hertz = bins_to_hz(np.arange(self._shape[1]), self.params)

        def check(share: float) -> None:
            progress(share, 1.0, "paint")

        if stroke.tool == "lasso":
            return _brush.inside(stroke.points, seconds, hertz, check).astype(np.float32)
        radii = (stroke.radius_seconds, stroke.radius_hertz)
        rate = self.params.sample_rate
        spacing = (self.params.hop_length / rate, rate / self.params.n_fft)
        comb = spacing if stroke.tool == "comb" else None
        return _brush.along(stroke.points, radii, stroke.softness, seconds, hertz, check, comb)


def _read_masks(path: Path, stems: Sequence[str], shape: tuple[int, ...]) -> dict[str, Mask]:
    """Read a file that `MaskEditor.save` wrote, which must be of these stems and this shape."""
    if not path.is_file():
        raise ParameterError(f"{path}: no such file of masks; check its name")
    try:
        with zipfile.ZipFile(path) as archive:
            found = [_described(archive, entry) for entry in archive.infolist()[: len(stems) + 1]]
            if sorted(found) != sorted((name, shape) for name in stems):
                held = ", ".join(f"{name!r} {size}" for name, size in found)
                raise ParameterError(
                    f"{path}: holds masks of {held}; needed are {', '.join(stems)} with shape "
                    f"{shape}"
                )
            return {name: _read_mask(archive, name) for name in stems}
    except _UNREADABLE as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(f"{path}: not a file of masks ({reason(error)})") from error


def _described(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[str, tuple[int, ...]]:
    # name and shape of an array from its first bytes; nothing else is unpacked yet
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{entry.filename} is packed in another way")
    with archive.open(entry) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{entry.filename} is of another version")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.kind != "f":
        raise ValueError(f"{entry.filename} holds {dtype}, not floating point")
    return entry.filename.removesuffix(".npy"), shape


def _read_mask(archive: zipfile.ZipFile, name: str) -> Mask:
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False).astype(np.float32)
