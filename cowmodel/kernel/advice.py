"""Advice: what madvise and mlock do at once, and what they make a fork do later.

dontneed                        the entries are emptied, the mapping stays: a next access finds nothing
free                            the entries stay, clean (lazy_free.py)
populate_read, populate_write   as if every page were read, or written, now
wipeonfork, dontfork            a child gets the mapping empty, or not at all; keeponfork, dofork: as usual

References
----------
Linux, mm/madvise.c; __mm_populate, mm/gup.c.
"""

import numpy as np

from cowmodel.errors import SimulationError, suggest
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.fork import drop_entries
from cowmodel.kernel.large_folio import split_ends
from cowmodel.kernel.lazy_free import free
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import NOTHING, Work

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
        return free(kernel, space, first, end)
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
    kernel.recent.hand_on()
    for vma in space.overlapping(first, end):
        start, stop = max(first, vma.first), min(end, vma.end)
        work += drop_entries(kernel, space, vma, start, stop)
        if kernel.era.tables_freed:
            table_frees += space.page_table.prune(start, stop - 1, start, stop, highest=1)
    work += Work(mappings=1, table_frees=table_frees)
    return work + kernel.forget(space, heads if work.drops + work.large_drops else heads[:0])
