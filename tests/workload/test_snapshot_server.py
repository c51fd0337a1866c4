"""snapshot-server: a server forks to save its heap and goes on serving."""

from typing import Any

import numpy as np
import pytest

from tests.toy import fault_rows
from tests.workload.playing import PAGE, Play, play, workload

SERVER, SAVER = 1, 2
PAGES = 64
MS = 10**9


def snapshot(policy: str = "cow-flip", seed: int = 1, **keys: Any) -> Play:
    """Serve 64 pages whose objects are pages, about 10 requests a ms; keys are changed as given."""
    usual = {
        "heap": f"{PAGES * PAGE} B",
        "backing": "base",
        "object": "4 KiB",
        "locality": "uniform",
        "rate": "10/ms",
        "before": "1 ms",
        "save": "4 ms",
        "after": "1 ms",
    }
    return play(workload("snapshot-server", **usual | keys), policy, seed)


def fork_ps(played: Play) -> int:
    """Return when the fork began."""
    (time,) = [row.time_ps for row in played.machine.records.actions if row.action == "fork"]
    return time


def test_the_server_forks_once_and_waits_for_its_saver():
    played = snapshot()

    assert [len(played.everyone), played.actions("fork"), played.actions("wait")] == [2, 1, 1]


def test_the_saver_reads_the_heap_once_from_its_first_to_its_last_page():
    played = snapshot()

    assert played.pages(SAVER) == list(range(PAGES))
    assert played.written(SAVER) == []


@pytest.mark.parametrize("policy", ["eager", "cow", "cow-flip", "cow-eager-flip"])
def test_the_saver_faults_never(policy: str):
    played = snapshot(policy)

    assert played.everyone[1].faults.total() == 0


def test_the_fork_is_when_the_configuration_says():
    played = snapshot()

    (served,) = [row for row in played.machine.records.actions if row.action == "populate"]
    assert fork_ps(played) == served.time_ps + served.cost_ps + 1 * MS


def test_the_save_takes_as_long_as_the_configuration_says():
    played = snapshot()

    (fork,) = [row for row in played.machine.records.actions if row.action == "fork"]
    (end,) = [row for row in played.machine.records.actions if row.action == "exit" and row.pid == SAVER]
    assert end.time_ps == fork.time_ps + fork.cost_ps + 4 * MS


def test_requests_are_as_many_as_rate_and_time_give():
    requests = [len(snapshot(seed=seed).pages(SERVER)) for seed in range(1, 11)]

    expected = 10 * 6
    assert abs(np.mean(requests) - expected) < 4 * np.sqrt(expected / 10)


def test_each_page_that_is_written_after_the_fork_is_copied_or_flipped_once():
    played = snapshot()

    faults = fault_rows(played.machine.records)
    after = [(row.vpn, row.kind) for row in faults if row.time_ps >= fork_ps(played)]
    assert len({vpn for vpn, _ in after}) == len(after) > 20
    assert {kind for _, kind in after} == {"cow_copy", "cow_reuse"}


def test_pages_are_copied_while_the_saver_lives_and_flipped_when_it_is_gone():
    played = snapshot()

    (end,) = [row for row in played.machine.records.actions if row.action == "exit" and row.pid == SAVER]
    kinds = {(row.kind, row.time_ps < end.time_ps) for row in fault_rows(played.machine.records)}
    assert kinds == {("cow_copy", True), ("cow_reuse", False)}


def test_writes_before_the_fork_do_not_fault():
    played = snapshot()

    assert min(row.time_ps for row in fault_rows(played.machine.records)) >= fork_ps(played)


def test_a_sequential_server_copies_every_page_in_turn():
    played = snapshot(locality="sequential", before="0 ms", save="100 ms", after="0 ms")

    first = fault_rows(played.machine.records)[0].vpn
    assert [row.vpn - first for row in fault_rows(played.machine.records)] == list(range(PAGES))


def test_an_object_that_spans_pages_is_written_on_all_of_them():
    played = snapshot(object="6 KiB", locality="sequential", before="0 ms")

    assert played.pages(SERVER)[:6] == [0, 1, 1, 2, 3, 4]
    assert [written for _, written in played.journal.accesses[SERVER][:4]] == [4096, 2048, 2048, 4096]


def busy(policy: str, locality: str) -> Play:
    """Let requests come faster than a copy takes."""
    return snapshot(policy, rate="1000/ms", before="0 ms", save="1 ms", locality=locality)


def test_requests_that_wait_are_served_in_their_turn_and_none_is_lost():
    played = busy("cow-flip", "sequential")

    requests = len(played.pages(SERVER))
    assert requests > 1500
    assert played.pages(SERVER) == [number % PAGES for number in range(requests)]


@pytest.mark.parametrize("policy", ["eager", "cow", "cow-eager-flip"])
@pytest.mark.parametrize("locality", ["uniform", "zipf 0.99", "hot 0.9 of 0.1", "sequential"])
def test_how_long_requests_wait_does_not_change_what_they_write(policy: str, locality: str):
    assert busy(policy, locality).pages(SERVER) == busy("cow-flip", locality).pages(SERVER)
