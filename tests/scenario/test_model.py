"""Scenarios on the model."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cowmodel.errors import ConfigError, OutOfMemory, SimulationError
from cowmodel.scenario.expectations import unmet
from cowmodel.scenario.fields import Row
from cowmodel.scenario.model import ModelStage
from cowmodel.scenario.play import play
from cowmodel.scenario.read import parse, read_scenario, shipped
from cowmodel.scenario.setup import setup
from cowmodel.scenario.steps import Scenario

ONLY_ON_THE_KERNEL = {
    path.name for path in shipped().values() if "\n# not modelled yet: " in path.read_text()
}


def rows(text: str, **settings: str) -> list[Row]:
    return played(parse(text), **settings)


def played(scenario: Scenario, **settings: str) -> list[Row]:
    machine = setup({name.replace("_", "."): value for name, value in settings.items()})
    return list(play(scenario, ModelStage(scenario, machine)))


START = "map P0 A anon pages=64 page=4k\ntouch P0 A all\n"


@pytest.mark.parametrize("name", sorted(shipped().keys() - ONLY_ON_THE_KERNEL))
def test_the_counts_of_a_scenario_that_ships_are_as_expected(name: str):
    scenario = read_scenario(shipped()[name])

    assert list(unmet(scenario, played(scenario))) == []


@pytest.mark.parametrize("name", sorted(ONLY_ON_THE_KERNEL))
def test_what_is_not_modelled_yet_is_refused_and_not_silently_wrong(name: str):
    with pytest.raises(SimulationError, match=name):
        played(read_scenario(shipped()[name]))


def test_a_row_tells_the_operation_and_what_applies_to_it():
    fork = rows(START + "fork P0 P1")[-1]

    assert fork["step"] == 3 and fork["op"] == "fork" and fork["line"] == 3
    assert (fork["proc"], fork["child"]) == ("P0", "P1")
    assert "region" not in fork and "accesses" not in fork
    assert fork["ns"]


def test_accesses_are_counted_with_repeats_and_pages_without():
    row = rows(START + "write P0 A list 1,1,2")[-1]

    assert (row["accesses"], row["distinct"], row["accessed.same_frame"]) == (3, 2, 2)


def test_pages_around_a_read_of_shared_memory_count_as_others():
    row = rows("map P0 A shared pages=64 page=4k\ntouch P0 A all\nfork P0 P1\nread P1 A 3")[-1]

    assert (row["minflt"], row["accessed.new"], row["other.new"]) == (1, 1, 15)


def test_pages_that_are_unmapped_are_gone_and_reading_them_is_a_segfault():
    cut, read = rows(START + "munmap P0 A 0-7\nread P0 A 6-9")[-2:]

    assert (cut["other.gone"], cut["pages.present"]) == (8, 56)
    assert (read["sigsegv"], read["minflt"]) == (1, 0)


def test_a_region_that_is_unmapped_is_no_longer_told():
    cut, look = rows(START + "map P0 B anon pages=1 page=4k\nmunmap P0 A\nstat")[-2:]

    assert cut["other.gone"] == 64 and "pages.present" not in cut and cut["pt_pages"] == 0
    assert look["region"] == "B"


def test_stat_has_a_row_for_each_process_and_region():
    looks = rows(START + "map P0 B anon pages=8 page=4k\nfork P0 P1\nstat")[-4:]

    assert [(row["proc"], row["region"]) for row in looks] == [
        ("P0", "A"),
        ("P0", "B"),
        ("P1", "A"),
        ("P1", "B"),
    ]
    assert {row["step"] for row in looks} == {5}


def test_smaps_divides_shared_frames_among_their_sharers():
    row = rows(START + "fork P0 P1\nfork P0 P2\nwrite P0 A 0-31")[-1]

    assert (row["smaps_kb.Rss"], row["smaps_kb.Private_Dirty"], row["smaps_kb.Shared_Dirty"]) == (
        256,
        128,
        128,
    )
    assert row["smaps_kb.Pss"] == 170  # 128 + 128 / 3


def test_accesses_at_the_same_time_are_made_one_after_the_other():
    first, second = rows(START + "fork P0 P1\npar 2\nwrite P0 A all\nwrite P1 A all")[-2:]

    assert (first["kinds.cow_copy"], second["kinds.cow_reuse"]) == (64, 64)
    assert first["frames.unique"] == second["frames.unique"] == 128


def test_spawn_and_fork_with_exec_leave_no_process():
    spawn, exec_, write = rows(START + "spawn P0\nforkexec P0\nwrite P0 A all")[-3:]

    assert spawn["frames.mappings"] == exec_["frames.mappings"] == 64
    assert write["flips"] == 64


def test_policy_and_costs_are_those_that_are_set():
    linux = rows(START + "fork P0 P1\nexit P1\nwrite P0 A all")[-1]
    naive = rows(START + "fork P0 P1\nexit P1\nwrite P0 A all", policy_copy="cow")[-1]
    other = rows(START, machine_costs="redis-xeon")[-1]

    assert (linux["flips"], naive["accessed.copied"]) == (64, 64)
    assert other["ns"] != rows(START)[-1]["ns"]


@pytest.mark.parametrize(("settings", "jumps"), [({}, [1]), ({"machine.contiguity": "0"}, range(60, 65))])
def test_a_fork_finds_frames_in_order_unless_memory_was_used_before(
    settings: dict[str, str], jumps: Sequence[int]
):
    scenario = parse(START + "fork P0 P1")
    stage = ModelStage(scenario, setup(settings))

    list(play(scenario, stage))

    (work,) = stage.works
    assert work.entry_jumps in jumps
    assert (work.pte_entries, work.protections) == (64, 64)


def test_an_access_behind_the_end_of_a_file_is_stopped_and_a_call_refused():
    text = "set file F 64k\nmap P0 A file pages=9 page=4k file=F from=32k\n"

    row = rows(text + "write P0 A all")[-1]
    assert (row["sigbus"], row["minflt"], row["accessed.new"]) == (1, 8, 8)
    assert rows(text + "mlock P0 A")[-1]["refused"] == 1


def test_pages_without_rights_stop_an_access_and_refuse_a_call():
    before = START + "mprotect P0 A 3-5 none\n"

    assert rows(before + "read P0 A all")[-1]["sigsegv"] == 1
    assert rows(before + "mlock P0 A")[-1]["refused"] == 1


def test_a_region_moves_for_one_process_and_stays_for_others():
    moved = rows(START + "fork P0 P1\nmremap P0 A\nwrite P1 A all\nfork P0 P2\nmremap P2 A\nread P2 A all")

    assert [row["minflt"] for row in moved[3:]] == [0, 64, 0, 0, 0]
    assert (moved[4]["accessed.copied"], moved[5]["inherit.A.shared"]) == (64, 64)
    assert moved[6]["pages.present"] == 64


def test_what_begins_in_a_hole_does_not_move():
    with pytest.raises(SimulationError, match="scenario:4: mremap: .* expected whole mappings"):
        rows(START + "munmap P0 A 0-3\nmremap P0 A")


def test_files_are_in_memory_or_on_a_disk_as_they_were_set():
    start = "map P0 A fileshared pages=16 page=4k file=F\nread P0 A all\nwrite P0 A all"

    assert rows("set file F 64k\n" + start)[-1]["minflt"] == 0
    assert rows("set file F 64k disk\n" + start)[-1]["kinds.shared_upgrade"] == 16


def test_smaps_tells_of_shared_memory_what_is_dirty():
    row = rows("map P0 A shared pages=8 page=4k\nwrite P0 A 0-3\nfork P0 P1\nread P1 A all")[-1]

    assert (row["smaps_kb.Private_Dirty"], row["smaps_kb.Shared_Dirty"], row["smaps_kb.Anonymous"]) == (
        0,
        16,
        0,
    )


POOL = "set hugepages 2\nmap P0 A anon size=4m page=hugetlb\n"


def test_a_process_that_gets_no_huge_page_stops_there():
    row = rows(POOL + "write P0 A 0-0 unit=2m\nfork P0 P1\nread P1 A all unit=2m")[-1]

    assert (row["sigbus"], row["minflt"], row["accessed.new"]) == (1, 0, 0)


def test_a_call_that_faults_pages_in_and_gets_none_is_refused():
    row = rows(POOL + "fork P0 P1\nmadvise P1 A populate_write")[-1]

    assert (row["refused"], row["minflt"]) == (1, 0)
    assert "sigbus" not in row


def test_what_is_left_of_a_pool_is_told_where_it_was_set():
    row = rows(POOL + "write P0 A 0-0 unit=2m")[-1]

    assert (row["pool.free"], row["pool.reserved"]) == (1, 1)
    assert "pool.free" not in rows(START)[-1]


def test_a_mapping_that_the_pool_has_not_enough_pages_for_is_refused():
    with pytest.raises(OutOfMemory, match="hugetlb pool: expected 3 pages to reserve, found 2 free"):
        rows(POOL.replace("4m", "6m"))


LIMIT = "set commit 1m\n" + START


def test_a_fork_a_mapping_and_a_right_that_are_not_promised_are_refused():
    more = "map P0 R anon pages=128 page=4k\nmprotect P0 R r\nmap P0 B anon pages=128 page=4k\n"
    told = rows(LIMIT + more + "fork P0 P1\nmap P0 C shared pages=64 page=4k\nmprotect P0 R rw")

    assert [row.get("refused", 0) for row in told] == [0] * 5 + [1] * 3
    assert told[-3]["minflt"] == 0


def test_steps_of_a_process_or_on_a_region_that_was_refused_are_left_out():
    never = "map P0 B anon size=2m page=4k\nwrite P0 B all\nmap P0 C anon pages=128 page=4k\nfork P0 P1\n"
    told = rows(LIMIT + never + "write P1 A all\nfork P1 P2\nexit P1\nexit P2\nwrite P0 A all")

    assert [row["step"] for row in told] == [1, 2, 3, 5, 6, 11]


def test_an_expectation_of_a_step_that_is_left_out_is_not_met():
    scenario = parse(LIMIT + "map P0 B anon size=2m page=4k\nwrite P0 B all  #= minflt 512")

    assert list(unmet(scenario, played(scenario))) == [
        "scenario:5: write: expected minflt 512, but the step was left out"
    ]


def test_the_child_of_vfork_leaves_everything_to_the_parent():
    fork, look = rows(START + "vfork P0\nstat")[-2:]

    assert (fork["minflt"], fork["pt_pages"], fork["frames.mappings"]) == (0, 3, 64)
    assert fork["ns"]
    assert look["pages.present"] == 64


def test_pages_that_may_be_freed_are_not_dirty_until_they_are_written_again():
    freed, written = rows(START + "madvise P0 A free\nwrite P0 A 0-15")[-2:]

    assert (freed["smaps_kb.Rss"], freed["smaps_kb.Private_Dirty"]) == (256, 0)
    assert (written["minflt"], written["smaps_kb.Private_Dirty"]) == (0, 64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy.copy": "cow-flp"}, "--set policy.copy: no 'cow-flp' among .*did you mean 'cow-flip'"),
        ({"policy.cpy": "cow"}, "--set policy.cpy: no 'policy.cpy' among"),
        ({"machine.paging": "arm64-16k"}, "expected base pages of 4 KiB"),
        ({"machine.costs": "none"}, "--set machine.costs: no 'none' among"),
        ({"machine.contiguity": "2"}, "machine.contiguity: expected a fraction between 0 and 1, got '2'"),
        ({"machine.contiguity": "much"}, "machine.contiguity: expected a fraction .*, got 'much'"),
    ],
)
def test_a_setting_that_is_wrong_is_told(settings: dict[str, str], message: str):
    with pytest.raises(ConfigError, match=message):
        setup(settings)


def test_an_expectation_that_is_not_met_is_told_with_its_place():
    scenario = parse(START.rstrip() + " #= minflt 63, accessed.new >=64, sigsegv 0", Path("x.scn"))

    assert list(unmet(scenario, played(scenario))) == ["x.scn:2: step 2, touch: expected minflt 63, got 64"]
