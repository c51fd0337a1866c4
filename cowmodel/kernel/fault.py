"""Faults: what an access that the page table does not permit comes to, in kinds and work.

A fault that fills a private page with new memory takes time for that, in which others may act. So it has
two parts: one decides and takes the frame, the other maps it if the entry is still what it was. All other
faults are over with the first part.

References
----------
Linux, handle_pte_fault, mm/memory.c; hugetlb_fault, mm/hugetlb.c. Kinds have the names of those paths.
"""

from typing import NamedTuple

from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work

# kinds of base pages and of huge ones
FILL, COPY, FLIP = (
    ("zero_fill", "htlb_fill"),
    ("cow_copy", "htlb_copy"),
    ("cow_reuse", "htlb_reuse"),
)
OF_OBJECTS = ("shared_map", "shared_upgrade", "file_map", "file_cow")
LARGE_FOLIOS = ("thp_fill", "thp_zero_map", "thp_zero_replace", "thp_reuse", "thp_split_copy", "thp_copy")
KINDS = (
    *("spurious", "late", "zero_map", "zero_replace"),
    *(*OF_OBJECTS, *FILL, *COPY, *FLIP, *LARGE_FOLIOS),
)
COPIES = (*COPY, "file_cow", "thp_split_copy", "thp_copy")
FLIPS = (*FLIP, "thp_reuse", "shared_upgrade")

FLIPPED = Work(traps=1, flips=1)
NEAR_PAGES = 8  # as many entries lie in a line of a cache


def is_far(vpn: int, last_vpn: int) -> bool:
    """Return whether a fault finds none of what the one before it has brought into the caches."""
    return abs(vpn - last_vpn) > NEAR_PAGES


def out_of_cache(kind: str, fills: bool, doublings: int, far: bool) -> Work:
    """Return what a fault takes more because it does not find in the caches what it needs.

    Memory is larger than the cache by so many `doublings`: what lies there is not in it, be it the frame that
    a fault copies or flips or the new one that it `fills`. A fault that is `far` from the one before does not
    find their neighbours either, nor those of its entry.
    """
    looks, cold = kind in COPIES or kind in FLIPS, doublings > 0
    return Work(
        cold_frames=int(cold and fills),
        cold_records=int(cold and looks),
        far_doublings=doublings * (far and (looks or fills)),
    )


def filled(leaf_bytes: int) -> Work:
    """Return the work of a fault that maps a zeroed leaf."""
    return Work(traps=1, allocations=1, zeroed_bytes=leaf_bytes)


def copied(leaf_bytes: int) -> Work:
    """Return the work of copying a leaf, before it is mapped."""
    return Work(traps=1, allocations=1, copied_bytes=leaf_bytes)


def replaced(others: int) -> Work:
    """Return the work of mapping a leaf in place of another that was not a frame's.

    `others` are the other cores that run the address space: they are told to forget the old translation.
    """
    return Work(invalidations=1, shootdowns=others)


def given_back(freed_bytes: int, pooled: bool = False) -> Work:
    """Return the work of giving a leaf of so many bytes back, if any; a pool keeps it in one piece."""
    return Work(frees=int(freed_bytes > 0), freed_bytes=0 if pooled else freed_bytes)


class Fault(NamedTuple):
    """One page fault: its kind and what the kernel did."""

    kind: str
    work: Work


class Pending(NamedTuple):
    """A page fault that has a new frame and has yet to map it.

    Attributes
    ----------
    kind : str
    work : Work
        Of what was done so far.
    vma : Vma
    vpn : int
        First page that is to be mapped.
    pfn : int
        First new frame, which nothing maps.
    write : bool
    seen : int
        The entry as the decision found it; 0 for none.
    level, order : int
        Level of the entries, and order of the folio; 0 for a single frame or a hugetlb page.
    """

    kind: str
    work: Work
    vma: Vma
    vpn: int
    pfn: int
    write: bool
    seen: int
    level: int = 1
    order: int = 0


def take(
    kernel: KernelState,
    kind: str,
    work: Work,
    vma: Vma,
    vpn: int,
    write: bool = True,
    seen: int = 0,
    level: int = 0,
    order: int = 0,
) -> Pending:
    """Take the frames of a leaf, or of a folio, for a page; the caller has made sure of the room."""
    level = level or vma.level
    pages = max(kernel.geometry.leaf_pages(level), 1 << order)
    kernel.frames.hold_pending(pages)
    pfn = int(kernel.frames.allocate(1, pages)[0])
    return Pending(kind, work, vma, vpn & -pages, pfn, write, seen, level, order)
