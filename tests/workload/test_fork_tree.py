"""fork-tree: generations of processes that each write a share of a heap."""

from typing import Any

import pytest

from tests.workload.playing import Play, play, workload

PAGES = 32


def tree(policy: str = "cow-flip", cores: int = 1, **keys: Any) -> Play:
    usual = {"heap": "128 KiB", "backing": "base", "generations": 2, "children": 2, "written": 1.0}
    return play(workload("fork-tree", **usual | keys), policy, cores=cores)


@pytest.mark.parametrize(
    ("generations", "children", "processes"), [(0, 2, 1), (1, 3, 4), (2, 2, 7), (3, 1, 4), (3, 2, 15)]
)
def test_a_tree_has_the_processes_of_all_its_generations(generations: int, children: int, processes: int):
    played = tree(generations=generations, children=children)

    assert len(played.everyone) == processes
    assert played.actions("fork") == played.actions("wait") == processes - 1


def test_each_process_writes_its_share_of_the_heap_once():
    played = tree(written=0.25)

    for pid in range(1, 8):
        assert len(played.written(pid)) == len(set(played.written(pid))) == PAGES // 4


@pytest.mark.parametrize("generations", [1, 2, 3])
def test_if_all_write_all_each_page_is_copied_for_all_but_one_process_which_flips_it(generations: int):
    played = tree(generations=generations)

    others = len(played.everyone) - 1
    assert played.faults == {"zero_fill": PAGES, "cow_copy": others * PAGES, "cow_reuse": PAGES}


def test_on_several_cores_those_that_write_a_page_at_once_all_copy_it():
    large: dict[str, Any] = {"heap": "1 MiB", "generations": 3}  # so that some do, whatever the prices

    alone, together = tree(cores=1, **large).faults, tree(cores=4, **large).faults

    assert together["cow_copy"] > alone["cow_copy"]
    assert together["cow_copy"] + together["cow_reuse"] == alone["cow_copy"] + alone["cow_reuse"]


def test_without_a_flip_each_process_copies_each_page():
    assert tree("cow").faults == {"zero_fill": PAGES, "cow_copy": 7 * PAGES}


def test_with_eager_copies_each_fork_copies_all_and_no_write_faults():
    played = tree("eager")

    forks = [row for row in played.machine.records.actions if row.action == "fork"]
    assert [row.copied_bytes for row in forks] == [PAGES * 4096] * 6
    assert played.faults == {"zero_fill": PAGES}


def test_a_seeking_kernel_copies_as_often_and_flips_without_a_fault():
    played = tree("cow-eager-flip")

    assert played.faults == {"zero_fill": PAGES, "cow_copy": 6 * PAGES}


def test_a_process_exits_after_all_its_children():
    played = tree()

    ends = {row.pid: row.time_ps for row in played.machine.records.actions if row.action == "exit"}
    waits = [(row.pid, row.child) for row in played.machine.records.actions if row.action == "wait"]
    assert len(waits) == 6
    assert all(ends[child] <= ends[parent] for parent, child in waits)


def test_a_share_of_nothing_is_written_by_nobody():
    assert tree(written=0.0).faults == {"zero_fill": PAGES}
