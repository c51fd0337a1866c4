"""What is measured to find out prices: short scenarios, each of which brings out a few terms of the cost.

Each is played twice in a row, and the second time counts: by then its frames have been in use just before, so
that no host has to back them first. Huge pages that were split the first time are not found whole again; as
many others are used in between.

Pages of large folios are touched in order, as most programs do: just after a folio was zeroed the first
access to a page of it takes up to 80 ns more than later ones, and is in the price of `filled_parts`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cowmodel.scenario.read import parse
from cowmodel.scenario.steps import Scenario
from cowmodel.units import parse_size

_FAULTS = """
map P0 A anon size={size} page=4k
touch P0 A {order}
fork P0 P1
exit P1
fork P0 P2
write P2 A {order}
write P0 A {order}
exit P2
fork P0 P3
exit P3
write P0 A {order}
munmap P0 A
"""
_FORKS = """
{setting}
map P0 A anon size={size} page={page}
touch P0 A {order}
fork P0 P1
exit P1
fork P0 P2
exit P2
munmap P0 A
"""
_ZEROS = """
map P0 A anon size={size} page=4k
read P0 A all
write P0 A all
write P0 A shuffle seed=3
read P0 A shuffle seed=3
munmap P0 A
"""
_SPARSE = """
map P0 A anon size=1g page=4k
touch P0 A stride 0-262143 512
fork P0 P1
exit P1
munmap P0 A
"""
_HUGE = """
map P0 A anon size={size} page=thp
touch P0 A all unit=2m
fork P0 P1
exit P1
fork P0 P2
write P2 A all unit=2m
write P2 A range 1-256
exit P2
write P0 A all unit=2m
munmap P0 A
"""
_POOL = """
set hugepages {pages}
map P0 A anon size={size} page=hugetlb
touch P0 A all unit=2m
fork P0 P1
write P1 A all unit=2m
write P0 A all unit=2m
exit P1
fork P0 P2
exit P2
munmap P0 A
"""
_FOLIOS = """
set mthp {kib}k=madvise 2m=never
map P0 A anon size=64m page=mthp
touch P0 A all
fork P0 P1
exit P1
fork P0 P2
exit P2
fork P0 P3
write P3 A range 0-4095
exit P3
write P0 A range 4096-8191
munmap P0 A
"""
_FILES = """
set file F 16m {place}
map P0 A file size=16m page=4k file=F
read P0 A all
write P0 A all
munmap P0 A
map P0 B fileshared size=16m page=4k file=F
read P0 B all
write P0 B all
munmap P0 B
"""
_SHARED = """
map P0 A shared size=16m page=4k
touch P0 A all
fork P0 P1
read P1 A all
exit P1
munmap P0 A
"""
_RIGHTS = """
map P0 A anon size=16m page=4k
touch P0 A all
mprotect P0 A r
mprotect P0 A rw
mprotect P0 A 0-15 r
mprotect P0 A 0-15 rw
madvise P0 A 0-511 dontneed
madvise P0 A dontneed
munmap P0 A
"""
_CALLS = """
map P0 A anon size=64k page=4k
touch P0 A all
vfork P0
vfork P0
spawn P0
forkexec P0
fork P0 P1
exit P1
fork P0 P2
exit P2
munmap P0 A
"""


class Benchmark(NamedTuple):
    """Steps to measure, and a scenario that makes them twice."""

    once: Scenario
    twice: Scenario

    @property
    def rehearsed(self) -> int:
        """Steps before those that count."""
        return len(self.twice.steps) - len(self.once.steps)


def benchmarks() -> Iterator[Benchmark]:
    """Yield all that there are."""
    seq, mixed = "all", "shuffle seed=1"
    yield benchmark("faults-512k", _FAULTS.format(size="512k", order=seq))
    yield benchmark("faults-512k-shuffled", _FAULTS.format(size="512k", order=mixed))
    yield benchmark("faults-4m", _FAULTS.format(size="4m", order=seq))
    yield benchmark("faults-4m-shuffled", _FAULTS.format(size="4m", order=mixed))
    yield benchmark("faults-64m", _FAULTS.format(size="64m", order=seq))
    yield benchmark("faults-64m-shuffled", _FAULTS.format(size="64m", order=mixed))
    yield benchmark("faults-256m-shuffled", _FAULTS.format(size="256m", order=mixed))
    yield _forks("forks-16m", "4k", "16m", seq)
    yield _forks("forks-256m", "4k", "256m", seq)
    yield _forks("forks-1g", "4k", "1g", seq)
    yield benchmark("zeros-4m", _ZEROS.format(size="4m"))
    yield benchmark("zeros-64m", _ZEROS.format(size="64m"))
    yield benchmark("sparse-1g", _SPARSE)
    yield benchmark("huge-64m", _HUGE.format(size="64m"))
    yield benchmark("huge-256m", _HUGE.format(size="256m"))
    yield benchmark("pool-64m", _POOL.format(size="64m", pages=64))
    yield benchmark("pool-512m", _POOL.format(size="512m", pages=512))
    for size in ("16m", "128m", "1g"):
        yield _forks(f"forks-huge-{size}", "thp", size, "all unit=2m")
        yield _forks(f"forks-pool-{size}", "hugetlb", size, "all unit=2m")
    yield benchmark("folios-64k", _FOLIOS.format(kib=64))
    yield benchmark("folios-1024k", _FOLIOS.format(kib=1024))
    yield benchmark("files-memory", _FILES.format(place="tmpfs"))
    yield benchmark("files-disk", _FILES.format(place="disk"))
    yield benchmark("shared-16m", _SHARED)
    yield benchmark("rights-16m", _RIGHTS)
    yield benchmark("calls", _CALLS)


def _forks(name: str, page: str, size: str, order: str) -> Benchmark:
    setting = f"set hugepages {parse_size(full_size(size)) >> 21}" if page == "hugetlb" else ""
    return benchmark(name, _FORKS.format(setting=setting, size=size, page=page, order=order))


def full_size(size: str) -> str:
    """Return a size of the scenario language as one of configurations."""
    return f"{size[:-1]} {size[-1].upper()}iB"


def benchmark(name: str, text: str) -> Benchmark:
    """Return a benchmark of a text whose steps are made twice, in regions and by processes of other names."""
    settings = [line for line in text.strip().splitlines() if line.startswith("set")]
    steps = [line for line in text.strip().splitlines() if not line.startswith("set")]
    again = [line.replace(" A", " C").replace(" B", " D") for line in steps]
    for number in (3, 2, 1):
        again = [line.replace(f"P{number}", f"P{number + 3}") for line in again]
    head = [f"name {name}", *settings]
    between = [
        line.replace(" A", " E")
        for line in steps
        if "page=thp" in steps[0] and line.startswith(("map", "touch", "munmap"))
    ]
    texts = ("\n".join([*head, *lines, ""]) for lines in (steps, steps + between + again))
    return Benchmark(*(parse(text, Path(f"{name}.scn")) for text in texts))
