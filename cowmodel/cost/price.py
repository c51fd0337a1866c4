"""A price: what one operation takes, where the number comes from, and how sure it is.

A price may be a curve over the size of what is done at a time, since large things go another way through the
caches: straight over the logarithm of the size between its points, level outside.

    ps each  *---.___
                     `---*_________*--------      bytes of a leaf, or entries of a call
"""

from bisect import bisect
from collections.abc import Sequence
from math import log
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
        >>> round(Price(10, "x", ((1, 10), (100, 30))).at(10))
        20
        """
        place = bisect(self.points, (size, 0.0))
        if not 0 < place < len(self.points):
            return self.points[min(place, len(self.points) - 1)][1] if self.points else self.value_ps
        (low, left), (high, right) = self.points[place - 1 : place + 1]
        return left + (right - left) * log(size / low) / log(high / low)

    def moved_to(self, values_ps: Sequence[float]) -> "Price":
        """Return the same with another value, or for a curve other values at its points."""
        sizes = [size for size, _ in self.points]
        points = tuple(zip(sizes, values_ps, strict=True)) if sizes else ()
        return self._replace(value_ps=values_ps[0], points=points)

    def scaled(self, factor: float) -> "Price":
        """Return a price that is higher or lower as a whole, and so is where it may be."""
        ends = self.interval_ps and (self.interval_ps[0] * factor, self.interval_ps[1] * factor)
        moved = self.moved_to([value * factor for _, value in self.points or ((0, self.value_ps),)])
        return moved._replace(interval_ps=ends)

    def at_deviation(self, deviations: float) -> "Price":
        """Return the price that lies so many deviations from its value, as its interval says.

        Below and above the value logarithms are normally distributed; towards an end at 0, the price itself.
        """
        if self.interval_ps is None:
            return self
        end_ps, share = self.interval_ps[deviations > 0], abs(deviations) / NORMAL_95
        if self.value_ps <= 0:
            return self.moved_to([end_ps * share])
        if end_ps <= 0:
            return self.scaled(max(0.0, 1 - share))
        return self.scaled((end_ps / self.value_ps) ** share)
