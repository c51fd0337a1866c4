"""What is measured and what must hold: a line a measure.

SMALL is what the tests of a change can wait for, FULL what takes minutes or gigabytes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from statistics import median

import numpy as np

from cowmodel.hardware.tlb import TlbGeometry
from cowmodel.speed import commands, large, naive, running_kernel
from cowmodel.speed.rounds import Contestant, Contestants, Measure
from cowmodel.speed.worlds import PAGE_BYTES, family, fork_and_write, permutations, strangers

MIB, GIB, TIB = 1 << 20, 1 << 30, 1 << 40
NS = 1e9
_FEW = 256  # pages a process that the reference writes: its time an access does not depend on it
_SMALL_RUN = ("-m", "cowmodel", "run", "configs/fork-tree.toml", "--set", "workload.heap=256 KiB")
_REFERENCE = ("--set", "machine.engine=reference")
_LARGE_RUN = (  # a parent and a child write every page of 1 GiB: as many copies and flips as the C program
    *("-m", "cowmodel", "run", "configs/fork-tree.toml", "--set", "workload.heap=1 GiB"),
    *("--set", "machine.memory=4 GiB", "--set", "workload.generations=1", "--set", "workload.children=1"),
)


def faults(processes: int, size_bytes: int) -> Contestants:
    """Let every process of a family write every page once, in a random order of its own: all writes fault."""
    pages = size_bytes // PAGE_BYTES
    orders = permutations(processes, pages)
    lists = [order.tolist() for order in orders]
    accesses = processes * pages

    def script() -> float:
        heaps = [naive.resident(pages)]
        heaps += [naive.fork(heaps[0]) for _ in range(processes - 1)]
        return naive.run(heaps, lists)[0] / accesses * NS

    few = permutations(processes, _FEW)

    def reference() -> float:
        return family("reference", _FEW * PAGE_BYTES, few).cpu_s / (processes * _FEW) * NS

    def compiled() -> float:
        return family("compiled", size_bytes, orders).cpu_s / accesses * NS

    return nullcontext({"naive": script, "reference": reference, "compiled": compiled})


def hits(processes: int, size_bytes: int) -> Contestants:
    """Let processes that share nothing write to random resident pages: no write faults."""
    pages = size_bytes // PAGE_BYTES
    draws = [np.random.default_rng([2, number]).integers(pages, size=1 << 20) for number in range(processes)]
    lists = [draw[: 1 << 16].tolist() for draw in draws]

    def script() -> float:
        heaps = [naive.resident(pages) for _ in range(processes)]
        return naive.run(heaps, lists)[0] / (len(lists[0]) * processes) * NS

    def model(engine: str, count: int) -> float:
        some = [draw[:count] for draw in draws]
        return strangers(engine, size_bytes, some).cpu_s / (count * processes) * NS

    return nullcontext(
        {
            "naive": script,
            "reference": partial(model, "reference", 1 << 12),
            "compiled": partial(model, "compiled", 1 << 20),
        }
    )


@contextmanager
def kernel_and_model(size_bytes: int, children: int) -> Iterator[Mapping[str, Contestant]]:
    """Fork; children write every page and exit, then the parent writes every page."""
    orders = permutations(children + 1, size_bytes // PAGE_BYTES)
    with running_kernel.built() as program:
        yield {
            "running kernel": lambda: sum(running_kernel.run(program, size_bytes, children)),
            "compiled": lambda: fork_and_write("compiled", size_bytes, orders).cpu_s,
        }


@contextmanager
def kernel_and_command() -> Iterator[Mapping[str, Contestant]]:
    """Do the same by whole commands, with their start; the model's with its records and its accounting."""
    with running_kernel.built() as program:
        arguments = running_kernel.arguments(GIB, children=1)
        yield {
            "running kernel": lambda: commands.cpu_s(str(program), *arguments),
            "cowmodel run": lambda: commands.python_cpu_s(*_LARGE_RUN),
        }


def elapsed(processes: int, size_bytes: int) -> Contestants:
    """Compare the time that passes on the machine with CPU time, when all writes fault."""
    orders = permutations(processes, size_bytes // PAGE_BYTES)

    def ratio() -> float:
        span = family("compiled", size_bytes, orders)
        return span.simulated_s / span.cpu_s

    return nullcontext({"compiled": ratio})


def fork_and_copy(size_bytes: int) -> Contestants:
    """Fork, and copy as many bytes as the heap has entries to memory that is warm."""
    fork, copy = large.fork_and_copy(size_bytes)
    return nullcontext({"fork": fork, "memcpy": copy})


def forked(size_bytes: int, processes: int, which: int) -> Contestants:
    """Take one of the numbers of `large.forked`."""
    return nullcontext({"compiled": lambda: _forked(size_bytes, processes)[which]})


@cache
def _forked(size_bytes: int, processes: int) -> list[float]:
    """Fork in a fresh interpreter, once for all measures that look at it: a heap of 1 TiB takes 5 GiB."""
    return commands.numbers(large.forked, size_bytes, processes)


def with_tlb(size_bytes: int) -> Contestants:
    """Write to random resident pages with a TLB in each core, in millions a second."""
    order = np.random.default_rng([2, 0]).integers(size_bytes // PAGE_BYTES, size=1 << 20)

    def millions_a_second() -> float:
        return len(order) / strangers("compiled", size_bytes, [order], TlbGeometry()).cpu_s / 1e6

    return nullcontext({"compiled": millions_a_second})


def command(*words: str) -> Contestants:
    """Run a command, from its start to its end."""
    return nullcontext({"cowmodel": lambda: commands.python_cpu_s(*words)})


def _naive(name: str, floor: float, aim: float, prepare: Callable[[], Contestants]) -> Measure:
    return Measure(f"naive script / compiled: {name}", "x", "ns/access", floor, aim, prepare)


def _kernel(name: str, floor: float, aim: float, prepare: Callable[[], Contestants]) -> Measure:
    return Measure(f"running kernel / {name}", "x", "s", floor, aim, prepare)


def _fork(name: str, floor: float, aim: float, size_bytes: int) -> Measure:
    prepare = partial(fork_and_copy, size_bytes)
    return Measure(f"fork / memcpy of its entries: {name}", "x", "s", floor, aim, prepare, True, 9)


def _limit(
    name: str, unit: str, floor: float, aim: float, prepare: Callable[[], Contestants], repeats: int
) -> Measure:
    return Measure(name, unit, unit, floor, aim, prepare, True, repeats)


SMALL = (
    _naive("faults, 2 processes, 64 MiB", 75, 150, partial(faults, 2, 64 * MIB)),
    _naive("hits, 1 process, 64 MiB", 200, 400, partial(hits, 1, 64 * MIB)),
    _fork("1 GiB", 4, 2.2, GIB),
)
GUARDS = dict(zip(SMALL, (20, 130, 4), strict=True))  # what no change may fall below
USUAL = (
    *SMALL,
    _naive("faults, 8 processes, 64 MiB", 75, 150, partial(faults, 8, 64 * MIB)),
    _naive("faults, 64 processes, 64 MiB", 50, 90, partial(faults, 64, 64 * MIB)),
    _naive("faults, 2 processes, 1 GiB", 75, 150, partial(faults, 2, GIB)),
    _naive("hits, 2 processes, 64 MiB", 200, 400, partial(hits, 2, 64 * MIB)),
    _kernel("compiled: fork of 1 GiB, all written", 30, 80, partial(kernel_and_model, GIB, 1)),
    _kernel("compiled: the same, 2 children", 30, 80, partial(kernel_and_model, GIB, 2)),
    _kernel("cowmodel run: fork of 1 GiB, all written", 10, 10, partial(kernel_and_command)),
    Measure("simulated / CPU time: faults, 2 cores", "x", "x", 5, 10, partial(elapsed, 2, 64 * MIB)),
    Measure("simulated / CPU time: faults, 8 cores", "x", "x", 5, 10, partial(elapsed, 8, 64 * MIB)),
    _fork("16 GiB", 2, 1.3, 16 * GIB),
    _limit("memory a mapped page: 16 GiB, 2 processes", "B", 14, 12.6, partial(forked, 16 * GIB, 2, 1), 1),
    Measure("uniform writes with a TLB, 64 MiB", "M/s", "M/s", 30, 90, partial(with_tlb, 64 * MIB)),
    Measure("uniform writes with a TLB, 1 GiB", "M/s", "M/s", 30, 90, partial(with_tlb, GIB)),
    _limit("start-up: cowmodel --help", "s", 0.060, 0.030, partial(command, "-m", "cowmodel", "--help"), 5),
    _limit("start-up: small reference run", "s", 0.35, 0.25, partial(command, *_SMALL_RUN, *_REFERENCE), 5),
    _limit("start-up: small compiled run", "s", 1.0, 0.8, partial(command, *_SMALL_RUN), 5),
)
FULL = (
    *USUAL,
    _naive("faults, 8 processes, 1 GiB", 75, 150, partial(faults, 8, GIB)),
    _limit("memory a mapped page: 16 GiB, 64 processes", "B", 9, 8.3, partial(forked, 16 * GIB, 64, 1), 1),
    _limit("fork of 1 TiB: CPU time", "s", 5, 3, partial(forked, TIB, 2, 0), 1),
    _limit("fork of 1 TiB: most memory", "GiB", 6, 6, partial(forked, TIB, 2, 2), 1),
)


def scaling(full: bool) -> Iterator[dict[str, object]]:
    """Go through sizes of heap: CPU time of the compiled engine for ever more accesses."""
    for size in [MIB << shift for shift in range(0, 15 if full else 11, 2)]:
        pages = size // PAGE_BYTES
        work = {
            "faults, 2 processes": (family, permutations(2, pages)),
            "hits, 1 process": (strangers, [np.random.default_rng(3).integers(pages, size=4 * pages)]),
        }
        for name, (world, orders) in work.items():
            times = [world("compiled", size, orders).cpu_s for _ in range(5)]
            accesses = sum(map(len, orders))
            row = {"work": name, "heap_mib": size // MIB, "accesses": accesses}
            yield row | {"median_s": median(times), "min_s": min(times), "max_s": max(times)}
