"""A server that forks its workers once, as web servers and interpreters with a loaded program do.

parent   |--load heap--|fork|fork|fork|--wait for all--|exit
worker                      |--write a share, read a share--|--live--|exit
"""

from pydantic import Field

from cowmodel.hardware.paging import Geometry
from cowmodel.kernel.vma import Vma
from cowmodel.program import Activity, Main, Program
from cowmodel.units import format_size
from cowmodel.workload.parameters import Duration, Fraction, Positive
from cowmodel.workload.streams import Streams
from cowmodel.workload.workload import HeapWorkload, some_leafs


class PreforkServer(HeapWorkload):
    """One parent loads a heap and forks workers that each touch a share of it."""

    every: Positive = Field(description="one leaf in so many is resident, the others are only mapped")
    workers: Positive = Field(description="processes forked")
    written: Fraction = Field(description="share of the heap's leafs that each worker writes, at random")
    read: Fraction = Field(description="share of the heap's leafs that each worker reads, at random")
    lifetime: Duration = Field(description="time that a worker lives on after its accesses")

    def misfits(self, geometry: Geometry, memory_bytes: int) -> list[str]:
        """Return, as `key: what`, the reasons why it cannot run on such a machine."""
        reasons = super().misfits(geometry, memory_bytes)
        room = geometry.user_pages * geometry.page_bytes // 2
        if self.heap * self.every > room:
            wanted = format_size(self.heap * self.every)
            reasons.append(f"every: expected at most {format_size(room)} mapped, got heap x every = {wanted}")
        return reasons

    def main(self, program: Program, streams: Streams) -> Activity:
        """Load, fork the workers, wait for them."""
        heap = yield from self.load(program, self.every)
        workers = []
        for number in range(self.workers):
            workers.append((yield from program.fork(self._worker(number, heap, streams))))
        for worker in workers:
            yield from program.wait(worker)

    def _worker(self, number: int, heap: Vma, streams: Streams) -> Main:
        """Return what worker `number` does."""

        def main(program: Program) -> Activity:
            rng = streams[f"worker {number}"]
            for share, written in ((self.written, 1), (self.read, 0)):
                pages = some_leafs(program, heap, share, rng, self.every)
                yield from program.access(heap, pages, written)
            yield from program.think(self.lifetime)

        return main
