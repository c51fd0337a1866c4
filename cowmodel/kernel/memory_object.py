"""Memory objects: what is behind a mapping that is not anonymous, and outlives any one mapping."""

import numpy as np

from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.paging import Numbers


class MemoryObject:
    """The frames behind a mapping, kept while any mapping refers to them.

    Attributes
    ----------
    pfns : int64[n]
        Frame of each leaf of the object, 0 where it was never touched.
    mappings : int
        Vmas that refer to the object.
    """

    def __init__(self, leafs: int) -> None:
        self.pfns: Numbers = np.zeros(leafs, np.int64)
        self.mappings = 1

    def let_go(self, frames: FrameTable, leaf_pages: int) -> int:
        """Forget one mapping; with the last, free the frames. Return how many leafs were freed."""
        self.mappings -= 1
        if self.mappings:
            return 0
        held = self.pfns[self.pfns > 0]
        frames.cached[held] = False
        frames.release(held, leaf_pages)
        return len(held)
