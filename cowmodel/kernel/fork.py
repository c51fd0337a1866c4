"""Fork and exit: the two ends of sharing, and munmap, of which exit is the largest case.

References
----------
Linux, dup_mmap, kernel/fork.c; copy_page_range, mm/memory.c; exit_mmap, mm/mmap.c; free_pgtables,
mm/memory.c.
"""

from collections import Counter

import numpy as np

from cowmodel.hardware.page_table import Block, PageTable
from cowmodel.hardware.paging import (
    ACCESSED,
    WRITE,
    Words,
    leaf_bits,
    with_frame,
    write_protect,
)
from cowmodel.kernel.address_space import AddressSpace, Vma
from cowmodel.kernel.choices import AtFork
from cowmodel.kernel.fault import flip_last_sharers
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import Work, entries_work, tables_work

_NOT_ACCESSED = np.uint64((1 << 64) - 1 ^ ACCESSED)


def fork_space(kernel: KernelState, parent: AddressSpace) -> tuple[AddressSpace, Work]:
    """Return a copy of `parent`, which shares its private memory or has its own, as the policy says.

    Raises
    ------
    OutOfMemory
        If the tables, and with an eager policy the frames, do not fit; nothing has changed then.
    """
    written = [vma for vma in parent.vmas if vma.written]
    written.sort(key=lambda vma: vma.level, reverse=True)  # the order in which room was asked for
    kernel.frames.require(_demand(kernel, parent, written))
    child = AddressSpace(PageTable(kernel.arena))
    work = Work(forks=1, flushes=1, shootdowns=parent.other_cores, vmas=len(parent.vmas), pgd_tables=1)
    for vma in parent.vmas:
        child.insert(vma.duplicate())
    for vma in written:
        work += _copy_tables(kernel, parent, child, vma)
    return child, work


def _copy_tables(kernel: KernelState, parent: AddressSpace, child: AddressSpace, vma: Vma) -> Work:
    """Give the child the tables and entries of `vma`, a block of tables at a time.

    share:  parent [present, write] sharers 1  ->  parent [present] sharers 2
                                                   child  [present]
    copy:   parent [present, write] sharers 1  ->  the same; child [present, write] a new frame, sharers 1
    """
    made = Counter[int]()
    for level in range(kernel.geometry.top - 1, vma.level - 1, -1):
        _, firsts = parent.page_table.tables_over(level, vma.first, vma.last)
        made.update(dict(enumerate(child.page_table.grow(level, firsts))))
    work = tables_work([made[level] for level in range(kernel.geometry.top)])
    share = kernel.policy.at_fork() is AtFork.SHARE
    for block in parent.page_table.blocks(vma.level, vma.first, vma.last):
        entries, more = _share(kernel, block) if share else _copy(kernel, block, vma.level)
        rows = child.page_table.slots(block.firsts, vma.level) // kernel.geometry.entries
        kernel.arena.rows[rows] |= entries
        work += more + entries_work(vma.level, int(np.count_nonzero(entries)))
    return work


def _share(kernel: KernelState, block: Block) -> tuple[Words, Work]:
    """Write-protect a block of the parent's entries; return what the child gets."""
    kernel.frames.share(block.pfns)
    writable = block.entries & np.uint64(WRITE) != 0
    protected = np.where(writable, write_protect(block.entries), block.entries)
    kernel.arena.rows[block.rows] ^= block.entries ^ protected
    return protected & _NOT_ACCESSED, Work()


def _copy(kernel: KernelState, block: Block, level: int) -> tuple[Words, Work]:
    """Copy every frame of a block of the parent's entries; return what the child gets."""
    leaf = kernel.geometry.leaf_pages(level)
    entries = block.entries & _NOT_ACCESSED
    new = kernel.frames.allocate(int(block.owned.sum()), leaf)
    kernel.frames.share(new)
    entries[block.owned] = with_frame(new, leaf_bits(level, write=True)) & _NOT_ACCESSED
    copied = len(new) * leaf * kernel.geometry.page_bytes
    return entries, Work(allocations=len(new), copied_bytes=copied)


def _demand(kernel: KernelState, parent: AddressSpace, written: list[Vma]) -> Counter[int]:
    """Return the leafs, by their size in frames, that a fork will take; a table is one of one frame."""
    demand = Counter({1: 1})  # the root
    tables: set[tuple[int, int]] = set()
    eager = kernel.policy.at_fork() is AtFork.COPY
    for vma in written:
        for level in range(vma.level, kernel.geometry.top):
            _, firsts = parent.page_table.tables_over(level, vma.first, vma.last)
            tables.update((level, first) for first in firsts.tolist())
        if eager:
            blocks = parent.page_table.blocks(vma.level, vma.first, vma.last)
            leaf = kernel.geometry.leaf_pages(vma.level)
            demand[leaf] += sum(int(block.owned.sum()) for block in blocks)
    demand[1] += len(tables)
    return demand


def unmap(kernel: KernelState, space: AddressSpace, first: int, end: int) -> Work:
    """Take the pages first..end, exclusive, out of `space`, whatever is mapped there.

    [present] sharers n  ->  none, sharers n - 1; with none left and no shared object, the frame is free
    """
    work = Work()
    for vma in space.overlapping(first, end):
        work += _drop_entries(kernel, space, vma, max(first, vma.first), min(end, vma.end))
        work += _cut(kernel, space, vma, first, end)
    space.page_table.prune(first, end - 1, *space.gap(first, end))
    return work


def _drop_entries(kernel: KernelState, space: AddressSpace, vma: Vma, first: int, end: int) -> Work:
    """Empty the entries of `vma` in first..end and let go of their frames."""
    work, leaf = Work(), kernel.geometry.leaf_pages(vma.level)
    for block in space.page_table.blocks(vma.level, first, end - 1):
        pfns = block.pfns
        kernel.arena.rows[block.rows] ^= block.entries
        work += Work(drops=int(np.count_nonzero(block.entries)), frees=kernel.frames.drop(pfns, leaf))
        if vma.shared is None:
            table, index = np.nonzero(block.owned)
            work += flip_last_sharers(kernel, block.firsts[table] + index * leaf, pfns, vma.level)
    return work


def _cut(kernel: KernelState, space: AddressSpace, vma: Vma, first: int, end: int) -> Work:
    """Replace `vma` by what is left of it outside first..end."""
    leaf = kernel.geometry.leaf_pages(vma.level)
    ends = [(vma.first, first), (end, vma.end)]
    parts = [vma.part(start, stop, leaf) for start, stop in ends if start < stop]
    space.vmas.remove(vma)
    for part in parts:
        space.insert(part)
    if vma.shared is None:
        return Work()
    vma.shared.mappings += len(parts)
    return Work(frees=vma.shared.let_go(kernel.frames, leaf))


def exit_space(kernel: KernelState, space: AddressSpace) -> Work:
    """Let go of everything that `space` maps, and of its tables."""
    work = unmap(kernel, space, 0, kernel.geometry.user_pages)
    space.page_table.free_root()
    return work
