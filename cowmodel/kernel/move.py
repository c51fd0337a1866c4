"""Moves: mremap takes mappings, with all that they map, to another place.

    page p          [present, write] sharers n  ->  none
    page p + shift  none                        ->  [present, write] sharers n

Nothing is copied, and no page is touched: who could write a page without a fault still can, and whoever
shared its frame still does, at the old place. Only merged pages are parted first. Tables of the old place go,
others come; a large leaf stays one. Entries that move have no price: Linux moves a table of level 1 as a
whole where it can.

References
----------
Linux, move_page_tables, remap_move and copy_vma_and_data, mm/mremap.c; copy_vma, mm/vma.c.
"""

from collections.abc import Iterator

import numpy as np

from cowmodel.errors import SimulationError
from cowmodel.hardware.page_table import PageTable, Run
from cowmodel.hardware.paging import USER, Numbers, Words
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.merge import merged_pages, part
from cowmodel.kernel.place import check_free
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work, tables_work


def move(kernel: KernelState, space: AddressSpace, first: int, end: int, to: int) -> Work:
    """Move the mappings in first..end, exclusive, to page `to` and those behind it.

    Raises
    ------
    SimulationError
        If nothing is mapped at `first`, a mapping reaches over an end or cannot move there.
    OutOfMemory
        If there is no room for the tables of the new place beside those of the old, or to part merged pages.
    """
    table, shift, vmas = space.page_table, to - first, space.overlapping(first, end)
    _check(kernel, space, vmas, first, end, to)
    runs = [run for vma in vmas for run in vma.runs()]
    wanted = [
        (level, _pages_below(kernel, table, runs, level) + shift)
        for level in range(kernel.geometry.top - 1, 0, -1)
    ]
    lacking = (table.missing(level, pages) - table.missing(level + 1, pages) for level, pages in wanted)
    merged = merged_pages(space, first, end)
    kernel.frames.require({1: sum(lacking) + len(merged)})
    parted = part(kernel, space, merged)
    work = sum((tables_work(table.grow(level, pages)) for level, pages in wanted), Work(mappings=1))
    known = [pages for run in runs for pages in _carry(kernel, table, run, shift)]
    space.move(first, end, shift)
    space.family.changes += 1
    kernel.passes.prune(table, first, end - 1, *space.gap(first, end))
    return parted + work + kernel.forget(space, np.concatenate([np.zeros(0, np.int64), *known]))


def _check(kernel: KernelState, space: AddressSpace, vmas: list[Vma], first: int, end: int, to: int) -> None:
    """Refuse what cannot be moved as it is."""
    where = f"mremap of pages {first:#x} to {end - 1:#x}"
    if not vmas or vmas[0].first != first or vmas[-1].end > end:
        raise SimulationError(f"{where}: expected whole mappings, the first at the first of the pages")
    if any(vma.level > 1 for vma in vmas):  # a page that is taken from others is sought where it was
        raise SimulationError(f"{where}: expected base pages or large folios, got hugetlb pages, which stay")
    leaf = max(kernel.geometry.leaf_pages(vma.huge_level or 1) for vma in vmas)
    if (to - first) % leaf:
        raise SimulationError(f"{where}: expected a move by a multiple of {leaf} pages, got one to {to:#x}")
    check_free(kernel.geometry, space, "mremap to", to, to + end - first)


def _pages_below(kernel: KernelState, table: PageTable, runs: list[Run], level: int) -> Numbers:
    """Return pages of the runs, which rise, below all tables of `level` that will be wanted elsewhere.

    That is one for each that there is, but of level 2 only if it leads to something.
    """
    found = [np.zeros(0, np.int64)]
    if level == 2:
        found += [pages for run in runs if run.level == 2 for pages, _ in _leafs(kernel, table, run)]
        return np.unique(np.concatenate([*found, _pages_below(kernel, table, runs, 1)]))
    for run in runs:
        _, firsts = table.tables_over(level, run.first, run.last)
        ends = firsts + kernel.geometry.table_pages(level)
        found += [np.maximum(firsts, run.first), np.minimum(ends, run.last + 1) - 1]
    return np.unique(np.concatenate(found))


def _carry(kernel: KernelState, table: PageTable, run: Run, shift: int) -> Iterator[Numbers]:
    """Move the entries of a run, and yield the pages of which TLBs may know them: those for user mode."""
    for pages, words in _leafs(kernel, table, run):
        kernel.arena.flat[table.slots(pages, run.level)] = 0
        kernel.arena.flat[table.slots(pages + shift, run.level)] = words
        yield pages[words & np.uint64(USER) != 0]


def _leafs(kernel: KernelState, table: PageTable, run: Run) -> Iterator[tuple[Numbers, Words]]:
    """Yield the pages of the leafs of a run and their entries, some at a time."""
    for block in table.blocks(run):
        at, index = np.nonzero(block.entries)
        yield block.firsts[at] + index * kernel.geometry.leaf_pages(run.level), block.entries[at, index]
