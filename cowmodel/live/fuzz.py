"""Random scenarios on both, and the smallest of them that still differs.

A scenario is drawn operation by operation; what a kernel would refuse outright (advice about pages that are
not mapped, or are locked) is not drawn, since a refusal is no count.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cowmodel.errors import CowmodelError
from cowmodel.live.compare import Comparison, compare
from cowmodel.scenario.read import parse
from cowmodel.scenario.setup import Setup

_MOST_PAGES, _MOST_HUGE, _MOST_PROCESSES, _MOST_REGIONS = 96, 4, 4, 6
_FILE, _FILESHARED = (f"{kind} pages={{pages}} page=4k file=F" for kind in ("file", "fileshared"))
_BASE, _SHARED = (f"{kind} pages={{pages}} page=4k" for kind in ("anon", "shared"))
_HUGETLB = tuple(f"{kind} size={{huge}}m page=hugetlb" for kind in ("anon", "anon", "anon", "shared"))
_THP = "anon pages={many} page=thp{shift}"
BACKINGS = {
    "base": (_BASE,),
    "shared": (_SHARED,),
    "hugetlb": _HUGETLB,
    "thp": (_THP,),
    "mthp": ("anon pages={pages} page=mthp{shift}",),
    "folios": (_THP,),
    "file": (_FILE, _FILESHARED),
    "file-disk": (_FILE, _FILESHARED),
    "mixed": (_BASE, _SHARED, *_HUGETLB[2:], _THP, _FILE, _FILESHARED),
}
"""How regions are mapped, by what they are made of: one of several ways each."""
_SETTINGS = {
    "mthp": ["set mthp 64k=madvise 2m=never"],
    "folios": ["set mthp 16k=madvise 64k=madvise 1m=madvise 2m=inherit"],
    "file": [f"set file F {4 * _MOST_PAGES}k"],
    "file-disk": [f"set file F {4 * _MOST_PAGES}k disk"],
    "mixed": ["set mthp 64k=madvise 2m=inherit", f"set file F {4 * _MOST_PAGES}k"],
}
_MAPPING_LATER = ("file", "file-disk", "mixed")
_MOST_SPARE = 3  # hugetlb pages beside those that the regions reserve
_QUARTERS = 0.3  # of the runs of pages
_OPERATIONS = 20  # of a scenario


@dataclass
class _Region:
    """What a process may ask of a region: which pages it has, which it may write, which are locked.

    `made_of` is how it was mapped; where that is huge pages, they are what is counted.
    """

    made_of: str
    mapped: np.ndarray
    writable: np.ndarray
    locked: np.ndarray
    inherited: np.ndarray

    @property
    def huge(self) -> bool:
        return "hugetlb" in self.made_of

    def child(self) -> "_Region":
        return _Region(
            self.made_of,
            self.mapped & self.inherited,
            self.writable.copy(),
            self.locked & False,
            self.inherited.copy(),
        )


@dataclass
class Author:
    """Writes a random scenario.

    Parameters
    ----------
    rng : numpy.random.Generator
    backing : str
        One of `BACKINGS`.

    Attributes
    ----------
    settings, lines : list of str
        What is set first; the operations so far.
    """

    rng: np.random.Generator
    backing: str
    settings: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Map the regions."""
        self.settings += _SETTINGS.get(self.backing, [])
        self._processes: dict[str, dict[str, _Region]] = {"P0": {}}
        self._born, self._pooled = 1, False
        self._names = list("FEDCBA"[-_MOST_REGIONS:])
        for _ in range(int(self.rng.integers(1, 3))):
            self._map("P0")
        if any("hugetlb" in way for way in BACKINGS[self.backing]):
            reserved = sum(len(one.mapped) for one in self._processes["P0"].values() if one.huge)
            self._pooled = True
            self.settings.append(f"set hugepages {reserved + int(self.rng.integers(_MOST_SPARE + 1))}")

    def write(self, operations: int) -> None:
        """Add so many operations, less those that make no sense where they would be."""
        verbs = [self._access, self._access, self._access, self._fork, self._exit, self._madvise]
        verbs += (
            [self._mprotect, self._munmap, self._mlock]
            + [self._vfork]
            + [self._map] * (self.backing in _MAPPING_LATER)
        )
        for _ in range(operations):
            proc = str(self.rng.choice(list(self._processes)))
            verbs[int(self.rng.integers(len(verbs)))](proc)

    def _map(self, proc: str) -> None:
        if not self._names:
            return
        name, huge = self._names.pop(), int(self.rng.integers(1, _MOST_HUGE + 1))
        pages, ways = int(self.rng.integers(1, _MOST_PAGES + 1)), BACKINGS[self.backing]
        way = ways[int(self.rng.integers(len(ways)))]
        if "hugetlb" in way and self._pooled:  # more than the pool has is refused
            return
        many = int(self.rng.integers(1, _MOST_HUGE)) * 512 + int(self.rng.choice([0, 0, 0, pages]))
        shift = str(self.rng.choice(["", "", " shift=4k", " shift=64k", " shift=1m"]))
        units = huge if "hugetlb" in way else many if "many" in way else pages
        made = way.format(pages=pages, huge=2 * huge, many=many, shift=shift)
        self.lines.append(f"map {proc} {name} {made}")
        yes, no = np.ones(units, bool), np.zeros(units, bool)
        self._processes[proc][name] = _Region(way, yes, yes.copy(), no, yes.copy())

    def _access(self, proc: str) -> None:
        name, region = self._pick(proc)
        first, last = self._span(region)
        unit, seed = " unit=2m" if region.huge else "", int(self.rng.integers(1000))
        patterns = [
            *(f"{first}-{last}", f"range {first}-{last} rev", f"stride {first}-{last} 3"),
            *(f"random n=20 seed={seed} range={first}-{last}", "all"),
        ]
        pattern = patterns[int(self.rng.integers(5 if len(region.mapped) < 2 * _MOST_PAGES else 4))]
        verb = self.rng.choice(["read", "write", "write", "rmw"])
        self.lines.append(f"{verb} {proc} {name} {pattern}{unit}")

    def _fork(self, proc: str) -> None:
        if self._born < _MOST_PROCESSES:
            child, self._born = f"P{self._born}", self._born + 1
            self._processes[child] = {name: r.child() for name, r in self._processes[proc].items()}
            self.lines.append(f"fork {proc} {child}")

    def _vfork(self, proc: str) -> None:
        self.lines.append(f"{self.rng.choice(['vfork', 'spawn', 'forkexec'])} {proc}")

    def _exit(self, proc: str) -> None:
        if proc != "P0":
            del self._processes[proc]
            self.lines.append(f"exit {proc}")

    def _madvise(self, proc: str) -> None:
        name, region = self._pick(proc)
        first, last = self._span(region)
        part = slice(first, last + 1)
        choices = ["populate_read", "dontfork"] + ["dontneed"] * (not region.locked[part].any())
        choices += ["populate_write"] * bool(region.writable[part].all())
        choices += ["wipeonfork"] * (region.made_of.startswith("anon") and not region.huge)
        choices += ["free", "free"] * (region.made_of == _BASE and not region.locked[part].any())
        advice = str(self.rng.choice(choices))
        if region.mapped[part].all():
            region.inherited[part] &= advice != "dontfork"
            self.lines.append(f"madvise {proc} {name} {_pages(region, first, last)} {advice}")

    def _mprotect(self, proc: str) -> None:
        name, region = self._pick(proc)
        first, last = self._span(region)
        if region.mapped[first : last + 1].all():
            writable = bool(self.rng.integers(2))
            region.writable[first : last + 1] = writable
            rights = "rw" if writable else "r"
            self.lines.append(f"mprotect {proc} {name} {_pages(region, first, last)} {rights}")

    def _munmap(self, proc: str) -> None:
        name, region = self._pick(proc)
        first, last = self._span(region)
        whole, regions = last - first + 1 == len(region.mapped), self._processes[proc]
        if self.rng.random() < 0.3 and region.mapped[first : last + 1].all() and len(regions) > whole:
            region.mapped[first : last + 1] = False
            if whole:
                del regions[name]
            self.lines.append(f"munmap {proc} {name} {_pages(region, first, last)}")

    def _mlock(self, proc: str) -> None:
        name, region = self._pick(proc)
        first, last = self._span(region)
        if self.rng.random() < 0.3 and region.mapped[first : last + 1].all():
            region.locked[first : last + 1] = True
            self.lines.append(f"mlock {proc} {name} {_pages(region, first, last)}")

    def _pick(self, proc: str) -> tuple[str, _Region]:
        regions = self._processes[proc]
        name = str(self.rng.choice(list(regions)))
        return name, regions[name]

    def _span(self, region: _Region) -> tuple[int, int]:
        """Return a run of pages, or huge pages, of a region: from, to."""
        first, last = np.sort(self.rng.integers(len(region.mapped), size=2)).tolist()
        if len(region.mapped) > _MOST_PAGES + 1:  # a few pages, or from one huge page to another
            if self.rng.random() < 0.7:
                return first, min(last, first + int(self.rng.integers(40)))
            return first & -512, min(last | 511, len(region.mapped) - 1)
        part = max(1, len(region.mapped) // 4)
        if self.rng.random() < _QUARTERS:  # so that parts meet, and may become one again
            return first // part * part, min(last // part * part + part, len(region.mapped)) - 1
        return first, last


def _pages(region: _Region, first: int, last: int) -> str:
    """Return a run of pages, or huge pages, as pages."""
    scale = 512 if region.huge else 1
    return f"{first * scale}-{(last + 1) * scale - 1}"


def text(settings: list[str], lines: list[str]) -> str:
    """Return operations, and what is set before, as a whole scenario."""
    return "\n".join(["name fuzz", *settings, *lines]) + "\n"


@dataclass(frozen=True)
class Found:
    """What came of a random scenario: its text, shrunk if there is a difference, and the differences."""

    text: str
    operations: int
    differences: list[str]
    not_modelled: str


def tried(seed: int, number: int, backing: str, program: Path, setup: Setup) -> Found:
    """Write scenario `number` of a seed, run it on both, and shrink it if they differ."""

    def compared(lines: list[str]) -> Comparison:
        return compare(parse(text(author.settings, lines), Path("fuzz")), program, setup)

    def fails(lines: list[str]) -> bool:
        try:
            return bool(compared(lines).differences)
        except CowmodelError:  # what is left makes no sense
            return False

    author = Author(np.random.default_rng([seed, number]), backing)
    author.write(_OPERATIONS)
    came, lines = compared(author.lines), author.lines
    if came.differences:
        lines = shrunk(lines, fails)
        came = compared(lines)
    return Found(text(author.settings, lines), len(author.lines), came.differences, came.not_modelled)


def shrunk(lines: list[str], fails: Callable[[list[str]], bool]) -> list[str]:
    """Return as few of `lines` as still fail, none of which can be left out.

    Examples
    --------
    >>> shrunk(["a", "b", "c", "d"], lambda lines: {"b", "d"} <= {*lines})
    ['b', 'd']
    """
    for place in range(len(lines)):
        fewer = lines[:place] + lines[place + 1 :]
        if fails(fewer):
            return shrunk(fewer, fails)
    return lines
