"""Replay of a recorded trace: the parent's history becomes the heap, the fork is where it was.

Each process of the trace is an activity of its own, which forks and waits where the trace says so. With
times, a record happens when it happened, or as soon as the simulated process gets to it; without, each
process makes its accesses as fast as it can. A record is one access, however many were merged into it.
"""

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from cowmodel.errors import ConfigError
from cowmodel.hardware.paging import Geometry, Numbers
from cowmodel.kernel.vma import Vma
from cowmodel.program import Activity, Main, Program
from cowmodel.trace.columns import Trace
from cowmodel.trace.read import read_trace
from cowmodel.workload.parameters import FilePath, Positive
from cowmodel.workload.streams import Streams
from cowmodel.workload.workload import BackedWorkload

_BASE_BYTES = 1 << 40  # where page 0 of a trace is put: aligned to every leaf


class Replay(BackedWorkload):
    """Replay a recorded trace of page accesses."""

    trace: FilePath = Field(description="the trace: a table of faults or pages, or lackey logs")
    write_bytes: Positive = Field(description="bytes that each recorded write stands for")

    def misfits(self, geometry: Geometry, memory_bytes: int) -> list[str]:
        """Return, as `key: what`, the reasons why it cannot run on such a machine."""
        try:
            read_trace(self.trace)
        except ConfigError as problem:
            return [f"trace: {problem}"]
        return super().misfits(geometry, memory_bytes)

    def main(self, program: Program, streams: Streams) -> Activity:
        """Map the areas, make resident what was so before the trace, and play the root's records."""
        trace = read_trace(self.trace)
        page_bytes = program.machine.kernel.geometry.page_bytes
        vpns = (_BASE_BYTES + trace.page * trace.page_bytes) // page_bytes
        resident = (_BASE_BYTES + trace.resident_pages() * trace.page_bytes) // page_bytes
        for start, end in self._regions(trace, program):
            vma: Vma = yield from program.mmap(end - start, self.backing, at_page=start // page_bytes)
            inside = resident[(resident >= vma.first) & (resident < vma.end)]
            yield from program.populate(vma, inside - vma.first)
        origin = program.now
        if trace.time_ps is not None:
            origin -= min(0, int(trace.time_ps[0]))
        yield from self._play(trace, vpns, 0, origin)(program)

    def _regions(self, trace: Trace, program: Program) -> Iterator[tuple[int, int]]:
        """Yield the bytes to map, from and to: the areas in whole leafs, joined where they then meet."""
        geometry = program.machine.kernel.geometry
        leaf = geometry.leaf_bytes(self.backing.level(geometry))
        start = end = 0
        for area in trace.areas:
            first = (_BASE_BYTES + area.first_page * trace.page_bytes) // leaf * leaf
            if first > end:
                if end:
                    yield start, end
                start = first
            end = -(-(_BASE_BYTES + (area.first_page + area.pages) * trace.page_bytes) // leaf) * leaf
        yield start, end

    def _play(self, trace: Trace, vpns: Numbers, me: int, origin: int) -> Main:
        """Return what process `me` of the trace does."""

        def main(program: Program) -> Activity:
            mine = np.flatnonzero(trace.process == me)
            children: dict[int, Program] = {}
            for at_record, child, forks in _family_events(trace, me):
                before = int(np.searchsorted(mine, at_record))
                yield from self._access(program, trace, vpns, mine[:before], origin)
                mine = mine[before:]
                if forks:
                    play = self._play(trace, vpns, child, origin)
                    children[child] = yield from program.fork(play)
                else:
                    yield from program.wait(children.pop(child))
            yield from self._access(program, trace, vpns, mine, origin)
            for end in trace.exits:
                if end.process == me and end.time_ps is not None:
                    yield from program.think(max(0, origin + end.time_ps - program.now))
            for left in children.values():
                yield from program.wait(left)

        return main

    def _access(
        self, program: Program, trace: Trace, vpns: Numbers, records: Numbers, origin: int
    ) -> Activity:
        """Make the accesses of `records`, each no earlier than its time."""
        written = np.where(trace.write[records], self.write_bytes, 0)
        times = None if trace.time_ps is None else origin + trace.time_ps[records]
        if len(records):
            yield from program.access_vpns(vpns[records], written, times)


def _family_events(trace: Trace, me: int) -> list[tuple[int, int, bool]]:
    """Return (record before which it happens, child, whether it is a fork) for the children of `me`."""
    forks = [(fork.at_record, fork.child, True) for fork in trace.forks if fork.parent == me]
    mine = {child for _, child, _ in forks}
    ends = [(end.at_record, end.process, False) for end in trace.exits if end.process in mine]
    return sorted(forks + ends, key=lambda event: (event[0], not event[2]))
