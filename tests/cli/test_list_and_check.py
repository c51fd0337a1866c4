"""``cowmodel list`` and ``cowmodel check``."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cowmodel import catalog
from cowmodel.cli import SHELVES, cli

Edit = Callable[[Path, str, str], None]
TRACE = Path(__file__).parents[2] / "configs/traces/sqlite.pages.csv.gz"


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


@pytest.mark.parametrize("shelf", SHELVES)
def test_every_name_of_the_catalogue_is_listed_with_a_line_about_it(shelf: str) -> None:
    lines = [line.split(maxsplit=1) for line in invoke("list", shelf).stdout.splitlines()]
    assert [name for name, _ in lines] == list(getattr(catalog, shelf.upper()))


def test_without_a_shelf_all_are_listed() -> None:
    titles = [line for line in invoke("list").stdout.splitlines() if not line.startswith(" ")]
    assert titles == [f"{shelf}:" for shelf in SHELVES]


def test_a_reader_that_has_enough_is_no_error() -> None:
    command = f"{sys.executable} -m cowmodel list | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_full_disk_below_the_output_is_a_message() -> None:
    command = f"{sys.executable} -m cowmodel list > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "output: No space left on device\n"


def test_check_tells_what_each_file_is(house: Path) -> None:
    result = invoke("check", "configs/tree.toml", "experiments/flips", str(TRACE))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "configs/tree.toml: configuration of fork-tree",
        "experiments/flips: experiment, 4 points, 2 replications",
        f"{TRACE}: trace, 722 records, 0 forks",
    ]


def test_check_knows_a_measurement() -> None:
    folder = Path(__file__).parents[2] / "experiments/engine_speed"
    assert "measurement of measures, contestants, scaling, made by" in invoke("check", str(folder)).stdout


def test_check_knows_a_preset_of_prices(house: Path) -> None:
    preset = catalog.COSTS["epyc7302p-linux5.6"]
    assert ": prices of " in invoke("check", str(preset)).stdout


def test_check_tells_all_that_is_wrong_in_all_files(house: Path, edit: Edit) -> None:
    edit(Path("configs/tree.toml"), "cores = 2", "cores = 0")
    edit(Path("experiments/flips/experiment.toml"), "replications = 2", "replications = 0")
    result = invoke("check", "configs/tree.toml", "experiments/flips", "missing.toml")
    assert result.exit_code == 2
    assert [line.partition(":")[0] for line in result.stderr.splitlines()] == [
        "configs/tree.toml",
        "experiments/flips/experiment.toml",
        "missing.toml",
    ]


def test_check_refuses_a_truncated_trace(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(TRACE.read_bytes()[:1000])
    result = invoke("check", str(path))
    assert result.exit_code == 2
    assert str(path) in result.stderr


def test_check_refuses_a_foreign_file(tmp_path: Path) -> None:
    path = tmp_path / "other.gz"
    path.write_bytes(gzip.compress(b"name,age\n"))
    assert invoke("check", str(path)).exit_code == 2


def test_check_refuses_toml_that_is_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text("[tool]\n")
    result = invoke("check", str(path))
    assert result.exit_code == 2
    assert "expected a configuration with [machine], [kernel], [policy], [workload], [run]" in result.stderr
