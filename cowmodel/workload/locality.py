"""Where in a heap a program writes: which objects, and on which pages these lie.

uniform                every object equally often
zipf S                 the k-th most popular with weight k^-S, popularity scattered over the heap
hot SHARE of PART      that share of the writes goes to that part of the objects, at the heap's start
sequential             one after the other, and again from the start
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from cowmodel.errors import ConfigError, suggest
from cowmodel.hardware.paging import Numbers
from cowmodel.workload.parameters import Parsed

Draw = Callable[[int], Numbers]
"""From a count to that many object numbers, int64[count]."""


@dataclass(frozen=True)
class Locality:
    """A way to choose objects, by name, and its numbers."""

    name: str
    numbers: tuple[float, ...]

    def draw(self, objects: int, rng: np.random.Generator) -> Draw:
        """Return a function that draws among `objects` objects."""
        return LOCALITIES[self.name](objects, rng, *self.numbers)


def _uniform(objects: int, rng: np.random.Generator) -> Draw:
    return lambda count: rng.integers(objects, size=count)


def _zipf(objects: int, rng: np.random.Generator, exponent: float) -> Draw:
    cumulative = np.cumsum(np.arange(1, objects + 1) ** -exponent)
    scattered = rng.permutation(objects)
    return lambda count: scattered[np.searchsorted(cumulative, rng.random(count) * cumulative[-1])]


def _hot(objects: int, rng: np.random.Generator, share: float, part: float) -> Draw:
    hot = min(max(1, round(objects * part)), objects)

    share = share if hot < objects else 1.0

    def draw(count: int) -> Numbers:
        where = rng.random(count)  # one draw an object: how many are asked for at once must not matter
        warm = where < share
        inside = np.where(warm, where / share, (where - share) / (1 - share or 1))
        numbers = np.where(warm, inside * hot, hot + inside * (objects - hot)).astype(np.int64)
        return np.minimum(numbers, objects - 1)

    return draw


def _sequential(objects: int, rng: np.random.Generator) -> Draw:
    numbers = itertools.count()
    return lambda count: np.fromiter(itertools.islice(numbers, count), np.int64, count) % objects


LOCALITIES: dict[str, Callable[..., Draw]] = {
    "uniform": _uniform,
    "zipf": _zipf,
    "hot": _hot,
    "sequential": _sequential,
}
_NUMBER = r"(\d+(?:\.\d+)?)"
_FORMS = {  # the form of each, and an example
    "uniform": ("uniform", "uniform"),
    "zipf": (f"zipf {_NUMBER}", "zipf 0.99"),
    "hot": (f"hot {_NUMBER} of {_NUMBER}", "hot 0.9 of 0.1"),
    "sequential": ("sequential", "sequential"),
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


def object_accesses(objects: Numbers, object_bytes: int, page_bytes: int) -> tuple[Numbers, Numbers]:
    """Return the pages on which objects lie and the bytes of the object on each.

    Parameters
    ----------
    objects : int64[n]
        Object numbers; object i lies at byte i * object_bytes.
    object_bytes, page_bytes : int

    Returns
    -------
    pages, written : int64[m]
        m >= n, since an object may lie on several pages.

    Examples
    --------
    >>> object_accesses(np.array([1]), 3000, 4096)
    (array([0, 1]), array([1096, 1904]))
    """
    starts, ends = objects * object_bytes, (objects + 1) * object_bytes
    counts = (ends - 1) // page_bytes - starts // page_bytes + 1
    owner = np.repeat(np.arange(len(objects)), counts)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    pages = starts[owner] // page_bytes + nth
    lower = np.maximum(starts[owner], pages * page_bytes)
    return pages, np.minimum(ends[owner], (pages + 1) * page_bytes) - lower
