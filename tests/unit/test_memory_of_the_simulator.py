"""What the simulator itself takes: bytes for each modelled page, and time for the work of a fork."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cowmodel.catalog import PAGINGS, POLICIES
from cowmodel.kernel.kernel import Kernel

ROOT = Path(__file__).parents[2]
GIB = 1 << 30
PAGE = 4096

LOAD = """
import ctypes
import resource
from cowmodel.catalog import PAGINGS, POLICIES
from cowmodel.kernel.kernel import Kernel

def resident_bytes():
    ctypes.CDLL(None).malloc_trim(0)  # what temporary arrays left behind is not the model's
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

def most_resident_kib():
    # not ru_maxrss, which remembers the process that this one was forked from
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))

def loaded(size_bytes, memory_bytes):
    kernel = Kernel(PAGINGS["x86-64"], memory_bytes, POLICIES["cow-flip"]())
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, size_bytes)
    kernel.populate(parent, heap)
    return kernel, parent
"""


def printed(code: str) -> int:
    """Run code in a process of its own; return the number that it prints."""
    run = [sys.executable, "-c", LOAD + code]
    return int(subprocess.run(run, check=True, capture_output=True, text=True, cwd=ROOT).stdout)


def cpu_s(action: Callable[[], object]) -> float:
    before = time.process_time()
    action()
    return time.process_time() - before


def test_a_heap_of_16_gib_in_base_pages_is_loaded_and_forked_in_less_than_1_gib():
    most_kib = printed(
        """
kernel, parent = loaded(16 << 30, 17 << 30)
child, work = kernel.fork(parent)
assert work.pte_entries == 1 << 22
print(most_resident_kib())
"""
    )

    assert most_kib * 1024 < GIB


def test_a_resident_page_takes_at_most_16_bytes_of_the_simulator():
    grown_bytes = printed(
        """
small = loaded(1 << 20, 2 << 20)
before = resident_bytes()
large = loaded(1 << 30, (1 << 30) + (16 << 20))
print(resident_bytes() - before)
"""
    )

    assert grown_bytes / (GIB / PAGE) <= 16


def test_forking_a_resident_1_gib_takes_less_than_a_python_loop_that_looks_at_its_entries():
    kernel = Kernel(PAGINGS["x86-64"], GIB + (64 << 20), POLICIES["cow-flip"]())
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, GIB)
    kernel.populate(parent, heap)
    words = kernel.arena.words[: GIB // PAGE]
    forks, loops = list[float](), list[float]()

    for _ in range(7):
        forks.append(cpu_s(lambda: kernel.fork(parent)))
        kernel.exit(kernel.everyone[-1])
        loops.append(cpu_s(lambda: [word & 1 for word in words]))

    assert min(forks) < min(loops)


def test_forking_takes_python_steps_by_the_table_and_none_by_the_page():
    one_table, many_tables = (python_steps_of_a_fork(pages) for pages in (1 << 9, 1 << 17))

    assert many_tables - one_table < 2 * (1 << 17) / 512


def python_steps_of_a_fork(pages: int) -> int:
    """Count the lines of Python that a fork of so many resident pages runs."""
    kernel = Kernel(PAGINGS["x86-64"], (pages + 2048) * PAGE, POLICIES["cow-flip"]())
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, pages * PAGE)
    kernel.populate(parent, heap)
    lines = 0

    def count(frame: object, event: str, argument: object) -> object:
        nonlocal lines
        lines += event == "line"
        return count

    sys.settrace(count)  # type: ignore[arg-type]
    try:
        kernel.fork(parent)
    finally:
        sys.settrace(None)
    return lines
