"""What every workload is: a checked table of parameters, and what its first process does."""

import numpy as np

from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.address_space import Vma
from cowmodel.program import Activity, Program
from cowmodel.workload.parameters import Parameters
from cowmodel.workload.streams import Streams


class Workload(Parameters):
    """Who forks and writes, and when: a file of its own, with its keys as fields and `main`."""

    def main(self, program: Program, streams: Streams) -> Activity:
        """Act as the first process."""
        raise NotImplementedError


def every_leaf(program: Program, vma: Vma, every: int = 1) -> Numbers:
    """Return the first page, counted from the start of `vma`, of one leaf in `every`."""
    return np.arange(0, vma.pages, program.machine.kernel.geometry.leaf_pages(vma.level) * every)


def some_leafs(program: Program, vma: Vma, share: float, rng: np.random.Generator, every: int = 1) -> Numbers:
    """Return, in random order, a share of the leafs of `vma` of which only one in `every` counts."""
    leafs = every_leaf(program, vma, every)
    return rng.permutation(leafs)[: round(len(leafs) * share)]
