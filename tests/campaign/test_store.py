"""Runs on disk: whole or not there, found again, and collected into equal bytes."""

import errno
import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet
import pytest

from cowmodel.campaign.census import census
from cowmodel.campaign.collect import collect
from cowmodel.campaign.executors import serial
from cowmodel.campaign.results import open_results
from cowmodel.campaign.store import Store, commit
from cowmodel.campaign.sweep import sweep
from cowmodel.errors import ConfigError
from cowmodel.experiment.replacing import replacing
from tests.campaign.sweeping import FLIPS, RESULTS, everything_in, job, planned, swept

Edit = Callable[[Path, str, str], None]
FILE = FLIPS / "experiment.toml"


def first_run() -> Any:
    return next(planned().missing())


# ------------------------------------------------------------------------- one run
def test_a_run_is_a_folder_of_json_and_the_tables_that_the_experiment_keeps(house: Path, simulation: Any):
    run = first_run()

    job(planned()).done(run)

    assert everything_in(RESULTS / "runs") == [
        run.name,
        f"{run.name}/run.json",
        f"{run.name}/samples.parquet",
    ]


def test_a_run_says_what_made_it(house: Path, simulation: Any):
    plan = planned()
    run = list(plan.missing())[1]

    job(plan).done(run)

    said = json.loads((RESULTS / "runs" / run.name / "run.json").read_text())
    assert said["configuration"] == plan.experiment.recipe.configuration(run.point).document
    assert said["metrics"]["copies"]["total"] == 11
    assert said["provenance"]["seed"] == 1
    assert said["provenance"]["replication"] == 1
    assert {"version", "source", "python", "libraries", "platform", "command"} <= said["provenance"].keys()


def test_each_point_and_replication_has_a_folder_of_its_own(house: Path):
    assert len({run.name for run in planned().missing()}) == 8


def test_other_code_or_another_version_makes_another_run(house: Path, monkeypatch: pytest.MonkeyPatch):
    before = first_run().name
    monkeypatch.setattr("cowmodel.campaign.recipe.source", lambda: "other code")
    assert first_run().name != before


def test_how_a_value_is_spelled_is_part_of_the_name(house: Path, edit: Edit):
    before = first_run().name
    edit(Path("configs/tree.toml"), 'heap = "1 MiB"', 'heap = "1024 KiB"')
    assert first_run().name != before


def test_a_failed_run_leaves_its_reason_and_no_folder(house: Path, simulation: Any, edit: Edit):
    edit(FILE, '["64 MiB", ', '["1536 KiB", ')

    swept()

    failures = Store(RESULTS).failures()
    assert {failure for failure in failures.values()} == {("simulation", "no frame is free")}
    assert len(failures) == 4
    assert failures.keys().isdisjoint(Store(RESULTS).finished())


@pytest.mark.parametrize("end", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_ctrl_c_leaves_no_half_run(
    house: Path, monkeypatch: pytest.MonkeyPatch, end: BaseException
):
    def fail(*_: object) -> None:
        raise end

    monkeypatch.setattr("cowmodel.campaign.store.os.rename", fail)
    with pytest.raises(type(end)):
        commit(RESULTS / "runs", "0123", {"run.json": b"{}"})

    assert everything_in(RESULTS / "runs") == []


def test_a_full_disk_is_told_with_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cowmodel.campaign.store.os.makedirs", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        commit(tmp_path, "0123", {})

    assert caught.value.filename == str(tmp_path / "0123")


def test_what_was_there_stays_when_the_new_fails(tmp_path: Path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write_text("new")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert everything_in(tmp_path) == ["table.csv"]


def test_the_second_of_two_that_make_one_run_gives_way(tmp_path: Path):
    commit(tmp_path, "0123", {"run.json": b"first"})
    commit(tmp_path, "0123", {"run.json": b"second"})

    assert (tmp_path / "0123/run.json").read_bytes() == b"first"
    assert everything_in(tmp_path) == ["0123", "0123/run.json"]


# ------------------------------------------------------------------------ the store
def test_what_others_left_half_done_is_removed_by_the_next(house: Path, simulation: Any):
    swept()
    (RESULTS / "runs/.0123-99").mkdir()
    (RESULTS / ".summary.csv-x").mkdir()

    with Store(RESULTS).alone("flips"):
        pass

    assert [name for name in everything_in(RESULTS) if "/." in f"/{name}"] == []


def test_a_folder_of_something_else_is_refused_and_left_alone(house: Path, simulation: Any):
    RESULTS.mkdir(parents=True)
    (RESULTS / "thesis.tex").write_text("important")

    with pytest.raises(
        ConfigError, match="flips: expected results of a sweep or an empty folder, got thesis.tex"
    ):
        swept()

    assert everything_in(RESULTS) == ["thesis.tex"]
    assert simulation.calls == 0


def test_a_store_of_a_newer_version_is_refused_and_left_alone(house: Path, simulation: Any):
    swept()
    mark = RESULTS / "store.json"
    mark.write_text('{"format": 99, "experiment": "flips"}')

    with pytest.raises(
        ConfigError, match="store.json: expected format 1 or older, got 99, of a newer cowmodel"
    ):
        swept()

    assert json.loads(mark.read_text())["format"] == 99


def test_a_store_whose_maker_was_killed_before_it_had_a_mark_is_an_empty_one(house: Path, simulation: Any):
    (RESULTS / ".store.json-x").mkdir(parents=True)

    assert len(swept()) == 8


def test_workers_that_write_elsewhere_are_told(house: Path, simulation: Any):
    plan = planned()
    elsewhere = job(plan, Path("elsewhere"))

    with pytest.raises(ConfigError, match="expected 8 runs that workers have written, got none"):
        list(sweep(plan, Store(RESULTS), serial, elsewhere))


@pytest.mark.parametrize("content", ["", "[]", '{"format": "x"}', "{}"])
def test_a_mark_that_says_nothing_is_refused(house: Path, content: str):
    RESULTS.mkdir(parents=True)
    (RESULTS / "store.json").write_text(content)

    with pytest.raises(ConfigError, match="store.json: expected the format of a store of results"):
        swept()


def _hold(folder: Path, ready: Any, done: Any) -> None:
    with Store(folder).alone("flips"):
        ready.set()
        done.wait()


def test_two_processes_do_not_write_to_one_store(house: Path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(RESULTS.absolute(), ready, done))
    other.start()
    ready.wait()

    try:
        with (
            pytest.raises(ConfigError, match="flips: another process is writing to it"),
            Store(RESULTS).alone("flips"),
        ):
            pass
    finally:
        done.set()
        other.join()


def test_runs_that_are_not_wanted_any_more_are_told_and_in_no_table(house: Path, simulation: Any, edit: Edit):
    swept()
    edit(FILE, "replications = 2", "replications = 1")

    swept()

    found = census(planned(), Store(RESULTS))
    assert (found.wanted, found.finished) == (4, 4)
    ((maker, names),) = found.others.items()
    assert len(names) == 4
    assert maker.startswith("cowmodel 0.")
    assert len(open_results(RESULTS).frame()) == 4


# ------------------------------------------------------------------------ its tables
def test_a_row_is_the_point_the_replication_the_run_and_the_flat_metrics(house: Path, simulation: Any):
    swept()

    table = pd.read_csv(RESULTS / "summary.csv")
    assert list(table) == [
        *("workload.children", "policy.copy", "machine.memory", "replication", "run"),
        *("copies.total", "fork_us.mean", "peak_bytes.memory"),
    ]
    assert table.drop(columns="run").values.tolist()[:2] == [
        [3, "cow", "64 MiB", 0, 10, 0.1, 4096],
        [3, "cow", "64 MiB", 1, 11, 1.1, 4096],
    ]
    assert len(table) == 8


def test_the_parquet_twin_holds_the_same_and_units(house: Path, simulation: Any):
    swept()

    twin = pd.read_parquet(RESULTS / "summary.parquet")
    pd.testing.assert_frame_equal(twin, pd.read_csv(RESULTS / "summary.csv"), check_dtype=False)
    schema = pyarrow.parquet.read_schema(RESULTS / "summary.parquet")
    assert schema.field("fork_us.mean").metadata == {b"unit": b"us"}
    assert schema.field("peak_bytes.memory").metadata == {b"unit": b"B"}


def test_polars_and_duckdb_read_the_same(house: Path, simulation: Any):
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    polars = pytest.importorskip("polars", reason="polars is not installed")
    swept()
    path = RESULTS / "summary.parquet"

    total = pd.read_parquet(path)["copies.total"].sum()
    assert polars.read_parquet(path)["copies.total"].sum() == total
    assert duckdb.sql(f"select sum(\"copies.total\") from '{path}'").fetchall() == [(total,)]


def test_a_point_has_its_mean_and_how_sure_it_is(house: Path, simulation: Any):
    swept()

    table = pd.read_csv(RESULTS / "statistics.csv")
    first = table.iloc[0]
    assert (first["metric"], first["n"], first["mean"]) == ("fork_us.mean", 2, pytest.approx(0.6))
    assert first["mean_low"] == pytest.approx(0.6 - 12.706 * 0.5, rel=1e-3)
    assert len(table) == 4 * 3


def test_a_metric_that_does_not_exist_is_told_with_those_that_do(house: Path, simulation: Any, edit: Edit):
    edit(FILE, "replications = 2", 'replications = 2\nmetrics = ["copies.totl"]')

    with pytest.raises(ConfigError, match=r"metrics: no 'copies.totl' among .*; did you mean 'copies.total'"):
        swept()


def test_a_collected_table_has_the_columns_of_the_point_in_front(house: Path, simulation: Any):
    swept()
    lines = (RESULTS / "samples.csv").read_text().splitlines()
    assert lines[0] == ("workload.children,policy.copy,machine.memory,replication,time_ps,used_bytes")
    assert lines[1] == "3,cow,64 MiB,0,0,4096"
    assert len(lines) == 17


def test_two_sweeps_of_one_experiment_give_equal_bytes(house: Path, simulation: Any):
    elsewhere = Path("elsewhere/flips")
    swept()
    swept(elsewhere)

    tables = [path.name for path in RESULTS.iterdir() if path.is_file()]
    assert len(tables) == 6
    for name in tables:
        assert (RESULTS / name).read_bytes() == (elsewhere / name).read_bytes()


def test_the_provenance_tells_the_commands_and_no_place_or_day(house: Path, simulation: Any):
    swept()
    text = (RESULTS / "provenance.json").read_text()
    assert json.loads(text)["commands"] == [
        "cowmodel sweep experiments/flips",
        "cowmodel figure experiments/flips",
    ]
    assert str(house) not in text


def test_the_provenance_names_the_files_that_went_in(house: Path, simulation: Any):
    swept()
    inputs = json.loads((RESULTS / "provenance.json").read_text())["inputs"]
    assert list(inputs) == ["epyc7302p-linux5.6"]


def test_the_provenance_names_the_runs_that_are_missing(house: Path, simulation: Any):
    plan = planned()
    job(plan).done(first_run())

    collect(plan, Store(RESULTS))

    missing = json.loads((RESULTS / "provenance.json").read_text())["missing"]
    assert len(missing) == 7
    assert missing[0] == ("workload.children=3, policy.copy=cow, machine.memory=64 MiB, replication=1")


def test_a_table_that_no_run_has_is_refused_before_the_first_run(house: Path, simulation: Any, edit: Edit):
    edit(FILE, '["samples"]', '["sampels"]')
    with pytest.raises(ConfigError, match="no 'sampels' among .*; did you mean 'samples'?"):
        swept()
    assert simulation.calls == 0


def test_a_folder_that_holds_something_else_is_named(house: Path, simulation: Any):
    swept()
    run = next(iter((RESULTS / "runs").iterdir()))
    (run / "run.json").write_text("{}")

    with pytest.raises(ConfigError, match=f"{run.name}: expected a finished run; remove the folder"):
        collect(planned(), Store(RESULTS))


# ----------------------------------------------------------------- reading in a notebook
def test_results_compare_policies_replication_by_replication(house: Path, simulation: Any):
    swept()

    table = open_results(RESULTS).compare("policy.copy", metric="copies.total")

    assert table[["first", "second", "n", "difference", "p_holm"]].values.tolist() == [
        ["cow", "cow-flip", 2, 0.0, 1.0],
        ["cow", "cow-flip", 2, 0.0, 1.0],
    ]


def test_results_give_the_tables_of_a_run(house: Path, simulation: Any):
    swept()
    results = open_results(RESULTS)

    samples = results.events(results.frame()["run"][0], "samples")

    assert samples["used_bytes"].tolist() == [4096, 8192]
    with pytest.raises(ConfigError, match=r"no 'faults' among samples; say tables = \['faults'\]"):
        results.events(results.frame()["run"][0])


def test_results_that_are_not_there_say_what_to_run(tmp_path: Path):
    with pytest.raises(ConfigError, match="expected a folder of results with a store.json"):
        open_results(tmp_path)
    with Store(tmp_path).alone("flips"), pytest.raises(ConfigError, match="run `cowmodel sweep"):
        open_results(tmp_path).frame()
