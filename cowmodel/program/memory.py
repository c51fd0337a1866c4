"""What a program does with its memory: the verbs of the kernel in simulated time, and bursts of accesses.

Pages are numbered from the start of a mapping as `mmap` gave it. It may have been cut since: whatever lies at
these pages now is meant.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cowmodel.engine.burst import Burst, Service
from cowmodel.errors import ConfigError, SegmentationFault
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.memory_object import MemoryObject
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import Work
from cowmodel.machine import Activity
from cowmodel.program.thread import Thread
from cowmodel.records import Span

_BURST = 1 << 16  # accesses, of which an engine's lists fit into the processor's cache


class Memory(Thread):
    """The verbs about memory; each takes the time of its work, and raises as the kernel's verb does."""

    def mmap(
        self,
        size_bytes: int,
        backing: Backing = BASE,
        shared: bool = False,
        at_page: int | None = None,
        file: MemoryObject | None = None,
        file_page: int = 0,
    ) -> Activity:
        """Map anonymous memory, or a file; return the Vma."""
        kernel, where = self.machine.kernel, (at_page, file, file_page)
        return (
            yield from self._change(
                "mmap", lambda: kernel.mmap(self.process, size_bytes, backing, shared, *where)
            )
        )

    def munmap(self, vma: Vma, first: int = 0, pages: int | None = None) -> Activity:
        """Unmap `pages` pages of `vma`, which has not been cut."""
        kernel = self.machine.kernel
        yield from self._do("munmap", lambda: kernel.munmap(self.process, vma, first, pages))

    def populate(self, vma: Vma, pages: Numbers | None = None) -> Activity:
        """Write to the pages of `vma`, not cut, that have no entry yet, all in one action."""
        vpns, kernel = None if pages is None else vma.first + pages, self.machine.kernel
        yield from self._do("populate", lambda: kernel.populate(self.process, vma, vpns))

    def mremap(self, vma: Vma, to: int) -> Activity:
        """Move what lies at the pages of `vma` to page `to`; return a Vma that numbers the pages there."""
        kernel = self.machine.kernel
        yield from self._do("mremap", lambda: kernel.mremap(self.process, vma.first, vma.pages, to))
        return replace(vma, first=to)

    def mprotect(self, vma: Vma, rights: str, first: int = 0, pages: int | None = None) -> Activity:
        """Give `pages` pages from the `first` on, by default all, the rights "none", "r" or "rw"."""
        run, kernel = _run(vma, first, pages), self.machine.kernel
        yield from self._do("mprotect", lambda: kernel.mprotect(self.process, *run, rights))

    def madvise(self, vma: Vma, advice: str, first: int = 0, pages: int | None = None) -> Activity:
        """Give advice, one of `cowmodel.kernel.advice.ADVICE`, about pages, by default all.

        The action is recorded with the advice, `madvise dontneed`, since each costs something else.
        """
        run, kernel = _run(vma, first, pages), self.machine.kernel
        yield from self._do(f"madvise {advice}", lambda: kernel.madvise(self.process, *run, advice))

    def mlock(self, vma: Vma, first: int = 0, pages: int | None = None) -> Activity:
        """Make pages, by default all, resident and let them stay."""
        run, kernel = _run(vma, first, pages), self.machine.kernel
        yield from self._do("mlock", lambda: kernel.mlock(self.process, *run))

    def pin(self, vma: Vma, first: int = 0, pages: int | None = None) -> Activity:
        """Hold pages, by default all, where they are, as input and output to them asks for."""
        run, kernel = _run(vma, first, pages), self.machine.kernel
        yield from self._do("pin", lambda: kernel.pin(self.process, *run))

    def unpin(self, vma: Vma, first: int = 0, pages: int | None = None) -> Activity:
        """Let go of what was pinned from one of these pages on, by default of any."""
        run, kernel = _run(vma, first, pages), self.machine.kernel
        yield from self._do("unpin", lambda: kernel.unpin(self.process, *run))

    def merge(self, vma: Vma, first: int = 0, pages: int | None = None) -> Activity:
        """Write the same to pages, by default all, and let the kernel make one of them."""
        run, kernel = _run(vma, first, pages), self.machine.kernel
        yield from self._do("merge", lambda: kernel.merge(self.process, *run))

    def access(
        self,
        vma: Vma,
        pages: Numbers,
        written: Numbers | int,
        earliest_ps: Numbers | None = None,
        service: Service | None = None,
    ) -> Activity:
        """Access pages of `vma`, numbered from its start, one after the other.

        Once it runs, it keeps its core in pauses as long as no other program waits for one.

        Parameters
        ----------
        vma : Vma
        pages : int64[n]
        written : int64[n] or int
            Bytes that each access writes; 0 for a read.
        earliest_ps : int64[n], optional
            When each is to begin, if all before it are over; these rise.
        service : Service, optional
            Processor time that each takes besides; when each began and was over is filled in.

        Raises
        ------
        ConfigError
            If a page is not one of `vma`.
        """
        each, all_of_it = _each(written, pages), (0, vma.pages - 1)
        burst = Burst(self.process, pages, each, earliest_ps, vma.first, all_of_it, service)
        if len(pages) and pages.view(np.uint64).max() >= vma.pages:  # negative ones are huge
            reach = f"{pages.min()} to {pages.max()}"
            raise ConfigError(f"burst: expected pages from 0 to {vma.pages - 1}, got {reach}")
        yield from self._carry_out(burst)

    def access_vpns(
        self, vpns: Numbers, written: Numbers | int, earliest_ps: Numbers | None = None
    ) -> Activity:
        """Access pages by their numbers, wherever they are mapped.

        Raises
        ------
        SegmentationFault
            If a page is outside the address space; before any access is made.
        """
        burst = Burst(self.process, vpns, _each(written, vpns), earliest_ps)
        if len(vpns) and not 0 <= vpns.min() <= vpns.max() < self.machine.kernel.geometry.user_pages:
            wrong, pid = vpns.min() if vpns.min() < 0 else vpns.max(), self.process.pid
            raise SegmentationFault(f"process {pid} accesses page {wrong:#x}, outside the address space")
        yield from self._carry_out(burst)

    def _carry_out(self, burst: Burst) -> Activity:
        for part in burst.parts(_BURST):
            while not part.finished:
                if (pause_ps := part.pauses_until_ps - self.now) > 0:
                    yield from self.sleep(self.machine.pause(pause_ps))
                core, done, since = (yield from self._on_core()), part.done, self.now
                yield self.machine.burst(core, part, self._slice_end)
                self._note(Span.ACCESSES if part.earliest_ps is None else Span.PACED, since)
                found, loads = self.machine.kernel.tlbs.taken(core)
                work = Work(hits=part.done - done, tlb_hits=found, walk_loads=loads)
                self.machine.records.action_work += work
            if part.signal:
                raise part.signal

    def _do(self, action: str, verb: Callable[[], Work]) -> Activity:
        """Let a verb that makes nothing change the mappings."""
        yield from self._change(action, lambda: (None, verb()))


def _run(vma: Vma, first: int, pages: int | None) -> tuple[int, int]:
    """Return the number of the first page that is meant, and how many are."""
    return vma.first + first, vma.pages - first if pages is None else pages


def _each(written: Numbers | int, pages: Numbers) -> Numbers:
    """Return the bytes that each access writes."""
    return np.broadcast_to(np.asarray(written, np.int64), pages.shape)
