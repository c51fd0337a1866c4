"""mremap: what moves, what stays, and what a move cannot do."""

from collections import Counter

import numpy as np
import pytest

from cowmodel.catalog import POLICIES
from cowmodel.engine.compiled_passes import CompiledPasses
from cowmodel.errors import OutOfMemory, SegmentationFault, SimulationError
from cowmodel.kernel.backing import BASE, THP, Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import Work
from tests.toy import HUGE, PAGE, boot, picture, scene, state
from tests.unit.test_large_folio import leafs

TO = 32  # a page of the toy machine, 64 pages in all, whose tables of level 1 cover 4


def faults(kernel: Kernel, process: Process, first: int, pages: int, write: bool = True) -> dict[str, int]:
    """Access pages one after the other; return the faults by kind."""
    before = Counter(process.faults)
    for vpn in range(first, first + pages):
        (kernel.write if write else kernel.read)(process, vpn)
    return dict(process.faults - before)


def test_moved_pages_have_their_frames_and_rights_and_no_fault():
    kernel, parent, heap = scene(pages=4)
    before = picture(kernel, parent, heap)

    kernel.mremap(parent, heap.first, heap.pages, TO)

    moved = parent.memory.vmas[0]
    assert (moved.first, moved.pages) == (TO, 4)
    assert picture(kernel, parent, moved) == before == ["[present, write] sharers 1"] * 4
    assert faults(kernel, parent, TO, 4) == {}
    with pytest.raises(SegmentationFault, match="outside its mappings"):
        kernel.read(parent, heap.first)


def test_whoever_shares_moved_pages_still_does_where_they_were():
    kernel, parent, heap = scene(pages=4)
    child, _ = kernel.fork(parent)
    kernel.mremap(parent, heap.first, heap.pages, TO)

    assert faults(kernel, parent, TO, 4) == {"cow_copy": 4}
    assert faults(kernel, child, heap.first, 4) == {"cow_reuse": 4}


@pytest.mark.parametrize("who", ["parent", "child"])
def test_a_policy_that_seeks_last_sharers_finds_them_where_they_have_moved(who: str):
    kernel, parent, heap = scene(pages=4, policy="cow-eager-flip")
    child, _ = kernel.fork(parent)
    mover, stayer = (parent, child) if who == "parent" else (child, parent)
    kernel.mremap(mover, heap.first, heap.pages, TO)
    kernel.mremap(mover, TO, heap.pages, TO + 5)

    kernel.exit(stayer)

    assert faults(kernel, mover, TO + 5, 4) == {}


def test_tables_of_the_old_place_go_and_those_of_the_new_come():
    kernel, parent, heap = scene(pages=4)  # one table of level 1 and one of level 2

    work = kernel.mremap(parent, heap.first, heap.pages, TO + 2)

    assert work == Work(mappings=1, pte_tables=2, pmd_tables=1, invalidations=4)
    assert parent.memory.page_table.tables == [0, 2, 1, 1]


def test_what_was_never_touched_takes_no_tables_along():
    kernel, parent, heap = scene(pages=4, populated=False)

    assert kernel.mremap(parent, heap.first, heap.pages, TO) == Work(mappings=1)
    assert parent.memory.page_table.tables == [0, 0, 0, 1]


def test_a_huge_page_moves_whole_with_the_table_that_is_kept_for_it():
    kernel, parent, heap = scene(pages=4, backing=THP)

    kernel.mremap(parent, heap.first, heap.pages, TO)

    moved = parent.memory.vmas[0]
    assert leafs(kernel, parent, moved) == [2] * 4
    assert (parent.memory.page_table.tables, parent.memory.page_table.deposits) == ([0, 1, 1, 1], 1)
    assert faults(kernel, parent, TO, 4) == {}


def test_parts_and_holes_move_together_and_keep_their_rights():
    kernel, parent, heap = scene(pages=8)
    kernel.munmap(parent, heap, 2, 2)
    kernel.mprotect(parent, 5, 1, "r")
    kernel.mprotect(parent, 6, 1, "none")

    kernel.mremap(parent, 0, 8, TO)

    parts = [(vma.first, vma.pages, vma.readable + vma.writable) for vma in parent.memory.vmas]
    assert parts == [(32, 2, 2), (36, 1, 2), (37, 1, 1), (38, 1, 0), (39, 1, 2)]


def test_after_a_move_what_has_pages_of_its_own_and_what_has_none_are_no_longer_joined():
    kernel, parent, _ = scene(pages=4, populated=False)
    kernel.mprotect(parent, 2, 2, "r")
    kernel.write(parent, 0)
    kernel.mremap(parent, 0, 4, TO)

    kernel.mprotect(parent, TO + 2, 2, "rw")

    assert [vma.pages for vma in parent.memory.vmas] == [2, 2]


def test_back_where_they_began_they_are():
    kernel, parent, _ = scene(pages=4, populated=False)
    kernel.mprotect(parent, 2, 2, "r")
    kernel.write(parent, 0)
    kernel.mremap(parent, 0, 4, TO)
    kernel.mprotect(parent, TO + 2, 2, "rw")

    kernel.mremap(parent, TO, 4, 0)

    assert [vma.pages for vma in parent.memory.vmas] == [4]


@pytest.mark.parametrize("policy", POLICIES)
def test_compiled_passes_know_moved_pages_as_others_do(policy: str):
    seen = []
    for compiled in (False, True):
        kernel, parent, _ = scene(pages=8, policy=policy, frames=40)
        if compiled:
            kernel.passes = CompiledPasses(kernel.arena, kernel.frames, kernel.folios)
        kernel.mremap(parent, 0, 8, TO + 1)
        child, _ = kernel.fork(parent)
        kernel.mremap(child, TO + 1, 8, 3)
        faults(kernel, child, 3, 8)
        kernel.exit(parent)
        seen.append(state(kernel))

    assert seen[0] == seen[1]


# ------------------------------------------------------------------ what cannot be
@pytest.mark.parametrize(
    ("backing", "run", "text"),
    [
        (BASE, (1, 3, TO), "mremap of pages 0x1 to 0x3: expected whole mappings"),
        (BASE, (0, 3, TO), "mremap of pages 0x0 to 0x2: expected whole mappings"),
        (BASE, (8, 2, TO), "mremap of pages 0x8 to 0x9: expected whole mappings"),
        (BASE, (0, 4, 2), "mremap to of pages 0x2 to 0x5: something is mapped there already"),
        (BASE, (0, 4, 62), "mremap to of pages 0x3e to 0x41: outside the 64 pages of toy"),
        (THP, (0, 4, TO + 1), "mremap of pages 0x0 to 0x3: expected a move by a multiple of 4 pages"),
        (HUGE, (0, 4, TO), "mremap of pages 0x0 to 0x3: expected base pages or large folios, got hugetlb"),
    ],
)
def test_what_cannot_move_is_refused_and_stays_as_it_was(
    backing: Backing, run: tuple[int, int, int], text: str
):
    kernel, parent, _ = scene(pages=4, backing=backing)
    before = state(kernel)

    with pytest.raises(SimulationError, match=text):
        kernel.mremap(parent, *run)

    assert state(kernel) == before


def test_a_move_needs_room_for_the_tables_of_the_new_place_beside_the_old():
    kernel = boot(frames=6)  # root, two tables, and two pages leave one
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, 2 * PAGE, at_page=0)
    kernel.populate(parent, heap, np.arange(2))
    before = state(kernel)

    with pytest.raises(OutOfMemory):
        kernel.mremap(parent, 0, 2, TO)

    assert state(kernel) == before
