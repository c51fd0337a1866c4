"""Populate: every page of a mapping that has no entry yet is written once.

References
----------
Linux, populate_vma_page_range, mm/gup.c (MAP_POPULATE).
"""

from collections import Counter

import numpy as np

from cowmodel.kernel.address_space import AddressSpace, Vma
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import Work, tables_work


def populate_whole(kernel: KernelState, space: AddressSpace, vma: Vma) -> Work:
    """Map every leaf of private `vma` that has no entry, each in a fault of its own.

    Raises
    ------
    OutOfMemory
        If the frames and the tables do not all fit; nothing has changed then.
    """
    table, level, leaf = space.page_table, vma.level, kernel.geometry.leaf_pages(vma.level)
    span = kernel.geometry.table_pages(level)
    tables = np.arange(vma.first // span * span, vma.end, span)
    (run,) = vma.runs()
    new = vma.pages // leaf - kernel.passes.count(table, run).used
    kernel.frames.require(Counter({1: table.missing(level, tables)}) + Counter({leaf: new}))
    made = table.grow(level, tables)
    kernel.passes.fill(table, run)
    if new:
        space.own(vma)
    zeroed = new * leaf * kernel.geometry.page_bytes
    return Work(traps=new, allocations=new, zeroed_bytes=zeroed) + tables_work(made)
