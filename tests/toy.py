"""Machines small enough to compare whole: 64 pages, tables of four entries, huge pages of four frames.

::

    | level 3 | level 2 | level 1 | offset |       a table of level 1 covers 4 pages, of level 2 16 pages
         2         2         2      12 bits        a huge page is one entry of level 2
"""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from cowmodel.catalog import ERAS, POLICIES
from cowmodel.engine.burst import FaultRow
from cowmodel.hardware.page_table import NO_SLOT
from cowmodel.hardware.paging import DIRTY, PRESENT, SPECIAL, WRITE, Geometry, frame_of
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from cowmodel.records import Records

TOY = Geometry("toy", 4096, (2, 2, 2), (1, 2), 18)
HUGE = Backing("hugetlb", 16 << 10)
PAGE = 4096


class Scene(NamedTuple):
    """A kernel whose first process has a heap."""

    kernel: Kernel
    parent: Process
    heap: Vma


def boot(
    frames: int = 24, policy: str = "cow-flip", geometry: Geometry = TOY, era: str = "linux-6.18"
) -> Kernel:
    """Return a kernel with so many frames to hand out, and no process."""
    return Kernel(geometry, (frames + 1) * geometry.page_bytes, POLICIES[policy](), ERAS[era])


def scene(
    pages: int = 4,
    policy: str = "cow-flip",
    frames: int = 24,
    backing: Backing = BASE,
    shared: bool = False,
    populated: bool = True,
    at_page: int = 0,
    era: str = "linux-6.18",
) -> Scene:
    """Return a process with a heap, all written unless said otherwise."""
    kernel = boot(frames, policy, era=era)
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, pages * PAGE, backing, shared, at_page)
    if populated:
        kernel.populate(parent, heap)
    return Scene(kernel, parent, heap)


def words(kernel: Kernel, process: Process, vma: Vma) -> list[int]:
    """Return the entry of each leaf of `vma`, 0 where it or its table is missing."""
    heads = np.arange(vma.first, vma.end, kernel.geometry.leaf_pages(vma.level))
    slots = process.memory.page_table.slots(heads, vma.level)
    return [0 if slot == NO_SLOT else kernel.arena.words[slot] for slot in slots.tolist()]


def frames(kernel: Kernel, process: Process, vma: Vma) -> list[int]:
    """Return the frame of each leaf of `vma`, 0 where it has none."""
    found: list[int] = frame_of(np.array(words(kernel, process, vma), np.uint64)).tolist()
    return found


def picture(kernel: Kernel, process: Process, vma: Vma) -> list[str]:
    """Draw each leaf of `vma` as the kernel's docstrings do."""
    return [_drawn(kernel, word) for word in words(kernel, process, vma)]


def dirty(kernel: Kernel, process: Process, vma: Vma) -> list[bool]:
    """Return which leafs of `vma` have the processor's dirty bit."""
    return [bool(word & DIRTY) for word in words(kernel, process, vma)]


def state(kernel: Kernel) -> dict[str, Any]:
    """Return all that a verb could change, as plain values."""
    return {
        "entries": kernel.arena.flat.tolist(),
        "frames": contents(kernel.frames),
        "processes": list(kernel.processes),
        "faults": [Counter(process.faults) for process in kernel.everyone],
        "copied": [process.copied_bytes for process in kernel.everyone],
        "vmas": [[str(vma) for vma in process.memory.vmas] for process in kernel.alive],
        "objects": [vma.object.pfns.tolist() for p in kernel.alive for vma in p.memory.vmas if vma.object],
        "tables": [list(process.memory.page_table.tables) for process in kernel.alive],
    }


def contents(thing: object) -> dict[str, Any]:
    """Return the attributes of a thing, as plain values."""
    return {name: _plain(value) for name, value in vars(thing).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, set):
        return set(value)
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, dict) else _copied(value)


def _copied(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


def _drawn(kernel: Kernel, word: int) -> str:
    if not word & PRESENT:
        return "none"
    if word & SPECIAL:
        return "[present, special]"
    rights = "[present, write]" if word & WRITE else "[present]"
    sharers = kernel.frames.sharers[frame_of(np.array([word], np.uint64))[0]]
    return f"{rights} sharers {sharers}"


def fault_rows(records: Records) -> list[FaultRow]:
    """Return the recorded faults one by one."""
    return [FaultRow(*row) for row in records.fault_table().itertuples(index=False)]
