"""A server that forks its workers once, as web servers and interpreters with a loaded program do.

parent   |--load heap--|fork|fork|fork|--wait for all--|exit
worker                      |--write a share, read a share--|--live--|exit
"""

from pydantic import Field

from cowmodel.kernel.address_space import Vma
from cowmodel.program import Activity, Main, Program
from cowmodel.workload.parameters import Density, Duration, Fraction, Positive
from cowmodel.workload.streams import Streams
from cowmodel.workload.workload import HeapWorkload, some_leafs


class PreforkServer(HeapWorkload):
    """One parent loads a heap and forks workers that each touch a share of it."""

    density: Density = Field(description="share of the mapped leafs that is resident, evenly spread")
    workers: Positive = Field(description="processes forked")
    written: Fraction = Field(description="share of the heap's leafs that each worker writes, at random")
    read: Fraction = Field(description="share of the heap's leafs that each worker reads, at random")
    lifetime: Duration = Field(description="time that a worker lives on after its accesses")

    def main(self, program: Program, streams: Streams) -> Activity:
        """Load, fork the workers, wait for them."""
        every = max(1, round(1 / self.density))
        heap = yield from self.load(program, every)
        workers = []
        for number in range(self.workers):
            workers.append((yield from program.fork(self._worker(number, heap, every, streams))))
        for worker in workers:
            yield from program.wait(worker)

    def _worker(self, number: int, heap: Vma, every: int, streams: Streams) -> Main:
        """Return what worker `number` does with a heap of which one leaf in `every` is resident."""

        def main(program: Program) -> Activity:
            rng = streams[f"worker {number}"]
            for share, written in ((self.written, 1), (self.read, 0)):
                pages = some_leafs(program, heap, share, rng, every)
                yield from program.access(heap, pages, written)
            yield from program.think(self.lifetime)

        return main
