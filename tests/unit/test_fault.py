"""Page faults before and after: which frame the page has then, and what it took."""

import itertools

import numpy as np
import pytest

from cowmodel.catalog import ERAS, PAGINGS
from cowmodel.errors import OutOfMemory, SegmentationFault
from cowmodel.kernel.backing import BASE, THP
from cowmodel.kernel.fault import KINDS, Pending
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work
from tests.toy import HUGE, PAGE, boot, dirty, frames, picture, scene, state

NONE, ZERO, MINE, OURS = "none", "[present, special]", "[present, write] sharers 1", "[present] sharers 2"
LEFT = "[present] sharers 1"

policies = pytest.mark.parametrize("policy", ["eager", "cow", "cow-flip", "cow-eager-flip"])
COPIED = Work(hits=1, traps=1, allocations=1, invalidations=1, copied_bytes=PAGE, releases=1)
FLIPPED = Work(hits=1, traps=1, flips=1)


# ----------------------------------------------------------- no entry: private
def test_the_first_write_of_a_page_gives_it_a_zeroed_frame_of_its_own():
    kernel, parent, heap = scene(pages=2, populated=False)

    fault = kernel.fault(parent, heap.first, write=True)

    assert picture(kernel, parent, heap) == [MINE, NONE]
    assert fault.kind == "zero_fill"
    assert fault.work == Work(traps=1, allocations=1, zeroed_bytes=PAGE, pte_tables=1, pmd_tables=1)


def test_the_first_read_of_a_page_maps_the_zero_frame_and_takes_no_frame():
    kernel, parent, heap = scene(pages=2, populated=False)

    fault = kernel.fault(parent, heap.first, write=False)

    assert picture(kernel, parent, heap) == [ZERO, NONE]
    assert fault.kind == "zero_map"
    assert fault.work == Work(traps=1, pte_tables=1, pmd_tables=1)
    assert kernel.frames.used == 0
    assert not kernel.frames.sharers.any()


@policies
def test_a_write_replaces_the_zero_frame_by_a_zeroed_one_and_copies_nothing(policy: str):
    kernel, parent, heap = scene(pages=2, policy=policy, populated=False)
    kernel.read(parent, heap.first)

    fault = kernel.fault(parent, heap.first, write=True)

    assert picture(kernel, parent, heap) == [MINE, NONE]
    assert fault.kind == "zero_replace"
    assert fault.work == Work(traps=1, allocations=1, invalidations=1, zeroed_bytes=PAGE)
    assert kernel.frames.sharers.tolist() == [0, 1] + [0] * 23


def test_a_zero_page_that_fork_copied_is_replaced_in_the_writer_alone():
    kernel, parent, heap = scene(pages=2, populated=False)
    kernel.write(parent, heap.first + 1)
    kernel.read(parent, heap.first)
    child, _ = kernel.fork(parent)

    work = kernel.write(child, heap.first)

    assert (work.zeroed_bytes, work.copied_bytes) == (PAGE, 0)
    assert picture(kernel, child, heap) == [MINE, OURS]
    assert picture(kernel, parent, heap) == [ZERO, OURS]


def test_a_second_page_in_the_same_table_takes_no_table():
    kernel, parent, heap = scene(pages=2, populated=False)
    kernel.write(parent, heap.first)

    work = kernel.write(parent, heap.first + 1)

    assert work == Work(hits=1, traps=1, allocations=1, zeroed_bytes=PAGE)


# ----------------------------------------------------------------- copy, flip
@pytest.mark.parametrize("policy", ["cow", "cow-flip"])
def test_one_byte_written_to_a_shared_page_copies_the_whole_page(policy: str):
    kernel, parent, heap = scene(pages=3, policy=policy)
    child, _ = kernel.fork(parent)

    work = kernel.write(child, heap.first + 1)

    assert work == COPIED
    assert picture(kernel, child, heap) == [OURS, MINE, OURS]
    assert (frames(kernel, parent, heap), frames(kernel, child, heap)) == ([1, 2, 3], [1, 4, 3])


@pytest.mark.parametrize("policy", ["cow", "cow-flip"])
def test_the_other_side_stays_read_only_until_it_writes_itself(policy: str):
    kernel, parent, heap = scene(pages=3, policy=policy)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first + 1)
    before = picture(kernel, parent, heap)

    kernel.write(parent, heap.first + 1)

    assert before == [OURS, LEFT, OURS]
    assert picture(kernel, parent, heap) == [OURS, MINE, OURS]


def test_the_last_sharer_keeps_its_frame_and_is_only_made_writable():
    kernel, parent, heap = scene(pages=2, policy="cow-flip")
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)
    used = kernel.frames.used

    work = kernel.write(parent, heap.first)

    assert work == FLIPPED
    assert frames(kernel, parent, heap) == [1, 2]
    assert kernel.frames.used == used


def test_without_a_flip_the_last_sharer_copies_too_and_frees_its_old_frame():
    kernel, parent, heap = scene(pages=2, policy="cow")
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)
    used = kernel.frames.used

    work = kernel.write(parent, heap.first)

    assert work == COPIED + Work(frees=1, freed_bytes=PAGE)
    assert (frames(kernel, parent, heap), frames(kernel, child, heap)) == ([4, 2], [3, 2])
    assert kernel.frames.sharers.tolist() == [0, 0, 2, 1, 1] + [0] * 20
    assert kernel.frames.used == used


def test_of_three_sharers_the_first_two_writers_copy_and_the_last_flips():
    kernel, parent, heap = scene(pages=1)
    child, _ = kernel.fork(parent)
    grandchild, _ = kernel.fork(child)

    works = [kernel.write(process, heap.first) for process in (child, parent, grandchild)]

    assert works == [COPIED, COPIED, FLIPPED]
    assert kernel.frames.sharers.tolist()[1:4] == [1, 1, 1]


def test_a_flipped_page_is_dirty():
    kernel, parent, heap = scene(pages=2)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)

    kernel.write(parent, heap.first)

    assert dirty(kernel, parent, heap) == [True, False]


def test_the_last_sharer_is_flipped_at_once_where_the_kernel_seeks_it():
    kernel, parent, heap = scene(pages=2, policy="cow-eager-flip")
    child, _ = kernel.fork(parent)

    work = kernel.write(child, heap.first)

    assert work == COPIED + Work(searches=1, flips=1)
    assert picture(kernel, parent, heap) == picture(kernel, child, heap) == [MINE, OURS]
    assert kernel.write(parent, heap.first) == Work(hits=1)


def test_no_last_sharer_is_sought_while_two_are_left():
    kernel, parent, heap = scene(pages=1, policy="cow-eager-flip")
    child, _ = kernel.fork(parent)
    kernel.fork(parent)

    work = kernel.write(child, heap.first)

    assert work == COPIED
    assert picture(kernel, parent, heap) == [OURS]


def test_after_an_eager_fork_no_write_faults():
    kernel, parent, heap = scene(pages=2, policy="eager")
    child, _ = kernel.fork(parent)

    works = [kernel.write(process, heap.first) for process in (parent, child)]

    assert works == [Work(hits=1)] * 2


@policies
def test_a_read_of_a_shared_page_never_faults(policy: str):
    kernel, parent, heap = scene(pages=2, policy=policy)
    child, _ = kernel.fork(parent)

    assert kernel.read(child, heap.first) == kernel.read(parent, heap.first) == Work(hits=1)


# --------------------------------------------------------------- re-execution
@policies
def test_after_its_fault_the_instruction_is_executed_again_and_finds_the_access_permitted(policy: str):
    kernel, parent, heap = scene(pages=1, policy=policy, populated=False)
    refused = kernel.touch(parent, heap.first, write=True)

    kernel.fault(parent, heap.first, write=True)

    assert not refused
    assert kernel.touch(parent, heap.first, write=True)


@policies
def test_a_page_that_was_written_once_faults_no_more(policy: str):
    kernel, parent, heap = scene(pages=1, policy=policy)
    kernel.fork(parent)
    kernel.write(parent, heap.first)

    assert kernel.write(parent, heap.first) == Work(hits=1)


def test_a_process_counts_its_faults_by_kind_and_the_bytes_that_they_copied():
    kernel, parent, _ = scene(pages=3, populated=False)
    for page in (0, 1):
        kernel.write(parent, page)
    kernel.read(parent, 2)
    child, _ = kernel.fork(parent)
    for process, page in ((child, 0), (child, 1), (parent, 1), (child, 2)):
        kernel.write(process, page)

    assert parent.faults == {"zero_fill": 2, "zero_map": 1, "cow_reuse": 1}
    assert child.faults == {"cow_copy": 2, "zero_replace": 1}
    assert (parent.copied_bytes, child.copied_bytes) == (0, 2 * PAGE)


# ------------------------------------------------------------- no entry: shared
def test_a_shared_page_that_nobody_touched_gets_a_zeroed_frame_that_the_object_keeps():
    kernel, parent, heap = scene(pages=2, shared=True, populated=False)

    fault = kernel.fault(parent, heap.first + 1, write=True)

    assert heap.object is not None
    assert fault.kind == "shared_map"
    assert (fault.work.allocations, fault.work.zeroed_bytes) == (1, PAGE)
    assert picture(kernel, parent, heap) == [NONE, MINE]
    assert (heap.object.pfns.tolist(), np.flatnonzero(kernel.frames.cached).tolist()) == ([0, 1], [1])


@policies
@pytest.mark.parametrize("write", [False, True])
def test_a_child_finds_the_frame_of_the_shared_object_and_neither_copies(policy: str, write: bool):
    kernel, parent, heap = scene(pages=1, policy=policy, shared=True)
    child, _ = kernel.fork(parent)

    fault = kernel.fault(child, heap.first, write)

    assert (fault.kind, fault.work.allocations, fault.work.copied_bytes) == ("shared_map", 0, 0)
    assert frames(kernel, child, heap) == frames(kernel, parent, heap)
    assert picture(kernel, child, heap) == picture(kernel, parent, heap) == ["[present, write] sharers 2"]


def test_a_shared_page_that_was_only_read_may_be_written_without_a_fault():
    kernel, parent, heap = scene(pages=1, shared=True, populated=False)
    kernel.read(parent, heap.first)

    assert kernel.write(parent, heap.first) == Work(hits=1)


# ---------------------------------------------------------------- fault-around
def shared_x86(pages: int, at_page: int = 0) -> tuple[Kernel, Process, Vma]:
    """Return a child that has not touched the shared pages that its parent wrote."""
    kernel = boot(frames=64 + 8, geometry=PAGINGS["x86-64"])
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, pages * PAGE, shared=True, at_page=at_page)
    kernel.populate(parent, heap)
    child, _ = kernel.fork(parent)
    return kernel, child, heap


def mapped_pages(kernel: Kernel, process: Process, heap: Vma) -> list[int]:
    return [page for page, entry in enumerate(picture(kernel, process, heap)) if entry != NONE]


def test_a_read_fault_maps_the_16_pages_around_it_that_the_object_has():
    kernel, child, heap = shared_x86(48)

    fault = kernel.fault(child, heap.first + 21, write=False)

    assert mapped_pages(kernel, child, heap) == list(range(16, 32))
    assert fault.work.traps == 1
    assert kernel.frames.sharers[frames(kernel, child, heap)[16:32]].tolist() == [2] * 16
    assert child.faults == {"shared_map": 1}


def test_the_window_is_aligned_in_the_address_space_and_ends_with_the_mapping():
    kernel, child, heap = shared_x86(pages=20, at_page=10)

    kernel.read(child, heap.first)
    kernel.read(child, heap.first + 19)

    assert mapped_pages(kernel, child, heap) == list(range(20))
    assert child.faults == {"shared_map": 2}


def test_a_write_fault_maps_its_own_page_alone():
    kernel, child, heap = shared_x86(48)

    kernel.write(child, heap.first + 21)

    assert mapped_pages(kernel, child, heap) == [21]


def test_fault_around_makes_no_frames_for_pages_that_the_object_lacks():
    kernel = boot(frames=32, geometry=PAGINGS["x86-64"])
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, 16 * PAGE, shared=True, at_page=0)
    kernel.populate(parent, heap, np.array([3, 5]))
    child, _ = kernel.fork(parent)

    kernel.read(child, 4)

    assert mapped_pages(kernel, child, heap) == [3, 4, 5]
    assert kernel.frames.used == 3


def test_fault_around_leaves_pages_that_are_mapped_already():
    kernel, child, heap = shared_x86(16)
    kernel.write(child, heap.first + 2)

    kernel.read(child, heap.first)

    assert kernel.frames.sharers[frames(kernel, child, heap)].tolist() == [2] * 16


@pytest.mark.parametrize(
    ("paging", "window"), [("x86-64", 16), ("x86-64-5level", 16), ("arm64-16k", 4), ("arm64-64k", 1)]
)
def test_the_window_is_64_kib_whatever_the_base_page(paging: str, window: int):
    geometry = PAGINGS[paging]
    kernel = boot(frames=48, geometry=geometry)
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, 32 * geometry.page_bytes, shared=True, at_page=0)
    kernel.populate(parent, heap)
    child, _ = kernel.fork(parent)

    kernel.read(child, 0)

    assert mapped_pages(kernel, child, heap) == list(range(window))


def test_private_memory_is_not_mapped_around():
    kernel = boot(frames=32, geometry=PAGINGS["x86-64"])
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, 16 * PAGE, at_page=0)

    kernel.read(parent, 4)

    assert mapped_pages(kernel, parent, heap) == [4]


# ------------------------------------------------------------------ huge pages
@pytest.mark.parametrize(("write", "entry"), [(True, MINE), (False, LEFT)])
def test_any_first_access_to_a_huge_page_zeroes_all_of_it(write: bool, entry: str):
    kernel, parent, heap = scene(pages=8, backing=HUGE, populated=False)

    fault = kernel.fault(parent, heap.first + 5, write)

    assert fault.kind == "htlb_fill"
    assert fault.work == Work(traps=1, allocations=1, zeroed_bytes=4 * PAGE, pmd_tables=1)
    assert picture(kernel, parent, heap) == [NONE, entry]


def test_a_huge_page_that_was_read_first_flips_when_it_is_written():
    kernel, parent, heap = scene(pages=4, backing=HUGE, populated=False)
    kernel.read(parent, heap.first)

    fault = kernel.fault(parent, heap.first + 3, write=True)

    assert (fault.kind, fault.work) == ("htlb_reuse", Work(traps=1, flips=1))
    assert picture(kernel, parent, heap) == [MINE]


def test_one_byte_written_to_a_shared_huge_page_copies_all_of_it():
    kernel, parent, heap = scene(pages=8, backing=HUGE)
    child, _ = kernel.fork(parent)

    fault = kernel.fault(child, heap.first + 6, write=True)

    assert fault.kind == "htlb_copy"
    assert fault.work == Work(traps=1, allocations=1, invalidations=1, copied_bytes=4 * PAGE, releases=1)
    assert picture(kernel, child, heap) == [OURS, MINE]
    assert picture(kernel, parent, heap) == [OURS, LEFT]


def test_the_last_sharer_of_a_huge_page_flips_all_of_it():
    kernel, parent, heap = scene(pages=4, backing=HUGE)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)

    fault = kernel.fault(parent, heap.first + 2, write=True)

    assert (fault.kind, fault.work) == ("htlb_reuse", Work(traps=1, flips=1))
    assert [kernel.write(parent, heap.first + page) for page in range(4)] == [Work(hits=1)] * 4


def test_the_kernel_seeks_the_last_sharer_of_a_huge_page_by_its_first_page():
    kernel, parent, heap = scene(pages=4, policy="cow-eager-flip", backing=HUGE)
    child, _ = kernel.fork(parent)

    work = kernel.write(child, heap.first + 3)

    assert (work.searches, work.flips) == (1, 1)
    assert picture(kernel, parent, heap) == [MINE]


def test_shared_huge_pages_are_one_frame_run_for_all():
    kernel, parent, heap = scene(pages=8, backing=HUGE, shared=True)
    child, _ = kernel.fork(parent)

    fault = kernel.fault(child, heap.first + 5, write=True)

    assert (fault.kind, fault.work) == ("shared_map", Work(traps=1, pmd_tables=1))
    assert picture(kernel, child, heap) == [NONE, "[present, write] sharers 2"]
    assert frames(kernel, child, heap)[1] == frames(kernel, parent, heap)[1]


# ------------------------------------------------------------------------ laws
def test_every_fault_has_a_kind_that_is_listed():
    seen = set()
    for shared, backing in itertools.product((False, True), (BASE, HUGE)):
        kernel, parent, heap = scene(pages=4, shared=shared, backing=backing, populated=False)
        kernel.read(parent, heap.first)
        kernel.write(parent, heap.first)
        child, _ = kernel.fork(parent)
        for process in (child, parent):
            kernel.write(process, heap.first)
        kernel.write(child, heap.last)
        kernel.fault(child, heap.last, write=True)  # of an access that is permitted by now
        seen |= parent.faults.keys() | child.faults.keys()
    kernel, parent, _ = scene(pages=1)
    file = kernel.open(8 * PAGE, disk=True)
    for shared in (False, True):
        vma, _ = kernel.mmap(parent, 8 * PAGE, shared=shared, file=file)
        kernel.write(parent, vma.first)
        kernel.read(parent, vma.last)
        kernel.write(parent, vma.last)
    seen |= parent.faults.keys()

    for era in ERAS:
        kernel, parent, heap = scene(pages=8, backing=THP, populated=False, frames=40, era=era)
        kernel.read(parent, heap.first)
        kernel.write(parent, heap.first)
        kernel.write(parent, heap.last)
        child, _ = kernel.fork(parent)
        kernel.write(child, heap.last)
        kernel.munmap(child, child.memory.vmas[0])
        kernel.write(parent, heap.last)
        seen |= parent.faults.keys() | child.faults.keys()

    assert {*seen, "late"} == set(KINDS)


def test_a_fault_whose_entry_another_thread_has_filled_comes_too_late_and_gives_its_frame_back():
    kernel, parent, heap = scene(pages=1, populated=False)
    pending = kernel.begin_fault(parent, heap.first, write=True)
    kernel.write(parent, heap.first)

    assert isinstance(pending, Pending)
    assert (kernel.frames.used, kernel.frames.pending) == (2, 1)
    assert kernel.commit_fault(parent, pending).kind == "late"
    assert (kernel.frames.used, kernel.frames.pending) == (1, 0)


# ---------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("write", "page", "text"),
    [
        (True, 7, "process 1 wrote to page 0x7, outside its mappings"),
        (False, 63, "process 1 read page 0x3f, outside its mappings"),
        (True, -1, "process 1 wrote to page -0x1, outside its mappings"),
    ],
)
def test_an_access_outside_all_mappings_says_who_did_what_where(write: bool, page: int, text: str):
    kernel, parent, _ = scene(pages=4)
    access = kernel.write if write else kernel.read

    with pytest.raises(SegmentationFault) as caught:
        access(parent, page)

    assert str(caught.value) == text


def test_the_hole_between_two_mappings_is_not_mapped():
    kernel, parent, _ = scene(pages=2)
    kernel.mmap(parent, 2 * PAGE, at_page=3)

    with pytest.raises(SegmentationFault):
        kernel.read(parent, 2)

    assert kernel.write(parent, 3).traps == 1


def test_a_segmentation_fault_changes_nothing():
    kernel, parent, _ = scene(pages=2)
    before = state(kernel)

    with pytest.raises(SegmentationFault):
        kernel.write(parent, 2)

    assert state(kernel) == before


@pytest.mark.parametrize("policy", ["cow", "cow-flip", "cow-eager-flip"])
def test_a_copy_without_a_free_frame_leaves_everything_as_it_was(policy: str):
    kernel, parent, heap = scene(pages=4, policy=policy, frames=3 + 4 + 3)
    child, _ = kernel.fork(parent)
    before = state(kernel)

    with pytest.raises(OutOfMemory):
        kernel.write(child, heap.first)

    assert state(kernel) == before


def test_a_flip_needs_no_free_frame():
    kernel, parent, heap = scene(pages=4, frames=3 + 4 + 3)
    child, _ = kernel.fork(parent)
    kernel.munmap(child, child.memory.vmas[0], 0, 1)

    assert kernel.write(parent, heap.first) == FLIPPED


@pytest.mark.parametrize("write", [False, True])
def test_a_first_touch_without_room_for_its_tables_leaves_everything_as_it_was(write: bool):
    kernel, parent, heap = scene(pages=4, frames=2, populated=False)
    before = state(kernel)

    with pytest.raises(OutOfMemory):
        kernel.fault(parent, heap.first, write)

    assert state(kernel) == before


def test_a_huge_page_needs_an_aligned_run_of_free_frames():
    kernel, parent, heap = scene(pages=8, frames=14)
    kernel.munmap(parent, heap, 4, 4)
    kernel.mmap(parent, 4 * PAGE, HUGE, at_page=16)
    before = state(kernel)

    with pytest.raises(OutOfMemory):
        kernel.write(parent, 16)

    assert state(kernel) == before
    assert kernel.frames.free == 7


def test_running_out_says_what_was_needed_what_was_free_and_what_to_do():
    kernel, parent, heap = scene(pages=4, frames=3 + 3, populated=False)
    kernel.populate(parent, heap, np.arange(3))

    with pytest.raises(OutOfMemory) as caught:
        kernel.write(parent, heap.last)

    assert str(caught.value) == (
        "memory: expected room for 1 more frame, found 0 of 6 frames free, 0 of them kept as huge ones;"
        " give the machine more memory or the workload less"
    )
