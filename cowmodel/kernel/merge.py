"""Merging: pages that are equal become one frame, which nobody may write (Linux: KSM).

    [present, write] a frame each  ->  n x [present, merged] one of those frames, sharers n

A write to such a page copies it, even that of the last who maps it. A page is merged with others only. Before
mergeable memory moves, each of its merged pages is copied.

References
----------
Linux, cmp_and_merge_page, write_protect_page, replace_page, break_ksm, mm/ksm.c;
wp_can_reuse_anon_folio, mm/memory.c.
"""

import numpy as np

from cowmodel.errors import SimulationError
from cowmodel.hardware.paging import (
    ACCESSED,
    EXCLUSIVE,
    GUARDED,
    LEAF,
    MERGED,
    NO_EXECUTE,
    PRESENT,
    USER,
    Numbers,
    frame_of,
    with_frame,
)
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import NOTHING, Work

_RIGHTS = np.uint64(USER | GUARDED | ACCESSED | NO_EXECUTE)


def check_mergeable(kernel: KernelState, space: AddressSpace, first: int, end: int) -> None:
    """Refuse pages first..end, exclusive, that cannot be merged.

    Raises
    ------
    SimulationError
    """
    if any(vma.object or vma.folios or vma.level > 1 for vma in space.overlapping(first, end)):
        raise SimulationError("merge: expected private anonymous memory of base pages, got other")
    pfns = frame_of(space.page_table.entries(np.arange(first, end), 1))
    if kernel.frames.pins.keys() & set(pfns.tolist()):  # Linux tries, and gives up or not by their order
        raise SimulationError("merge: expected pages that are not pinned, got one; unpin it before")


def merge(kernel: KernelState, space: AddressSpace, first: int, end: int) -> Work:
    """Make one frame of those of pages first..end, exclusive, which were all just written."""
    space.family.changes += 1
    list(space.change(first, end, kernel.geometry.leaf_pages, mergeable=True))
    if end - first < 2:
        return NOTHING
    pages = np.arange(first, end)
    slots = space.page_table.slots(pages, 1)
    pfns = frame_of(kernel.arena.flat[slots])
    one = pfns[1]  # of the first two, it is the second that finds the other
    kernel.frames.mark_dirty(int(one))
    frees = kernel.frames.drop(np.delete(pfns, 1))
    kernel.frames.share(np.full(len(pfns) - 1, one))
    kernel.arena.flat[slots] = with_frame(np.full(len(pfns), one), LEAF | MERGED)
    return Work(drops=frees, frees=frees) + kernel.forget(space, pages)


def merged_pages(space: AddressSpace, first: int, end: int) -> Numbers:
    """Return which pages of mergeable mappings in first..end, exclusive, were merged, int64[n]."""
    vmas = [vma for vma in space.overlapping(first, end) if vma.mergeable]
    pages = np.concatenate([np.zeros(0, np.int64), *(np.arange(vma.first, vma.end) for vma in vmas)])
    merged: Numbers = pages[space.page_table.entries(pages, 1) & np.uint64(MERGED) != 0]
    return merged


def part(kernel: KernelState, space: AddressSpace, pages: Numbers) -> Work:
    """Give merged pages frames of their own, for which there is room; a next write is a fault all the same.

    [present, merged] a frame, sharers n  ->  [present, exclusive] a new frame, sharers 1; the old one n - 1
    """
    slots = space.page_table.slots(pages, 1)
    words, pfns = kernel.arena.flat[slots], kernel.frames.allocate(len(pages))
    kernel.frames.share(pfns)
    frees = kernel.frames.drop(frame_of(words))
    kernel.arena.flat[slots] = with_frame(pfns, PRESENT | EXCLUSIVE) | words & _RIGHTS
    copied_bytes = len(pages) * kernel.geometry.page_bytes
    copies = Work(traps=len(pages), allocations=len(pages), copied_bytes=copied_bytes)
    return copies + Work(drops=len(pages), frees=frees) + kernel.forget(space, pages)
