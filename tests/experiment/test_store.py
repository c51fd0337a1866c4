"""Runs on disk: whole or not there, found again, and collected into equal bytes."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cowmodel.errors import ConfigError, OutOfMemory
from cowmodel.experiment.collect import collect, plan
from cowmodel.experiment.store import PlannedRun, perform, replacing
from cowmodel.experiment.sweep import read_experiment

Edit = Callable[[Path, str, str], None]
RESULTS = Path("results/flips")


def planned(results: Path = RESULTS) -> list[PlannedRun]:
    return plan(read_experiment(Path("experiments/flips")), results)


def swept(results: Path = RESULTS) -> list[Path]:
    runs = planned(results)
    for run in runs:
        perform(run)
    return collect(read_experiment(Path("experiments/flips")), runs, results)


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_run_is_a_folder_of_json_and_parquet(house: Path, simulation: Any) -> None:
    run = planned()[0]
    perform(run)
    assert everything_in(run.runs) == [
        run.folder.name,
        f"{run.folder.name}/run.json",
        f"{run.folder.name}/samples.parquet",
    ]


def test_a_run_says_what_made_it(house: Path, simulation: Any) -> None:
    run = planned()[1]
    perform(run)
    said = json.loads((run.folder / "run.json").read_text())
    assert said["configuration"] == run.configuration.document
    assert said["summary"]["copies"]["total"] == 11
    assert said["provenance"]["seed"] == 1
    assert said["provenance"]["replication"] == 1
    assert {"version", "source", "python", "libraries"} <= said["provenance"].keys()


def test_each_point_and_replication_has_a_folder_of_its_own(house: Path) -> None:
    assert len({run.folder for run in planned()}) == 8


def test_other_code_or_another_version_makes_another_run(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = planned()[0].folder
    monkeypatch.setattr("cowmodel.experiment.store.source", lambda: "other code")
    assert planned()[0].folder != before


def test_how_a_value_is_spelled_is_part_of_the_name(house: Path, edit: Edit) -> None:
    before = planned()[0].folder
    edit(Path("configs/tree.toml"), 'heap = "1 MiB"', 'heap = "1024 KiB"')
    assert planned()[0].folder != before


def test_a_failed_run_leaves_nothing(house: Path, simulation: Any, edit: Edit) -> None:
    edit(Path("experiments/flips/experiment.toml"), '["64 MiB", ', '["1536 KiB", ')
    run = planned()[0]
    with pytest.raises(OutOfMemory):
        perform(run)
    assert not run.finished()
    assert not run.runs.exists()


@pytest.mark.parametrize("end", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_ctrl_c_leaves_no_half_run(
    house: Path, simulation: Any, monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    def fail(table: pd.DataFrame, path: Path, **_: object) -> None:
        path.write_bytes(b"half a tab")
        raise end

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fail)
    run = planned()[0]
    with pytest.raises(type(end)):
        perform(run)
    assert everything_in(run.runs) == []


def test_a_full_disk_is_told_with_the_path(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, replacing(tmp_path / "table.csv"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "table.csv")
    assert caught.value.strerror == "No space left on device"


def test_what_was_there_stays_when_the_new_fails(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write_text("new")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert everything_in(tmp_path) == ["table.csv"]


def test_the_second_of_two_that_make_one_run_gives_way(house: Path, simulation: Any) -> None:
    run = planned()[0]
    perform(run)
    before = (run.folder / "run.json").stat().st_mtime_ns
    perform(run)
    assert (run.folder / "run.json").stat().st_mtime_ns == before
    assert everything_in(run.runs)[0] == run.folder.name


def test_a_row_is_the_point_the_replication_and_the_flat_summary(house: Path, simulation: Any) -> None:
    swept()
    lines = (RESULTS / "runs.csv").read_text().splitlines()
    assert lines[0].split(",") == [
        *("workload.children", "policy.copy", "machine.memory", "replication"),
        *("copies.total", "fork_us.mean", "peak_bytes.memory"),
    ]
    assert lines[1:3] == ["3,cow,64 MiB,0,10,0.1,4096", "3,cow,64 MiB,1,11,1.1,4096"]
    assert len(lines) == 9


def test_a_collected_table_has_the_columns_of_the_point_in_front(house: Path, simulation: Any) -> None:
    swept()
    lines = (RESULTS / "samples.csv").read_text().splitlines()
    assert lines[0] == ("workload.children,policy.copy,machine.memory,replication,time_ps,used_bytes")
    assert lines[1] == "3,cow,64 MiB,0,0,4096"
    assert len(lines) == 17


def test_two_sweeps_of_one_experiment_give_equal_bytes(house: Path, simulation: Any) -> None:
    first = [path.read_bytes() for path in swept()]
    second = [path.read_bytes() for path in swept(Path("elsewhere/flips"))]
    assert first == second


def test_the_provenance_tells_the_commands_and_no_place_or_day(house: Path, simulation: Any) -> None:
    swept()
    text = (RESULTS / "provenance.json").read_text()
    assert json.loads(text)["commands"] == [
        "cowmodel sweep experiments/flips",
        "cowmodel figure experiments/flips",
    ]
    assert str(house) not in text


def test_the_provenance_names_the_files_that_went_in(house: Path, simulation: Any) -> None:
    swept()
    inputs = json.loads((RESULTS / "provenance.json").read_text())["inputs"]
    assert list(inputs) == ["epyc7302p-linux5.6"]


def test_the_provenance_names_the_runs_that_are_missing(house: Path, simulation: Any) -> None:
    runs = planned()
    perform(runs[0])
    collect(read_experiment(Path("experiments/flips")), runs, RESULTS)
    missing = json.loads((RESULTS / "provenance.json").read_text())["missing"]
    assert len(missing) == 7
    assert missing[0] == ("workload.children=3, policy.copy=cow, machine.memory=64 MiB, replication=1")


def test_a_table_that_runs_do_not_have_is_refused_before_the_first_run(
    house: Path, simulation: Any, edit: Edit
) -> None:
    edit(Path("experiments/flips/experiment.toml"), '["samples"]', '["sampels"]')
    with pytest.raises(ConfigError, match="no 'sampels' among .*; did you mean 'samples'?"):
        swept()
    assert simulation.calls == 0


def test_a_folder_that_holds_something_else_is_named(house: Path, simulation: Any) -> None:
    run = planned()[0]
    perform(run)
    (run.folder / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match="run.json: expected a finished run; remove the folder"):
        collect(read_experiment(Path("experiments/flips")), [run], RESULTS)
