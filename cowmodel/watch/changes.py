"""What a step changed: each leaf beside the one that mapped its page before."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cowmodel.hardware.paging import LARGE, WRITE, Numbers, Words
from cowmodel.watch.entry import letters, notes, span
from cowmodel.watch.leafs import NOT_FRAME, NOT_MAPPED, Leafs

CHANGES = ("", "new", "another frame", "writable", "read-only", "split", "other bits")
SAME, NEW, FRAME, WRITABLE, READ_ONLY, SPLIT, OTHER = range(len(CHANGES))
GONE = "gone"


@dataclass(frozen=True)
class Change:
    """Entries of a region to which the same happened.

    Attributes
    ----------
    proc, region, what : str
        `what` is one of `CHANGES`, or `GONE`.
    count : int
        Entries.
    pages : str
        Pages that they map, counted from the start of the region.
    before, after : str
        Their bits; empty for none.
    notes : tuple of str
        What software bits said before, as `entry.notes` tells.
    frames_before, frames_after : str
    sharers : (int, int)
        Entries that mapped the frame before, the fewest and the most; 0 for the zero page, or none.
    """

    proc: str
    region: str
    what: str
    count: int
    pages: str
    before: str
    after: str
    notes: tuple[str, ...]
    frames_before: str
    frames_after: str
    sharers: tuple[int, int]


def marks(before: Leafs | None, after: Leafs) -> Numbers:
    """Return what became of each leaf of `after`, int64[n], as places in `CHANGES`."""
    if before is None:
        return np.full(len(after.pages), NEW)
    at = before.covering(after.pages)
    old, write = before.words_at(at), np.uint64(WRITE)
    tests = (
        at == NOT_MAPPED,
        before.frames_at(after.pages, at) != after.frames_at(after.pages, np.arange(len(at))),
        old & ~after.words & np.uint64(LARGE) != 0,
        after.words & ~old & write != 0,
        old & ~after.words & write != 0,
        old & ~np.uint64(LARGE) != after.words & ~np.uint64(LARGE),
    )
    order = (NEW, FRAME, SPLIT, WRITABLE, READ_ONLY, OTHER)
    return np.select(tests, order, SAME)


def changes(
    before: Mapping[str, Leafs], after: Mapping[str, Leafs], marked: Mapping[str, Numbers]
) -> tuple[Change, ...]:
    """Return all that changed, process by process."""
    return tuple(
        change
        for proc in dict.fromkeys([*after, *before])
        for change in (
            *(_changed(proc, before.get(proc), after[proc], marked[proc]) if proc in after else ()),
            *(_gone(proc, before[proc], after.get(proc)) if proc in before else ()),
        )
    )


def _changed(proc: str, before: Leafs | None, after: Leafs, marked: Numbers) -> Iterator[Change]:
    at = before.covering(after.pages) if before else np.full(len(after.pages), NOT_MAPPED)
    old = before.words_at(at) if before else np.zeros(len(at), np.uint64)
    keys = np.stack([marked, after.regions, _told(old), _told(after.words)])
    for rows in _alike(keys, marked != SAME):
        row, was = rows[0], at[rows[0]]
        pages, sharers, frames = after.pages[rows], (0, 0), ""
        if before and was != NOT_MAPPED:
            sharers = _least_most(before.sharers[at[rows]])
            frames = _frames(before.frames_at(pages, at[rows]), int(after.sizes[row]))
        yield Change(
            proc,
            after.names[after.regions[row]],
            CHANGES[marked[row]],
            len(rows),
            span(pages - after.starts[after.regions[row]], after.sizes[rows]),
            letters(int(old[row])) if was != NOT_MAPPED else "",
            letters(int(after.words[row])),
            notes(int(old[row])) if was != NOT_MAPPED else (),
            frames,
            _frames(after.frames_at(pages, rows), int(after.sizes[row])),
            sharers,
        )


def _gone(proc: str, before: Leafs, after: Leafs | None) -> Iterator[Change]:
    kept = after.covering(before.pages) != NOT_MAPPED if after else np.zeros(len(before.pages), np.bool_)
    for rows in _alike(np.stack([before.regions, _told(before.words)]), ~kept):
        region = before.regions[rows[0]]
        yield Change(
            proc,
            before.names[region],
            GONE,
            len(rows),
            span(before.pages[rows] - before.starts[region], before.sizes[rows]),
            letters(int(before.words[rows[0]])),
            "",
            notes(int(before.words[rows[0]])),
            _frames(before.frames_at(before.pages[rows], rows), int(before.sizes[rows[0]])),
            "",
            _least_most(before.sharers[rows]),
        )


def _alike(keys: Numbers, chosen: NDArray[np.bool_]) -> Iterator[Numbers]:
    """Yield the places of chosen columns that are equal, those with the earliest first."""
    places = np.flatnonzero(chosen)
    _, first, at = np.unique(keys[:, places], axis=1, return_index=True, return_inverse=True)
    for group in np.argsort(first):
        yield places[at.ravel() == group]


def _frames(frames: Numbers, size: int) -> str:
    """Write the frames of leafs of one size; the zero page is one, however large the leaf."""
    return span(np.unique(frames), size if frames.any() else 1)


def _told(words: Words) -> Numbers:
    """Return numbers that are equal where the bits of entries are written alike."""
    different, at = np.unique(words & NOT_FRAME, return_inverse=True)
    texts = [letters(int(word)) for word in different]
    return np.unique(texts, return_inverse=True)[1][at] if texts else at


def _least_most(sharers: Numbers) -> tuple[int, int]:
    return int(sharers.min()), int(sharers.max())
