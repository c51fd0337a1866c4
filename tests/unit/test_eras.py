"""Eras of Linux: the same steps, other counts."""

import pytest

from cowmodel.catalog import ERAS, PAGINGS
from cowmodel.kernel.backing import THP, Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from tests.toy import HUGE, PAGE, TOY, Scene, boot, scene
from tests.unit.test_large_folio import leafs

LEAF = TOY.leaf_pages(2)


def huge(era: str, pages: int = LEAF) -> Scene:
    return scene(pages, frames=40, backing=THP, era=era)


def by_era(count: dict[str, object]) -> dict[str, object]:
    """Return what each era does, from the first of those that do the same."""
    result: dict[str, object] = {}
    for era in ERAS:
        result[era] = count.get(era, list(result.values())[-1] if result else None)
    return result


@pytest.mark.parametrize(("era", "copied"), by_era({"linux-4.19": LEAF * PAGE, "linux-5.8": PAGE}).items())
def test_a_write_to_a_shared_huge_page_copied_all_of_it_until_5_8(era: str, copied: int):
    kernel, parent, heap = huge(era)
    child, _ = kernel.fork(parent)

    work = kernel.write(child, heap.first)

    assert work.copied_bytes == copied
    assert leafs(kernel, child, heap) == ([2] if copied > PAGE else [1]) * LEAF


@pytest.mark.parametrize(
    ("era", "zeroed"),
    by_era({"linux-4.19": LEAF, "linux-5.8": 1, "linux-6.18": LEAF}).items(),
)
def test_a_write_to_the_huge_zero_page_split_it_from_5_8_to_6_12(era: str, zeroed: int):
    kernel, parent, heap = scene(LEAF, frames=40, backing=THP, era=era, populated=False)
    kernel.read(parent, heap.first)

    assert kernel.write(parent, heap.first).zeroed_bytes == zeroed * PAGE


def parts(era: str, left: int) -> tuple[Kernel, Process, int]:
    """Return a process that alone maps the last `left` pages of a folio, by pages, and the last page."""
    kernel, parent, heap = huge(era)
    kernel.mprotect(parent, heap.first, 1, writable=False)  # maps it page by page
    kernel.mprotect(parent, heap.first, 1, writable=True)
    child, _ = kernel.fork(parent)
    kernel.munmap(parent, parent.memory.vmas[0], 0, LEAF - left)
    kernel.exit(child)
    return kernel, parent, heap.last


@pytest.mark.parametrize(
    ("era", "flips"), by_era({"linux-4.19": 1, "linux-5.10": 0, "linux-6.18": 1}).items()
)
def test_a_page_of_a_folio_with_no_other_owner_was_copied_from_5_10_to_6_12(era: str, flips: int):
    kernel, parent, page = parts(era, left=2)

    assert kernel.write(parent, page).flips == flips


@pytest.mark.parametrize(("era", "flips"), by_era({"linux-4.19": 1, "linux-6.12": 0}).items())
def test_the_last_page_of_a_folio_was_written_in_place_until_6_6(era: str, flips: int):
    kernel, parent, page = parts(era, left=1)

    assert kernel.write(parent, page).flips == flips


@pytest.mark.parametrize(("era", "copied"), by_era({"linux-4.19": PAGE * LEAF, "linux-5.8": PAGE}).items())
def test_a_huge_page_of_which_a_child_maps_a_page_is_not_the_parents_alone(era: str, copied: int):
    kernel, parent, heap = huge(era)
    child, _ = kernel.fork(parent)
    kernel.munmap(child, child.memory.vmas[0], 1, LEAF - 1)

    assert kernel.write(parent, heap.first).copied_bytes == copied


@pytest.mark.parametrize(("era", "traps"), by_era({"linux-4.19": 4, "linux-6.1": 0}).items())
def test_rights_given_back_cost_a_fault_a_page_until_6_1(era: str, traps: int):
    kernel, parent, heap = scene(4, era=era)
    kernel.mprotect(parent, heap.first, 4, writable=False)
    kernel.mprotect(parent, heap.first, 4, writable=True)

    assert sum(kernel.write(parent, vpn).traps for vpn in range(heap.first, heap.end)) == traps


@pytest.mark.parametrize(("era", "tables"), by_era({"linux-4.19": 2, "linux-6.18": 0}).items())
def test_empty_tables_stay_after_dontneed_until_6_18(era: str, tables: int):
    kernel, parent, heap = scene(8, era=era)

    kernel.madvise(parent, heap.first, 8, "dontneed")

    assert parent.memory.page_table.tables[1] == tables


@pytest.mark.parametrize(("era", "traps"), by_era({"linux-4.19": 0, "linux-6.1": 1}).items())
def test_a_child_finds_shared_hugetlb_pages_mapped_until_6_1(era: str, traps: int):
    kernel, parent, heap = scene(4, frames=40, backing=HUGE, shared=True, era=era)
    kernel.write(parent, heap.first)
    child, _ = kernel.fork(parent)

    assert kernel.write(child, heap.first).traps == traps


@pytest.mark.parametrize(("era", "pages"), by_era({"linux-4.19": 1, "linux-6.12": 4}).items())
def test_folios_between_a_page_and_a_huge_page_come_with_6_12(era: str, pages: int):
    kernel = boot(64, era=era, geometry=PAGINGS["x86-64"])
    process, _ = kernel.spawn()
    heap, _ = kernel.mmap(process, 8 * PAGE, Backing("mthp", folio_bytes=(16 << 10,)))

    assert kernel.write(process, heap.first).zeroed_bytes == pages * PAGE
