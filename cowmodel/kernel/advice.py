"""Advice: what madvise and mlock do at once, and what they make a fork do later.

dontneed                        the entries are emptied, the mapping stays: a next access finds nothing
free                            the entries stay, clean: the kernel may take pages back that stay so
populate_read, populate_write   as if every page were read, or written, now
wipeonfork, dontfork            a child gets the mapping empty, or not at all; keeponfork, dofork: as usual

References
----------
Linux, mm/madvise.c; __mm_populate, mm/gup.c.
"""

import numpy as np

from cowmodel.errors import SimulationError, suggest
from cowmodel.hardware.page_table import Run
from cowmodel.hardware.paging import ACCESSED, DIRTY, SAVED_DIRTY, SPECIAL, Numbers, Words, frame_of
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.fork import drop_entries
from cowmodel.kernel.large_folio import split_ends
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import NOTHING, Work

_CLEAN = ~np.uint64(ACCESSED | DIRTY | SAVED_DIRTY)

AT_FORK = {
    "dontfork": {"inherited": False},
    "dofork": {"inherited": True},
    "wipeonfork": {"wiped": True},
    "keeponfork": {"wiped": False},
}
POPULATE = {"populate_read": False, "populate_write": True}
ADVICE = ("dontneed", "free", *POPULATE, *AT_FORK)


def advise(kernel: KernelState, space: AddressSpace, first: int, end: int, advice: str) -> Work:
    """Follow advice, other than to populate, about pages first..end, exclusive, all of which are mapped."""
    if advice == "dontneed":
        return _drop(kernel, space, first, end)
    if advice == "free":
        return _free(kernel, space, first, end)
    if advice not in AT_FORK:
        raise SimulationError(f"madvise: {suggest('advice', advice, ADVICE)}")
    if advice == "wipeonfork" and any(vma.object or vma.level > 1 for vma in space.overlapping(first, end)):
        raise SimulationError("madvise: expected anonymous memory of base pages to wipe at fork, got other")
    work = split_ends(kernel, space, first, end, **AT_FORK[advice])
    list(space.change(first, end, kernel.geometry.leaf_pages, **AT_FORK[advice]))
    return Work(mappings=1) + work


def _drop(kernel: KernelState, space: AddressSpace, first: int, end: int) -> Work:
    """Empty the entries of pages; a table of level 1 goes if all of it was meant, in one mapping."""
    work, heads, table_frees = NOTHING, np.arange(first, end), 0
    space.family.changes += 1
    for vma in space.overlapping(first, end):
        start, stop = max(first, vma.first), min(end, vma.end)
        work += drop_entries(kernel, space, vma, start, stop)
        if kernel.era.tables_freed:
            table_frees += space.page_table.prune(start, stop - 1, start, stop, highest=1)
    work += Work(mappings=1, table_frees=table_frees)
    return work + kernel.forget(space, heads if work.drops + work.large_drops else heads[:0])


def _free(kernel: KernelState, space: AddressSpace, first: int, end: int) -> Work:
    """Make the entries of pages clean; with memory to spare, as here, nothing else ever comes of it.

    [present, write, dirty]  ->  [present, write]      a next write makes it dirty, and is no fault

    Notes
    -----
    Linux keeps the last of the pages, n mod 31, referred to by a list of the CPU until something there frees
    mapped memory, and would copy them where it could flip: a matter of time, which is not modelled.
    """
    vmas, changed = space.overlapping(first, end), [np.zeros(0, np.int64)]
    if any(vma.object or vma.level > 1 or vma.folios or vma.locked for vma in vmas):
        raise SimulationError("madvise: expected private base pages that are not locked to free, got others")
    for vma in vmas:
        changed += _clean(kernel, space, *vma.runs(first, end))
    heads = np.concatenate(changed)
    return Work(mappings=1, rewrites=len(heads)) + kernel.forget(space, heads)


def _clean(kernel: KernelState, space: AddressSpace, run: Run) -> list[Numbers]:
    """Make the entries of a run of pages clean; return at which pages they were not."""
    pages = []
    for block in space.page_table.blocks(run):
        cleaned = _cleaned(kernel, block.entries)
        kernel.arena.rows[block.rows] ^= block.entries ^ cleaned
        at, index = np.nonzero(block.entries != cleaned)
        pages.append(block.firsts[at] + index)
    return pages


def _cleaned(kernel: KernelState, words: Words) -> Words:
    """Return entries made clean, other than of the zero frame and of frames that are dirty and shared."""
    pfns, frames = frame_of(words), kernel.frames
    dirty = np.isin(pfns, list(frames.dirty))
    shared = dirty & (frames.sharers[pfns] > 1)
    frames.clean(pfns[dirty & ~shared])
    return np.where(shared | (words & np.uint64(SPECIAL) != 0), words, words & _CLEAN)
