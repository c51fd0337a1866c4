"""Files in the page cache: private and shared mappings of them, and what Linux 6.18 counts."""

from collections import Counter
from functools import partial

import numpy as np
import pytest

from cowmodel.catalog import PAGINGS, POLICIES
from cowmodel.engine.compiled_passes import CompiledPasses
from cowmodel.errors import BusError, ConfigError, OutOfMemory, SimulationError
from cowmodel.hardware.paging import CACHED
from cowmodel.kernel.accounting import unmapped_cache_bytes, usage
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.memory_object import MemoryObject
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from tests.toy import HUGE, PAGE, boot, frames, picture, scene, state, words

PAGES = 64


class File:
    """A process and a file, on a disk or in memory, that it may map."""

    def __init__(self, compiled: bool = False, disk: bool = False, policy: str = "cow-flip") -> None:
        self.kernel = boot(600, policy, PAGINGS["x86-64"])
        if compiled:
            self.kernel.passes = CompiledPasses(self.kernel.arena, self.kernel.frames, self.kernel.folios)
        self.process, _ = self.kernel.spawn()
        self.file = self.kernel.open(PAGES * PAGE, disk)

    def map(self, shared: bool = False, process: Process | None = None) -> Vma:
        vma, _ = self.kernel.mmap(process or self.process, PAGES * PAGE, shared=shared, file=self.file)
        return vma

    def counts(self, vma: Vma, write: bool, pages: range = range(PAGES), process: Process | None = None):
        """Access pages one after the other; return the faults by kind."""
        process = process or self.process
        before = Counter(process.faults)
        for page in pages:
            (self.kernel.write if write else self.kernel.read)(process, vma.first + page)
        return dict(process.faults - before)

    def own(self, vma: Vma, process: Process | None = None) -> int:
        """Return how many entries map frames that are not the file's."""
        return sum(word and not word & CACHED for word in words(self.kernel, process or self.process, vma))


@pytest.fixture(params=[False, True], ids=["arrays", "compiled"])
def tmpfs(request: pytest.FixtureRequest) -> File:
    return File(request.param)


@pytest.fixture(params=[False, True], ids=["arrays", "compiled"])
def disk(request: pytest.FixtureRequest) -> File:
    return File(request.param, disk=True)


# ------------------------------------------------------------------ page cache
def test_a_file_is_in_memory_before_and_after_it_is_mapped(tmpfs: File):
    kernel = tmpfs.kernel
    assert kernel.frames.used == PAGES
    assert unmapped_cache_bytes(kernel) == PAGES * PAGE

    vma = tmpfs.map()
    tmpfs.counts(vma, write=False)
    assert unmapped_cache_bytes(kernel) == 0
    kernel.munmap(tmpfs.process, vma)

    assert kernel.frames.used == PAGES
    assert kernel.frames.total_sharers == 0
    assert unmapped_cache_bytes(kernel) == PAGES * PAGE


def test_all_mappings_of_a_file_have_its_frames_in_any_process(tmpfs: File):
    stranger, _ = tmpfs.kernel.spawn()
    private, shared, far = tmpfs.map(), tmpfs.map(shared=True), tmpfs.map(process=stranger)
    for vma, process in ((private, None), (shared, None), (far, stranger)):
        tmpfs.counts(vma, write=False, process=process)

    held = tmpfs.file.pfns.tolist()

    assert frames(tmpfs.kernel, tmpfs.process, private) == held
    assert frames(tmpfs.kernel, tmpfs.process, shared) == held
    assert frames(tmpfs.kernel, stranger, far) == held
    assert picture(tmpfs.kernel, stranger, far) == ["[present] sharers 3"] * PAGES


def test_what_strangers_map_of_a_file_changes_ones_share_in_it(tmpfs: File):
    kernel, me = tmpfs.kernel, tmpfs.process
    tmpfs.counts(tmpfs.map(), write=False)
    assert usage(kernel, me).uss_bytes == usage(kernel, me).pss_bytes == PAGES * PAGE

    stranger, _ = kernel.spawn()
    for _ in range(2):  # one process may map a frame twice
        tmpfs.counts(tmpfs.map(process=stranger), write=False, process=stranger)

    assert usage(kernel, me).pss_bytes == pytest.approx(PAGES * PAGE / 3)
    assert usage(kernel, me).uss_bytes == 0
    assert usage(kernel, stranger).pss_bytes == pytest.approx(2 * PAGES * PAGE / 3)


def test_a_file_needs_room_and_a_size():
    kernel = boot(8)
    before = state(kernel)

    with pytest.raises(OutOfMemory):
        kernel.open(9 * PAGE)
    with pytest.raises(ConfigError, match="open: expected a size of at least one byte, got 0"):
        kernel.open(0)

    assert state(kernel) == before


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"backing": HUGE}, "mmap: expected base pages of the file, got hugetlb 16 KiB"),
        ({"file_page": -1}, "mmap: expected a page of a file to begin at, got -1"),
        ({"file_page": 1, "file": None}, "mmap: expected a page of a file to begin at, got 1"),
    ],
)
def test_a_file_is_mapped_in_base_pages_from_one_of_its_own(more, text):
    kernel, parent, _ = scene(pages=1)
    file = kernel.open(4 * PAGE)
    before = state(kernel)

    with pytest.raises(SimulationError, match=text):
        kernel.mmap(parent, **{"size_bytes": 4 * PAGE, "file": file, **more})

    assert state(kernel) == before


# ----------------------------------------------------------- behind the end
@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_behind_the_end_of_a_file_there_is_a_bus_error_and_no_fault_is_counted(
    tmpfs: File, write: bool, shared: bool
):
    vma, _ = tmpfs.kernel.mmap(tmpfs.process, 2 * PAGES * PAGE, shared=shared, file=tmpfs.file)

    with pytest.raises(BusError, match=f"page {vma.first + PAGES:#x} is behind the end of the file"):
        tmpfs.counts(vma, write, range(PAGES, PAGES + 1))

    assert not tmpfs.process.faults
    assert tmpfs.process.memory.page_table.tables[:4] == [0, 0, 1, 1]


def test_a_read_behind_the_end_maps_the_neighbours_before_it_all_the_same(tmpfs: File):
    vma, _ = tmpfs.kernel.mmap(tmpfs.process, 2 * PAGES * PAGE, file=tmpfs.file, file_page=4)

    with pytest.raises(BusError):
        tmpfs.counts(vma, write=False, pages=range(PAGES - 4, PAGES))

    assert np.flatnonzero(words(tmpfs.kernel, tmpfs.process, vma)).tolist() == list(range(48, 60))


def test_a_child_gets_the_tables_of_a_private_mapping_that_was_to_be_written_behind_the_end(tmpfs: File):
    vma, _ = tmpfs.kernel.mmap(tmpfs.process, 2 * PAGES * PAGE, file=tmpfs.file)
    with pytest.raises(BusError):
        tmpfs.counts(vma, write=True, pages=range(PAGES, PAGES + 1))

    child, _ = tmpfs.kernel.fork(tmpfs.process)

    assert child.memory.page_table.tables[:4] == [0, 0, 1, 1]


def test_what_is_populated_ends_at_the_end_of_the_file(tmpfs: File):
    vma, _ = tmpfs.kernel.mmap(tmpfs.process, 2 * PAGES * PAGE, file=tmpfs.file)

    for verb in (partial(tmpfs.kernel.madvise, advice="populate_write"), tmpfs.kernel.mlock):
        with pytest.raises(BusError):
            verb(tmpfs.process, vma.first, vma.pages)

    assert tmpfs.own(vma) == PAGES


def test_a_shared_mapping_that_reaches_behind_the_end_is_not_populated_at_all(tmpfs: File):
    vma, _ = tmpfs.kernel.mmap(tmpfs.process, 2 * PAGES * PAGE, shared=True, file=tmpfs.file)
    before = state(tmpfs.kernel)

    with pytest.raises(BusError, match="behind the end of the file"):
        tmpfs.kernel.populate(tmpfs.process, vma)

    assert state(tmpfs.kernel) == before


def test_locked_pages_that_may_be_written_again_are_up_to_the_end_of_the_file(tmpfs: File):
    vma, _ = tmpfs.kernel.mmap(tmpfs.process, 2 * PAGES * PAGE, file=tmpfs.file)
    tmpfs.kernel.mprotect(tmpfs.process, vma.first, vma.pages, "r")
    with pytest.raises(BusError):
        tmpfs.kernel.mlock(tmpfs.process, vma.first, vma.pages)

    tmpfs.kernel.mprotect(tmpfs.process, vma.first, vma.pages, "rw")

    assert tmpfs.process.faults == {"file_map": 4, "cow_copy": PAGES}


def test_two_mappings_of_different_pieces_of_a_file_share_what_both_have(tmpfs: File):
    low = tmpfs.map(shared=True)
    high, _ = tmpfs.kernel.mmap(tmpfs.process, 8 * PAGE, file=tmpfs.file, file_page=8)
    tmpfs.counts(low, write=True, pages=range(8, 16))

    assert tmpfs.counts(high, write=False, pages=range(8)) == {"file_map": 1}
    assert frames(tmpfs.kernel, tmpfs.process, high) == tmpfs.file.pfns[8:16].tolist()


# --------------------------------------------------------------------- private
def test_a_read_maps_the_neighbours_too_and_nothing_writable(tmpfs: File):
    vma = tmpfs.map()

    assert tmpfs.counts(vma, write=False) == {"file_map": 4}
    assert picture(tmpfs.kernel, tmpfs.process, vma) == ["[present] sharers 1"] * PAGES
    assert not vma.written


def test_a_write_where_nothing_is_copies_in_one_fault(tmpfs: File):
    vma = tmpfs.map()

    work = tmpfs.kernel.write(tmpfs.process, vma.first)

    assert dict(tmpfs.process.faults) == {"file_cow": 1}
    assert (work.allocations, work.copied_bytes, work.zeroed_bytes, work.frees) == (1, PAGE, 0, 0)
    assert tmpfs.kernel.frames.sharers[tmpfs.file.pfns[0]] == 0
    assert vma.written


@pytest.mark.parametrize("policy", POLICIES)
def test_a_page_of_the_cache_is_copied_and_never_flipped_whatever_the_policy(policy: str):
    world = File(policy=policy)
    vma = world.map()
    world.counts(vma, write=False)

    assert world.counts(vma, write=True) == {"cow_copy": PAGES}
    assert world.counts(vma, write=True) == {}
    assert world.own(vma) == PAGES
    assert world.kernel.frames.used == 2 * PAGES


def test_the_last_to_map_a_page_of_the_cache_is_not_looked_for():
    world = File(policy="cow-eager-flip")
    vma = world.map()
    world.counts(vma, write=False)
    world.kernel.write(world.process, vma.first)  # or the child would not have the entries
    child, _ = world.kernel.fork(world.process)

    world.counts(vma, write=True, process=child)
    world.kernel.exit(child)

    assert picture(world.kernel, world.process, vma)[1:] == ["[present] sharers 1"] * (PAGES - 1)


def test_a_copy_becomes_the_writers_own_and_is_flipped_by_its_last_sharer(tmpfs: File):
    vma = tmpfs.map()
    tmpfs.counts(vma, write=True)
    child, _ = tmpfs.kernel.fork(tmpfs.process)

    assert tmpfs.counts(vma, write=True, process=child) == {"cow_copy": PAGES}
    assert tmpfs.counts(vma, write=True) == {"cow_reuse": PAGES}


def test_a_child_inherits_entries_only_of_a_mapping_that_was_written(tmpfs: File):
    read, written = tmpfs.map(), tmpfs.map()
    for vma in (read, written):
        tmpfs.counts(vma, write=False)
    tmpfs.kernel.write(tmpfs.process, written.first)

    child, _ = tmpfs.kernel.fork(tmpfs.process)

    assert words(tmpfs.kernel, child, read) == [0] * PAGES
    assert frames(tmpfs.kernel, child, written) == frames(tmpfs.kernel, tmpfs.process, written)


def test_an_eager_fork_copies_own_pages_and_shares_those_of_the_cache():
    world = File(policy="eager")
    vma = world.map()
    world.counts(vma, write=True, pages=range(16))
    world.counts(vma, write=False)

    child, work = world.kernel.fork(world.process)

    assert (work.allocations, work.pte_entries) == (16, PAGES)
    assert world.own(vma, child) == 16
    assert picture(world.kernel, child, vma)[16:] == ["[present] sharers 2"] * (PAGES - 16)
    assert picture(world.kernel, child, vma)[:16] == ["[present, write] sharers 1"] * 16


def test_an_eager_fork_needs_no_room_for_pages_of_the_cache():
    kernel, parent, _ = scene(pages=1, policy="eager", frames=12, populated=False)
    vma, _ = kernel.mmap(parent, 4 * PAGE, at_page=4, file=kernel.open(4 * PAGE))
    for page in range(4):
        kernel.read(parent, vma.first + page)
    kernel.write(parent, vma.first)
    assert kernel.frames.free == 4  # three tables and one page

    _, work = kernel.fork(parent)

    assert work.allocations == 1
    assert kernel.frames.free == 0


def test_dropped_pages_reveal_the_file_again(tmpfs: File):
    vma = tmpfs.map()
    tmpfs.counts(vma, write=True)

    work = tmpfs.kernel.madvise(tmpfs.process, vma.first, PAGES, "dontneed")

    assert (work.drops, work.frees) == (PAGES, PAGES)
    assert tmpfs.counts(vma, write=False) == {"file_map": 4}
    assert frames(tmpfs.kernel, tmpfs.process, vma) == tmpfs.file.pfns.tolist()


def test_with_the_right_to_write_own_pages_become_writable_and_those_of_the_cache_not(tmpfs: File):
    vma = tmpfs.map()
    tmpfs.counts(vma, write=True, pages=range(16))
    tmpfs.counts(vma, write=False)
    for rights in ("r", "rw"):
        tmpfs.kernel.mprotect(tmpfs.process, vma.first, PAGES, rights)

    assert tmpfs.counts(vma, write=True) == {"cow_copy": PAGES - 16}


def test_populate_lock_and_advice_copy_a_private_file(tmpfs: File):
    kernel, process = tmpfs.kernel, tmpfs.process
    first, second, third = tmpfs.map(), tmpfs.map(), tmpfs.map()
    kernel.read(process, third.first)

    assert kernel.mlock(process, first.first, PAGES).copied_bytes == PAGES * PAGE
    assert kernel.madvise(process, second.first, PAGES, "populate_write").copied_bytes == PAGES * PAGE
    assert kernel.populate(process, third).copied_bytes == (PAGES - 16) * PAGE  # what has no entry yet
    assert process.faults["file_cow"] == 3 * PAGES - 16
    assert process.faults["cow_copy"] == 0


def test_a_file_cannot_be_wiped_at_fork(tmpfs: File):
    vma, before = tmpfs.map(), state(tmpfs.kernel)

    with pytest.raises(SimulationError, match="madvise: expected anonymous memory of base pages to wipe"):
        tmpfs.kernel.madvise(tmpfs.process, vma.first, PAGES, "wipeonfork")

    assert state(tmpfs.kernel) == before


# ---------------------------------------------------------------------- shared
def test_a_shared_file_in_memory_is_writable_once_it_is_read(tmpfs: File):
    vma = tmpfs.map(shared=True)

    assert tmpfs.counts(vma, write=False) == {"shared_map": 4}
    assert tmpfs.counts(vma, write=True) == {}


def test_one_on_a_disk_is_told_of_the_first_write_to_each_page(disk: File):
    vma = disk.map(shared=True)

    assert disk.counts(vma, write=False) == {"shared_map": 4}
    assert disk.counts(vma, write=True) == {"shared_upgrade": PAGES}
    assert disk.counts(vma, write=True) == {}
    assert frames(disk.kernel, disk.process, vma) == disk.file.pfns.tolist()


def test_an_upgrade_takes_no_memory_however_many_map_the_page(disk: File):
    vmas = [disk.map(shared=True), disk.map(shared=True), disk.map()]
    for vma in vmas:
        disk.counts(vma, write=False)

    work = disk.kernel.write(disk.process, vmas[0].first)

    assert (work.flips, work.allocations, work.copied_bytes) == (1, 0, 0)
    assert picture(disk.kernel, disk.process, vmas[0])[:2] == [
        "[present, write] sharers 3",
        "[present] sharers 3",
    ]


def test_a_write_where_nothing_is_maps_one_page_writable(disk: File):
    vma = disk.map(shared=True)

    assert disk.counts(vma, write=True, pages=range(8)) == {"shared_map": 8}
    assert words(disk.kernel, disk.process, vma)[8:] == [0] * (PAGES - 8)


def test_a_child_finds_a_shared_file_again(disk: File):
    vma = disk.map(shared=True)
    disk.counts(vma, write=True)
    child, _ = disk.kernel.fork(disk.process)

    assert disk.counts(vma, write=False, process=child) == {"shared_map": 4}
    assert disk.counts(vma, write=True, process=child) == {"shared_upgrade": PAGES}
    assert disk.counts(vma, write=True) == {}


def test_with_the_right_to_write_dirty_pages_on_a_disk_become_writable_and_clean_ones_not(disk: File):
    vma = disk.map(shared=True)
    disk.counts(vma, write=False)
    disk.counts(vma, write=True, pages=range(16))
    for rights in ("r", "rw"):
        disk.kernel.mprotect(disk.process, vma.first, PAGES, rights)

    assert disk.counts(vma, write=True) == {"shared_upgrade": PAGES - 16}


def test_in_memory_all_do(tmpfs: File):
    vma = tmpfs.map(shared=True)
    tmpfs.kernel.mprotect(tmpfs.process, vma.first, PAGES, "r")
    tmpfs.counts(vma, write=False)
    tmpfs.kernel.mprotect(tmpfs.process, vma.first, PAGES, "rw")

    assert tmpfs.counts(vma, write=True) == {}


def test_a_lock_reads_a_shared_file(disk: File):
    vma = disk.map(shared=True)

    assert disk.kernel.mlock(disk.process, vma.first, PAGES).traps == 4
    assert disk.counts(vma, write=True) == {"shared_upgrade": PAGES}


# ----------------------------------------------------------------------- dirty
def known_dirty(behind: MemoryObject | None) -> int:
    assert behind
    return int(behind.dirty.sum())


def test_a_file_is_dirty_in_memory_and_clean_on_a_disk():
    assert known_dirty(File().file) == PAGES
    assert known_dirty(File(disk=True).file) == 0


def test_a_file_hears_of_the_write_that_it_is_notified_of(disk: File):
    vma = disk.map(shared=True)
    disk.counts(vma, write=True, pages=range(4))
    disk.counts(vma, write=False)
    disk.counts(vma, write=True, pages=range(8, 16))

    assert known_dirty(disk.file) == 12


def test_a_write_to_a_private_mapping_leaves_the_file_clean(disk: File):
    vma = disk.map()
    disk.counts(vma, write=True)
    disk.kernel.munmap(disk.process, vma)

    assert known_dirty(disk.file) == 0


@pytest.fixture
def memory() -> tuple[Kernel, Process, Vma]:
    """Return shared memory that was read, so that a write takes no fault."""
    kernel, parent, heap = scene(pages=4, shared=True, populated=False)
    for page in range(4):
        kernel.read(parent, heap.first + page)
    return kernel, parent, heap


def test_shared_memory_hears_of_a_write_without_a_fault_when_the_entry_goes(memory):
    kernel, parent, heap = memory

    kernel.write(parent, heap.first + 2)
    assert known_dirty(heap.object) == 0
    kernel.madvise(parent, heap.first, 4, "dontneed")

    assert heap.object.dirty.tolist() == [False, False, True, False]


def test_populate_tells_of_all_pages_but_those_whose_entries_are_dirty(memory):
    kernel, parent, heap = memory
    kernel.write(parent, heap.first + 2)

    kernel.madvise(parent, heap.first, 4, "populate_write")

    assert [pfn in kernel.frames.dirty for pfn in heap.object.pfns] == [True, True, False, True]
