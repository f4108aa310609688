"""The numbers behind a spectrogram view: tiles of its layers, readings of bins, and slices."""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from mssviz import plots
from mssviz._typing import AnyArray
from mssviz.errors import ParameterError
from mssviz.stft import StftParams, to_db
from mssviz.widgets import _tiles
from mssviz.widgets._layers import Layer, layers_by_name
from mssviz.widgets._tiles import Channel, check_channel, mask_view
from mssviz.widgets.signed_map import SignedMap

#: Most points that a slice through time has.
SLICE_POINTS = 1200

#: How complex masks are rounded, see `plots.complex_codes`.
_COMPLEX = {
    "turns": plots.TURNS,
    "turnStepDb": plots.STEP_DB,
    "turnLowestDb": plots.LOWEST_DB,
    "turnHighestDb": plots.HIGHEST_DB,
    "turnAboveOne": plots.ABOVE_ONE,
    "turnSilent": plots.SILENT,
}

_NOTES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


class PictureData:
    """Spectrum, masks and true stems of a song, looked up by layer or by time and frequency.

    Parameters
    ----------
    mixture
        STFT ``(n_frames, n_bins, n_channels)``, or anything that can be sliced along its frames.
    params
        Time-frequency grid of the STFT.
    masks
        Masks in [0, 1] by stem, of the same shape.
    references
        STFTs of the true stems by name, where known.
    compare
        Masks to compare with, by stem, for each name of what they are.
    offset
        Time of the first sample on the song's time axis, in seconds.
    maps
        Maps by stem, for each name of what they show.
    complex_masks
        Complex masks of stems that have a mask, where they turn the phase; NaN without sound.

    Attributes
    ----------
    layers : dict of str to Layer
        Layers that can be shown, by name.
    offset : float
        Time of the first sample, as given, in seconds.
    n_frames, n_bins : int
    hop : float
        Distance of neighbouring frames, in seconds.
    first : float
        Centre of the first frame on the song's time axis, in seconds.
    hertz_per_bin : float
        Distance of neighbouring bins, in hertz.

    Raises
    ------
    ParameterError
        If arrays have other shapes, or names cannot be told apart.
    """

    def __init__(
        self,
        mixture: Any,
        params: StftParams,
        masks: Mapping[str, Any],
        references: Mapping[str, Any],
        compare: Mapping[str, Mapping[str, Any]],
        offset: float,
        maps: Mapping[str, Mapping[str, SignedMap]] | None = None,
        complex_masks: Mapping[str, Any] | None = None,
    ) -> None:
        plots.check_layout(np.shape(mixture), params, "mixture")
        self.n_frames, self.n_bins, _ = mixture.shape
        self.hop = params.hop_length / params.sample_rate
        self.first = offset - params.n_fft / 2 / params.sample_rate
        self.hertz_per_bin = params.sample_rate / params.n_fft
        self.offset, self._params = offset, params
        self._mixture, self._masks, self._references = mixture, dict(masks), dict(references)
        self._compare = {other: dict(stems) for other, stems in compare.items()}
        self._complex_masks = dict(complex_masks or {})
        _check_among(self._masks, self._complex_masks)
        given = (self._masks, self._complex_masks, self._references)
        for arrays in (*given, *self._compare.values()):
            self._check_shapes(arrays)
        self.layers: dict[str, Layer] = {}
        self._pyramids: dict[tuple[str, Channel], _tiles.Pyramid] = {}
        self._cache = _tiles.BlockCache()
        self.set_maps(maps or {})

    @property
    def stems(self) -> list[str]:
        """Names of the stems that have a mask."""
        return list(self._masks)

    @property
    def end(self) -> float:
        """Time of the last sample, in seconds."""
        return 2 * self.first + (self.n_frames - 1) * self.hop - self.offset

    @property
    def geometry(self) -> dict[str, float]:
        """What the browser has to know of the grid and of the tiles, in seconds, hertz and dB."""
        return {
            "frames": self.n_frames,
            "bins": self.n_bins,
            "hop": self.hop,
            "first": self.first,
            "hertzPerBin": self.hertz_per_bin,
            "tileColumns": _tiles.TILE_COLUMNS,
            "levels": _tiles.n_levels(self.n_frames),
            "rangeDb": _tiles.RANGE_DB,
            "signedRangeDb": _tiles.SIGNED_RANGE_DB,
            **_COMPLEX,
            "end": self.end,
            "offset": self.offset,
        }

    @property
    def peak_db(self) -> float:
        """Level of the loudest bin, in dB re a sine of full scale; the value 255 stands for it."""
        return float(to_db(np.array(self._loudest), self._params.n_fft / 4, floor_db=-160))

    def set_masks(self, masks: Mapping[str, Any], frames: slice | None = None) -> tuple[int, int]:
        """Take other masks of the same stems.

        Parameters
        ----------
        masks
            Masks by stem, of the mixture's shape.
        frames
            Frames that differ from before; all if left out.

        Returns
        -------
        start, stop : int
            Frames that are computed anew when they are next asked for.
        """
        if set(masks) != set(self._masks):
            raise ParameterError(
                f"masks must be of the stems {', '.join(self._masks)} (got {', '.join(masks)})"
            )
        self._check_shapes(masks)
        self._masks = dict(masks)
        start, stop, _ = (frames or slice(0, self.n_frames)).indices(self.n_frames)
        if self._maps:  # of sounds, in which frames reach into those that they overlap with
            reach = 2 * self._params.n_fft // self._params.hop_length
            start, stop = max(0, start - reach), min(self.n_frames, stop + reach)
        for (name, _channel), pyramid in [*self._pyramids.items()]:  # another thread may add some
            if self.layers[name].properties.follows_masks:
                pyramid.forget(start, stop)
        return start, stop

    def set_maps(self, maps: Mapping[str, Mapping[str, SignedMap]]) -> None:
        """Take other maps, by stem for each name of what they show, in place of all there were."""
        for stems in maps.values():
            for found in stems.values():
                if not isinstance(found, SignedMap):
                    raise ParameterError(f"maps are SignedMaps (got {type(found).__name__})")
            self._check_shapes({name: found.values for name, found in stems.items()})
        signs = {what: {n: each.signs for n, each in stems.items()} for what, stems in maps.items()}
        known = [key for key in self._pyramids if self.layers[key[0]].kind != "map"]
        compared = {what: [*stems] for what, stems in self._compare.items()}
        self.layers = layers_by_name(
            self._masks, self._references, compared, signs, self._complex_masks
        )
        self._maps = {
            Layer("map", stem, what).name: found
            for what, stems in maps.items()
            for stem, found in stems.items()
        }
        for key in set(self._pyramids) - set(known):
            self._pyramids.pop(key).forget(0, self.n_frames)

    def _check_shapes(self, arrays: Mapping[str, Any]) -> None:
        for name, array in arrays.items():
            if np.shape(array) != tuple(self._mixture.shape):
                raise ParameterError(
                    f"{name}: must have the mixture's shape {tuple(self._mixture.shape)} "
                    f"(got {np.shape(array)})"
                )

    # --- a bin, and the lines through it --------------------------------------------------------

    def nearest(self, seconds: float, hertz: float) -> tuple[int, int]:
        """Find the frame and the index of the bin nearest to a point."""
        frame = round((seconds - self.first) / self.hop)
        index = round(hertz / self.hertz_per_bin)
        return int(np.clip(frame, 0, self.n_frames - 1)), int(np.clip(index, 0, self.n_bins - 1))

    def read(self, seconds: float, hertz: float, channel: Channel) -> dict[str, Any]:
        """Read the exact values of the bin nearest to a point; see `SpectrogramView.read`."""
        frame, index = self.nearest(seconds, hertz)
        mixture = _one_bin(self._mixture, frame, index)
        stems = {}
        for name, array in self._masks.items():
            mask = _one_bin(array, frame, index)
            values: dict[str, Any] = {
                "mask": float(mask_view(mask, channel)[0, 0]),
                "level_db": self._level_db(mask * mixture, channel),
                "phase": float(np.angle(mixture[0, 0, 0])),
            }
            if name in self._references:
                true = _one_bin(self._references[name], frame, index)
                values["reference_db"] = self._level_db(true, channel)
                values["reference_phase"] = float(np.angle(true[0, 0, 0]))
            if name in self._complex_masks:
                found = _one_bin(self._complex_masks[name], frame, index)
                view = _tiles.complex_mask_view(found, mixture, channel)
                values["complex_mask"] = _in_parts(complex(view[0, 0]))
            stems[name] = values
        frequency = index * self.hertz_per_bin
        return {
            "frame": frame,
            "bin": index,
            "time": self.first + frame * self.hop,
            "frequency": frequency,
            "note": note_name(frequency),
            "level_db": self._level_db(mixture, channel),
            "stems": stems,
            "maps": {name: one.read(frame, index, channel) for name, one in self._maps.items()},
        }

    def slices(
        self, seconds: float, hertz: float, channel: Channel, span: tuple[float, float]
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Levels across one frame and along one bin, see `SpectrogramView.slices`.

        The bin's course is given for the part of the song, in seconds, that `span` says.
        """
        frame, index = self.nearest(seconds, hertz)
        frames = _tiles.frames_within(span, self.hop, self.first, self.n_frames)
        step = max(1, -(-(frames.stop - frames.start) // SLICE_POINTS))
        across = {"mixture": np.asarray(self._mixture[frame : frame + 1])}
        along = {"mixture": _course(self._mixture, frames, step, index)}
        for name, mask in self._masks.items():
            across[name] = np.asarray(mask[frame : frame + 1]) * across["mixture"]
            along[name] = _course(mask, frames, step, index) * along["mixture"]
        spectra = [self._levels_db(values, channel)[0] for values in across.values()]
        courses = [self._levels_db(values, channel)[:, 0] for values in along.values()]
        message = {
            "names": list(across),
            "start": self.first + frames.start * self.hop,
            "stop": self.first + (frames.start + (len(courses[0]) - 1) * step) * self.hop,
        }
        return message, [np.ascontiguousarray(v, "<f4").tobytes() for v in (*spectra, *courses)]

    def _level_db(self, values: AnyArray, channel: Channel) -> float:
        return float(self._levels_db(values, channel)[0, 0])

    def _levels_db(self, values: AnyArray, channel: Channel) -> AnyArray:
        # a sine of full scale has the magnitude n_fft / 4 under a Hann window
        level = _tiles.channel_view(np.asarray(values), channel)
        return to_db(level, reference=self._params.n_fft / 4, floor_db=-160)

    # --- layers as 8-bit values -----------------------------------------------------------------

    @property
    def version(self) -> int:
        """Number that grows when what is shown changes: a tile is of the version before it."""
        return self._cache.changes

    def tile(self, name: str, channel: str, level: int, index: int) -> AnyArray:
        """One tile of a layer, ``(n_columns, n_bins)`` uint8."""
        return self._pyramid(name, channel).tile(level, index)

    def layer_values(self, name: str, channel: str = "mean") -> AnyArray:
        """All 8-bit values of a layer, ``(n_frames, n_bins)``."""
        pyramid = self._pyramid(name, channel)
        return np.concatenate([pyramid.tile(0, index) for index in range(pyramid.n_tiles(0))])

    def _pyramid(self, name: str, channel: str) -> _tiles.Pyramid:
        layer = self.layers.get(name)
        if layer is None or layer.kind == "hues":
            raise ParameterError(f"no layer {name!r}")
        key = (name, check_channel(channel))
        if key not in self._pyramids:
            self._pyramids[key] = _tiles.Pyramid(
                (self.n_frames, self.n_bins),
                lambda start, stop: self._quantised(layer, key[1], slice(start, stop)),
                layer.pool,
                self._cache,
            )
        return self._pyramids[key]

    def _quantised(self, layer: Layer, channel: Channel, frames: slice) -> AnyArray:
        """Values of some frames of a layer in 8 bits."""
        if layer.name in self._maps:
            return self._maps[layer.name].quantised(frames, channel)
        values = self._values(layer, frames)
        if layer.kind == "complex":
            mixture = np.asarray(self._mixture[frames])
            return plots.complex_codes(_tiles.complex_mask_view(values, mixture, channel))
        if layer.kind == "mask":
            return _tiles.quantise_share(mask_view(values, channel))
        if layer.kind == "difference":
            return _tiles.quantise_difference(mask_view(values, channel))
        return _tiles.quantise_level(_tiles.channel_view(values, channel), self._loudest)

    def _values(self, layer: Layer, frames: slice) -> AnyArray:
        """Values of some frames of a layer, ``(n, n_bins, n_channels)``."""
        kind, stem = layer.kind, layer.stem
        if stem is None:
            return np.asarray(self._mixture[frames])
        if kind == "reference":
            return np.asarray(self._references[stem][frames])
        if kind == "complex":
            return np.asarray(self._complex_masks[stem][frames])
        mask = np.asarray(self._masks[stem][frames])
        if kind == "estimate":
            return mask * np.asarray(self._mixture[frames])
        if layer.other is not None:
            return mask - np.asarray(self._compare[layer.other][stem][frames])
        return mask

    @cached_property
    def _loudest(self) -> float:
        return _tiles.largest(self._mixture)  # of the whole song, so that all tiles have one scale


def _one_bin(values: Any, frame: int, index: int) -> AnyArray:
    return np.asarray(values[frame : frame + 1])[:, index : index + 1]


def _check_among(masks: Collection[str], complex_masks: Collection[str]) -> None:
    if not set(complex_masks) <= set(masks):
        raise ParameterError(
            f"complex masks must be of the stems {', '.join(masks)} "
            f"(got {', '.join(complex_masks)})"
        )


def _in_parts(mask: complex) -> dict[str, float | None] | None:
    """Level of a complex mask, as a factor and in dB, and its turn, in degrees, if it is not 0."""
    if np.isnan(mask):
        return None
    return {
        "factor": abs(mask),
        "level_db": float(to_db(np.array(abs(mask)), floor_db=-160)),
        "turn": float(np.rad2deg(np.angle(mask))) if mask else None,
    }


def _course(values: Any, frames: slice, step: int, index: int) -> AnyArray:
    # every step-th frame of one bin, (n, 1, n_channels), without loading all bins of the song at
    # once
    block = step * -(-_tiles.BLOCK_FRAMES // step)
    parts = [
        np.asarray(values[start : min(start + block, frames.stop)])[::step, index : index + 1]
        for start in range(frames.start, frames.stop, block) or [frames.start]
    ]
    return np.concatenate(parts)


def note_name(frequency: float) -> str:
    """Name the nearest equal-tempered note (A4 = 440 Hz) and its distance: ``"A4 +12 ct"``.

    Parameters
    ----------
    frequency
        Frequency, in hertz; below 8 Hz there is no note, and the text is empty.
    """
    if frequency < 8:
        return ""
    pitch = 69 + 12 * np.log2(frequency / 440)
    nearest = round(pitch)
    cents = round(100 * (pitch - nearest))
    return f"{_NOTES[nearest % 12]}{nearest // 12 - 1} {cents:+d} ct"
