"""``cowmodel sweep`` and ``cowmodel figure``: what is missing is made, what is there is kept."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from cowmodel.cli import cli

Edit = Callable[[Path, str, str], None]
RESULTS = Path("results/flips")
EXPERIMENT = Path("experiments/flips/experiment.toml")


def sweep(*words: str) -> Result:
    return CliRunner().invoke(cli, ["sweep", "flips", "--workers", "1", *words])


def figure(*words: str) -> Result:
    return CliRunner().invoke(cli, ["figure", "flips", *words])


def test_a_sweep_ends_with_what_is_varied_and_the_three_numbers_of_each_run(
    house: Path, simulation: Any
) -> None:
    header, first, *others = sweep().stdout.splitlines()[5:]
    assert header.split() == ["copy", "memory", "replication", "fork", "time", "copies", "peak", "memory"]
    assert first.split() == ["cow", "64", "MiB", "0", "100", "ns", "10", "4", "KiB"]
    assert len(others) == 7


def test_a_sweep_makes_every_run_and_names_the_tables(house: Path, simulation: Any) -> None:
    result = sweep()
    assert result.exit_code == 0
    assert simulation.calls == 8
    assert result.stdout.splitlines()[:5] == [
        f"results/flips/{name}"
        for name in ("summary.csv", "summary.parquet", "statistics.csv", "samples.csv", "provenance.json")
    ]


def test_a_second_sweep_makes_no_run_again(house: Path, simulation: Any) -> None:
    sweep()
    result = sweep()
    assert simulation.calls == 8
    assert result.stderr.splitlines()[0] == "flips: 8 runs, 8 finished before"


def test_another_replication_makes_only_its_own_runs(house: Path, simulation: Any, edit: Edit) -> None:
    sweep()
    edit(EXPERIMENT, "replications = 2", "replications = 3")
    sweep()
    assert simulation.calls == 12


def test_a_failed_run_is_told_with_its_point_and_the_rest_goes_on(
    house: Path, simulation: Any, edit: Edit
) -> None:
    edit(EXPERIMENT, '["64 MiB", ', '["1536 KiB", ')
    result = sweep()
    assert result.exit_code == 1
    assert simulation.calls == 8
    assert "4 of 8 runs failed:" in result.stderr
    assert (
        "  workload.children=3, policy.copy=cow, machine.memory=1536 KiB, replication=0: no frame is free"
        " (simulation)"
    ) in result.stderr
    assert len((RESULTS / "summary.csv").read_text().splitlines()) == 5


def test_a_mistake_at_a_point_stops_the_sweep_before_the_first_run(
    house: Path, simulation: Any, edit: Edit
) -> None:
    edit(EXPERIMENT, '"cow-flip"]', '"cow-flp"]')
    result = sweep()
    assert result.exit_code == 2
    assert simulation.calls == 0
    assert not RESULTS.exists()


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(
    house: Path, simulation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted_at_the_third(configuration: Any, replication: int) -> Any:
        if simulation.calls == 2:
            raise KeyboardInterrupt
        return simulation(configuration, replication)

    monkeypatch.setattr("cowmodel.campaign.recipe.simulate", interrupted_at_the_third)
    result = sweep()
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == (
        "interrupted: 2 of 8 runs are finished; the same command goes on"
    )
    assert len(list((RESULTS / "runs").iterdir())) == 2
    assert not (RESULTS / "summary.csv").exists()


def test_ctrl_c_at_a_terminal_ends_workers_and_leaves_whole_runs_only(house: Path, edit: Edit) -> None:
    edit(EXPERIMENT, "replications = 2", "replications = 2000")
    command = [sys.executable, "-m", "cowmodel", "sweep", "flips", "--workers", "2"]
    runs = RESULTS / "runs"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while process.poll() is None and not (runs.exists() and any(runs.glob("*/run.json"))):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "of 8000 runs are finished; the same command goes on" in told
    assert "Traceback" not in told
    assert all((run / "run.json").exists() for run in runs.iterdir())


def test_one_and_two_workers_give_equal_tables(house: Path) -> None:
    sweep("--results", "one")
    CliRunner().invoke(cli, ["sweep", "flips", "--workers", "2", "--results", "two"])
    for name in ("summary.csv", "summary.parquet", "statistics.csv", "samples.csv", "provenance.json"):
        assert Path("one/flips", name).read_bytes() == Path("two/flips", name).read_bytes()


def test_a_figure_is_drawn_from_the_tables(house: Path, simulation: Any) -> None:
    sweep()
    result = figure()
    assert result.stdout.splitlines() == [
        f"results/flips/figure.{ending}" for ending in ("pdf", "svg", "png", "csv", "json")
    ]
    assert Path("results/flips/figure.pdf").read_bytes().startswith(b"%PDF")


def test_a_figure_is_written_in_the_formats_asked_for_and_on_the_paper_asked_for(
    house: Path, simulation: Any
) -> None:
    sweep()
    result = figure("--format", "png", "--format", "svg", "--size", "column")
    assert result.stdout.splitlines() == [
        f"results/flips/{name}"
        for name in ("figure-column.png", "figure-column.svg", "figure.csv", "figure.json")
    ]


def test_a_figure_that_heeds_no_paper_is_refused(house: Path, simulation: Any, edit: Edit) -> None:
    sweep()
    edit(Path("experiments/flips/figure.py"), "return figure", "figure.set_figwidth(4); return figure")
    result = figure("--size", "column")
    assert (result.exit_code, result.stderr) == (
        2,
        "experiments/flips/figure.py: expected a figure 3.35 inches wide, got 4; begin it with"
        " cowmodel.report.paper.panels\n",
    )


def test_a_figure_says_what_it_was_drawn_from(house: Path, simulation: Any) -> None:
    sweep()
    figure()
    said = json.loads((RESULTS / "figure.json").read_text())
    assert said["experiment"] == "flips"
    assert said["tables"]["summary.csv"]["rows"] == 8
    assert said["command"] == "cowmodel figure experiments/flips"
    assert said["version"] == json.loads((RESULTS / "provenance.json").read_text())["version"]


@pytest.mark.parametrize("size", ["3", "columns", "3x", "0.5x3", "3x400", "3 x 4", "-3x4"])
def test_a_size_that_is_none_is_told_with_those_that_are(house: Path, simulation: Any, size: str) -> None:
    sweep()
    result = figure("--size", size)
    assert (result.exit_code, result.stderr) == (
        2,
        "--size: expected column, page, or width and height of 1 to 50 inches such as '5x3.2', got "
        f"{size!r}\n",
    )
    assert not (RESULTS / "figure.pdf").exists()


def test_an_unknown_format_is_told_with_those_that_exist(house: Path) -> None:
    result = figure("--format", "eps")
    assert result.exit_code == 2
    assert "'eps' is not one of 'pdf', 'svg', 'png'" in result.stderr


def test_a_figure_of_tables_without_provenance_is_refused(house: Path, simulation: Any) -> None:
    sweep()
    (RESULTS / "provenance.json").unlink()
    result = figure()
    assert result.exit_code == 2
    assert result.stderr.startswith("results/flips/provenance.json: expected what made the tables")


def test_a_figure_before_the_sweep_says_what_to_run(house: Path) -> None:
    result = figure()
    assert result.exit_code == 2
    assert result.stderr == ("results/flips/summary.csv: not there yet; run `cowmodel sweep flips` first\n")


def test_an_experiment_without_figure_code_is_named(house: Path, simulation: Any) -> None:
    sweep()
    Path("experiments/flips/figure.py").unlink()
    result = figure()
    assert result.exit_code == 2
    assert result.stderr.startswith("experiments/flips/figure.py: no such file; expected draw")


def test_an_unknown_experiment_gets_a_suggestion(house: Path) -> None:
    result = CliRunner().invoke(cli, ["figure", "flip"])
    assert (result.exit_code, result.stderr) == (
        2,
        "experiments: no 'flip' among flips; did you mean 'flips'?\n",
    )


def test_a_mistake_in_figure_code_is_told_with_its_line(house: Path, simulation: Any, edit: Edit) -> None:
    sweep()
    edit(Path("experiments/flips/figure.py"), '["runs"]', '["run"]')
    result = figure()
    assert result.exit_code == 2
    assert result.stderr == "experiments/flips/figure.py:5: KeyError: 'run'\n"


def test_figure_code_that_returns_no_figure_is_told(house: Path, simulation: Any, edit: Edit) -> None:
    sweep()
    edit(Path("experiments/flips/figure.py"), "return figure", "return None")
    result = figure()
    assert result.exit_code == 2
    assert "expected draw to return a matplotlib Figure, got None" in result.stderr


def command(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def test_a_run_that_failed_is_not_made_again_until_retry(house: Path, simulation: Any, edit: Edit) -> None:
    edit(EXPERIMENT, '["64 MiB", ', '["1536 KiB", ')
    sweep()
    again = sweep()
    assert simulation.calls == 8
    assert "flips: 8 runs, 4 finished before, 4 failed before (`cowmodel retry flips`)" in again.stderr
    result = command("retry", "flips", "--workers", "1")
    assert simulation.calls == 12
    assert "4 of 8 runs failed:" in result.stderr


def test_status_tells_what_is_finished_failed_and_missing(house: Path, simulation: Any, edit: Edit) -> None:
    edit(EXPERIMENT, '["64 MiB", ', '["1536 KiB", ')
    assert command("status", "flips").stdout == "8 runs wanted: 0 finished, 0 failed, 8 missing\n"
    sweep()
    edit(EXPERIMENT, "replications = 2", "replications = 3")
    lines = command("status", "flips").stdout.splitlines()
    assert lines[0] == "12 runs wanted: 4 finished, 4 failed, 4 missing"
    assert lines[1].startswith("  failed (simulation): 4, such as workload.children=3, policy.copy=cow")
    assert lines[1].endswith("no frame is free")


def test_only_makes_the_points_that_meet_a_condition(house: Path, simulation: Any) -> None:
    result = sweep("--only", "machine.memory <= 64 MiB and policy.copy == 'cow'")
    assert result.stderr.splitlines()[0] == "flips: 2 runs, 0 finished before"
    assert simulation.calls == 2
    assert "no point meets it" in sweep("--only", "machine.cores > 100").stderr


def test_a_dry_run_tells_how_many_and_makes_none_to_keep(house: Path) -> None:
    result = sweep("--dry-run")
    first, second = result.stdout.splitlines()
    assert first == "8 runs, of which 8 are missing"
    assert re.fullmatch(r"about .* of processor time in all, and .* a worker, by 3 pilot runs", second)
    assert not RESULTS.exists()


def test_collect_writes_the_tables_of_what_is_finished(house: Path, simulation: Any) -> None:
    sweep()
    (RESULTS / "summary.csv").unlink()
    assert command("collect", "flips").exit_code == 0
    assert (RESULTS / "summary.csv").exists()


def test_clean_removes_what_is_not_wanted_any_more_when_told_so(
    house: Path, simulation: Any, edit: Edit
) -> None:
    sweep()
    edit(EXPERIMENT, "replications = 2", "replications = 1")
    assert command("clean", "flips").stdout.count("would remove") == 4
    assert len(list((RESULTS / "runs").iterdir())) == 8
    assert command("clean", "flips", "--yes").stdout.count("removed") == 4
    assert len(list((RESULTS / "runs").iterdir())) == 4


def test_show_gives_a_configuration_and_what_changes_it(house: Path) -> None:
    lines = command("show", "configs/tree.toml", "--set", "policy.copy=eager").stdout.splitlines()
    assert "machine.memory = '64 MiB'" in lines
    assert lines[-2:] == ["# changed", "policy.copy = 'eager'  # was 'cow-flip'"]
    points = command("show", "flips").stdout.splitlines()
    assert points[0] == "# What does the flip save?"
    assert points[-1] == "workload.children = 3, policy.copy = cow-flip, machine.memory = 128 MiB"


def test_replications_go_on_until_the_mean_is_known_well_enough(
    house: Path, simulation: Any, edit: Edit
) -> None:
    rule = '{ of = "copies.total", within = 0.2, at_least = 3 }'
    edit(EXPERIMENT, "replications = 2", f"replications = 20\nuntil = {rule}")
    sweep()
    table = pd.read_csv(RESULTS / "statistics.csv")
    known = table[table["metric"] == "copies.total"].iloc[0]
    # 10, 11, 12 ...: the half width is 0.2 of the mean with four values, 0.23 with three
    assert (known["n"], known["mean"]) == (4, 11.5)
    assert simulation.calls == 4 * 4


def test_a_scheduler_and_another_executor_do_not_go_together(house: Path) -> None:
    result = sweep("--executor", "serial", "--scheduler", "tcp://127.0.0.1:1")
    assert result.exit_code == 2
    assert "--executor serial: expected dask with a scheduler" in result.stderr


def test_tables_that_are_there_stay_when_no_run_of_this_version_is(
    house: Path, simulation: Any, edit: Edit
) -> None:
    sweep()
    before = (RESULTS / "summary.csv").read_bytes()
    edit(Path("configs/tree.toml"), "cores = 2", "cores = 1")
    result = command("collect", "flips")
    assert result.exit_code == 2
    assert "no run of flips as it is now is finished, so its tables are left as they are" in result.stderr
    assert (RESULTS / "summary.csv").read_bytes() == before


def test_a_sweep_of_which_all_runs_fail_says_why(house: Path, simulation: Any, edit: Edit) -> None:
    edit(EXPERIMENT, '["64 MiB", "128 MiB"]', '["1536 KiB"]')
    result = sweep()
    assert result.exit_code == 1
    assert "4 of 4 runs failed:" in result.stderr
    assert not (RESULTS / "summary.csv").exists()
