"""The pool of huge pages: how many there are, for whom they are kept, and what happens when none is left.

    pages  =  in use  +  free          free  =  kept for somebody (reserved)  +  for anybody

mmap keeps a page for each leaf: of a private mapping for its owner, the process that made it, of a shared one
for the object. A first touch takes the page that was kept; that of a child, for whose mappings none are,
takes one for anybody, as all copies do. Where there is none, a child gets a bus error. An owner who would
copy takes the page from all others instead, who get a bus error when they miss it:

    owner [present] sharers 2  ->  owner [present, write] sharers 1
    child [present]                child none, robbed

A page that the owner unmaps is kept for it again, from the moment on when nobody maps it.

References
----------
Linux, mm/hugetlb.c: hugetlb_reserve_pages, alloc_hugetlb_folio, hugetlb_wp, unmap_ref_private,
__unmap_hugepage_range, free_huge_folio, hugetlb_vm_op_close.
"""

from typing import TYPE_CHECKING

import numpy as np

from cowmodel.errors import BusError, OutOfMemory
from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.page_table import NO_SLOT
from cowmodel.hardware.paging import Numbers, frame_of
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import NOTHING, Work

if TYPE_CHECKING:
    from cowmodel.kernel.state import KernelState

ENDLESS = 1 << 60  # pages of a pool that is never empty


class Pool:
    """Huge pages of one size. They are frames of the machine's memory, which are taken when they are used.

    Parameters
    ----------
    pages : int

    Attributes
    ----------
    free : int
        Pages that are not in use.
    reserved : int
        Pages that are kept for somebody. Linux counts a page as kept again for the owner that unmaps it only
        when the last sharer lets go of it: until then this may be too low, even below 0.
    """

    def __init__(self, pages: int = ENDLESS) -> None:
        self.free, self.reserved = pages, 0
        self._returning = set[int]()  # first frames of pages that will be kept again when they are free

    def reserve(self, pages: int) -> None:
        """Keep pages for a new mapping.

        Raises
        ------
        OutOfMemory
            If not so many are for anybody.
        """
        if self.reserved + pages > self.free:
            raise OutOfMemory(f"hugetlb pool: expected {pages:,} pages to reserve, {self}")
        self.reserved += pages

    def has(self, pages: int, kept: bool) -> bool:
        """Return whether there are so many pages, of those kept for whoever asks, or of those for anybody."""
        # fewer than are kept: Linux subtracts without sign, and finds many
        return pages <= self.free and (kept or not 0 <= self.free - self.reserved < pages)

    def take(self, pages: int, kept: bool) -> None:
        """Take pages; the caller has asked `has` before."""
        self.free -= pages
        self.reserved -= pages * kept

    def take_for_fork(self, pages: int) -> None:
        """Take pages for what a child gets at once.

        Raises
        ------
        OutOfMemory
        """
        if pages and not self.has(pages, kept=False):
            raise OutOfMemory(f"hugetlb pool: expected {pages:,} pages for anybody, {self}")
        self.take(pages, kept=False)

    def __str__(self) -> str:
        """Say what there is, as the end of a message."""
        return f"found {self.free:,} free, {self.reserved:,} of them reserved; set more hugepages or map less"

    def drop(self, frames: FrameTable, pfns: Numbers, kept: bool) -> None:
        """Take note that an entry of each of `pfns` is gone, whose mapping has its pages kept or not."""
        if kept:
            self._returning.update(pfns.tolist())
        freed = set(pfns[(frames.sharers[pfns] == 0) & ~frames.cached[pfns]].tolist()) - frames.pins.keys()
        self.free += len(freed)
        self.reserved += len(freed & self._returning)
        self._returning -= freed

    def close(self, vma: Vma, leafs: int, freed: int) -> None:
        """Take note that `vma` no longer covers so many leafs, and that `freed` of its object became free."""
        if vma.reserved:
            self.reserved -= leafs
        if vma.object and not vma.object.mappings:
            self.free += freed
            self.reserved -= int((vma.object.pfns == 0).sum())


def take_missing(pool: Pool, space: AddressSpace, vma: Vma, pages: int = 1) -> None:
    """Take pages to put where `vma` has none.

    Raises
    ------
    BusError
        If there are none for it, or one was taken from it before.
    """
    if vma.robbed:
        raise BusError("hugetlb pool: a page was taken from this mapping; set more hugepages")
    if vma.private:
        space.own(vma)
    kept = vma.reserved or vma.object is not None
    if not pool.has(pages, kept):
        raise _empty(pool)
    pool.take(pages, kept)


def take_to_copy(kernel: "KernelState", vma: Vma, head: int, pfn: int) -> Work | None:
    """Take a page to copy frame `pfn` to, and return None; or take the frame from all others who map it.

    Raises
    ------
    BusError
        If there is no page, and `vma` had none kept for it.
    """
    if kernel.hugetlb.has(1, kept=False):
        kernel.hugetlb.take(1, kept=False)
        return None
    if not vma.reserved:
        raise _empty(kernel.hugetlb)
    return sum((_rob(kernel, space, head, pfn) for space in kernel.spaces), NOTHING)


def _rob(kernel: "KernelState", space: AddressSpace, head: int, pfn: int) -> Work:
    """Take frame `pfn` at page `head` out of a space, unless the mapping there has its pages kept."""
    vma = space.find(head)
    if vma is None or vma.level == 1 or vma.reserved or vma.object:
        return NOTHING
    slot = space.page_table.walk(head, vma.level)
    if slot == NO_SLOT or int(frame_of(kernel.arena.flat[slot : slot + 1])[0]) != pfn:
        return NOTHING
    vma.robbed = True
    (run,) = vma.runs(head, head + kernel.geometry.leaf_pages(vma.level))
    gone = kernel.passes.drop(space.page_table, run)
    return Work(large_drops=gone.entries) + kernel.forget(space, np.array([head]))


def _empty(pool: Pool) -> BusError:
    return BusError(f"hugetlb pool: expected a page for anybody, {pool}")
