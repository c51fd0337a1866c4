"""Runs in this process and in a pool: tasks are code here, so that workers can import them."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cowmodel.errors import SimulationError
from cowmodel.experiment import executors
from cowmodel.experiment.executors import run_all

FAIL = "from cowmodel.errors import SimulationError; raise SimulationError('no frame is free')"


@pytest.fixture(autouse=True)
def no_preload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "PRELOADED", "cowmodel.errors")


def touch(path: Path) -> str:
    return f"import pathlib; pathlib.Path({str(path)!r}).touch()"


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_and_yielded(workers: int, tmp_path: Path) -> None:
    tasks = [touch(tmp_path / str(number)) for number in range(5)]
    ended = dict(run_all(exec, tasks, workers))
    assert ended == dict.fromkeys(tasks)
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_task_does_not_stop_the_rest(workers: int, tmp_path: Path) -> None:
    tasks = [FAIL, touch(tmp_path / "after")]
    ended = dict(run_all(exec, tasks, workers))
    assert str(ended[FAIL]) == "no frame is free"
    assert (tmp_path / "after").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_stops_all(workers: int, tmp_path: Path) -> None:
    tasks = ["raise OSError(28, 'No space left on device', 'results')"]
    with pytest.raises(OSError, match="results"):
        list(run_all(exec, tasks, workers))


def test_a_worker_that_dies_is_told_with_a_remedy() -> None:
    with pytest.raises(SimulationError, match="fewer --workers"):
        list(run_all(exec, ["import os; os._exit(9)"], 2))


def test_ctrl_c_ends_the_pool_at_once_and_unwinds_what_runs(tmp_path: Path) -> None:
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
        list(run_all(exec, [slow, *[touch(tmp_path / str(n)) for n in range(3)]], 1 + 1))
    killer.join()
    assert time.monotonic() - start < 30
    assert not (tmp_path / "half").exists()


def test_workers_do_not_outlive_the_process_that_waits_for_them(tmp_path: Path) -> None:
    note = f"import os, time; open({str(tmp_path)!r} + '/' + str(os.getpid()), 'w'); time.sleep(60)"
    code = (
        "from cowmodel.experiment import executors\n"
        "executors.PRELOADED = 'cowmodel.errors'\n"
        f"list(executors.run_all(exec, [{note!r}] * 2, 2))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while len(pids := [int(path.name) for path in tmp_path.iterdir()]) < 2:
            time.sleep(0.01)
        process.kill()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)
