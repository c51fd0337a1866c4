"""Whatever is killed, and whenever: no half run is seen, none is lost or repeated, the table is the same."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.campaign.sweeping import FLIPS, RESULTS, swept

Edit = Callable[[Path, str, str], None]
SWEEP = [sys.executable, "-m", "cowmodel", "sweep", "flips", "--workers", "2"]
TABLES = ("summary.csv", "summary.parquet", "statistics.csv", "samples.csv", "provenance.json")
UNDISTURBED = Path("undisturbed/flips")


@pytest.fixture
def long_sweep(house: Path, edit: Edit) -> None:
    """An experiment of 320 runs of some milliseconds, and its tables, made without disturbance."""
    edit(FLIPS / "experiment.toml", "replications = 2", "replications = 80")
    swept(UNDISTURBED)


def whole_runs() -> dict[str, int]:
    """Return the runs that are there, each with when it was written; none of them is half."""
    runs = [path for path in (RESULTS / "runs").glob("*") if not path.name.startswith(".")]
    for run in runs:
        names = {path.name for path in run.iterdir()}
        assert names == {"run.json", "samples.parquet"}
        assert (UNDISTURBED / "runs" / run.name).is_dir()
    return {run.name: (run / "run.json").stat().st_mtime_ns for run in runs}


def check_the_tables() -> None:
    for name in TABLES:
        assert (RESULTS / name).read_bytes() == (UNDISTURBED / name).read_bytes()


def interrupted_sweeps(kills: int, seed: int) -> int:
    """Kill the coordinator at random moments, and return how often it was killed before it was done."""
    rng, killed = random.Random(seed), 0
    before = whole_runs()
    for _ in range(kills):
        if len(before) > 280:  # begin anew, or the rest of the kills would find it done
            for run in [*(RESULTS / "runs").iterdir()][:200]:
                subprocess.run(["rm", "-rf", str(run)], check=True)
            before = whole_runs()
        with subprocess.Popen(SWEEP, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + 60
            while len(whole_runs()) == len(before) and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.2))
            killed += process.poll() is None
            process.kill()
        after = whole_runs()
        assert before.items() <= after.items(), "a finished run was lost or made again"
        before = after
    return killed


def test_killing_the_coordinator_loses_and_repeats_nothing(long_sweep: None):
    assert interrupted_sweeps(2, seed=1) >= 1

    before = whole_runs()
    subprocess.run(SWEEP, check=True, capture_output=True)

    assert before.items() <= whole_runs().items()
    check_the_tables()


@pytest.mark.slow
def test_killing_the_coordinator_a_hundred_times_loses_and_repeats_nothing(long_sweep: None):
    assert interrupted_sweeps(100, seed=2) >= 90

    subprocess.run(SWEEP, check=True, capture_output=True)

    check_the_tables()


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [inner for child in map(int, found) for inner in (child, *children_of(child))]


def test_killing_workers_loses_and_repeats_nothing(long_sweep: None):
    rng, killed, enough = random.Random(3), 0, 1
    with subprocess.Popen(SWEEP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(0.1)
            # only after some progress: a run that is disturbed each time would be taken for the killer
            if len(whole_runs()) < enough:
                continue
            with suppress(FileNotFoundError, ProcessLookupError, IndexError):
                os.kill(rng.choice([pid for pid in children_of(process.pid) if _works(pid)]), signal.SIGKILL)
                killed, enough = killed + 1, len(whole_runs()) + 60
        assert process.returncode == 0
    assert killed >= 2

    whole_runs()
    check_the_tables()


def _works(pid: int) -> bool:
    """Tell whether a process is a worker: forked from the server of forks, and without children."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return b"forkserver" in Path(f"/proc/{parent}/cmdline").read_bytes() and not children_of(pid)
