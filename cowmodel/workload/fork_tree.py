r"""Generations of processes that all write, to see how many faults copy and how many flip.

generation 0        P
                  /   \        every process forks its children,
generation 1     P     P       writes a share of the heap,
                / \   / \      then waits for its children and exits
generation 2   P   P P   P
"""

from pydantic import Field

from cowmodel.kernel.vma import Vma
from cowmodel.program import Activity, Main, Program
from cowmodel.workload.parameters import Count, Fraction, Positive
from cowmodel.workload.streams import Streams
from cowmodel.workload.workload import HeapWorkload, some_leafs


class ForkTree(HeapWorkload):
    """Each process of a tree forks its children and writes a share of the heap."""

    generations: Count = Field(description="generations after the root")
    children: Positive = Field(description="children of each process that is not of the last generation")
    written: Fraction = Field(description="share of the heap's leafs that each process writes, at random")

    def main(self, program: Program, streams: Streams) -> Activity:
        """Load the heap and grow the tree."""
        heap = yield from self.load(program)
        yield from self._grow(heap, streams, "P", self.generations)(program)

    def _grow(self, heap: Vma, streams: Streams, name: str, generations: int) -> Main:
        """Return what process `name` does, with so many generations below it."""

        def main(program: Program) -> Activity:
            children = []
            for number in range(self.children if generations else 0):
                below = self._grow(heap, streams, f"{name}.{number}", generations - 1)
                children.append((yield from program.fork(below)))
            pages = some_leafs(program, heap, self.written, streams[name])
            yield from program.access(heap, pages, written=1)
            for child in children:
                yield from program.wait(child)

        return main
