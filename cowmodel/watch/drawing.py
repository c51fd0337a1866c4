"""The picture of a step: page tables on the left, frames on the right, lines from entries to what they map.

All lengths are in units of the picture, which is as wide as a telephone and drawn larger where there is room:

    P0                                   3 table pages
    [PGD 1] [PUD 0] [PMD 0]
    | PTE 0–63        P W A D H |-------+  frames 1–64
    | × 64 like this   new      |       +--+ anonymous × 64
    P1                                  |  shared: P0 + P1
    ...                         --------+
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from cowmodel.watch.boxes import Box
from cowmodel.watch.entry import BITS, OFF
from cowmodel.watch.snapshot import Snapshot, Space
from cowmodel.watch.tree import Entries, Rest, Table
from cowmodel.watch.words import (
    TAGS,
    alike,
    content,
    described,
    level_name,
    more,
    numbers,
    pages,
    shared_by,
    tables,
)

WIDTH, LEFT, RIGHT = 430, 240, 276  # of the picture; where entries end, and where frames begin
COLOURS = 6  # of processes, before they repeat
_HEADER, _PATH, _SLOT, _REST = 30, 28, 50, 24  # heights
_BOX, _GAP, _FAR = 64, 8, 120
_LETTER = 7.6  # width of one, at most
_WIDE, _MOST_LETTERS = 17, 20  # letters that fit, and that do if they are narrow


@dataclass(frozen=True)
class Shape:
    """Something that is drawn at a height.

    Attributes
    ----------
    kind : {'header', 'path', 'slot', 'rest', 'box'}
    y, height : float
    colour : str
        Class of the style sheet: that of a process, or what is in a box.
    lines : tuple of str
    title : str
        All of it in words.
    chips : tuple of (float, float, str)
        Of a path: where each begins, how wide it is, and what stands there.
    bits : tuple of (str, str)
        Of an entry: letters, and whether each is on, off, or soft: kept in a software bit.
    box : int
        Of an entry, the box that it maps.
    changed : bool
    """

    kind: str
    y: float
    height: float
    colour: str
    lines: tuple[str, ...]
    title: str = ""
    chips: tuple[tuple[float, float, str], ...] = ()
    bits: tuple[tuple[str, str], ...] = ()
    box: int = 0
    changed: bool = False

    @property
    def middle(self) -> float:
        """Height of its middle."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class Line:
    """A line from an entry to a box, from height to height."""

    start: float
    end: float
    colour: str
    changed: bool


@dataclass(frozen=True)
class Drawing:
    """All that is drawn of one step."""

    height: float
    shapes: tuple[Shape, ...]
    lines: tuple[Line, ...]


def draw(snapshot: Snapshot, processes: Sequence[str]) -> Drawing:
    """Lay out the picture of a step.

    Parameters
    ----------
    snapshot : Snapshot
    processes : sequence of str
        All that ever live: each keeps its colour.
    """
    rows = _stacked(
        row for space in snapshot.spaces for row in _space(space, processes.index(space.proc) % COLOURS)
    )
    slots = [row for row in rows if row.kind == "slot"]
    boxes = _boxes(snapshot.boxes, slots, processes)
    lines = tuple(Line(slot.middle, boxes[slot.box].middle, slot.colour, slot.changed) for slot in slots)
    shapes = (*rows, *boxes.values())
    return Drawing(max(shape.y + shape.height for shape in shapes) + _GAP, shapes, lines)


def _stacked(shapes: Iterator[Shape]) -> list[Shape]:
    placed, y = list[Shape](), 0.0
    for shape in shapes:
        placed.append(replace(shape, y=y))
        y += shape.height
    return placed


def _space(space: Space, colour: int) -> Iterator[Shape]:
    yield Shape("header", 0, _HEADER, f"p{colour}", (space.proc, tables(space)))
    yield from _below(space.root, space.root.level, f"p{colour}", ())


def _below(table: Table, top: int, colour: str, path: tuple[str, ...]) -> Iterator[Shape]:
    """Yield what is below a table; its path once, above the first of its entries that maps memory."""
    told = False
    for child in table.children:
        match child:
            case Table():
                step = f"{level_name(table.level, top)} {child.indexes}"
                yield from _below(child, top, colour, (*path, step + f" ×{child.count}" * (child.count > 1)))
            case Entries():
                if path and not told:
                    yield _path(path, colour)
                    told = True
                yield _slot(child, top, colour)
            case Rest():
                yield Shape("rest", 0, _REST, colour, (more(child),))


def _path(path: tuple[str, ...], colour: str) -> Shape:
    chips, x = list[tuple[float, float, str]](), 8.0
    for text in path:
        width = len(text) * _LETTER + 10
        chips.append((x, width, text))
        x += width + 12
    return Shape("path", 0, _PATH, colour, (), " to ".join(path), tuple(chips))


def _slot(entries: Entries, top: int, colour: str) -> Shape:
    label = _narrow(f"{level_name(entries.level, top)} {entries.indexes}")
    bits = tuple(map(_bit, BITS, entries.bits))
    lines = (label, alike(entries.count) or pages(entries.region, entries.pages), TAGS[entries.change])
    title = f"{label}: {described(entries)}"
    return Shape(
        "slot", 0, _SLOT, colour, lines, title, bits=bits, box=entries.box, changed=bool(entries.change)
    )


def _near(heights: Sequence[float]) -> float:
    """Return a height in the middle of others, but not so far below the first that it is out of sight."""
    return min(fmean(heights), heights[0] + _FAR)


def _bit(letter: str, found: str) -> tuple[str, str]:
    """Return what is written for a bit, and how."""
    if found == OFF:
        return letter, "off"
    return found, "on" if found == letter else "soft"


def _boxes(boxes: Sequence[Box], slots: Sequence[Shape], processes: Sequence[str]) -> dict[int, Shape]:
    """Return a shape for each box, near the entries that map it, in the order of these."""
    last = max((slot.y + slot.height for slot in slots), default=float(_HEADER))
    near = {
        number: _near([slot.middle for slot in slots if slot.box == number] or [last])
        for number in range(len(boxes))
    }
    placed, y = dict[int, Shape](), float(_HEADER) + 4
    for number in sorted(near, key=lambda number: near[number]):
        y = max(y, near[number] - _BOX / 2)
        placed[number] = _box(boxes[number], y, processes)
        y += _BOX + _GAP
    return placed


def _box(box: Box, y: float, processes: Sequence[str]) -> Shape:
    lines = (numbers(box), content(box), shared_by(box))
    short = tuple(_short(line) for line in lines if line != "frame 0")
    entries = f", {box.sharers:,} entries" if box.sharers > 1 else ""
    region = f"{box.region}: " * bool(box.region)
    return Shape("box", y, _BOX, _fill(box, processes), short, region + ", ".join(lines) + entries)


def _fill(box: Box, processes: Sequence[str]) -> str:
    if box.kind == "zero page":
        return "zero"
    if box.kind in ("file", "shared memory"):
        return "object"
    if len(box.mappers) > 1:
        return "shared"
    return f"p{processes.index(box.mappers[0]) % COLOURS}"


def _narrow(text: str) -> str:
    """Leave of several runs of numbers only the first and the last."""
    return re.sub(r"(\d+)\S*, .*?(\d+)$", r"\1…\2", text)


def _short(text: str) -> str:
    text = _narrow(text) if len(text) > _WIDE else text
    text = re.sub("^(frames|shared:) ", "", text) if len(text) > _WIDE else text
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"
