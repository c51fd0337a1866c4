"""The naive script does the same work as the model: the same copies and flips, page by page."""

from collections import Counter

import numpy as np
import pytest

from cowmodel.speed import naive
from cowmodel.speed.worlds import PAGE_BYTES, family, fork_and_write, permutations, strangers

PAGES = 32


@pytest.mark.parametrize("processes", [1, 2, 5])
@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_a_family_makes_as_many_copies_and_flips_in_the_script_as_in_the_model(engine: str, processes: int):
    # Two that write a page at the same time both copy it in the model: here they keep their distance.
    orders = [np.roll(np.arange(PAGES), number * PAGES // processes) for number in range(processes)]
    heaps = [naive.resident(PAGES)]
    heaps += [naive.fork(heaps[0]) for _ in range(processes - 1)]

    _, counts = naive.run(heaps, [order.tolist() for order in orders])
    kernel = family(engine, PAGES * PAGE_BYTES, orders).machine.kernel

    faults = [process.faults for process in kernel.everyone]
    assert counts.copies == sum(one["cow_copy"] for one in faults) == (processes - 1) * PAGES
    assert counts.flips == sum(one["cow_reuse"] for one in faults) == (PAGES if processes > 1 else 0)


def test_strangers_fault_in_neither():
    orders = permutations(2, PAGES)

    _, counts = naive.run([naive.resident(PAGES) for _ in orders], [order.tolist() for order in orders])
    span = strangers("reference", PAGES * PAGE_BYTES, orders)

    assert counts == naive.Counts(copies=0, flips=0)
    assert not span.machine.records.fault_counts


def test_a_forked_child_copies_all_and_its_parent_then_flips_all():
    span = fork_and_write("reference", PAGES * PAGE_BYTES, permutations(2, PAGES))

    counts = Counter[str]()  # near and far ones together
    for fault, count in span.machine.records.fault_counts.items():
        counts[fault.kind] += count
    assert counts == {"cow_copy": PAGES, "cow_reuse": PAGES}


def test_only_the_writing_is_measured():
    orders = permutations(2, PAGES)

    span = family("reference", PAGES * PAGE_BYTES, orders)

    flip_s, copy_s = 0.97e-6, 3.2e-6  # the fork alone takes 90e-6 s and more
    assert span.cpu_s > 0
    assert PAGES * flip_s < span.simulated_s < PAGES * copy_s
