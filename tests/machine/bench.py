"""A machine on a bench: prices that a test can add up in its head, and an engine that keeps a journal."""

import numpy as np

from cowmodel.catalog import PAGINGS
from cowmodel.cost.model import CostModel
from cowmodel.cost.price import Price
from cowmodel.engine.burst import Burst
from cowmodel.engine.contention import Contention
from cowmodel.engine.reference import ReferenceEngine
from cowmodel.kernel.work import Work
from cowmodel.machine import Machine
from cowmodel.program import Activity, Main, Program, start
from tests.toy import boot


def prices(**prices_ps: float) -> CostModel:
    """Return a cost model in which all that is not given costs nothing."""
    given = dict.fromkeys(Work._fields, 0.0) | prices_ps
    return CostModel("bench", "bench", {field: Price(value, "assumed") for field, value in given.items()})


def bench(
    costs: CostModel,
    cores: int = 1,
    quantum_ps: int = 10**9,
    sample_ps: int = 0,
    policy: str = "cow-flip",
    frames: int = 64,
    record_faults: bool = True,
    contention: Contention | None = None,
) -> Machine:
    """Return a small x86-64 machine with nothing running on it."""
    kernel = boot(frames, policy, PAGINGS["x86-64"])
    return Machine(kernel, costs, ReferenceEngine, cores, quantum_ps, sample_ps, record_faults, contention)


def run(machine: Machine, *mains: Main) -> Machine:
    """Run each of `mains` as a process from time 0 on."""
    for main in mains:
        start(machine, main)
    machine.run()
    return machine


def fresh_pages(count: int) -> Main:
    """Return a program that writes so many pages, each for the first time."""

    def main(program: Program) -> Activity:
        heap = yield from program.mmap(count * 4096)
        yield from program.access(heap, np.arange(count), written=1)

    return main


class Journal(ReferenceEngine):
    """The reference engine, which also keeps what it was given to do.

    Attributes
    ----------
    accesses : dict of int to list of (page, bytes written)
        Of each process, by pid, in order.
    """

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.accesses: dict[int, list[tuple[int, int]]] = {}

    def start(self, core: int, burst: Burst, clock_ps: int, limit_ps: int) -> None:
        """Note a burst that is begun; one that goes on after a time slice is known already."""
        if not burst.done:
            columns = zip((burst.first + burst.pages).tolist(), burst.written.tolist(), strict=True)
            self.accesses.setdefault(burst.process.pid, []).extend(columns)
        super().start(core, burst, clock_ps, limit_ps)
