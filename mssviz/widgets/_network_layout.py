"""Where the parts of a network stand in a picture of it, computed from what its sites read.

Blocks are layers. A network whose images shrink and grow again is a U: blocks go down its left side
and up its right one, and what the right side reads of the left lies between them. Others are a
column, with their skip connections beside it. Branches that are computed one beside the other are
sections, one below the other.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mssviz.networks.gates import Site

#: Columns of a section: its blocks (of a U: those on the way down), skips, blocks on the way up.
DOWN, SKIPS, UP = range(3)
#: Most blocks that are all shown at once; of more, those with one beginning of their names fold.
MOST_UNFOLDED = 32


@dataclass(frozen=True)
class Cell:
    """A place in a section.

    Parameters
    ----------
    row, column
        Place from the top and from the left, both from 0; the column is `DOWN`, `SKIPS` or `UP`.
    title
        Name of several blocks that fold into one; empty if they do not.
    sites
        Names of what stands there.
    """

    row: int
    column: int
    title: str
    sites: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A branch of a network.

    Parameters
    ----------
    form
        Form of the picture.
    reads
        Names of the sites that its first block reads; none if it reads the mixture.
    cells
        Cells in an order in which the network can compute them.
    flow
        Pairs of numbers of cells, the second of which reads the first; they follow each other.
    """

    form: Literal["u", "column"]
    reads: tuple[str, ...]
    cells: tuple[Cell, ...]
    flow: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Link:
    """A line from one block to another one that does not follow it.

    Parameters
    ----------
    source
        Name of the block whose output is read.
    end
        Name of the block beside which it arrives; empty if it is part of the estimate.
    skip
        Name of the skip connection; empty where there is no gate.
    """

    source: str
    end: str
    skip: str


@dataclass(frozen=True)
class Layout:
    """The picture of all that belongs to a target.

    Parameters
    ----------
    sections
        Sections from the top.
    links
        Lines across.
    """

    sections: tuple[Section, ...]
    links: tuple[Link, ...]


def label(site: "Site") -> str:
    """Name of a site without its target."""
    return site.name.removeprefix(f"{site.target}_") if site.target else site.name


def proportions(sites: "Iterable[Site]") -> dict[str, tuple[float, float, float]]:
    """Extent of each site's output in time, frequency and channels, by name.

    Each is a share of the largest in the network, from 0 to 1 and logarithmic. Whatever has no
    frequency axis is as wide as can be.
    """
    axes = {site.name: _extents(site.shape) for site in sites}
    largest = [math.log2(max(axis, default=1)) or 1.0 for axis in zip(*axes.values(), strict=True)]
    return {
        name: (
            math.log2(time) / largest[0],
            math.log2(bands) / largest[1] if bands > 1 else 1.0,
            math.log2(channels) / largest[2],
        )
        for name, (time, bands, channels) in axes.items()
    }


def _extents(shape: Sequence[int]) -> tuple[int, int, int]:
    *positions, channels = shape
    return positions[0] if positions else 1, math.prod(positions[1:]), channels


def layout(sites: "Mapping[str, Site]", target: str) -> Layout:
    """Lay out what belongs to a target, and what belongs to all.

    Parameters
    ----------
    sites
        Sites by name, in the order in which the network computes.
    target
        Name of the target; empty for what belongs to all alone.
    """
    return _Drawing({n: site for n, site in sites.items() if site.target in ("", target)}).layout


class _Drawing:
    """A layout in the making; `sites` are those that it shows."""

    def __init__(self, sites: "Mapping[str, Site]") -> None:
        self.sites = sites
        self.blocks = list(self.ordered())
        self.size = {name: math.prod(site.shape[:-1]) for name, site in self.sites.items()}
        # for each skip, the first block that reads it
        self.reader = {
            skip: block for block in reversed(self.blocks) for _, skip in self.read(block) if skip
        }
        branches = self.branches()
        self.branch = {block.name: branch for branch in branches for block in branch}
        self.links = [
            Link(self.source(site), self.end(site), site.name)
            for site in self.sites.values() if site.is_skip
        ]  # fmt: skip
        sections = tuple(self.section(blocks) for blocks in branches)
        self.layout = Layout(sections, tuple(self.links))

    def ordered(self) -> "Iterator[Site]":
        """Blocks in an order in which they can be computed that follows a branch to its end."""
        waiting = {name: site for name, site in self.sites.items() if not site.is_skip}
        reads = {n: {source for source, _ in self.read(site)} for n, site in waiting.items()}
        last = ""
        while waiting:
            ready = [name for name in waiting if reads[name].isdisjoint(waiting)]
            last = next((name for name in ready if last in reads[name]), ready[0])
            yield waiting.pop(last)

    def read(self, site: "Site") -> "Iterator[tuple[str, str]]":
        """Each block that a site reads, with the skip by which it does; both shown here."""
        for name in site.reads:
            if name not in self.sites:
                continue
            if not self.sites[name].is_skip:
                yield name, ""
                continue
            yield self.source(self.sites[name]), name
            yield from (pair for pair in self.read(self.sites[name]) if pair[1])

    def source(self, skip: "Site") -> str:
        return skip.name.rpartition("_skip")[0]

    def end(self, skip: "Site") -> str:
        """The block that is like a skip in size: its reader, or what is merged with it.

        What is merged stands in the same branch, behind the block that the skip comes from.
        """
        reader = self.reader.get(skip.name)
        if reader is None:
            return ""
        branch = [block.name for block in self.branch[self.source(skip)]]
        behind = branch[branch.index(self.source(skip)) + 1 :]
        merged = {name for name, by in self.read(reader) if not by}
        candidates = [*[name for name in behind if name in merged][-1:], reader.name]
        own = math.log(self.size[skip.name])
        return min(candidates, key=lambda name: abs(math.log(self.size[name]) - own))

    def branches(self) -> "list[list[Site]]":
        """Blocks in order, parted where one reads something else than the block before it."""
        found: list[list[Site]] = []
        for block in self.blocks:
            last = found[-1][-1] if found else None
            follows = last and last.name in [name for name, _ in self.read(block)]
            if last and (follows or _kind(last) == _kind(block)):
                found[-1].append(block)
            else:
                found.append([block])
        return found

    def parts(self, blocks: "Sequence[Site]") -> "list[list[Site]]":
        """What stands in one cell: a block, or those with one beginning if there are many."""
        if len(self.blocks) <= MOST_UNFOLDED:
            return [[block] for block in blocks]
        parts: list[list[Site]] = []
        for block in blocks:
            if parts and _beginning(parts[-1][-1]) == _beginning(block):
                parts[-1].append(block)
            else:
                parts.append([block])
        return parts

    def section(self, blocks: "Sequence[Site]") -> Section:
        parts = self.parts(blocks)
        sizes = [self.size[part[-1].name] for part in parts]
        bottom = len(parts) - 1 - sizes[::-1].index(min(sizes))
        pins = self.across(parts, bottom)
        form: Literal["u", "column"] = "u" if pins else "column"
        rows = _rows(len(parts), bottom, pins) if pins else list(range(len(parts)))
        cells = [
            Cell(
                rows[i], UP if pins and i > bottom else DOWN,
                _beginning(part[0]) if len(part) > 1 else "", tuple(site.name for site in part),
            )
            for i, part in enumerate(parts)
        ]  # fmt: skip
        flow = [
            (i, i + 1) for i, (part, other) in enumerate(pairwise(parts))
            if {site.name for site in part} & {n for site in other for n, _ in self.read(site)}
        ]  # fmt: skip
        reads = tuple(dict.fromkeys(name for name, _ in self.read(blocks[0])))
        return Section(form, reads, (*cells, *self.beside(cells)), tuple(flow))

    def across(self, parts: "list[list[Site]]", bottom: int) -> list[tuple[int, int]]:
        """What the way up reads of the way down: pairs of parts, from the top; none if no U.

        Reads without a gate become links.
        """
        place = {site.name: i for i, part in enumerate(parts) for site in part}
        least = self.size[parts[bottom][-1].name]
        links = [link for link in self.links if link.source in place and link.end in place]
        plain = [
            Link(name, site.name, "")
            for part in parts[bottom + 1 :] for site in part for name, skip in self.read(site)
            if not skip and place.get(name, bottom) < bottom and self.size[name] > least
        ]  # fmt: skip
        pins: list[tuple[int, int]] = []
        for link in sorted([*links, *plain], key=lambda link: place[link.end]):
            left, right = place[link.source], place[link.end]
            rises = not pins or (left < pins[0][0] and right > pins[0][1])
            if left <= bottom < right and self.size[link.source] > least and rises:
                pins.insert(0, (left, right))
        if pins:
            self.links += plain
        return pins

    def beside(self, cells: Sequence[Cell]) -> list[Cell]:
        """Cells of the skips that begin in a section, each in the row where it arrives."""
        row = {name: cell.row for cell in cells for name in cell.sites}
        found: dict[int, list[str]] = {}
        for link in self.links:
            if link.skip and link.source in row:
                found.setdefault(row.get(link.end, row[link.source]), []).append(link.skip)
        return [Cell(at, SKIPS, "", tuple(names)) for at, names in found.items()]


def _rows(n_parts: int, bottom: int, pins: Sequence[tuple[int, int]]) -> list[int]:
    """Row of each part of a U: both ends of a pin share one, and the bottom is the last."""
    left = list(range(bottom + 1))
    right = list(range(n_parts - 1, bottom, -1))
    rows: dict[int, int] = {}
    first = 0
    for pin in [*pins, (None, None)]:
        sides = [
            side[: side.index(end)] if end is not None else list(side)
            for side, end in zip((left, right), pin, strict=True)
        ]
        height = max(map(len, sides))
        for side, whole in zip(sides, (left, right), strict=True):
            rows |= {part: first + height - len(side) + k for k, part in enumerate(side)}
            del whole[: len(side)]
        first += height
        if pin[0] is not None:
            rows |= {left.pop(0): first, right.pop(0): first}
            first += 1
    return [rows[i] for i in range(n_parts)]


def _beginning(site: "Site") -> str:
    return label(site).partition("_")[0]


def _kind(site: "Site") -> str:
    found = re.match(r"[^\d_#]*", label(site))
    return found.group() if found else ""
