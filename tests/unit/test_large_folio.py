"""Large folios: huge leafs of four frames on toy machines, folios of four and sixteen pages on x86-64."""

import numpy as np
import pytest

from cowmodel import PAGINGS
from cowmodel.errors import ConfigError, OutOfMemory, SimulationError
from cowmodel.hardware.paging import frame_of
from cowmodel.kernel.backing import BASE, THP, Backing, parse_backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.passes import pages_of
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from tests.toy import PAGE, Scene, boot, scene

X86 = PAGINGS["x86-64"]
MTHP = Backing("mthp", folio_bytes=(16 << 10,))


def huge(pages: int = 8, policy: str = "cow-flip", frames: int = 40, populated: bool = True) -> Scene:
    """Return a process with a heap of huge leafs of four pages."""
    return scene(pages, policy, frames, THP, populated=populated)


def folios(pages: int = 4, policy: str = "cow-flip") -> Scene:
    """Return a process whose heap has folios of four pages, mapped page by page."""
    kernel = Kernel(X86, 256 * PAGE, boot(policy=policy).policy)
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, pages * PAGE, MTHP)
    kernel.populate(parent, heap)
    return Scene(kernel, parent, heap)


def leafs(kernel: Kernel, process: Process, vma: Vma) -> list[int]:
    """Return the level of the leaf at each page; 0 where nothing is mapped."""
    table = process.memory.page_table
    pages = range(vma.first, vma.end)
    return [table.leaf(vpn)[0] if table.maps(vpn) else 0 for vpn in pages]


def kinds(process: Process) -> dict[str, int]:
    return dict(process.faults)


# ------------------------------------------------------------------------------------------ filling
def test_a_first_write_fills_a_huge_page_in_one_fault_and_keeps_a_table_for_its_split():
    kernel, parent, heap = huge(populated=False)

    work = kernel.write(parent, heap.first + 1)

    assert (work.traps, work.allocations, work.zeroed_bytes) == (1, 1, 4 * PAGE)
    assert (work.pte_tables, work.deposits) == (0, 1)
    assert leafs(kernel, parent, heap) == [2, 2, 2, 2, 0, 0, 0, 0]
    assert (parent.memory.page_table.tables, parent.memory.page_table.deposits) == ([0, 1, 1, 1], 1)
    assert kinds(parent) == {"thp_fill": 1}


def test_a_block_that_is_not_all_inside_its_mapping_is_filled_page_by_page():
    kernel, parent, heap = huge(pages=6, populated=False)

    kernel.write(parent, heap.first)
    kernel.write(parent, heap.last)

    assert leafs(kernel, parent, heap) == [2, 2, 2, 2, 0, 1]
    assert kinds(parent) == {"thp_fill": 1, "zero_fill": 1}


def test_a_first_read_maps_the_huge_zero_page_which_a_write_replaces_whole():
    kernel, parent, heap = huge(populated=False)

    kernel.read(parent, heap.first)
    used = kernel.frames.used
    work = kernel.write(parent, heap.first + 3)

    assert used == 0
    assert (work.allocations, work.zeroed_bytes, work.flushes) == (1, 4 * PAGE, 1)
    assert kinds(parent) == {"thp_zero_map": 1, "thp_zero_replace": 1}
    assert kernel.frames.used == 4


def test_without_room_for_a_huge_page_a_single_one_is_filled():
    kernel, parent, heap = huge(pages=8, frames=9, populated=False)
    kernel.write(parent, heap.first)

    kernel.write(parent, heap.first + 4)

    assert kinds(parent) == {"thp_fill": 1, "zero_fill": 1}


def test_a_write_fills_the_largest_folio_that_fits_where_nothing_is():
    kernel = Kernel(X86, 256 * PAGE, boot().policy)
    process, _ = kernel.spawn()
    heap, _ = kernel.mmap(process, 22 * PAGE, Backing("mthp", folio_bytes=(16 << 10, 64 << 10)))

    filled = [kernel.write(process, heap.first + page).zeroed_bytes // PAGE for page in (5, 17, 20)]
    kernel.madvise(process, heap.first + 1, 6, "dontneed")
    again = [kernel.write(process, heap.first + page).zeroed_bytes // PAGE for page in (1, 4)]

    assert (filled, again) == ([16, 4, 1], [1, 1])


# ------------------------------------------------------------------------------------- fork and copy
def test_fork_shares_a_huge_page_by_one_entry_and_gives_the_child_a_table_for_its_split():
    kernel, parent, _heap = huge()

    child, work = kernel.fork(parent)

    assert (work.pmd_entries, work.pte_entries, work.pte_tables, work.deposits) == (2, 0, 0, 2)
    assert child.memory.page_table.tables == parent.memory.page_table.tables
    assert kernel.frames.used == 8


def test_a_write_to_a_shared_huge_page_splits_the_writers_leaf_and_copies_one_page():
    kernel, parent, heap = huge()
    child, _ = kernel.fork(parent)
    tables = list(child.memory.page_table.tables)

    work = kernel.write(child, heap.first + 1)

    assert (work.traps, work.allocations, work.copied_bytes, work.flushes) == (1, 1, PAGE, 1)
    assert leafs(kernel, child, heap) == [1, 1, 1, 1, 2, 2, 2, 2]
    assert leafs(kernel, parent, heap) == [2] * 8
    assert child.memory.page_table.tables == tables


def test_the_last_mapper_of_a_huge_page_writes_all_of_it_in_place_after_one_fault():
    kernel, parent, heap = huge(pages=4)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)
    kernel.exit(child)

    works = [kernel.write(parent, vpn) for vpn in range(heap.first, heap.end)]

    assert [work.traps for work in works] == [1, 0, 0, 0]
    assert kinds(parent)["thp_reuse"] == 1


def test_whether_a_page_is_copied_is_decided_by_its_folio_and_not_by_its_own_sharers():
    kernel, parent, heap = huge(pages=4)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)  # nobody but the parent maps the old page now

    kernel.write(parent, heap.first)

    assert kinds(parent) == {"thp_fill": 1, "thp_split_copy": 1}


def test_one_page_that_is_left_of_a_folio_is_copied_and_the_folio_freed():
    kernel, parent, heap = huge(pages=4)
    child, _ = kernel.fork(parent)
    for vpn in range(heap.first, heap.last):
        kernel.write(parent, vpn)
    kernel.exit(child)

    work = kernel.write(parent, heap.last)

    assert (work.copied_bytes, work.frees) == (PAGE, 1)
    assert kernel.frames.used == 4


def test_two_pages_that_are_left_of_a_folio_are_written_in_place():
    kernel, parent, heap = huge(pages=4)
    child, _ = kernel.fork(parent)
    for vpn in (heap.first, heap.first + 1):
        kernel.write(parent, vpn)
    kernel.exit(child)

    assert [kernel.write(parent, vpn).flips for vpn in (heap.last - 1, heap.last)] == [1, 1]


def test_a_third_address_space_is_not_kept_track_of_and_copies_as_the_last_one_too():
    kernel, parent, heap = folios()
    child, _ = kernel.fork(parent)
    third, _ = kernel.fork(parent)
    for process in (parent, child):
        kernel.exit(process)

    work = kernel.write(third, heap.first)

    assert (work.copied_bytes, work.flips) == (PAGE, 0)


def test_the_second_address_space_is_kept_track_of_and_flips_as_the_last_one():
    kernel, parent, heap = folios()
    child, _ = kernel.fork(parent)
    kernel.exit(parent)

    assert [kernel.write(child, vpn).flips for vpn in range(heap.first, heap.end)] == [1] * 4


def test_a_folio_is_shared_until_a_process_has_let_go_of_all_its_pages():
    kernel, parent, heap = folios()
    child, _ = kernel.fork(parent)
    kernel.madvise(child, heap.first, 2, "dontneed")
    early = kernel.write(parent, heap.first)
    kernel.madvise(child, heap.first + 2, 2, "dontneed")

    late = kernel.write(parent, heap.first + 1)

    assert (early.copied_bytes, late.flips) == (PAGE, 1)


def test_naive_copy_on_write_copies_the_last_mappers_page_too():
    kernel, parent, heap = huge(pages=4, policy="cow")
    child, _ = kernel.fork(parent)
    kernel.exit(child)

    assert kernel.write(parent, heap.first).copied_bytes == PAGE


def test_eager_copying_gives_the_child_a_huge_page_of_its_own():
    kernel, parent, heap = huge(pages=4, policy="eager")

    child, work = kernel.fork(parent)

    assert (work.copied_bytes, kernel.frames.used) == (4 * PAGE, 8)
    assert leafs(kernel, child, heap) == [2] * 4
    assert kernel.write(child, heap.first).traps == 0


# ------------------------------------------------------------------------------------ parts and ends
def test_taking_out_a_part_splits_the_leaf_and_the_folio_stays_until_all_is_gone():
    kernel, parent, heap = huge(pages=4)

    kernel.munmap(parent, heap, 2, 2)
    partly = kernel.frames.used, leafs(kernel, parent, heap)
    kernel.munmap(parent, parent.memory.vmas[0])

    assert partly == (4, [1, 1, 0, 0])
    assert kernel.frames.used == 0


def test_what_was_dropped_whole_is_filled_whole_again():
    kernel, parent, heap = huge(pages=4)

    kernel.madvise(parent, heap.first, 4, "dontneed")
    gone = list(parent.memory.page_table.tables)
    kernel.write(parent, heap.first)

    assert (gone, leafs(kernel, parent, heap)) == ([0, 0, 1, 1], [2] * 4)


def test_rights_of_a_whole_block_leave_its_leaf_and_those_of_a_part_split_it():
    kernel, parent, heap = huge()
    kernel.mprotect(parent, heap.first, 4, "r")
    whole = leafs(kernel, parent, heap)
    kernel.mprotect(parent, heap.first + 4, 2, "r")
    kernel.mprotect(parent, heap.first, 8, "rw")

    traps = [kernel.write(parent, vpn).traps for vpn in range(heap.first, heap.end)]

    assert (whole, leafs(kernel, parent, heap)) == ([2] * 8, [2] * 4 + [1] * 4)
    assert traps == [0] * 8


def test_a_split_of_the_huge_zero_page_maps_the_small_one():
    kernel, parent, heap = huge(pages=4, populated=False)
    kernel.read(parent, heap.first)

    kernel.mprotect(parent, heap.first, 1, "r")

    assert (leafs(kernel, parent, heap), kernel.frames.used) == ([1] * 4, 0)


@pytest.mark.parametrize("start", [huge, folios])
def test_nothing_is_left_of_folios_when_all_have_exited(start):
    kernel, parent, heap = start()
    child, _ = kernel.fork(parent)
    third, _ = kernel.fork(child)
    kernel.write(child, heap.first)
    kernel.madvise(third, heap.first, 1, "dontneed")
    for process in (parent, third, child):
        kernel.exit(process)

    assert (kernel.frames.used, kernel.frames.table_pages, kernel.frames.total_sharers) == (0, 0, 0)
    assert not kernel.folios.records.any()


def test_a_heap_of_huge_pages_is_held_as_leafs_and_a_split_one_only_where_it_is_split():
    kernel = Kernel(X86, 4 << 30, boot().policy)
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, 1 << 30, THP)
    kernel.populate(parent, heap)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first + 512)

    levels = np.array([child.memory.page_table.leaf(vpn)[0] for vpn in range(heap.first, heap.end, 512)])

    assert kinds(parent) == {"thp_fill": 512}
    assert np.flatnonzero(levels == 1).tolist() == [1]
    assert np.count_nonzero(kernel.folios.records.reshape(-1, 8).any(axis=1)) == 512


# ------------------------------------------------------------------------------------------ refusals
def test_a_policy_that_seeks_last_sharers_is_refused():
    kernel = boot(policy="cow-eager-flip")
    process, _ = kernel.spawn()

    with pytest.raises(ConfigError, match="expected 'base' or 'hugetlb SIZE', got 'thp' with a policy"):
        kernel.mmap(process, 4 * PAGE, THP)


@pytest.mark.parametrize("text", ["mthp 8 KiB", "mthp 48 KiB", "mthp 4 MiB"])
def test_a_size_that_no_folio_has_is_refused_with_those_that_there_are(text: str):
    with pytest.raises(ConfigError, match=r"has no folio of .* it has 16 KiB, 32 KiB, .*, 2 MiB"):
        parse_backing(text).orders(X86)


def test_a_split_without_room_for_the_copy_changes_nothing():
    kernel, parent, heap = huge(pages=4, frames=4 + 2 * 4)
    child, _ = kernel.fork(parent)
    other, _ = kernel.mmap(parent, 4 * PAGE, BASE)
    while kernel.frames.free:
        kernel.write(parent, other.first + kernel.frames.used % 4)

    with pytest.raises(OutOfMemory):
        kernel.write(child, heap.first)

    assert leafs(kernel, child, heap) == [2] * 4


def test_a_fork_that_copies_takes_the_largest_leafs_first_wherever_they_lie():
    kernel = Kernel(X86, (2268 + 1) * PAGE, boot(policy="eager").policy)
    parent, _ = kernel.spawn()
    heaps = [
        kernel.mmap(parent, pages * PAGE, kind)[0] for pages, kind in ((600, BASE), (16, MTHP), (512, THP))
    ]
    for heap in reversed(heaps):
        kernel.populate(parent, heap)

    child, _ = kernel.fork(parent)

    used = {p.pid: frames(kernel, p, heaps) for p in (parent, child)}
    assert len(used[1] | used[2]) == len(used[1]) + len(used[2]) == 2 * (600 + 16 + 512) == kernel.frames.used


def frames(kernel: Kernel, process: Process, heaps: list[Vma]) -> set[int]:
    """Return all frames that a process maps."""
    table, found = process.memory.page_table, set[int]()
    for heap in heaps:
        for run in heap.runs():
            for block in table.blocks(run):
                words = pages_of(block.entries[block.owned], X86.leaf_pages(run.level))
                found |= {*frame_of(words).tolist()}
    return found


def test_pages_that_are_not_in_the_mapping_are_not_populated():
    kernel, parent, heap = huge()
    other, _ = kernel.mmap(parent, 4 * PAGE, BASE)

    with pytest.raises(SimulationError, match="process 1 populates pages that are not all in that mapping"):
        kernel.populate(parent, heap, np.array([other.first]))


def test_a_file_in_large_folios_is_refused_and_left_as_it_was():
    kernel = boot(64, geometry=X86)
    process, _ = kernel.spawn()
    file = kernel.open(4 * PAGE)

    with pytest.raises(SimulationError, match="mmap: expected base pages of the file, got mthp"):
        kernel.mmap(process, 4 * PAGE, MTHP, file=file)

    assert file.mappings == 1
