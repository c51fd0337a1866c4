"""What every listed workload must do."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cowmodel.catalog import POLICIES, WORKLOADS
from cowmodel.workload.workload import Workload
from tests.toy import fault_rows
from tests.workload.playing import Play, play, workload

TRACES = Path(__file__).parents[2] / "configs" / "traces"
SMALL: dict[str, dict[str, Any]] = {
    "snapshot-server": {
        "heap": "256 KiB",
        "backing": "base",
        "object": "3 kB",
        "locality": "zipf 0.99",
        "rate": "20000/s",
        "before": "1 ms",
        "save": "4 ms",
        "after": "1 ms",
    },
    "request-server": {
        "heap": "256 KiB",
        "backing": "base",
        "object": "3 kB",
        "locality": "zipf 0.99",
        "objects": 2,
        "written": 0.5,
        "service": "exponential 10 us",
        "arrivals": "poisson 20/ms",
        "threads": 1,
        "before": "1 ms",
        "save": "4 ms",
        "after": "1 ms",
    },
    "prefork-server": {
        "heap": "256 KiB",
        "backing": "base",
        "every": 2,
        "workers": 3,
        "written": 0.25,
        "read": 0.5,
        "lifetime": "1 ms",
    },
    "fork-tree": {"heap": "128 KiB", "backing": "base", "generations": 2, "children": 2, "written": 0.5},
    "fork-exec": {
        "heap": "256 KiB",
        "backing": "base",
        "start": "fork",
        "commands": 3,
        "child_writes": 2,
        "image": "32 KiB",
        "rewritten": 0.25,
    },
    "concurrent-forks": {"heap": "64 KiB", "backing": "base", "processes": 3, "written": 0.5},
    "trace": {"trace": str(TRACES / "busybox-sh"), "backing": "base", "write_bytes": 8},
    "scenario": {"file": "a10-fan-out.scn"},
}


def ways(played: Play) -> list[list[tuple[int, int]]]:
    """Return what each process accessed, in an order that does not depend on who was forked first."""
    return sorted(played.journal.accesses.values())


def test_there_is_a_small_example_of_each():
    assert SMALL.keys() == WORKLOADS.keys()


@pytest.mark.parametrize("name", WORKLOADS)
class TestEveryWorkload:
    def test_it_says_what_it_is_and_what_each_key_means(self, name: str):
        fields = WORKLOADS[name].model_fields.values()

        assert WORKLOADS[name].__doc__
        assert all(field.description for field in fields)

    def test_no_key_has_a_default(self, name: str):
        assert all(field.is_required() for field in WORKLOADS[name].model_fields.values())

    def test_every_key_must_be_there(self, name: str):
        for missing in SMALL[name]:
            with pytest.raises(ValidationError):
                workload(name, **{key: value for key, value in SMALL[name].items() if key != missing})

    def test_no_other_key_may_be_there(self, name: str):
        with pytest.raises(ValidationError):
            workload(name, **SMALL[name], other=1)

    def test_it_is_a_workload_of_its_own(self, name: str):
        assert issubclass(WORKLOADS[name], Workload)
        assert "main" in vars(WORKLOADS[name])

    @pytest.mark.parametrize("policy", POLICIES)
    def test_it_ends_with_all_processes_reaped_and_all_memory_free(self, name: str, policy: str):
        kernel = play(workload(name, **SMALL[name]), policy).machine.kernel

        assert kernel.processes == {}
        assert (kernel.frames.used, kernel.frames.table_pages) == (0, 0)
        assert not kernel.frames.sharers.any()

    @pytest.mark.parametrize("backing", ["base", "thp", "mthp 64 KiB"])
    def test_its_accounting_closes_at_every_sample(self, name: str, backing: str):
        keys = SMALL[name] | ({"backing": backing} if "backing" in SMALL[name] else {})
        machine = play(workload(name, **keys), sample_ps=20 * 10**6).machine

        assert len(machine.records.memory) > 3
        for row in machine.records.memory:
            assert row.entries == row.sharers
            assert row.pss_bytes + row.cached_bytes + row.pending_bytes + row.kept_bytes == pytest.approx(
                row.used_bytes
            )

    @pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy != "cow-flip"])
    def test_its_processes_access_the_same_pages_under_every_policy(self, name: str, policy: str):
        reference = play(workload(name, **SMALL[name]))

        other = play(workload(name, **SMALL[name]), policy)

        assert ways(other) == ways(reference)

    def test_it_does_the_same_when_it_is_run_again(self, name: str):
        first, second = (play(workload(name, **SMALL[name])) for _ in range(2))

        assert fault_rows(second.machine.records) == fault_rows(first.machine.records)
        assert second.machine.records.actions == first.machine.records.actions

    def test_it_does_the_same_on_as_many_cores_as_it_likes(self, name: str):
        few, many = (play(workload(name, **SMALL[name]), cores=cores) for cores in (1, 8))

        assert ways(few) == ways(many)


@pytest.mark.parametrize("name", sorted(WORKLOADS.keys() - {"trace", "scenario"}))
@pytest.mark.parametrize("chance", [{"seed": 2}, {"replication": 1}])
def test_another_seed_or_replication_makes_other_accesses(name: str, chance: dict[str, int]):
    one = play(workload(name, **SMALL[name]))

    other = play(workload(name, **SMALL[name]), **chance)  # type: ignore[arg-type]

    assert ways(other) != ways(one)
