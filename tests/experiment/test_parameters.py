"""Values of a configuration: text with a unit in, integers out, and a remedy for what is wrong."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from cowmodel.workload.parameters import (
    Count,
    Duration,
    FilePath,
    Fraction,
    PageBacking,
    Parameters,
    Period,
    Positive,
    Rate,
    Size,
)


def read(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value, strict=True)


def refusal(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    return str(caught.value.errors()[0]["msg"])


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Size, "64 MiB", 64 << 20),
        (Duration, "0 ns", 0),
        (Duration, "250 ns", 250_000),
        (Period, "1 ms", 10**9),
        (Rate, "2000/s", 2000.0),
        (Count, 0, 0),
        (Positive, 1, 1),
        (Fraction, 1, 1.0),
    ],
)
def test_a_value_is_held_in_the_unit_of_the_program(kind: Any, text: object, value: float) -> None:
    assert read(kind, text) == value


def test_a_bare_number_is_no_size_and_the_message_adds_the_unit() -> None:
    assert refusal(Size, 4096) == (
        "expected a size such as '4 KiB', got 4096; add the unit, in quotes: '4096 B'"
    )


def test_a_bare_number_is_no_duration() -> None:
    assert "add the unit, in quotes: '5 ns'" in refusal(Duration, 5)


def test_a_bare_number_is_no_rate() -> None:
    assert "add the unit, in quotes: '5/s'" in refusal(Rate, 5)


def test_an_unknown_unit_is_refused_with_the_units_there_are() -> None:
    assert "'K' is not a unit: one of B, kB" in refusal(Size, "4 K")


def test_a_negative_size_is_refused() -> None:
    assert refusal(Size, "-4 KiB") == "expected a size of at least 0, got '-4 KiB'"


def test_a_size_of_nothing_is_refused() -> None:
    assert "must be more than 0" in refusal(Size, "0 B")


def test_text_is_no_count() -> None:
    assert refusal(Count, "3") == "expected a whole number from 0 to 2^31, got '3'"


def test_true_is_neither_count_nor_size() -> None:
    assert "got True" in refusal(Count, True)
    assert refusal(Size, True).endswith("write a number and a unit in quotes")


def test_a_fraction_above_one_is_refused() -> None:
    assert refusal(Fraction, 1.5) == "expected a fraction between 0 and 1, got 1.5"


def test_a_size_alone_is_no_backing() -> None:
    assert "pages of one size behave differently" in refusal(PageBacking, "2 MiB")


def test_a_path_is_relative_to_the_folder_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").touch()
    path = TypeAdapter(FilePath).validate_python("trace.csv", context={"folder": str(tmp_path)})
    assert path == tmp_path / "trace.csv"


def test_a_path_that_is_not_there_is_refused() -> None:
    assert "no file or folder 'nowhere/trace.csv'" in refusal(FilePath, "nowhere/trace.csv")


def test_parameters_cannot_be_changed() -> None:
    class Heap(Parameters):
        size: Size

    heap = Heap.model_validate({"size": "4 KiB"})
    with pytest.raises(ValidationError, match="frozen"):
        heap.size = 1  # type: ignore[misc]
