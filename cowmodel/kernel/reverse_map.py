"""The reverse map: who maps a frame, and which of them is the last."""

import numpy as np

from cowmodel.hardware.page_table import NO_SLOT
from cowmodel.hardware.paging import EXCLUSIVE, GUARDED, MERGED, WRITE, Numbers, frame_of, make_writable
from cowmodel.kernel.state import KernelState
from cowmodel.kernel.work import NOTHING, Work


def flip_last_sharers(kernel: KernelState, homes: Numbers, pfns: Numbers, level: int) -> Work:
    """Make the last entry that maps each frame writable, if the policy wants that.

    Parameters
    ----------
    homes, pfns : int64[n]
        Pages, as they were before any move, at which frames of private mappings just lost a sharer. One that
        is not an object's has the same there in every process that shares it, since only fork shares it: that
        is the reverse map.
    level : int
    """
    if not kernel.policy.seeks_last_sharer():
        return NOTHING
    alone = (kernel.frames.sharers[pfns] == 1) & ~kernel.frames.cached[pfns]
    homes, pfns, flips = homes[alone], pfns[alone], 0
    places = {(space, vma.moved) for space in kernel.spaces for vma in space.vmas}
    for space, moved in places:
        slots = space.page_table.slots(homes + moved, level)
        words = np.where(slots == NO_SLOT, np.uint64(0), kernel.arena.flat[slots])
        found = (frame_of(words) == pfns) & (words & np.uint64(WRITE | MERGED) == 0)
        guarded, flipped = words[found] & np.uint64(GUARDED) != 0, make_writable(words[found])
        kernel.arena.flat[slots[found]] = np.where(guarded, words[found] | np.uint64(EXCLUSIVE), flipped)
        flips += int(found.sum())
    return Work(searches=len(homes), flips=flips)
