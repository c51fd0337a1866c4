"""A hugetlb pool of limited size: for whom its pages are kept, and what happens when none is left."""

import numpy as np
import pytest

from cowmodel.errors import BusError, OutOfMemory
from cowmodel.kernel.hugetlb import Pool
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.work import Work
from tests.toy import HUGE, PAGE, Scene, boot, frames, picture, state

LEAF = 4  # pages
MINE, OURS, LEFT, NONE = "[present, write] sharers 1", "[present] sharers 2", "[present] sharers 1", "none"


def scene(pool: int, leafs: int = 2, shared: bool = False, policy: str = "cow-flip") -> Scene:
    """Return a process with a mapping of huge pages, none of them touched."""
    kernel = boot(40, policy)
    kernel.hugetlb = Pool(pool)
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, leafs * LEAF * PAGE, HUGE, shared, at_page=0)
    return Scene(kernel, parent, heap)


def pool(kernel: Kernel) -> tuple[int, int]:
    """Return how many pages are free, and how many are kept for somebody."""
    return kernel.hugetlb.free, kernel.hugetlb.reserved


# ---------------------------------------------------------------- kept for whom
@pytest.mark.parametrize("shared", [False, True])
def test_a_mapping_keeps_a_page_for_each_leaf_and_a_first_touch_takes_it(shared: bool):
    kernel, parent, heap = scene(pool=3, shared=shared)
    assert pool(kernel) == (3, 2)

    kernel.write(parent, heap.first)

    assert pool(kernel) == (2, 1)


@pytest.mark.parametrize("shared", [False, True])
def test_a_mapping_for_which_too_few_are_free_for_anybody_is_refused(shared: bool):
    kernel, parent, _ = scene(pool=3)
    before = state(kernel)

    with pytest.raises(OutOfMemory, match="expected 2 pages to reserve, found 3 free, 2 of them reserved"):
        kernel.mmap(parent, 2 * LEAF * PAGE, HUGE, shared, at_page=16)

    assert (state(kernel), pool(kernel)) == (before, (3, 2))


def test_a_kernel_without_a_pool_of_its_own_has_one_that_never_gets_empty():
    kernel = boot(40)
    parent, _ = kernel.spawn()

    kernel.mmap(parent, 64 * PAGE, HUGE, at_page=0)

    assert kernel.hugetlb.free > 1 << 50


def test_a_child_takes_pages_that_are_kept_for_nobody():
    kernel, parent, heap = scene(pool=3)
    child, _ = kernel.fork(parent)

    kernel.write(child, heap.first)

    assert pool(kernel) == (2, 2)


def test_a_child_gets_a_bus_error_where_all_free_pages_are_kept_and_no_fault_is_counted():
    kernel, parent, heap = scene(pool=2)
    child, _ = kernel.fork(parent)

    with pytest.raises(BusError, match="expected a page for anybody, found 2 free, 2 of them reserved"):
        kernel.write(child, heap.first)

    assert child.faults.total() == 0
    assert pool(kernel) == (2, 2)


def test_a_fault_that_ends_in_a_bus_error_leaves_the_tables_that_it_made():
    kernel, parent, heap = scene(pool=2)
    child, _ = kernel.fork(parent)

    with pytest.raises(BusError):
        kernel.read(child, heap.first)

    assert child.memory.page_table.tables == [0, 0, 1, 1]


def test_a_copy_by_the_owner_leaves_what_is_kept_for_it_alone():
    kernel, parent, heap = scene(pool=3)
    kernel.write(parent, heap.first)
    kernel.fork(parent)

    kernel.write(parent, heap.first)

    assert pool(kernel) == (1, 1)


def test_pages_of_a_shared_mapping_are_kept_for_whoever_comes_first():
    kernel, parent, heap = scene(pool=2, shared=True)
    child, _ = kernel.fork(parent)

    kernel.write(child, heap.first)

    assert pool(kernel) == (1, 1)


def test_a_childs_own_mapping_is_kept_for_the_child():
    kernel, parent, _ = scene(pool=3)
    child, _ = kernel.fork(parent)

    own, _ = kernel.mmap(child, LEAF * PAGE, HUGE, at_page=16)
    kernel.write(child, own.first)

    assert pool(kernel) == (2, 2)


# ------------------------------------------------------------------ the empty pool
def emptied() -> Scene:
    """Return an owner of two pages that it wrote, with a child that shares them, and an empty pool."""
    kernel, parent, heap = scene(pool=2)
    for page in (0, LEAF):
        kernel.write(parent, heap.first + page)
    kernel.fork(parent)
    return Scene(kernel, parent, heap)


def test_a_child_cannot_copy_out_of_an_empty_pool():
    kernel, parent, heap = emptied()
    child = parent.children[0]

    with pytest.raises(BusError):
        kernel.write(child, heap.first)

    assert picture(kernel, child, heap) == [OURS, OURS]


def test_the_owner_takes_the_page_from_its_child_and_flips():
    kernel, parent, heap = emptied()
    child, before = parent.children[0], frames(kernel, parent, heap)

    fault = kernel.fault(parent, heap.first, write=True)

    assert (fault.kind, fault.work) == ("htlb_reuse", Work(traps=1, flips=1, large_drops=1, invalidations=1))
    assert picture(kernel, parent, heap) == [MINE, OURS]
    assert picture(kernel, child, heap) == [NONE, OURS]
    assert frames(kernel, parent, heap) == before


def test_a_page_is_taken_from_all_descendants_that_map_it_and_not_from_one_that_has_a_copy():
    kernel, parent, heap = scene(pool=2, leafs=1)
    kernel.write(parent, heap.first)
    child, _ = kernel.fork(parent)
    grandchild, _ = kernel.fork(child)
    writer, _ = kernel.fork(parent)
    kernel.write(writer, heap.first)

    kernel.write(parent, heap.first)

    assert [picture(kernel, process, heap) for process in (parent, child, grandchild, writer)] == [
        [MINE],
        [NONE],
        [NONE],
        [MINE],
    ]


def test_a_child_that_lost_a_page_gets_no_other_in_that_mapping_even_when_there_are_free_ones():
    kernel, parent, heap = scene(pool=2)
    kernel.write(parent, heap.first)
    child, _ = kernel.fork(parent)
    kernel.write(parent, heap.first + LEAF)
    kernel.write(parent, heap.first)
    kernel.munmap(parent, heap)
    assert pool(kernel) == (2, 0)

    for page in (0, LEAF):
        with pytest.raises(BusError, match="a page was taken from this mapping"):
            kernel.read(child, heap.first + page)


def test_a_child_of_a_child_that_lost_a_page_may_have_others():
    kernel, parent, heap = scene(pool=1, leafs=1)
    kernel.write(parent, heap.first)
    child, _ = kernel.fork(parent)
    kernel.write(parent, heap.first)
    kernel.munmap(parent, heap)
    grandchild, _ = kernel.fork(child)

    kernel.write(grandchild, heap.first)

    assert picture(kernel, grandchild, heap) == [MINE]


def test_populating_as_far_as_the_pool_goes_keeps_what_was_populated():
    kernel, parent, heap = scene(pool=3)
    child, _ = kernel.fork(parent)

    with pytest.raises(BusError):
        kernel.madvise(child, heap.first, heap.pages, "populate_write")

    assert picture(kernel, child, heap) == [MINE, NONE]
    assert child.faults == {"htlb_fill": 1}


def test_loading_a_heap_takes_all_of_its_pages_or_none():
    kernel, parent, heap = scene(pool=3)
    child, _ = kernel.fork(parent)

    with pytest.raises(BusError):
        kernel.populate(child, heap)
    assert (picture(kernel, child, heap), pool(kernel)) == ([NONE, NONE], (3, 2))

    kernel.populate(parent, heap, np.array([heap.first]))
    assert pool(kernel) == (2, 1)
    kernel.populate(parent, heap)
    assert pool(kernel) == (1, 0)


def test_a_child_that_gets_copies_at_once_takes_them_at_fork_or_is_not_made():
    kernel, parent, heap = scene(pool=3, policy="eager")
    kernel.populate(parent, heap)

    with pytest.raises(OutOfMemory, match="hugetlb pool: expected 2 pages for anybody, found 1 free"):
        kernel.fork(parent)
    assert parent.children == []

    kernel.munmap(parent, heap, LEAF, LEAF)
    kernel.fork(parent)
    assert pool(kernel) == (1, 0)


# ------------------------------------------------------------------- giving back
@pytest.mark.parametrize("touched", [0, 1, 2])
@pytest.mark.parametrize("shared", [False, True])
def test_a_mapping_that_is_gone_gives_back_its_pages_and_what_was_kept(touched: int, shared: bool):
    kernel, parent, heap = scene(pool=3, shared=shared)
    for page in range(touched):
        kernel.write(parent, heap.first + page * LEAF)

    kernel.munmap(parent, heap)

    assert pool(kernel) == (3, 0)


def test_a_part_of_a_private_mapping_that_is_unmapped_is_no_longer_kept():
    kernel, parent, heap = scene(pool=3)

    kernel.munmap(parent, heap, 0, LEAF)

    assert pool(kernel) == (3, 1)


def test_a_shared_object_keeps_its_pages_until_its_last_mapping_is_gone():
    kernel, parent, heap = scene(pool=3, shared=True)
    kernel.write(parent, heap.first)
    child, _ = kernel.fork(parent)

    kernel.munmap(parent, heap)
    assert pool(kernel) == (2, 1)
    kernel.exit(child)
    assert pool(kernel) == (3, 0)


def test_a_page_that_the_owner_drops_is_kept_for_it_again():
    kernel, parent, heap = scene(pool=2)
    kernel.write(parent, heap.first)

    kernel.madvise(parent, heap.first, LEAF, "dontneed")

    assert pool(kernel) == (2, 2)


def test_a_page_that_a_child_drops_is_kept_for_nobody():
    kernel, parent, heap = scene(pool=3)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)

    kernel.exit(child)

    assert pool(kernel) == (3, 2)


def test_a_dropped_page_that_a_child_still_maps_is_kept_again_when_the_child_drops_it():
    kernel, parent, heap = scene(pool=2, leafs=1)
    kernel.write(parent, heap.first)
    child, _ = kernel.fork(parent)

    kernel.madvise(parent, heap.first, LEAF, "dontneed")
    kernel.write(parent, heap.first)
    assert pool(kernel) == (0, -1)
    kernel.exit(child)

    assert pool(kernel) == (1, 0)


def test_an_owner_whose_page_the_child_holds_finds_no_other_in_an_empty_pool():
    kernel, parent, heap = scene(pool=1, leafs=1)
    kernel.write(parent, heap.first)
    kernel.fork(parent)
    kernel.madvise(parent, heap.first, LEAF, "dontneed")

    with pytest.raises(BusError):
        kernel.read(parent, heap.first)


def test_a_page_that_was_taken_too_late_goes_back():
    kernel, parent, heap = scene(pool=2)
    first, second = (kernel.begin_fault(parent, heap.first, write=True) for _ in range(2))

    assert kernel.commit_fault(parent, first).kind == "htlb_fill"  # type: ignore[arg-type]
    assert kernel.commit_fault(parent, second).kind == "late"  # type: ignore[arg-type]

    assert pool(kernel) == (1, 1)
