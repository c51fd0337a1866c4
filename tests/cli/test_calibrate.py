"""``cowmodel calibrate``."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cowmodel.cli import cli


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli, ["calibrate", *map(str, words)])


@pytest.mark.parametrize("there", ["mine.toml", "mine.csv"])
def test_a_file_that_is_there_is_kept_and_nothing_is_measured(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")

    done = invoke("--out", tmp_path / "mine.toml")

    assert done.exit_code == 2
    assert f"{there}: expected no such file, got one; give another --out, or --force" in done.stderr
    assert (tmp_path / there).read_text() == "mine"


def test_a_name_that_is_no_preset_is_refused(tmp_path: Path) -> None:
    done = invoke("--out", tmp_path / "mine.csv")

    assert done.exit_code == 2
    assert "--out: expected a name that ends in .toml" in done.stderr


def test_a_folder_that_is_not_there_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    done = invoke("--out", tmp_path / "none/mine.toml")

    assert done.exit_code == 2
    assert "expected a folder that is there" in done.stderr


def test_without_a_compiler_nothing_is_measured_and_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    done = invoke("--out", tmp_path / "mine.toml")

    assert done.exit_code == 0
    assert "skipped: no C compiler" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cowmodel.calibrate_cli._measured", interrupted)

    done = invoke("--out", tmp_path / "mine.toml")

    assert done.exit_code == 130
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_drawn_without_what_was_measured(tmp_path: Path) -> None:
    done = invoke("--show", tmp_path / "mine.toml")

    assert done.exit_code == 2
    assert "mine.csv: expected what was measured for the preset, got no file" in done.stderr


def test_without_a_compiler_no_times_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    done = CliRunner().invoke(cli, ["scenario", "compare", "--times", "a01-fill.scn"])

    assert done.exit_code == 0
    assert "skipped: no C compiler" in done.stderr
