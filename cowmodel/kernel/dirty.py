"""What is dirty of shared memory: an object knows it of its leafs, or an entry, which tells the object late.

    write fault, populate   the object knows at once
    a later write           the entry is marked by the processor; the object hears of it when the entry goes

So a page is dirty, to whoever maps it, if its object knows so, or if its own entry says so.

References
----------
Linux, fault_dirty_shared_page, zap_present_folio_ptes, mm/memory.c; follow_page_pte, mm/gup.c;
smaps_page_accumulate, fs/proc/task_mmu.c.
"""

import numpy as np
from numpy.typing import NDArray

from cowmodel.hardware.page_table import PageTable
from cowmodel.hardware.paging import DIRTY, SAVED_DIRTY, Numbers
from cowmodel.kernel.address_space import AddressSpace, Vma
from cowmodel.kernel.state import KernelState


def note_dropped(kernel: KernelState, table: PageTable, vma: Vma, first: int, end: int) -> None:
    """Let the object of shared `vma` know what its entries for pages first..end, exclusive, say is dirty.

    They are about to go.
    """
    assert vma.object
    places, dirty = _dirty(kernel, table, vma, first, end)
    vma.object.dirty[places] |= dirty


def note_populated(kernel: KernelState, space: AddressSpace, first: int, end: int) -> None:
    """Let the objects of shared mappings know of pages first..end, exclusive, that are about to be populated.

    Of those whose entries are dirty, an object hears later, as ever.
    """
    for vma in space.overlapping(first, end):
        if vma.object and not vma.private:
            places, dirty = _dirty(kernel, space.page_table, vma, max(first, vma.first), min(end, vma.end))
            vma.object.dirty[places] |= ~dirty


def _dirty(
    kernel: KernelState, table: PageTable, vma: Vma, first: int, end: int
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return the leafs of the object at pages first..end, exclusive, and which of their entries are dirty."""
    leaf = kernel.geometry.leaf_pages(vma.level)
    heads = np.arange(first, end, leaf)
    dirty: NDArray[np.bool_] = table.entries(heads, vma.level) & np.uint64(DIRTY | SAVED_DIRTY) != 0
    return vma.places(heads, leaf), dirty
