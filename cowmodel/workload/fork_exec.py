"""A large process that starts small commands: fork and exec, or a spawn that shares nothing.

parent   |--load heap--|start|--rewrite a share--|wait| ... again ...
child                        |--writes a few pages (fork only)--|exec|--touches its image--|exit
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from cowmodel.kernel.vma import Vma
from cowmodel.program import Activity, Program
from cowmodel.workload.parameters import Count, Expected, Fraction, Positive, Size
from cowmodel.workload.streams import Streams
from cowmodel.workload.workload import HeapWorkload, some_leafs


class ForkExec(HeapWorkload):
    """A large process starts commands, by fork and exec or by spawn."""

    start: Annotated[Literal["fork", "spawn"], Expected("'fork' or 'spawn'")] = Field(
        description="how a command is started: 'fork' (and exec) or 'spawn'"
    )
    commands: Positive = Field(description="commands, one after the other")
    child_writes: Count = Field(description="pages of the heap that a forked child writes before exec")
    image: Size = Field(description="memory that the command touches, in base pages")
    rewritten: Fraction = Field(
        description="share of the heap's leafs that the parent writes meanwhile, at random"
    )

    def main(self, program: Program, streams: Streams) -> Activity:
        """Load the heap and run the commands."""
        heap = yield from self.load(program)
        rng = streams["parent"]
        for _ in range(self.commands):
            if self.start == "fork":
                child = yield from program.fork(lambda child: self._fork_exec(child, heap))
            else:
                child = yield from program.spawn(self._command)
            pages = some_leafs(program, heap, self.rewritten, rng)
            yield from program.access(heap, pages, written=1)
            yield from program.wait(child)

    def _fork_exec(self, program: Program, heap: Vma) -> Activity:
        pages = np.arange(min(self.child_writes, heap.pages))
        yield from program.access(heap, pages, written=1)
        yield from program.exec()
        yield from self._command(program)

    def _command(self, program: Program) -> Activity:
        image = yield from program.mmap(self.image)
        yield from program.access(image, np.arange(image.pages), written=1)
