"""A server that answers requests and forks to save its heap: how long requests take, and why.

arrivals   | |  |    | ||  | |  |   |            a request waits for those before it and for the fork, touches
thread 0   [=][=]    |fork|[=][=][=][=]  [=]     objects, faults among them, then computes; and is over
thread 1    [=]   [=]  [=]     [=]               a request stays with its thread: a queue each
saver                     |--reads the heap--|exit

The fork is itself like a request, to thread 0, that comes after `before`: what came earlier is served first,
and what comes while it lasts has to wait. Other threads are served while it lasts, but their faults wait.

Latency is the time from a request's arrival to its end. Of a server that is idle for a share 1 - u, and
without faults, theory says how long requests wait: `W = u S (1 + c^2) / (2 (1 - u))` if they come as a
Poisson process (Pollaczek and Khinchine; S is the mean service time and c its coefficient of variation), and
`N = X (R + Z)` for N clients that think for Z and are served at a rate X with latency R. If more come than
can be served, the queue grows until none come any more, and all are served in the end.

References
----------
Kleinrock, Queueing Systems, Volume 1: Theory, 1975, chapter 5 (M/G/1).
Lazowska, Zahorjan, Graham, Sevcik, Quantitative System Performance, 1984, chapter 3 (utilisation law,
response time law).
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from pydantic import Field

from cowmodel.engine.burst import Service
from cowmodel.hardware.paging import Geometry, Numbers
from cowmodel.kernel.vma import Vma
from cowmodel.program import Activity, Program
from cowmodel.units import format_size
from cowmodel.workload.arrivals import Queue, RequestArrivals, ServiceTime
from cowmodel.workload.locality import Draw, WriteLocality, object_accesses
from cowmodel.workload.parameters import Duration, Fraction, Period, Positive, Size
from cowmodel.workload.snapshot_server import save_heap
from cowmodel.workload.streams import Streams
from cowmodel.workload.workload import HeapWorkload

_MOST_REQUESTS = 10**9


class _Desk(NamedTuple):
    """What a thread of the server works with: its requests, and what chance says of each of them."""

    thread: int
    heap: Vma
    queue: Queue
    objects: Draw
    kinds: np.random.Generator
    service: np.random.Generator


class RequestServer(HeapWorkload):
    """A server answers requests, forks to save its heap, and goes on."""

    object: Size = Field(description="bytes of an object, aligned to their size")
    locality: WriteLocality = Field(description="which objects are touched")
    objects: Positive = Field(description="objects that a request touches")
    written: Fraction = Field(description="share of them that it writes, at random; it reads the others")
    service: ServiceTime = Field(description="processor time that a request takes besides")
    arrivals: RequestArrivals = Field(description="how requests come, all together")
    threads: Positive = Field(description="threads that answer, each what comes to it")
    before: Duration = Field(description="time from the start of serving to the fork")
    save: Period = Field(description="time that the saver takes, from its first to its last page")
    after: Duration = Field(description="time of serving after the save should have ended")

    def misfits(self, geometry: Geometry, memory_bytes: int) -> list[str]:
        """Return, as `key: what`, the reasons why it cannot run on such a machine."""
        reasons = super().misfits(geometry, memory_bytes)
        if self.object > self.heap:
            sizes = f"{format_size(self.heap)}, got {format_size(self.object)}"
            reasons.append(f"object: expected at most the heap, which is {sizes}; touch smaller objects")
        if (requests := self.arrivals.most(self._span, self.service)) > _MOST_REQUESTS:
            reasons.append(
                f"arrivals: expected at most {_MOST_REQUESTS:,} requests in all, got {requests:.3g};"
                " let fewer come, or let clients think"
            )
        if (clients := self.arrivals.clients) < self.threads:
            reasons.append(f"threads: expected at most one a client, of {clients}, got {self.threads}")
        return reasons

    def main(self, program: Program, streams: Streams) -> Activity:
        """Serve, fork, serve on."""
        heap = yield from self.load(program)
        start = program.now
        desks = [self._desk(thread, heap, start, streams) for thread in range(self.threads)]
        others = []
        for desk in desks[1:]:
            serve = partial(self._serve, desk=desk, until_ps=start + self._span)
            others.append((yield from program.thread(serve)))
        yield from self._serve(program, desks[0], start + self.before)
        yield from program.think(max(0, start + self.before - program.now))
        saver = yield from program.fork(lambda child: save_heap(child, heap, self.save))
        yield from self._serve(program, desks[0], start + self._span)
        for other in others:
            yield from program.join(other)
        yield from program.wait(saver)

    def _desk(self, thread: int, heap: Vma, start_ps: int, streams: Streams) -> _Desk:
        queue = self.arrivals.queue(start_ps, self._span, thread, self.threads, streams)
        objects = self.locality.draw(self.heap // self.object, streams[f"objects {thread}"])
        return _Desk(thread, heap, queue, objects, streams[f"kinds {thread}"], streams[f"service {thread}"])

    def _serve(self, program: Program, desk: _Desk, until_ps: int) -> Activity:
        """Serve what comes before a time, each request when it has come and those before it are over."""
        while len(arrivals := desk.queue.due(program.now, until_ps)):
            request, pages, written = self._touched(len(arrivals), desk, program)
            firsts, lasts = _ends_of_runs(request)
            service = Service.of(np.zeros(len(request), np.int64))
            service.busy_ps[lasts] = self.service.draw(len(arrivals), desk.service)
            yield from program.access(desk.heap, pages, written, arrivals[request], service)
            starts, ends = service.began_ps[firsts], service.ended_ps[lasts]
            program.machine.records.requests(desk.thread, arrivals, starts, ends)
            desk.queue.answered(ends)

    def _touched(self, count: int, desk: _Desk, program: Program) -> tuple[Numbers, Numbers, Numbers]:
        """Return what the next requests touch: which of them, which page, and the bytes that it writes."""
        page_bytes = program.machine.kernel.geometry.page_bytes
        objects = desk.objects(count * self.objects)
        writes = desk.kinds.random(len(objects)) < self.written
        owner, pages, touched = object_accesses(objects, self.object, page_bytes)
        return owner // self.objects, pages, touched * writes[owner]

    @property
    def _span(self) -> int:
        """Time in which requests arrive, ps."""
        return self.before + self.save + self.after


def _ends_of_runs(numbers: Numbers) -> tuple[Numbers, Numbers]:
    """Return the first and the last place of each run of equal numbers."""
    changes = np.flatnonzero(np.diff(numbers))
    return np.r_[0, changes + 1], np.r_[changes, len(numbers) - 1]
