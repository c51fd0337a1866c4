"""Workloads on small machines, with a journal of what they access."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from cowmodel.catalog import COSTS, PAGINGS, POLICIES, WORKLOADS
from cowmodel.cost.preset import load_preset
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.machine import Machine
from cowmodel.program import start
from cowmodel.workload.streams import Streams
from cowmodel.workload.workload import Workload
from tests.machine.bench import Journal

PAGE = 4096
FIRST = (1 << 40) // PAGE  # page at which the first mapping starts


class Play(NamedTuple):
    """A workload that has ended."""

    machine: Machine
    journal: Journal

    @property
    def everyone(self) -> list[Process]:
        return self.machine.kernel.everyone

    @property
    def faults(self) -> Counter[str]:
        """Faults of all processes, by kind."""
        return sum((process.faults for process in self.everyone), Counter[str]())

    def actions(self, name: str) -> int:
        """Return how often a verb was called."""
        return sum(row.action == name for row in self.machine.records.actions)

    def pages(self, pid: int) -> list[int]:
        """Return the pages that a process accessed, in order, from the start of the first mapping."""
        return [page - FIRST for page, _ in self.journal.accesses.get(pid, [])]

    def written(self, pid: int) -> list[int]:
        """Return those that it wrote."""
        return [page - FIRST for page, written in self.journal.accesses.get(pid, []) if written]


def workload(name: str, **keys: Any) -> Workload:
    return WORKLOADS[name].model_validate(keys)


def play(
    played: Workload,
    policy: str = "cow-flip",
    seed: int = 1,
    replication: int = 0,
    cores: int = 2,
    sample_ps: int = 0,
    memory_bytes: int = 64 << 20,
    without: Iterable[str] = (),
) -> Play:
    """Let a workload run to its end, and some prices be nothing."""
    kernel = Kernel(PAGINGS["x86-64"], memory_bytes, POLICIES[policy]())
    costs = load_preset(COSTS["vm-linux6.18"]).adapted(without)
    machine = Machine(kernel, costs, Journal, cores, sample_ps=sample_ps)
    streams = Streams(seed, replication)
    start(machine, lambda program: played.main(program, streams))
    machine.run()
    assert isinstance(machine.engine, Journal)
    return Play(machine, machine.engine)
