"""Where in a heap a program writes: which objects, and on which pages these lie.

uniform                every object equally often
zipf S                 the k-th most popular with weight k^-S, popularity scattered over the heap
hot SHARE of PART      that share of the writes goes to that part of the objects, at the heap's start
sequential             one after the other, and again from the start
strided N              every N-th, then every N-th from the second on, and so on: each once a round
permutation            each once a round, in a new random order every round
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from cowmodel.errors import ConfigError, suggest
from cowmodel.hardware.paging import Numbers
from cowmodel.workload.parameters import Parsed

Draw = Callable[[int], Numbers]
"""From a count to that many object numbers, int64[count]."""
Blocks = Iterator[Numbers]
"""Object numbers without end. No caller chooses how many at a time, so that no number depends on it."""
Reals = NDArray[np.float64]

_BLOCK = 16_384  # objects: many for one call of NumPy, few enough for the second-level cache


@dataclass(frozen=True)
class Locality:
    """A way to choose objects, by name, and its numbers."""

    name: str
    numbers: tuple[float, ...]

    def draw(self, objects: int, rng: np.random.Generator) -> Draw:
        """Return a function that draws among `objects` objects, ahead of need: `rng` is its own."""
        return _handed_out(LOCALITIES[self.name](objects, rng, *self.numbers))


def _handed_out(blocks: Blocks) -> Draw:
    """Return a function that hands out as many object numbers as it is asked for."""
    block, used = next(blocks), 0

    def draw(count: int) -> Numbers:
        nonlocal block, used
        if used + count <= len(block):
            used += count
            return block[used - count : used]
        drawn, done = np.empty(count, np.int64), 0
        while done < count:
            if used == len(block):
                block, used = next(blocks), 0
            part = block[used : used + count - done]
            drawn[done : done + len(part)] = part
            done, used = done + len(part), used + len(part)
        return drawn

    return draw


def _uniform(objects: int, rng: np.random.Generator) -> Blocks:
    while True:
        yield rng.integers(objects, size=_BLOCK)


def _zipf(objects: int, rng: np.random.Generator, exponent: float) -> Blocks:
    thresholds, aliases = alias_table(zipf_weights(objects, rng, exponent))
    table = thresholds + 1j * aliases  # side by side, so that a draw waits for memory once
    del thresholds, aliases
    while True:
        where = rng.random(_BLOCK) * objects
        columns = where.astype(np.int64)
        entries = table.take(columns)
        yield np.where(where - columns < entries.real, columns, entries.imag).astype(np.int64)


def zipf_weights(objects: int, rng: np.random.Generator, exponent: float) -> Reals:
    """Return the weight of each object, float64[objects]; which is the k-th most popular is random."""
    weights = np.empty(objects)
    weights[rng.permutation(objects)] = np.arange(1, objects + 1) ** -exponent
    return weights


def alias_table(weights: Reals) -> tuple[Reals, Numbers]:
    """Return a table from which one uniform number draws an object with a chance as its weight.

    The weights stand in columns, which are levelled at their mean: what a heavy object has above it fills the
    room over light ones, in order; where that leaves room over itself, the next heavy one fills it::

          b
          b   d
          b   d
        - b - d -  ->  b d b d
          b   d        b d b d
        a b   d        a b b d
        a b c d        a b c d

    Parameters
    ----------
    weights : float64[n]
        At least 0, one of them above 0.

    Returns
    -------
    thresholds : float64[n]
        The part of a column, from 0 to 1, that is its own object's.
    aliases : int64[n]
        Whose the part above it is.

    References
    ----------
    Vose, A Linear Algorithm for Generating Random Numbers with a Given Distribution, 1991. To fill in this
    order, so that running sums say who fills what, is Hübschle-Schneider and Sanders, Parallel Weighted
    Random Sampling, 2019.

    Examples
    --------
    >>> alias_table(np.array([2.0, 7.0, 1.0, 6.0]))
    (array([0.5 , 0.5 , 0.25, 1.  ]), array([1, 3, 1, 3]))
    """
    thresholds = weights * (len(weights) / weights.sum())
    are_heavy = thresholds >= min(1.0, thresholds.max())  # one at least, however the sum was rounded
    heavy, light = np.flatnonzero(are_heavy), np.flatnonzero(~are_heavy)
    given = np.cumsum(thresholds[heavy] - 1)  # by the heavy ones up to and with each
    room = np.zeros(len(light) + 1)  # above the light ones before each, and above all
    np.cumsum(1 - thresholds[light], out=room[1:])
    aliases = np.empty(len(weights), np.int64)
    aliases[light] = heavy.take(np.searchsorted(given, room[:-1], side="right"), mode="clip")
    aliases[heavy] = heavy.take(np.arange(1, len(heavy) + 1), mode="clip")
    thresholds[heavy] = np.clip(1 + given - room.take(np.searchsorted(room, given), mode="clip"), 0, 1)
    return thresholds, aliases


def _hot(objects: int, rng: np.random.Generator, share: float, part: float) -> Blocks:
    hot = min(max(1, round(objects * part)), objects)
    share = share if hot < objects else 1.0
    while True:
        where = rng.random(_BLOCK)
        warm = where < share
        inside = np.where(warm, where / share, (where - share) / (1 - share or 1))
        numbers = np.where(warm, inside * hot, hot + inside * (objects - hot)).astype(np.int64)
        yield np.minimum(numbers, objects - 1)


def _sequential(objects: int, rng: np.random.Generator) -> Blocks:
    for start in itertools.count(0, _BLOCK):
        yield np.arange(start, start + _BLOCK) % objects


def _strided(objects: int, rng: np.random.Generator, stride: float) -> Blocks:
    step = min(int(stride), objects)
    length, longer = divmod(objects, step)  # of `step` passes over the heap, `longer` have one object more
    for nth in _sequential(objects, rng):
        passes = np.maximum(nth // (length + 1), (nth - longer) // length)
        yield passes + step * (nth - passes * length - np.minimum(passes, longer))


def _permutation(objects: int, rng: np.random.Generator) -> Blocks:
    rounds = np.tile(np.arange(objects), (-(-_BLOCK // objects), 1))
    while True:
        yield rng.permuted(rounds, axis=1).ravel()


LOCALITIES: dict[str, Callable[..., Blocks]] = {
    "uniform": _uniform,
    "zipf": _zipf,
    "hot": _hot,
    "sequential": _sequential,
    "strided": _strided,
    "permutation": _permutation,
}
_NUMBER = r"(\d+(?:\.\d+)?)"
_FORMS = {  # the form of each, and an example
    "uniform": ("uniform", "uniform"),
    "zipf": (f"zipf {_NUMBER}", "zipf 0.99"),
    "hot": (f"hot {_NUMBER} of {_NUMBER}", "hot 0.9 of 0.1"),
    "sequential": ("sequential", "sequential"),
    "strided": (r"strided ([1-9]\d{0,9})", "strided 16"),
    "permutation": ("permutation", "permutation"),
}


def parse_locality(text: str) -> Locality:
    """Read a locality.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> parse_locality("hot 0.9 of 0.1")
    Locality(name='hot', numbers=(0.9, 0.1))
    """
    name = text.split(maxsplit=1)[0] if text.strip() else ""
    if name not in LOCALITIES:
        raise ConfigError(suggest("", name, LOCALITIES))
    form, example = _FORMS[name]
    found = re.fullmatch(form, " ".join(text.split()))
    numbers = tuple(map(float, found.groups())) if found else ()
    if not found or (name == "hot" and not all(0 < number <= 1 for number in numbers)):
        raise ConfigError(f"expected a locality such as {example!r}, got {text!r}")
    return Locality(name, numbers)


WriteLocality = Annotated[Locality, Parsed("a locality such as 'uniform' or 'zipf 0.99'", parse_locality)]


def object_accesses(objects: Numbers, object_bytes: int, page_bytes: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return the pages on which objects lie and the bytes of the object on each.

    Parameters
    ----------
    objects : int64[n]
        Object numbers; object i lies at byte i * object_bytes.
    object_bytes, page_bytes : int

    Returns
    -------
    owner, pages, written : int64[m]
        Place in `objects`, page and bytes; m >= n, since an object may lie on several pages.

    Examples
    --------
    >>> object_accesses(np.array([1]), 3000, 4096)
    (array([0, 0]), array([0, 1]), array([1096, 1904]))
    """
    starts, ends = objects * object_bytes, (objects + 1) * object_bytes
    counts = (ends - 1) // page_bytes - starts // page_bytes + 1
    owner = np.repeat(np.arange(len(objects)), counts)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    pages = starts[owner] // page_bytes + nth
    lower = np.maximum(starts[owner], pages * page_bytes)
    return owner, pages, np.minimum(ends[owner], (pages + 1) * page_bytes) - lower
