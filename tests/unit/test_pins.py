"""Pinned pages: what a pin asks for first, what a fork does with them, and how long their frames stay."""

import numpy as np
import pytest

from cowmodel.errors import OutOfMemory, SegmentationFault, SimulationError
from cowmodel.kernel.backing import THP
from cowmodel.kernel.hugetlb import Pool
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from tests.toy import HUGE, PAGE, Scene, boot, contents, frames, picture, scene, state
from tests.unit.test_large_folio import folios, leafs

ALONE, SHARED = "[present, write] sharers 1", "[present] sharers 2"


def pinned(pages: int = 4, count: int = 2, **how: object) -> Scene:
    """Return a process that has pinned the first pages of its heap."""
    made = scene(pages, **how)  # type: ignore[arg-type]
    made.kernel.pin(made.parent, made.heap.first, count)
    return made


def write_all(kernel: Kernel, process: Process) -> list[str]:
    """Write to every page of a process, and return the kinds of the faults."""
    before = process.faults.copy()
    for vma in process.memory.vmas:
        for vpn in range(vma.first, vma.end):
            kernel.write(process, vpn)
    return list((process.faults - before).elements())


# ------------------------------------------------------------------ pin and unpin
def test_a_pin_faults_pages_in_as_a_write_would_and_counts_the_faults():
    kernel, parent, heap = scene(4, populated=False)
    kernel.read(parent, heap.first)

    work = kernel.pin(parent, heap.first, 3)

    assert (work.traps, work.hits, work.mappings) == (3, 0, 1)
    assert picture(kernel, parent, heap) == [ALONE] * 3 + ["none"]
    assert parent.faults == {"zero_map": 1, "zero_replace": 1, "zero_fill": 2}


def test_a_pin_of_a_shared_page_copies_it_first():
    kernel, parent, heap = scene(2)
    child, _ = kernel.fork(parent)

    assert kernel.pin(child, heap.first, 1).copied_bytes == PAGE
    assert frames(kernel, child, heap)[0] != frames(kernel, parent, heap)[0]


def test_pages_that_may_not_be_written_cannot_be_pinned_and_those_before_are_let_go():
    kernel, parent, heap = scene(4)
    kernel.mprotect(parent, heap.first + 2, 1, "r")
    before = state(kernel)

    with pytest.raises(SegmentationFault, match="in a read-only mapping"):
        kernel.pin(parent, heap.first, 4)

    assert not parent.memory.pins
    assert state(kernel) == before


def test_a_shared_file_on_a_disk_cannot_be_pinned():
    kernel, parent, _ = scene(1)
    vma, _ = kernel.mmap(parent, PAGE, shared=True, file=kernel.open(PAGE, disk=True))

    with pytest.raises(SegmentationFault, match="whose file is to hear of each write"):
        kernel.pin(parent, vma.first, 1)

    assert not parent.faults["shared_map"]


def test_pages_that_are_not_mapped_cannot_be_pinned():
    kernel, parent, heap = scene(4)

    with pytest.raises(SimulationError, match="pin of pages that are not all mapped"):
        kernel.pin(parent, heap.last, 2)


def test_a_frame_that_is_pinned_stays_when_nothing_maps_it_until_it_is_unpinned():
    kernel, parent, heap = pinned(4, 2)
    frame = frames(kernel, parent, heap)[0]

    kernel.munmap(parent, heap, 0, 1)

    assert (kernel.frames.used, kernel.folios.kept()) == (4, 1)
    assert kernel.unpin(parent, heap.first, 1).frees == 1
    assert (kernel.frames.used, kernel.folios.kept()) == (3, 0)
    assert kernel.frames.allocate(1).tolist() == [frame]


def test_a_page_that_is_pinned_twice_is_unpinned_only_with_both():
    kernel, parent, heap = pinned(4, 2)
    kernel.pin(parent, heap.first + 1, 1)
    kernel.munmap(parent, heap)

    assert kernel.unpin(parent, heap.first, 1).frees == 1
    assert kernel.unpin(parent, heap.first + 1, 1).frees == 1
    assert kernel.frames.used == 0


def test_what_is_unpinned_is_named_by_the_page_where_the_pin_began():
    kernel, parent, heap = pinned(4, 2)

    kernel.unpin(parent, heap.first + 1, 3)

    assert len(parent.memory.pins) == 2


def test_a_process_that_exits_lets_go_of_what_it_has_pinned():
    kernel, parent, heap = pinned(4, 3)
    kernel.munmap(parent, heap, 0, 2)

    kernel.exit(parent)

    assert (kernel.frames.used, kernel.frames.noted) == (0, False)


def test_the_frames_of_an_object_stay_pinned_when_it_is_gone():
    kernel, parent, heap = pinned(4, 4, shared=True)
    kernel.munmap(parent, heap)

    assert kernel.frames.used == 4
    assert kernel.unpin(parent, heap.first, 1).frees == 4


# ------------------------------------------------------------------ fork
def test_fork_copies_pinned_pages_at_once_and_leaves_the_parents_as_they_are():
    kernel, parent, heap = pinned(4, 2)
    before = frames(kernel, parent, heap)

    child, work = kernel.fork(parent)

    assert (work.copied_bytes, work.allocations, work.pte_entries) == (2 * PAGE, 2, 4)
    assert frames(kernel, parent, heap) == before
    assert picture(kernel, parent, heap) == picture(kernel, child, heap) == [ALONE] * 2 + [SHARED] * 2
    assert write_all(kernel, child) == ["cow_copy"] * 2


def test_a_child_has_no_pins_and_forks_as_ever():
    kernel, parent, _ = pinned(4, 2)
    child, _ = kernel.fork(parent)

    _, work = kernel.fork(child)

    assert (child.memory.pins, work.copied_bytes) == ([], 0)


def test_after_unpin_fork_shares_again():
    kernel, parent, heap = pinned(4, 2)
    kernel.unpin(parent, heap.first, 1)

    _, work = kernel.fork(parent)

    assert work.copied_bytes == 0


def test_a_page_that_was_dropped_and_filled_again_is_no_longer_the_pinned_one():
    kernel, parent, heap = pinned(4, 2)
    kernel.madvise(parent, heap.first, 1, "dontneed")
    kernel.write(parent, heap.first)

    _, work = kernel.fork(parent)

    assert work.copied_bytes == PAGE


def test_a_pinned_page_that_may_not_be_written_now_is_copied_and_the_copy_needs_no_fault_later():
    kernel, parent, heap = pinned(2, 1)
    kernel.mprotect(parent, heap.first, 2, "r")

    child, work = kernel.fork(parent)
    for process in (parent, child):
        kernel.mprotect(process, heap.first, 2, "rw")

    assert work.copied_bytes == PAGE
    assert picture(kernel, parent, heap)[0] == picture(kernel, child, heap)[0] == ALONE


def test_a_fork_without_room_for_the_copies_changes_nothing():
    kernel, parent, _ = pinned(4, 4, frames=4 + 3 + 3 + 3)
    before = state(kernel)

    with pytest.raises(OutOfMemory):
        kernel.fork(parent)

    assert state(kernel) == before


@pytest.mark.parametrize("policy", ["cow", "cow-flip", "cow-eager-flip", "eager"])
def test_under_every_policy_neither_has_to_copy_a_pinned_page_after_fork(policy: str):
    kernel, parent, heap = pinned(2, 2, policy=policy)
    before = frames(kernel, parent, heap)

    child, _ = kernel.fork(parent)

    assert write_all(kernel, parent) == write_all(kernel, child) == []
    assert frames(kernel, parent, heap) == before


# ------------------------------------------------------------------ larger pages
def test_fork_splits_a_huge_page_that_is_pinned_and_copies_its_pages_one_by_one():
    kernel, parent, heap = scene(8, frames=60, backing=THP)
    kernel.pin(parent, heap.first + 1, 1)

    child, work = kernel.fork(parent)

    assert (work.copied_bytes, work.pmd_entries, work.pte_entries) == (4 * PAGE, 1, 4)
    assert leafs(kernel, parent, heap) == leafs(kernel, child, heap) == [1] * 4 + [2] * 4
    assert write_all(kernel, parent).count("thp_split_copy") == 1


def test_of_a_folio_that_is_pinned_fork_copies_the_pages_that_are_the_parents_alone():
    kernel, parent, heap = folios(4)
    child, _ = kernel.fork(parent)
    kernel.exit(child)
    kernel.write(parent, heap.first)
    kernel.write(parent, heap.first + 1)
    kernel.pin(parent, heap.first, 1)

    _, work = kernel.fork(parent)

    assert work.copied_bytes == 2 * PAGE
    assert picture(kernel, parent, heap) == [ALONE] * 2 + [SHARED] * 2


def test_the_other_pages_of_a_pinned_folio_are_copied_and_not_flipped():
    kernel, parent, heap = folios(4)
    child, _ = kernel.fork(parent)
    kernel.exit(child)

    kernel.pin(parent, heap.first, 4)

    assert (parent.faults["cow_reuse"], parent.faults["cow_copy"]) == (1, 3)


def test_a_folio_that_is_pinned_stays_whole_when_it_is_unmapped():
    kernel, parent, heap = folios(4)
    kernel.pin(parent, heap.first, 1)
    kernel.munmap(parent, heap)

    assert (kernel.frames.used, kernel.folios.kept()) == (4, 4)
    assert kernel.unpin(parent, heap.first, 1).frees == 1
    assert kernel.frames.used == 0


def test_a_hugetlb_page_that_is_pinned_in_part_is_copied_whole_out_of_the_pool():
    kernel, parent, heap = huge(pool=5)
    kernel.pin(parent, heap.first + 1, 1)

    child, work = kernel.fork(parent)

    assert (work.copied_bytes, kernel.hugetlb.free) == (4 * PAGE, 2)
    assert picture(kernel, child, heap) == [ALONE, SHARED]


def test_a_fork_that_finds_no_hugetlb_page_for_a_pinned_one_is_refused():
    kernel, parent, heap = huge(pool=2)
    kernel.pin(parent, heap.first, 1)
    before = state(kernel)

    with pytest.raises(OutOfMemory, match="expected 1 pages for anybody"):
        kernel.fork(parent)

    assert state(kernel) == before


def test_a_hugetlb_page_goes_back_to_the_pool_when_it_is_unpinned():
    kernel, parent, heap = huge(pool=3)
    kernel.pin(parent, heap.first, 1)
    kernel.madvise(parent, heap.first, 4, "dontneed")

    assert (kernel.hugetlb.free, kernel.hugetlb.reserved) == (1, 0)
    kernel.unpin(parent, heap.first, 1)
    assert (kernel.hugetlb.free, kernel.hugetlb.reserved) == (2, 1)


def huge(pool: int) -> Scene:
    """Return a process with two hugetlb pages, out of a pool of so many."""
    kernel = boot(60)
    kernel.hugetlb = Pool(pool)
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, 8 * PAGE, HUGE, at_page=0)
    kernel.populate(parent, heap)
    return Scene(kernel, parent, heap)


# ------------------------------------------------------------------ frames
def test_pins_are_counted_and_told_to_compiled_code():
    kernel = boot()
    kernel.frames.pin(np.array([3, 3, 5]))

    assert kernel.frames.pins == {3: 2, 5: 1}
    assert kernel.frames.noted
    kernel.frames.unpin(np.array([3, 5, 3]))
    assert contents(kernel.frames) == contents(boot().frames)


def test_what_is_pinned_moves_with_its_memory_and_is_unpinned_there():
    kernel, parent, heap = scene(4)
    kernel.pin(parent, heap.first, 2)
    kernel.mremap(parent, heap.first, 4, heap.first + 16)

    kernel.unpin(parent, heap.first, 4)
    assert len(kernel.frames.pins) == 2

    kernel.unpin(parent, heap.first + 16, 4)
    assert not kernel.frames.pins


def test_a_child_has_no_rights_to_its_copies_of_pinned_pages_either():
    kernel, parent, heap = scene(2)
    kernel.pin(parent, heap.first, 2)
    kernel.mprotect(parent, heap.first, 2, "none")

    child, work = kernel.fork(parent)

    assert work.copied_bytes == 2 * PAGE
    assert not kernel.touch(child, heap.first, write=False)
    kernel.mprotect(child, heap.first, 2, "rw")
    assert kernel.touch(child, heap.first, write=True)
