"""``cowmodel scenario``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cowmodel.cli import cli

TEXT = "map P0 A anon pages=64 page=4k\ntouch P0 A all\nfork P0 P1\nwrite P1 A all\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.scn"
    path.write_text(TEXT)
    return path


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli, ["scenario", *map(str, words)])


@pytest.mark.parametrize("command", ["run", "live", "compare"])
def test_the_help_of_each_command_has_an_example(command: str) -> None:
    assert f"Example: cowmodel scenario {command}" in invoke(command, "--help").output


def test_run_prints_a_table_for_people(file: Path) -> None:
    lines = invoke("run", file).output.splitlines()

    assert lines[0].split()[:3] == ["step", "operation", "faults"]
    assert lines[4].split()[:6] == ["4", "write", "P1", "A", "64", "0"]


def test_run_prints_an_object_a_line_for_programs(file: Path) -> None:
    rows = [json.loads(line) for line in invoke("run", file, "--json").output.splitlines()]

    assert [row["op"] for row in rows] == ["map", "touch", "fork", "write"]
    assert rows[3]["accessed.copied"] == 64


def test_run_takes_settings(file: Path) -> None:
    done = invoke("run", file, "--json", "--set", "policy.copy=eager")

    assert json.loads(done.output.splitlines()[3])["minflt"] == 0


def test_run_takes_the_name_of_a_scenario_that_ships() -> None:
    assert invoke("run", "a01-fill.scn").exit_code == 0


def test_a_file_that_is_wrong_exits_with_two(file: Path) -> None:
    file.write_text("stat now\n")

    done = invoke("run", file)

    assert done.exit_code == 2
    assert f"{file}:1: expected the end of the line, got 'now'" in done.stderr


def test_what_is_not_modelled_exits_with_one_after_what_is(file: Path) -> None:
    file.write_text(f"{TEXT}map P0 B shared size=2m page=hugetlb\nmadvise P0 B free\n")

    done = invoke("run", file)

    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 6
    assert f"{file}:6: madvise free: madvise: expected private pages, not of hugetlb" in done.stderr


def test_without_a_compiler_nothing_is_compared_and_the_reason_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    done = invoke("compare", file)

    assert done.exit_code == 0
    assert "skipped: no C compiler" in done.stderr
