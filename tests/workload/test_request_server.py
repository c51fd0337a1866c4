"""request-server: what a fork does to those who wait for an answer."""

from typing import Any

import numpy as np
import pytest

from cowmodel.catalog import COSTS, ENGINES, PAGINGS, POLICIES
from cowmodel.cost.preset import load_preset
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.kernel import Kernel
from cowmodel.machine import Machine
from cowmodel.program import start
from cowmodel.records import ActionRow
from cowmodel.workload.streams import Streams
from tests.workload.playing import Play, play, workload

MS = 10**9
USUAL = {
    "heap": "8 MiB",
    "backing": "base",
    "object": "4 KiB",
    "locality": "uniform",
    "objects": 2,
    "written": 0.5,
    "service": "exponential 10 us",
    "arrivals": "poisson 40/ms",
    "threads": 1,
    "before": "5 ms",
    "save": "30 ms",
    "after": "20 ms",
}


def answered(policy: str = "cow-flip", cores: int = 3, engine: str = "compiled", **keys: Any) -> Machine:
    """Let a server answer requests and fork; keys are changed as given."""
    kernel = Kernel(PAGINGS["x86-64"], 64 << 20, POLICIES[policy]())
    machine = Machine(kernel, load_preset(COSTS["vm-linux6.18"]), ENGINES[engine], cores)
    server = workload("request-server", **USUAL | keys)
    start(machine, lambda program: server.main(program, Streams(1)))
    machine.run()
    return machine


def columns(machine: Machine) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    thread, arrival, begun, end = machine.records.request_columns().values()
    return thread, arrival, begun, end


def action(machine: Machine, name: str, pid: int) -> ActionRow:
    (row,) = [row for row in machine.records.actions if row.action == name and row.pid == pid]
    return row


def pause(machine: Machine) -> tuple[int, int]:
    """Return when the fork began, and when it was over for its caller."""
    fork = action(machine, "fork", 1)
    return fork.time_ps, fork.time_ps + fork.cost_ps


# ------------------------------------------------------------------------- pause
@pytest.mark.parametrize("policy", list(POLICIES))
@pytest.mark.parametrize("arrivals", ["poisson 40/ms", "closed 20, exponential 500 us"])
@pytest.mark.parametrize("threads", [1, 2])
def test_who_comes_in_a_pause_waits_for_its_end(policy: str, arrivals: str, threads: int):
    machine = answered(policy, arrivals=arrivals, threads=threads)

    (began, over), (thread, arrival, begun, end) = pause(machine), columns(machine)
    waits = (thread == 0) & (arrival >= began) & (arrival < over)
    assert waits.sum() > 1
    assert (begun[waits] >= over).all()
    assert (end[waits] - arrival[waits] > over - arrival[waits]).all()


def test_what_came_before_the_fork_is_answered_before_it():
    machine = answered(service="constant 30 us")  # more than it can serve

    (began, over), (_, arrival, begun, end) = pause(machine), columns(machine)
    asked = action(machine, "populate", 1)
    early = arrival < asked.time_ps + asked.cost_ps + 5 * MS
    assert end[early].max() == began
    assert begun[~early].min() == over


def test_other_threads_answer_while_one_forks():
    machine = answered("eager", threads=3, cores=5)

    (began, over), (thread, _, begun, _) = pause(machine), columns(machine)
    within = (begun >= began) & (begun < over)
    assert 0 not in thread[within]
    assert {1, 2} == set(thread[within])


# --------------------------------------------------------------------- policies
def test_no_policy_changes_which_requests_come_or_what_they_are():
    of_all = [columns(answered(policy))[1] for policy in POLICIES]

    assert all((arrival == of_all[0]).all() for arrival in of_all)


def test_requests_before_the_fork_take_the_same_under_every_policy():
    machines = [answered(policy) for policy in POLICIES]

    early = columns(machines[0])[3] <= pause(machines[0])[0]
    assert early.sum() > 100
    for machine in machines[1:]:
        assert (columns(machine)[3][early] == columns(machines[0])[3][early]).all()


def test_an_eager_fork_stops_longer_and_what_it_copies_needs_no_fault():
    eager, cow = answered("eager"), answered("cow")

    pauses = [over - began for began, over in map(pause, (eager, cow))]
    assert pauses[0] > 10 * pauses[1]
    service = [end - begun for _, _, begun, end in map(columns, (eager, cow))]
    assert (service[0] <= service[1]).all()
    assert (service[0] < service[1]).sum() > 500
    latest = [(end - arrival).max() for _, arrival, _, end in map(columns, (eager, cow))]
    assert latest[0] > latest[1]


def test_a_request_that_flips_is_answered_sooner_than_one_that_copies():
    flip, cow = answered("cow-flip"), answered("cow")

    over = action(flip, "exit", 2).time_ps
    late = columns(flip)[2] > over + MS
    service = [(end - begun)[late] for _, _, begun, end in map(columns, (flip, cow))]
    assert (service[0] <= service[1]).all()
    assert service[0].sum() < service[1].sum()


# ---------------------------------------------------------------------- requests
def served(**keys: Any) -> Play:
    return play(workload("request-server", **USUAL | keys))


def test_a_request_touches_as_many_objects_as_the_configuration_says():
    played = served(objects=3)

    requests = len(played.machine.records.request_columns()["thread"])
    assert len(played.pages(1)) == 3 * requests > 3000


@pytest.mark.parametrize("written", [0, 0.25, 1])
def test_a_share_of_the_objects_is_written(written: float):
    played = served(written=written)

    share = len(played.written(1)) / len(played.pages(1))
    assert abs(share - written) <= 4 * np.sqrt(written * (1 - written) / len(played.pages(1)))


def test_an_object_on_two_pages_is_part_of_one_request():
    played = served(object="6 KiB", objects=1, locality="sequential")

    requests = len(played.machine.records.request_columns()["thread"])
    assert played.pages(1)[:6] == [0, 1, 1, 2, 3, 4]
    assert len(played.pages(1)) == 2 * requests


def test_clients_send_nothing_when_the_time_is_over():
    machine = answered(arrivals="closed 7, exponential 100 us")

    _, arrival, _, _ = columns(machine)
    asked = action(machine, "populate", 1)
    assert arrival.max() < asked.time_ps + asked.cost_ps + 55 * MS
    assert arrival.max() > asked.time_ps + asked.cost_ps + 54 * MS


def test_more_than_can_be_served_is_served_in_the_end():
    machine = answered(service="constant 50 us")

    _, arrival, begun, end = columns(machine)
    assert (begun == np.maximum(begun, np.r_[0, end[:-1]])).all()
    assert end[-1] - arrival[-1] > 40 * MS  # of twice as many as can be served in 55 ms


@pytest.mark.parametrize("backing", ["base", "thp", "mthp 64 KiB", "hugetlb 2 MiB"])
def test_engines_agree_on_every_request(backing: str):
    arrivals = "closed 9, exponential 200 us"
    of_both = [
        columns(answered(engine=engine, cores=2, backing=backing, threads=2, arrivals=arrivals))
        for engine in ENGINES
    ]

    assert all((one == other).all() for one, other in zip(*of_both, strict=True))
