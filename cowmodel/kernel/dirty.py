"""What is dirty of shared memory: an object knows it of its leafs, or an entry, which tells the object late.

    write fault             the object knows at once
    a later write           the entry is marked by the processor; the object hears of it when the entry goes

So a page is dirty, to whoever maps it, if its object knows so, or its frame (`populate.mark_dirty`), or its
own entry.

References
----------
Linux, fault_dirty_shared_page, zap_present_folio_ptes, mm/memory.c; follow_page_pte, mm/gup.c;
smaps_page_accumulate, fs/proc/task_mmu.c.
"""

import numpy as np

from cowmodel.hardware.page_table import PageTable
from cowmodel.hardware.paging import DIRTY, SAVED_DIRTY
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma


def note_dropped(kernel: KernelState, table: PageTable, vma: Vma, first: int, end: int) -> None:
    """Let the object of shared `vma` know what its entries for pages first..end, exclusive, say is dirty.

    They are about to go.
    """
    assert vma.object
    leaf = kernel.geometry.leaf_pages(vma.level)
    heads = np.arange(first, min(end, vma.backed_end), leaf)
    dirty = table.entries(heads, vma.level) & np.uint64(DIRTY | SAVED_DIRTY) != 0
    vma.object.dirty[vma.places(heads, leaf)] |= dirty
