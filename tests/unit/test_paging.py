"""How geometries cut page numbers, and what the bits of an entry say."""

import numpy as np
import pytest

from cowmodel.catalog import PAGINGS
from cowmodel.hardware.paging import (
    ACCESSED,
    DIRTY,
    LARGE,
    NO_EXECUTE,
    PRESENT,
    SAVED_DIRTY,
    SOFT_DIRTY,
    USER,
    WRITE,
    Geometry,
    Words,
    frame_of,
    leaf_bits,
    make_writable,
    with_frame,
    write_protect,
)

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
BITS = [0, PRESENT, WRITE, USER, ACCESSED, LARGE, SOFT_DIRTY, NO_EXECUTE, (1 << 40) - 1 << 12]

every_paging = pytest.mark.parametrize("geometry", PAGINGS.values(), ids=PAGINGS)


def entries(*words: int) -> Words:
    return np.array(words, np.uint64)


@every_paging
def test_the_indices_and_the_offset_reach_every_address_of_a_process(geometry: Geometry):
    offset_bits = geometry.page_bytes.bit_length() - 1

    assert sum(geometry.index_bits) + offset_bits >= geometry.user_bits


@every_paging
def test_the_entries_of_a_table_fill_one_page(geometry: Geometry):
    assert geometry.entries * 8 == geometry.page_bytes


@every_paging
def test_only_the_root_may_use_fewer_entries_than_a_table_has(geometry: Geometry):
    below, root = geometry.index_bits[:-1], geometry.index_bits[-1]

    assert {1 << bits for bits in below} == {geometry.entries}
    assert 1 << root <= geometry.entries


@every_paging
def test_a_table_covers_what_one_entry_above_it_covers(geometry: Geometry):
    tables = [geometry.table_pages(level) for level in range(1, geometry.top)]

    assert tables == [geometry.leaf_pages(level) for level in range(2, geometry.top + 1)]


@every_paging
def test_a_leaf_of_level_1_is_one_base_page(geometry: Geometry):
    assert (geometry.leaf_pages(1), geometry.leaf_bytes(1)) == (1, geometry.page_bytes)


@pytest.mark.parametrize(
    ("paging", "leafs"),
    [
        ("x86-64", [4 * KIB, 2 * MIB, GIB]),
        ("x86-64-5level", [4 * KIB, 2 * MIB, GIB]),
        ("arm64-4k", [4 * KIB, 2 * MIB, GIB]),
        ("arm64-16k", [16 * KIB, 32 * MIB]),
        ("arm64-64k", [64 * KIB, 512 * MIB]),
    ],
)
def test_a_geometry_knows_the_leafs_of_its_manual(paging: str, leafs: list[int]):
    geometry = PAGINGS[paging]

    assert [geometry.leaf_bytes(level) for level in geometry.leaf_levels] == leafs


def test_an_index_of_x86_64_has_nine_bits_a_level():
    assert PAGINGS["x86-64"].shifts == (0, 0, 9, 18, 27)
    assert PAGINGS["x86-64-5level"].shifts == (0, 0, 9, 18, 27, 36)


@pytest.mark.parametrize(
    ("paging", "pages"),
    [
        ("x86-64", 1 << 35),
        ("x86-64-5level", 1 << 44),
        ("arm64-4k", 1 << 36),
        ("arm64-16k", 1 << 34),
        ("arm64-64k", 1 << 32),
    ],
)
def test_a_process_may_map_as_many_pages_as_its_half_of_the_addresses_holds(paging: str, pages: int):
    assert PAGINGS[paging].user_pages == pages


def test_an_entry_holds_a_frame_number_of_forty_bits_beside_its_other_bits():
    pfns = np.array([0, 1, 511, (1 << 40) - 1])

    words = with_frame(pfns, PRESENT | NO_EXECUTE | SAVED_DIRTY)

    assert frame_of(words).tolist() == pfns.tolist()
    assert set((words - with_frame(pfns, 0)).tolist()) == {PRESENT | NO_EXECUTE | SAVED_DIRTY}


@pytest.mark.parametrize(("write", "bits"), [(False, 0), (True, WRITE | DIRTY)])
def test_a_new_leaf_is_accessed_and_after_a_write_writable_and_dirty(write: bool, bits: int):
    assert leaf_bits(1, write) == PRESENT | USER | ACCESSED | NO_EXECUTE | bits


@pytest.mark.parametrize("level", [2, 3])
def test_a_leaf_above_level_1_is_marked_as_large(level: int):
    assert leaf_bits(level, write=True) == leaf_bits(1, write=True) | LARGE


def test_a_dirty_entry_that_loses_its_right_to_write_stays_dirty_in_software():
    protected = write_protect(entries(PRESENT | WRITE | DIRTY))

    assert protected.tolist() == [PRESENT | SAVED_DIRTY]


def test_a_clean_entry_that_loses_its_right_to_write_stays_clean():
    assert write_protect(entries(PRESENT | WRITE)).tolist() == [PRESENT]


def test_an_entry_that_was_dirty_is_dirty_again_when_it_becomes_writable():
    writable = make_writable(entries(PRESENT | SAVED_DIRTY))

    assert writable.tolist() == [PRESENT | WRITE | DIRTY]


def test_a_clean_entry_that_becomes_writable_stays_clean():
    assert make_writable(entries(PRESENT)).tolist() == [PRESENT | WRITE]


def test_protecting_twice_is_protecting_once():
    once = write_protect(entries(PRESENT | WRITE | DIRTY, PRESENT | WRITE, PRESENT))

    assert write_protect(once).tolist() == once.tolist()


def test_taking_and_giving_back_the_right_to_write_changes_nothing_else():
    words = entries(*(word | WRITE | dirty for word in BITS for dirty in (0, DIRTY)))

    assert make_writable(write_protect(words)).tolist() == words.tolist()
