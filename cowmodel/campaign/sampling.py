"""Designs that fill a box of ranges with few points: a Sobol sequence, a Latin hypercube.

Both are random by a seed, and made by `scipy.stats.qmc`. Where both ends of a range are whole numbers, all
whole numbers from the one to the other come equally often (on the scale asked for).

References
----------
Owen, "Scrambling Sobol' and Niederreiter-Xing points", J. Complexity 14 (1998). McKay, Beckman, Conover, "A
comparison of three methods for selecting values of input variables", Technometrics 21 (1979).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from cowmodel.campaign.spacing import Span, geometric, read_span
from cowmodel.errors import ConfigError
from cowmodel.experiment.document import Document
from cowmodel.workload.parameters import Count, Expected, Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

Points = Annotated[int, Field(ge=1, le=1 << 20), Expected(f"a number of points from 1 to {1 << 20:,}")]


class Box(Parameters):
    """The table of `sobol` or `latin`."""

    points: Points = Field(description="how many")
    seed: Count = Field(description="of what is random in the design")
    ranges: dict[str, Any] = Field(description="from path to [low, high]")
    scale: Literal["linear", "log"] = Field("linear", description="on which the points are even")


@dataclass(frozen=True)
class Sample:
    """Points of a box, written one by one.

    Attributes
    ----------
    ranges : dict of str to Span
        From path to the ends.
    shares : array of float64, shape (points, paths)
        Where in the ranges the points are, from 0 to below 1.
    scale : str
        ``linear`` or ``log``.
    """

    ranges: dict[str, Span]
    shares: "NDArray[np.float64]"
    scale: str

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Go through the points: a value for each path."""
        for shares in self.shares:
            pairs = zip(self.ranges.values(), shares.tolist(), strict=True)
            yield tuple(self._between(span, share) for span, share in pairs)

    def _between(self, span: Span, share: float) -> Any:
        between = geometric if self.scale == "log" else _linear
        if span.kind != "whole number":
            return span.written(span.short(between(span.low, span.high, share)))
        # The highest has a whole step too. Rounding may carry a share just below 1 beyond it.
        return min(math.floor(between(span.low, span.high + 1, share)), span.high)


def _linear(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def sobol(box: Box, ranges: Document, place: str) -> Sample:
    """Fill a box with a scrambled Sobol sequence.

    Parameters
    ----------
    ranges : Document
        From dotted path to [low, high].
    place : str
        Put before each message.

    Raises
    ------
    ConfigError
        If a range is none, or the number of points is no power of two.
    """
    from scipy.stats import qmc  # takes a second

    if box.points.bit_count() != 1:
        below = 1 << box.points.bit_length() - 1
        raise ConfigError(
            f"{place}: expected a power of two of points, without which they are not even, got {box.points};"
            f" take {below} or {2 * below}"
        )
    ends = spans(box, ranges, place)
    return Sample(ends, qmc.Sobol(len(ends), rng=box.seed).random(box.points), box.scale)


def latin(box: Box, ranges: Document, place: str) -> Sample:
    """Fill a box with a Latin hypercube: of each range, each of `points` equal parts has one point.

    Parameters
    ----------
    ranges : Document
        From dotted path to [low, high].
    place : str
        Put before each message.

    Raises
    ------
    ConfigError
        If a range is none.
    """
    from scipy.stats import qmc  # takes a second

    ends = spans(box, ranges, place)
    return Sample(ends, qmc.LatinHypercube(len(ends), rng=box.seed).random(box.points), box.scale)


def spans(box: Box, ranges: Document, place: str) -> dict[str, Span]:
    """Read the ends of the ranges of a box.

    Raises
    ------
    ConfigError
        If there is none, or one is none.
    """
    if not ranges:
        raise ConfigError(f"{place}: expected a path with [low, high] in ranges, got none")
    return {path: _span(ends, box.scale, f"{place}: ranges.{path}") for path, ends in ranges.items()}


def _span(ends: Any, scale: str, place: str) -> Span:
    if not isinstance(ends, list) or len(ends) != 2:
        raise ConfigError(f"{place}: expected [low, high], got {ends!r}")
    span = read_span(ends, place)
    if not span.low < span.high:
        raise ConfigError(f"{place}: expected [low, high] with low below high, got {ends!r}")
    if scale == "log" and span.low <= 0:
        raise ConfigError(f"{place}: expected ends above 0 on a log scale, got {ends!r}")
    return span
