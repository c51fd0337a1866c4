"""mprotect, madvise and mlock: what they do to entries, and what Linux 6.18 counts afterwards."""

from collections import Counter

import pytest

from cowmodel.catalog import PAGINGS, POLICIES
from cowmodel.engine.compiled_passes import CompiledPasses
from cowmodel.errors import SegmentationFault, SimulationError
from cowmodel.hardware.paging import DIRTY, SAVED_DIRTY
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work
from tests.toy import HUGE, PAGE, boot, dirty, frames, picture, scene, state, words

MINE, OURS, LEFT = "[present, write] sharers 1", "[present] sharers 2", "[present] sharers 1"


def counts(
    kernel: Kernel, process: Process, vma: Vma, write: bool, pages: range | None = None
) -> dict[str, int]:
    """Access pages of a mapping one after the other; return the faults by kind."""
    before = Counter(process.faults)
    for page in pages or range(vma.pages):
        (kernel.write if write else kernel.read)(process, vma.first + page)
    return dict(process.faults - before)


@pytest.fixture(params=[False, True], ids=["arrays", "compiled"])
def stage(request: pytest.FixtureRequest) -> tuple[Kernel, Process, Vma]:
    """Return a process with a heap of 64 pages, all written, under Linux's policy."""
    kernel = boot(400, "cow-flip", PAGINGS["x86-64"])
    if request.param:
        kernel.passes = CompiledPasses(kernel.arena, kernel.frames, kernel.folios)
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, 64 * PAGE)
    kernel.populate(parent, heap)
    return kernel, parent, heap


Stage = tuple[Kernel, Process, Vma]


def protect(kernel: Kernel, process: Process, heap: Vma, *steps: str) -> None:
    for rights in steps:
        kernel.mprotect(process, heap.first, heap.pages, rights)


# -------------------------------------------------------------------- mprotect
def test_a_page_of_ones_own_is_writable_again_without_a_fault(stage: Stage):
    kernel, parent, heap = stage
    before = words(*stage)

    protect(*stage, "r")
    with pytest.raises(SegmentationFault, match="process 1 wrote to page .*, in a read-only mapping"):
        kernel.write(parent, heap.first)
    assert counts(*stage, write=False) == {}
    protect(*stage, "rw")

    assert words(*stage) == before
    assert counts(*stage, write=True) == {}


def test_a_shared_page_is_not(stage: Stage):
    kernel, parent, heap = stage
    child, _ = kernel.fork(parent)

    protect(*stage, "r", "rw")

    assert counts(*stage, write=True) == {"cow_copy": 64}
    assert counts(kernel, child, heap, write=True) == {"cow_reuse": 64}


def test_nor_is_one_that_was_shared_once(stage: Stage):
    kernel, parent, _ = stage
    child, _ = kernel.fork(parent)
    kernel.exit(child)

    protect(*stage, "r", "rw")

    assert counts(*stage, write=True) == {"cow_reuse": 64}


@pytest.mark.parametrize("way", [("none", "rw"), ("none", "r", "rw"), ("r", "none", "rw")])
def test_pages_that_had_no_rights_are_written_again_without_a_fault(stage: Stage, way: tuple[str, ...]):
    protect(*stage, *way)

    assert counts(*stage, write=True) == {}


@pytest.mark.parametrize("write", [False, True])
def test_pages_without_rights_are_mapped_and_any_access_is_a_segmentation_fault(stage: Stage, write: bool):
    kernel, parent, heap = stage
    protect(*stage, "none")

    assert not kernel.touch(parent, heap.first, write)
    with pytest.raises(SegmentationFault, match="page .*, in a mapping without rights"):
        counts(*stage, write=write)
    assert kernel.frames.sharers[frames(*stage)].tolist() == [1] * 64


def test_a_fork_shares_pages_without_rights(stage: Stage):
    kernel, parent, heap = stage
    protect(*stage, "none")
    child, _ = kernel.fork(parent)

    protect(kernel, child, heap, "r")
    assert counts(kernel, child, heap, write=False) == {}
    protect(kernel, child, heap, "rw")
    assert counts(kernel, child, heap, write=True) == {"cow_copy": 64}
    protect(*stage, "rw")
    assert counts(*stage, write=True) == {"cow_reuse": 64}


def test_an_eager_child_has_no_rights_either_where_its_parent_has_none():
    kernel, parent, heap = scene(policy="eager")
    protect(kernel, parent, heap, "none")

    child, _ = kernel.fork(parent)

    assert not kernel.touch(child, heap.first, write=False)
    protect(kernel, child, heap, "rw")
    assert kernel.touch(child, heap.first, write=True)


def test_the_zero_page_stays_read_only_when_rights_come_back():
    kernel, parent, heap = scene(populated=False)
    counts(kernel, parent, heap, write=False)
    protect(kernel, parent, heap, "none", "rw")

    assert counts(kernel, parent, heap, write=True) == {"zero_replace": heap.pages}


def test_what_no_processor_knows_is_not_flushed():
    kernel, parent, heap = scene()

    assert kernel.mprotect(parent, heap.first, 4, "none").invalidations == 4
    assert kernel.mprotect(parent, heap.first, 4, "rw").invalidations == 0


def test_what_is_populated_or_locked_ends_at_the_first_page_without_rights():
    kernel, parent, _ = scene(pages=8, populated=False)
    kernel.mprotect(parent, 3, 2, "none")

    with pytest.raises(SegmentationFault, match="read page 0x3, in a mapping without rights"):
        kernel.madvise(parent, 0, 8, "populate_read")
    with pytest.raises(SegmentationFault, match="read page 0x3, in a mapping without rights"):
        kernel.mlock(parent, 0, 8)

    assert parent.faults == {"zero_map": 3, "zero_replace": 3}
    assert all(vma.locked for vma in parent.memory.vmas)


def test_parts_are_joined_only_if_all_their_rights_are_the_same():
    kernel, parent, _ = scene(pages=8)
    kernel.mprotect(parent, 2, 2, "none")
    kernel.mprotect(parent, 4, 4, "r")
    assert [vma.pages for vma in parent.memory.vmas] == [2, 2, 4]

    kernel.mprotect(parent, 2, 2, "r")

    assert [vma.pages for vma in parent.memory.vmas] == [2, 6]


def test_rights_that_there_are_not_are_refused():
    kernel, parent, heap = scene()
    before = state(kernel)

    with pytest.raises(SimulationError, match="mprotect: rights: no 'w' among none, r, rw"):
        kernel.mprotect(parent, heap.first, 1, "w")

    assert state(kernel) == before


def test_a_fork_in_between_shares_all_the_same(stage: Stage):
    kernel, parent, heap = stage

    protect(*stage, "r")
    child, _ = kernel.fork(parent)
    protect(*stage, "rw")
    protect(kernel, child, heap, "rw")

    assert counts(*stage, write=True) == {"cow_copy": 64}
    assert counts(kernel, child, heap, write=True) == {"cow_reuse": 64}
    assert all(dirty(*stage))


def test_an_eager_child_is_as_read_only_as_its_parent():
    kernel, parent, heap = scene(policy="eager")
    protect(kernel, parent, heap, "r")

    child, _ = kernel.fork(parent)

    with pytest.raises(SegmentationFault):
        kernel.write(child, heap.first)
    protect(kernel, child, heap, "rw")
    assert counts(kernel, child, heap, write=True) == {}


def test_a_last_sharer_that_may_not_write_has_the_page_to_itself_once_it_may():
    kernel, parent, heap = scene(policy="cow-eager-flip")
    child, _ = kernel.fork(parent)
    protect(kernel, child, heap, "r")

    assert counts(kernel, parent, heap, write=True) == {"cow_copy": 4}
    protect(kernel, child, heap, "rw")

    assert picture(kernel, child, heap) == [MINE] * 4


def test_zero_pages_stay_what_they_are(stage: Stage):
    kernel, parent, _ = stage
    heap, _ = kernel.mmap(parent, 64 * PAGE)
    assert counts(kernel, parent, heap, write=False) == {"zero_map": 64}

    protect(kernel, parent, heap, "r", "rw")

    assert counts(kernel, parent, heap, write=True) == {"zero_replace": 64}


def test_pages_of_a_shared_mapping_are_writable_again_without_a_fault(stage: Stage):
    kernel, parent, _ = stage
    heap, _ = kernel.mmap(parent, 8 * PAGE, shared=True)
    counts(kernel, parent, heap, write=True)
    protect(kernel, parent, heap, "r")
    kernel.madvise(parent, heap.first, 4, "dontneed")
    assert counts(kernel, parent, heap, write=False) == {"shared_map": 1}  # mapped around

    protect(kernel, parent, heap, "rw")

    assert counts(kernel, parent, heap, write=True) == {}


def test_a_huge_page_needs_a_fault_to_be_writable_again():
    kernel, parent, heap = scene(pages=8, backing=HUGE)

    protect(kernel, parent, heap, "r", "rw")

    assert counts(kernel, parent, heap, write=True) == {"htlb_reuse": 2}


def test_rights_of_some_pages_cut_the_mapping():
    kernel, parent, heap = scene(pages=8)

    work = kernel.mprotect(parent, 2, 3, "r")

    assert work == Work(mappings=1, rewrites=3, invalidations=3)
    assert [(vma.first, vma.pages, vma.writable) for vma in parent.memory.vmas] == [
        (0, 2, True),
        (2, 3, False),
        (5, 3, True),
    ]
    assert counts(kernel, parent, heap, write=True, pages=range(5, 8)) == {}


@pytest.mark.parametrize(("pages", "work"), [(33, Work(invalidations=33)), (34, Work(flushes=1))])
def test_more_than_33_changed_pages_are_flushed_all_at_once(stage: Stage, pages: int, work: Work):
    kernel, parent, heap = stage

    first, second = (kernel.mprotect(parent, heap.first, pages, "r") for _ in range(2))

    assert first == work + Work(mappings=1, rewrites=pages)
    assert second == Work(mappings=1)


# --------------------------------------------------------------------- madvise
def test_what_is_not_needed_is_gone_and_the_other_side_is_the_last_sharer(stage: Stage):
    kernel, parent, heap = stage
    child, _ = kernel.fork(parent)

    kernel.madvise(child, heap.first, 64, "dontneed")

    assert counts(kernel, parent, heap, write=True) == {"cow_reuse": 64}
    assert counts(kernel, child, heap, write=False) == {"zero_map": 64}
    assert counts(kernel, child, heap, write=True) == {"zero_replace": 64}


def test_a_table_of_which_nothing_is_needed_goes_and_one_of_which_something_is_stays():
    kernel, parent, heap = scene(pages=16)

    work = kernel.madvise(parent, heap.first + 3, 7, "dontneed")

    assert work == Work(
        mappings=1, invalidations=7, drops=7, drop_jumps=1, table_frees=1, frees=7, freed_bytes=7 * PAGE
    )
    assert parent.memory.page_table.tables == [0, 3, 1, 1]  # of four; that of pages 4 to 7 is gone
    assert parent.memory.vmas == [heap]


def test_pages_that_may_be_freed_stay_and_a_write_makes_them_dirty_without_a_fault(stage: Stage):
    kernel, parent, heap = stage

    work = kernel.madvise(parent, heap.first, 20, "free")
    assert work == Work(mappings=1, rewrites=20, invalidations=20)
    assert dirty(*stage) == [False] * 20 + [True] * 44

    assert counts(*stage, write=True, pages=range(8)) == {}
    assert dirty(*stage) == [True] * 8 + [False] * 12 + [True] * 44


def test_pages_that_may_be_freed_are_shared_copied_and_flipped_as_others(stage: Stage):
    kernel, parent, heap = stage
    kernel.madvise(parent, heap.first, 64, "free")

    child, _ = kernel.fork(parent)

    assert counts(kernel, child, heap, write=True) == {"cow_copy": 64}
    assert counts(*stage, write=True) == {"cow_reuse": 64}


def test_shared_pages_that_one_process_may_free_are_clean_there_alone(stage: Stage):
    kernel, parent, heap = stage
    child, _ = kernel.fork(parent)
    before = words(kernel, child, heap)

    kernel.madvise(parent, heap.first, 64, "free")

    assert not any(word & (DIRTY | SAVED_DIRTY) for word in words(*stage))
    assert words(kernel, child, heap) == before
    assert all(word & SAVED_DIRTY for word in before)


def test_the_zero_frame_is_not_freed(stage: Stage):
    kernel, parent, _ = stage
    heap, _ = kernel.mmap(parent, 8 * PAGE)
    kernel.madvise(parent, heap.first, 8, "populate_read")
    before = words(kernel, parent, heap)

    assert kernel.madvise(parent, heap.first, 8, "free") == Work(mappings=1)
    assert words(kernel, parent, heap) == before


def test_populating_clean_pages_makes_their_frames_dirty_and_not_their_entries(stage: Stage):
    kernel, parent, heap = stage
    kernel.madvise(parent, heap.first, 64, "free")

    kernel.madvise(parent, heap.first, 8, "populate_write")

    assert dirty(*stage) == [False] * 64
    assert kernel.frames.dirty == {*frames(*stage)[:8]}


def test_frames_that_are_dirty_and_shared_are_not_freed_until_they_are_not_shared(stage: Stage):
    kernel, parent, heap = stage
    kernel.madvise(parent, heap.first, 64, "free")
    kernel.mlock(parent, heap.first, 8)
    kernel.mprotect(parent, heap.first, 64, "r")
    child, _ = kernel.fork(parent)

    kernel.madvise(child, heap.first, 64, "free")
    assert len(kernel.frames.dirty) == 8
    kernel.exit(parent)
    kernel.madvise(child, heap.first, 4, "free")
    assert len(kernel.frames.dirty) == 4
    kernel.exit(child)
    assert kernel.frames.dirty == set()


@pytest.mark.parametrize(("backing", "shared"), [(BASE, True), (HUGE, False)])
def test_shared_and_huge_pages_cannot_be_freed(backing: Backing, shared: bool):
    kernel, parent, heap = scene(pages=4, backing=backing, shared=shared)
    before = state(kernel)

    with pytest.raises(SimulationError, match="madvise: expected private pages, not of hugetlb or locked"):
        kernel.madvise(parent, heap.first, 4, "free")

    assert state(kernel) == before


def test_pages_are_populated_as_if_they_were_accessed(stage: Stage):
    kernel, parent, heap = stage
    child, _ = kernel.fork(parent)

    kernel.madvise(child, heap.first, 64, "populate_write")
    assert child.faults == {"cow_copy": 64}
    assert counts(kernel, child, heap, write=True) == {}
    fresh, _ = kernel.mmap(child, 8 * PAGE)
    kernel.madvise(child, fresh.first, 8, "populate_read")
    assert child.faults == {"cow_copy": 64, "zero_map": 8}


def test_a_mapping_for_this_process_alone_is_never_write_protected(stage: Stage):
    kernel, parent, heap = stage
    kernel.madvise(parent, heap.first, 32, "dontfork")

    child, work = kernel.fork(parent)

    assert work.pte_entries == 32
    with pytest.raises(SegmentationFault, match="outside its mappings"):
        kernel.write(child, heap.first)
    assert counts(kernel, child, heap, write=True, pages=range(32, 64)) == {"cow_copy": 32}
    assert counts(*stage, write=True) == {"cow_reuse": 32}
    kernel.madvise(parent, heap.first, 32, "dofork")
    assert kernel.fork(parent)[1].pte_entries == 64


def test_a_child_finds_a_mapping_wiped_empty(stage: Stage):
    kernel, parent, heap = stage
    kernel.madvise(parent, heap.first, 64, "wipeonfork")

    child, _ = kernel.fork(parent)

    assert counts(kernel, child, heap, write=False) == {"zero_map": 64}
    assert counts(kernel, child, heap, write=True) == {"zero_replace": 64}
    assert counts(*stage, write=True) == {}


def test_locked_pages_are_resident_and_a_fork_shares_them(stage: Stage):
    kernel, parent, _ = stage
    heap, _ = kernel.mmap(parent, 8 * PAGE)

    kernel.mlock(parent, heap.first, 8)
    child, _ = kernel.fork(parent)

    assert picture(kernel, parent, heap) == [OURS] * 8
    assert counts(kernel, child, heap, write=True) == {"cow_copy": 8}
    assert counts(kernel, parent, heap, write=True) == {"cow_reuse": 8}


@pytest.mark.parametrize("policy", list(POLICIES))
@pytest.mark.parametrize("advice", ["dontneed", "free", "wipeonfork", "dontfork", "populate_read"])
def test_all_frames_are_free_in_the_end(policy: str, advice: str):
    kernel, parent, _ = scene(pages=12, policy=policy, frames=60)
    kernel.mprotect(parent, 1, 3, "r")
    kernel.madvise(parent, 2, 6, advice)
    child, _ = kernel.fork(parent)
    kernel.madvise(child, 8, 4, advice)

    kernel.exit(parent)
    kernel.exit(child)

    assert (kernel.frames.used, kernel.frames.table_pages, kernel.frames.total_sharers) == (0, 0, 0)


@pytest.mark.parametrize(
    ("verb", "arguments", "complaint"),
    [
        ("madvise", (0, 9, "dontneed"), "madvise of pages that are not all mapped"),
        ("madvise", (0, 4, "dontned"), "did you mean 'dontneed'"),
        ("mprotect", (7, 2, "r"), "mprotect of pages that are not all mapped"),
        ("mlock", (0, 0), "mlock of pages that are not all mapped"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(verb: str, arguments: tuple, complaint: str):
    kernel, parent, _ = scene(pages=8)
    before = state(kernel)

    with pytest.raises(SimulationError, match=complaint):
        getattr(kernel, verb)(parent, *arguments)

    assert state(kernel) == before


def test_a_huge_page_is_not_cut():
    kernel, parent, _ = scene(pages=8, backing=HUGE)

    with pytest.raises(SimulationError, match="mprotect of part of a huge page"):
        kernel.mprotect(parent, 1, 4, "r")


def test_what_may_not_be_written_is_not_populated_for_writing():
    kernel, parent, heap = scene()
    protect(kernel, parent, heap, "r")

    with pytest.raises(SegmentationFault, match="wrote to page 0x0, in a read-only mapping"):
        kernel.madvise(parent, heap.first, 4, "populate_write")
    with pytest.raises(SegmentationFault, match="populates pages that it may not write"):
        kernel.populate(parent, heap)
