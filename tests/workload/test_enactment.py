"""Scenarios as workloads: what their processes do, in simulated time."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from cowmodel.catalog import ENGINES, POLICIES
from cowmodel.errors import ConfigError, OutOfMemory
from cowmodel.experiment.config import load
from cowmodel.experiment.run import simulate
from cowmodel.kernel.work import NOTHING, Work
from cowmodel.records import MemoryRow, Records
from cowmodel.scenario.model import MODELLED, ModelStage
from cowmodel.scenario.play import play as play_steps
from cowmodel.scenario.read import read_scenario, shipped
from cowmodel.scenario.setup import setup
from cowmodel.scenario.steps import Map
from cowmodel.workload.agenda import WAIT, completed
from cowmodel.workload.enactment import Enactment
from cowmodel.workload.stage import VERBS
from tests.workload.playing import Play, play, workload

ONLY_ON_THE_KERNEL = {
    path.name for path in shipped().values() if "\n# not modelled yet: " in path.read_text()
}
MODELLED_ONES = sorted(shipped().keys() - ONLY_ON_THE_KERNEL)
FOLIOS = ("map anon page=thp", "map anon page=mthp")
CONFIGURATION = """\
[machine]
paging = "x86-64"
memory = "64 MiB"
cores = 2
quantum = "4 ms"
costs = "vm-linux6.18"
engine = "compiled"

[policy]
copy = "cow-flip"

[workload]
name = "scenario"
file = "some.scn"

[run]
seed = 1
sample_every = "0 ms"
record_faults = true
"""
START = "map P0 A anon pages=64 page=4k\ntouch P0 A all\n"

Writer = Callable[[str], Path]


@pytest.fixture
def configuration(tmp_path: Path) -> Writer:
    """Write a configuration, with its scenario beside it."""

    def write(text: str) -> Path:
        (tmp_path / "some.scn").write_text(text)
        (tmp_path / "some.toml").write_text(CONFIGURATION)
        return tmp_path / "some.toml"

    return write


def enacted(tmp_path: Path, text: str, **machine: int) -> Play:
    (tmp_path / "some.scn").write_text(text)
    return play(workload("scenario", file=str(tmp_path / "some.scn")), **machine)  # type: ignore[arg-type]


def steps(played: Play) -> list[tuple[int, str]]:
    """Return who did what, in order of time."""
    return [(row.pid, row.action) for row in played.machine.records.actions]


def summed(works: Counter[Work]) -> Work:
    return sum((Work(*(times * count for count in work)) for work, times in works.items()), NOTHING)


def total(records: Records) -> Work:
    """Return the work of all that was done."""
    faults = Counter[Work]()
    for fault, times in records.fault_counts.items():
        faults[fault.work] += times
    return records.action_work + summed(faults)


# ---------------------------------------------------------- beside the scenario on the model
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", MODELLED_ONES)
def test_a_scenario_that_ships_takes_the_faults_the_work_and_the_time_of_its_steps(name: str, policy: str):
    scenario = completed(read_scenario(shipped()[name]))
    if policy == "cow-eager-flip" and any(step.feature in FOLIOS for step in scenario.steps):
        pytest.skip("a policy that seeks last sharers does not go with large folios")
    if policy == "eager" and scenario.settings.hugepages == 2:
        pytest.skip("a fork that copies finds no hugetlb page")
    elsewhere = {"cold_forks": 0, "far_doublings": 0}  # they say what happened before, or on that core
    stage = ModelStage(scenario, setup({"policy.copy": policy}))
    kinds, works = Counter[str](), Counter[Work]()
    mapped = set[object]()
    for row in play_steps(scenario, stage):
        mapped |= {row["step"]} if row["op"] == "map" and "refused" not in row else set()
        kinds.update({k.removeprefix("kinds."): int(v) for k, v in row.items() if k.startswith("kinds.")})
        works += stage.works

    maps = [step for step in scenario.steps if isinstance(step, Map) and step.number in mapped]
    works[Work(mappings=1)] -= sum(
        step.page != "hugetlb" for step in maps
    )  # advice that only a scenario gives

    played = play(workload("scenario", file=name), policy, without=[*elsewhere])

    assert played.faults == kinds
    work, costs = total(played.machine.records), played.machine.costs
    assert work._replace(switches=0, **elsewhere) == summed(works)._replace(**elsewhere)
    assert played.machine.now == work.switches * costs.cost_ps(Work(switches=1)) + sum(
        times * costs.cost_ps(one) for one, times in works.items()
    )


@pytest.mark.parametrize("name", MODELLED_ONES)
def test_both_engines_give_the_same_summary_of_a_scenario_that_ships(
    name: str, configuration: Writer, tmp_path: Path
):
    config = configuration("# not used")
    summaries = [
        simulate(load(config, [f"workload.file={name}", f"machine.engine={engine}"]), 0).summary
        for engine in ENGINES
    ]

    assert summaries[0] == summaries[1]


def test_a_summary_counts_the_copies_and_flips_inside_verbs_as_those_of_faults(configuration: Writer):
    config = load(configuration(START), ["workload.file=a19-populate.scn"])

    summary = simulate(config, 0).summary

    assert summary["copies"] == {"total": 64, "by_faults": 64, "by_forks": 0}
    assert summary["flips"] == {"total": 64, "by_faults": 64, "by_search": 0}


def test_whatever_steps_the_model_has_a_workload_has_too():
    assert VERBS.keys() - {WAIT} == MODELLED.keys()


# -------------------------------------------------------------------------------- turns
def test_a_step_begins_when_the_one_before_is_over(tmp_path: Path):
    played = enacted(tmp_path, START + "fork P0 P1\nwrite P1 A all\nwrite P0 A all")

    faults = played.machine.records.fault_table()
    child, parent = faults[faults.kind == "cow_copy"], faults[faults.kind == "cow_reuse"]
    assert (set(child.pid), set(parent.pid)) == ({2}, {1})
    assert parent.time_ps.min() >= (child.time_ps + child.cost_ps).max()


def test_what_is_in_one_group_runs_at_the_same_time_and_so_all_copy(tmp_path: Path):
    text = START + "fork P0 P1\npar 2\nwrite P0 A all\nwrite P1 A all"

    faults = enacted(tmp_path, text, cores=2).machine.records.fault_table()

    copies = faults[faults.kind == "cow_copy"]
    starts = copies.groupby("pid").time_ps.min()
    assert copies.groupby("pid").core.first().nunique() == 2
    assert starts[1] < copies[copies.pid == 2].time_ps.max()
    assert len(copies) > 64  # one after the other it would be 64


def test_a_group_on_one_core_takes_turns_by_time_slices(tmp_path: Path):
    text = START + "fork P0 P1\npar 2\nwrite P0 A all\nwrite P1 A all"

    assert enacted(tmp_path, text, cores=1).faults == {"zero_fill": 64, "cow_copy": 64, "cow_reuse": 64}


def test_a_parent_waits_for_a_child_that_exits_before_the_next_step(tmp_path: Path):
    played = enacted(tmp_path, START + "fork P0 P1\nexit P1\nfork P0 P1\nwrite P1 A 0\nexit P1")

    reborn = [(1, "fork"), (2, "exit"), (1, "wait"), (1, "fork"), (3, "exit"), (1, "wait"), (1, "exit")]
    assert steps(played)[1:] == reborn


def test_children_of_a_parent_that_is_gone_are_waited_for_by_nobody(tmp_path: Path):
    played = enacted(tmp_path, START + "fork P0 P1\nfork P1 P2\nexit P1\nexit P0\nwrite P2 A all")

    ends = [step for step in steps(played) if step[1] in ("exit", "wait")]
    assert ends == [(2, "exit"), (1, "wait"), (1, "exit"), (3, "exit")]


def test_whoever_is_alive_at_the_end_exits_the_youngest_first(tmp_path: Path):
    played = enacted(tmp_path, START + "fork P0 P1\nfork P1 P2")

    ends = [step for step in steps(played) if step[1] in ("exit", "wait")]
    assert ends == [(3, "exit"), (2, "wait"), (2, "exit"), (1, "wait"), (1, "exit")]


def test_a_scenario_without_operations_is_a_process_that_exits(tmp_path: Path):
    assert steps(enacted(tmp_path, "name nothing")) == [(1, "exit")]


def test_an_access_line_ends_where_it_may_not_go_on_and_the_next_is_made(tmp_path: Path):
    text = (
        START
        + "mprotect P0 A 8-15 r\nmunmap P0 A 32-63\nwrite P0 A range 0-40 rev\nwrite P0 A all\nread P0 A all"
    )

    played = enacted(tmp_path, text)

    assert total(played.machine.records).hits == 64 + 0 + 8 + 32


def test_to_populate_what_may_not_be_written_does_nothing(tmp_path: Path):
    text = "map P0 A anon pages=64 page=4k\nmprotect P0 A r\nmadvise P0 A populate_write\nread P0 A all"

    assert enacted(tmp_path, text).faults == {"zero_map": 64}


def test_a_region_that_moved_is_accessed_where_each_process_has_it(tmp_path: Path):
    text = (
        START
        + "fork P0 P1\nmremap P1 A\nwrite P1 A all\nmremap P0 A\nwrite P0 A all\nmremap P1 A\nread P1 A all"
    )

    played = enacted(tmp_path, text)

    assert played.faults == {"zero_fill": 64, "cow_copy": 64, "cow_reuse": 64}
    assert total(played.machine.records).hits == 4 * 64


def test_an_access_line_ends_before_pages_without_rights_and_behind_the_end_of_a_file(tmp_path: Path):
    text = (
        "set file F 64k\nmap P0 A fileshared pages=32 page=4k file=F from=32k\nwrite P0 A all\n"
        "mprotect P0 A 3-5 none\nread P0 A all\nmadvise P0 A populate_read\nmlock P0 A 0-3"
    )

    played = enacted(tmp_path, text)

    assert played.faults == {"shared_map": 8}
    assert total(played.machine.records).hits == 8 + 3


def test_a_look_is_a_sample_of_memory_and_takes_no_time(tmp_path: Path):
    without: list[MemoryRow]
    without, looked = (
        enacted(tmp_path, text).machine.records.memory for text in (START, START.replace("\n", "\nstat\n", 1))
    )

    assert looked[1:] == without
    assert looked[0].time_ps < without[0].time_ps


# --------------------------------------------------------------------- what is refused
def test_each_operation_that_is_not_modelled_is_named_once(
    configuration: Writer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delitem(VERBS, "vfork")
    monkeypatch.delitem(VERBS, "madvise free")
    config = configuration(START + "repeat 3 {\n    vfork P0\n}\nmadvise P0 A free")

    with pytest.raises(ConfigError) as told:
        load(config)

    lines = [
        line.partition(": expected")[0].rpartition("some.scn:")[2] for line in str(told.value).splitlines()
    ]
    assert lines == ["4: vfork", "6: madvise free"]


def test_a_line_that_gets_no_huge_page_ends_there_and_the_next_is_made(tmp_path: Path):
    start = "set hugepages 2\nmap P0 A anon size=4m page=hugetlb\nwrite P0 A all unit=2m\nfork P0 P1\n"
    text = start + "read P1 A all unit=2m\nwrite P1 A all unit=2m\nread P1 A all unit=2m"

    played = enacted(tmp_path, text)

    assert total(played.machine.records).hits == 2 + 2 + 0 + 2


def test_what_is_wrong_in_a_scenario_is_told_with_the_configuration(configuration: Writer):
    with pytest.raises(
        ConfigError, match=r"some.toml: workload.file: .*some.scn:1: expected an operation: no 'mop'"
    ):
        load(configuration("mop P0 A anon pages=64 page=4k"))


def test_a_machine_with_other_base_pages_is_refused(configuration: Writer):
    with pytest.raises(ConfigError, match="workload.file: expected a paging with base pages of 4 KiB"):
        load(configuration(START), ["machine.paging=arm64-16k"])


def test_a_file_that_is_not_there_is_told_with_what_may_be_meant(configuration: Writer):
    with pytest.raises(ConfigError, match=r"no file '.*a01-fil.scn'; .* did you mean 'a01-fill.scn'"):
        load(configuration(START), ["workload.file=a01-fil.scn"])


def test_a_file_of_ones_own_goes_before_one_that_ships(configuration: Writer, tmp_path: Path):
    (tmp_path / "a01-fill.scn").write_text(START)
    config = load(configuration(START), ["workload.file=a01-fill.scn"])

    assert isinstance(config.workload, Enactment)
    assert config.workload.file == tmp_path / "a01-fill.scn"
    assert config.inputs == load(configuration(START)).inputs | {
        "workload.file": config.inputs["workload.file"]
    }


def test_memory_that_does_not_suffice_ends_the_run(configuration: Writer):
    with pytest.raises(OutOfMemory, match="after .* of simulated time"):
        simulate(load(configuration(START), ["machine.memory=128 KiB"]), 0)


def test_what_a_refused_fork_would_have_made_does_nothing_and_the_others_go_on(tmp_path: Path):
    text = (
        "set commit 1m\nmap P0 A anon pages=64 page=4k\nmap P0 B anon pages=128 page=4k\nfork P0 P1\n"
        "fork P1 P2\nwrite P2 A all\nexit P2\nexit P1\nmap P0 C anon pages=64 page=4k\nwrite P0 C all\n"
        "forkexec P0\nmunmap P0 B\nfork P0 P1\nwrite P1 A 0-31\nwrite P0 A 0-3\n"
    )

    played = enacted(tmp_path, text)

    assert played.faults == {"zero_fill": 36}
    assert [who for who, what in steps(played) if what == "exit"] == [2, 1]


def test_a_right_that_is_not_promised_is_not_given(tmp_path: Path):
    text = (
        "set commit 1m\nmap P0 A anon pages=128 page=4k\nmprotect P0 A r\nmap P0 B anon pages=200 page=4k\n"
        "mprotect P0 A rw\nwrite P0 A 0\nwrite P0 B 0\n"
    )

    assert enacted(tmp_path, text).faults == {"zero_fill": 1}
