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
    """Return what `process` maps; count it only if something in its family has changed since it last was.

    With a file, which others may map as well, it is counted each time.

    Notes
    -----
    Counters of one process cannot keep the PSS: a frame's part in it changes when another process copies or
    drops the frame, and which others map it is not known.
    """
    space = process.memory
    strangers = bool(kernel.files) and any(vma.object in kernel.files for vma in space.vmas)
    if strangers or space.usage is None or space.usage[0] != space.family.changes:
        space.usage = space.family.changes, count(kernel, process)
    return space.usage[1]


def count(kernel: KernelState, process: Process) -> Usage:
    """Count what `process` maps, entry by entry."""
    table = process.memory.page_table
    # each maps a frame of its own once at most, unless several were merged, which are dirty
    merged = kernel.frames.sharers[list(kernel.frames.dirty)]
    most = max([len(kernel.alive), merged.max(initial=0), *(file.mappings for file in kernel.files)])
    resident, proportional, alone, entries = 0, 0.0, 0, 0
    for vma in process.memory.vmas:
        for run in vma.runs():
            counts = kernel.passes.count_sharers(table, run, most)
            entries += int(counts.sum()) // kernel.geometry.leaf_pages(run.level)
            resident += int(counts.sum())
            proportional += float((counts[1:] / np.arange(1, len(counts))).sum())
            alone += int(counts[1])
    page = kernel.geometry.page_bytes
    return Usage(
        process.pid,
        entries,
        resident * page,
        proportional * page,
        alone * page,
        (resident - alone) * page,
        sum(table.tables) * page,
    )


def unmapped_cache_bytes(kernel: KernelState) -> int:
    """Return the bytes of objects that no entry maps at the moment."""
    objects = {
        id(vma.object): (vma.object, kernel.geometry.leaf_pages(vma.level))
        for process in kernel.alive
        for vma in process.memory.vmas
        if vma.object
    } | {id(file): (file, 1) for file in kernel.files}
    idle = sum(
        int((kernel.frames.sharers[held.pfns[held.pfns > 0]] == 0).sum()) * leaf
        for held, leaf in objects.values()
    )
    return idle * kernel.geometry.page_bytes
