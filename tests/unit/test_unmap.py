"""munmap and exit before and after: what is left of mappings, entries, tables and frames."""

import numpy as np
import pytest

from cowmodel.errors import SimulationError
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work
from tests.toy import HUGE, PAGE, frames, picture, scene, state

MINE, OURS, LEFT = "[present, write] sharers 1", "[present] sharers 2", "[present] sharers 1"


def runs(process: Process) -> list[tuple[int, int]]:
    return [(vma.first, vma.pages) for vma in process.memory.vmas]


def parts(process: Process) -> list[Vma]:
    return process.memory.vmas


# ---------------------------------------------------------------------- munmap
def test_unmapping_all_of_a_mapping_frees_its_frames_and_its_tables():
    kernel, parent, heap = scene(pages=6)

    work = kernel.munmap(parent, heap)

    gone = Work(drops=6, drop_jumps=1, table_frees=3, frees=6, freed_bytes=6 * PAGE)
    assert work == Work(mappings=1, invalidations=6) + gone
    assert (parent.memory.vmas, parent.memory.page_table.tables) == ([], [0, 0, 0, 1])
    assert (kernel.frames.used, kernel.frames.table_pages) == (0, 1)
    assert not kernel.frames.sharers.any()


@pytest.mark.parametrize(
    ("first", "pages", "left"),
    [
        (0, 2, [(2, 6)]),
        (3, 2, [(0, 3), (5, 3)]),
        (6, 2, [(0, 6)]),
        (0, 8, []),
    ],
)
def test_unmapping_a_part_splits_the_mapping_and_keeps_the_rest(
    first: int, pages: int, left: list[tuple[int, int]]
):
    kernel, parent, heap = scene(pages=8)

    work = kernel.munmap(parent, heap, first, pages)

    assert runs(parent) == left
    assert [picture(kernel, parent, part) for part in parts(parent)] == [[MINE] * n for _, n in left]
    kept = [page + 1 for start, n in left for page in range(start, start + n)]
    assert [pfn for part in parts(parent) for pfn in frames(kernel, parent, part)] == kept
    assert (work.drops, work.frees) == (pages, pages)


def test_without_a_number_of_pages_all_from_the_first_on_are_unmapped():
    kernel, parent, heap = scene(pages=8)

    kernel.munmap(parent, heap, 5)

    assert runs(parent) == [(0, 5)]


def test_a_part_can_be_split_again():
    kernel, parent, heap = scene(pages=8)
    kernel.munmap(parent, heap, 3, 1)

    kernel.munmap(parent, parts(parent)[1], 1, 2)

    assert runs(parent) == [(0, 3), (4, 1), (7, 1)]
    assert np.flatnonzero(kernel.frames.sharers).tolist() == [1, 2, 3, 5, 8]


def test_the_parts_of_a_written_mapping_are_copied_at_fork():
    kernel, parent, heap = scene(pages=8)
    kernel.munmap(parent, heap, 3, 2)

    child, work = kernel.fork(parent)

    assert work.pte_entries == 6
    assert [picture(kernel, child, part) for part in parts(child)] == [[OURS] * 3] * 2


def test_an_entry_of_the_zero_frame_is_dropped_and_frees_nothing():
    kernel, parent, heap = scene(pages=2, populated=False)
    kernel.read(parent, heap.first)

    work = kernel.munmap(parent, heap)

    assert (work.drops, work.frees) == (1, 0)
    assert kernel.frames.sharers[0] == 0


def test_a_page_that_is_unmapped_and_mapped_again_is_zeroed_anew():
    kernel, parent, heap = scene(pages=4)
    kernel.munmap(parent, heap, 1, 2)

    again, _ = kernel.mmap(parent, 2 * PAGE, at_page=1)
    work = kernel.write(parent, 1)

    assert (work.allocations, work.zeroed_bytes) == (1, PAGE)
    assert picture(kernel, parent, again) == [MINE, "none"]


# ---------------------------------------------------------------------- tables
def test_a_table_stays_while_another_mapping_uses_it():
    kernel, parent, low = scene(pages=2)
    high, _ = kernel.mmap(parent, 2 * PAGE, at_page=2)
    kernel.populate(parent, high)

    kernel.munmap(parent, low)

    assert parent.memory.page_table.tables == [0, 1, 1, 1]
    assert picture(kernel, parent, high) == [MINE, MINE]


def test_a_table_goes_with_the_last_mapping_that_uses_it():
    kernel, parent, low = scene(pages=2)
    high, _ = kernel.mmap(parent, 2 * PAGE, at_page=2)
    kernel.populate(parent, high)
    kernel.munmap(parent, low)

    kernel.munmap(parent, high)

    assert parent.memory.page_table.tables == [0, 0, 0, 1]


def test_a_table_stays_while_its_mapping_reaches_into_it_even_if_empty():
    kernel, parent, heap = scene(pages=8)

    kernel.munmap(parent, heap, 1, 6)

    assert parent.memory.page_table.tables == [0, 2, 1, 1]


def test_the_tables_in_the_middle_of_a_hole_go():
    kernel, parent, heap = scene(pages=12)

    kernel.munmap(parent, heap, 3, 6)

    assert runs(parent) == [(0, 3), (9, 3)]
    assert parent.memory.page_table.tables == [0, 2, 1, 1]


# --------------------------------------------------------------------- sharers
@pytest.mark.parametrize("policy", ["cow", "cow-flip"])
def test_unmapping_a_page_that_another_process_shares_frees_no_frame(policy: str):
    kernel, parent, heap = scene(pages=3, policy=policy)
    child, _ = kernel.fork(parent)

    work = kernel.munmap(child, parts(child)[0], 1, 2)

    assert work == Work(mappings=1, invalidations=2, drops=2, drop_jumps=1)
    assert picture(kernel, parent, heap) == [OURS, LEFT, LEFT]
    assert kernel.frames.used == 3


def test_the_last_sharer_of_what_is_unmapped_is_flipped_at_once_where_the_kernel_seeks_it():
    kernel, parent, heap = scene(pages=3, policy="cow-eager-flip")
    child, _ = kernel.fork(parent)

    work = kernel.munmap(child, parts(child)[0], 1, 2)

    assert work == Work(mappings=1, invalidations=2, drops=2, drop_jumps=1, searches=2, flips=2)
    assert picture(kernel, parent, heap) == [OURS, MINE, MINE]


def test_the_frames_of_a_shared_object_outlive_an_unmapped_part():
    kernel, parent, heap = scene(pages=4, shared=True)

    work = kernel.munmap(parent, heap, 1, 2)

    assert (work.drops, work.frees) == (2, 0)
    assert kernel.frames.used == 4
    assert kernel.frames.sharers.tolist()[1:5] == [1, 0, 0, 1]


def test_the_frames_of_a_shared_object_go_with_its_last_mapping():
    kernel, parent, heap = scene(pages=4, shared=True)
    child, _ = kernel.fork(parent)

    works = [kernel.munmap(process, process.memory.vmas[0]) for process in (parent, child)]

    assert [work.frees for work in works] == [0, 4]
    assert heap.object is not None
    assert (heap.object.mappings, kernel.frames.used) == (0, 0)
    assert not kernel.frames.cached.any()


def test_a_part_of_a_shared_mapping_finds_the_frames_at_its_own_offset():
    kernel, parent, heap = scene(pages=6, shared=True)
    child, _ = kernel.fork(parent)
    kernel.munmap(child, parts(child)[0], 1, 2)

    for page in (0, 3, 4, 5):
        kernel.write(child, page)

    assert [vma.offset for vma in parts(child)] == [0, 3]
    assert [frames(kernel, child, part) for part in parts(child)] == [[1], [4, 5, 6]]
    assert heap.object is not None
    assert heap.object.mappings == 3


# ------------------------------------------------------------------ huge pages
def test_huge_pages_are_unmapped_one_by_one():
    kernel, parent, heap = scene(pages=12, backing=HUGE)

    work = kernel.munmap(parent, heap, 4, 4)

    assert (work.drops, work.large_drops, work.frees, work.freed_bytes) == (0, 1, 1, 0)
    assert runs(parent) == [(0, 4), (8, 4)]
    assert [picture(kernel, parent, part) for part in parts(parent)] == [[MINE]] * 2
    assert kernel.frames.used == 8


@pytest.mark.parametrize(("first", "pages"), [(1, 4), (0, 3), (4, 1)])
def test_part_of_a_huge_page_cannot_be_unmapped(first: int, pages: int):
    kernel, parent, heap = scene(pages=8, backing=HUGE)
    before = state(kernel)

    with pytest.raises(SimulationError) as caught:
        kernel.munmap(parent, heap, first, pages)

    assert str(caught.value) == "process 1 unmaps part of a huge page of 4 base pages"
    assert state(kernel) == before


@pytest.mark.parametrize(("first", "pages"), [(-1, 2), (0, 9), (8, 1), (0, 0), (3, -1)])
def test_pages_outside_the_mapping_cannot_be_unmapped(first: int, pages: int):
    kernel, parent, heap = scene(pages=8)
    before = state(kernel)

    with pytest.raises(SimulationError) as caught:
        kernel.munmap(parent, heap, first, pages)

    assert str(caught.value) == "process 1 unmaps pages that are not all in that mapping"
    assert state(kernel) == before


def test_a_mapping_that_is_gone_cannot_be_unmapped():
    kernel, parent, heap = scene(pages=8)
    kernel.munmap(parent, heap, 2, 2)

    with pytest.raises(SimulationError) as caught:
        kernel.munmap(parent, heap)

    assert str(caught.value) == (
        "process 1 has no mapping of pages 0x0 to 0x7; it may have been unmapped or cut"
    )


# ------------------------------------------------------------------------ exit
def test_exit_gives_back_all_frames_and_all_tables():
    kernel, parent, _ = scene(pages=6)

    work = kernel.exit(parent)

    assert work == Work(exits=1, drops=6, drop_jumps=1, table_frees=3, frees=6, freed_bytes=6 * PAGE)
    assert (kernel.frames.free, kernel.frames.table_pages) == (24, 0)
    assert not kernel.arena.flat.any()


def test_exit_frees_only_what_nobody_else_maps():
    kernel, parent, heap = scene(pages=3)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)

    work = kernel.exit(child)

    assert work == Work(exits=1, drops=3, drop_jumps=2, table_frees=2, frees=1, freed_bytes=PAGE)
    assert picture(kernel, parent, heap) == [LEFT] * 3


def test_at_exit_the_kernel_flips_what_it_finds_to_have_one_sharer_left():
    kernel, parent, heap = scene(pages=3, policy="cow-eager-flip")
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)

    work = kernel.exit(child)

    gone = Work(drops=3, drop_jumps=2, table_frees=2, frees=1, freed_bytes=PAGE)
    assert work == Work(exits=1, searches=2, flips=2) + gone
    assert picture(kernel, parent, heap) == [MINE] * 3


def test_the_parent_may_exit_before_the_child():
    kernel, parent, heap = scene(pages=3)
    child, _ = kernel.fork(parent)

    kernel.exit(parent)

    assert picture(kernel, child, heap) == [LEFT] * 3
    assert kernel.write(child, heap.first).flips == 1


def test_exit_of_all_processes_leaves_nothing():
    kernel, parent, heap = scene(pages=6)
    kernel.mmap(parent, 4 * PAGE, HUGE, at_page=16)
    kernel.write(parent, 17)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)

    for process in (parent, child):
        kernel.exit(process)

    assert (kernel.frames.used, kernel.frames.table_pages, kernel.frames.total_sharers) == (0, 0, 0)
    assert kernel.processes == {}


@pytest.mark.parametrize(("pages", "work"), [(33, {"invalidations": 33}), (34, {"flushes": 1})])
def test_unmapping_more_than_33_pages_flushes_all_translations_at_once(pages: int, work: dict[str, int]):
    kernel, parent, heap = scene(pages=pages, frames=80)

    done = kernel.munmap(parent, heap)

    assert {
        name: done._asdict()[name] for name in ("invalidations", "flushes") if done._asdict()[name]
    } == work
