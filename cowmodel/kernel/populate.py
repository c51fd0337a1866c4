"""Populate: every page of a mapping that has no entry yet is written once, by the kernel.

References
----------
Linux, populate_vma_page_range, mm/gup.c (MAP_POPULATE).
"""

from collections import Counter

import numpy as np

from cowmodel.errors import SimulationError
from cowmodel.hardware.page_table import NO_SLOT
from cowmodel.hardware.paging import DIRTY, FRAME_MASK, FRAME_SHIFT, LARGE, ORDER_MASK, WRITE, Numbers
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.hugetlb import take_missing
from cowmodel.kernel.process import Process
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma
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
        take_missing(kernel.hugetlb, space, vma, new)
    made = table.grow(level, tables)
    kernel.passes.fill(table, run)
    if new:
        space.own(vma)
    zeroed = new * leaf * kernel.geometry.page_bytes
    return Work(traps=new, allocations=new, zeroed_bytes=zeroed) + tables_work(made)


def empty_leafs(kernel: KernelState, process: Process, vma: Vma, vpns: Numbers | None) -> Numbers:
    """Return the leafs of `vma` at pages `vpns`, or all, that have no entry.

    Raises
    ------
    SimulationError
        If they are not all in that mapping.
    """
    leaf = kernel.geometry.leaf_pages(vma.level)
    wanted = np.full(vma.pages // leaf, vpns is None)
    if vpns is not None and len(vpns):
        if not vma.first <= vpns.min() <= vpns.max() < vma.end:
            raise SimulationError(f"process {process.pid} populates pages that are not all in that mapping")
        wanted[(vpns - vma.first) // leaf] = True
    heads = vma.first + np.flatnonzero(wanted) * leaf
    empty: Numbers = heads[process.memory.page_table.entries(heads, vma.level) == 0]
    return empty


def mark_dirty(kernel: KernelState, space: AddressSpace, vpn: int) -> bool:
    """Make the frame of a page dirty, if it may be written and is clean; return whether that is so.

    The kernel does not write it in fact, so that the entry stays as it is. A large folio is dirty as a whole.

    References
    ----------
    Linux, follow_page_pte, mm/gup.c (FOLL_TOUCH).
    """
    slot = space.page_table.walk(vpn)
    word = kernel.arena.words[slot] if slot != NO_SLOT else 0
    if word & (WRITE | DIRTY | LARGE) != WRITE:
        return False
    if word & ORDER_MASK:
        kernel.folios.mark_dirty(np.array([word], np.uint64))
    else:
        kernel.frames.mark_dirty((word & FRAME_MASK) >> FRAME_SHIFT)
    return True
