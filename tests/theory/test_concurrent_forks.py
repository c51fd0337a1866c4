"""Processes that fork, and then write, at the same time: what shared memory makes of that, in closed form.

k forks that each move m bytes in a time t want k m / t of the bandwidth B, and take max(1, k m / (t B)) times
as long as one. Faults that copy a page of P bytes in a time c, each after the one before, likewise take
max(1, k P / (c B)) times as long, once the queue is full.
"""

import pytest

from cowmodel.catalog import PAGINGS, POLICIES
from cowmodel.engine.contention import Contention
from cowmodel.engine.reference import ReferenceEngine
from cowmodel.engine.traffic import moved_bytes
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.work import Work
from cowmodel.machine import Machine
from cowmodel.program import start
from cowmodel.workload.concurrent_forks import ConcurrentForks
from cowmodel.workload.streams import Streams
from tests.theory.experiments import fork
from tests.theory.heaps import GIB, preset
from tests.toy import fault_rows

COUNTS = (1, 2, 3, 4, 8)
HEAP_BYTES = 2 << 20
COSTS = preset("epyc7302p-linux5.6")
FORK = fork(HEAP_BYTES)
DEMAND = moved_bytes(FORK) * 10**12 / COSTS.cost_ps(FORK)  # bytes a second


def together(count: int, bandwidth: int, written: float = 0.0) -> Machine:
    """Return a machine on which so many processes, each on a core, have forked and written at once."""
    kernel = Kernel(PAGINGS["x86-64"], 64 << 20, POLICIES["cow-flip"]())
    machine = Machine(kernel, COSTS, ReferenceEngine, count, contention=Contention(bandwidth=bandwidth))
    keys = {"heap": f"{HEAP_BYTES} B", "backing": "base", "processes": count, "written": written}
    start(machine, lambda program: ConcurrentForks.model_validate(keys).main(program, Streams(1, 0)))
    machine.run()
    return machine


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("bandwidth", [1, 1.5, 4, 100])
def test_concurrent_forks_take_as_much_longer_as_they_want_more_than_there_is(count: int, bandwidth: float):
    machine = together(count, round(bandwidth * DEMAND))

    forks = [row for row in machine.records.actions if row.action == "fork"]
    assert len(forks) == count
    for row in forks:
        slower = (row.cost_ps + row.waited_ps) / row.cost_ps
        assert slower == pytest.approx(max(1, count / bandwidth), rel=1e-7)


def test_want_of_bandwidth_does_not_explain_what_three_forks_at_once_took_on_the_machine_of_on_demand_fork():
    """Measured were 3.45 times as long as one, more than if each had to wait for the two others."""
    eight_channels_of_ddr4_3200 = 8 * 25.6e9 / 2  # a byte that is copied is read and written
    one = fork(GIB)
    demand = moved_bytes(one) * 10**12 / COSTS.cost_ps(one)

    assert demand == pytest.approx(4.08e9, rel=0.01)
    assert 8 * demand < eight_channels_of_ddr4_3200 / 3


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("bandwidth", ["1 GB/s", "100 GB/s"])
def test_processes_that_copy_at_the_same_time_share_the_bandwidth(count: int, bandwidth: str):
    bytes_a_second = int(bandwidth.split()[0]) * 10**9
    machine = together(count, bytes_a_second, written=1.0)

    copies = [row for row in fault_rows(machine.records) if row.kind == "cow_copy"]
    cost_ps = copies[0].cost_ps + COSTS.cost_ps(Work(hits=1))
    began, over = (
        min(row.time_ps for row in copies),
        max(row.time_ps + row.cost_ps + row.waited_ps for row in copies),
    )
    a_process = HEAP_BYTES // 4096
    assert len(copies) == count * a_process
    slower = (over - began) / a_process / cost_ps
    assert slower == pytest.approx(max(1, count * 4096 / bytes_a_second * 1e12 / cost_ps), rel=0.01)
