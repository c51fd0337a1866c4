"""Pinned pages: those that the kernel holds for a process while a device may read or write them.

    pin     each page is made writable first, as by a write: it is the process's alone from then on
    fork    parent [present, write] pinned  ->  the same; child [present, write] a copy at once
            a huge page of folios is split first, in the parent: its pages are copied one by one
    unmap   the frame stays, mapped by nobody, until it is unpinned

So what a device holds is never replaced behind its back. Linux counts the pins of a folio, not of its pages:
fork copies all pages of it that are the parent's alone, and those that are not are not written in place any
more. A child has no pins.

References
----------
Linux, copy_present_ptes and copy_present_page, mm/memory.c; copy_huge_pmd, mm/huge_memory.c;
copy_hugetlb_page_range, mm/hugetlb.c; folio_maybe_dma_pinned, include/linux/mm.h;
Documentation/core-api/pin_user_pages.rst.
"""

from collections import Counter

import numpy as np

from cowmodel.hardware.page_table import PageTable, Run
from cowmodel.hardware.paging import (
    CACHED,
    EXCLUSIVE,
    ORDER_MASK,
    WRITE,
    Numbers,
    expose,
    guard,
    heads_of,
    leaf_bits,
    with_frame,
)
from cowmodel.kernel.address_space import AddressSpace, Pin
from cowmodel.kernel.choices import AtFork
from cowmodel.kernel.large_folio import split
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import NOTHING, Work, entries_work

Pinned = dict[Run, Numbers]
"""First pages of the leafs, by run, of which a child gets copies at once, int64[n]."""


def pin(kernel: KernelState, space: AddressSpace, first: int, vpn: int) -> None:
    """Pin the frame of page `vpn`, which has an entry, or its folio, with the others from page `first` on."""
    vma, (level, _) = space.find(vpn), space.page_table.leaf(vpn)
    assert vma
    heads = heads_of(kernel.arena.flat[[space.page_table.walk(vpn, level)]])
    kernel.frames.pin(heads)
    space.pins.append(Pin(first, vma.level, int(heads[0])))


def unpin(kernel: KernelState, space: AddressSpace, first: int, end: int) -> Work:
    """Let go of what was pinned from a page in first..end, exclusive, on."""
    gone = [one for one in space.pins if first <= one.first < end]
    space.pins = [one for one in space.pins if not first <= one.first < end]
    return let_go(kernel, gone)


def let_go(kernel: KernelState, gone: list[Pin]) -> Work:
    """Take back pins; what nobody maps any more is free then."""
    if not gone:  # most often
        return NOTHING
    frees = kernel.frames.unpin(np.array([one.head for one in gone], np.int64))
    huge = np.array([one.head for one in gone if one.level > 1], np.int64)
    kernel.hugetlb.drop(kernel.frames, huge, kept=False)
    return Work(frees=frees)


def held(kernel: KernelState, word: int) -> bool:
    """Return whether the frame of an entry, or the folio that it is of, is pinned."""
    pinned = kernel.frames.pins
    return bool(pinned) and int(heads_of(np.array([word], np.uint64))[0]) in pinned


def copied_at_fork(kernel: KernelState, space: AddressSpace, vmas: list[Vma]) -> Pinned:
    """Return of what in `vmas` a child gets copies at once, while it shares the rest."""
    if not space.pins or kernel.policy.at_fork() is not AtFork.SHARE:
        return {}
    runs = [run for vma in _affected(kernel, vmas) for run in vma.runs()]
    pages = {run: _alone(kernel, space.page_table, run) for run in runs}
    return {run: found for run, found in pages.items() if len(found)}


def _affected(kernel: KernelState, vmas: list[Vma]) -> list[Vma]:
    """Return the mappings of which the era copies at fork what is pinned."""
    rules = kernel.era.pins_copied, kernel.era.hugetlb_pins_copied
    return [vma for vma in vmas if vma.private and rules[vma.level > 1]]


def _alone(kernel: KernelState, table: PageTable, run: Run) -> Numbers:
    """Return the first pages of the leafs of a run that are pinned and their owner's alone, int64[n].

    What is not a part of a larger folio is, if it is pinned.
    """
    pages, pinned = [np.zeros(0, np.int64)], np.array([*kernel.frames.pins], np.int64)
    for block in table.blocks(run):
        words = block.entries
        alone = (words & np.uint64(WRITE | EXCLUSIVE) != 0) | (words & np.uint64(ORDER_MASK) == 0)
        own = block.owned & alone & (words & np.uint64(CACHED) == 0)
        at, index = np.nonzero(own & np.isin(heads_of(words), pinned))
        pages.append(block.firsts[at] + index * kernel.geometry.leaf_pages(run.level))
    return np.concatenate(pages)


def demand(kernel: KernelState, pinned: Pinned) -> Counter[int]:
    """Return the leafs, by their size in frames, that copies at fork will take."""
    wanted = Counter[int]()
    for run, pages in pinned.items():
        leaf = kernel.geometry.leaf_pages(run.level)
        wanted += Counter({1: len(pages) * leaf} if run.folios else {leaf: len(pages)})
    return wanted


def huge(pinned: Pinned) -> int:
    """Return the hugetlb pages among them."""
    return sum(len(pages) for run, pages in pinned.items() if run.level > 1 and not run.folios)


def split_huge(kernel: KernelState, space: AddressSpace, pinned: Pinned) -> Work:
    """Map page by page the huge pages of folios of which a child will get copies."""
    large = [page for run, pages in pinned.items() if run.level > 1 and run.folios for page in pages.tolist()]
    return sum((split(kernel, space, page) for page in large), NOTHING)


def share_others(
    kernel: KernelState, parent: PageTable, child: PageTable, run: Run, vma: Vma, pages: Numbers
) -> Work:
    """Let the child map the parent's frames of a run, and copies at `pages`, which stay as they are.

    parent [present, write] pinned  ->  the same; child [present, write] a new frame, sharers 1
    """
    words, leaf = kernel.arena.flat, kernel.geometry.leaf_pages(run.level)
    slots = parent.slots(pages, run.level)
    before = words[slots]
    words[slots] = 0  # so that the pass does not see them
    shared = kernel.passes.share(parent, child, run)
    words[slots] = before
    pfns = kernel.frames.allocate(len(pages), leaf)
    kernel.frames.share(pfns)
    copies = with_frame(pfns, leaf_bits(run.level, write=True))
    permitted = expose(copies if vma.writable else guard(copies), vma.readable)
    words[child.slots(pages, run.level)] = permitted
    copied_bytes = len(pages) * kernel.geometry.leaf_bytes(run.level)
    taken = Work(allocations=len(pages), copied_bytes=copied_bytes)
    return shared.work(run.level) + entries_work(run.level, len(pages)) + taken
