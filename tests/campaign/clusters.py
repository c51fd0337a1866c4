"""Clusters of Dask for tests: a scheduler and workers, each a process, on the loopback interface."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

HOUSE = Path(__file__).parents[2]
DASK = [sys.executable, "-m", "dask"]


def wait_until(holds: Callable[[], object]) -> None:
    """Wait until something holds, and for two minutes at most."""
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline, "it came to nothing in two minutes"
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started, by whatever thread."""
    with suppress(OSError):
        threads = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
        return [int(child) for children in threads for child in children.split()]
    return []


class Started(NamedTuple):
    """A cluster that is there."""

    file: Path
    scheduler: subprocess.Popen
    workers: list[subprocess.Popen]

    @property
    def address(self) -> str:
        return str(json.loads(self.file.read_text())["address"])

    def makers(self) -> list[int]:
        """Return the processes that make runs; each has a nanny, which replaces it when it dies."""
        spawned = [pid for nanny in self.workers for pid in children_of(nanny.pid)]
        return [pid for pid in spawned if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


@contextmanager
def started(
    folder: Path, workers: int = 2, words: tuple[str, ...] = (), code: Path = HOUSE
) -> Iterator[Started]:
    """Start a scheduler and workers, which have `code`, and end them."""
    folder.mkdir(exist_ok=True)
    file = folder / "scheduler.json"
    processes: list[subprocess.Popen] = []

    def start(*command: str, log: IO[bytes]) -> subprocess.Popen:
        process = subprocess.Popen(
            [*DASK, *command, "--scheduler-file", str(file), "--no-dashboard", *words],
            stdout=log,
            stderr=log,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(code), "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s"},
        )
        processes.append(process)
        return process

    with (folder / "log").open("wb") as log:
        try:
            scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0", log=log)
            wait_until(file.exists)
            each = ("worker", "--nthreads", "1", "--host", "127.0.0.1", "--local-directory", str(folder))
            yield Started(file, scheduler, [start(*each, log=log) for _ in range(workers)])
        finally:
            # workers first, or they would look for their scheduler
            for process in reversed(processes):
                process.terminate()
                process.wait(30)
