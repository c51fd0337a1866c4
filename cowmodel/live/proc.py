"""What `/proc` says of a process: which frame each page is in, its page tables, its smaps.

References
----------
Linux, Documentation/admin-guide/mm/pagemap.rst; Documentation/filesystems/proc.rst.
"""

import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cowmodel.hardware.paging import Numbers, Words
from cowmodel.scenario.fields import ABSENT, SMAPS, ZERO, Row
from cowmodel.scenario.steps import PAGE_BYTES, Map
from cowmodel.speed.running_kernel import CannotMeasure

_PRESENT = np.uint64(1 << 63)
_FRAME = np.uint64((1 << 55) - 1)
_HUGE = 2 << 20
POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


def pagemap(pid: int, first_page: int, pages: int) -> Words:
    """Return the words of `/proc/PID/pagemap` for some pages, uint64[pages].

    Raises
    ------
    CannotMeasure
        If they cannot be read.
    """
    try:
        fd = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
    except OSError as problem:
        raise CannotMeasure(f"/proc/{pid}/pagemap: {problem.strerror}") from problem
    try:
        return np.frombuffer(os.pread(fd, pages * 8, first_page * 8), np.uint64)
    finally:
        os.close(fd)


class ZeroFrames:
    """Which frames are the zero page, the small one and the huge one; they are held while this lives.

    Attributes
    ----------
    visible : bool
        Whether this user may see frame numbers at all.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 2 * _HUGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        start = np.frombuffer(self._memory, np.uint8).ctypes.data
        inside = -start % _HUGE
        self._memory.madvise(mmap.MADV_HUGEPAGE)
        huge = self._frame(start, inside)
        self._memory.madvise(mmap.MADV_DONTNEED)
        self._memory.madvise(mmap.MADV_NOHUGEPAGE)
        self._small = self._frame(start, inside + PAGE_BYTES)
        # the head's frame: where no huge page was to be had, the same small one
        self._huge = range(huge, huge + _HUGE // PAGE_BYTES if huge != self._small else huge + 1)
        self.visible = self._small != 0

    def frames(self, words: Words) -> Numbers:
        """Return the frame of each page, as `fields` encodes it; 1 for all there are if none is visible."""
        present, found = words & _PRESENT != 0, (words & _FRAME).astype(np.int64)
        zero = (found == self._small) | (found >= self._huge.start) & (found < self._huge.stop)
        mapped = np.where(zero, ZERO, found) if self.visible else 1
        return np.where(present, mapped, ABSENT)

    def _frame(self, start: int, offset: int) -> int:
        """Read a byte, and return in which frame it is."""
        assert self._memory[offset] == 0
        return int(pagemap(os.getpid(), (start + offset) // PAGE_BYTES, 1)[0] & _FRAME)


def table_pages(pid: int) -> int:
    """Return the PTE, PMD and PUD pages of a process."""
    return int(_number(Path(f"/proc/{pid}/status").read_text(), "VmPTE")) * 1024 // PAGE_BYTES


def smaps(pid: int, region: Map) -> dict[str, int]:
    """Return what `/proc/PID/smaps` says of a region, by name, in KiB."""
    sums = dict.fromkeys(SMAPS, 0)
    for vma in _vmas(pid, region):
        sums = {name: sum_kb + _number(vma, name) for name, sum_kb in sums.items()}
    return sums


def accounted_kb(pid: int, region: Map) -> int:
    """Return how much of a region is committed: of a shared one all, once, as long as any of it is mapped."""
    vmas = list(_vmas(pid, region))
    if not region.private:
        promised = region.kind == "shared" and region.page != "hugetlb" and vmas
        return region.pages * PAGE_BYTES // 1024 if promised else 0
    return sum(_number(vma, "Size") for vma in vmas if re.search(r"^VmFlags:.* ac\b", vma, re.MULTILINE))


def committed_kb() -> int:
    """Return what all processes have committed, less the swap that a limit lets them use."""
    text = Path("/proc/meminfo").read_text()
    return _number(text, "Committed_AS") - _number(text, "SwapTotal")


def _vmas(pid: int, region: Map) -> Iterator[str]:
    """Yield what `/proc/PID/smaps` says of each mapping in a region."""
    end = region.address + region.pages * PAGE_BYTES
    text = Path(f"/proc/{pid}/smaps").read_text()
    for vma in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", text, flags=re.MULTILINE)[1:]:
        if region.address <= int(vma.partition("-")[0], 16) < end:
            yield vma


def pool() -> Row:
    """Return `pool.*`; what is reserved is a number without sign that may have gone below 0."""
    free = int((POOL / "free_hugepages").read_text())
    reserved = int((POOL / "resv_hugepages").read_text())
    return {"pool.free": free, "pool.reserved": reserved - (reserved >> 63 << 64)}


def _number(text: str, name: str) -> int:
    """Return the number behind `name:`."""
    match = re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)
    if not match:
        raise CannotMeasure(f"expected {name!r} in /proc, got none; this kernel does not tell it")
    return int(match[1])
