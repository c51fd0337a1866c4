"""Memory with an object behind it: what a fault does where nothing is.

The object's frame is mapped, zeroed if it is new; a read maps the neighbours as well that the object has.

References
----------
Linux, do_shared_fault, do_read_fault, do_fault_around, mm/memory.c.
"""

from collections import Counter

import numpy as np

from cowmodel.hardware.page_table import NO_SLOT
from cowmodel.hardware.paging import GUARDED, LEAF, WRITE, Numbers, leaf_bits, with_frame
from cowmodel.kernel.address_space import AddressSpace, Vma
from cowmodel.kernel.fault import Fault, Pending
from cowmodel.kernel.hugetlb import take_missing
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import Work, tables_work

FAULT_AROUND_BYTES = 64 << 10  # Linux: fault_around_bytes
_CHUNK = 1 << 18  # pages filled at a time, so that temporary arrays stay small


def missing(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int, write: bool) -> Fault | Pending:
    """Map a page that has no entry."""
    large, leaf = vma.level > 1, kernel.geometry.leaf_pages(vma.level)
    work = fill(kernel, space, vma, np.array([vpn & -leaf]), write)
    if not (write or large):
        _map_around(kernel, space, vma, vpn)
    return Fault("shared_map", work)


def fill(kernel: KernelState, space: AddressSpace, vma: Vma, heads: Numbers, write: bool = True) -> Work:
    """Map the leafs at pages `heads`, which rise and have no entry, each in a fault of its own.

    Raises
    ------
    OutOfMemory
        If the frames and the tables do not all fit; nothing has changed then.
    BusError
        If the hugetlb pool has no such pages for it.
    """
    leaf, table = kernel.geometry.leaf_pages(vma.level), space.page_table
    new = len(heads) if vma.private else int((_held(vma, heads, leaf) == 0).sum())
    kernel.frames.require(Counter({1: table.missing(vma.level, heads)}) + Counter({leaf: new}))
    made = table.grow(vma.level, heads)
    if vma.level > 1:
        take_missing(kernel.hugetlb, vma, new)
    bits = leaf_bits(vma.level, write) | _rights(vma)
    for start in range(0, len(heads), _CHUNK):
        some = heads[start : start + _CHUNK]
        pfns = _frames_for(kernel, vma, some, leaf)
        kernel.frames.share(pfns)
        kernel.arena.flat[table.slots(some, vma.level)] = with_frame(pfns, bits)
    vma.written |= vma.private and len(heads) > 0
    zeroed = new * leaf * kernel.geometry.page_bytes
    return Work(traps=len(heads), allocations=new, zeroed_bytes=zeroed) + tables_work(made)


def _rights(vma: Vma) -> int:
    """Return the bits of what a fault maps that does not depend on the access."""
    if not vma.writable:
        return GUARDED
    return 0 if vma.private else WRITE


def _held(vma: Vma, heads: Numbers, leaf: int) -> Numbers:
    """Return the frames that a shared mapping's object has for pages `heads`; 0 where it has none."""
    assert vma.object
    return vma.object.pfns[vma.offset + (heads - vma.first) // leaf]


def _frames_for(kernel: KernelState, vma: Vma, heads: Numbers, leaf: int) -> Numbers:
    """Return the frames to map at pages `heads`: new ones, or the object's, new where it has none."""
    if vma.object is None:
        return kernel.frames.allocate(len(heads), leaf)
    pfns = _held(vma, heads, leaf)
    new = pfns == 0
    pfns[new] = kernel.frames.allocate(int(new.sum()), leaf)
    kernel.frames.cached[pfns] = True
    vma.object.pfns[vma.offset + (heads - vma.first) // leaf] = pfns
    return pfns


def _map_around(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int) -> None:
    """Map the neighbours of `vpn` that the shared object already has; the fault's price covers them."""
    window = max(1, FAULT_AROUND_BYTES // kernel.geometry.page_bytes)
    start, table = max(vpn & -window, vma.first), kernel.geometry.table_pages(1)
    vpns = np.arange(start, min(start + window, (vpn | table - 1) + 1, vma.end))
    slots, pfns = space.page_table.slots(vpns, 1), _held(vma, vpns, 1)
    new = (slots != NO_SLOT) & (kernel.arena.flat[slots] == 0) & (pfns > 0)
    kernel.arena.flat[slots[new]] = with_frame(pfns[new], LEAF | _rights(vma))
    kernel.frames.share(pfns[new])
