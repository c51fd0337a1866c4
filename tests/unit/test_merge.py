"""Merged pages: several that are equal share a frame, which is copied by each who writes."""

import pytest

from cowmodel.errors import SegmentationFault, SimulationError
from cowmodel.kernel.accounting import usage
from cowmodel.kernel.backing import THP
from cowmodel.report.sharing import proportional_bytes, sharing_graph
from tests.toy import HUGE, PAGE, Scene, frames, picture, scene


def merged(pages: int = 4, **how: object) -> Scene:
    """Return a process whose heap is one frame."""
    made = scene(pages, **how)  # type: ignore[arg-type]
    made.kernel.merge(made.parent, made.heap.first, pages)
    return made


def test_pages_that_are_merged_share_a_frame_and_the_others_are_free():
    kernel, parent, heap = scene(4)

    work = kernel.merge(parent, heap.first, 4)

    assert picture(kernel, parent, heap) == ["[present] sharers 4"] * 4
    assert (kernel.frames.used, kernel.frames.total_sharers, work.frees) == (1, 4, 3)


def test_a_merge_writes_the_pages_first_and_so_copies_what_is_shared():
    kernel, parent, heap = scene(4, populated=False)
    kernel.write(parent, heap.first)
    child, _ = kernel.fork(parent)

    work = kernel.merge(child, heap.first, 3)

    assert (work.traps, work.hits, work.copied_bytes) == (3, 3, PAGE)
    assert picture(kernel, child, heap) == ["[present] sharers 3"] * 3 + ["none"]
    assert picture(kernel, parent, heap)[0] == "[present] sharers 1"


def test_a_page_by_itself_is_not_merged():
    kernel, parent, heap = scene(4)

    kernel.merge(parent, heap.first, 1)

    assert picture(kernel, parent, heap)[0] == "[present, write] sharers 1"


@pytest.mark.parametrize("policy", ["cow", "cow-flip", "cow-eager-flip"])
def test_every_write_to_a_merged_page_copies_even_the_last_ones(policy: str):
    kernel, parent, heap = merged(policy=policy)

    copied = [kernel.write(parent, vpn).copied_bytes for vpn in range(heap.first, heap.end)]

    assert copied == [PAGE] * 4
    assert parent.faults["cow_copy"] == 4
    assert (kernel.frames.used, kernel.frames.noted) == (4, False)


def test_fork_shares_merged_pages_and_all_four_copies_are_made():
    kernel, parent, heap = merged(2)

    child, work = kernel.fork(parent)

    assert work.copied_bytes == 0
    assert picture(kernel, child, heap) == ["[present] sharers 4"] * 2
    for process in (child, parent):
        for vpn in range(heap.first, heap.end):
            assert kernel.write(process, vpn).copied_bytes == PAGE


def test_an_eager_fork_gives_the_child_frames_of_its_own():
    kernel, parent, heap = merged(4, policy="eager")

    child, _ = kernel.fork(parent)

    assert len(set(frames(kernel, child, heap))) == 4


def test_rights_that_come_back_do_not_make_a_merged_page_writable():
    kernel, parent, heap = merged(2)
    kernel.mprotect(parent, heap.first, 2, "r")
    kernel.mprotect(parent, heap.first, 2, "rw")

    assert kernel.write(parent, heap.first).copied_bytes == PAGE


def test_a_frame_is_free_when_the_last_of_its_pages_is_gone():
    kernel, parent, heap = merged(4)

    assert kernel.munmap(parent, heap, 0, 3).frees == 0
    assert kernel.munmap(parent, parent.memory.vmas[0]).frees == 1
    assert (kernel.frames.used, kernel.frames.noted) == (0, False)


def test_a_merged_page_counts_in_proportion_to_all_that_map_it():
    kernel, parent, _ = merged(4)
    child, _ = kernel.fork(parent)

    used = usage(kernel, child)

    assert (used.rss_bytes, used.pss_bytes, used.uss_bytes) == (4 * PAGE, PAGE / 2, 0)
    assert proportional_bytes(kernel) == {parent.pid: PAGE / 2, child.pid: PAGE / 2}
    assert sharing_graph(kernel)[parent.pid][child.pid] == {"shared_bytes": PAGE}


def test_pages_that_may_not_be_written_are_not_merged():
    kernel, parent, heap = scene(4)
    kernel.mprotect(parent, heap.first + 2, 1, "r")

    with pytest.raises(SegmentationFault):
        kernel.merge(parent, heap.first, 4)

    assert len(set(frames(kernel, parent, heap))) == 4


@pytest.mark.parametrize("how", [{"backing": HUGE}, {"backing": THP}, {"shared": True}])
def test_only_private_base_pages_can_be_merged(how: dict[str, object]):
    kernel, parent, heap = scene(4, frames=40, **how)  # type: ignore[arg-type]

    with pytest.raises(SimulationError, match="expected private anonymous memory of base pages, got other"):
        kernel.merge(parent, heap.first, 4)


def test_pinned_pages_cannot_be_merged():
    kernel, parent, heap = scene(4)
    kernel.pin(parent, heap.first + 3, 1)

    with pytest.raises(SimulationError, match="expected pages that are not pinned, got one; unpin it before"):
        kernel.merge(parent, heap.first, 4)

    assert len(set(frames(kernel, parent, heap))) == 4


def test_a_mapping_is_cut_where_merging_begins_and_ends():
    kernel, parent, heap = scene(4)

    kernel.merge(parent, heap.first + 1, 2)

    assert [vma.pages for vma in parent.memory.vmas] == [1, 2, 1]


def test_merged_pages_that_move_are_parted_first_and_a_write_is_still_a_fault():
    kernel, parent, heap = merged(4)

    work = kernel.mremap(parent, heap.first, 4, heap.first + 16)

    assert (work.traps, work.copied_bytes, kernel.frames.used) == (4, 4 * PAGE, 4)
    assert parent.faults["cow_copy"] == 4
    assert kernel.fault(parent, heap.first + 16, write=True).kind == "cow_reuse"


def test_merged_pages_that_moved_are_writable_without_a_fault_once_rights_were_given_back():
    kernel, parent, heap = merged(2)
    kernel.mremap(parent, heap.first, 2, heap.first + 16)
    for rights in ("r", "rw"):
        kernel.mprotect(parent, heap.first + 16, 2, rights)

    assert kernel.touch(parent, heap.first + 16, write=True)
