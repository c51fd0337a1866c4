"""Memory with an object behind it, a file's or a shared one's: what a fault does where nothing is.

    read             the object's frame is mapped, zeroed if it is new, and the neighbours that the object has
    write, shared    the object's frame is mapped writable, zeroed if it is new
    write, private   a copy of the object's frame is mapped, the mapping's own

A read may map what is shared writable at once, unless the object is notified of writes; then a write makes
it writable, page by page. What is private is read-only until it is copied. Behind the end of a file there is
a bus error; a read maps the neighbours before the end all the same.

References
----------
Linux, do_shared_fault, do_read_fault, do_fault_around, do_cow_fault, do_wp_page, mm/memory.c;
filemap_map_pages, mm/filemap.c; vma_wants_writenotify, mm/vma.c.
"""

from collections import Counter
from typing import NoReturn

import numpy as np

from cowmodel.errors import BusError
from cowmodel.hardware.page_table import NO_SLOT, PageTable
from cowmodel.hardware.paging import (
    CACHED,
    DIRTY,
    GUARDED,
    LEAF,
    WRITE,
    Numbers,
    leaf_bits,
    make_writable,
    with_frame,
)
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.fault import FLIPPED, Fault, Pending, copied, take
from cowmodel.kernel.hugetlb import take_missing
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work, tables_work

FAULT_AROUND_BYTES = 64 << 10  # Linux: fault_around_bytes
_CHUNK = 1 << 18  # pages filled at a time, so that temporary arrays stay small


def missing(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int, write: bool) -> Fault | Pending:
    """Map a page that has no entry, or begin to."""
    if vpn >= vma.backed_end:
        _refuse(kernel, space, vma, vpn, write)
    if write and vma.private:
        return _copy(kernel, space, vma, vpn)
    large, leaf = vma.level > 1, kernel.geometry.leaf_pages(vma.level)
    work = fill(kernel, space, vma, np.array([vpn & -leaf]), write)
    if not (write or large):
        work += _map_around(kernel, space, vma, vpn)
    return Fault("file_map" if vma.private else "shared_map", work)


def _copy(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int) -> Pending:
    """Begin to map a copy of the object's page.

    none  ->  [present, write] a new frame, sharers 1
    """
    here = np.array([vpn])
    kernel.frames.require({1: space.page_table.missing(1, here) + 1})
    work = copied(kernel.geometry.page_bytes) + tables_work(space.page_table.grow(1, here))
    return take(kernel, "file_cow", work, vma, vpn)


def upgrade(kernel: KernelState, vma: Vma, vpn: int, slot: int) -> Fault:
    """Tell the object of a write to a page of a shared mapping, and let it happen.

    [present] sharers n  ->  [present, write] the same frame, sharers n
    """
    assert vma.object
    vma.object.dirty[vma.places(np.array([vpn]))] = True
    entry = kernel.arena.flat[slot : slot + 1]
    entry[:] = make_writable(entry) | np.uint64(DIRTY)
    return Fault("shared_upgrade", FLIPPED + Work(notices=1))


def fill(kernel: KernelState, space: AddressSpace, vma: Vma, heads: Numbers, write: bool = True) -> Work:
    """Map the leafs at pages `heads`, which rise and have no entry, each in a fault of its own.

    Raises
    ------
    OutOfMemory
        If the frames and the tables do not all fit; nothing has changed then.
    BusError
        If the hugetlb pool has no such pages for it, or one is behind the end of a file.
    """
    if len(heads) and heads[-1] >= vma.backed_end:
        raise BusError(f"page {heads[-1]:#x} is behind the end of the file that is mapped there")
    leaf, table = kernel.geometry.leaf_pages(vma.level), space.page_table
    new = int((_held(vma, heads, leaf) == 0).sum()) if vma.object else len(heads)
    kernel.frames.require(Counter({1: table.missing(vma.level, heads)}) + Counter({leaf: new}))
    made = table.grow(vma.level, heads)
    if vma.level > 1:
        take_missing(kernel.hugetlb, space, vma, new)
    bits = leaf_bits(vma.level, write) | _rights(vma)
    for start in range(0, len(heads), _CHUNK):
        some = heads[start : start + _CHUNK]
        pfns = _frames_for(kernel, vma, some, leaf)
        kernel.frames.share(pfns)
        kernel.arena.flat[table.slots(some, vma.level)] = with_frame(pfns, bits)
    if vma.object:
        vma.object.dirty[vma.places(heads, leaf)] |= write
    if not vma.object and len(heads):
        space.own(vma)
    zeroed = new * leaf * kernel.geometry.page_bytes
    inserted = new if vma.object else 0
    filled = Work(traps=len(heads), allocations=new, zeroed_bytes=zeroed, insertions=inserted)
    return filled + tables_work(made)


def _rights(vma: Vma) -> int:
    """Return the bits of what a fault maps that does not depend on the access."""
    if vma.object is None:
        return 0
    if not vma.writable:
        return CACHED | GUARDED
    return CACHED if vma.private or vma.object.notified else CACHED | WRITE


def entries(table: PageTable, vma: Vma) -> int:
    """Return how many entries of base pages of `vma` map frames of its object."""
    if vma.object is None or vma.level > 1:
        return 0
    words = table.entries(np.arange(vma.first, vma.end), 1)
    return int(np.count_nonzero(words & np.uint64(CACHED)))


def _held(vma: Vma, heads: Numbers, leaf: int) -> Numbers:
    """Return the frames that the object of a mapping has for pages `heads`; 0 where it has none."""
    assert vma.object
    return vma.object.pfns[vma.places(heads, leaf)]


def _frames_for(kernel: KernelState, vma: Vma, heads: Numbers, leaf: int) -> Numbers:
    """Return the frames to map at pages `heads`: new ones, or the object's, new where it has none."""
    pfns = _held(vma, heads, leaf) if vma.object else np.zeros(len(heads), np.int64)
    new = pfns == 0
    pfns[new] = kernel.frames.allocate(int(new.sum()), leaf)
    kernel.recent.add(pfns[new].tolist() if leaf == 1 else ())
    if vma.object is None:
        return pfns
    kernel.frames.cached[pfns] = True
    vma.object.pfns[vma.places(heads, leaf)] = pfns
    return pfns


def _refuse(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int, write: bool) -> NoReturn:
    """Fail to map a page behind the end of a file.

    Upper tables stay, what a read finds around, and that a page of its own was to be put in.
    """
    around = not write and len(_around(kernel, vma, vpn)) > 0
    level, here = 1 if around else 2, np.array([vpn])
    kernel.frames.require({1: space.page_table.missing(level, here)})
    space.page_table.grow(level, here)
    if write and vma.private:
        space.own(vma)
    if around:
        _map_around(kernel, space, vma, vpn)
    raise BusError(f"page {vpn:#x} is behind the end of the file that is mapped there")


def _around(kernel: KernelState, vma: Vma, vpn: int) -> Numbers:
    """Return the pages that a read of `vpn` may map besides: those of a window that the object has."""
    window = max(1, FAULT_AROUND_BYTES // kernel.geometry.page_bytes)
    start, table = max(vpn & -window, vma.first), kernel.geometry.table_pages(1)
    vpns = np.arange(start, min(start + window, (vpn | table - 1) + 1, vma.backed_end))
    held: Numbers = vpns[_held(vma, vpns, 1) > 0]
    return held


def _map_around(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int) -> Work:
    """Map the neighbours of `vpn` that the object already has."""
    vpns = _around(kernel, vma, vpn)
    slots, pfns = space.page_table.slots(vpns, 1), _held(vma, vpns, 1)
    new = (slots != NO_SLOT) & (kernel.arena.flat[slots] == 0)
    kernel.arena.flat[slots[new]] = with_frame(pfns[new], LEAF | _rights(vma))
    kernel.frames.share(pfns[new])
    return Work(mapped_around=int(new.sum()))
