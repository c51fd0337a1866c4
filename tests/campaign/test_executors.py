"""Runs in this process, in a pool, and on a cluster: runs are code here, so that they can do harm."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cowmodel.campaign import executors
from cowmodel.campaign.executors import Executor, serial
from cowmodel.campaign.executors import local as pool
from cowmodel.campaign.executors.local import local
from cowmodel.campaign.limits import Limits
from tests.campaign.coded import ended, job, runs
from tests.campaign.sweeping import everything_in

FAIL = "from cowmodel.errors import SimulationError; raise SimulationError('no frame is free')"
DIE = "import os; os._exit(9)"
SLEEP = "import time\nfor _ in range(6000): time.sleep(0.01)"


@pytest.fixture(autouse=True)
def no_preload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PRELOADED", "cowmodel.campaign.work")
    monkeypatch.setattr(executors, "PRELOADED", "cowmodel.campaign.work")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Executor]:
    """A scheduler and two workers of Dask, each a process, on the loopback interface."""
    pytest.importorskip("distributed", reason="distributed is not installed")
    from cowmodel.campaign.executors.cluster import Cluster
    from cowmodel.campaign.executors.distributed import distributed

    yield partial(distributed, Cluster(workers=2))


@pytest.fixture(params=["serial", "local 2", "dask"])
def execute(request: pytest.FixtureRequest) -> Executor:
    match request.param:
        case "serial":
            return serial
        case "local 2":
            return partial(local, 2)
    cluster: Executor = request.getfixturevalue("cluster")
    return cluster


def test_every_run_is_made_and_written_by_its_worker(execute: Executor, tmp_path: Path):
    results = list(execute(job(tmp_path), runs(*["pass"] * 12)))

    assert len(ended(results).finished) == 12
    assert {result for _, result in results} == {None}
    assert len(list(tmp_path.glob("run*/run.json"))) == 12


def test_runs_come_back_over_the_wire_where_there_is_no_folder(execute: Executor):
    results = list(execute(job(None), runs("package['run.json'] = b'one'", "package['run.json'] = b'two'")))

    assert sorted((run.name, result) for run, result in results) == [
        ("run0000", {"run.json": b"one"}),
        ("run0001", {"run.json": b"two"}),
    ]


def test_a_run_that_fails_in_any_way_is_told_and_stops_no_other(execute: Executor, tmp_path: Path):
    codes = FAIL, "1 / 0", "from cowmodel.errors import ConfigError; raise ConfigError('x: y')", "pass"

    found = ended(list(execute(job(tmp_path), runs(*codes))))

    assert found.finished == ["run0003"]
    assert found.failed["run0000"] == ("simulation", "no frame is free")
    assert found.failed["run0001"].kind == "error"
    assert found.failed["run0001"].message.endswith("ZeroDivisionError: division by zero")
    assert found.failed["run0002"] == ("configuration", "x: y")


def test_a_run_over_its_time_is_told_and_stops_no_other(execute: Executor, tmp_path: Path):
    limits = Limits(time_ps=300 * 10**9)

    found = ended(list(execute(job(tmp_path, limits), runs(SLEEP, "pass"))))

    assert found.finished == ["run0001"]
    assert found.failed["run0000"] == ("time", "took longer than 300 ms")


def test_a_run_over_its_memory_is_told_and_stops_no_other(execute: Executor, tmp_path: Path):
    limits = Limits(memory_bytes=64 << 20)

    codes = "bytearray(256 << 20)", "bytearray(16 << 20)"
    found = ended(list(execute(job(tmp_path, limits), runs(*codes))))

    assert found.finished == ["run0001"]
    assert found.failed["run0000"] == ("memory", "asked for more than 64 MiB of memory")


def test_a_full_disk_stops_all(execute: Executor, tmp_path: Path):
    codes = ["raise OSError(28, 'No space left on device', 'results')"]

    with pytest.raises(OSError, match="results"):
        list(execute(job(tmp_path), runs(*codes)))


@pytest.mark.parametrize("workers", ["local 2", "dask"])
def test_a_run_that_always_kills_its_worker_is_given_up_and_all_others_are_made(
    workers: str, request: pytest.FixtureRequest, tmp_path: Path
):
    execute = partial(local, 2) if workers == "local 2" else request.getfixturevalue("cluster")

    results = list(execute(job(tmp_path), runs(*["pass"] * 5, DIE, *["pass"] * 5)))

    found = ended(results)
    assert len(found.finished) == 10
    assert found.failed["run0005"].kind == "crash"
    assert "its worker died" in found.failed["run0005"].message
    assert len(results) == 11


def test_a_run_that_kills_its_worker_once_is_made_again(tmp_path: Path):
    note = f"import os, pathlib; note = pathlib.Path({str(tmp_path / 'died')!r})"
    once = f"{note}\nif not note.exists(): note.touch(); os._exit(9)"

    found = ended(list(local(2, job(tmp_path / "runs"), runs("pass", once, "pass"))))

    assert len(found.finished) == 3


def test_ctrl_c_ends_the_pool_at_once_and_unwinds_what_runs(tmp_path: Path):
    slow = (
        f"import pathlib, time\nhalf = pathlib.Path({str(tmp_path / 'half')!r})\n"
        "half.touch()\ntry:\n    time.sleep(60)\nfinally:\n    half.unlink()"
    )

    def interrupt() -> None:
        while not (tmp_path / "half").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    killer = threading.Thread(target=interrupt)
    killer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(local(2, job(tmp_path / "runs"), runs(slow, *["pass"] * 3)))
    killer.join()
    assert time.monotonic() - start < 30
    assert not (tmp_path / "half").exists()


def test_workers_do_not_outlive_the_process_that_waits_for_them(tmp_path: Path):
    note = f"import os, time; open({str(tmp_path)!r} + '/' + str(os.getpid()), 'w'); time.sleep(60)"
    code = (
        "from cowmodel.campaign.executors import local\n"
        "from tests.campaign.coded import job, runs\n"
        "local.PRELOADED = 'cowmodel.errors'\n"
        f"list(local.local(2, job(None), runs(*[{note!r}] * 2)))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while len(pids := [int(path.name) for path in tmp_path.iterdir()]) < 2:
            time.sleep(0.01)
        process.kill()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_worker_killed_in_the_middle_leaves_no_half_run_and_its_run_is_made_again(tmp_path: Path):
    here = f"pathlib.Path({str(tmp_path)!r}, str(os.getpid()))"
    note = f"import os, time, pathlib; {here}.touch(); time.sleep(0.2)"

    def kill() -> None:
        while not (found := [path.name for path in tmp_path.iterdir() if path.name.isdigit()]):
            time.sleep(0.005)
        os.kill(int(found[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = ended(list(local(2, job(tmp_path / "runs"), runs(*[note] * 6))))
    killer.join()

    assert len(found.finished) == 6
    assert len([name for name in everything_in(tmp_path / "runs") if name.startswith("run")]) == 12
