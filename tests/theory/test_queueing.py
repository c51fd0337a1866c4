"""Requests that wait: what queueing theory says of a server that meets no fault.

References
----------
Kleinrock, Queueing Systems, Volume 1: Theory, 1975: M/G/1 (5.62), M/M/1 with so many customers (3.8).
Lazowska, Zahorjan, Graham, Sevcik, Quantitative System Performance, 1984, chapter 3.
"""

import heapq
from math import factorial
from typing import Any

import numpy as np
import pytest

from cowmodel.catalog import ENGINES, PAGINGS, POLICIES, WORKLOADS
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.kernel import Kernel
from cowmodel.machine import Machine
from cowmodel.program import start
from cowmodel.workload.streams import Streams
from tests.machine.bench import prices

SEEDS = range(12)
US = 10**6
HIT = 1000  # ps


def served(seed: int = 1, engine: str = "compiled", **keys: Any) -> dict[str, Numbers]:
    """Return when requests came, began and were over that a server answered; its fork takes no time."""
    usual = {
        "heap": "256 KiB", "backing": "base", "object": "4 KiB", "locality": "uniform", "objects": 1,
        "written": 0.5, "threads": 1, "before": "3 s", "save": "1 us", "after": "0 s",
    }  # fmt: skip
    kernel = Kernel(PAGINGS["x86-64"], 1 << 24, POLICIES["cow-flip"]())
    machine = Machine(kernel, prices(hits=HIT), ENGINES[engine], cores=4, record_faults=False)
    workload = WORKLOADS["request-server"].model_validate(usual | keys)
    start(machine, lambda program: workload.main(program, Streams(seed)))
    return machine.run().request_columns()


def assert_mean(measured: list[float], expected: float) -> None:
    """Hold the mean over seeds to three of its own standard deviations, which must say something."""
    sigma = np.std(measured, ddof=1) / np.sqrt(len(measured))
    assert sigma < 0.06 * expected
    assert abs(np.mean(measured) - expected) < 3 * sigma


def settled(columns: dict[str, Numbers]) -> dict[str, Numbers]:
    """Leave out the first tenth, while a queue builds up."""
    return {name: column[len(column) // 10 :] for name, column in columns.items()}


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
@pytest.mark.parametrize(("service", "variation"), [("constant", 0.0), ("exponential", 1.0)])
def test_requests_wait_as_long_as_pollaczek_and_khinchine_say(load: float, service: str, variation: float):
    mean_us = 100
    waits = []
    for seed in SEEDS:
        keys = {"arrivals": f"poisson {load * 10_000}/s", "service": f"{service} {mean_us} us"}
        columns = settled(served(seed, **keys))
        waits.append(float((columns["start_ps"] - columns["arrival_ps"]).mean()) / US)

    assert_mean(waits, load * mean_us * (1 + variation**2) / (2 * (1 - load)))


@pytest.mark.parametrize("engine", list(ENGINES))
@pytest.mark.parametrize("threads", [1, 3])
def test_each_thread_begins_a_request_when_it_has_come_and_the_one_before_it_is_over(
    engine: str, threads: int
):
    """Lindley's recursion, exactly."""
    columns = served(
        engine=engine, threads=threads, before="100 ms", arrivals="poisson 20/ms",
        service="exponential 80 us", objects=3, object="3 KiB",
    )  # fmt: skip

    for thread in range(threads):
        arrivals, starts, ends = (columns[name][columns["thread"] == thread] for name in list(columns)[1:])
        assert len(arrivals) > 500
        assert starts.tolist() == np.maximum(arrivals, np.r_[0, ends[:-1]]).tolist()


def test_a_request_takes_its_accesses_and_the_processor_time_besides():
    columns = served(arrivals="poisson 1/ms", service="constant 50 us", objects=3)

    assert set(columns["end_ps"] - columns["start_ps"]) == {50 * US + 3 * HIT}


def test_two_threads_are_two_queues_among_which_chance_divides_requests():
    waits = []
    for seed in SEEDS:
        columns = settled(served(seed, threads=2, arrivals="poisson 12/ms", service="exponential 100 us"))
        waits.append(float((columns["start_ps"] - columns["arrival_ps"]).mean()) / US)

    assert_mean(waits, 0.6 * 100 / (1 - 0.6))


# ------------------------------------------------------------------ closed loops
@pytest.mark.parametrize(("clients", "think_us"), [(1, 300), (4, 300), (12, 1000)])
def test_clients_keep_the_server_as_busy_as_machines_do_a_repairman(clients: int, think_us: int):
    mean_us = 100
    ways = [
        factorial(clients) / factorial(clients - n) * (mean_us / think_us) ** n for n in range(clients + 1)
    ]
    busy = 1 - 1 / sum(ways)

    utilisations, populations = [], []
    for seed in SEEDS:
        arrivals = f"closed {clients}, exponential {think_us} us"
        columns = settled(served(seed, arrivals=arrivals, service=f"exponential {mean_us} us"))
        served_ps = columns["end_ps"] - columns["start_ps"]
        span_ps = columns["end_ps"][-1] - columns["start_ps"][0]
        utilisations.append(float(served_ps.sum() / span_ps))
        response_ps = (columns["end_ps"] - columns["arrival_ps"]).mean()
        populations.append(float(len(served_ps) / span_ps * (response_ps + think_us * US)))

    assert_mean(utilisations, busy)
    assert_mean(populations, clients)  # N = X (R + Z)


def test_clients_that_do_not_think_each_wait_for_all_others():
    columns = served(arrivals="closed 5, constant 0 s", service="constant 20 us", before="10 ms")

    latency = columns["end_ps"] - columns["arrival_ps"]
    assert set(latency[5:]) == {5 * (20 * US + HIT)}


@pytest.mark.parametrize("clients", [1, 2, 7, 60])
@pytest.mark.parametrize(
    "think", ["exponential 100 us", "constant 30 us", "exponential 5 us", "constant 0 s"]
)
def test_requests_of_clients_come_and_end_exactly_as_one_after_the_other(clients: int, think: str):
    columns = served(arrivals=f"closed {clients}, {think}", service="exponential 20 us", before="5 ms")

    assert list(zip(*list(columns.values())[1:], strict=True)) == one_by_one(clients, think)


def one_by_one(clients: int, think: str) -> list[tuple[int, int, int]]:
    """Return arrival, start and end of requests, each found when the one before it is over."""
    streams = Streams(1)
    law = WORKLOADS["request-server"].model_fields["service"].metadata[0].parse
    thinks, services = streams["think 0"], streams["service 0"]
    coming = law(think).draw(clients, thinks).tolist()
    heapq.heapify(coming)
    rows: list[tuple[int, int, int]] = []
    now = 0
    while coming[0] < 5 * 10**9 + US:  # before + save
        arrival = heapq.heappop(coming)
        begin = max(arrival, now)
        now = begin + HIT + int(law("exponential 20 us").draw(1, services)[0])
        rows.append((arrival, begin, now))
        heapq.heappush(coming, now + int(law(think).draw(1, thinks)[0]))
    return rows
