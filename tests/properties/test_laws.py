"""Laws: what one policy does, said in terms of another or of a count."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowmodel.catalog import PAGINGS, POLICIES
from cowmodel.errors import OutOfMemory
from cowmodel.kernel.accounting import Usage, usage
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work

QUICK = settings(max_examples=60, deadline=None, derandomize=True, database=None)
MIB = 1 << 20
HUGE = Backing("hugetlb", 2 * MIB)
FLIPS, COPIES = ("cow_reuse", "htlb_reuse"), ("cow_copy", "htlb_copy")
PAGES = 6  # of the base mapping of a script; its huge mapping has two leafs
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("read", "write", "write", "write", "fork", "exit", "munmap")),
        st.integers(0, 4),
        st.integers(0, PAGES + 1),
    ),
    max_size=60,
)


def boot(policy: str, memory_bytes: int = 64 * MIB, paging: str = "x86-64") -> Kernel:
    return Kernel(PAGINGS[paging], memory_bytes, POLICIES[policy]())


def play(policy: str, steps: list[tuple[str, int, int]]) -> tuple[Kernel, list[Work]]:
    """Run a script of operations on processes and places; return the kernel and each work."""
    kernel = boot(policy)
    parent, _ = kernel.spawn()
    kernel.mmap(parent, PAGES * 4096)
    kernel.mmap(parent, 2 * HUGE.leaf_bytes, HUGE)
    works = []
    for verb, who, place in steps:
        process = kernel.alive[who % len(kernel.alive)]
        works.append(do(kernel, process, verb, place))
    return kernel, works


def do(kernel: Kernel, process: Process, verb: str, place: int) -> Work:
    start = (1 << 40) // 4096
    vpn = start + place if place < PAGES else start + 512 * (1 + place - PAGES)
    vma = process.memory.find(vpn)
    match verb:
        case "fork" if len(kernel.alive) < 5:
            return kernel.fork(process)[1]
        case "exit" if len(kernel.alive) > 1:
            return kernel.exit(process)
        case "read" if vma:
            return kernel.read(process, vpn)
        case "write" if vma:
            return kernel.write(process, vpn)
        case "munmap" if vma:
            leaf = kernel.geometry.leaf_pages(vma.level)
            return kernel.munmap(process, vma, vpn - vma.first, leaf)
    return Work()


def family(policy: str, sharers: int, backing: Backing = BASE) -> tuple[Kernel, list[Process], Vma]:
    """Return a kernel in which so many processes share the one leaf of a mapping."""
    kernel = boot(policy)
    parent, _ = kernel.spawn()
    vma, _ = kernel.mmap(parent, 1, backing)
    kernel.populate(parent, vma)
    return kernel, [parent, *(kernel.fork(parent)[0] for _ in range(sharers - 1))], vma


def usages(kernel: Kernel) -> list[Usage]:
    return [usage(kernel, process) for process in kernel.alive]


def total(kernel: Kernel, kinds: tuple[str, ...]) -> int:
    return sum(process.faults[kind] for process in kernel.everyone for kind in kinds)


@QUICK
@given(STEPS)
def test_flip_changes_the_kind_of_a_fault_and_nothing_else(
    steps: list[tuple[str, int, int]],
) -> None:
    copying, copying_works = play("cow", steps)
    flipping, flipping_works = play("cow-flip", steps)

    for a, b in zip(copying_works, flipping_works, strict=True):
        assert (a.traps, a.zeroed_bytes, a.drops, a.hits) == (
            b.traps,
            b.zeroed_bytes,
            b.drops,
            b.hits,
        )
        assert a.allocations == b.allocations + b.flips
        assert a.frees == b.frees + b.flips
    assert usages(copying) == usages(flipping)
    assert copying.frames.used == flipping.frames.used
    assert total(copying, FLIPS) == 0
    assert total(copying, COPIES) == total(flipping, COPIES + FLIPS)
    for a_process, b_process in zip(copying.everyone, flipping.everyone, strict=True):
        for copy, flip in zip(COPIES, FLIPS, strict=True):
            b_process.faults[copy] += b_process.faults.pop(flip, 0)
        assert +a_process.faults == +b_process.faults


@QUICK
@given(STEPS)
def test_finding_the_last_sharer_at_once_only_saves_the_faults_that_flip(
    steps: list[tuple[str, int, int]],
) -> None:
    lazy, lazy_works = play("cow-flip", steps)
    eager, eager_works = play("cow-eager-flip", steps)

    for a, b in zip(lazy_works, eager_works, strict=True):
        assert (a.copied_bytes, a.zeroed_bytes) == (b.copied_bytes, b.zeroed_bytes)
        assert b.traps in (a.traps, a.traps - a.flips)
    assert usages(lazy) == usages(eager)
    assert total(lazy, COPIES) == total(eager, COPIES)
    assert total(eager, FLIPS) <= total(lazy, FLIPS)


@QUICK
@given(STEPS)
def test_every_policy_gives_every_process_the_same_resident_memory(
    steps: list[tuple[str, int, int]],
) -> None:
    resident = {
        policy: [(used.pid, used.rss_bytes, used.table_bytes) for used in usages(kernel)]
        for policy in POLICIES
        for kernel, _ in [play(policy, steps)]
    }

    assert all(found == resident["cow"] for found in resident.values())


@QUICK
@given(STEPS)
def test_only_eager_fork_copies_and_then_nothing_ever_copies_again(
    steps: list[tuple[str, int, int]],
) -> None:
    for policy in POLICIES:
        kernel, works = play(policy, steps)
        of_forks = sum(work.copied_bytes for work in works if work.forks)
        of_faults = sum(work.copied_bytes for work in works if not work.forks)

        assert (of_faults if policy == "eager" else of_forks) == 0
        assert of_faults == sum(process.copied_bytes for process in kernel.everyone)


@QUICK
@given(
    pages=st.integers(0, 40),
    leafs=st.integers(0, 3),
    forks=st.integers(1, 4),
    rest=st.integers(1, 20),
)
def test_eager_copies_each_private_leaf_once_a_fork(pages: int, leafs: int, forks: int, rest: int) -> None:
    kernel = boot("eager")
    parent, _ = kernel.spawn()
    base, _ = kernel.mmap(parent, (pages + rest) * 4096)
    huge, _ = kernel.mmap(parent, 3 * HUGE.leaf_bytes, HUGE)
    kernel.populate(parent, base, np.arange(base.first, base.first + pages))
    kernel.populate(parent, huge, np.arange(huge.first, huge.first + leafs * 512, 512))

    works = [kernel.fork(parent)[1] for _ in range(forks)]

    copied = [(work.allocations, work.copied_bytes) for work in works]
    assert copied == [(pages + leafs, pages * 4096 + leafs * 2 * MIB)] * forks
    assert kernel.frames.used == (1 + forks) * (pages + leafs * 512)


@pytest.mark.parametrize("backing", [BASE, HUGE], ids=str)
@pytest.mark.parametrize("sharers", [1, 2, 3, 4])
def test_sharers_make_one_copy_less_than_they_are_and_one_flip_in_any_order(
    sharers: int, backing: Backing
) -> None:
    for order in permutations(range(sharers)):
        kernel, processes, vma = family("cow-flip", sharers, backing)

        kinds = [kernel.fault(processes[who], vma.first, write=True).kind for who in order[:-1]]
        last = kernel.touch(processes[order[-1]], vma.first, write=True)

        assert kinds == [COPIES[vma.level > 1]] * (sharers - 1)
        assert last is (sharers == 1)  # never shared, never write-protected
        if sharers > 1:
            fault = kernel.fault(processes[order[-1]], vma.first, write=True)
            assert fault.kind == FLIPS[vma.level > 1]
        assert kernel.frames.used == sharers * kernel.geometry.leaf_pages(vma.level)


@pytest.mark.parametrize(
    ("policy", "copies", "flips"), [("eager", 0, 0), ("cow", 4, 0), ("cow-eager-flip", 3, 0)]
)
def test_four_sharers_take_the_faults_of_their_policy_in_any_order(
    policy: str, copies: int, flips: int
) -> None:
    for order in permutations(range(4)):
        kernel, processes, vma = family(policy, 4)

        for who in order:
            kernel.write(processes[who], vma.first)

        assert (total(kernel, COPIES), total(kernel, FLIPS)) == (copies, flips)
        assert kernel.frames.used == 4


@pytest.mark.parametrize("policy", POLICIES)
def test_reading_after_fork_takes_no_fault(policy: str) -> None:
    kernel, processes, vma = family(policy, 3)

    works = [kernel.read(process, vma.first) for process in processes]

    assert works == [Work(hits=1)] * 3


@pytest.mark.parametrize("policy", POLICIES)
def test_a_child_that_exits_gives_back_all_that_it_took(policy: str) -> None:
    kernel, (parent, child), vma = family(policy, 2)
    before = kernel.frames.used + kernel.frames.table_pages

    grandchild, _ = kernel.fork(child)
    kernel.write(grandchild, vma.first)
    kernel.exit(grandchild)

    assert kernel.frames.used + kernel.frames.table_pages == before
    assert usage(kernel, parent).rss_bytes == usage(kernel, child).rss_bytes == 4096


@pytest.mark.parametrize("policy", POLICIES)
def test_populating_pages_that_all_have_entries_changes_nothing(policy: str) -> None:
    kernel = boot(policy)
    parent, _ = kernel.spawn()
    vma, _ = kernel.mmap(parent, 4096)
    kernel.read(parent, vma.first)

    work = kernel.populate(parent, vma)
    child, fork_work = kernel.fork(parent)

    assert work == Work()
    assert fork_work.pte_entries == 0  # only read: the child finds the zero page again by itself
    assert kernel.fault(child, vma.first, write=False).kind == "zero_map"
    assert Counter(parent.faults) == Counter(zero_map=1)


@pytest.mark.parametrize("gib", range(3, 7))
def test_a_fork_that_copies_leafs_of_two_sizes_takes_no_frame_twice(gib: int) -> None:
    kernel = boot("eager", (gib << 30) + 2 * MIB + 100 * 4096)
    parent, _ = kernel.spawn()
    for leaf_bytes in (2 * MIB, 1 << 30):
        vma, _ = kernel.mmap(parent, leaf_bytes, Backing("hugetlb", leaf_bytes))
        kernel.populate(parent, vma)
    before = kernel.frames.used

    try:
        kernel.fork(parent)
    except OutOfMemory:
        assert (kernel.frames.used, gib) == (before, 3)

    first = np.flatnonzero(kernel.frames.sharers)
    sizes = np.where(first % (1 << 18) == 0, 1 << 18, 512)
    assert first.min() > 0  # not over the zero frame
    assert (first[:-1] + sizes[:-1] <= first[1:]).all()
