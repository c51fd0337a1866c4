"""Lists of values, and the tables that stand for one.

::

    ["1 GiB", "4 GiB"]               as it is
    { linspace = [0.0, 1.0, 11] }    11 values with equal distances
    { logspace = [1, 1000, 4] }      4 values with equal ratios
    { log2 = ["1 MiB", "1 GiB"] }    1 MiB, 2 MiB, 4 MiB ... 1 GiB

Both ends are always among the values. Quantities come out as text in the largest unit that is exact.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from cowmodel.errors import ConfigError, suggest
from cowmodel.units import format_quantity, parse_quantity

MOST_VALUES = 1_000_000
LIMIT = 1e300


class Span(NamedTuple):
    """Two ends of one kind.

    Attributes
    ----------
    low, high : int or float
        In the unit in which `parse_quantity` gives its kind.
    kind : str
        The kind of quantity; ``number`` or ``whole number`` without a unit.
    """

    low: float
    high: float
    kind: str

    def short(self, number: float) -> float:
        """Keep twelve digits, the rest is what floats add as in 0.10000000000000002, but stay inside."""
        low, high = sorted((self.low, self.high))
        return min(max(float(f"{number:.12g}"), low), high)

    def written(self, number: float | Fraction) -> Any:
        """Write a number as a configuration has it."""
        if self.kind == "whole number":
            return round(number)
        return float(number) if self.kind == "number" else format_quantity(number, self.kind)


def read_span(ends: Sequence[object], place: str) -> Span:
    """Read the ends of a range: two numbers, or two quantities of one kind.

    Raises
    ------
    ConfigError
        If they are something else.

    Examples
    --------
    >>> read_span(["1 KiB", "1 MiB"], "heap")
    Span(low=1024, high=1048576, kind='size')
    """
    (low, first), (high, second) = (_read_end(end, place) for end in ends)
    kinds = {first, second}
    if len(kinds) == 2 and kinds != {"whole number", "number"}:
        raise ConfigError(f"{place}: expected both ends of one kind, got {ends[0]!r} and {ends[1]!r}")
    return Span(low, high, first if len(kinds) == 1 else "number")


def _read_end(end: object, place: str) -> tuple[float, str]:
    try:
        quantity = parse_quantity(end) if isinstance(end, str) else None
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error
    number, kind = quantity or (end, "whole number" if isinstance(end, int) else "number")
    # Neither nan nor inf is below, and what is leaves room to compute.
    if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) < LIMIT:
        raise ConfigError(f"{place}: expected a number or a quantity such as '1 GiB', got {end!r}")
    return number, kind


def spaced(values: object, place: str) -> list[Any]:
    """Return a list as it is, and what stands for one as a list.

    Raises
    ------
    ConfigError
        If it is neither, or the ends of a range do not fit its rule.

    Examples
    --------
    >>> spaced({"log2": ["512 KiB", "2 MiB"]}, "grid.workload.heap")
    ['512 KiB', '1 MiB', '2 MiB']
    """
    if isinstance(values, list) and values:
        return values
    if not isinstance(values, dict) or len(values) != 1:
        raise ConfigError(f"{place}: expected a list of values, got {values!r}")
    ((rule, arguments),) = values.items()
    if rule not in RULES:
        raise ConfigError(suggest(place, rule, RULES))
    form, make = RULES[rule]
    if not isinstance(arguments, list) or len(arguments) != len(form.split(",")):
        raise ConfigError(f"{place}: {rule}: expected {form}, got {arguments!r}")
    return make(arguments, f"{place}: {rule}")


def _linspace(arguments: list[Any], place: str) -> list[Any]:
    span, steps = _span_and_steps(arguments, place)
    # Decimals as they are written, so that 0.3 is 0.3.
    low, high = Fraction(str(span.low)), Fraction(str(span.high))
    return _written(span, [low + (high - low) * step / steps for step in range(steps + 1)])


def _logspace(arguments: list[Any], place: str) -> list[Any]:
    span, steps = _span_and_steps(arguments, place)
    _check_positive(span, arguments, place)
    between = [span.short(geometric(span.low, span.high, step / steps)) for step in range(1, steps)]
    return _written(span, [span.low, *between, span.high])


def geometric(low: float, high: float, share: float) -> float:
    """Return what lies at a share of the way from `low` to `high`, in ratios."""
    return math.exp(math.log(low) * (1 - share) + math.log(high) * share)


def _log2(arguments: list[Any], place: str) -> list[Any]:
    span = read_span(arguments, place)
    _check_positive(span, arguments, place)
    numbers = [span.low]
    while numbers[-1] < span.high:
        numbers.append(numbers[-1] * 2)
    if numbers[-1] != span.high:
        raise ConfigError(
            f"{place}: expected [a, b] with b one of a, 2a, 4a and so on, got {arguments!r}; end with"
            f" {' or '.join(repr(span.written(number)) for number in numbers[-2:])}"
        )
    return [span.written(number) for number in numbers]


def _span_and_steps(arguments: list[Any], place: str) -> tuple[Span, int]:
    *ends, count = arguments
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= MOST_VALUES:
        raise ConfigError(f"{place}: expected a number of values from 2 to {MOST_VALUES:,}, got {count!r}")
    return read_span(ends, place), count - 1


def _check_positive(span: Span, arguments: list[Any], place: str) -> None:
    if min(span.low, span.high) <= 0:
        raise ConfigError(f"{place}: expected ends above 0, got {arguments!r}")


def _written(span: Span, numbers: Sequence[float | Fraction]) -> list[Any]:
    """Write numbers; whole ones stay whole if all are."""
    if span.kind == "whole number" and any(number != int(number) for number in numbers):
        span = span._replace(kind="number")
    return [span.written(number) for number in numbers]


RULES: Mapping[str, tuple[str, Callable[[list[Any], str], list[Any]]]] = {
    "linspace": ("[a, b, n]", _linspace),
    "logspace": ("[a, b, n]", _logspace),
    "log2": ("[a, b]", _log2),
}
"""From the name of a rule to its arguments and the function that makes a list of them."""
