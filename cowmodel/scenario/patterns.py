"""Which pages an access line touches, in order.

Every pattern is a frozen value whose `indices` are the same in any implementation: random ones come from
splitmix64 with the seed in the text, never from a library's generator.

References
----------
Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014 (splitmix64).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cowmodel.hardware.paging import Numbers, Words

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class Pattern(Protocol):
    """Indices of units of a region, each from `lowest` to `highest`."""

    @property
    def lowest(self) -> int:
        """Smallest index."""

    @property
    def highest(self) -> int:
        """Largest index."""

    def __len__(self) -> int:
        """Return how many indices there are."""

    def indices(self) -> Numbers:
        """Return the indices in the order of the accesses, int64[n]."""


def draws(seed: int, count: int, skip: int = 0) -> Words:
    """Return draws number `skip` to `skip + count` of splitmix64, uint64[count].

    Examples
    --------
    >>> [hex(draw) for draw in draws(1, 3)]
    ['0x910a2dec89025cc1', '0xbeeb8da1658eec67', '0xf893a2eefb32555e']
    """
    state = np.uint64(seed) + _STEP * np.arange(skip + 1, skip + count + 1, dtype=np.uint64)
    state = (state ^ state >> np.uint64(30)) * _FIRST
    state = (state ^ state >> np.uint64(27)) * _SECOND
    return state ^ state >> np.uint64(31)


def shuffled(seed: int, first: int, last: int) -> Numbers:
    """Return first..last in an order that `seed` decides (Fisher and Yates, from the last down)."""
    order = list(range(first, last + 1))
    places = np.arange(len(order) - 1, 0, -1)
    partners = draws(seed, len(places)) % (places + 1).astype(np.uint64)
    for place, partner in zip(places.tolist(), partners.tolist(), strict=True):
        order[place], order[partner] = order[partner], order[place]
    return np.array(order, np.int64)


@dataclass(frozen=True)
class Run:
    """Every `step`-th index of lowest..highest, both ends included, from the end if `backwards`."""

    lowest: int
    highest: int
    step: int = 1
    backwards: bool = False

    def __len__(self) -> int:
        """Return how many indices there are."""
        return (self.highest - self.lowest) // self.step + 1

    def indices(self) -> Numbers:
        """Return the indices in the order of the accesses."""
        rising = np.arange(self.lowest, self.highest + 1, self.step, dtype=np.int64)
        return rising[::-1] if self.backwards else rising


@dataclass(frozen=True)
class Listed:
    """The indices of some runs, one run after the other."""

    runs: tuple[Run, ...]

    @property
    def lowest(self) -> int:
        """Smallest index."""
        return min(run.lowest for run in self.runs)

    @property
    def highest(self) -> int:
        """Largest index."""
        return max(run.highest for run in self.runs)

    def __len__(self) -> int:
        """Return how many indices there are."""
        return sum(map(len, self.runs))

    def indices(self) -> Numbers:
        """Return the indices in the order of the accesses."""
        return np.concatenate([run.indices() for run in self.runs])


@dataclass(frozen=True)
class Drawn:
    """`count` indices of lowest..highest, made from a seed."""

    lowest: int
    highest: int
    count: int
    seed: int

    def __len__(self) -> int:
        """Return how many indices there are."""
        return self.count


@dataclass(frozen=True)
class Random(Drawn):
    """`count` draws from lowest..highest, with repeats."""

    def indices(self) -> Numbers:
        """Return the indices in the order of the accesses."""
        span = np.uint64(self.highest - self.lowest + 1)
        return self.lowest + (draws(self.seed, self.count) % span).astype(np.int64)


@dataclass(frozen=True)
class Shuffle(Drawn):
    """The first `count` of lowest..highest, shuffled: no index twice."""

    def indices(self) -> Numbers:
        """Return the indices in the order of the accesses."""
        return shuffled(self.seed, self.lowest, self.highest)[: self.count]


@dataclass(frozen=True)
class Zipf(Drawn):
    """`count` draws from lowest..highest with weights 1, 2 ** -skew, 3 ** -skew ... over a shuffle."""

    skew: float

    def indices(self) -> Numbers:
        """Return the indices in the order of the accesses."""
        pages = shuffled(self.seed, self.lowest, self.highest)
        # Python's power is the C library's; that of numpy may differ in the last bit
        sums = np.cumsum([rank**-self.skew for rank in range(1, len(pages) + 1)])
        bits = draws(self.seed, self.count, skip=len(pages) - 1) >> np.uint64(11)
        aims = bits.astype(np.float64) / 2.0**53 * sums[-1]
        ranks = np.searchsorted(sums, aims, side="right")
        within = np.minimum(ranks, len(pages) - 1)  # rounding may reach the sum itself
        scattered: Numbers = pages[within]
        return scattered
