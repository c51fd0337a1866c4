"""A server that forks to save its heap and goes on serving, as Redis does for BGSAVE.

time     0          before          before + save        before + save + after
server   |--serve---|fork|--serve-----------------|--serve--|wait, exit
saver                    |--reads all of the heap-|exit
"""

import numpy as np
from pydantic import Field

from cowmodel.hardware.paging import Geometry, Numbers
from cowmodel.kernel.vma import Vma
from cowmodel.program import Activity, Program
from cowmodel.units import format_size
from cowmodel.workload.arrivals import PS_PER_S, poisson_times
from cowmodel.workload.locality import Draw, WriteLocality, object_accesses
from cowmodel.workload.parameters import Duration, Period, Rate, Size
from cowmodel.workload.streams import Streams
from cowmodel.workload.workload import HeapWorkload

_CHUNKS = 64  # the saver reads, then writes out, this many parts
_MOST_REQUESTS = 10**9
_TAPE = 1 << 14  # requests that are drawn at a time


class SnapshotServer(HeapWorkload):
    """A server forks to save its heap and goes on serving writes."""

    object: Size = Field(description="bytes that a request writes, aligned to their size")
    locality: WriteLocality = Field(description="which objects are written")
    rate: Rate = Field(description="requests, arriving as a Poisson process")
    before: Duration = Field(description="time from the start of serving to the fork")
    save: Period = Field(description="time that the saver takes, from its first to its last page")
    after: Duration = Field(description="time of serving after the save should have ended")

    def misfits(self, geometry: Geometry, memory_bytes: int) -> list[str]:
        """Return, as `key: what`, the reasons why it cannot run on such a machine."""
        reasons = super().misfits(geometry, memory_bytes)
        if self.object > self.heap:
            sizes = f"{format_size(self.heap)}, got {format_size(self.object)}"
            reasons.append(f"object: expected at most the heap, which is {sizes}; write smaller objects")
        if (requests := self.rate * self._span / PS_PER_S) > _MOST_REQUESTS:
            reasons.append(
                f"rate: expected at most {_MOST_REQUESTS:,} requests in all, got {requests:.3g};"
                " lower the rate or serve for a shorter time"
            )
        return reasons

    def main(self, program: Program, streams: Streams) -> Activity:
        """Serve, fork, serve on."""
        heap = yield from self.load(program)
        draw = self.locality.draw(self.heap // self.object, streams["objects"])
        start = program.now
        arrivals = start + poisson_times(self.rate, self._span, streams["arrivals"])
        early = arrivals < start + self.before
        yield from self._serve(program, heap, arrivals[early], draw)
        yield from program.think(max(0, start + self.before - program.now))
        saver = yield from program.fork(lambda child: save_heap(child, heap, self.save))
        yield from self._serve(program, heap, arrivals[~early], draw)
        yield from program.wait(saver)

    def _serve(self, program: Program, heap: Vma, arrivals: Numbers, draw: Draw) -> Activity:
        """Serve each request when it has arrived and all before it are served."""
        page_bytes = program.machine.kernel.geometry.page_bytes
        for start in range(0, len(arrivals), _TAPE):
            some = arrivals[start : start + _TAPE]
            request, pages, written = object_accesses(draw(len(some)), self.object, page_bytes)
            yield from program.access(heap, pages, written, earliest_ps=some[request])

    @property
    def _span(self) -> int:
        """Time in which requests arrive, ps."""
        return self.before + self.save + self.after


def save_heap(program: Program, heap: Vma, save_ps: int) -> Activity:
    """Read a heap from its first to its last page, as a saver does, in that time."""
    start = program.now
    for part, pages in enumerate(np.array_split(np.arange(heap.pages), _CHUNKS), 1):
        yield from program.access(heap, pages, written=0)
        yield from program.think(max(0, start + save_ps * part // _CHUNKS - program.now))
