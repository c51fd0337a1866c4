"""A price: what one operation takes, where the number comes from, and how sure it is.

A price may be a curve over the size of what is done at a time, since large things go another way through the
caches: straight in logarithms between its points, level outside.

    ps each  *---.___
                     `---*_________*--------      bytes of a leaf, or entries of a call
"""

from bisect import bisect
from math import exp, log
from typing import NamedTuple

LACKING = "lacking"
NORMAL_95 = 1.6448536269514722  # of a normal distribution 95 % lie below so many deviations


class Price(NamedTuple):
    """Time of one operation.

    Attributes
    ----------
    value_ps : float
        In picoseconds; of a curve, at its first point.
    source : str
        A citation, "measured ...", "assumed ..." or "lacking ...".
    points : tuple of (float, float)
        Size and picoseconds each, sizes rising; empty if the price is the same for all.
    interval_ps : (float, float) or None
        Where `value_ps` may be, with 90 % coverage: 5 % of cases lie below, 5 % above.
    """

    value_ps: float
    source: str
    points: tuple[tuple[float, float], ...] = ()
    interval_ps: tuple[float, float] | None = None

    @property
    def assumed(self) -> bool:
        """Whether nobody measured it."""
        return self.source.startswith("assumed")

    @property
    def lacking(self) -> bool:
        """Whether the preset has no such term."""
        return self.source.startswith(LACKING)

    def at(self, size: float) -> float:
        """Return the price of each of `size` that are done at a time, ps.

        Examples
        --------
        >>> round(Price(10, "x", ((1, 10), (100, 1000))).at(10))
        100
        """
        place = bisect(self.points, (size, 0.0))
        if not 0 < place < len(self.points):
            return self.points[min(place, len(self.points) - 1)][1] if self.points else self.value_ps
        (low, left), (high, right) = self.points[place - 1 : place + 1]
        return left * exp(log(right / left) * log(size / low) / log(high / low))

    def moved_to(self, value_ps: float) -> "Price":
        """Return the same with another value, and a curve that is higher or lower as a whole."""
        factor = value_ps / self.value_ps if self.points else 1.0
        points = tuple((size, price_ps * factor) for size, price_ps in self.points)
        return self._replace(value_ps=value_ps, points=points)

    def at_deviation(self, deviations: float) -> "Price":
        """Return the price that lies so many deviations from its value, as its interval says.

        Below and above the value logarithms are normally distributed; towards an end at 0, the price itself.
        """
        if self.interval_ps is None:
            return self
        end_ps, share = self.interval_ps[deviations > 0], abs(deviations) / NORMAL_95
        if min(end_ps, self.value_ps) <= 0:
            return self.moved_to(max(0.0, self.value_ps + (end_ps - self.value_ps) * share))
        return self.moved_to(self.value_ps * (end_ps / self.value_ps) ** share)
