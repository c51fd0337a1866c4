"""Rights: mprotect takes the right to write from pages, or gives it back.

    writable               ->  read-only, guarded; exclusive if the frame is the owner's alone
    guarded, exclusive     ->  writable again, without a fault
    guarded, not so        ->  read-only: a write faults and copies or flips

References
----------
Linux, change_pte_range and can_change_private_pte_writable, mm/mprotect.c.
"""

from collections.abc import Callable

import numpy as np

from cowmodel.hardware.page_table import PageTable, Run
from cowmodel.hardware.paging import EXCLUSIVE, GUARDED, Numbers, Words, guard, unguard
from cowmodel.kernel.address_space import AddressSpace, Vma
from cowmodel.kernel.large_folio import split_ends
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import Work


def protect(
    kernel: KernelState, space: AddressSpace, first: int, end: int, writable: bool
) -> tuple[Work, list[tuple[int, int]]]:
    """Give or take the right to write to pages first..end, exclusive, all of which are mapped.

    Return also the runs, from and to, exclusive, that are locked and private, and may now be written: Linux
    has them written at once.
    """
    changed, locked = list[Numbers](), list[tuple[int, int]]()
    work = split_ends(kernel, space, first, end, writable=writable)
    for vma in space.change(first, end, kernel.geometry.leaf_pages, writable=writable):
        vma.accounted = writable or (vma.accounted and bool(vma.object or vma.written))
        rule = guard if not writable else _given_back(kernel, vma)
        if writable and vma.locked and vma.private:
            locked.append((vma.first, vma.end))
        for run in vma.runs():
            changed += change_entries(kernel, space.page_table, run, rule)
    heads = np.concatenate([np.zeros(0, np.int64), *changed])
    return Work(mappings=1, rewrites=len(heads)) + work + kernel.forget(space, heads), locked


def change_entries(
    kernel: KernelState, table: PageTable, run: Run, rule: Callable[[Words], Words]
) -> list[Numbers]:
    """Put what `rule` makes of the entries of a run in their place; return at which pages they are."""
    pages = []
    for block in table.blocks(run):
        kernel.arena.rows[block.rows] ^= block.entries ^ rule(block.entries)
        at, index = np.nonzero(block.entries)
        pages.append(block.firsts[at] + index * kernel.geometry.leaf_pages(run.level))
    return pages


def _given_back(kernel: KernelState, vma: Vma) -> Callable[[Words], Words]:
    """Return what becomes of guarded entries of `vma`."""
    if vma.object and not (vma.private or vma.object.notified):  # all are writable at once
        return lambda words: unguard(words | np.where(words, np.uint64(EXCLUSIVE), np.uint64(0)))
    if vma.level > 1 or not kernel.era.rights_restored:  # sharers are looked at in a fault alone
        return lambda words: words & ~np.uint64(GUARDED | EXCLUSIVE)
    return unguard
