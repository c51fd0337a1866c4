"""What a scenario consists of: operations, one a line, and what is set before the first.

Addresses: region k lies in slot k of the address space, 512 GiB each, from the second on. So each has a
page-table page of its own at the PUD level, and none shares tables with the code that runs it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import eq, ge, le
from pathlib import Path

import numpy as np

from cowmodel.hardware.paging import Numbers
from cowmodel.scenario.patterns import Pattern

PAGE_BYTES = 4096
HUGE_BYTES = 2 << 20
SLOT_BYTES = 512 << 30
SLOTS = 160  # what is left of the lower half of 47 bits belongs to programs and stacks

BOUNDS = {"": eq, ">=": ge, "<=": le}


@dataclass(frozen=True)
class Expectation:
    """What a count should be: `field` is `bound` `value`."""

    field: str
    bound: str
    value: int

    def holds(self, count: float) -> bool:
        """Return whether `count` is as expected."""
        return bool(BOUNDS[self.bound](count, self.value))

    def __str__(self) -> str:
        """Return it as a scenario writes it."""
        return f"{self.field} {self.bound}{self.value}"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation.

    Attributes
    ----------
    number, line : int
        Which operation it is, counted from 1, repeats unrolled; its line in the file.
    op, proc : str
        Its first word; the process that does it.
    expected : tuple of Expectation
    region, child : str
        What it acts on, and whom it makes; empty if nothing or nobody.
    group : int
        Accesses of one group run at the same time; 0 for a step by itself.
    text : str
        The words of its line, the number of an iteration put in.
    """

    number: int
    line: int
    op: str
    proc: str
    expected: tuple[Expectation, ...]
    region: str = ""
    child: str = ""
    group: int = 0
    text: str = ""

    @property
    def feature(self) -> str:
        """What of a kernel the step asks for."""
        return self.op


@dataclass(frozen=True, kw_only=True)
class Map(Step):
    """A new region.

    Attributes
    ----------
    kind : {'anon', 'shared', 'file', 'fileshared'}
    page : {'4k', 'thp', 'mthp', 'hugetlb'}
    pages : int
        4 KiB pages.
    shift_bytes, slot : int
        The region starts so far inside slot number `slot` of the address space.
    file : str or None
    from_bytes : int
        Where in the file it starts.
    """

    kind: str
    page: str
    pages: int
    shift_bytes: int
    slot: int
    file: str | None
    from_bytes: int = 0

    @property
    def address(self) -> int:
        """First byte."""
        return (1 + self.slot) * SLOT_BYTES + self.shift_bytes

    @property
    def first_page(self) -> int:
        """Number of the first 4 KiB page."""
        return self.address // PAGE_BYTES

    @property
    def private(self) -> bool:
        """Whether writes are the process's own."""
        return self.kind in ("anon", "file")

    @property
    def feature(self) -> str:
        """What of a kernel the step asks for."""
        return f"map {self.kind} page={self.page}"


@dataclass(frozen=True, kw_only=True)
class Access(Step):
    """Accesses of one byte each.

    Attributes
    ----------
    pattern : Pattern
    write : bool
    unit_bytes, offset_bytes : int
        What an index counts; the byte of the unit that is accessed.
    cpu : int or None
    """

    pattern: Pattern
    write: bool
    unit_bytes: int
    offset_bytes: int
    cpu: int | None

    def offsets(self) -> Numbers:
        """Return the bytes accessed, counted from the start of the region, int64[n]."""
        return self.pattern.indices() * self.unit_bytes + self.offset_bytes

    def pages(self) -> Numbers:
        """Return the 4 KiB page of each access, counted from the start of the region, int64[n]."""
        return self.offsets() // PAGE_BYTES

    def distinct(self) -> Numbers:
        """Return the pages, each once, rising."""
        return np.unique(self.pages())


@dataclass(frozen=True, kw_only=True)
class Ranged(Step):
    """munmap, madvise, mprotect, mlock, pin, unpin or merge of the 4 KiB pages first..last of a region.

    Attributes
    ----------
    first, last : int
    how : str
        What madvise advises, or the rights that mprotect leaves; otherwise empty.
    """

    first: int
    last: int
    how: str = ""

    @property
    def feature(self) -> str:
        """What of a kernel the step asks for."""
        return f"{self.op} {self.how}".strip()


@dataclass(frozen=True, kw_only=True)
class Move(Step):
    """mremap of a region to another slot of the address space.

    Attributes
    ----------
    there : Map
        The region as it is afterwards, for the process that moves it.
    """

    there: Map


@dataclass(frozen=True, kw_only=True)
class Fork(Step):
    """A new process `child`."""


@dataclass(frozen=True, kw_only=True)
class Plain(Step):
    """What needs no more than a process: exit; vfork, spawn or forkexec of a program that ends at once."""


@dataclass(frozen=True, kw_only=True)
class Stat(Step):
    """A look at every live process and region."""


@dataclass(frozen=True)
class Backed:
    """A file to map: its size, and whether it is on a disk."""

    size_bytes: int
    disk: bool


@dataclass(frozen=True)
class Settings:
    """What is set before the first operation.

    Attributes
    ----------
    mthp : mapping of int to str
        When anonymous memory may use folios of so many bytes.
    hugepages : int or None
        2 MiB pages in the hugetlb pool.
    files : mapping of str to Backed
    commit_bytes : int or None
        What the kernel promises the scenario's processes, in all; None for any amount.
    """

    mthp: Mapping[int, str]
    hugepages: int | None
    files: Mapping[str, Backed]
    commit_bytes: int | None = None

    @property
    def folio_bytes(self) -> tuple[int, ...]:
        """Sizes of folios that regions may have which ask for large ones; by default 2 MiB."""
        sizes = {HUGE_BYTES: "inherit", **self.mthp}
        return tuple(size for size, when in sizes.items() if when != "never")


@dataclass(frozen=True)
class Scenario:
    """A text that was read.

    Attributes
    ----------
    path : Path
    name : str
    settings : Settings
    steps : tuple of Step
        Repeats are unrolled.
    """

    path: Path
    name: str
    settings: Settings
    steps: tuple[Step, ...]

    @property
    def processes(self) -> list[str]:
        """Names of all processes, the first to live first."""
        return list(dict.fromkeys(["P0", *(step.child for step in self.steps if step.child)]))

    def groups(self) -> Iterator[list[Step]]:
        """Yield steps that are carried out at the same time, one group after the other; most are alone."""
        for _, group in groupby(self.steps, key=lambda step: (step.group, 0 if step.group else step.number)):
            yield list(group)

    def where(self, step: Step) -> str:
        """Return file, line and operation, for a message."""
        return f"{self.path}:{step.line}: {step.feature}"


def longest(scenario: Scenario) -> int:
    """Return the accesses of the longest step or group."""
    groups = ([step for step in group if isinstance(step, Access)] for group in scenario.groups())
    return max((sum(len(step.pattern) for step in group) for group in groups), default=0)
