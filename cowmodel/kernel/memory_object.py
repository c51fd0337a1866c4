"""Memory objects: what is behind a mapping that is not anonymous, and outlives any one mapping."""

import numpy as np
from numpy.typing import NDArray

from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.paging import Numbers


class MemoryObject:
    """The frames behind a mapping, kept while any mapping refers to them, or a name if it is a file.

    Parameters
    ----------
    leafs : int
    notified : bool
        Whether it is told of the first write to a page through each mapping (Linux: a file on a disk).

    Attributes
    ----------
    pfns : int64[n]
        Frame of each leaf of the object, 0 where it was never touched.
    dirty : bool[n]
        Leafs that are known to be written; what entries say is known when they go.
    mappings : int
        Vmas, and names, that refer to the object.
    promised : int
        Base pages that are promised for it as long as it is there.
    """

    def __init__(self, leafs: int, notified: bool = False) -> None:
        self.notified = notified
        self.pfns: Numbers = np.zeros(leafs, np.int64)
        self.dirty: NDArray[np.bool_] = np.zeros(leafs, np.bool_)
        self.mappings = self.promised = 0

    def let_go(self, frames: FrameTable, leaf_pages: int) -> int:
        """Forget one mapping; with the last, free the frames. Return how many leafs were freed."""
        self.mappings -= 1
        if self.mappings:
            return 0
        held = self.pfns[self.pfns > 0]
        frames.cached[held] = False
        return frames.release(held, leaf_pages)
