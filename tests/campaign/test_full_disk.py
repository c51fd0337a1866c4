"""A disk that is full: a clear error, nothing half, and the same command goes on once there is room."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cowmodel.cli import cli
from tests.campaign.sweeping import FLIPS, RESULTS, everything_in, swept

Edit = Callable[[Path, str, str], None]
TABLES = ("summary.csv", "summary.parquet", "statistics.csv", "samples.csv", "provenance.json")
UNDISTURBED = Path("undisturbed/flips")


def size_in_kib(size: int) -> None:
    """Make the disk of that size."""
    subprocess.run(["mount", "-o", f"remount,size={size}k", "results"], check=True)


@pytest.fixture(autouse=True)
def small_disk(house: Path, edit: Edit) -> Iterator[None]:
    """An experiment of 40 runs, and a disk of 256 KiB for its results."""
    edit(FLIPS / "experiment.toml", "replications = 2", "replications = 10")
    Path("results").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", "results"]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this process may not mount a disk")
    yield
    subprocess.run(["umount", "results"], check=True)


def sweep(workers: int) -> Result:
    return CliRunner().invoke(cli, ["sweep", "flips", "--workers", str(workers)])


def check_nothing_is_half_done() -> None:
    names = everything_in(RESULTS)
    assert not [name for name in names if Path(name).name.startswith(".")]
    for run in (RESULTS / "runs").iterdir():
        assert everything_in(run) == ["run.json", "samples.parquet"]
        assert all(path.stat().st_size for path in run.iterdir())


def check_the_tables() -> None:
    for name in TABLES:
        assert (RESULTS / name).read_bytes() == (UNDISTURBED / name).read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_full_of_runs_is_told_with_its_path_and_the_sweep_goes_on_once_there_is_room(
    workers: int,
):
    swept(UNDISTURBED)

    full = sweep(workers)

    assert full.exit_code == 2
    last = full.stderr.splitlines()[-1]
    assert last.startswith(f"{RESULTS.resolve()}/runs/")
    assert last.endswith("No space left on device; what is finished is kept: the same command goes on")
    check_nothing_is_half_done()
    finished = len(everything_in(RESULTS / "runs")) // 3
    assert 0 < finished < 40

    size_in_kib(4096)
    again = sweep(workers)
    assert again.exit_code == 0
    assert again.stderr.startswith(f"flips: 40 runs, {finished} finished before")
    check_the_tables()


def test_a_table_that_does_not_fit_is_told_with_its_path_and_collected_once_there_is_room(
    simulation: object,
):
    swept(UNDISTURBED)
    size_in_kib(4096)
    swept(RESULTS)
    before = {name: (RESULTS / name).read_bytes() for name in TABLES}
    disk = os.statvfs("results")
    size_in_kib((disk.f_blocks - disk.f_bfree) * disk.f_frsize >> 10)

    full = CliRunner().invoke(cli, ["collect", "flips"])

    assert full.exit_code == 2
    said = "No space left on device; what is finished is kept: the same command goes on"
    assert full.stderr == f"results/flips/summary.csv: {said}\n"
    assert {name: (RESULTS / name).read_bytes() for name in TABLES} == before
    check_nothing_is_half_done()

    size_in_kib(4096)
    assert CliRunner().invoke(cli, ["collect", "flips"]).exit_code == 0
    check_the_tables()
