"""MADV_FREE of large folios, as Linux 6.18 counts: tests/live has the same on the running kernel."""

import numpy as np
import pytest

from cowmodel.catalog import PAGINGS
from cowmodel.hardware.paging import DIRTY, SAVED_DIRTY
from cowmodel.kernel.backing import THP, Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work
from tests.toy import PAGE, TOY, Scene, boot, picture, scene, words
from tests.unit.test_large_folio import leafs

LEAF = TOY.leaf_pages(2)


def huge(era: str = "linux-6.18", written: int = LEAF) -> Scene:
    """Return a process with a huge page, of which it has written some pages."""
    kernel, parent, heap = scene(LEAF, frames=60, backing=THP, era=era, populated=False)
    for page in range(written):
        kernel.write(parent, heap.first + page)
    return Scene(kernel, parent, heap)


def marked(kernel: Kernel, process: Process, heap: Vma) -> list[bool]:
    """Return which entries are dirty."""
    return [bool(word & (DIRTY | SAVED_DIRTY)) for word in words(kernel, process, heap)]


def test_a_huge_page_is_made_clean_as_a_whole_and_stays_one():
    kernel, parent, heap = huge()

    work = kernel.madvise(parent, heap.first, LEAF, "free")

    assert work == Work(mappings=1, rewrites=1, invalidations=1)
    assert leafs(kernel, parent, heap) == [2] * LEAF
    assert not any(marked(kernel, parent, heap))


@pytest.mark.parametrize("pages", [1, LEAF])
def test_a_huge_page_that_others_map_stays_as_it_is(pages: int):
    kernel, parent, heap = huge()
    kernel.fork(parent)
    before = words(kernel, parent, heap)

    assert kernel.madvise(parent, heap.first, pages, "free") == Work(mappings=1)

    assert words(kernel, parent, heap) == before


def test_of_a_part_of_a_huge_page_single_frames_are_made_and_zeros_are_the_zero_frames():
    kernel, parent, heap = huge(written=2)

    work = kernel.madvise(parent, heap.first + 1, 1, "free")

    assert work == Work(mappings=1, splits=1, flushes=2, drops=2, frees=2, rewrites=1, invalidations=1)
    one = "[present, write] sharers 1"
    assert picture(kernel, parent, heap) == [one, one, "[present, special]", "[present, special]"]
    assert marked(kernel, parent, heap)[:2] == [True, False]
    assert kernel.frames.used == 2
    assert not kernel.folios.records.any()


@pytest.mark.parametrize(("era", "used"), [("linux-6.6", LEAF), ("linux-6.12", 1)])
def test_zeros_were_kept_until_6_6(era: str, used: int):
    kernel, parent, heap = huge(era, written=1)

    kernel.madvise(parent, heap.first, 1, "free")

    assert kernel.frames.used == used


def test_what_is_only_populated_is_full_of_zeros():
    kernel, parent, heap = huge(written=0)
    kernel.madvise(parent, heap.first, LEAF, "populate_write")

    kernel.madvise(parent, heap.first, 1, "free")

    assert picture(kernel, parent, heap) == ["[present, special]"] * LEAF
    assert kernel.frames.used == 0


def test_zeros_in_locked_memory_stay():
    kernel, parent, heap = huge(written=1)
    kernel.mlock(parent, heap.last, 1)

    kernel.madvise(parent, heap.first, 1, "free")

    one = "[present, write] sharers 1"
    assert picture(kernel, parent, heap) == [one, "[present, special]", "[present, special]", one]


def test_frames_that_nothing_maps_are_free_when_their_folio_is_split():
    kernel, parent, heap = huge()
    kernel.madvise(parent, heap.first, 2, "dontneed")
    assert kernel.frames.used == LEAF

    kernel.madvise(parent, heap.first + 2, 2, "free")

    assert kernel.frames.used == 2
    assert kernel.write(parent, heap.first).zeroed_bytes == PAGE


def test_a_page_that_was_made_single_is_written_in_place_by_its_last_sharer():
    kernel, parent, heap = huge()
    kernel.madvise(parent, heap.first, 1, "free")
    child, _ = kernel.fork(parent)

    assert kernel.write(child, heap.last).copied_bytes == PAGE
    assert kernel.write(parent, heap.last).flips == 1


def test_a_folio_that_counts_as_dirty_is_made_clean_only_if_nobody_else_maps_it():
    kernel, parent, heap = huge()
    kernel.mprotect(parent, heap.first, 1, "r")  # split: it counts as dirty now
    kernel.mprotect(parent, heap.first, 1, "rw")
    child, _ = kernel.fork(parent)

    kernel.madvise(parent, heap.first, LEAF, "free")
    assert all(marked(kernel, parent, heap))
    kernel.exit(child)
    kernel.madvise(parent, heap.first, LEAF, "free")
    assert not any(marked(kernel, parent, heap))


def test_single_frames_of_a_dirty_folio_are_dirty_whatever_their_entries_say():
    kernel, parent, heap = huge()
    kernel.madvise(parent, heap.first, LEAF, "free")
    kernel.write(parent, heap.first)
    kernel.madvise(parent, heap.first, 1, "free")
    child, _ = kernel.fork(parent)

    kernel.madvise(child, heap.first, LEAF, "free")

    assert len(kernel.frames.dirty) == LEAF - 1  # shared, so that they stay so
    assert all(marked(kernel, child, heap)[1:])


def test_folios_of_which_all_pages_are_meant_stay_and_others_are_split():
    kernel = boot(60, geometry=PAGINGS["x86-64"])
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, 8 * PAGE, Backing("mthp", folio_bytes=(4 * PAGE,)))
    kernel.populate(parent, heap)

    kernel.madvise(parent, heap.first, 6, "free")

    assert marked(kernel, parent, heap) == [False] * 6 + [True] * 2
    totals = kernel.folios.totals(np.array(words(kernel, parent, heap), np.uint64)[:4])
    assert totals.tolist() == [4] * 4
    assert kernel.frames.used == 8


def test_a_part_of_a_huge_page_that_is_pinned_stays_as_it_is_until_it_is_unpinned():
    kernel, parent, heap = huge()
    kernel.pin(parent, heap.first, 1)
    before = words(kernel, parent, heap)

    kernel.madvise(parent, heap.first + 1, 1, "free")
    assert words(kernel, parent, heap) == before

    kernel.unpin(parent, heap.first, 1)
    kernel.madvise(parent, heap.first + 1, 1, "free")
    assert leafs(kernel, parent, heap) == [1] * LEAF
