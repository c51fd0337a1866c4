"""Fork and exit: the two ends of sharing, and munmap, of which exit is the largest case.

References
----------
Linux, dup_mmap, kernel/fork.c; copy_page_range, mm/memory.c; exit_mmap, mm/mmap.c; free_pgtables,
mm/memory.c.
"""

from collections import Counter

from cowmodel.hardware.page_table import PageTable, Run
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel import cached, dirty, pins
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.choices import AtFork
from cowmodel.kernel.large_folio import split_at
from cowmodel.kernel.reverse_map import flip_last_sharers
from cowmodel.kernel.rights import obey
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work, entries_work, tables_work


def fork_space(kernel: KernelState, parent: AddressSpace) -> tuple[AddressSpace, Work]:
    """Return a copy of `parent`, which shares its private memory or has its own, as the policy says.

    Raises
    ------
    OutOfMemory
        If the tables, and with an eager policy the frames, do not fit; nothing has changed then.
    CommitLimit
        If the kernel does not promise the child what it has promised the parent.
    """
    inherited = [vma for vma in parent.vmas if vma.inherited]
    written = [vma for vma in inherited if (vma.written or _found(kernel, vma)) and not vma.wiped]
    promised = [vma.pages for vma in inherited if vma.accounted]
    pinned = pins.copied_at_fork(kernel, parent, written)
    kernel.commitment.require(promised)
    kernel.frames.require(_demand(kernel, parent, written) + pins.demand(kernel, pinned))
    kernel.hugetlb.take_for_fork(_huge_copies(kernel, parent, written) + pins.huge(pinned))
    kernel.commitment.take(sum(promised))
    parent.family.changes += 1
    kernel.tlbs.flush(parent.page_table.root)
    child = AddressSpace(PageTable(kernel.arena), parent.family)
    child.vmas = [vma.duplicate() for vma in inherited]
    work = Work(forks=1, flushes=1, shootdowns=parent.other_cores, vmas=len(child.vmas), pgd_tables=1)
    work += pins.split_huge(kernel, parent, pinned)
    if pinned:
        pinned = pins.copied_at_fork(kernel, parent, written)  # page by page, where a huge one was split
    runs = [(run, vma) for vma in written for run in vma.runs()]
    runs.sort(key=lambda pair: pair[0].level, reverse=True)  # the order in which room was asked for
    written_bytes = 0
    for run, vma in runs:
        made = _copy_tables(kernel, parent.page_table, child.page_table, run, vma, pinned.get(run))
        written_bytes += _written_bytes(made, kernel.geometry.leaf_bytes(run.level))
        work += made
    return child, work + Work(cold_forks=int(written_bytes > kernel.cache_bytes))


def _found(kernel: KernelState, vma: Vma) -> bool:
    """Return whether a child finds all of shared `vma` mapped that its parent has."""
    return vma.level > 1 and not vma.private and not kernel.era.hugetlb_refaults


def _written_bytes(made: Work, leaf_bytes: int) -> int:
    """Return how much was written since the last fork, of which all was writable, or now for the child."""
    protections = made.protections + made.part_protections + made.large_protections
    return protections * leaf_bytes + made.copied_bytes


def _copy_tables(
    kernel: KernelState, parent: PageTable, child: PageTable, run: Run, vma: Vma, pinned: Numbers | None
) -> Work:
    """Give the child the tables and entries of a run of `vma`; of `pinned` pages, copies in any case.

    share:  parent [present, write] sharers 1  ->  parent [present] sharers 2
                                                   child  [present]
    copy:   parent [present, write] sharers 1  ->  the same; child [present, write] a new frame, sharers 1
    """
    deposits = child.deposits
    made = kernel.passes.graft(parent, child, run)
    work = tables_work(made) + Work(scans=made[1])
    if not vma.private:
        return work + entries_work(run.level, kernel.passes.repeat(parent, child, run))
    if pinned is not None:
        work += pins.share_others(kernel, parent, child, run, vma, pinned)
    elif kernel.policy.at_fork() is AtFork.SHARE:
        work += kernel.passes.share(parent, child, run).work(run.level)
    else:
        entries, copied = kernel.passes.copy(parent, child, run)
        if not vma.writable:
            obey(kernel, child, run, vma)
        copied_bytes = copied * kernel.geometry.leaf_bytes(run.level)
        work += entries_work(run.level, entries) + Work(allocations=copied, copied_bytes=copied_bytes)
    return work + Work(deposits=child.deposits - deposits)


def _demand(kernel: KernelState, parent: AddressSpace, written: list[Vma]) -> Counter[int]:
    """Return the leafs, by their size in frames, that a fork will take; a table is one of one frame."""
    table, passes, geometry = parent.page_table, kernel.passes, kernel.geometry
    kept = (passes.count(table, run).large for vma in written if vma.folios for run in vma.runs()[:1])
    demand = Counter({1: 1 + sum(kept)})  # the root, and tables for the split of huge pages
    seen = [0] * geometry.top  # pages below these are in tables that were counted
    for vma in written:
        for level in range(vma.level, geometry.top):
            span, first = geometry.table_pages(level), max(vma.first, seen[level])
            if first <= vma.last:
                found = passes.count(table, Run(level + 1, first, vma.last))
                demand[1] += found.used - found.large  # the others point to tables
                seen[level] = (vma.last // span + 1) * span
        if vma.private and kernel.policy.at_fork() is AtFork.COPY:
            for run in vma.runs():
                demand[geometry.leaf_pages(run.level)] += passes.count(table, run).owned
            demand[geometry.leaf_pages(vma.level)] -= cached.entries(table, vma)
    return demand


def _huge_copies(kernel: KernelState, parent: AddressSpace, written: list[Vma]) -> int:
    """Return the hugetlb pages that a fork will take."""
    if kernel.policy.at_fork() is not AtFork.COPY:
        return 0
    runs = [run for vma in written if vma.level > 1 and vma.private for run in vma.runs()]
    return sum(kernel.passes.count(parent.page_table, run).owned for run in runs)


def unmap(kernel: KernelState, space: AddressSpace, first: int, end: int) -> Work:
    """Take the pages first..end, exclusive, out of `space`, whatever is mapped there.

    [present] sharers n  ->  none, sharers n - 1; with none left and no shared object, the frame is free
    """
    space.family.changes += 1
    kernel.recent.hand_on()
    work = Work()
    for vma in space.overlapping(first, end):
        work += drop_entries(kernel, space, vma, max(first, vma.first), min(end, vma.end))
        work += _cut(kernel, space, vma, first, end)
    table_frees = kernel.passes.prune(space.page_table, first, end - 1, *space.gap(first, end))
    return work + Work(table_frees=table_frees)


def drop_entries(kernel: KernelState, space: AddressSpace, vma: Vma, first: int, end: int) -> Work:
    """Empty the entries of `vma` in first..end, exclusive, and let go of their frames."""
    flipped = list[Work]()
    if vma.object and not vma.private:
        dirty.note_dropped(kernel, space.page_table, vma, first, end)

    def hear(vpns: Numbers, pfns: Numbers) -> None:
        if seeking:
            flipped.append(flip_last_sharers(kernel, vpns - vma.moved, pfns, vma.level))
        if vma.level > 1:
            kernel.hugetlb.drop(kernel.frames, pfns, vma.reserved)

    seeking = vma.private and kernel.policy.seeks_last_sharer()
    tell = hear if seeking or vma.level > 1 else None
    work = split_at(kernel, space, vma, first) + split_at(kernel, space, vma, end)
    used, kept = kernel.frames.used, space.page_table.deposits
    for run in vma.runs(first, end):
        work += kernel.passes.drop(space.page_table, run, tell).work(run.level)
    withdrawals = kept - space.page_table.deposits
    freed = used - kernel.frames.used if vma.level == 1 else 0  # others go back to a pool
    return sum(flipped, work + Work(freed_bytes=freed * kernel.geometry.page_bytes, withdrawals=withdrawals))


def _cut(kernel: KernelState, space: AddressSpace, vma: Vma, first: int, end: int) -> Work:
    """Replace `vma` by what is left of it outside first..end."""
    leaf = kernel.geometry.leaf_pages(vma.level)
    ends = [(vma.first, first), (end, vma.end)]
    parts = [vma.part(start, stop, leaf) for start, stop in ends if start < stop]
    space.vmas.remove(vma)
    for part in parts:
        space.insert(part)
    frees, gone = 0, vma.pages - sum(part.pages for part in parts)
    kernel.commitment.give_back(gone * vma.accounted)
    if vma.object:
        vma.object.mappings += len(parts)
        frees = vma.object.let_go(kernel.frames, leaf)
        kernel.commitment.give_back(vma.object.promised * (not vma.object.mappings))
    if vma.level > 1:
        kernel.hugetlb.close(vma, gone // leaf, frees)
    return Work(frees=frees, evictions=frees)


def exit_space(kernel: KernelState, space: AddressSpace) -> Work:
    """Let go of everything that `space` maps, and of its tables."""
    work = pins.unpin(kernel, space, 0, kernel.geometry.user_pages)
    work += unmap(kernel, space, 0, kernel.geometry.user_pages)
    kernel.tlbs.end(space.page_table.root)
    space.page_table.free_root()
    return work
