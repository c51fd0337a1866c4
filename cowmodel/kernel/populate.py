"""Populate: every page of a mapping that has no entry yet is written once, by the kernel.

References
----------
Linux, populate_vma_page_range, mm/gup.c (MAP_POPULATE).
"""

from collections import Counter

import numpy as np

from cowmodel.hardware.page_table import NO_SLOT
from cowmodel.hardware.paging import DIRTY, FRAME_MASK, FRAME_SHIFT, LARGE, WRITE
from cowmodel.kernel.address_space import AddressSpace, Vma
from cowmodel.kernel.hugetlb import take_missing
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import Work, tables_work


def populate_whole(kernel: KernelState, space: AddressSpace, vma: Vma) -> Work:
    """Map every leaf of private `vma` that has no entry, each in a fault of its own.

    Raises
    ------
    OutOfMemory
        If the frames and the tables do not all fit; nothing has changed then.
    BusError
        If the hugetlb pool has no such pages for it.
    """
    table, level, leaf = space.page_table, vma.level, kernel.geometry.leaf_pages(vma.level)
    span = kernel.geometry.table_pages(level)
    tables = np.arange(vma.first // span * span, vma.end, span)
    (run,) = vma.runs()
    new = vma.pages // leaf - kernel.passes.count(table, run).used
    kernel.frames.require(Counter({1: table.missing(level, tables)}) + Counter({leaf: new}))
    if level > 1 and new:
        take_missing(kernel.hugetlb, vma, new)
    made = table.grow(level, tables)
    kernel.passes.fill(table, run)
    vma.written |= new > 0
    zeroed = new * leaf * kernel.geometry.page_bytes
    return Work(traps=new, allocations=new, zeroed_bytes=zeroed) + tables_work(made)


def mark_dirty(kernel: KernelState, space: AddressSpace, vpn: int) -> bool:
    """Make the frame of a page dirty, if it may be written and is clean; return whether that is so.

    The kernel does not write it in fact, so that the entry stays as it is.

    References
    ----------
    Linux, follow_page_pte, mm/gup.c (FOLL_TOUCH).
    """
    slot = space.page_table.walk(vpn)
    word = kernel.arena.words[slot] if slot != NO_SLOT else 0
    if word & (WRITE | DIRTY | LARGE) != WRITE:
        return False
    kernel.frames.dirty.add((word & FRAME_MASK) >> FRAME_SHIFT)
    return True
