"""A list of regions of time and frequency, each of which can be looked at and heard by a click."""

import math
from collections.abc import Sequence
from typing import Any

import ipywidgets as w
import traitlets as t

from mssviz.scores.regions import Region
from mssviz.widgets import _static
from mssviz.widgets._view import Number, View, pair
from mssviz.widgets.spectrogram import SpectrogramView

#: What is seen beside a region: as much again on either side, and at least this many seconds.
_LEAST_SECONDS = 0.5
#: Factor by which what is seen reaches below and above a region.
_FREQUENCY_FACTOR = 2.0
#: Shortest loop, in seconds.
_LEAST_LOOP = 0.3


class RegionList(View):
    """The regions whose error costs most, in a list: a click zooms in on one and loops it.

    Linked with a view by `follow`, it moves that one; by itself, it is only read.

    Parameters
    ----------
    regions
        Regions from `scores.costliest`.
    offset
        Time of the excerpt's beginning in the song, in seconds.
    duration
        Length of the excerpt in seconds, beyond which a click does not lead.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> true = rng.normal(size=(44100, 1))
    >>> errors = mssviz.scores.error_map(true, np.concatenate([true[:22050], 0 * true[22050:]]))
    >>> listed = mssviz.RegionList(mssviz.scores.costliest(errors, 3))
    >>> listed.rows[0]["kind"]
    'missing'
    """

    shared = ("start", "stop", "time", "selection")
    #: Names of the traits that it shares with the view that it moves.
    followed = (*shared, "low", "high")
    module = "regions.js"
    _esm = _static.module(module)
    styles = ("regions.css",)
    _css = _static.style(*styles)

    start = Number(help="left edge in view, seconds").tag(sync=True)
    stop = Number(help="right edge in view, seconds").tag(sync=True)
    low = Number(help="lower edge in view, hertz").tag(sync=True)
    high = Number(help="upper edge in view, hertz").tag(sync=True)
    time = Number(help="playhead, seconds").tag(sync=True)
    selection = pair("what is looped, [start, stop] seconds").tag(sync=True)
    chosen = t.Int(-1, help="number of the region that was clicked last, from 0").tag(sync=True)
    rows = t.List(
        t.Dict(),
        help="kind, gain_db, what a click shows, and the box of each region",
        read_only=True,
    ).tag(sync=True)

    def __init__(
        self, regions: Sequence[Region] = (), offset: float = 0.0, duration: float = math.inf
    ) -> None:
        super().__init__()
        self.set_regions(regions, offset, duration)

    def set_regions(
        self, regions: Sequence[Region], offset: float = 0.0, duration: float = math.inf
    ) -> None:
        """List other regions.

        Parameters
        ----------
        regions
            Regions from `scores.costliest`.
        offset
            Time of the excerpt's beginning in the song, in seconds.
        duration
            Length of the excerpt in seconds, beyond which a click does not lead.
        """
        within = (offset, offset + duration)
        rows = [_row(number, region, *within) for number, region in enumerate(regions, 1)]
        self.set_trait("rows", rows)
        self.chosen = -1

    @property
    def boxes(self) -> list[dict[str, Any]]:
        """Boxes around the regions, for `SpectrogramView.boxes`."""
        return [row["box"] for row in self.rows]

    def follow(self, view: SpectrogramView) -> list[w.Widget]:
        """Let clicks move a view in the browser.

        Parameters
        ----------
        view
            View of the song.

        Returns
        -------
        list of Widget
            Links between both; closing them parts the two.
        """
        for name in self.followed:
            setattr(self, name, getattr(view, name))
        return [w.jslink((view, name), (self, name)) for name in self.followed]


def _row(number: int, region: Region, offset: float, end: float) -> dict[str, Any]:
    start, stop = region.start + offset, min(region.stop + offset, end)
    margin = max(_LEAST_SECONDS, stop - start)
    loop = max(_LEAST_LOOP, stop - start)
    middle = (start + stop) / 2
    return {
        "kind": region.kind,
        "gain_db": region.gain_db,
        "shows": {
            "start": max(offset, start - margin),
            "stop": min(end, stop + margin),
            "low": max(20.0, region.low / _FREQUENCY_FACTOR),
            "high": region.high * _FREQUENCY_FACTOR,
            "selection": [max(offset, middle - loop / 2), min(end, middle + loop / 2)],
            "time": max(offset, middle - loop / 2),
        },
        "box": {
            "start": start, "stop": stop, "low": region.low, "high": region.high,
            "label": str(number),
        },
    }  # fmt: skip
