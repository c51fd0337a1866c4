"""Scenarios that prices are tried on: none of them is a benchmark from which prices come."""

import os
from collections.abc import Iterator

from cowmodel.live.benchmarks import Benchmark, benchmark, full_size
from cowmodel.units import parse_size

_FORKS = """
{settings}
map P0 A anon size={size} page={page}
touch P0 A all{unit}
fork P0 P1
exit P1
fork P0 P2
exit P2
munmap P0 A
"""
_STORM = """
map P0 A anon size={size} page=4k
touch P0 A {order}
fork P0 P1
write P1 A {order}
write P0 A {order}
exit P1
munmap P0 A
"""
_HUGE_STORM = """
{settings}
map P0 A anon size={size} page={page}
touch P0 A all unit=2m
fork P0 P1
write P0 A shuffle seed=5 unit=2m
exit P1
write P0 A all unit=2m
munmap P0 A
"""
_SNAPSHOT = """
map P0 A anon size={size} page=4k
touch P0 A all
fork P0 P1
write P0 A {order}
exit P1
write P0 A {order}
munmap P0 A
"""
_CHAIN = """
map P0 A anon size={size} page=4k
touch P0 A all
fork P0 P1
write P1 A 0-511
fork P1 P2
write P2 A 256-767
fork P2 P3
write P3 A all
write P0 A all
exit P3
exit P2
exit P1
write P0 A all
munmap P0 A
"""
_FOLIOS = "set mthp 256k=madvise 2m=never"
_BACKINGS = {
    "base": ("", "4k", "", ("1m", "8m", "128m", "512m", "2g")),
    "thp": ("", "thp", " unit=2m", ("32m", "512m", "2g")),
    "mthp": (_FOLIOS, "mthp", "", ("32m", "512m")),
    "hugetlb": ("set hugepages {pool}", "hugetlb", " unit=2m", ("32m", "512m", "2g")),
}


def unseen() -> Iterator[Benchmark]:
    """Yield all for which there is memory: of which they may have half."""
    most = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4  # copies take as much again
    for name, text in _texts(most):
        yield benchmark(name, text)


def _texts(most: int) -> Iterator[tuple[str, str]]:
    for backing, (settings, page, unit, sizes) in _BACKINGS.items():
        for size in sizes:
            if parse_size(full_size(size)) <= most:
                pool = settings.format(pool=parse_size(full_size(size)) >> 21)
                text = _FORKS.format(settings=pool, size=size, page=page, unit=unit)
                yield f"forks-{backing}-{size}", text
    for size, pages in {"1m": 1 << 8, "32m": 1 << 13, "512m": 1 << 17}.items():
        for name, order in _orders(pages).items():
            yield f"storm-base-{size}-{name}", _STORM.format(size=size, order=order)
    for size in ("32m", "512m"):
        pool = f"set hugepages {parse_size(full_size(size)) >> 20}"
        for page, settings in {"thp": "", "hugetlb": pool}.items():
            text = _HUGE_STORM.format(settings=settings, size=size, page=page)
            yield f"storm-{page}-{size}", text
        yield f"chain-base-{size}", _CHAIN.format(size=size)
    for name, order in {"uniform": "random n=40000 seed=11", "zipf": "zipf n=40000 s=0.99 seed=11"}.items():
        yield f"snapshot-base-128m-{name}", _SNAPSHOT.format(size="128m", order=order)


def _orders(pages: int) -> dict[str, str]:
    return {
        "in-order": "all",
        "backwards": f"range 0-{pages - 1} rev",
        "stride": f"stride 0-{pages - 1} 7",
        "shuffled": "shuffle seed=7",
        "zipf": f"zipf n={pages} s=0.99 seed=7",
    }
