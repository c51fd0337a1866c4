"""Look at the model's memory as a scenario does: a region's frames, tables, and what smaps would say."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from cowmodel.hardware.paging import (
    CACHED,
    DIRTY,
    FRAME_SHIFT,
    LARGE,
    SAVED_DIRTY,
    SPECIAL,
    Numbers,
    Words,
    frame_of,
)
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from cowmodel.scenario.fields import ABSENT, POOL, SMAPS, Row
from cowmodel.scenario.steps import Map

_BELOW_ROOT = slice(1, 4)  # PTE, PMD and PUD tables, as VmPTE counts them
_PSS_SHIFT = 12  # Linux, fs/proc/task_mmu.c: PSS has so many binary places
_KIB_PAGE = 4


def frames(kernel: Kernel, process: Process, region: Map) -> Numbers:
    """Return the frame of each page of a region, as `fields` encodes it, int64[pages]."""
    pages = np.full(region.pages, ABSENT)
    for vma in vmas(process, region):
        words = _pages(kernel, process, vma)
        mapped = np.where(words == 0, ABSENT, frame_of(words))
        pages[vma.first - region.first_page : vma.end - region.first_page] = mapped
    return pages


def table_pages(process: Process) -> int:
    """Return the page-table pages of a process below the root."""
    return sum(process.memory.page_table.tables[_BELOW_ROOT])


def vmas(process: Process, region: Map) -> list[Vma]:
    """Return what is left of a region."""
    return process.memory.overlapping(region.first_page, region.first_page + region.pages)


def smaps(kernel: Kernel, process: Process, region: Map) -> Mapping[str, int]:
    """Return what `/proc/PID/smaps` would say of a region, in KiB; hugetlb pages count nowhere in it."""
    sums = Counter(dict.fromkeys(SMAPS, 0))
    for vma in vmas(process, region):
        if vma.level == 1:
            sums.update(_smaps(kernel, vma, _pages(kernel, process, vma)))
    return dict(sums)


def _smaps(kernel: Kernel, vma: Vma, words: Words) -> dict[str, int]:
    """Return the same of a mapping; a page is dirty if its entry, its frame or its object says so."""
    dirty = words & np.uint64(DIRTY | SAVED_DIRTY) != 0
    dirty |= np.isin(frame_of(words), list(kernel.frames.dirty)) | kernel.folios.dirty_of(words)
    if vma.object:
        held = vma.object.dirty[vma.offset : vma.offset + vma.pages]  # fewer behind the end of a file
        dirty[: len(held)] |= (words[: len(held)] & np.uint64(CACHED) != 0) & held
    counted = (words != 0) & (words & np.uint64(SPECIAL) == 0)
    words, dirty = words[counted], dirty[counted]
    sharers = kernel.folios.sharers(words)
    parts = int(((_KIB_PAGE << 10 + _PSS_SHIFT) // sharers).sum())
    pages = {
        "Rss": len(words),
        "Private_Dirty": int((dirty & (sharers == 1)).sum()),
        "Shared_Dirty": int((dirty & (sharers > 1)).sum()),
        "Anonymous": int((words & np.uint64(CACHED) == 0).sum()),
        "AnonHugePages": int((words & np.uint64(LARGE) != 0).sum()),
    }
    return {name: count * _KIB_PAGE for name, count in pages.items()} | {"Pss": parts >> 10 + _PSS_SHIFT}


def pool(kernel: Kernel) -> Row:
    """Return `pool.*`, as `/sys/kernel/mm/hugepages` tells it."""
    return {f"pool.{name}": getattr(kernel.hugetlb, name) for name in POOL}


def _pages(kernel: Kernel, process: Process, vma: Vma) -> Words:
    """Return an entry for each page of a mapping, 0 for none; LARGE stays where a large leaf maps it."""
    words = np.zeros(vma.pages, np.uint64)
    for level, first, last, _ in vma.runs():
        leaf = kernel.geometry.leaf_pages(level)
        heads = np.arange(first & -leaf, last + 1, leaf)
        found = process.memory.page_table.entries(heads, level)[:, None]
        if level > 1:
            found = np.where(found & np.uint64(LARGE), found, np.uint64(0))
        single = found & np.uint64(SPECIAL) != 0
        offsets = np.arange(leaf, dtype=np.uint64) << np.uint64(FRAME_SHIFT)
        each = np.where((found == 0) | single, found, found + offsets).ravel()
        words |= each[first - heads[0] :][: vma.pages]
    return words
