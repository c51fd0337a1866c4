"""What one run may take at most: wall-clock time, and memory of the process that makes it.

A run over its limit is ended by an exception inside it, at the next step of Python code: compiled code is
not interrupted, and a run that is over its time there ends when it returns. Memory is what the process may
allocate beyond what it has, counted as Linux counts ``VmData``, so that it is known before it is touched.
"""

import ctypes
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Limits(NamedTuple):
    """What one run may take at most; None for as much as there is.

    Attributes
    ----------
    time_ps : int or None
    memory_bytes : int or None
    """

    time_ps: int | None = None
    memory_bytes: int | None = None


class OverTime(Exception):
    """A run has taken longer than it may."""


@contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """End what is done inside with `OverTime` or `MemoryError` when it takes more than it may."""
    with _in_time(limits.time_ps), _in_memory(limits.memory_bytes):
        yield


@contextmanager
def _in_time(time_ps: int | None) -> Iterator[None]:
    if time_ps is None:
        yield
        return
    # Not a signal: only the main thread gets those, and some executors work in others.
    lock, over, here = threading.Lock(), False, threading.get_ident()

    def end() -> None:
        with lock:
            if not over:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(here), ctypes.py_object(OverTime))

    timer = threading.Timer(time_ps / 1e12, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over = True
        timer.cancel()


@contextmanager
def _in_memory(memory_bytes: int | None) -> Iterator[None]:
    if memory_bytes is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _data_bytes() + memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit if hard < 0 else min(limit, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int:
    """Return how much private memory this process has mapped."""
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return int(lines["VmData"].split()[0]) << 10
