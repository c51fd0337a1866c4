"""Anonymous memory: what a fault does where nothing is, or a read-only frame of any private mapping.

    no entry         a zeroed frame of its own, or for a read of a base page the shared zero frame
    read-only entry  the zero frame: replaced; an object's, or one that was merged: copied; otherwise the
                     policy says copy or flip; without a huge page to copy to, a flip for the mapping's owner

References
----------
Linux, do_anonymous_page, do_wp_page, mm/memory.c; hugetlb_no_page, hugetlb_wp, mm/hugetlb.c.
"""

from collections import Counter

import numpy as np

from cowmodel.hardware.frames import ZERO_FRAME
from cowmodel.hardware.paging import LEAF, MERGED, ORDER_MASK, SPECIAL, frame_of, make_writable
from cowmodel.kernel import hugetlb, pins
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.choices import AtWrite
from cowmodel.kernel.fault import COPY, FILL, FLIP, FLIPPED, Fault, Pending, copied, filled, take
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work, tables_work


def missing(kernel: KernelState, space: AddressSpace, vma: Vma, vpn: int, write: bool) -> Fault | Pending:
    """Map a page that has no entry, or begin to.

    none  ->  [present, special] the zero frame     a read of a base page
    """
    large, leaf = vma.level > 1, kernel.geometry.leaf_pages(vma.level)
    here = np.array([vpn & -leaf])
    if write or large:
        kernel.frames.require(Counter({1: space.page_table.missing(vma.level, here)}) + Counter({leaf: 1}))
        work = filled(leaf * kernel.geometry.page_bytes) + tables_work(space.page_table.grow(vma.level, here))
        if large:
            hugetlb.take_missing(kernel.hugetlb, space, vma)
        return take(kernel, FILL[large], work, vma, vpn, write)
    kernel.frames.require({1: space.page_table.missing(1, here)})
    made = space.page_table.grow(1, here)
    kernel.arena.words[space.page_table.walk(vpn)] = ZERO_FRAME | LEAF | SPECIAL
    return Fault("zero_map", Work(traps=1) + tables_work(made))


def write_protected(kernel: KernelState, vma: Vma, vpn: int, slot: int) -> Fault | Pending:
    """Give the writer a page that it may write, or begin to.

    flip:  [present] sharers 1  ->  [present, write] the same frame
    """
    entry = kernel.arena.flat[slot : slot + 1]
    large, leaf = vma.level > 1, kernel.geometry.leaf_pages(vma.level)
    pfn, size = int(frame_of(entry)[0]), leaf * kernel.geometry.page_bytes
    merged, sharers = bool(int(entry[0]) & MERGED), _sharers(kernel, int(entry[0]), pfn, large)
    # what is an object's, or was merged, is never given away
    foreign = kernel.frames.cached[pfn] or (merged and not kernel.era.merged_reused)
    own = pfn != ZERO_FRAME and not foreign
    if own and kernel.policy.at_write(sharers) is AtWrite.FLIP:
        assert sharers == 1, f"{kernel.policy} flips a frame that {sharers} entries map"
        entry[:] = make_writable(entry)
        return Fault(FLIP[large], FLIPPED)
    if not large or kernel.hugetlb.has(1, kept=False):
        kernel.frames.require({leaf: 1})
    if pfn == ZERO_FRAME:
        return take(kernel, "zero_replace", filled(size), vma, vpn, seen=int(entry[0]))
    if large and (taken := hugetlb.take_to_copy(kernel, vma, vpn & -leaf, pfn)) is not None:
        entry[:] = make_writable(entry)
        return Fault(FLIP[large], FLIPPED + taken)
    return take(kernel, COPY[large], copied(size), vma, vpn, seen=int(entry[0]))


def _sharers(kernel: KernelState, word: int, pfn: int, large: bool) -> int:
    """Return how many refer to a frame, as far as a write asks; of a part of a folio 1 or more.

    A pin counts as one more, but of a hugetlb page.
    """
    if not large and kernel.era.pins_copied and pins.held(kernel, word):
        return 2
    if word & ORDER_MASK:
        return 1 if kernel.era.alone(kernel.folios, word) else max(2, kernel.folios.total(word))
    return int(kernel.frames.sharers[pfn]) + kernel.recent.references(pfn)
