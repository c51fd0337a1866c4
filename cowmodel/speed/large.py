"""Large address spaces: how long a fork takes beside copying the same bytes, and how much memory it takes."""

import time
from collections.abc import Callable

import numpy as np

from cowmodel.speed.worlds import PAGE_BYTES, compiled_linux, loaded


def fork_and_copy(size_bytes: int) -> tuple[Callable[[], float], Callable[[], float]]:
    """Return what forks a resident heap, and what copies as many bytes as it has entries; in CPU s."""
    kernel = compiled_linux()
    parent, heap = loaded(kernel, size_bytes)
    entries = kernel.arena.rows[: heap.pages // kernel.geometry.entries]
    copy = entries.copy()

    def fork_s() -> float:
        before = time.process_time()
        child, _ = kernel.fork(parent)
        took = time.process_time() - before
        kernel.exit(child)
        kernel.wait(parent, child)
        return took

    def copy_s() -> float:
        before = time.process_time()
        np.copyto(copy, entries)
        return time.process_time() - before

    return fork_s, copy_s


def forked(size_bytes: int, processes: int) -> tuple[float, float, float]:
    """Fork a resident heap until there are so many processes; to be called in a fresh interpreter.

    Returns
    -------
    cpu_s : float
        Of the first fork.
    bytes_per_page : float
        By how much the most memory ever resident has grown, for each page that a process maps.
    peak_gib : float
        The most memory ever resident, with interpreter and libraries.
    """
    kernel = compiled_linux()
    before = _status_bytes("VmRSS")  # with compiled code, none of which depends on what is modelled
    parent, _ = loaded(kernel, size_bytes)
    started = time.process_time()
    kernel.fork(parent)
    took = time.process_time() - started
    for _ in range(2, processes):
        kernel.fork(parent)
    peak = _status_bytes("VmHWM")
    return took, (peak - before) / (size_bytes / PAGE_BYTES * processes), peak / 2**30


def _status_bytes(field: str) -> int:
    """Read a line such as ``VmHWM: 1234 kB``; `ru_maxrss` would remember the process forked from."""
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
