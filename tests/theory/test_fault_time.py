"""Time of a page fault, by page size: copies on On-demand-fork's machine, first touches on HawkEye's."""

import pytest

from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.fault import Fault
from cowmodel.kernel.work import Work
from tests.theory.heaps import GIB, HUGE, loaded, preset

US = 10**6
S = 10**12


def copying_fault(backing: Backing) -> Fault:
    """Write to a page right after fork."""
    kernel, parent, heap, _ = loaded(2 << 20, backing=backing)
    kernel.fork(parent)
    return kernel.fault(parent, heap.first, write=True)


def first_touch(backing: Backing) -> Fault:
    kernel, parent, _, _ = loaded(2 << 20, backing=backing)
    beside, _ = kernel.mmap(parent, 2 << 20, backing)
    return kernel.fault(parent, beside.first, write=True)


@pytest.mark.parametrize(
    ("backing", "kind", "published_us"), [(BASE, "cow_copy", 2.3), (HUGE, "htlb_copy", 198.4)]
)
def test_a_copying_fault_takes_what_on_demand_fork_measured(backing: Backing, kind: str, published_us: float):
    fault = copying_fault(backing)

    took = preset("epyc7302p-linux5.6").cost_ps(fault.work)

    assert fault.kind == kind
    assert took / US == pytest.approx(published_us, rel=0.02)


def test_a_copying_fault_of_2_mib_takes_86_times_one_of_4_kib_and_not_512_times():
    costs = preset("epyc7302p-linux5.6")

    base, huge = costs.cost_ps(copying_fault(BASE).work), costs.cost_ps(copying_fault(HUGE).work)

    assert huge / base == pytest.approx(86.3, rel=0.02)


def test_a_copying_fault_with_the_price_of_copying_a_full_table_is_on_demand_forks_worst_fault():
    costs = preset("epyc7302p-linux5.6")
    kernel, parent, _, _ = loaded(2 << 20)  # a full last-level table
    _, fork = kernel.fork(parent)

    table = costs.cost_ps(Work(pte_entries=fork.pte_entries))  # what fork put off
    worst = costs.cost_ps(copying_fault(BASE).work) + table

    assert fork.pte_tables == 1
    assert table / US == pytest.approx(9.9, rel=0.02)
    assert worst / US == pytest.approx(12.2, rel=0.02)


@pytest.mark.parametrize(
    ("backing", "faults", "published_s"), [(BASE, 26_214_400, 92), (HUGE, 51_200, 24)], ids=str
)
def test_touching_100_gib_takes_the_faults_and_the_time_that_hawkeye_measured(
    backing: Backing, faults: int, published_s: float
):
    kernel, parent, _, work = loaded(100 * GIB, backing=backing)

    took = preset("hawkeye-haswell").cost_ps(work)

    assert work.traps == parent.faults.total() == faults
    assert kernel.frames.used == 100 * GIB // 4096
    assert took / S == pytest.approx(published_s, rel=0.03)


def test_a_first_touch_of_2_mib_takes_133_times_one_of_4_kib():
    costs = preset("hawkeye-haswell")

    base, huge = costs.cost_ps(first_touch(BASE).work), costs.cost_ps(first_touch(HUGE).work)

    assert huge / base == pytest.approx(133, rel=0.03)
