"""The TLBs of cores: what they remember, what a walk loads, and what makes them forget."""

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowmodel.catalog import PAGINGS
from cowmodel.errors import ConfigError
from cowmodel.hardware.paging import Geometry
from cowmodel.hardware.tlb import REFUSED, Cache, TlbGeometry, Tlbs, use
from cowmodel.kernel.backing import Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from tests.toy import boot

X86 = PAGINGS["x86-64"]
FIRST, SECOND, WALK = 0, 1, 2  # steps; WALK is a walk of one load
HERE, THERE = 0, 1  # cores
SMALL = TlbGeometry(
    (Cache(4, 2), Cache(2, 1), Cache(1, 1)), (Cache(8, 4), Cache(2, 2)), upper=Cache(6, 3), asids=2
)


class Mapped:
    """A page table in which everything is mapped, by leafs of one level."""

    def __init__(self, level: int = 1, writable: bool = True) -> None:
        self.level, self.writable = level, writable

    def leaf(self, vpn: int) -> tuple[int, bool]:
        return self.level, self.writable


def tlbs(geometry: Geometry = X86, tlb: TlbGeometry | None = None, cores: int = 2) -> Tlbs:
    """Return TLBs of cores of which the first runs address space 0."""
    made = Tlbs(tlb or TlbGeometry(), geometry, cores, 64)
    made.enter(HERE, 0)
    return made


def step(tlbs: Tlbs, vpn: int, table: Mapped | None = None, write: bool = False, core: int = HERE) -> int:
    return tlbs.translate(core, table or Mapped(), vpn, write)  # type: ignore[arg-type]


# ------------------------------------------------------------------- exact LRU
@given(st.lists(st.tuples(st.integers(1, 12), st.booleans())), st.sampled_from([1, 2, 4, 8]))
def test_a_set_is_a_list_of_the_most_recently_used(uses: list[tuple[int, bool]], ways: int):
    entries, model = np.zeros(ways, np.int64), list[int]()
    for page, writable in uses:
        key = page << 7 | 1 << 1
        known = [entry for entry in model if entry >> 1 == key >> 1]

        found = use(entries, key)
        entries[0] |= writable and not found

        assert found == (known[0] if known else 0)
        new = known[0] if known else key | writable
        model = [new, *(entry for entry in model if entry not in known)][:ways]
        assert entries.tolist() == model + [0] * (ways - len(model))


class Naive:
    """The same caches of one core as lists, with entries as tuples; ASIDs are as many as there are spaces."""

    def __init__(self, tlb: TlbGeometry, geometry: Geometry) -> None:
        self.tlb, self.geometry = tlb, geometry
        self.sets: dict[tuple[str, int, int], list[tuple[int, int, int]]] = {}
        self.read_only: set[tuple[int, int, int]] = set()

    def find(self, kind: str, which: int, cache: Cache, entry: tuple[int, int, int]) -> bool:
        ways = self.sets.setdefault((kind, which, (entry[1] + entry[2]) % (cache.entries // cache.ways)), [])
        found = entry in ways
        if found:
            ways.remove(entry)
        ways.insert(0, entry)
        del ways[cache.ways :]
        return found

    def translate(self, space: int, level: int, vpn: int) -> int:
        entry = space, level, vpn >> self.geometry.shifts[level]
        if self.find("first", level, self.tlb.first[level - 1], entry):
            return 0
        if self.find("second", level // 3, self.tlb.second[level // 3], entry):
            return 1
        for above in range(level + 1, self.geometry.top + 1):
            if self.find("upper", 0, self.tlb.upper, (space, above, vpn >> self.geometry.shifts[above])):
                return 1 + above - level
        return 1 + self.geometry.top + 1 - level

    def fault(self, space: int, vpn: int) -> None:
        for ways in self.sets.values():
            ways[:] = [(s, n, p) for s, n, p in ways if (s, p) != (space, vpn >> self.geometry.shifts[n])]


PAGES = st.integers(0, 9) | st.integers(0, 9).map(lambda n: n << 9) | st.integers(0, 9).map(lambda n: n << 18)
ACTIONS = st.tuples(st.sampled_from(["access", "access", "fault", "switch"]), PAGES, st.integers(1, 3))


@given(st.lists(ACTIONS, max_size=120), st.sampled_from([SMALL, TlbGeometry()]))
def test_a_core_takes_the_steps_of_a_naive_model(actions: list[tuple[str, int, int]], tlb: TlbGeometry):
    real, naive, space = tlbs(tlb=tlb), Naive(tlb, X86), 0
    for action, vpn, level in actions:
        if action == "access":
            assert step(real, vpn, Mapped(level)) == naive.translate(space, level, vpn)
        elif action == "fault":
            real.fault(HERE, vpn)
            naive.fault(space, vpn)
        else:
            space = 1 - space
            real.leave(HERE)
            real.enter(HERE, space)


def test_the_defaults_are_those_of_a_recent_processor():
    made = tlbs()

    assert made.entries.shape == (2, 64 + 32 + 4 + 2048 + 16 + 32)
    assert made.caches.tolist() == [
        [0, 15, 4], [64, 7, 4], [96, 0, 4], [100, 127, 16], [2148, 0, 16], [2164, 7, 4],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "asids", "complaint"),
    [
        (Cache(6, 4), 6, "expected 2\\^k sets of 4 ways, got 6 entries"),
        (Cache(12, 4), 6, "expected 2\\^k sets of 4 ways, got 12 entries"),
        (Cache(4, 0), 6, "expected 2\\^k sets of 0 ways, got 4 entries"),
        (Cache(4, 4), 8, "expected 1 to 7 ASIDs, got 8"),
    ],
)
def test_caches_without_whole_sets_and_too_many_asids_are_refused(first: Cache, asids: int, complaint: str):
    with pytest.raises(ConfigError, match=complaint):
        TlbGeometry((first, Cache(1, 1), Cache(1, 1)), asids=asids)


# ----------------------------------------------------------------------- steps
def test_what_the_first_level_has_lost_is_found_in_the_second():
    made = tlbs()
    pages = [n * 16 for n in range(5)]  # of one set of the first level
    for page in pages:
        step(made, page)

    assert [step(made, page) for page in (pages[4], pages[0], pages[0])] == [FIRST, SECOND, FIRST]
    assert made.taken(HERE)[0] == 1


@pytest.mark.parametrize(
    ("paging", "level", "loads"),
    [
        ("x86-64", 1, [4, 1, 2, 3]),
        ("x86-64", 2, [3, 1, 2]),
        ("x86-64", 3, [2, 1]),
        ("x86-64-5level", 1, [5, 1, 2, 3, 4]),
        ("x86-64-5level", 3, [3, 1, 2]),
        ("arm64-16k", 1, [4, 1, 2, 3]),
        ("arm64-64k", 1, [3, 1, 2]),
        ("arm64-64k", 2, [2, 1]),
    ],
)
def test_a_walk_loads_what_is_below_the_deepest_upper_entry_that_is_known(
    paging: str, level: int, loads: list[int]
):
    geometry = PAGINGS[paging]
    made, table = tlbs(geometry), Mapped(level)
    # neighbours in a table of the leaf's level, of the one above, and so on
    pages = [0, *(geometry.leaf_pages(upper) for upper in range(level, geometry.top))]

    walks = [step(made, page, table) - 1 for page in pages]

    assert walks == loads
    assert made.taken(HERE) == (0, sum(loads))
    assert made.taken(HERE) == (0, 0)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_pages_of_one_leaf_share_its_translation(level: int):
    made, table = tlbs(), Mapped(level)
    step(made, 0, table)

    assert step(made, X86.leaf_pages(level) - 1, table) == FIRST
    assert step(made, X86.leaf_pages(level), table) > SECOND


def test_leafs_of_2_mib_share_the_second_level_with_base_pages_and_those_of_1_gib_do_not():
    made = tlbs(tlb=TlbGeometry((Cache(1, 1),) * 3, (Cache(1, 1), Cache(1, 1))))
    step(made, 5 << 18, Mapped(3))
    step(made, 5 << 9, Mapped(2))
    step(made, 6 << 18, Mapped(1))

    assert (made.entries[HERE, 3:5] >> 4 & 7).tolist() == [1, 3]


# -------------------------------------------------------------------- refusals
@pytest.mark.parametrize("lost_by_the_first", [False, True])
def test_a_write_through_a_cached_read_only_translation_is_refused_until_a_fault_drops_it(
    lost_by_the_first: bool,
):
    made, page = tlbs(tlb=SMALL), 0
    step(made, page, Mapped(writable=False))
    for other in (2, 4) if lost_by_the_first else ():
        step(made, other)
    made.taken(HERE)

    assert step(made, page, Mapped(writable=True), write=True) == REFUSED
    assert made.taken(HERE) == (0, 0)
    made.fault(HERE, page)
    assert step(made, page, Mapped(writable=True), write=True) > SECOND


def test_a_read_through_a_cached_read_only_translation_is_not_refused():
    made = tlbs()
    step(made, 0, Mapped(writable=False))

    assert step(made, 0, Mapped(writable=True)) == FIRST


# ------------------------------------------------------------------------ ASIDs
def switch(made: Tlbs, root: int, core: int = HERE) -> None:
    made.leave(core)
    made.enter(core, root)


def test_an_address_space_that_comes_back_finds_what_it_left():
    made = tlbs()
    step(made, 0)
    for root in range(1, 6):
        switch(made, root)
        assert step(made, 0) > SECOND  # nobody else's

    switch(made, 0)

    assert step(made, 0) == SECOND  # the first level has four ways


def test_the_seventh_address_space_takes_the_asid_used_longest():
    made = tlbs()
    for root in range(7):
        switch(made, root)
        step(made, 0)

    switch(made, 1)
    assert step(made, 0) == SECOND
    switch(made, 0)
    assert step(made, 0) > SECOND


def test_a_core_forgets_an_address_space_of_which_something_was_dropped_while_it_ran_another():
    made = tlbs()
    step(made, 0)
    switch(made, 1)
    made.enter(THERE, 0)
    made.drop(0, np.array([9]))

    switch(made, 0)

    assert step(made, 0) > SECOND


def test_what_was_dropped_while_it_ran_is_not_flushed_again_when_it_comes_back():
    made = tlbs()
    step(made, 0)
    made.drop(0, np.array([9]))
    switch(made, 1)

    switch(made, 0)

    assert step(made, 0) == FIRST


def test_a_new_address_space_with_the_root_of_a_dead_one_finds_nothing():
    made = tlbs()
    step(made, 0)
    made.end(0)

    switch(made, 0)

    assert step(made, 0) > SECOND


def test_what_is_taken_out_of_a_set_leaves_its_gap_at_the_end():
    made = tlbs(tlb=TlbGeometry((Cache(4, 4), Cache(1, 1), Cache(1, 1))))
    for page in (1, 2, 3):
        step(made, page)

    made.fault(HERE, 2)

    assert (made.entries[HERE, :4] >> 7).tolist() == [3, 1, 0, 0]


# --------------------------------------------------------------- what flushes what
PAGES_MAPPED = 40


def family() -> tuple[Kernel, Process, Callable[[int, int], bool]]:
    """Return a process that runs on two cores that have used its 40 pages, and whether they remember one."""
    kernel = boot(256, "cow-flip", X86)
    kernel.tlbs = Tlbs(TlbGeometry(), X86, 2, len(kernel.arena.rows))
    parent, _ = kernel.spawn()
    kernel.mmap(parent, PAGES_MAPPED << 12, at_page=0)
    kernel.mmap(parent, PAGES_MAPPED << 12, at_page=1 << 9)
    for core in (HERE, THERE):
        kernel.tlbs.enter(core, parent.memory.page_table.root)

    def remembers(core: int, vpn: int) -> bool:
        asid = int(kernel.tlbs.cores[core, 1]) + 1
        key = vpn << 7 | 1 << 4 | asid << 1
        return bool((kernel.tlbs.entries[core] | 1 == key | 1).any())

    return kernel, parent, remembers


def look(kernel: Kernel, process: Process, *vpns: int) -> None:
    """Let both cores use pages."""
    for core in (HERE, THERE):
        for vpn in vpns:
            assert kernel.tlbs.translate(core, process.memory.page_table, vpn, write=False) != REFUSED


def populated() -> tuple[Kernel, Process, Callable[[int, int], bool]]:
    kernel, parent, remembers = family()
    for vma in parent.memory.vmas:
        kernel.populate(parent, vma)
    look(kernel, parent, *range(PAGES_MAPPED))
    return kernel, parent, remembers


def both(remembers: Callable[[int, int], bool], vpns: Iterable[int]) -> set[bool]:
    return {remembers(core, vpn) for core in (HERE, THERE) for vpn in vpns}


@pytest.mark.parametrize("write", [False, True])
def test_mapping_a_page_that_had_no_entry_flushes_nothing(write: bool):
    kernel, parent, _ = family()
    kernel.write(parent, 0)
    look(kernel, parent, 0)
    before = kernel.tlbs.entries.copy()

    kernel.fault(parent, 1, write)

    assert (kernel.tlbs.entries == before).all()
    assert kernel.tlbs.generations.sum() == 0


def test_a_copy_drops_its_page_on_all_cores_that_run_the_address_space():
    kernel, parent, remembers = populated()
    kernel.fork(parent)
    look(kernel, parent, *range(PAGES_MAPPED))

    assert kernel.fault(parent, 3, write=True).kind == "cow_copy"

    assert both(remembers, range(3, 4)) == {False}
    assert both(remembers, [*range(3), *range(4, PAGES_MAPPED)]) == {True}


def test_a_replaced_zero_page_is_dropped_on_all_cores():
    kernel, parent, remembers = family()
    kernel.read(parent, 0)
    look(kernel, parent, 0)

    assert kernel.fault(parent, 0, write=True).kind == "zero_replace"

    assert both(remembers, range(1)) == {False}


def test_a_flip_drops_nothing():
    kernel, parent, remembers = populated()
    child, _ = kernel.fork(parent)
    kernel.exit(child)
    look(kernel, parent, 3)

    assert kernel.fault(parent, 3, write=True).kind == "cow_reuse"

    assert both(remembers, range(3, 4)) == {True}
    assert kernel.tlbs.translate(HERE, parent.memory.page_table, 3, write=True) == REFUSED


def test_fork_flushes_the_parent_on_all_cores():
    kernel, parent, _ = populated()

    kernel.fork(parent)

    assert not kernel.tlbs.entries.any()


@pytest.mark.parametrize(("pages", "others"), [(33, True), (34, False)])
def test_munmap_drops_up_to_33_pages_one_by_one_and_flushes_for_more(pages: int, others: bool):
    kernel, parent, remembers = populated()

    kernel.munmap(parent, parent.memory.vmas[0], 0, pages)

    assert both(remembers, range(pages)) == {False}
    assert both(remembers, range(pages, PAGES_MAPPED)) == {others}


def test_munmap_drops_what_leads_to_the_tables_that_it_frees():
    kernel, parent, _ = populated()

    kernel.munmap(parent, parent.memory.vmas[0])
    kernel.mmap(parent, 1 << 12, at_page=0)
    kernel.write(parent, 0)

    assert kernel.tlbs.translate(HERE, parent.memory.page_table, 0, write=False) > WALK


@pytest.mark.parametrize("verb", ["exit", "exec"])
def test_after_exit_and_exec_no_core_runs_the_old_address_space(verb: str):
    kernel, parent, _ = populated()

    getattr(kernel, verb)(parent)

    assert kernel.tlbs.cores[:, 0].tolist() == [-1, -1]


def test_a_copied_huge_page_is_dropped_by_whichever_of_its_pages_it_was_used():
    kernel = Kernel(X86, 64 << 20, boot().policy)
    kernel.tlbs = Tlbs(TlbGeometry(), X86, 1, len(kernel.arena.rows))
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, 2 << 20, Backing("hugetlb", 2 << 20))
    kernel.populate(parent, heap)
    kernel.fork(parent)
    kernel.tlbs.enter(HERE, parent.memory.page_table.root)
    kernel.tlbs.translate(HERE, parent.memory.page_table, heap.first + 7, write=False)

    kernel.write(parent, heap.first + 300)

    assert kernel.tlbs.translate(HERE, parent.memory.page_table, heap.first + 7, write=True) > SECOND
