"""The work that is measured, on the modelled machine, through the same programs that workloads are made of.

A family forks and then writes at the same time; only the writing is measured:

    parent   |--heap--|fork|fork|  ...  |==writes==|
    child                  |   wait ... |==writes==|
                                        ^ _TOGETHER_PS
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from cowmodel.catalog import COSTS, ENGINES, PAGINGS
from cowmodel.cost.preset import load_preset
from cowmodel.hardware.paging import Numbers
from cowmodel.hardware.tlb import TlbGeometry
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from cowmodel.machine import Machine
from cowmodel.policy.copying import LastSharerFlip
from cowmodel.program import Activity, Program, start

PAGE_BYTES = 4096
_BURST = 1 << 16  # accesses, as workloads of many accesses cut them
_TOGETHER_PS, _APART_PS = 10**15, 10**17
_QUANTUM_PS = 4 * 10**9


def linux() -> Kernel:
    """Return a kernel that flips for the last sharer, with more memory than is used."""
    return Kernel(PAGINGS["x86-64"], 1 << 42, LastSharerFlip())


def compiled_linux() -> Kernel:
    """Return the same as the compiled engine has it."""
    from cowmodel.engine.compiled_passes import CompiledPasses  # as costly to import as numba

    kernel = linux()
    kernel.passes = CompiledPasses(kernel.arena, kernel.frames, kernel.folios)
    return kernel


def machine(engine: str, cores: int, tlb: TlbGeometry | None = None) -> Machine:
    """Return a machine that counts faults but does not list them."""
    costs = load_preset(COSTS["vm-linux6.18"])
    return Machine(linux(), costs, ENGINES[engine], cores, _QUANTUM_PS, record_faults=False, tlb=tlb)


def loaded(kernel: Kernel, size_bytes: int) -> tuple[Process, Vma]:
    """Return a process with a resident heap."""
    process, _ = kernel.spawn()
    heap, _ = kernel.mmap(process, size_bytes)
    kernel.populate(process, heap)
    return process, heap


def permutations(processes: int, pages: int) -> list[Numbers]:
    """Return, for each process, all pages in a random order of its own."""
    return [np.random.default_rng([1, number]).permutation(pages) for number in range(processes)]


@dataclass
class Span:
    """CPU time and simulated time from the first to the last of what is measured."""

    machine: Machine
    cpu: list[float] = field(default_factory=list)
    simulated_ps: list[int] = field(default_factory=list)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Count what happens inside."""
        self.note()
        yield
        self.note()

    def note(self) -> None:
        """Take both times."""
        self.cpu.append(time.process_time())
        self.simulated_ps.append(self.machine.now)

    @property
    def cpu_s(self) -> float:
        """CPU time of this process."""
        return max(self.cpu) - min(self.cpu)

    @property
    def simulated_s(self) -> float:
        """Time that passed on the machine."""
        return (max(self.simulated_ps) - min(self.simulated_ps)) / 1e12


def write_all(program: Program, heap: Vma, order: Numbers) -> Activity:
    """Write pages of the heap, in bursts."""
    for first in range(0, len(order), _BURST):
        yield from program.access(heap, order[first : first + _BURST], written=8)


def family(engine: str, size_bytes: int, orders: Sequence[Numbers]) -> Span:
    """Let a process with a resident heap fork one process for each further order; all write together."""
    span = Span(machine(engine, len(orders)))
    parent, heap = loaded(span.machine.kernel, size_bytes)

    def member(program: Program, number: int) -> Activity:
        yield from program.think(_TOGETHER_PS - program.now)
        with span.measured():
            yield from write_all(program, heap, orders[number])
        yield from program.think(_APART_PS - program.now)  # an exit would make others' copies flips

    def main(program: Program) -> Activity:
        for number in range(1, len(orders)):
            yield from program.fork(partial(member, number=number))
        yield from member(program, 0)

    start(span.machine, main, parent)
    span.machine.run()
    return span


def strangers(
    engine: str, size_bytes: int, orders: Sequence[Numbers], tlb: TlbGeometry | None = None
) -> Span:
    """Let processes that share nothing write to resident heaps of their own."""
    span = Span(machine(engine, len(orders), tlb))

    def main(program: Program, heap: Vma, order: Numbers) -> Activity:
        with span.measured():
            yield from write_all(program, heap, order)

    for order in orders:
        process, heap = loaded(span.machine.kernel, size_bytes)
        start(span.machine, partial(main, heap=heap, order=order), process)
    span.machine.run()
    return span


def fork_and_write(engine: str, size_bytes: int, orders: Sequence[Numbers]) -> Span:
    """Fork; the children write every page and exit, then the parent does; as `running_kernel.c`."""
    span = Span(machine(engine, len(orders)))
    parent, heap = loaded(span.machine.kernel, size_bytes)

    def main(program: Program) -> Activity:
        with span.measured():
            children = []
            for order in orders[1:]:
                child = yield from program.fork(partial(write_all, heap=heap, order=order))
                children.append(child)
            for child in children:
                yield from program.wait(child)
            yield from write_all(program, heap, orders[0])

    start(span.machine, main, parent)
    span.machine.run()
    return span
