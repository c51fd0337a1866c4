"""Quantities as text with a unit, to integers and back.

=========  =======================================  ====================
Quantity   Units                                    Integer
=========  =======================================  ====================
size       B, kB MB GB TB (1000), KiB MiB GiB TiB   bytes
duration   ps, ns, us (or µs), ms, s                picoseconds
rate       /s, /ms                                  float, per second
bandwidth  a size and /s                            bytes per second
=========  =======================================  ====================

A bare K or M is refused: half of its readers take it for 1000.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from cowmodel.errors import ConfigError

SIZES = {"B": 1} | {
    f"{letter}{middle}B": base**power
    for middle, base in (("", 1000), ("i", 1024))
    for power, letter in enumerate("kMGT" if base == 1000 else "KMGT", start=1)
}
DURATIONS = {"ps": 1, "ns": 10**3, "us": 10**6, "µs": 10**6, "ms": 10**9, "s": 10**12}
LARGEST = 1 << 61
RATES = {"/s": 1, "/ms": 1000}
KINDS = (
    dict.fromkeys(SIZES, "size")
    | dict.fromkeys(DURATIONS, "duration")
    | dict.fromkeys(RATES, "rate")
    | {f"{unit}/s": "bandwidth" for unit in SIZES}
)
"""From each unit to the kind of quantity that is written with it."""

_QUANTITY = re.compile(
    r"\s*(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,2})?)\s*(?P<unit>\S*)\s*", re.ASCII
)


def parse_size(text: object) -> int:
    """Read a size in bytes.

    Raises
    ------
    ConfigError
        If the text is not a number and a unit, is negative, or is not a whole number of bytes.

    Examples
    --------
    >>> parse_size("1.5 KiB"), parse_size("4 kB")
    (1536, 4000)
    """
    return _whole(_parse(text, "a size", "4 KiB", SIZES), text, "bytes")


def parse_duration(text: object) -> int:
    """Read a duration in picoseconds.

    Raises
    ------
    ConfigError
        If the text is not a number and a unit, is negative, or is not whole picoseconds.

    Examples
    --------
    >>> parse_duration("0.5 ns")
    500
    """
    return _whole(_parse(text, "a duration", "250 ns", DURATIONS), text, "picoseconds")


def parse_rate(text: object) -> float:
    """Read a rate in events per second.

    Raises
    ------
    ConfigError
        If the text is not a number and a unit, or is negative.

    Examples
    --------
    >>> parse_rate("2/ms")
    2000.0
    """
    return float(_parse(text, "a rate", "2000/s", RATES))


def parse_bandwidth(text: object) -> int:
    """Read a number of bytes in a second.

    Raises
    ------
    ConfigError
        If the text is not a size and ``/s``, or nothing gets through.

    Examples
    --------
    >>> parse_bandwidth("10.5 GB/s")
    10500000000
    """
    amount, _, unit = str(text).partition("/")
    if unit != "s":
        raise ConfigError(f"expected a bandwidth such as '10 GB/s', got {text!r}")
    if (per_second := parse_size(amount)) == 0:
        raise ConfigError(f"expected a bandwidth above 0, got {text!r}")
    return per_second


def parse_quantity(text: str) -> tuple[float, str] | None:
    """Read any quantity as a number and its kind; None if the text is none.

    Raises
    ------
    ConfigError
        If it has the unit of a kind, but a number that this kind does not have.

    Examples
    --------
    >>> parse_quantity("4 KiB"), parse_quantity("2 us"), parse_quantity("2/ms"), parse_quantity("1 kB/s")
    ((4096, 'size'), (2000000, 'duration'), (2000.0, 'rate'), (1000, 'bandwidth'))
    >>> parse_quantity("zipf 0.99") is None
    True
    """
    match = _QUANTITY.fullmatch(text)
    kind = KINDS.get(match["unit"].replace("μ", "µ")) if match else None
    if kind is None:
        return None
    parse = {"size": parse_size, "duration": parse_duration, "rate": parse_rate, "bandwidth": parse_bandwidth}
    return parse[kind](text), kind


def format_quantity(number: float | Fraction, kind: str) -> str:
    """Write a quantity so that the same number is read again, in the largest unit that it fills exactly.

    Parameters
    ----------
    number : float or Fraction
        In the unit in which `parse_quantity` gives it; rounded to a whole one if that is an integer.
    kind : str
        One of the values of `KINDS`.

    Examples
    --------
    >>> format_quantity(64 << 20, "size"), format_quantity(1536, "size"), format_quantity(0, "duration")
    ('64 MiB', '1536 B', '0 ps')
    >>> format_quantity(2000.5, "rate"), format_quantity(10**10, "bandwidth")
    ('2000.5/s', '10 GB/s')
    """
    if kind == "rate":
        return f"{int(number) if number == int(number) else float(number)}/s"
    whole, units = round(number), DURATIONS if kind == "duration" else SIZES
    exact = {
        factor: unit for unit, factor in units.items() if whole % factor == 0 and factor <= max(whole, 1)
    }
    factor = max(exact)
    return f"{whole // factor} {exact[factor].replace('µ', 'u')}{'/s' if kind == 'bandwidth' else ''}"


def format_size(size_bytes: int) -> str:
    """Write a size for people, in the largest binary unit that it fills.

    Examples
    --------
    >>> format_size(64 << 20), format_size(1536), format_size(1000)
    ('64 MiB', '1.5 KiB', '1000 B')
    """
    return _format(size_bytes, {u: f for u, f in SIZES.items() if u == "B" or "i" in u})


def format_duration(duration_ps: int) -> str:
    """Write a duration for people, in the largest unit that it fills.

    Examples
    --------
    >>> format_duration(1_250_000), format_duration(0)
    ('1.25 us', '0 ps')
    """
    return _format(duration_ps, {u: f for u, f in DURATIONS.items() if u != "µs"})


def format_band(duration_ps: int, low_ps: int, high_ps: int) -> str:
    """Write a duration and between which ends it may lie, all in the unit of the duration.

    Ends that look the same in that unit are left out.

    Examples
    --------
    >>> format_band(7_400_000_000, 980_000_000, 9_000_000_000)
    '7.4 ms (0.98-9)'
    """
    text = format_duration(duration_ps)
    factor = DURATIONS[text.split()[1]]
    low, high = (_decimals(end_ps / factor) for end_ps in (low_ps, high_ps))
    return text if low == high else f"{text} ({low}-{high})"


def unit_of_time(name: str) -> int | None:
    """Return the picoseconds of the unit that a name tells; None if it names no time.

    Examples
    --------
    >>> unit_of_time("fork_us.mean"), unit_of_time("peak_bytes.memory")
    (1000000, None)
    """
    return DURATIONS.get(unit_of_column(name) or "")


def unit_of_column(name: str) -> str | None:
    """Return the unit that the name of a column tells; None if it tells none.

    Examples
    --------
    >>> unit_of_column("fork_us.mean"), unit_of_column("peak_bytes.memory"), unit_of_column("copies.total")
    ('us', 'B', None)
    """
    if re.search(r"_bytes\b", name):
        return "B"
    return next((unit for unit in DURATIONS if re.search(rf"_{unit}\b", name)), None)


def format_count(count: int) -> str:
    """Write a count with its thousands apart.

    Examples
    --------
    >>> format_count(1234567)
    '1,234,567'
    """
    return f"{count:,}"


def _parse(text: object, what: str, example: str, units: Mapping[str, int]) -> Decimal:
    """Read `number unit` as an exact multiple of the unit's base."""
    expected = f"expected {what} such as {example!r}, got {text!r}"
    match = _QUANTITY.fullmatch(str(text))
    if not match:
        raise ConfigError(expected)
    number, unit = Decimal(match["number"]), match["unit"].replace("μ", "µ")
    if unit not in units:
        raise ConfigError(f"{expected}; {_unit_remedy(unit, units)}")
    if number < 0:
        raise ConfigError(f"expected {what} of at least 0, got {text!r}")
    return number * units[unit]


def _unit_remedy(unit: str, units: Mapping[str, int]) -> str:
    """Tell what to do about a unit that is missing or unknown."""
    choice = ", ".join(units)
    return f"{f'{unit!r} is not a unit' if unit else 'add a unit'}: one of {choice}"


def _whole(value: Decimal, text: object, base: str) -> int:
    """Refuse a fraction of the smallest unit, and what sums of would not fit 64 bits."""
    if value != value.to_integral_value():
        raise ConfigError(f"expected a whole number of {base}, got {text!r}")
    if value > LARGEST:
        raise ConfigError(f"expected at most {LARGEST:,} {base}, got {str(text)[:60]!r}")
    return int(value)


def _format(value: int, units: Mapping[str, int]) -> str:
    """Write at most two decimals, in the largest unit not above the value."""
    fitting = {factor: unit for unit, factor in units.items() if factor <= max(abs(value), 1)}
    factor = max(fitting)
    return f"{_decimals(value / factor)} {fitting[factor]}"


def _decimals(number: float) -> str:
    """Write at most two decimals."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
