"""Parent and child write at random: copies and flips, with the last sharer's flip and without.

A page that either writes is copied once. Where both write it, the second is its last sharer: it flips
the page, or without a flip copies it too.
"""

from collections import Counter
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from cowmodel.catalog import POLICIES
from cowmodel.engine.reference import ReferenceEngine
from cowmodel.kernel.choices import AtFork, AtWrite, CopyPolicy
from cowmodel.machine import Machine
from cowmodel.program import Activity, Program, start
from tests.theory.closed_forms import Law, assert_follows, touched
from tests.theory.heaps import loaded, preset

PAGES, PARENT_WRITES, CHILD_WRITES = 20_000, 15_000, 9_000
SEEDS = range(10)
S = 10**12


class Witness:
    """A policy that remembers what it was asked and what it answered."""

    def __init__(self, policy: CopyPolicy) -> None:
        self._policy = policy
        self.answers: Counter[tuple[AtWrite, int]] = Counter()

    def at_fork(self) -> AtFork:
        return self._policy.at_fork()

    def at_write(self, sharers: int) -> AtWrite:
        answer = self._policy.at_write(sharers)
        self.answers[answer, sharers] += 1
        return answer

    def seeks_last_sharer(self) -> bool:
        return self._policy.seeks_last_sharer()


class Outcome(NamedTuple):
    """What the write faults of parent and child did until the last write of both."""

    copies: int
    flips: int
    copied_bytes: int
    answers: Counter[tuple[AtWrite, int]]


@cache
def two_writers(policy: str, seed: int) -> Outcome:
    """Let parent and child write at the same time, each on a core of its own; neither exits before."""
    rng = np.random.default_rng(seed)
    of_parent, of_child = (rng.integers(PAGES, size=n) for n in (PARENT_WRITES, CHILD_WRITES))
    witness = Witness(POLICIES[policy]())
    kernel, parent, heap, _ = loaded(PAGES * 4096, witness)
    machine = Machine(kernel, preset("vm-linux6.18"), ReferenceEngine, cores=2, record_faults=False)

    def child(program: Program) -> Activity:
        yield from program.access(heap, of_child, written=1)
        yield from program.think(3600 * S)

    def main(program: Program) -> Activity:
        forked = yield from program.fork(child)
        yield from program.access(heap, of_parent, written=1)
        yield from program.wait(forked)

    start(machine, main, parent)
    machine.run()
    faults = sum((process.faults for process in kernel.everyone), Counter[str]())
    copied = sum(process.copied_bytes for process in kernel.everyone)
    return Outcome(faults["cow_copy"], faults["cow_reuse"], copied, witness.answers)


def runs(policy: str) -> list[Outcome]:
    """Return one outcome a seed; the seeds are the same for all policies."""
    return [two_writers(policy, seed) for seed in SEEDS]


def test_with_a_flip_copies_are_the_pages_that_either_writes():
    law = touched(PAGES, PARENT_WRITES + CHILD_WRITES)

    assert_follows(law, [run.copies for run in runs("cow-flip")])


def test_flips_are_the_pages_that_both_write():
    law = touched(PAGES, PARENT_WRITES, CHILD_WRITES)

    assert_follows(law, [run.flips for run in runs("cow-flip")])


def test_without_a_flip_copies_are_the_pages_of_the_one_and_of_the_other():
    one, other = touched(PAGES, PARENT_WRITES), touched(PAGES, CHILD_WRITES)
    law = Law(one.mean + other.mean, float(np.hypot(one.sigma, other.sigma)))

    assert_follows(law, [run.copies for run in runs("cow")])


def test_without_a_flip_every_flip_is_a_copy_and_nothing_else_differs():
    pairs = list(zip(runs("cow"), runs("cow-flip"), strict=True))

    assert [plain.copies for plain, _ in pairs] == [flip.copies + flip.flips for _, flip in pairs]
    assert [plain.flips for plain, _ in pairs] == [0] * len(pairs)


def test_a_last_sharer_that_the_kernel_finds_at_once_has_no_fault_and_saves_no_copy():
    on_fault, at_once = two_writers("cow-flip", 0), two_writers("cow-eager-flip", 0)

    assert at_once.answers == {(AtWrite.COPY, 2): on_fault.copies}
    assert (at_once.copies, at_once.flips) == (on_fault.copies, 0)


def test_only_a_sole_sharer_flips():
    for run in runs("cow-flip"):
        assert run.answers == {(AtWrite.COPY, 2): run.copies, (AtWrite.FLIP, 1): run.flips}


@pytest.mark.parametrize("policy", ["cow", "cow-flip", "cow-eager-flip"])
def test_only_copies_copy_bytes(policy: str):
    run = two_writers(policy, 0)

    assert run.copied_bytes == run.copies * 4096


def test_a_flip_copies_no_byte_and_takes_no_frame():
    kernel, parent, heap, _ = loaded(4096)
    child, _ = kernel.fork(parent)
    kernel.write(child, heap.first)
    used = kernel.frames.used

    fault = kernel.fault(parent, heap.first, write=True)

    assert fault.kind == "cow_reuse"
    assert (fault.work.flips, fault.work.copied_bytes, fault.work.allocations) == (1, 0, 0)
    assert kernel.frames.used == used
