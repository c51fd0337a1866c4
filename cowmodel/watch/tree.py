"""The page table of a process as a picture shows it: only what is populated, what is alike summed up.

Entries side by side that are alike are one node; of a table in which they alternate, all that are alike.
Tables that look the same are one node too, so that a picture is as small for 100,000 pages as for 64.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np

from cowmodel.hardware.paging import Geometry, Numbers
from cowmodel.watch.changes import CHANGES
from cowmodel.watch.entry import letters, notes, span
from cowmodel.watch.leafs import NOT_FRAME, Leafs

_MOST = 4  # nodes below one table


@dataclass(frozen=True)
class Entries:
    """Leaf entries of one table that are alike.

    Attributes
    ----------
    level, count : int
    indexes : str
        Where they are in their table.
    region, pages : str
        Where they are mapped, pages counted from the start of the region.
    bits : str
        As `entry.letters` writes them.
    notes : tuple of str
    box : int
        Which of the boxes of frames they map.
    frames : str
    change : str
        What became of them, one of `CHANGES`.
    """

    level: int
    count: int
    indexes: str
    region: str
    pages: str
    bits: str
    notes: tuple[str, ...]
    box: int
    frames: str
    change: str


@dataclass(frozen=True)
class Table:
    """Table pages that look alike, below one entry of another each.

    Attributes
    ----------
    level, count : int
    indexes : str
        Of the entries that point to them; empty for a root.
    children : tuple of Table, Entries or Rest
    """

    level: int
    count: int
    indexes: str
    children: tuple["Table | Entries | Rest", ...]


@dataclass(frozen=True)
class Rest:
    """What more there is in a table, in entries: too much to show."""

    count: int


class _Item(NamedTuple):
    """One entry of a table: its place, what it looks like, and which leafs are below it."""

    place: int
    look: Hashable
    first: int
    end: int


class Tree:
    """Sums up what one process maps.

    Parameters
    ----------
    geometry : Geometry
    leafs : Leafs
    marked, boxes : int64[n]
        Of each leaf, what became of it, and the box of what it maps.
    """

    def __init__(self, geometry: Geometry, leafs: Leafs, marked: Numbers, boxes: Numbers) -> None:
        self._geometry, self._leafs, self._marked, self._boxes = geometry, leafs, marked, boxes
        bits = (leafs.words & NOT_FRAME).astype(np.int64)
        columns = np.stack([bits, leafs.levels, leafs.regions, marked, boxes])
        self._looks = np.unique(columns, axis=1, return_inverse=True)[1].ravel()

    def root(self) -> Table:
        """Return the root table with all that is below it."""
        top = self._geometry.top
        return Table(top, 1, "", tuple(self._children(top, 0, len(self._leafs.pages))))

    def _children(self, level: int, first: int, end: int) -> Iterator[Table | Entries | Rest]:
        groups = _summed_up(self._items(level, first, end))
        for group in groups[:_MOST]:
            yield (
                self._entries(level, group) if self._is_leaf(group[0], level) else self._tables(level, group)
            )
        if rest := sum(map(len, groups[_MOST:])):
            yield Rest(rest)

    def _items(self, level: int, first: int, end: int) -> list[_Item]:
        pages = self._leafs.pages[first:end]
        indexes = pages >> self._geometry.shifts[level] & self._geometry.entries - 1
        starts = np.flatnonzero(np.diff(indexes, prepend=-1))
        ends = [*starts[1:].tolist(), end - first][: len(starts)]
        places = zip(indexes[starts].tolist(), starts.tolist(), ends, strict=True)
        return [
            _Item(index, self._look(level, first + start, first + stop), first + start, first + stop)
            for index, start, stop in places
        ]

    def _look(self, level: int, first: int, end: int) -> Hashable:
        """Return what is equal for entries that look alike, wherever they are and whichever they map."""
        if self._leafs.levels[first] == level:
            return int(self._looks[first])
        inside = self._leafs.pages[first:end] & self._geometry.leaf_pages(level) - 1
        return inside.tobytes() + self._looks[first:end].tobytes()

    def _is_leaf(self, item: _Item, level: int) -> bool:
        return bool(self._leafs.levels[item.first] == level)

    def _tables(self, level: int, group: Sequence[_Item]) -> Table:
        indexes, one = np.array([item.place for item in group]), group[0]
        return Table(
            level - 1, len(group), span(indexes), tuple(self._children(level - 1, one.first, one.end))
        )

    def _entries(self, level: int, group: Sequence[_Item]) -> Entries:
        leafs, rows = self._leafs, np.array([item.first for item in group])
        row, region = rows[0], leafs.regions[rows[0]]
        frames, size = np.unique(leafs.frames[rows]), int(leafs.sizes[row])
        return Entries(
            level,
            len(group),
            span(np.array([item.place for item in group])),
            leafs.names[region],
            span(leafs.pages[rows] - leafs.starts[region], size),
            letters(int(leafs.words[row])),
            notes(int(leafs.words[row])),
            int(self._boxes[row]),
            span(frames, size if frames.any() else 1),
            CHANGES[self._marked[row]],
        )


def _summed_up(items: list[_Item]) -> list[list[_Item]]:
    """Put together what is alike and side by side, or, where that leaves too much, all that is alike."""
    ranks = enumerate(items)
    runs = [
        [item for _, item in run]
        for _, run in groupby(ranks, lambda pair: (pair[1].look, pair[1].place - pair[0]))
    ]
    if len(runs) <= _MOST:
        return runs
    alike: dict[Hashable, list[_Item]] = {}
    for item in items:
        alike.setdefault(item.look, []).append(item)
    return list(alike.values())
