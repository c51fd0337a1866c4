"""Measures: who takes turns, what the value is, what holds, and what is written."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from cowmodel.speed.measures import FULL
from cowmodel.speed.rounds import (
    Contestants,
    Measure,
    Result,
    best_of,
    contestant_rows,
    measure_row,
    measured,
    write_csv,
)
from cowmodel.speed.running_kernel import CannotMeasure


def measure(prepare: Callable[[], Contestants], at_most: bool = False, repeats: int = 3) -> Measure:
    return Measure("ratio", "x", "s", 2, 4, prepare, at_most, repeats)


def of(*values: float) -> Callable[[], Contestants]:
    """Return contestants of which the first takes these times in turn, the last always 1."""
    times = iter(values)
    return lambda: nullcontext({"slow": lambda: next(times), "middle": lambda: 7.0, "fast": lambda: 1.0})


def unavailable() -> Contestants:
    raise CannotMeasure("no compiler")


def test_contestants_take_turns_and_the_first_round_does_not_count():
    journal: list[str] = []

    def contestant(name: str) -> Callable[[], float]:
        def note() -> float:
            journal.append(name)
            return len(journal)

        return note

    result = measured(measure(lambda: nullcontext({"a": contestant("a"), "b": contestant("b")}), repeats=2))

    assert journal == ["a", "b"] * 3
    assert result.rounds == [{"a": 3, "b": 4}, {"a": 5, "b": 6}]


def test_a_single_round_counts():
    assert measured(measure(of(3), repeats=1)).values == [3]


def test_the_value_is_the_median_of_the_first_contestant_over_the_last():
    assert measured(measure(of(99, 5, 3, 4))).value == 4


def test_of_one_contestant_the_value_is_what_it_took():
    assert measured(measure(lambda: nullcontext({"alone": lambda: 6.0}))).value == 6


@pytest.mark.parametrize(("at_most", "holds"), [(False, True), (True, False)])
def test_more_is_better_unless_less_is(at_most: bool, holds: bool):
    result = Result(measure(of(), at_most), [{"slow": 3, "fast": 1}])

    assert result.reaches(result.measure.floor) is holds


def test_what_cannot_be_measured_is_skipped_with_its_reason():
    result = measured(measure(unavailable))

    assert (result.value, result.reaches(2), contestant_rows(result)) == (None, None, [])
    assert str(result) == "ratio: skipped, no compiler"
    assert measure_row(result)["skipped"] == "no compiler"


def test_a_reason_that_comes_up_in_a_round_counts_too():
    @contextmanager
    def prepare() -> Iterator[dict[str, Callable[[], float]]]:
        yield {"failing": unavailable}  # type: ignore[dict-item]

    assert measured(measure(prepare)).skipped == "no compiler"


def test_a_measure_that_falls_short_is_tried_again_until_it_holds():
    prepare = of(1, 1, 3, 3, 99)

    assert best_of(3, measure(prepare, repeats=1), bar=2).value == 3


def test_after_the_last_try_it_falls_short():
    result = best_of(2, measure(of(1, 1), repeats=1), bar=2)

    assert str(result) == "ratio: 1 x (1 to 1); expected at least 2, aim 4: FALLS SHORT"


def test_a_row_tells_the_measure_and_a_row_each_contestant(tmp_path: Path):
    result = measured(measure(of(9, 3, 4.00001, 5)))

    write_csv(tmp_path / "measures.csv", [measure_row(result)])
    write_csv(tmp_path / "contestants.csv", contestant_rows(result))

    (row,) = read(tmp_path / "measures.csv")
    assert row["measure"] == "ratio"
    assert (row["median"], row["min"], row["max"], row["repeats"]) == ("4.0", "3.0", "5.0", "3")
    assert (row["holds"], row["aim_reached"], row["skipped"]) == ("True", "True", "")
    assert [row["contestant"] for row in read(tmp_path / "contestants.csv")] == ["slow", "middle", "fast"]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_no_two_measures_have_the_same_name():
    names = [one.name for one in FULL]

    assert len(set(names)) == len(names)


def test_an_aim_is_at_least_as_good_as_its_floor():
    assert all(one.aim <= one.floor if one.at_most else one.aim >= one.floor for one in FULL)
