"""Trees of tables: walked entry by entry, or a block of tables at a time."""

import numpy as np
import pytest

from cowmodel.hardware import page_table
from cowmodel.hardware.arena import Arena
from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.page_table import NO_SLOT, PageTable, Run
from cowmodel.hardware.paging import LARGE, PRESENT, with_frame
from tests.toy import TOY

ALL = np.arange(64)


def pages(*vpns: int) -> np.ndarray:
    return np.array(vpns, np.int64)


def tree(*vpns: int, level: int = 1, frames: int = 64) -> tuple[Arena, PageTable]:
    """Return a tree with the tables down to `level` for `vpns`."""
    arena = Arena(TOY, FrameTable(frames))
    table = PageTable(arena)
    table.grow(level, pages(*vpns))
    return arena, table


def mapped(*vpns: int) -> tuple[Arena, PageTable]:
    """Return a tree that maps each of `vpns` to the frame of its number plus 1."""
    arena, table = tree(*vpns)
    arena.flat[table.slots(pages(*vpns), 1)] = with_frame(pages(*vpns) + 1, PRESENT)
    return arena, table


def entries_of(table: PageTable, first: int, last: int) -> list[list[int]]:
    """Return the frames in each table of the blocks over first..last."""
    found = []
    for block in table.blocks(Run(1, first, last)):
        found += (block.entries >> np.uint64(12)).tolist()
    return found


# ------------------------------------------------------------- walk, slots
def test_a_new_tree_has_a_root_and_no_other_table():
    arena, table = tree()

    assert table.tables == [0, 0, 0, 1]
    assert [table.walk(vpn, 3) for vpn in (0, 16, 63)] == [0, 1, 3]
    assert {table.walk(vpn) for vpn in range(64)} == {NO_SLOT}
    assert not arena.flat.any()


def test_a_walk_goes_by_two_bits_of_the_page_number_a_level():
    _, table = tree(27)  # 01 10 11

    root, middle, leaf = table.walk(27, 3), table.walk(27, 2), table.walk(27, 1)

    assert [slot % 4 for slot in (root, middle, leaf)] == [1, 2, 3]
    assert [slot // 4 for slot in (root, middle, leaf)] == [0, 1, 2]


def test_pages_of_one_table_have_neighbouring_slots():
    _, table = tree(4)

    slots = [table.walk(vpn) for vpn in range(4, 8)]

    assert slots == list(range(slots[0], slots[0] + 4))
    assert table.walk(8) == NO_SLOT


@pytest.mark.parametrize("level", [1, 2, 3])
def test_slots_are_what_a_walk_finds_page_by_page(level: int):
    _, table = tree(0, 5, 27, 60)

    assert table.slots(ALL, level).tolist() == [table.walk(vpn, level) for vpn in range(64)]


def test_a_walk_ends_at_a_large_leaf():
    arena, table = tree(20, level=2)
    arena.words[table.walk(20, 2)] = PRESENT | LARGE

    assert [table.walk(vpn) for vpn in range(20, 24)] == [table.walk(20, 2)] * 4


def test_there_are_no_slots_below_a_large_leaf():
    arena, table = tree(20, level=2)
    arena.words[table.walk(20, 2)] = PRESENT | LARGE

    assert set(table.slots(ALL, 1).tolist()) == {NO_SLOT}


def test_two_trees_in_one_arena_share_no_table():
    arena, one = tree(0)
    other = PageTable(arena)
    other.grow(1, pages(0))

    assert {one.walk(0, level) // 4 for level in (1, 2, 3)} == {0, 1, 2}
    assert {other.walk(0, level) // 4 for level in (1, 2, 3)} == {3, 4, 5}


# -------------------------------------------------------------------- grow
@pytest.mark.parametrize(
    ("vpns", "level", "made"),
    [
        ([0], 1, [0, 1, 1, 0]),
        ([0], 2, [0, 0, 1, 0]),
        ([0], 3, [0, 0, 0, 0]),
        ([0, 3], 1, [0, 1, 1, 0]),
        ([3, 4], 1, [0, 2, 1, 0]),
        ([15, 16], 1, [0, 2, 2, 0]),
        ([0, 16, 32, 48], 1, [0, 4, 4, 0]),
        (list(range(64)), 1, [0, 16, 4, 0]),
        ([], 1, [0, 0, 0, 0]),
    ],
)
def test_growing_makes_each_table_that_the_pages_lack_once(vpns: list[int], level: int, made: list[int]):
    _, table = tree()
    lacking = table.missing(level, pages(*vpns))

    grown = table.grow(level, pages(*vpns))

    assert grown == made
    assert lacking == sum(made)
    assert table.tables == [have + new for have, new in zip([0, 0, 0, 1], made, strict=True)]
    assert table.missing(level, pages(*vpns)) == 0


def test_growing_again_makes_only_what_is_new():
    _, table = tree(0)

    assert table.grow(1, pages(1, 4, 16)) == [0, 2, 1, 0]
    assert table.grow(1, pages(1, 4, 16)) == [0, 0, 0, 0]


# ------------------------------------------------------------ tables, blocks
def test_the_tables_over_a_run_are_those_with_a_page_of_it():
    _, table = tree(0, 4, 12, 40)

    assert table.tables_over(1, 3, 12)[1].tolist() == [0, 4, 12]
    assert table.tables_over(1, 8, 11)[1].tolist() == []
    assert table.tables_over(2, 15, 16)[1].tolist() == [0]
    assert table.tables_over(3, 63, 63)[1].tolist() == [0]


@pytest.mark.parametrize(
    ("first", "last", "frames"),
    [
        (0, 63, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]),
        (2, 9, [[0, 0, 3, 4], [5, 6, 7, 8], [9, 10, 0, 0]]),
        (4, 7, [[5, 6, 7, 8]]),
        (3, 4, [[0, 0, 0, 4], [5, 0, 0, 0]]),
        (5, 5, [[0, 6, 0, 0]]),
        (5, 6, [[0, 6, 7, 0]]),
        (11, 63, [[0, 0, 0, 12]]),
        (12, 63, []),
    ],
)
def test_a_block_holds_the_entries_of_the_run_and_nothing_else(
    first: int, last: int, frames: list[list[int]]
):
    _, table = mapped(*range(12))

    assert entries_of(table, first, last) == frames


@pytest.mark.parametrize("tables_a_block", [1, 2, 3])
def test_the_edges_of_a_run_are_the_same_however_many_tables_a_block_has(
    tables_a_block: int, monkeypatch: pytest.MonkeyPatch
):
    _, table = mapped(*range(20))
    monkeypatch.setattr(page_table, "_BLOCK_WORDS", 4 * tables_a_block)

    blocks = list(table.blocks(Run(1, 2, 17)))

    assert max(len(block.rows) for block in blocks) == tables_a_block
    assert [first for block in blocks for first in block.firsts.tolist()] == [0, 4, 8, 12, 16]
    assert np.concatenate([block.entries for block in blocks]).ravel()[2:18].all()
    assert sum(np.count_nonzero(block.entries) for block in blocks) == 16


def test_a_block_is_a_copy():
    arena, table = mapped(0, 1)

    for block in table.blocks(Run(1, 0, 3)):
        block.entries[:] = 0

    assert np.count_nonzero(arena.flat[table.slots(pages(0, 1), 1)]) == 2


def test_a_block_of_level_2_has_an_entry_for_each_large_leaf_of_the_run():
    arena, table = tree(0, 16, level=2)
    arena.flat[table.slots(np.arange(0, 32, 4), 2)] = with_frame(np.arange(0, 32, 4), PRESENT | LARGE)

    (block,) = table.blocks(Run(2, 8, 23))

    assert block.firsts.tolist() == [0, 16]
    assert (block.entries >> np.uint64(12)).tolist() == [[0, 0, 8, 12], [16, 20, 0, 0]]


def test_or_puts_a_run_into_another_tree_and_leaves_its_neighbours():
    arena, source = mapped(*range(8))
    target = PageTable(arena)
    target.grow(1, pages(0, 4))
    arena.flat[target.slots(pages(0, 7), 1)] = with_frame(pages(30, 31), PRESENT)

    for block in source.blocks(Run(1, 2, 5)):
        arena.rows[target.slots(block.firsts, 1) // 4] |= block.entries

    assert entries_of(target, 0, 7) == [[30, 0, 3, 4], [5, 6, 0, 31]]


def test_xor_takes_a_run_out_of_its_tree_and_leaves_its_neighbours():
    arena, table = mapped(*range(8))

    for block in table.blocks(Run(1, 2, 5)):
        arena.rows[block.rows] ^= block.entries

    assert entries_of(table, 0, 7) == [[1, 2, 0, 0], [0, 0, 7, 8]]


# ------------------------------------------------------------- prune, free
def test_pruning_frees_the_tables_of_a_run_from_the_leafs_up():
    arena, table = tree(0, 4, 16, frames=8)

    table.prune(0, 7, floor=0, ceiling=16)

    assert table.tables == [0, 1, 1, 1]
    assert [table.walk(vpn) == NO_SLOT for vpn in (0, 4, 16)] == [True, True, False]
    assert sorted(arena.take(3).tolist()) == [1, 3, 4]


def test_pruning_leaves_a_table_that_reaches_into_a_neighbour():
    _, table = tree(0, 4, 8)

    table.prune(2, 9, floor=2, ceiling=10)

    assert table.tables == [0, 2, 1, 1]
    assert [table.walk(vpn) == NO_SLOT for vpn in (0, 4, 8)] == [False, True, False]


def test_pruning_leaves_the_root():
    arena, table = tree(0, 63)

    table.prune(0, 63, floor=0, ceiling=1 << 60)

    assert table.tables == [0, 0, 0, 1]
    assert not arena.flat.any()


def test_the_root_goes_back_when_the_tree_is_given_up():
    frames = FrameTable(8)
    table = PageTable(Arena(TOY, frames))

    table.free_root()

    assert (table.tables, frames.table_pages) == ([0, 0, 0, 0], 0)
