"""Copies under uniform writes: distinct pages, by Cárdenas' formula."""

import numpy as np
import pytest

from cowmodel.engine.reference import ReferenceEngine
from cowmodel.hardware.paging import Numbers
from cowmodel.machine import Machine
from cowmodel.program import Activity, Program, start
from tests.theory.closed_forms import assert_follows, touched
from tests.theory.heaps import loaded, preset

SEEDS = range(30)
S = 10**12


def copies_of_a_server_while_its_child_sleeps(pages: int, writes: Numbers) -> int:
    """Let a parent write in simulated time, as a server does while a child saves its heap."""
    kernel, parent, heap, _ = loaded(pages * 4096)
    machine = Machine(kernel, preset("vm-linux6.18"), ReferenceEngine, cores=2, record_faults=False)

    def server(program: Program) -> Activity:
        saver = yield from program.fork(lambda saver: saver.think(3600 * S))
        yield from program.access(heap, writes, written=1)
        yield from program.wait(saver)

    start(machine, server, parent)
    machine.run()
    assert set(parent.faults) == {"zero_fill", "cow_copy"}
    assert parent.copied_bytes == parent.faults["cow_copy"] * 4096
    return parent.faults["cow_copy"]


@pytest.mark.parametrize(
    ("pages", "writes"),
    [(1_000, 100), (1_000, 1_000), (1_000, 4_000), (100_000, 15_000)],
)
def test_a_server_copies_as_many_pages_as_uniform_writes_touch(pages: int, writes: int):
    rngs = [np.random.default_rng([pages, writes, seed]) for seed in SEEDS]

    counts = [
        copies_of_a_server_while_its_child_sleeps(pages, rng.integers(pages, size=writes)) for rng in rngs
    ]

    assert_follows(touched(pages, writes), counts)


def test_children_of_a_million_pages_copy_as_many_as_their_uniform_writes_touch():
    pages, writes = 1_000_000, 12_000
    kernel, parent, heap, _ = loaded(pages * 4096)
    counts = []
    for seed in SEEDS:
        rng = np.random.default_rng([pages, writes, seed])
        child, _ = kernel.fork(parent)
        for page in rng.integers(pages, size=writes).tolist():
            kernel.write(child, heap.first + page)
        assert child.faults.total() == child.faults["cow_copy"]
        assert child.copied_bytes == child.faults["cow_copy"] * 4096
        counts.append(child.faults["cow_copy"])
        kernel.exit(child)
        kernel.wait(parent, child)

    assert_follows(touched(pages, writes), counts)


def test_writing_the_whole_heap_copies_each_page_once():
    pages = np.random.default_rng(1).permutation(np.repeat(np.arange(1_000), 3))

    assert copies_of_a_server_while_its_child_sleeps(1_000, pages) == 1_000
