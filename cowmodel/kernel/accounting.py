"""Who uses how much memory, as `/proc/PID/smaps` would say it.

RSS  all that is mapped      USS  what nobody else maps
PSS  each frame divided by its sharers, so that the PSS of all processes sums to the mapped frames
"""

from dataclasses import dataclass

import numpy as np

from cowmodel.kernel.process import Process
from cowmodel.kernel.state import KernelState


@dataclass(frozen=True)
class Usage:
    """Memory of one process, in bytes; the zero frame counts for nobody.

    Attributes
    ----------
    pid, entries : int
        The process, and the entries that map its memory.
    rss_bytes, uss_bytes, shared_bytes, table_bytes : int
    pss_bytes : float
    """

    pid: int
    entries: int
    rss_bytes: int
    pss_bytes: float
    uss_bytes: int
    shared_bytes: int
    table_bytes: int


def usage(kernel: KernelState, process: Process) -> Usage:
    """Count what `process` maps."""
    entries, resident, proportional, alone = 0, 0, 0.0, 0
    for vma in process.memory.vmas:
        leaf = kernel.geometry.leaf_pages(vma.level)
        for block in process.memory.page_table.blocks(vma.level, vma.first, vma.last):
            counts = np.bincount(kernel.frames.sharers[block.pfns], minlength=2)
            entries += int(counts.sum())
            resident += int(counts.sum()) * leaf
            proportional += float((counts[1:] / np.arange(1, len(counts))).sum()) * leaf
            alone += int(counts[1]) * leaf
    page = kernel.geometry.page_bytes
    tables = sum(process.memory.page_table.tables) * page
    return Usage(
        process.pid,
        entries,
        resident * page,
        proportional * page,
        alone * page,
        (resident - alone) * page,
        tables,
    )


def unmapped_cache_bytes(kernel: KernelState) -> int:
    """Return the bytes of shared objects that no entry maps at the moment."""
    objects = {
        id(vma.shared): (vma.shared, kernel.geometry.leaf_pages(vma.level))
        for process in kernel.alive
        for vma in process.memory.vmas
        if vma.shared
    }
    idle = sum(
        int((kernel.frames.sharers[held.pfns[held.pfns > 0]] == 0).sum()) * leaf
        for held, leaf in objects.values()
    )
    return idle * kernel.geometry.page_bytes
