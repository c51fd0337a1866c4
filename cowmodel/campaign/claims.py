"""Claims: what an experiment says came out, as numbers that can be checked.

::

    [[claim]]
    says = "a fork of 1 GiB in base pages stops its caller for 5.1 ms"
    of = "fork_us.mean"                                    # a column of the summary, in the mean of its runs
    where = "workload.heap == 1 GiB and workload.backing == 'base'"
    is = "5.14 ms"
    within = 0.02                                          # a share of it; or plus_minus = 0.1, in its unit

    [[claim]]
    says = "copy-on-write costs less up to a sixth of all pages"
    of = "figure.crossing"                                 # a function crossing(tables) in figure.py
    at_least = 0.15
    at_most = 0.18

With `over`, a second condition, it is about the ratio of the runs `where` to those.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pydantic import Field, model_validator

from cowmodel.campaign.constraint import Constraint
from cowmodel.campaign.statistics import Interval, mean
from cowmodel.errors import ConfigError, suggest
from cowmodel.experiment.document import Document
from cowmodel.units import DURATIONS, parse_quantity, unit_of_column
from cowmodel.workload.parameters import Parameters, problem

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[str, "pd.DataFrame"]
Functions = Callable[[str], Callable[[Tables], float]]
"""Finds a function of ``figure.py`` by its name."""

_OF_FIGURE = "figure."


class Claim(Parameters):
    """One ``[[claim]]`` of an experiment."""

    says: str = Field(description="the claim in words")
    of: str = Field(description="a column of the summary, or figure.NAME for a function in figure.py")
    where: str = Field("", description="a condition on runs, such as \"policy.copy == 'cow'\"")
    over: str = Field("", description="a condition on the runs that the others are divided by")
    expected: float | str | None = Field(None, alias="is", description="the value")
    within: float | None = Field(None, gt=0, description="how far off it may be, as a share of it")
    plus_minus: float | str | None = Field(None, description="how far off it may be, in its unit")
    at_least: float | str | None = Field(None, description="the least value")
    at_most: float | str | None = Field(None, description="the greatest value")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        """Refuse a claim that nothing could refute."""
        if self.expected is None and self.at_least is None and self.at_most is None:
            raise problem(
                "expected one of is, at_least, at_most, got none; a claim needs something to hold against"
            )
        if (self.expected is not None) != ((self.within is not None) ^ (self.plus_minus is not None)):
            raise problem("expected is with either within or plus_minus, and neither of them without it")
        return self

    def bounds(self) -> tuple[float, float]:
        """Return between which values it holds, both included, in the unit of the column.

        Raises
        ------
        ConfigError
            If a value has another unit than the column.
        """
        low = -math.inf if self.at_least is None else self._number(self.at_least)
        high = math.inf if self.at_most is None else self._number(self.at_most)
        if self.expected is None:
            return low, high
        value = self._number(self.expected)
        off = abs(value) * self.within if self.within is not None else self._number(self.plus_minus)
        return max(low, value - off), min(high, value + off)

    def _number(self, value: float | str | None) -> float:
        """Turn a quantity into a number in the unit of the column."""
        if not isinstance(value, str):
            return float(value or 0)
        unit, read = unit_of_column(self.of), parse_quantity(value)
        if read and read[1] == "duration" and unit in DURATIONS:
            return read[0] / DURATIONS[unit]
        if read and read[1] == "size" and unit == "B":
            return read[0]
        raise ConfigError(f"claim {self.says!r}: expected a number in the unit of {self.of}, got {value!r}")


class Checked(NamedTuple):
    """What became of a claim.

    Attributes
    ----------
    claim : Claim
    found : Interval
        What the tables say; the interval where there are replications.
    low, high : float
        Between which values the claim holds.
    """

    claim: Claim
    found: Interval
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether the value lies where the claim says."""
        return self.low <= self.found.estimate <= self.high

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        value, low, high, _ = self.found
        ends = f" ({low:.5g} to {high:.5g})" if high > low else ""
        return f"{verdict}: {self.claim.says}: {value:.5g}{ends}, wanted {self.low:.5g} to {self.high:.5g}"


def check(claim: Claim, tables: Tables, functions: Functions) -> Checked:
    """Check a claim against the tables on disk.

    Raises
    ------
    ConfigError
        If there is no such column or function, or no run meets its conditions.
    """
    low, high = claim.bounds()
    if claim.of.startswith(_OF_FIGURE):
        value = float(functions(claim.of.removeprefix(_OF_FIGURE))(tables))
        return Checked(claim, Interval(value, math.nan, math.nan, 1), low, high)
    runs = tables["runs"]
    if claim.of not in runs:
        raise ConfigError(suggest(f"claim {claim.says!r}: of", claim.of, [str(name) for name in runs]))
    found = mean(_values(claim, claim.where, runs))
    if claim.over:
        divisor = mean(_values(claim, claim.over, runs)).estimate
        found = Interval(found.estimate / divisor, found.low / divisor, found.high / divisor, found.n)
    return Checked(claim, found, low, high)


def _values(claim: Claim, condition: str, runs: "pd.DataFrame") -> list[float]:
    """Return the values of a column in the runs that meet a condition."""
    varied = [str(name) for name in runs.loc[:, :"replication"]]
    if condition:
        meets = Constraint(condition, f"claim {claim.says!r}: where")
        runs = runs[[meets(_document(row)) for row in runs[varied].to_dict("records")]]
    values = runs[claim.of].dropna().astype(float).tolist()
    if not values:
        raise ConfigError(f"claim {claim.says!r}: no run with a value of {claim.of} meets {condition!r}")
    return values


def _document(row: Mapping[Any, Any]) -> Document:
    """Return the columns of a row as nested tables; what a point does not have is left out."""
    result: Document = {}
    for name, value in row.items():
        if isinstance(value, float) and math.isnan(value):
            continue
        *tables, key = str(name).split(".")
        inner = result
        for table in tables:
            inner = inner.setdefault(table, {})
        inner[key] = value
    return result
