"""The verbs of the kernel: what they return, what they refuse, who is alive."""

import numpy as np
import pytest

from cowmodel.catalog import PAGINGS
from cowmodel.errors import ConfigError, OutOfMemory, SegmentationFault, SimulationError
from cowmodel.hardware.paging import ACCESSED, DIRTY, PRESENT
from cowmodel.kernel.accounting import Usage, unmapped_cache_bytes, usage
from cowmodel.kernel.backing import BASE, Backing, parse_backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.work import NOTHING, Work
from cowmodel.policy.copying import LastSharerFlip
from tests.toy import HUGE, PAGE, TOY, boot, dirty, frames, picture, scene, state, words

MINE = "[present, write] sharers 1"


# ----------------------------------------------------------------------- spawn
def test_a_spawned_process_maps_nothing_and_takes_a_root():
    kernel = boot()

    process, work = kernel.spawn()

    assert work == Work(spawns=1, pgd_tables=1)
    assert (process.pid, process.parent, process.memory.vmas) == (1, None, [])
    assert (kernel.frames.used, kernel.frames.table_pages) == (0, 1)


def test_processes_are_numbered_in_the_order_in_which_they_came():
    kernel = boot()

    pids = [kernel.spawn()[0].pid for _ in range(3)]

    assert pids == [1, 2, 3]
    assert [process.pid for process in kernel.everyone] == [1, 2, 3]


def test_a_number_is_not_used_again():
    kernel = boot()
    kernel.exit(kernel.spawn()[0])

    assert kernel.spawn()[0].pid == 2


def test_a_spawned_child_shares_nothing_with_its_parent():
    kernel, parent, _ = scene(pages=4)

    child, _ = kernel.spawn(parent)

    assert (child.parent, parent.children, child.memory.vmas) == (parent, [child], [])


def test_a_spawn_without_a_frame_for_the_root_leaves_everything_as_it_was():
    kernel, _, _ = scene(pages=4, frames=3 + 4)
    before = state(kernel)

    with pytest.raises(OutOfMemory):
        kernel.spawn()

    assert state(kernel) == before
    assert len(kernel.everyone) == 1


@pytest.mark.parametrize(("memory_bytes", "got"), [(8191, "8 KiB"), (8 << 40, "8 TiB")])
def test_a_machine_of_fewer_than_two_or_too_many_frames_is_refused(memory_bytes: int, got: str):
    with pytest.raises(ConfigError) as caught:
        Kernel(TOY, memory_bytes, LastSharerFlip())

    assert str(caught.value) == f"memory: expected from 8 KiB to less than 8 TiB with toy, got {got}"


# ------------------------------------------------------------------------ mmap
def test_mapping_memory_takes_no_frame():
    kernel, parent, heap = scene(pages=4, populated=False)

    assert (kernel.frames.used, kernel.frames.table_pages) == (0, 1)
    assert picture(kernel, parent, heap) == ["none"] * 4


@pytest.mark.parametrize(
    ("size_bytes", "backing", "pages"), [(1, BASE, 1), (4097, BASE, 2), (1, HUGE, 4), (16385, HUGE, 8)]
)
def test_a_size_is_rounded_up_to_whole_leafs(size_bytes: int, backing: Backing, pages: int):
    kernel = boot()
    process, _ = kernel.spawn()

    vma, work = kernel.mmap(process, size_bytes, backing, at_page=0)

    assert (vma.first, vma.pages, vma.level) == (0, pages, 2 if backing is HUGE else 1)
    assert work == Work(mappings=1)


def test_a_mapping_without_a_place_comes_after_the_last_aligned_to_its_leaf():
    kernel = boot(geometry=PAGINGS["x86-64"])
    process, _ = kernel.spawn()

    places = [kernel.mmap(process, 3 * PAGE, backing)[0].first for backing in (BASE, BASE, huge_2m())]

    assert places == [1 << 28, (1 << 28) + 3, (1 << 28) + 512]


def huge_2m() -> Backing:
    return Backing("hugetlb", 2 << 20)


def test_mappings_are_kept_in_the_order_of_their_pages():
    kernel, parent, _ = scene(pages=2, at_page=8)

    for place in (20, 0, 12):
        kernel.mmap(parent, PAGE, at_page=place)

    assert [vma.first for vma in parent.memory.vmas] == [0, 8, 12, 20]


@pytest.mark.parametrize("page", range(12))
def test_a_page_is_found_in_the_mapping_that_has_it_and_in_no_other(page: int):
    kernel, parent, low = scene(pages=2, at_page=1)
    high, _ = kernel.mmap(parent, 4 * PAGE, at_page=5)
    expected = {1: low, 2: low, 5: high, 6: high, 7: high, 8: high}

    assert parent.memory.find(page) is expected.get(page)


@pytest.mark.parametrize(
    ("at_page", "pages", "backing", "text"),
    [
        (3, 1, BASE, "mmap of pages 0x3 to 0x3: something is mapped there already"),
        (0, 2, BASE, "mmap of pages 0x0 to 0x1: something is mapped there already"),
        (0, 9, BASE, "mmap of pages 0x0 to 0x8: something is mapped there already"),
        (6, 4, HUGE, "mmap of pages 0x6 to 0x9: expected a start aligned to 4 pages"),
        (60, 5, BASE, "mmap of pages 0x3c to 0x40: outside the 64 pages of toy"),
        (-1, 1, BASE, "mmap of pages -0x1 to -0x1: outside the 64 pages of toy"),
    ],
)
def test_a_place_that_is_taken_not_aligned_or_outside_is_refused(
    at_page: int, pages: int, backing: Backing, text: str
):
    kernel, parent, _ = scene(pages=3, at_page=1)
    before = state(kernel)

    with pytest.raises(SimulationError) as caught:
        kernel.mmap(parent, pages * PAGE, backing, at_page=at_page)

    assert str(caught.value) == text
    assert state(kernel) == before


@pytest.mark.parametrize("size_bytes", [0, -4096])
def test_a_mapping_without_a_byte_is_refused(size_bytes: int):
    kernel, parent, _ = scene()

    with pytest.raises(ConfigError) as caught:
        kernel.mmap(parent, size_bytes, at_page=32)

    assert str(caught.value) == f"mmap: expected a size of at least one byte, got {size_bytes}"


def test_a_leaf_that_the_paging_does_not_know_is_refused_with_those_it_knows():
    kernel = boot(geometry=PAGINGS["arm64-16k"])
    process, _ = kernel.spawn()

    with pytest.raises(ConfigError) as caught:
        kernel.mmap(process, PAGE, huge_2m())

    assert str(caught.value) == (
        "backing: arm64-16k has no leaf of 2 MiB; it has 'base' and 'hugetlb 32 MiB'"
    )


def test_a_size_alone_is_no_backing_and_the_message_names_the_choices():
    with pytest.raises(ConfigError) as caught:
        parse_backing("2MiB")

    assert str(caught.value).startswith(
        "expected a backing, got only the size '2MiB'; pages of one size behave"
    )
    assert "'base'" in str(caught.value) and "'hugetlb 2 MiB'" in str(caught.value)


@pytest.mark.parametrize("text", ["base", "hugetlb 2 MiB", "hugetlb 1 GiB"])
def test_a_backing_is_written_as_it_is_read(text: str):
    assert str(parse_backing(text)) == text


# ----------------------------------------------------------------------- touch
def test_a_permitted_write_marks_the_entry_accessed_and_dirty():
    kernel, parent, heap = scene(pages=2)
    for slot in (parent.memory.page_table.walk(page) for page in (0, 1)):
        kernel.arena.words[slot] &= ~(ACCESSED | DIRTY)

    permitted = kernel.touch(parent, heap.first, write=True)

    assert permitted
    assert dirty(kernel, parent, heap) == [True, False]
    assert [bool(word & ACCESSED) for word in words(kernel, parent, heap)] == [True, False]


def test_a_permitted_read_marks_the_entry_accessed_only():
    kernel, parent, heap = scene(pages=1)
    child, _ = kernel.fork(parent)

    permitted = kernel.touch(child, heap.first, write=False)

    assert permitted
    assert [word & (PRESENT | ACCESSED | DIRTY) for word in words(kernel, child, heap)] == [
        PRESENT | ACCESSED
    ]


def test_an_access_that_is_refused_changes_nothing():
    kernel, parent, heap = scene(pages=1)
    child, _ = kernel.fork(parent)
    before = state(kernel)

    assert not kernel.touch(child, heap.first, write=True)
    assert not kernel.touch(child, 40, write=False)

    assert state(kernel) == before


@pytest.mark.parametrize("page", [64, 64 + 1, -64, 1 << 40])
def test_a_page_beyond_the_address_space_does_not_wrap_around_to_a_mapped_one(page: int):
    kernel, parent, _ = scene(pages=4)

    assert not kernel.touch(parent, page, write=False)
    with pytest.raises(SegmentationFault):
        kernel.read(parent, page)


# -------------------------------------------------------------------- populate
def test_populating_writes_every_page_that_has_no_entry_yet():
    kernel, parent, heap = scene(pages=6, populated=False)
    kernel.write(parent, heap.first + 2)

    work = kernel.populate(parent, heap)

    assert work == Work(traps=5, allocations=5, zeroed_bytes=5 * PAGE, pte_tables=1)
    assert picture(kernel, parent, heap) == [MINE] * 6
    assert frames(kernel, parent, heap) == [2, 3, 1, 4, 5, 6]
    assert parent.faults == {"zero_fill": 6}


def test_populating_costs_what_as_many_first_writes_cost():
    kernel, parent, heap = scene(pages=6, populated=False)
    other, process, same = scene(pages=6, populated=False)

    at_once = kernel.populate(parent, heap)
    one_by_one = sum((other.write(process, page) for page in range(6)), NOTHING)

    assert at_once + Work(hits=6) == one_by_one
    assert picture(kernel, parent, heap) == picture(other, process, same)


def test_populating_some_pages_counts_each_once_in_any_order():
    kernel, parent, heap = scene(pages=6, populated=False)

    work = kernel.populate(parent, heap, np.array([5, 1, 5]))

    assert work.traps == 2
    assert picture(kernel, parent, heap) == ["none", MINE, "none", "none", "none", MINE]


def test_populating_huge_pages_takes_any_page_of_each():
    kernel, parent, heap = scene(pages=8, backing=HUGE, populated=False)

    work = kernel.populate(parent, heap, np.array([5, 6]))

    assert (work.traps, work.zeroed_bytes) == (1, 4 * PAGE)
    assert picture(kernel, parent, heap) == ["none", MINE]
    assert parent.faults == {"htlb_fill": 1}


def test_populating_shared_memory_fills_the_object():
    kernel, parent, heap = scene(pages=3, shared=True)

    assert heap.object is not None
    assert heap.object.pfns.tolist() == frames(kernel, parent, heap) == [1, 2, 3]
    assert parent.faults == {"shared_map": 3}


@pytest.mark.parametrize("pages", [[], [0]])
def test_populating_what_needs_no_page_makes_fork_copy_nothing(pages: list[int]):
    kernel, parent, heap = scene(pages=2, populated=False)
    kernel.read(parent, heap.first)

    work = kernel.populate(parent, heap, np.array(pages, np.int64))

    assert work == NOTHING
    assert kernel.fork(parent)[1].pte_entries == 0


@pytest.mark.parametrize("frames_there", [3 + 5, 4 + 5])
def test_populating_more_than_fits_leaves_everything_as_it_was(frames_there: int):
    kernel, parent, heap = scene(pages=6, frames=frames_there, populated=False)
    before = state(kernel)

    with pytest.raises(OutOfMemory):
        kernel.populate(parent, heap)

    assert state(kernel) == before


@pytest.mark.parametrize("pages", [[4], [-1, 2], [3, 9]])
def test_pages_outside_the_mapping_are_not_populated(pages: list[int]):
    kernel, parent, heap = scene(pages=4, populated=False)
    kernel.mmap(parent, 8 * PAGE, at_page=4)
    before = state(kernel)

    with pytest.raises(SimulationError) as caught:
        kernel.populate(parent, heap, np.array(pages))

    assert str(caught.value) == "process 1 populates pages that are not all in that mapping"
    assert state(kernel) == before


def test_a_child_may_name_its_mapping_by_that_of_its_parent():
    kernel, parent, heap = scene(pages=4)
    child, _ = kernel.fork(parent)

    kernel.munmap(child, heap, 0, 2)

    assert [(vma.first, vma.pages) for vma in child.memory.vmas] == [(2, 2)]
    assert parent.memory.vmas == [heap]


# ------------------------------------------------------------------ exec, exit
def test_exec_replaces_the_memory_of_a_process_and_keeps_the_process():
    kernel, parent, _ = scene(pages=6)

    work = kernel.exec(parent)

    gone = Work(drops=6, drop_jumps=1, table_frees=3, frees=6, freed_bytes=6 * PAGE)
    assert work == Work(execs=1, pgd_tables=1) + gone
    assert (parent.pid, parent.memory.vmas) == (1, [])
    assert (kernel.frames.used, kernel.frames.table_pages) == (0, 1)


def test_exec_of_a_child_gives_the_parent_its_memory_alone():
    kernel, parent, heap = scene(pages=2)
    child, _ = kernel.fork(parent)

    kernel.exec(child)

    assert picture(kernel, parent, heap) == ["[present] sharers 1"] * 2
    assert child.parent is parent


def test_the_child_of_vfork_has_the_memory_of_its_parent_and_not_a_copy():
    kernel, parent, heap = scene(pages=4)

    child, work = kernel.vfork(parent)
    kernel.write(child, heap.first)

    assert work == Work(threads=1)
    assert child.memory is parent.memory
    assert picture(kernel, parent, heap) == ["[present, write] sharers 1"] * 4
    assert child.faults.total() == 0


@pytest.mark.parametrize("verb", ["exit", "exec"])
def test_the_child_of_vfork_takes_nothing_with_it(verb: str):
    kernel, parent, heap = scene(pages=4)
    child, _ = kernel.vfork(parent)

    work = getattr(kernel, verb)(child)

    assert (work.drops, work.frees) == (0, 0)
    assert picture(kernel, parent, heap) == ["[present, write] sharers 1"] * 4
    kernel.exit(parent)
    assert kernel.frames.used == 0


def test_a_frame_whose_last_sharers_have_one_memory_is_flipped_once():
    kernel, parent, heap = scene(pages=1, policy="cow-eager-flip")
    child, _ = kernel.fork(parent)
    kernel.mprotect(parent, heap.first, 1, "r")
    kernel.vfork(parent)

    assert kernel.exit(child).flips == 1


def test_a_child_that_exited_stays_until_its_parent_waits():
    kernel, parent, _ = scene()
    child, _ = kernel.fork(parent)

    kernel.exit(child)
    zombie = (list(kernel.processes), [process.pid for process in kernel.alive])
    work = kernel.wait(parent, child)

    assert zombie == ([1, 2], [1])
    assert work == Work(waits=1)
    assert (list(kernel.processes), parent.children) == ([1], [])


def test_the_children_of_a_process_that_exits_have_no_parent_and_leave_without_a_wait():
    kernel, parent, _ = scene()
    running, _ = kernel.fork(parent)
    exited, _ = kernel.fork(parent)
    kernel.exit(exited)

    kernel.exit(parent)
    orphans = (running.parent, list(kernel.processes))
    kernel.exit(running)

    assert orphans == (None, [2])
    assert list(kernel.processes) == []


def test_waiting_for_a_child_that_runs_is_refused():
    kernel, parent, _ = scene()
    child, _ = kernel.fork(parent)

    with pytest.raises(SimulationError) as caught:
        kernel.wait(parent, child)

    assert str(caught.value) == "process 1 waits for process 2, which is still running"


def test_waiting_for_a_process_that_is_no_child_is_refused():
    kernel, parent, _ = scene()
    child, _ = kernel.fork(parent)

    with pytest.raises(SimulationError) as caught:
        kernel.wait(child, parent)

    assert str(caught.value) == "process 2 waits for process 1, which is not its child"


@pytest.mark.parametrize("verb", ["fork", "exec", "exit", "spawn"])
def test_a_process_that_has_exited_can_do_nothing(verb: str):
    kernel, parent, _ = scene()
    kernel.exit(parent)

    with pytest.raises(SimulationError) as caught:
        getattr(kernel, verb)(parent)

    assert str(caught.value) == "process 1 has exited: it can do nothing more"


# ------------------------------------------------------------------ accounting
def test_what_two_processes_share_counts_half_for_each():
    kernel, parent, heap = scene(pages=4)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)
    kernel.write(child, heap.first + 1)
    kernel.munmap(parent, heap, 0, 1)

    of_parent, of_child = usage(kernel, parent), usage(kernel, child)

    assert of_parent == Usage(1, 3, 3 * PAGE, 2.0 * PAGE, 1 * PAGE, 2 * PAGE, 3 * PAGE)
    assert of_child == Usage(2, 4, 4 * PAGE, 3.0 * PAGE, 2 * PAGE, 2 * PAGE, 3 * PAGE)
    assert of_parent.pss_bytes + of_child.pss_bytes == kernel.frames.used * PAGE


def test_the_zero_frame_counts_for_nobody():
    kernel, parent, heap = scene(pages=2, populated=False)
    kernel.read(parent, heap.first)

    of_parent = usage(kernel, parent)

    assert (of_parent.entries, of_parent.rss_bytes, of_parent.pss_bytes) == (0, 0, 0.0)


def test_a_huge_page_is_one_entry_and_all_of_its_bytes():
    kernel, parent, _ = scene(pages=8, backing=HUGE)

    of_parent = usage(kernel, parent)

    assert (of_parent.entries, of_parent.rss_bytes, of_parent.uss_bytes) == (2, 8 * PAGE, 8 * PAGE)


def test_frames_of_a_shared_object_that_nothing_maps_are_cache():
    kernel, parent, heap = scene(pages=4, shared=True)

    kernel.munmap(parent, heap, 1, 3)

    assert unmapped_cache_bytes(kernel) == 3 * PAGE
    assert usage(kernel, parent).pss_bytes == PAGE


def test_an_object_that_two_processes_refer_to_is_counted_once():
    kernel, parent, heap = scene(pages=4, shared=True)
    kernel.fork(parent)

    kernel.munmap(parent, heap, 0, 3)

    assert unmapped_cache_bytes(kernel) == 3 * PAGE


def test_memory_is_counted_again_when_a_process_of_the_family_copies_or_ends():
    kernel, parent, heap = scene(pages=4)
    child, _ = kernel.fork(parent)

    together = usage(kernel, parent)
    kernel.write(child, heap.first)
    apart = usage(kernel, parent)
    kernel.exit(child)
    alone = usage(kernel, parent)

    assert [one.pss_bytes / PAGE for one in (together, apart, alone)] == [2.0, 2.5, 4.0]


def test_memory_is_not_counted_again_when_only_others_change_theirs():
    kernel, parent, _ = scene(pages=4)
    child, _ = kernel.fork(parent)
    kernel.exec(child)
    before = usage(kernel, parent)

    other, _ = kernel.mmap(child, 2 * PAGE, at_page=0)
    kernel.populate(child, other)
    kernel.fork(child)

    assert usage(kernel, parent) is before


# ------------------------------------------------------------------------ work
def test_work_adds_up_field_by_field():
    total = Work(traps=1, copied_bytes=4096) + Work(traps=2, flips=1)

    assert total == Work(traps=3, copied_bytes=4096, flips=1)
