"""Painting on masks: strokes in seconds and hertz, undo and redo, consistent stems."""

import itertools
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mssviz._files import new_file
from mssviz._typing import AnyArray, Mask, PathLike
from mssviz.errors import ParameterError
from mssviz.stft import StftParams, bins_to_hz, frames_to_time

#: Memory for strokes that can be taken back; the oldest are forgotten beyond it.
HISTORY_BYTES = 512 << 20

Tool = Literal["paint", "erase", "lasso", "comb"]
TOOLS: tuple[Tool, ...] = ("paint", "erase", "lasso", "comb")

# what numpy raises for files that are none of its archives, or damaged ones
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
        ``"paint"`` and ``"erase"`` follow the points; ``"lasso"`` fills the polygon that they
        enclose; ``"comb"`` follows them and all multiples of their frequency.
    points
        ``(seconds, hertz)`` of the movement, at least one.
    radius_seconds, radius_hertz
        Half-axes of the brush.
    softness
        0: hard edge; 1: fades out from its centre.
    value
        What the mask becomes where the stroke is at full strength; 0 for ``"erase"``.
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
        if not len(self.points) or any(len(point) != 2 for point in self.points):
            raise ParameterError("a stroke needs at least one point (seconds, hertz)")
        if not np.isfinite(np.asarray(self.points, float)).all():
            raise ParameterError("the points of a stroke must be finite")
        if not (self.radius_seconds > 0 and self.radius_hertz > 0):
            raise ParameterError(
                f"brush radius must be positive (got {self.radius_seconds} s, "
                f"{self.radius_hertz} Hz)"
            )
        if not (0 <= self.softness <= 1 and 0 <= self.value <= 1):
            raise ParameterError(
                f"softness and value lie in [0, 1] (got {self.softness}, {self.value})"
            )


@dataclass
class _Edit:
    # what was done, and the frames that it changed, before and after
    frames: slice
    change: Stroke | dict[str, Mask]  # a stroke, or all masks from a file
    sum_to_one: bool
    before: dict[str, Mask] = field(default_factory=dict)
    after: dict[str, Mask] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        return sum(m.nbytes for masks in (self.before, self.after) for m in masks.values())


class MaskEditor:
    """Masks of all stems with a history of strokes, as long as `HISTORY_BYTES` allows.

    Parameters
    ----------
    masks
        Target to ``(n_frames, n_bins, n_channels)`` in [0, 1].
    params
        Their grid.
    sum_to_one
        Whether the other stems share what one gains or loses, in proportion to what they had,
        so that masks keep their sum. Where the others have nothing, they share equally; where
        one is painted above the sum of all, it stands alone; and no mask goes above 1.
    copy
        Whether to leave `masks` as they are; otherwise they are painted on themselves, and
        must be float32.
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
        self._done: list[_Edit] = []
        self._undone: list[_Edit] = []
        self._forgotten: list[_Edit] = []  # can not be taken back any more

    @property
    def edited(self) -> bool:
        """Whether the masks are other than those that were given."""
        return bool(self._done or self._forgotten)

    @property
    def can_undo(self) -> bool:
        """Whether there is a stroke to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether a stroke was taken back."""
        return bool(self._undone)

    def apply(self, stroke: Stroke) -> slice:
        """Paint a stroke.

        Returns
        -------
        slice
            The frames that changed; empty if the stroke lies outside.

        Raises
        ------
        ParameterError
            If there is no such target.
        """
        if stroke.target not in self.masks:
            raise ParameterError(f"no stem {stroke.target!r}; choose among {', '.join(self.masks)}")
        frames = self._extent(stroke)
        if frames.stop <= frames.start:
            return slice(0, 0)
        if not self._strength(stroke, frames).any():
            return slice(0, 0)
        self._do(_Edit(frames, stroke, self.sum_to_one))
        return frames

    def undo(self) -> slice:
        """Take the last stroke back; return the frames that changed."""
        return self._move(self._done, self._undone, "before")

    def redo(self) -> slice:
        """Paint the stroke again that was taken back last; return the frames that changed."""
        return self._move(self._undone, self._done, "after")

    def save(self, path: PathLike) -> None:
        """Write the masks to an ``.npz`` file, under a temporary name until it is complete."""
        arrays: dict[str, Any] = dict(self.masks)
        with new_file(Path(path)) as scratch, scratch.open("wb") as file:
            np.savez_compressed(file, **arrays)

    def load(self, path: PathLike) -> slice:
        """Replace the masks by those of a file that `save` wrote, as one step to undo.

        Raises
        ------
        ParameterError
            If it is no such file, its stems or shapes are others, or values are not in [0, 1].
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                loaded = {name: arrays[name].astype(np.float32) for name in arrays.files}
        except _UNREADABLE as error:
            raise ParameterError(f"{path}: not a file of masks ({error})") from error
        shapes = {mask.shape for mask in loaded.values()}
        if set(loaded) != set(self.masks) or shapes != {self._shape}:
            raise ParameterError(
                f"{path}: holds masks of {', '.join(loaded)} with shapes {shapes}; needed are "
                f"{', '.join(self.masks)} with shape {self._shape}"
            )
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
            Where.
        masks
            Target to the new masks of these frames, as they were before any stroke.
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

    def _do(self, edit: _Edit) -> None:
        edit.before = self._copy(edit.frames)
        self._paint(edit, edit.frames)
        edit.after = self._copy(edit.frames)
        self._done.append(edit)
        self._undone.clear()
        while len(self._done) > 1 and sum(e.nbytes for e in self._done) > HISTORY_BYTES:
            oldest = self._done.pop(0)
            self._forgotten.append(replace(oldest, before={}, after={}))

    def _copy(self, frames: slice) -> dict[str, Mask]:
        return {target: mask[frames].copy() for target, mask in self.masks.items()}

    def _paint(self, edit: _Edit, frames: slice) -> None:
        # some of the frames of an edit; each is painted by itself
        stroke = edit.change
        if not isinstance(stroke, Stroke):
            for target, mask in stroke.items():
                self.masks[target][frames] = mask[frames]
            return
        before = self._copy(frames)
        old = before[stroke.target]
        value = 0.0 if stroke.tool == "erase" else stroke.value
        new = old + self._strength(stroke, frames)[:, :, None] * (np.float32(value) - old)
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
        # where all masks are 0, above the modelled band, painting adds and takes from nobody
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

    def _strength(self, stroke: Stroke, frames: slice) -> AnyArray:
        # (n_frames, n_bins) in [0, 1]
        seconds = frames_to_time(np.arange(frames.start, frames.stop), self.params)[:, None]
        hertz = bins_to_hz(np.arange(self._shape[1]), self.params)[None, :]
        if stroke.tool == "lasso":
            return _inside(stroke.points, seconds, hertz).astype(np.float32)
        strength = np.zeros((len(seconds), hertz.shape[1]), np.float32)
        for t, f in _densify(stroke):
            rows = np.abs(seconds[:, 0] - t) <= stroke.radius_seconds
            if not rows.any():
                continue
            across = ((seconds[rows] - t) / stroke.radius_seconds) ** 2
            comb = stroke.tool == "comb" and f >= 1
            nearest = f * np.maximum(np.rint(hertz / f), 1) if comb else f
            distance = np.sqrt(across + ((hertz - nearest) / stroke.radius_hertz) ** 2)
            strength[rows] = np.maximum(strength[rows], _falloff(distance, stroke.softness))
        return strength


def _falloff(distance: AnyArray, softness: float) -> AnyArray:
    # 1 within the hard core, down to 0 at the brush's edge along half a cosine
    core = 1 - softness
    ramp = np.clip((distance - core) / max(softness, 1e-9), 0, 1)
    return np.where(distance > 1, 0, 0.5 + 0.5 * np.cos(np.pi * ramp))


def _densify(stroke: Stroke) -> AnyArray:
    # points a third of a radius apart, so that a quick movement leaves no gaps
    points = np.asarray(stroke.points, float)
    scale = np.array([stroke.radius_seconds, stroke.radius_hertz]) / 3
    parts = [points[:1]]
    for a, b in itertools.pairwise(points):
        n = max(1, int(np.ceil(np.abs((b - a) / scale).max())))
        parts.append(a + (b - a) * (np.arange(1, n + 1) / n)[:, None])
    return np.concatenate(parts)


def _inside(points: Sequence[tuple[float, float]], seconds: AnyArray, hertz: AnyArray) -> AnyArray:
    # even-odd rule: count the polygon's edges to the right of each bin
    inside = np.zeros(np.broadcast_shapes(seconds.shape, hertz.shape), bool)
    corners = np.asarray(points, float)
    for (t0, f0), (t1, f1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if f0 == f1:
            continue
        crosses = (f0 > hertz) != (f1 > hertz)
        # of bins that the edge does not cross, the quotient may be anything, and is not used
        with np.errstate(over="ignore", invalid="ignore"):
            inside ^= crosses & (seconds < t0 + (hertz - f0) * ((t1 - t0) / (f1 - f0)))
    return inside
