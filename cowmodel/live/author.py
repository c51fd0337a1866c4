"""An author of random scenarios, which are drawn operation by operation.

What a kernel would refuse outright (advice about pages that are not mapped, or are locked) is not drawn,
since a refusal is no count.
"""

from dataclasses import dataclass, field

import numpy as np

from cowmodel.kernel.advice import POPULATE

_MOST_PAGES, _MOST_HUGE, _MOST_PROCESSES, _MOST_REGIONS = 96, 4, 4, 6
_FILE, _FILESHARED = (f"{kind} pages={{pages}} page=4k file=F{{start}}" for kind in ("file", "fileshared"))
_BASE, _SHARED = (f"{kind} pages={{pages}} page=4k" for kind in ("anon", "shared"))
_HUGETLB = tuple(f"{kind} size={{huge}}m page=hugetlb" for kind in ("anon", "anon", "anon", "shared"))
_THP, _MTHP = "anon pages={many} page=thp{shift}", "anon pages={pages} page=mthp{shift}"
BACKINGS = {
    "base": (_BASE,),
    "shared": (_SHARED,),
    "hugetlb": _HUGETLB,
    "thp": (_THP,),
    "mthp": (_MTHP,),
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


@dataclass
class _Region:
    """What a process may ask of a region: which it has, has locked or perhaps pinned, and a child gets.

    `made_of` is how it was mapped; where that is huge pages, they are what is counted.
    """

    made_of: str
    mapped: np.ndarray
    locked: np.ndarray
    inherited: np.ndarray
    pinned: np.ndarray

    @property
    def huge(self) -> bool:
        return "hugetlb" in self.made_of

    def child(self) -> "_Region":
        return _Region(
            self.made_of,
            self.mapped & self.inherited,
            self.locked & False,
            self.inherited.copy(),
            self.pinned & False,
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
            [self._mprotect, self._munmap, self._mlock, self._mremap, self._pin, self._pin, self._unpin]
            + [self._vfork]
            + [self._map] * (self.backing in _MAPPING_LATER)
            + [self._merge] * (_BASE in BACKINGS[self.backing])
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
        start = str(self.rng.choice(["", "", " from=64k", " from=212k"]))  # the end may be behind the file's
        made = way.format(pages=pages, huge=2 * huge, many=many, shift=shift, start=start)
        self.lines.append(f"map {proc} {name} {made}")
        yes, no = np.ones(units, bool), np.zeros(units, bool)
        self._processes[proc][name] = _Region(way, yes, no, yes.copy(), no.copy())

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
        choices = [*POPULATE, "dontfork"] + ["dontneed"] * (not region.locked[part].any())
        choices += ["wipeonfork"] * (region.made_of.startswith("anon") and not region.huge)
        freed = region.made_of in (_BASE, _MTHP, _THP) and not region.locked[part].any()
        choices += ["free", "free"] * freed
        advice = str(self.rng.choice(choices))
        if region.mapped[part].all():
            region.inherited[part] &= advice != "dontfork"
            self.lines.append(f"madvise {proc} {name} {_pages(region, first, last)} {advice}")

    def _mprotect(self, proc: str) -> None:
        name, region = self._pick(proc)
        first, last = self._span(region)
        if region.mapped[first : last + 1].all():
            rights = str(self.rng.choice(["none", "r", "rw", "rw"]))
            self.lines.append(f"mprotect {proc} {name} {_pages(region, first, last)} {rights}")

    def _mremap(self, proc: str) -> None:
        name, region = self._pick(proc)
        if region.mapped[0] and not region.huge:  # the kernel wants to find something at the start
            self.lines.append(f"mremap {proc} {name}")

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

    def _pin(self, proc: str) -> None:
        name, region = self._pick(proc)
        first, last = self._span(region)
        part = slice(first, last + 1)
        # a fork copies whole huge pages that are pinned, and is refused without them
        if not region.huge and region.made_of != _FILESHARED and region.mapped[part].all():
            region.pinned[part] = True
            self.lines.append(f"pin {proc} {name} {_pages(region, first, last)}")

    def _unpin(self, proc: str) -> None:
        name, region = self._pick(proc)
        region.pinned[:] = False
        self.lines.append(f"unpin {proc} {name}")

    def _merge(self, proc: str) -> None:
        name, region = self._pick(proc)
        first, last = self._span(region)
        free = region.mapped & ~region.pinned
        possible = free[first : last + 1].all() and region.made_of == _BASE
        if possible and not any(line.startswith("merge") for line in self.lines):
            self.lines.append(f"merge {proc} {name} {_pages(region, first, last)}")

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
