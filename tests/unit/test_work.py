"""What is counted of each verb, field by field, by passes with whole arrays and by compiled ones."""

import numpy as np
import pytest

from cowmodel.catalog import PAGINGS, POLICIES
from cowmodel.engine.compiled_passes import CompiledPasses
from cowmodel.kernel.backing import BASE, THP, Backing
from cowmodel.kernel.fault import Pending, is_far
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.passes import Passes
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import Work
from tests.toy import HUGE, PAGE, TOY, Scene, boot, scene

MTHP = Backing("mthp", folio_bytes=(16 << 10,))

passes = pytest.mark.parametrize("passes", [Passes, CompiledPasses])


def on(passes: type[Passes], stage: Scene) -> Scene:
    """Let the kernel of a scene use those passes from now on."""
    kernel = stage.kernel
    kernel.passes = passes(kernel.arena, kernel.frames, kernel.folios)
    return stage


def folios(pages: int = 8, policy: str = "cow-flip", backwards: bool = False) -> Scene:
    """Return a process whose heap has folios of four pages, mapped page by page.

    The first lies behind the next in memory; if the heap is filled backwards, before it.
    """
    kernel = boot(1000, policy, PAGINGS["x86-64"])
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, pages * PAGE, MTHP)
    for first in sorted(range(0, pages, 4), reverse=backwards):
        kernel.write(parent, heap.first + first)
    return Scene(kernel, parent, heap)


def written(stage: Scene, *pages: int) -> Scene:
    """Write pages in that order, so that each gets the frame after that of the one before."""
    for page in pages:
        stage.kernel.write(stage.parent, stage.heap.first + page)
    return stage


def forked(stage: Scene) -> Work:
    return stage.kernel.fork(stage.parent)[1]


# --------------------------------------------------------------------- fork: protections
@passes
def test_a_fork_protects_only_what_is_writable(passes: type[Passes]):
    stage = on(passes, scene(pages=6))
    first, second = forked(stage), forked(stage)
    written(stage, 2, 5)

    third = forked(stage)

    assert [work.pte_entries for work in (first, second, third)] == [6, 6, 6]
    assert [work.protections for work in (first, second, third)] == [6, 0, 2]


@passes
def test_zero_pages_are_entries_that_need_no_protection_and_are_no_jumps(passes: type[Passes]):
    stage = written(on(passes, scene(pages=3, populated=False)), 0, 2)
    stage.kernel.read(stage.parent, stage.heap.first + 1)

    work = forked(stage)

    assert (work.pte_entries, work.protections, work.entry_jumps) == (3, 2, 1)


@passes
@pytest.mark.parametrize("backing", [HUGE, THP], ids=str)
def test_a_large_leaf_is_protected_once(backing: Backing, passes: type[Passes]):
    work = forked(on(passes, scene(pages=8, backing=backing)))

    assert (work.pmd_entries, work.large_protections, work.protections, work.entry_jumps) == (2, 2, 0, 0)


@passes
def test_an_eager_fork_shares_nothing_and_so_neither_protects_nor_looks_at_frames(passes: type[Passes]):
    work = forked(on(passes, scene(pages=6, policy="eager")))

    assert (work.pte_entries, work.protections, work.entry_jumps) == (6, 0, 0)


# --------------------------------------------------------------------- fork: jumps
@passes
@pytest.mark.parametrize(
    ("order", "jumps"),
    [
        ((0, 1, 2, 3, 4, 5), 1),  # over a border between tables, too
        ((5, 4, 3, 2, 1, 0), 6),
        ((0, 2, 1, 3), 4),
        ((0, 1, 4, 5, 2, 3), 3),
        ((0, 5), 1),  # nothing lies between
        ((3,), 1),
    ],
)
def test_an_entry_jumps_unless_its_frame_follows_that_of_the_entry_before(
    order: tuple[int, ...], jumps: int, passes: type[Passes]
):
    stage = written(on(passes, scene(pages=6, populated=False)), *order)

    assert forked(stage).entry_jumps == jumps
    assert stage.kernel.munmap(stage.parent, stage.heap).drop_jumps == jumps


@passes
def test_each_mapping_begins_with_a_jump(passes: type[Passes]):
    stage = on(passes, scene(pages=3))
    other, _ = stage.kernel.mmap(stage.parent, 3 * PAGE, at_page=8)
    stage.kernel.populate(stage.parent, other)

    assert forked(stage).entry_jumps == 2
    assert stage.kernel.exit(stage.parent).drop_jumps == 2


# --------------------------------------------------------------------- fork: parts, deposits
@passes
def test_parts_of_a_folio_are_copied_in_one_batch_and_are_no_other_entries(passes: type[Passes]):
    work = forked(on(passes, folios(pages=8)))

    assert (work.parts, work.batches, work.pte_entries) == (8, 2, 0)
    assert (work.part_protections, work.protections, work.entry_jumps) == (8, 0, 2)


@passes
def test_a_batch_ends_with_its_folio_though_the_next_one_follows(passes: type[Passes]):
    work = forked(on(passes, folios(pages=8, backwards=True)))

    assert (work.parts, work.batches, work.entry_jumps) == (8, 2, 1)


@passes
def test_a_page_that_was_copied_out_of_a_folio_parts_its_batch(passes: type[Passes]):
    stage = on(passes, folios(pages=8))
    forked(stage)
    written(stage, 1)

    work = forked(stage)

    assert (work.parts, work.batches, work.pte_entries, work.protections) == (7, 3, 1, 1)


@passes
def test_an_eager_fork_copies_parts_into_single_pages(passes: type[Passes]):
    work = forked(on(passes, folios(policy="eager")))

    assert (work.parts, work.batches, work.pte_entries, work.allocations) == (0, 0, 8, 8)


@passes
@pytest.mark.parametrize("policy", ["cow-flip", "eager"])
def test_a_child_gets_a_deposit_for_each_huge_leaf_and_none_for_one_that_was_split(
    policy: str, passes: type[Passes]
):
    stage = on(passes, scene(pages=12, backing=THP, policy=policy, frames=40))
    stage.kernel.munmap(stage.parent, stage.heap, 1, 1)

    work = forked(stage)

    assert (work.pmd_entries, work.deposits, work.pte_tables) == (2, 2, 1)


def test_hugetlb_pages_have_no_deposits():
    stage = scene(pages=8, backing=HUGE, populated=False)

    assert stage.kernel.populate(stage.parent, stage.heap).deposits == 0
    assert forked(stage).deposits == 0


@passes
def test_a_fork_goes_over_each_table_of_level_1_once(passes: type[Passes]):
    stage = on(passes, scene(pages=6))
    other, _ = stage.kernel.mmap(stage.parent, 4 * PAGE, at_page=6)  # in the second table of the heap, too
    stage.kernel.populate(stage.parent, other)

    work = forked(stage)

    assert (work.scans, work.pte_tables) == (3, 3)
    assert forked(scene(pages=8, backing=THP)).scans == 0


# --------------------------------------------------------------------- unmapping and exit
@passes
def test_of_parts_that_lie_side_by_side_the_first_is_a_drop_and_the_others_are_parts(passes: type[Passes]):
    stage = on(passes, folios(pages=8))

    middle = stage.kernel.munmap(stage.parent, stage.heap, 1, 2)
    rest = stage.kernel.exit(stage.parent)

    assert (middle.drops, middle.dropped_parts, middle.drop_jumps) == (1, 1, 1)
    assert (middle.frees, middle.freed_bytes) == (0, 0)  # a folio goes as a whole
    assert (rest.drops, rest.dropped_parts, rest.drop_jumps) == (3, 3, 3)
    assert (rest.frees, rest.freed_bytes) == (2, 8 * PAGE)


@passes
def test_a_part_that_follows_one_of_another_folio_is_a_drop_but_no_jump(passes: type[Passes]):
    stage = on(passes, folios(pages=8, backwards=True))

    work = stage.kernel.munmap(stage.parent, stage.heap)

    assert (work.drops, work.dropped_parts, work.drop_jumps) == (2, 6, 1)


@passes
@pytest.mark.parametrize("backing", [HUGE, THP], ids=str)
def test_large_leafs_are_large_drops_and_what_was_kept_for_their_split_goes_with_them(
    backing: Backing, passes: type[Passes]
):
    stage = on(passes, scene(pages=8, backing=backing))

    work = stage.kernel.munmap(stage.parent, stage.heap)

    assert (work.large_drops, work.drops, work.drop_jumps) == (2, 0, 0)
    assert (work.frees, work.freed_bytes) == (2, 8 * PAGE if backing == THP else 0)  # others go to a pool
    assert work.table_frees == 1
    assert stage.kernel.frames.table_pages == 1


@passes
def test_unmapping_part_of_a_huge_leaf_splits_it_and_frees_no_table(passes: type[Passes]):
    stage = on(passes, scene(pages=8, backing=THP))

    part = stage.kernel.munmap(stage.parent, stage.heap, 1, 2)
    rest = stage.kernel.exit(stage.parent)

    assert (part.splits, part.drops, part.dropped_parts, part.table_frees) == (1, 1, 1, 0)
    assert (rest.large_drops, rest.drops, rest.table_frees) == (1, 2, 2)


@passes
def test_advice_against_part_of_a_huge_leaf_frees_no_table_either(passes: type[Passes]):
    stage = on(passes, scene(pages=8, backing=THP))

    work = stage.kernel.madvise(stage.parent, stage.heap.first + 1, 2, "dontneed")

    assert (work.splits, work.drops, work.dropped_parts, work.table_frees) == (1, 1, 1, 0)


@passes
def test_zero_pages_are_drops_without_a_jump(passes: type[Passes]):
    stage = on(passes, scene(pages=2, populated=False))
    for page in range(2):
        stage.kernel.read(stage.parent, stage.heap.first + page)

    work = stage.kernel.munmap(stage.parent, stage.heap)

    assert (work.drops, work.drop_jumps, work.frees, work.freed_bytes) == (2, 0, 0, 0)


@passes
@pytest.mark.parametrize("backing", [BASE, HUGE], ids=str)
def test_an_object_is_filled_once_and_emptied_with_the_last_mapping_of_it(
    backing: Backing, passes: type[Passes]
):
    stage = on(passes, scene(pages=8, backing=backing, shared=True, populated=False))
    leafs = 8 if backing == BASE else 2
    first = stage.kernel.populate(stage.parent, stage.heap)
    child, _ = stage.kernel.fork(stage.parent)
    again = stage.kernel.read(child, stage.heap.first)

    works = [stage.kernel.munmap(process, process.memory.vmas[0]) for process in (stage.parent, child)]

    assert (first.insertions, again.insertions) == (leafs, 0)
    assert [work.evictions for work in works] == [work.frees for work in works] == [0, leafs]
    assert [work.freed_bytes for work in works] == [0, 0]


@passes
@pytest.mark.parametrize("backing", [BASE, HUGE, THP], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_a_child_that_exits_gives_back_the_tables_that_its_fork_has_made(
    seed: int, backing: Backing, passes: type[Passes]
):
    stage = on(passes, scene(pages=64, backing=backing, frames=200, populated=False))
    rng = np.random.default_rng(seed)
    written(stage, *rng.integers(64, size=8).tolist())

    child, work = stage.kernel.fork(stage.parent)

    assert stage.kernel.exit(child).table_frees == work.pte_tables + work.pmd_tables > 0


# --------------------------------------------------------------------- faults
def test_a_read_of_a_file_maps_the_neighbours_around_that_have_no_entry_yet():
    kernel = boot()
    process, _ = kernel.spawn()
    vma, _ = kernel.mmap(process, 8 * PAGE, file=kernel.open(8 * PAGE), at_page=0)

    works = [kernel.read(process, page) for page in (1, 2, 6)]

    assert [work.traps for work in works] == [1, 0, 1]
    assert [work.mapped_around for work in works] == [3, 0, 3]  # as far as the table of four reaches
    assert vma.pages == 8


def test_a_folio_fills_all_its_other_pages_beside_the_one_that_was_written():
    stage = scene(pages=8, backing=THP, populated=False)

    assert stage.kernel.write(stage.parent, 0).filled_parts == 0  # one entry maps a huge one
    kernel = boot(1000, geometry=PAGINGS["x86-64"])
    process, _ = kernel.spawn()
    heap, _ = kernel.mmap(process, 5 * PAGE, MTHP)
    assert [kernel.write(process, heap.first + page).filled_parts for page in (2, 4)] == [3, 0]


def test_a_folio_that_comes_too_late_fills_nothing_and_is_freed_whole():
    kernel = boot(1000, geometry=PAGINGS["x86-64"])
    process, _ = kernel.spawn()
    heap, _ = kernel.mmap(process, 4 * PAGE, MTHP)
    first, second = (begun(kernel, process, heap.first + page) for page in (0, 3))

    faults = [kernel.commit_fault(process, pending) for pending in (first, second)]

    assert [fault.kind for fault in faults] == ["zero_fill", "late"]
    assert [fault.work.filled_parts for fault in faults] == [3, 0]
    assert [(fault.work.frees, fault.work.freed_bytes) for fault in faults] == [(0, 0), (1, 4 * PAGE)]


def begun(kernel: Kernel, process: Process, vpn: int) -> Pending:
    """Begin a write fault that takes a frame."""
    pending = kernel.begin_fault(process, vpn, write=True)
    assert isinstance(pending, Pending)
    return pending


def test_entries_are_filled_and_leave_is_taken_of_a_frame_under_the_lock():
    before, held = (
        Work(traps=1, copied_bytes=PAGE),
        Work(mapped_around=3, filled_parts=3, releases=1, flips=1),
    )

    assert (before + held + Work(frees=1, freed_bytes=PAGE)).prepared == before


def test_a_write_to_a_shared_huge_leaf_splits_it_and_takes_leave_of_one_page():
    kernel, parent, heap = scene(pages=4, backing=THP)
    kernel.fork(parent)

    works = [kernel.write(parent, heap.first + page) for page in (1, 2)]

    assert [work.splits for work in works] == [1, 0]
    assert [work.releases for work in works] == [1, 1]
    assert [work.copied_bytes for work in works] == [PAGE, PAGE]


def test_the_last_page_that_is_copied_out_of_a_folio_frees_all_of_it():
    kernel, parent, heap = scene(pages=4, backing=THP, policy="cow")
    child, _ = kernel.fork(parent)
    kernel.exit(child)

    works = [kernel.write(parent, heap.first + page) for page in range(4)]

    assert [work.releases for work in works] == [1, 1, 1, 1]
    assert [(work.frees, work.freed_bytes) for work in works] == [(0, 0)] * 3 + [(1, 4 * PAGE)]


@pytest.mark.parametrize("read_before", [False, True])
def test_a_copy_of_a_file_page_takes_leave_of_it_only_where_it_was_mapped(read_before: bool):
    kernel = boot()
    process, _ = kernel.spawn()
    vma, _ = kernel.mmap(process, 4 * PAGE, file=kernel.open(4 * PAGE), at_page=0)
    if read_before:
        kernel.read(process, vma.first)

    work = kernel.write(process, vma.first)

    assert (work.copied_bytes, work.releases, work.invalidations) == (PAGE, read_before, read_before)


def test_an_object_is_told_of_the_first_write_to_a_page_that_was_read():
    kernel = boot()
    process, _ = kernel.spawn()
    file = kernel.open(4 * PAGE, disk=True)
    vma, _ = kernel.mmap(process, 4 * PAGE, shared=True, file=file, at_page=0)
    kernel.read(process, vma.first)

    works = [kernel.write(process, vma.first) for _ in range(2)]

    assert [(work.notices, work.flips, work.insertions) for work in works] == [(1, 1, 0), (0, 0, 0)]


def test_no_frame_is_taken_leave_of_at_a_fill_a_flip_or_a_write_to_a_zero_page():
    kernel, parent, heap = scene(pages=3, populated=False)
    kernel.read(parent, heap.first + 1)
    works = [kernel.write(parent, heap.first), kernel.write(parent, heap.first + 1)]
    child, _ = kernel.fork(parent)
    kernel.exit(child)
    works.append(kernel.write(parent, heap.first))

    assert [work.flips for work in works] == [0, 0, 1]
    assert [work.releases for work in works] == [0, 0, 0]


# --------------------------------------------------------------------- out of the cache
def cached(pages: int, cache_pages: int, shared: bool = False, policy: str = "cow-flip") -> Scene:
    """Return a process with a heap, none of it touched, and a cache of so many pages."""
    kernel = Kernel(TOY, 25 * PAGE, POLICIES[policy](), cache_bytes=cache_pages * PAGE)
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, pages * PAGE, shared=shared, at_page=0)
    return Scene(kernel, parent, heap)


def outside(work: Work) -> tuple[int, int, int]:
    return work.cold_frames, work.cold_records, work.far_doublings


def looks(kernel: Kernel, process: Process, vpn: int, write: bool = True, far: bool = False) -> tuple:
    """Return the kind of a fault, and what is not in the cache: new frames, old ones, those far away."""
    fault = kernel.fault(process, vpn, write, far)
    return fault.kind, *outside(fault.work)


def test_memory_is_out_of_the_cache_once_more_is_mapped_than_that_holds():
    kernel, parent, heap = cached(pages=4, cache_pages=4)
    before = looks(kernel, parent, heap.first, far=True)

    kernel.mmap(parent, PAGE, at_page=8)

    assert before == ("zero_fill", 0, 0, 0)
    assert looks(kernel, parent, heap.first + 1, far=True) == ("zero_fill", 1, 0, 1)


@pytest.mark.parametrize(
    ("pages", "cache_pages", "doublings"), [(4, 4, 0), (5, 4, 1), (8, 4, 1), (9, 4, 2), (9, 1, 4), (9, 0, 7)]
)
def test_a_fault_that_is_not_near_is_the_further_the_more_often_memory_doubles_the_cache(
    pages: int, cache_pages: int, doublings: int
):
    kernel, parent, heap = cached(pages, cache_pages)

    assert looks(kernel, parent, heap.first, far=True)[-1] == doublings
    assert looks(kernel, parent, heap.first + 1)[-1] == 0


def test_faults_that_fill_or_copy_take_a_cold_frame_and_those_that_copy_or_flip_look_at_one():
    kernel, parent, heap = cached(pages=4, cache_pages=2)
    first = heap.first
    filled = [looks(kernel, parent, first), looks(kernel, parent, first + 1, write=False)]
    filled.append(looks(kernel, parent, first + 1))
    child, _ = kernel.fork(parent)

    shared = [looks(kernel, child, first), looks(kernel, parent, first)]

    assert filled == [("zero_fill", 1, 0, 0), ("zero_map", 0, 0, 0), ("zero_replace", 1, 0, 0)]
    assert shared == [("cow_copy", 1, 1, 0), ("cow_reuse", 0, 1, 0)]


def test_what_a_child_has_mapped_counts_for_the_child_alone():
    kernel, parent, heap = cached(pages=4, cache_pages=4)
    kernel.write(parent, heap.first)
    child, _ = kernel.fork(parent)
    kernel.mmap(child, PAGE, at_page=8)

    assert looks(kernel, child, heap.first, far=True) == ("cow_copy", 1, 1, 1)
    assert looks(kernel, parent, heap.first, far=True) == ("cow_reuse", 0, 0, 0)


@pytest.mark.parametrize("policy", ["cow", "eager"])
@pytest.mark.parametrize(("pages", "cold"), [(4, 0), (5, 1)])
def test_a_fork_is_cold_if_more_was_written_than_the_cache_holds(pages: int, cold: int, policy: str):
    stage = cached(pages, cache_pages=4, policy=policy)
    stage.kernel.populate(stage.parent, stage.heap)

    assert forked(stage).cold_forks == cold


def test_a_fork_is_not_cold_if_nothing_was_written_since_the_last_however_much_memory_there_is():
    stage = cached(pages=9, cache_pages=4)
    stage.kernel.populate(stage.parent, stage.heap)

    assert [forked(stage).cold_forks, forked(stage).cold_forks] == [1, 0]


def test_a_fault_that_comes_too_late_has_looked_as_well():
    kernel, parent, heap = cached(pages=4, cache_pages=2)
    kernel.write(parent, heap.first)
    kernel.fork(parent)
    first, second = (kernel.begin_fault(parent, heap.first, True, far=True) for _ in range(2))
    assert isinstance(first, Pending)
    assert isinstance(second, Pending)

    works = [kernel.commit_fault(parent, pending).work for pending in (first, second)]

    assert [outside(work) for work in works] == [(1, 1, 1), (1, 1, 1)]
    assert [work.releases for work in works] == [1, 0]


@pytest.mark.parametrize(("vpn", "far"), [(20, False), (12, False), (28, False), (11, True), (29, True)])
def test_a_fault_is_far_from_one_that_is_more_than_a_line_of_entries_away(vpn: int, far: bool):
    assert is_far(vpn, 20) is far
