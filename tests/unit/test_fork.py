"""Fork before and after: what parent and child map, with which rights, and what it took."""

import numpy as np
import pytest

from cowmodel.errors import OutOfMemory
from cowmodel.hardware.paging import ACCESSED, DIRTY, SAVED_DIRTY
from cowmodel.kernel.work import Work
from tests.toy import HUGE, PAGE, boot, dirty, frames, picture, scene, state, words

MINE, OURS = "[present, write] sharers 1", "[present] sharers 2"

sharing = pytest.mark.parametrize("policy", ["cow", "cow-flip", "cow-eager-flip"])
policies = pytest.mark.parametrize("policy", ["eager", "cow", "cow-flip", "cow-eager-flip"])


# ------------------------------------------------------------------- share
@sharing
def test_fork_makes_both_sides_read_only_and_shares_the_frames(policy: str):
    kernel, parent, heap = scene(pages=6, policy=policy)
    before = picture(kernel, parent, heap)

    child, _ = kernel.fork(parent)

    assert before == [MINE] * 6
    assert picture(kernel, parent, heap) == [OURS] * 6
    assert picture(kernel, child, heap) == [OURS] * 6
    assert frames(kernel, child, heap) == frames(kernel, parent, heap) == [1, 2, 3, 4, 5, 6]


def test_fork_that_shares_takes_only_table_pages():
    kernel, parent, _ = scene(pages=6)
    used = kernel.frames.used

    _, work = kernel.fork(parent)

    assert kernel.frames.used == used
    tables = Work(pgd_tables=1, pmd_tables=1, pte_tables=2, scans=2)
    entries = Work(pte_entries=6, protections=6, entry_jumps=1)
    assert work == Work(forks=1, flushes=1, vmas=1) + tables + entries
    assert kernel.frames.table_pages == 2 * 4


def test_each_fork_adds_a_sharer():
    kernel, parent, heap = scene(pages=2)
    child, _ = kernel.fork(parent)

    grandchild, _ = kernel.fork(child)

    assert [picture(kernel, p, heap) for p in (parent, child, grandchild)] == [
        ["[present] sharers 3"] * 2
    ] * 3
    assert kernel.frames.sharers.tolist() == [0, 3, 3] + [0] * 22


def test_pages_that_were_never_touched_stay_without_entry_on_both_sides():
    kernel, parent, heap = scene(pages=6, populated=False)
    kernel.populate(parent, heap, heap.first + np.array([1, 4]))

    child, work = kernel.fork(parent)

    assert picture(kernel, parent, heap) == ["none", OURS, "none", "none", OURS, "none"]
    assert picture(kernel, child, heap) == picture(kernel, parent, heap)
    assert work.pte_entries == 2


def test_the_child_has_a_table_only_where_the_parent_has_one():
    kernel, parent, heap = scene(pages=64, populated=False)
    kernel.populate(parent, heap, np.array([0, 63]))

    child, work = kernel.fork(parent)

    assert (work.pte_tables, work.pmd_tables, work.pgd_tables) == (2, 2, 1)
    assert child.memory.page_table.tables == parent.memory.page_table.tables == [0, 2, 2, 1]


def test_two_mappings_that_share_a_table_get_one_table_in_the_child():
    kernel, parent, low = scene(pages=2)
    high, _ = kernel.mmap(parent, 2 * PAGE, at_page=2)
    kernel.populate(parent, high)

    child, work = kernel.fork(parent)

    assert (work.vmas, work.pte_tables, work.pte_entries) == (2, 1, 4)
    assert picture(kernel, child, low) == picture(kernel, child, high) == [OURS] * 2


def test_the_child_has_accessed_nothing_yet():
    kernel, parent, heap = scene(pages=2)

    child, _ = kernel.fork(parent)

    assert [bool(word & ACCESSED) for word in words(kernel, parent, heap)] == [True, True]
    assert [bool(word & ACCESSED) for word in words(kernel, child, heap)] == [False, False]


def test_a_dirty_page_stays_dirty_in_software_on_both_sides():
    kernel, parent, heap = scene(pages=1)

    child, _ = kernel.fork(parent)

    assert [words(kernel, process, heap)[0] & (DIRTY | SAVED_DIRTY) for process in (parent, child)] == [
        SAVED_DIRTY
    ] * 2


def test_the_child_has_the_mappings_of_the_parent():
    kernel, parent, _ = scene(pages=2)
    kernel.mmap(parent, 4 * PAGE, at_page=10)

    child, _ = kernel.fork(parent)

    assert [(vma.first, vma.pages) for vma in child.memory.vmas] == [(0, 2), (10, 4)]
    assert not set(map(id, child.memory.vmas)) & set(map(id, parent.memory.vmas))


def test_forking_a_process_that_maps_nothing_takes_a_root():
    kernel = boot()
    parent, _ = kernel.spawn()

    _, work = kernel.fork(parent)

    assert work == Work(forks=1, flushes=1, pgd_tables=1)
    assert (kernel.frames.used, kernel.frames.table_pages) == (0, 2)


@policies
def test_parent_and_child_know_each_other(policy: str):
    kernel, parent, _ = scene(policy=policy)

    child, _ = kernel.fork(parent)

    assert (child.pid, child.parent, parent.children) == (2, parent, [child])


# ------------------------------------------------------------------- eager
def test_an_eager_fork_leaves_the_parent_as_it_is_and_gives_the_child_frames_of_its_own():
    kernel, parent, heap = scene(pages=3, policy="eager")

    child, _ = kernel.fork(parent)

    assert picture(kernel, parent, heap) == picture(kernel, child, heap) == [MINE] * 3
    assert (frames(kernel, parent, heap), frames(kernel, child, heap)) == ([1, 2, 3], [4, 5, 6])
    assert kernel.frames.sharers.tolist() == [0] + [1] * 6 + [0] * 18


def test_an_eager_fork_copies_every_resident_page_whole():
    kernel, parent, heap = scene(pages=6, policy="eager", populated=False)
    kernel.populate(parent, heap, np.array([0, 1, 5]))

    _, work = kernel.fork(parent)

    assert work == Work(
        forks=1,
        flushes=1,
        vmas=1,
        pgd_tables=1,
        pmd_tables=1,
        pte_tables=2,
        scans=2,
        pte_entries=3,
        allocations=3,
        copied_bytes=3 * PAGE,
    )


def test_the_pages_of_an_eager_child_are_dirty():
    kernel, parent, heap = scene(pages=2, policy="eager")

    child, _ = kernel.fork(parent)

    assert dirty(kernel, child, heap) == [True, True]


# ----------------------------------------------------------- not copied at fork
@policies
def test_a_mapping_with_only_zero_page_reads_is_not_copied_at_fork(policy: str):
    kernel, parent, heap = scene(pages=2, policy=policy, populated=False)
    kernel.read(parent, heap.first)

    child, work = kernel.fork(parent)

    assert picture(kernel, parent, heap) == ["[present, special]", "none"]
    assert picture(kernel, child, heap) == ["none", "none"]
    assert work == Work(forks=1, flushes=1, vmas=1, pgd_tables=1)


@policies
def test_one_written_page_makes_fork_copy_the_zero_pages_of_its_mapping_too(policy: str):
    kernel, parent, heap = scene(pages=2, policy=policy, populated=False)
    kernel.read(parent, heap.first)
    kernel.write(parent, heap.first + 1)

    child, work = kernel.fork(parent)

    assert picture(kernel, child, heap)[0] == picture(kernel, parent, heap)[0] == "[present, special]"
    assert work.pte_entries == 2
    assert kernel.frames.sharers[0] == 0


@policies
def test_shared_memory_is_not_copied_at_fork_and_stays_writable(policy: str):
    kernel, parent, heap = scene(pages=2, policy=policy, shared=True)

    child, work = kernel.fork(parent)

    assert picture(kernel, parent, heap) == [MINE] * 2
    assert picture(kernel, child, heap) == ["none"] * 2
    assert (work.pte_entries, work.copied_bytes) == (0, 0)


def test_parent_and_child_refer_to_the_same_shared_object():
    kernel, parent, heap = scene(pages=2, shared=True)

    child, _ = kernel.fork(parent)

    assert heap.object is not None
    assert child.memory.vmas[0].object is heap.object
    assert heap.object.mappings == 2


# ----------------------------------------------------------------- huge pages
def test_a_huge_page_is_one_entry_of_a_table_of_level_2():
    kernel, parent, heap = scene(pages=8, backing=HUGE)

    child, work = kernel.fork(parent)

    assert picture(kernel, parent, heap) == picture(kernel, child, heap) == [OURS] * 2
    entries = Work(pmd_entries=2, large_protections=2)
    assert work == Work(forks=1, flushes=1, vmas=1, pgd_tables=1, pmd_tables=1) + entries


def test_an_eager_fork_copies_huge_pages_whole():
    kernel, parent, heap = scene(pages=8, policy="eager", backing=HUGE)

    child, work = kernel.fork(parent)

    assert (work.allocations, work.copied_bytes) == (2, 8 * PAGE)
    assert picture(kernel, child, heap) == [MINE] * 2
    assert not set(frames(kernel, parent, heap)) & set(frames(kernel, child, heap))


# ------------------------------------------------------------- out of memory
@pytest.mark.parametrize(
    ("policy", "missing", "tables"), [("cow-flip", 1, 4), ("eager", 1, 4 + 6), ("eager", 6, 4 + 6)]
)
def test_a_fork_that_lacks_a_frame_leaves_everything_as_it_was(policy: str, missing: int, tables: int):
    kernel, parent, _ = scene(pages=6, policy=policy, frames=4 + 6 + tables - missing)
    before = state(kernel)

    with pytest.raises(OutOfMemory):
        kernel.fork(parent)

    assert state(kernel) == before
    assert parent.children == []


@pytest.mark.parametrize(("policy", "needed"), [("cow-flip", 4), ("eager", 4 + 6)])
def test_a_fork_that_has_just_enough_frames_succeeds(policy: str, needed: int):
    kernel, parent, heap = scene(pages=6, policy=policy, frames=4 + 6 + needed)

    child, _ = kernel.fork(parent)

    assert kernel.frames.free == 0
    assert len(picture(kernel, child, heap)) == 6


def test_an_eager_fork_without_a_run_of_frames_for_a_huge_page_leaves_everything_as_it_was():
    kernel, parent, _ = scene(pages=8, policy="eager", backing=HUGE, frames=17)
    before = state(kernel)

    with pytest.raises(OutOfMemory):
        kernel.fork(parent)

    assert state(kernel) == before
