"""The one form that every trace takes: columns of records, and what happens between them.

A fork or an exit happens just *before* record `at_record`; where both stand at one record,
forks come first::

    record      0    1    2  |  3    4    5  |  6
    process     0    0    0  |  1    0    1  |  0
                       Fork(0, 1, 3)   Exit(1, 6)
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Area:
    """A run of pages that were mapped together, `pages` long, from `first_page` on."""

    name: str
    first_page: int
    pages: int


@dataclass(frozen=True)
class Fork:
    """Process `parent` makes process `child` just before record `at_record`."""

    parent: int
    child: int
    at_record: int


@dataclass(frozen=True)
class Exit:
    """Process `process` ends just before record `at_record`, at `time_ps` if times are known."""

    process: int
    at_record: int
    time_ps: int | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """What processes did with their memory, in the order in which they did it.

    Attributes
    ----------
    name : str
        Name of the file or folder, without endings.
    time_ps : int64[n] or None
        Picoseconds since the fork (before it: negative), never decreasing. None when the trace
        only has an order.
    process : int32[n]
        Who: 0 is the root, the others are numbered in the order of their forks.
    page : int64[n]
        Where: a page of one of the areas.
    write : bool[n]
        Whether the record stands for a write (and maybe reads) or for reads only.
    count : int64[n]
        Accesses merged into the record, at least 1.
    expects_fault : bool[n] or None
        Whether the page was present and write-protected at this write, so that a correct model
        copies or flips here. None when the trace does not tell.
    areas : tuple of Area
        The page space, by rising `first_page`. Areas are laid one after another and do not
        share a group of 512 pages; the holes between them are not mapped.
    forks, exits : tuple of Fork, tuple of Exit
        By rising `at_record`. A process without an exit outlives the trace.
    page_bytes : int
        Size of a page.
    """

    name: str
    time_ps: Integers | None
    process: npt.NDArray[np.int32]
    page: Integers
    write: Flags
    count: Integers
    expects_fault: Flags | None
    areas: tuple[Area, ...]
    forks: tuple[Fork, ...] = ()
    exits: tuple[Exit, ...] = ()
    page_bytes: int = 4096

    @property
    def records(self) -> int:
        """Number of records, n."""
        return len(self.page)

    @property
    def processes(self) -> int:
        """Number of processes, the root among them."""
        return 1 + len(self.forks)

    @property
    def pages(self) -> int:
        """Size of the page space, holes between areas included."""
        return max(area.first_page + area.pages for area in self.areas)

    def resident_pages(self) -> Integers:
        """Pages that must be resident before the first record: the parent's history.

        These are the pages that some process finds present at its first record of them. A trace
        that does not tell (`expects_fault` is None) has its history among its records.

        Returns
        -------
        int64[k]
            Page numbers, rising, each once.
        """
        if self.expects_fault is None:
            return np.empty(0, dtype=np.int64)
        whose = self.process.astype(np.int64) * self.pages + self.page
        _, first = np.unique(whose, return_index=True)
        return np.unique(self.page[first[self.expects_fault[first]]])
