r"""Processes that fork at the same moment, and then write at the same moment, each a heap of its own.

first     |--start all--|             sleeps                                 wait for all
process                 |--load heap--|==fork==|==write a share of the heap==|let the child go, wait for it
child                                          |---------- sleeps -----------|exit
                        ^             ^        ^  all wait here for the last

On as many cores as processes each has one to itself, and all begin at once.
"""

from pydantic import Field

from cowmodel.hardware.paging import Geometry
from cowmodel.machine import Event, Machine
from cowmodel.program import Activity, Main, Program
from cowmodel.units import format_size
from cowmodel.workload.parameters import Fraction, Positive
from cowmodel.workload.streams import Streams
from cowmodel.workload.workload import HeapWorkload, some_leafs


class Meeting:
    """Where so many activities wait until all are there."""

    def __init__(self, machine: Machine, awaited: int) -> None:
        self._all_here: Event = machine.event()
        self._awaited = awaited

    def wait(self, program: Program) -> Activity:
        """Sleep until the last one comes."""
        self._awaited -= 1
        if not self._awaited:
            self._all_here.succeed()
        yield from program.sleep(self._all_here)


class ConcurrentForks(HeapWorkload):
    """Processes that share nothing fork and write at the same time, to see how they slow each other down."""

    processes: Positive = Field(description="processes that fork at the same time")
    written: Fraction = Field(description="share of its heap's leafs that each then writes, at random")

    def misfits(self, geometry: Geometry, memory_bytes: int) -> list[str]:
        """Return, as `key: what`, the reasons why it cannot run on such a machine."""
        reasons = super().misfits(geometry, memory_bytes)
        if not reasons and self.heap * self.processes >= memory_bytes:
            wanted = format_size(self.heap * self.processes)
            reasons = [
                "processes: expected heaps of less than machine.memory, which is"
                f" {format_size(memory_bytes)}, got heap x processes = {wanted}"
            ]
        return reasons

    def main(self, program: Program, streams: Streams) -> Activity:
        """Start the processes and wait for them."""
        meetings = [Meeting(program.machine, self.processes + first) for first in (1, 0, 0)]
        started = []
        for number in range(self.processes):
            started.append((yield from program.spawn(self._life(number, meetings, streams))))
        yield from meetings[0].wait(program)
        for other in started:
            yield from program.wait(other)

    def _life(self, number: int, meetings: list[Meeting], streams: Streams) -> Main:
        """Return what process `number` does."""

        def main(program: Program) -> Activity:
            written = program.machine.event()
            yield from meetings[0].wait(program)
            heap = yield from self.load(program)
            yield from meetings[1].wait(program)
            child = yield from program.fork(lambda child: child.sleep(written))
            yield from meetings[2].wait(program)
            pages = some_leafs(program, heap, self.written, streams[f"process {number}"])
            yield from program.access(heap, pages, written=1)
            written.succeed()
            yield from program.wait(child)

        return main
