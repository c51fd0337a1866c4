"""concurrent-forks: processes that do the same at the same moment."""

import pytest

from cowmodel.catalog import PAGINGS
from tests.toy import fault_rows
from tests.workload.playing import play, workload

USUAL = {"heap": "64 KiB", "backing": "base", "processes": 3, "written": 1.0}


def test_all_fork_when_the_last_has_loaded_its_heap():
    played = play(workload("concurrent-forks", **USUAL), cores=3)

    actions = played.machine.records.actions
    (moment,) = {row.time_ps for row in actions if row.action == "fork"}
    assert moment == max(row.time_ps + row.cost_ps for row in actions if row.action == "populate")


def test_all_write_when_the_last_has_forked_and_each_copies_its_heap():
    played = play(workload("concurrent-forks", **USUAL), cores=3)

    records = played.machine.records
    forked = max(row.time_ps + row.cost_ps for row in records.actions if row.action == "fork")
    copies = [row for row in fault_rows(records) if row.kind == "cow_copy"]
    assert [row.time_ps for row in copies[:3]] == [forked] * 3
    assert played.faults["cow_copy"] == len(copies) == 3 * 16


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (
            {"processes": 16},
            "processes: expected heaps of less than machine.memory, which is 1 MiB",
        ),
        ({"heap": "1 MiB"}, "heap: expected less than machine.memory"),
        ({"backing": "hugetlb 4 MiB"}, "backing: x86-64 has no leaf of 4 MiB"),
    ],
)
def test_heaps_that_do_not_fit_are_refused(keys: dict[str, object], reason: str):
    (found,) = workload("concurrent-forks", **USUAL | keys).misfits(PAGINGS["x86-64"], 1 << 20)

    assert found.startswith(reason)


def test_heaps_that_fit_are_not_refused():
    assert not workload("concurrent-forks", **USUAL).misfits(PAGINGS["x86-64"], 1 << 20)
