"""The arena hands out rows of one array of entries, and takes them back."""

import numpy as np
import pytest

from cowmodel.catalog import PAGINGS
from cowmodel.hardware.arena import Arena
from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.paging import Geometry
from tests.toy import TOY


def arena_of(frames: int = 8, geometry: Geometry = TOY) -> Arena:
    return Arena(geometry, FrameTable(frames))


def test_rows_are_handed_out_from_the_first_on():
    arena = arena_of()

    assert arena.take(2).tolist() == [0, 1]
    assert arena.take(1).tolist() == [2]


def test_the_row_that_was_given_back_last_is_handed_out_first():
    arena = arena_of()
    rows = arena.take(4)

    arena.give_back(rows[1:3])

    assert arena.take(3).tolist() == [2, 1, 4]


def test_a_table_page_takes_a_frame_of_room_until_it_is_given_back():
    frames = FrameTable(8)
    arena = Arena(TOY, frames)

    rows = arena.take(3)
    taken = (frames.table_pages, frames.free)
    arena.give_back(rows)

    assert taken == (3, 5)
    assert (frames.table_pages, frames.free, frames.peak_tables) == (0, 8, 3)


def test_rows_slots_and_words_are_the_same_entries():
    arena = arena_of()

    arena.words[1 * 4 + 2] = 5

    assert arena.rows[1].tolist() == [0, 0, 5, 0]
    assert np.flatnonzero(arena.flat).tolist() == [6]


def test_a_view_stays_valid_when_rows_are_taken():
    arena = arena_of()
    view = arena.rows[arena.take(1)[0]]

    arena.take(7)
    arena.words[3] = 9

    assert view.tolist() == [0, 0, 0, 9]


@pytest.mark.parametrize("geometry", PAGINGS.values(), ids=PAGINGS)
def test_a_row_has_the_entries_of_a_table_page(geometry: Geometry):
    assert arena_of(2, geometry).rows.shape[1] == geometry.entries


def test_there_are_rows_for_as_many_tables_as_there_are_frames():
    arena = arena_of(8)

    assert arena.take(8).tolist() == list(range(8))
    assert len(arena.rows) >= 8
