"""Rights: mprotect takes the right to write, or to access at all, from pages, or gives it back.

    writable               ->  read-only, guarded; exclusive if the frame is the owner's alone
    guarded, exclusive     ->  writable again, without a fault
    guarded, not so        ->  read-only: a write faults and copies or flips
    may not even be read   ->  guarded, and not for user mode: every access is a segmentation fault

An entry that may not be accessed maps its frame all the same: it counts, and fork shares it.

References
----------
Linux, change_pte_range and can_change_private_pte_writable, mm/mprotect.c; pte_needs_flush,
arch/x86/include/asm/tlbflush.h.
"""

from collections.abc import Callable

import numpy as np

from cowmodel.errors import SimulationError, suggest
from cowmodel.hardware.page_table import PageTable, Run
from cowmodel.hardware.paging import EXCLUSIVE, GUARDED, USER, Numbers, Words, expose, guard, unguard
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.large_folio import split_ends
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work

RIGHTS = {
    "none": {"readable": False, "writable": False},
    "r": {"readable": True, "writable": False},
    "rw": {"readable": True, "writable": True},
}


def protect(
    kernel: KernelState, space: AddressSpace, first: int, end: int, rights: str
) -> tuple[Work, list[tuple[int, int]]]:
    """Give pages first..end, exclusive, all of which are mapped, the rights that `RIGHTS` names.

    Return also the runs, from and to, exclusive, that are locked and private, and may now be written: Linux
    has them written at once.

    Raises
    ------
    CommitLimit
        If the pages of the mappings that get the right are not all promised; Linux has given it to those then
        that come before the first to be refused, here nothing has changed.
    """
    if rights not in RIGHTS:
        raise SimulationError(f"mprotect: {suggest('rights', rights, RIGHTS)}")
    changed, locked, named = list[Numbers](), list[tuple[int, int]](), RIGHTS[rights]
    promised = _unpromised(space, first, end) if named["writable"] else []
    kernel.commitment.require(promised)
    kernel.commitment.take(sum(promised))
    work = split_ends(kernel, space, first, end, **named)
    for vma in space.change(first, end, kernel.geometry.leaf_pages, **named):
        if vma.accounted and not (vma.writable or vma.object or vma.written):
            kernel.commitment.give_back(vma.pages)
            vma.accounted = False
        vma.accounted |= vma.writable and vma.own
        if vma.writable and vma.locked and vma.private:
            locked.append((vma.first, vma.end))
        for run in vma.runs():
            changed += obey(kernel, space.page_table, run, vma)
    heads = np.concatenate([np.zeros(0, np.int64), *changed])
    return Work(mappings=1, rewrites=len(heads)) + work + kernel.forget(space, heads), locked


def _unpromised(space: AddressSpace, first: int, end: int) -> list[int]:
    """Return of each mapping how many pages in first..end, exclusive, must be promised before a write."""
    vmas = [vma for vma in space.overlapping(first, end) if vma.own and not vma.accounted]
    return [min(end, vma.end) - max(first, vma.first) for vma in vmas]


def obey(kernel: KernelState, table: PageTable, run: Run, vma: Vma) -> list[Numbers]:
    """See that the entries of a run permit no more than `vma` does; return at which pages TLBs may know them.

    What user mode may not access, no TLB has.
    """
    pages, rule = [], _given_back(kernel, vma) if vma.writable else guard
    for block in table.blocks(run):
        kernel.arena.rows[block.rows] ^= block.entries ^ expose(rule(block.entries), vma.readable)
        at, index = np.nonzero(block.entries & np.uint64(USER))
        pages.append(block.firsts[at] + index * kernel.geometry.leaf_pages(run.level))
    return pages


def _given_back(kernel: KernelState, vma: Vma) -> Callable[[Words], Words]:
    """Return what becomes of guarded entries of `vma`."""
    if vma.object and not (vma.private or vma.object.notified):  # all are writable at once
        return lambda words: unguard(words | np.where(words, np.uint64(EXCLUSIVE), np.uint64(0)))
    if vma.level > 1 or not kernel.era.rights_restored:  # sharers are looked at in a fault alone
        return lambda words: words & ~np.uint64(GUARDED | EXCLUSIVE)
    return unguard
