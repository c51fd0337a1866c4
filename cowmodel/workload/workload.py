"""What every workload is: a checked table of parameters, and what its first process does."""

import numpy as np
from pydantic import Field

from cowmodel.errors import ConfigError
from cowmodel.hardware.paging import Geometry, Numbers
from cowmodel.kernel.backing import Backing
from cowmodel.kernel.vma import Vma
from cowmodel.program import Activity, Program
from cowmodel.units import format_size
from cowmodel.workload.parameters import PageBacking, Parameters, Size
from cowmodel.workload.streams import Streams


class Workload(Parameters):
    """Who forks and writes, and when: a file of its own, with its keys as fields and `main`."""

    def misfits(self, geometry: Geometry, memory_bytes: int) -> list[str]:
        """Return, as `key: what`, the reasons why it cannot run on such a machine."""
        return []

    def backings(self) -> list[Backing]:
        """Return what its memory is made of."""
        return []

    def main(self, program: Program, streams: Streams) -> Activity:
        """Act as the first process."""
        raise NotImplementedError


class BackedWorkload(Workload):
    """A workload all of whose memory is made of the same."""

    backing: PageBacking = Field(description="what its memory is made of")

    def misfits(self, geometry: Geometry, memory_bytes: int) -> list[str]:
        """Return, as `key: what`, the reasons why it cannot run on such a machine."""
        try:
            self.backing.alignment(geometry)
        except ConfigError as problem:
            return [str(problem)]
        return []

    def backings(self) -> list[Backing]:
        """Return what its memory is made of."""
        return [self.backing]


class HeapWorkload(BackedWorkload):
    """A workload whose first process loads a heap before it forks."""

    heap: Size = Field(description="memory that is resident before the first fork")

    def misfits(self, geometry: Geometry, memory_bytes: int) -> list[str]:
        """Return, as `key: what`, the reasons why it cannot run on such a machine."""
        if reasons := super().misfits(geometry, memory_bytes):
            return reasons
        leaf = geometry.leaf_bytes(self.backing.level(geometry))
        resident = -(-self.heap // leaf) * leaf
        if resident < memory_bytes:
            return []
        return [
            f"heap: expected less than machine.memory, which is {format_size(memory_bytes)}, got"
            f" {format_size(resident)} in whole pages; give the machine more memory or the workload less"
        ]

    def load(self, program: Program, every: int = 1) -> Activity:
        """Map the heap, spread so that one leaf in `every` is resident; return its Vma."""
        vma = yield from program.mmap(self.heap * every, self.backing)
        yield from program.populate(vma, every_leaf(program, vma, every))
        return vma


def every_leaf(program: Program, vma: Vma, every: int = 1) -> Numbers:
    """Return the first page, counted from the start of `vma`, of one leaf in `every`."""
    return np.arange(0, vma.pages, program.machine.kernel.geometry.leaf_pages(vma.level) * every)


def some_leafs(program: Program, vma: Vma, share: float, rng: np.random.Generator, every: int = 1) -> Numbers:
    """Return, in random order, a share of the leafs of `vma` of which only one in `every` counts."""
    leafs = every_leaf(program, vma, every)
    return rng.permutation(leafs)[: round(len(leafs) * share)]
