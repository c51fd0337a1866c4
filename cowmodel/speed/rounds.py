"""Measures and their results: contestants take turns, and medians are compared with what must hold.

value = median over rounds of (first contestant / last contestant), or of the only contestant
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from cowmodel.experiment.replacing import replacing
from cowmodel.speed.running_kernel import CannotMeasure

Contestant = Callable[[], float]
"""Does its work once and returns what that took."""

Contestants = AbstractContextManager[Mapping[str, Contestant], bool | None]


class Measure(NamedTuple):
    """What is measured, and what must hold.

    Attributes
    ----------
    name, unit : str
        Of the value; the unit of a ratio is "x".
    taken : str
        Unit of what the contestants return.
    floor, aim : float
        What the value must reach, and what is wished for.
    prepare : callable
        Gives the contestants, in order; raises `CannotMeasure` where that cannot be.
    at_most : bool
        Whether less is better.
    repeats : int
        Rounds, after one that is not counted; where there is but one, it is counted.
    """

    name: str
    unit: str
    taken: str
    floor: float
    aim: float
    prepare: Callable[[], Contestants]
    at_most: bool = False
    repeats: int = 5


class Result(NamedTuple):
    """What came out of a measure.

    Attributes
    ----------
    rounds : sequence of mapping
        What each contestant took in each round.
    skipped : str
        Why it could not be measured, if so.
    """

    measure: Measure
    rounds: Sequence[Mapping[str, float]]
    skipped: str = ""

    @property
    def values(self) -> list[float]:
        """The value of each round."""
        taken = [list(one.values()) for one in self.rounds]
        return [one[0] / one[-1] if len(one) > 1 else one[0] for one in taken]

    @property
    def value(self) -> float | None:
        """The median."""
        return median(self.values) if self.rounds else None

    def reaches(self, bar: float) -> bool | None:
        """Whether the value is as good as `bar`."""
        if self.value is None:
            return None
        return self.value <= bar if self.measure.at_most else self.value >= bar

    def __str__(self) -> str:
        name, unit = self.measure.name, self.measure.unit
        if self.value is None:
            return f"{name}: skipped, {self.skipped}"
        sign = "at most" if self.measure.at_most else "at least"
        verdict = "holds" if self.reaches(self.measure.floor) else "FALLS SHORT"
        spread = f"{min(self.values):.3g} to {max(self.values):.3g}"
        bars = f"expected {sign} {self.measure.floor:g}, aim {self.measure.aim:g}"
        return f"{name}: {self.value:.3g} {unit} ({spread}); {bars}: {verdict}"


def measured(measure: Measure) -> Result:
    """Let the contestants take turns."""
    try:
        with measure.prepare() as contestants:
            if measure.repeats > 1:
                _round(contestants)
            return Result(measure, [_round(contestants) for _ in range(measure.repeats)])
    except CannotMeasure as reason:
        return Result(measure, [], str(reason))


def _round(contestants: Mapping[str, Contestant]) -> dict[str, float]:
    return {name: contestant() for name, contestant in contestants.items()}


def best_of(tries: int, measure: Measure, bar: float) -> Result:
    """Measure until `bar` is reached, at most so often, and return the last result."""
    for _ in range(tries):
        result = measured(measure)
        if result.reaches(bar) is not False:
            break
    return result


def measure_row(result: Result) -> dict[str, Any]:
    """Return a result as a row of ``measures.csv``."""
    measure = result.measure
    return {
        "measure": measure.name,
        "unit": measure.unit,
        **_spread(result.values),
        "floor": measure.floor,
        "aim": measure.aim,
        "at_most": measure.at_most,
        "holds": result.reaches(measure.floor),
        "aim_reached": result.reaches(measure.aim),
        "skipped": result.skipped,
    }


def contestant_rows(result: Result) -> list[dict[str, Any]]:
    """Return what each contestant took as rows of ``contestants.csv``."""
    names = result.rounds[0] if result.rounds else ()
    return [
        {
            "measure": result.measure.name,
            "contestant": name,
            "unit": result.measure.taken,
            **_spread([one[name] for one in result.rounds]),
        }
        for name in names
    ]


def _spread(values: Sequence[float]) -> dict[str, Any]:
    if not values:
        return {"median": None, "min": None, "max": None, "repeats": 0}
    return {"median": median(values), "min": min(values), "max": max(values), "repeats": len(values)}


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows, all with the same columns, with four digits."""
    lines = [{name: _cell(value) for name, value in row.items()} for row in rows]
    with replacing(path) as file, file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def _cell(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value
