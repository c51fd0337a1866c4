"""Page-table memory of a dense mapping: ceil(size / span) tables a level, in whole numbers."""

import pytest

from cowmodel.hardware.paging import PAGINGS
from cowmodel.kernel.accounting import usage
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.policy.copying import LastSharerFlip
from tests.theory.heaps import GIB, GIGANTIC, HUGE, loaded

MIB = 1 << 20

# paging, backing, size, tables of level 1, 2, ... up to the root
DENSE = [
    ("x86-64", BASE, 4096, [1, 1, 1, 1]),
    ("x86-64", BASE, 2 * MIB, [1, 1, 1, 1]),
    ("x86-64", BASE, 2 * MIB + 4096, [2, 1, 1, 1]),
    ("x86-64", BASE, GIB, [512, 1, 1, 1]),
    ("x86-64", BASE, 2 * GIB + 4096, [1025, 3, 1, 1]),
    ("x86-64-5level", BASE, GIB, [512, 1, 1, 1, 1]),
    ("x86-64", HUGE, GIB, [0, 1, 1, 1]),
    ("x86-64", HUGE, GIB + 2 * MIB, [0, 2, 1, 1]),
    ("x86-64", HUGE, 3 * GIB + 2 * MIB, [0, 4, 1, 1]),
    ("x86-64-5level", HUGE, 3 * GIB + 2 * MIB, [0, 4, 1, 1, 1]),
    ("x86-64", GIGANTIC, 8 * GIB, [0, 0, 1, 1]),
    ("x86-64-5level", GIGANTIC, 8 * GIB, [0, 0, 1, 1, 1]),
    ("arm64-4k", BASE, GIB, [512, 1, 1, 1]),
    ("arm64-4k", HUGE, GIB, [0, 1, 1, 1]),
    ("arm64-4k", GIGANTIC, GIB, [0, 0, 1, 1]),
    ("arm64-16k", BASE, GIB, [32, 1, 1, 1]),
    ("arm64-16k", Backing("hugetlb", 32 * MIB), 65 * GIB, [0, 2, 1, 1]),
    ("arm64-64k", BASE, GIB, [2, 1, 1]),
    ("arm64-64k", BASE, 3 * GIB + 1, [7, 1, 1]),
    ("arm64-64k", Backing("hugetlb", 512 * MIB), 8 * GIB, [0, 1, 1]),
]


@pytest.mark.parametrize(("paging", "backing", "size_bytes", "tables"), DENSE, ids=str)
def test_a_dense_mapping_has_as_many_tables_a_level_as_it_spans(
    paging: str, backing: Backing, size_bytes: int, tables: list[int]
):
    kernel, parent, _, _ = loaded(size_bytes, backing=backing, paging=paging)

    assert parent.memory.page_table.tables[1:] == tables
    assert kernel.frames.table_pages == sum(tables)
    assert usage(kernel, parent).table_bytes == sum(tables) * PAGINGS[paging].page_bytes


@pytest.mark.parametrize(("paging", "backing", "size_bytes", "tables"), DENSE, ids=str)
def test_fork_gives_the_child_of_a_dense_mapping_as_many_tables_as_the_parent_has(
    paging: str, backing: Backing, size_bytes: int, tables: list[int]
):
    kernel, parent, _, _ = loaded(size_bytes, backing=backing, paging=paging)

    child, _ = kernel.fork(parent)

    assert child.memory.page_table.tables[1:] == tables


def test_a_process_of_1_gib_has_the_published_2096_kib_of_tables():
    kernel, parent, _, _ = loaded(GIB)

    assert usage(kernel, parent).table_bytes / 1024 == pytest.approx(2096, rel=0.03)


def test_a_process_of_24_gib_has_48_mib_of_last_level_tables():
    _, parent, _, _ = loaded(24 * GIB)

    assert parent.memory.page_table.tables[1] * 4096 == 48 * MIB


@pytest.mark.parametrize(
    ("backing", "tables"), [(BASE, [2, 2, 2, 1]), (HUGE, [0, 2, 2, 1]), (GIGANTIC, [0, 0, 2, 1])], ids=str
)
def test_a_mapping_that_straddles_the_end_of_a_table_has_two_of_that_level_and_below(
    backing: Backing, tables: list[int]
):
    kernel = Kernel(PAGINGS["x86-64"], 3 * GIB, LastSharerFlip())
    process, _ = kernel.spawn()
    leaf_bytes = backing.leaf_bytes or 4096
    first_byte = 1536 * GIB - leaf_bytes  # a level 3 table ends after each 512 GiB
    mapping, _ = kernel.mmap(process, 2 * leaf_bytes, backing, at_page=first_byte // 4096)

    kernel.populate(process, mapping)

    assert process.memory.page_table.tables[1:] == tables
