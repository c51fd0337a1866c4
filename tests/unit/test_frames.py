"""Which frames are handed out, in which order, and when a demand is refused."""

from collections import Counter

import numpy as np
import pytest

from cowmodel.errors import OutOfMemory
from cowmodel.hardware.frames import FrameTable
from tests.toy import contents


def numbers(*pfns: int) -> np.ndarray:
    return np.array(pfns, np.int64)


def filled(total: int, count: int) -> FrameTable:
    """Return a table of which so many base frames are in use, each with one sharer."""
    table = FrameTable(total)
    table.share(table.allocate(count))
    return table


# ------------------------------------------------------------------ order
def test_base_frames_come_from_the_bottom_and_the_zero_frame_never():
    assert FrameTable(8).allocate(8).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_the_frame_that_was_freed_last_is_handed_out_first():
    table = filled(8, 5)

    table.release(numbers(2, 4))

    assert table.allocate(3).tolist() == [4, 2, 6]


def test_frames_of_several_releases_come_back_in_reverse():
    table = filled(8, 6)
    table.release(numbers(5))
    table.release(numbers(1, 3))

    assert table.allocate(1).tolist() == [3]
    assert table.allocate(2).tolist() == [1, 5]


def test_large_frames_come_from_the_top_and_are_aligned():
    assert FrameTable(19).allocate(3, 4).tolist() == [16, 12, 8]


def test_what_alignment_leaves_over_serves_as_base_frames():
    table = FrameTable(18)

    large = table.allocate(2, 4)

    assert large.tolist() == [12, 8]
    assert table.allocate(3).tolist() == [18, 17, 16]
    assert table.allocate(2).tolist() == [1, 2]


def test_a_larger_size_is_aligned_below_a_smaller_one():
    table = FrameTable(48)
    table.allocate(1, 4)

    larger = table.allocate(1, 16)

    assert larger.tolist() == [16]
    assert table.allocate(14).tolist() == [*range(43, 31, -1), 48, 1]


def test_a_freed_large_frame_is_handed_out_before_untouched_memory():
    table = FrameTable(20)
    table.allocate(2, 4)

    table.release(numbers(16), 4)

    assert table.allocate(2, 4).tolist() == [16, 8]


def test_a_freed_large_frame_stays_large():
    table = FrameTable(8)
    (large,) = table.allocate(1, 4).tolist()
    table.release(numbers(large), 4)

    with pytest.raises(OutOfMemory):
        table.require({1: 5})

    assert table.free == 8


def test_no_frame_is_handed_out_twice():
    rng = np.random.default_rng(1)
    table, mine = FrameTable(64), list[tuple[int, int]]()
    for _ in range(500):
        pages = int(rng.choice([1, 1, 1, 4]))
        if mine and rng.random() < 0.5:
            first, size = mine.pop(rng.integers(len(mine)))
            table.release(numbers(first), size)
        elif table.free >= 24:
            table.require({pages: 1})
            mine.append((int(table.allocate(1, pages)[0]), pages))
        held = Counter(pfn for first, size in mine for pfn in range(first, first + size))

        assert held.keys() <= set(range(1, 65))
        assert max(held.values(), default=1) == 1
        assert table.used == held.total()


# ---------------------------------------------------------------- require
def test_a_demand_that_memory_meets_exactly_is_granted():
    table = FrameTable(16)

    table.require({4: 3, 1: 4})

    assert table.allocate(3, 4).tolist() == [12, 8, 4]
    assert table.allocate(4).tolist() == [16, 1, 2, 3]


@pytest.mark.parametrize("demand", [{1: 17}, {4: 4}, {1: 5, 4: 3}, {1: 9, 4: 2}, {16: 1}])
def test_a_demand_is_refused_before_anything_changes(demand: dict[int, int]):
    table = FrameTable(16)
    before = contents(table)

    with pytest.raises(OutOfMemory):
        table.require(demand)

    assert contents(table) == before


def test_free_frames_that_are_no_aligned_run_do_not_make_a_large_frame():
    table = filled(10, 4)

    assert table.free == 6
    with pytest.raises(OutOfMemory):
        table.require({4: 1})


def test_freed_frames_serve_base_pages_but_not_large_ones():
    table = filled(8, 8)
    table.release(numbers(4, 5, 6, 7))

    table.require({1: 4})
    with pytest.raises(OutOfMemory):
        table.require({4: 1})


def test_page_tables_take_room_that_base_frames_then_lack():
    table = FrameTable(8)
    table.hold_tables(3)

    table.require({1: 5})
    with pytest.raises(OutOfMemory):
        table.require({1: 6})


def test_page_tables_take_room_that_large_frames_then_lack():
    table = FrameTable(8)
    table.hold_tables(5)

    with pytest.raises(OutOfMemory):
        table.require({4: 1})


def test_the_refusal_says_what_was_asked_what_is_free_and_what_to_do():
    table = filled(2000, 100)

    with pytest.raises(OutOfMemory) as caught:
        table.require({1: 1950, 512: 1})

    assert str(caught.value) == (
        "memory: expected room for 1,950 more frames and 1 aligned run of 512 frames,"
        " found 1,900 of 2,000 frames free, 0 of them kept as huge ones;"
        " give the machine more memory or the workload less"
    )


# ---------------------------------------------------------------- sharers
def test_each_entry_counts_once_for_its_frame():
    table = filled(4, 4)

    table.share(numbers(1, 3))
    table.share(numbers(3))

    assert table.sharers.tolist() == [0, 2, 1, 3, 1]
    assert table.total_sharers == 7


def test_a_frame_is_free_when_its_last_sharer_is_gone():
    table = filled(4, 4)
    table.share(numbers(2))

    freed = [table.drop(numbers(1, 2)), table.drop(numbers(2))]

    assert freed == [1, 1]
    assert table.sharers.tolist() == [0, 0, 0, 1, 1]
    assert (table.used, table.allocate(2).tolist()) == (2, [2, 1])


def test_a_frame_that_a_shared_object_holds_stays_without_a_sharer():
    table = filled(4, 4)
    table.cached[2] = True

    freed = table.drop(numbers(1, 2))

    assert freed == 1
    assert (table.used, table.sharers.tolist()) == (3, [0, 0, 0, 1, 1])


def test_a_large_frame_is_counted_at_its_first():
    table = FrameTable(8)

    table.share(table.allocate(1, 4))

    assert table.sharers.tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert (table.total_sharers, table.used) == (1, 4)


# ----------------------------------------------------------------- counts
def test_free_frames_are_those_with_neither_data_nor_tables():
    table = filled(16, 3)
    table.hold_tables(2)
    table.allocate(1, 4)

    assert (table.used, table.table_pages, table.free) == (7, 2, 7)


def test_the_peak_is_the_most_of_data_and_tables_together():
    table = filled(16, 3)
    table.hold_tables(2)
    table.drop(numbers(1, 2, 3))
    table.hold_tables(1)
    table.hold_tables(-3)
    table.allocate(4)

    assert (table.peak, table.peak_tables) == (5, 3)


# --------------------------------------------------------------- used before
def aged(total: int, contiguity: float) -> FrameTable:
    table = FrameTable(total)
    table.age(contiguity)
    return table


@pytest.mark.parametrize("contiguity", [0.0, 0.3, 0.9, 1.0])
def test_frames_used_before_are_handed_out_with_about_as_many_neighbours_as_asked(contiguity: float):
    pfns = aged(100_000, contiguity).allocate(50_000)

    assert np.mean(np.diff(pfns) == 1) == pytest.approx(contiguity, abs=0.01)


@pytest.mark.parametrize("contiguity", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("total", [1, 2, 1001])
def test_frames_used_before_are_half_of_all_and_each_is_handed_out_once(total: int, contiguity: float):
    pfns = aged(total, contiguity).allocate(total)

    assert sorted(pfns[: total // 2]) == list(range(1, total // 2 + 1))
    assert pfns[total // 2 :].tolist() == list(range(total // 2 + 1, total + 1))


def test_memory_ages_the_same_way_each_time():
    assert aged(1000, 0.5).allocate(1000).tolist() == aged(1000, 0.5).allocate(1000).tolist()


def test_old_memory_takes_no_more_room_and_leaves_the_other_half_to_large_leafs():
    table = aged(63, 0.0)

    assert (table.used, table.free, table.peak) == (0, 63, 0)
    assert table.has_room({4: 8})
    assert not table.has_room({4: 9})
    assert table.has_room({1: 31, 4: 8})
    assert table.allocate(8, 4).tolist() == list(range(60, 28, -4))
