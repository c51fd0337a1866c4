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
    kernel.mprotect(parent, heap.first, 1, "r")  # maps it page by page
    kernel.mprotect(parent, heap.first, 1, "rw")
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


@pytest.mark.parametrize("taken", ["none", "r"])
@pytest.mark.parametrize(("era", "traps"), by_era({"linux-4.19": 4, "linux-6.1": 0}).items())
def test_rights_given_back_cost_a_fault_a_page_until_6_1(era: str, traps: int, taken: str):
    kernel, parent, heap = scene(4, era=era)
    kernel.mprotect(parent, heap.first, 4, taken)
    kernel.mprotect(parent, heap.first, 4, "rw")

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


@pytest.mark.parametrize(("era", "copied"), by_era({"linux-4.19": 0, "linux-5.10": PAGE}).items())
def test_fork_copies_pinned_pages_from_5_10_on(era: str, copied: int):
    kernel, parent, heap = scene(4, era=era)
    kernel.pin(parent, heap.first, 1)

    assert kernel.fork(parent)[1].copied_bytes == copied


@pytest.mark.parametrize(("era", "copied"), by_era({"linux-4.19": 0, "linux-5.15": LEAF * PAGE}).items())
def test_fork_copies_pinned_hugetlb_pages_from_5_15_on(era: str, copied: int):
    kernel, parent, heap = scene(LEAF, frames=40, backing=HUGE, era=era)
    kernel.pin(parent, heap.first, 1)

    assert kernel.fork(parent)[1].copied_bytes == copied


@pytest.mark.parametrize(("era", "flips"), by_era({"linux-4.19": 1, "linux-5.10": 0, "linux-6.1": 0}).items())
def test_a_pinned_page_was_lost_to_its_owner_by_a_change_of_rights_from_5_10_to_5_15(era: str, flips: int):
    kernel, parent, heap = scene(1, era=era)
    kernel.pin(parent, heap.first, 1)
    kernel.mprotect(parent, heap.first, 1, "r")
    kernel.mprotect(parent, heap.first, 1, "rw")

    work = kernel.write(parent, heap.first)

    assert work.flips == flips
    assert bool(work.copied_bytes) == (era in ("linux-5.10", "linux-5.15"))


@pytest.mark.parametrize(("era", "flips"), by_era({"linux-4.19": 0, "linux-5.4": 1, "linux-5.10": 0}).items())
def test_the_last_that_maps_a_merged_page_wrote_it_in_place_from_5_4_to_5_8(era: str, flips: int):
    kernel, parent, heap = scene(2, era=era)
    kernel.merge(parent, heap.first, 2)
    kernel.write(parent, heap.first)

    assert kernel.write(parent, heap.last).flips == flips
    assert kernel.write(parent, heap.last).traps == 0


NEWEST = 15  # pages with which a batch is handed on


@pytest.mark.parametrize(
    ("era", "kind"),
    by_era({"linux-4.19": "cow_reuse", "linux-5.10": "cow_copy", "linux-6.1": "cow_reuse"}).items(),
)
def test_a_last_sharer_copied_the_newest_pages_in_5_10_and_5_15(era: str, kind: str):
    kernel, parent, heap = scene(NEWEST + 4, frames=60, era=era)  # of which the first are handed on
    child, _ = kernel.fork(parent)
    kinds = []
    for vpn in (heap.first, *range(heap.first + NEWEST, heap.end)):
        kernel.write(child, vpn)
        kinds.append(kernel.fault(parent, vpn, write=True).kind)

    assert kinds == ["cow_reuse"] + [kind] * 4


@pytest.mark.parametrize("era", ["linux-5.10", "linux-6.1"])
def test_a_batch_that_is_full_is_handed_on(era: str):
    kernel, parent, heap = scene(8, frames=60, era=era)
    child, _ = kernel.fork(parent)
    for vpn in range(heap.first, heap.first + NEWEST - 8):
        kernel.write(child, vpn)

    assert kernel.fault(parent, heap.first, write=True).kind == "cow_reuse"


@pytest.mark.parametrize("verb", ["munmap", "dontneed", "free", "exit"])
def test_whoever_unmaps_or_frees_memory_hands_the_newest_pages_on(verb: str):
    kernel, parent, heap = scene(4, frames=60, era="linux-5.15")
    other, _ = kernel.mmap(parent, PAGE)
    kernel.write(parent, other.first)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)
    if verb == "munmap":
        kernel.munmap(child, child.memory.vmas[1])
    elif verb == "exit":
        kernel.exit(child)
    else:
        kernel.madvise(child, other.first, 1, verb)

    assert kernel.fault(parent, heap.first, write=True).kind == "cow_reuse"
