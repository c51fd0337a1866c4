"""fork-exec: a large process starts commands, by fork and exec or by spawn."""

from typing import Any

import pytest

from tests.workload.playing import Play, play, workload

PAGES, IMAGE = 64, 8


def commands(policy: str = "cow-flip", **keys: Any) -> Play:
    usual = {
        "heap": "256 KiB",
        "backing": "base",
        "start": "fork",
        "commands": 3,
        "child_writes": 2,
        "image": "32 KiB",
        "rewritten": 0.0,
    }
    return play(workload("fork-exec", **usual | keys), policy)


def test_by_fork_each_command_is_a_fork_an_exec_and_a_wait():
    played = commands()

    assert [played.actions(verb) for verb in ("fork", "exec", "wait", "spawn")] == [3, 3, 3, 0]


def test_by_spawn_each_command_is_a_spawn_and_a_wait():
    played = commands(start="spawn")

    assert [played.actions(verb) for verb in ("fork", "exec", "wait", "spawn")] == [0, 0, 3, 3]


def test_commands_come_one_after_the_other():
    played = commands()

    order = [row.action for row in played.machine.records.actions if row.action in ("fork", "wait")]
    assert order == ["fork", "wait"] * 3


@pytest.mark.parametrize("policy", ["cow", "cow-flip", "cow-eager-flip"])
def test_a_forked_child_copies_the_pages_that_it_writes_before_exec(policy: str):
    played = commands(policy, child_writes=5)

    assert [process.faults["cow_copy"] for process in played.everyone] == [0, 5, 5, 5]
    assert played.pages(2)[:5] == [0, 1, 2, 3, 4]


def test_a_child_writes_no_more_pages_than_the_heap_has():
    played = commands(child_writes=1000)

    assert played.everyone[1].faults["cow_copy"] == PAGES


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_command_touches_all_of_its_image_and_nothing_is_left_of_the_heap(start: str):
    played = commands(start=start, child_writes=0)

    assert [process.faults for process in played.everyone[1:]] == [{"zero_fill": IMAGE}] * 3


def test_a_spawned_command_costs_the_parent_no_fault():
    played = commands(start="spawn", rewritten=0.5)

    assert played.everyone[0].faults == {"zero_fill": PAGES}


def test_what_the_parent_rewrites_faults_once_a_command_as_a_copy_or_a_flip():
    played = commands(rewritten=0.25, child_writes=0)

    parent = played.everyone[0].faults
    assert parent["cow_copy"] + parent["cow_reuse"] == 3 * PAGES // 4
    assert len(played.written(1)) == 3 * PAGES // 4


def test_a_fork_of_an_eager_kernel_copies_the_heap_for_nothing():
    played = commands("eager")

    forks = [row for row in played.machine.records.actions if row.action == "fork"]
    assert [row.copied_bytes for row in forks] == [PAGES * 4096] * 3
    assert played.faults["cow_copy"] == 0
