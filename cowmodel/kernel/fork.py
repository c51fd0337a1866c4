"""Fork and exit: the two ends of sharing, and munmap, of which exit is the largest case.

References
----------
Linux, dup_mmap, kernel/fork.c; copy_page_range, mm/memory.c; exit_mmap, mm/mmap.c; free_pgtables,
mm/memory.c.
"""

from collections import Counter

from cowmodel.hardware.page_table import PageTable
from cowmodel.hardware.paging import Numbers, guard
from cowmodel.kernel import cached, dirty
from cowmodel.kernel.address_space import AddressSpace, Vma
from cowmodel.kernel.choices import AtFork
from cowmodel.kernel.reverse_map import flip_last_sharers
from cowmodel.kernel.rights import change_entries
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import Work, entries_work, tables_work


def fork_space(kernel: KernelState, parent: AddressSpace) -> tuple[AddressSpace, Work]:
    """Return a copy of `parent`, which shares its private memory or has its own, as the policy says.

    Raises
    ------
    OutOfMemory
        If the tables, and with an eager policy the frames, do not fit; nothing has changed then.
    """
    written = [vma for vma in parent.vmas if vma.written and vma.inherited and not vma.wiped]
    kernel.frames.require(_demand(kernel, parent, written))
    written.sort(key=lambda vma: vma.level, reverse=True)  # the order in which room was asked for
    parent.family.changes += 1
    kernel.tlbs.flush(parent.page_table.root)
    child = AddressSpace(PageTable(kernel.arena), parent.family)
    child.vmas = [vma.duplicate() for vma in parent.vmas if vma.inherited]
    work = Work(forks=1, flushes=1, shootdowns=parent.other_cores, vmas=len(child.vmas), pgd_tables=1)
    for vma in written:
        work += _copy_tables(kernel, parent.page_table, child.page_table, vma)
    return child, work


def _copy_tables(kernel: KernelState, parent: PageTable, child: PageTable, vma: Vma) -> Work:
    """Give the child the tables and entries of `vma`.

    share:  parent [present, write] sharers 1  ->  parent [present] sharers 2
                                                   child  [present]
    copy:   parent [present, write] sharers 1  ->  the same; child [present, write] a new frame, sharers 1
    """
    run = vma.level, vma.first, vma.last
    work = tables_work(kernel.passes.graft(parent, child, *run))
    if kernel.policy.at_fork() is AtFork.SHARE:
        return work + entries_work(vma.level, kernel.passes.share(parent, child, *run))
    entries, copied = kernel.passes.copy(parent, child, *run)
    if not vma.writable:
        change_entries(kernel, child, *run, guard)
    copied_bytes = copied * kernel.geometry.leaf_bytes(vma.level)
    return work + entries_work(vma.level, entries) + Work(allocations=copied, copied_bytes=copied_bytes)


def _demand(kernel: KernelState, parent: AddressSpace, written: list[Vma]) -> Counter[int]:
    """Return the leafs, by their size in frames, that a fork will take; a table is one of one frame."""
    table, passes, geometry = parent.page_table, kernel.passes, kernel.geometry
    demand = Counter({1: 1})  # the root
    seen = [0] * geometry.top  # pages below these are in tables that were counted
    for vma in written:
        for level in range(vma.level, geometry.top):
            span, first = geometry.table_pages(level), max(vma.first, seen[level])
            if first <= vma.last:
                found = passes.count(table, level + 1, first, vma.last)
                demand[1] += found.used - found.large  # the others point to tables
                seen[level] = (vma.last // span + 1) * span
        if kernel.policy.at_fork() is AtFork.COPY:
            demand[geometry.leaf_pages(vma.level)] += passes.count(
                table, vma.level, vma.first, vma.last
            ).owned - cached.entries(table, vma)
    return demand


def unmap(kernel: KernelState, space: AddressSpace, first: int, end: int) -> Work:
    """Take the pages first..end, exclusive, out of `space`, whatever is mapped there.

    [present] sharers n  ->  none, sharers n - 1; with none left and no shared object, the frame is free
    """
    space.family.changes += 1
    work = Work()
    for vma in space.overlapping(first, end):
        work += drop_entries(kernel, space, vma, max(first, vma.first), min(end, vma.end))
        work += _cut(kernel, space, vma, first, end)
    kernel.passes.prune(space.page_table, first, end - 1, *space.gap(first, end))
    return work


def drop_entries(kernel: KernelState, space: AddressSpace, vma: Vma, first: int, end: int) -> Work:
    """Empty the entries of `vma` in first..end and let go of their frames."""
    flipped = list[Work]()
    if vma.object and not vma.private:
        dirty.note_dropped(kernel, space.page_table, vma, first, end)

    def flip(vpns: Numbers, pfns: Numbers) -> None:
        flipped.append(flip_last_sharers(kernel, vpns, pfns, vma.level))

    seeking = vma.private and kernel.policy.seeks_last_sharer()
    table, tell = space.page_table, flip if seeking else None
    drops, frees = kernel.passes.drop(table, vma.level, first, end - 1, tell)
    return sum(flipped, Work(drops=drops, frees=frees))


def _cut(kernel: KernelState, space: AddressSpace, vma: Vma, first: int, end: int) -> Work:
    """Replace `vma` by what is left of it outside first..end."""
    leaf = kernel.geometry.leaf_pages(vma.level)
    ends = [(vma.first, first), (end, vma.end)]
    parts = [vma.part(start, stop, leaf) for start, stop in ends if start < stop]
    space.vmas.remove(vma)
    for part in parts:
        space.insert(part)
    if vma.object is None:
        return Work()
    vma.object.mappings += len(parts)
    return Work(frees=vma.object.let_go(kernel.frames, leaf))


def exit_space(kernel: KernelState, space: AddressSpace) -> Work:
    """Let go of everything that `space` maps, and of its tables."""
    work = unmap(kernel, space, 0, kernel.geometry.user_pages)
    kernel.tlbs.end(space.page_table.root)
    space.page_table.free_root()
    return work
