"""``cowmodel run``: three numbers first, or one JSON object."""

import errno
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cowmodel.cli import cli


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["run", "configs/tree.toml", *words])


def test_the_three_numbers_come_first(house: Path) -> None:
    lines = [line.strip() for line in run().stdout.splitlines()]
    assert [line.split("  ")[0] for line in lines[1:4]] == ["fork time", "copies", "peak memory"]


def test_a_run_of_the_reference_engine_loads_no_compiler(house: Path) -> None:
    words = ["run", "configs/tree.toml", "--set", "machine.engine=reference"]
    code = f"import sys; from cowmodel.cli import cli; cli({words}, standalone_mode=False)"
    code += "; print('loaded:', 'numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loaded: False" in done.stdout


def test_json_is_one_object_with_sorted_keys(house: Path) -> None:
    text = run("--json").stdout
    printed = json.loads(text)
    assert list(printed) == sorted(printed) == ["bands", "configuration", "summary", "version"]
    assert printed["configuration"]["machine"]["memory"] == "64 MiB"


def test_the_last_line_says_why_there_are_no_bands(house: Path) -> None:
    last = run().stdout.splitlines()[-1].split(maxsplit=1)
    assert last == ["bands", "none: no price that epyc7302p-linux5.6 measured has an interval"]


def test_behind_the_fork_time_stands_its_band(house: Path) -> None:
    words = ("--set", "machine.costs=vm-linux6.18", "--draws", "3")
    lines = [line.split() for line in run(*words).stdout.splitlines()]
    assert lines[1][:2] == ["fork", "time"]
    assert re.fullmatch(r"\([0-9.]+-[0-9.]+\)", lines[1][-1])
    assert " ".join(lines[-1]) == "bands 50 % of cases, by 3 draws of the prices of vm-linux6.18"


def test_draws_leave_the_summary_as_it_is(house: Path) -> None:
    words = ("--json", "--set", "machine.costs=vm-linux6.18", "--draws")
    none, some = (json.loads(run(*words, draws).stdout) for draws in ("0", "2"))
    assert none["bands"] == {"note": "none: no draws asked for", "times": {}}
    assert none["summary"] == some["summary"]
    assert "fork_us.mean" in some["bands"]["times"]


def test_fewer_draws_than_none_are_refused(house: Path) -> None:
    result = run("--draws", "-1")
    assert result.exit_code == 2
    assert "'--draws': -1 is not in the range x>=0" in result.stderr


def test_equal_commands_print_equal_bytes(house: Path) -> None:
    assert run("--json").stdout_bytes == run("--json").stdout_bytes


def test_the_seed_is_part_of_the_configuration(house: Path) -> None:
    assert json.loads(run("--json", "--seed", "7").stdout)["configuration"]["run"]["seed"] == 7


def test_out_also_writes_the_run(house: Path) -> None:
    result = run("--json", "--out", "here")
    (folder,) = Path("here").iterdir()
    written = json.loads((folder / "run.json").read_text())
    assert written["metrics"] == json.loads(result.stdout)["summary"]
    assert result.stderr == f"written to {folder}\n"


def test_a_timeline_is_drawn_with_all_faults_whatever_the_configuration_says(house: Path) -> None:
    result = run("--timeline", "run.json", "--set", "run.record_faults=false")
    slices = [event for event in json.loads(Path("run.json").read_text())["traceEvents"] if "cat" in event]
    faults = sum(json.loads(run("--json").stdout)["summary"]["faults"].values())
    assert len([one for one in slices if one["cat"] == "fault"]) == faults > 0
    assert result.stderr == "written to run.json\n"


def test_a_timeline_leaves_what_is_printed_as_it_is(house: Path) -> None:
    assert run("--timeline", "run.json.gz").stdout == run().stdout


def test_a_timeline_that_cannot_be_written_is_refused_before_the_run(house: Path, simulation: Any) -> None:
    result = run("--timeline", "run.perfetto")
    assert (result.exit_code, result.stdout, simulation.calls) == (2, "", 0)
    assert (
        result.stderr
        == "run.perfetto: expected a name that ends in .json or .json.gz, got 'run.perfetto'; rename it\n"
    )


def test_a_wrong_configuration_is_a_message_and_exit_code_two(house: Path) -> None:
    result = run("--set", "policy.copy=cow-flp")
    assert result.exit_code == 2
    assert result.stderr.endswith("did you mean 'cow-flip'?\n")
    assert result.stdout == ""


def test_a_heap_that_does_not_fit_is_a_message_and_exit_code_two(house: Path) -> None:
    result = run("--set", "machine.memory=512 KiB")
    assert result.exit_code == 2
    assert "workload.heap: expected less than machine.memory" in result.stderr


def test_a_machine_that_fills_up_is_a_message_and_exit_code_one(house: Path) -> None:
    result = run("--set", "machine.memory=1536 KiB")
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.stderr


def test_ctrl_c_exits_with_130(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cowmodel.experiment.run.simulate", interrupt)
    result = run()
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_a_full_disk_is_a_message_with_the_path_and_exit_code_two(
    house: Path, simulation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cowmodel.campaign.store.os.rename", fail)
    result = run("--out", "here")
    assert result.exit_code == 2
    assert result.stderr.startswith("here/")
    assert result.stderr.endswith(": No space left on device\n")
    assert list(Path("here").iterdir()) == []
