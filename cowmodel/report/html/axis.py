"""Axes: where values lie, and which are written beside them.

Ticks are chosen here, for both twins of a picture, so that they say the same.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cowmodel.report.summary import readable
from cowmodel.units import SIZES, parse_quantity, unit_of_column

_LOG_FROM = 60
"""Ratio of the greatest to the least value from which on an axis is logarithmic."""
_MOST_TICKS, _MOST_POWERS = 9, 7
_MOST_LETTERS = 20


class Axis(NamedTuple):
    """What values of an axis mean.

    Attributes
    ----------
    title : str
    kind : str
        ``value`` or ``log``.
    low, high : float
        Its ends.
    ticks : sequence of (float, str)
        Places, and what is written there.
    """

    title: str
    kind: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]

    def share(self, value: float) -> float:
        """Return where a value lies, from 0 at the low end to 1 at the high one."""
        low, high, here = self.low, self.high, value
        if self.kind == "log":
            low, high, here = math.log(low), math.log(high), math.log(max(here, low))
        return (here - low) / (high - low)


def written(value: Any) -> str:
    """Write a value of a configuration as a person would.

    Examples
    --------
    >>> written("64 MiB"), written(0.50), written(2.0), written(True), written(math.nan)
    ('64 MiB', '0.5', '2', 'true', 'not set')
    """
    if isinstance(value, float):
        return "not set" if math.isnan(value) else f"{value:g}"
    return str(value).lower() if str(value) in ("True", "False") else str(value)


def across(path: str, values: Iterable[Any]) -> tuple[Axis, dict[str, float]]:
    """Lay an axis over the values at a varied path, by their size if all have one, else side by side.

    Returns
    -------
    axis : Axis
    places : dict of str to float
        From each value, as `written`, to its place.
    """
    texts = {written(value): value for value in values}
    sizes = {text: size_of(value) for text, value in texts.items()}
    numbers = [number for number, _ in sizes.values() if number is not None]
    if len(numbers) < len(texts) or len({kind for _, kind in sizes.values()}) > 1:
        places = {text: float(place) for place, text in enumerate(texts)}
        ticks = [(at, _short(text)) for text, at in places.items()]
        return Axis(path, "value", -0.5, len(places) - 0.5, ticks), places
    places = {text: number for text, (number, _) in sizes.items() if number is not None}
    least, most = min(numbers), max(numbers)
    if least > 0 and most / least >= _LOG_FROM:
        return Axis(path, "log", least / 1.1, most * 1.1, _apart(places, log=True)), places
    edge = (most - least) * 0.03 or 0.5
    return Axis(path, "value", least - edge, most + edge, _apart(places)), places


def _short(text: str) -> str:
    """Leave out the front of what is too long to be written below an axis."""
    return text if len(text) <= _MOST_LETTERS else f"…{text[1 - _MOST_LETTERS :]}"


def size_of(value: Any) -> tuple[float | None, str]:
    """Return how large a value is, and as what kind of quantity."""
    if isinstance(value, str):
        found = parse_quantity(value)
        return (float(found[0]), found[1]) if found else (None, "text")
    if written(value) in ("true", "false", "not set"):
        return None, "text"
    return float(value), "number"


def _apart(places: dict[str, float], log: bool = False) -> list[tuple[float, str]]:
    """Choose values that are far enough apart to be written, always the first."""
    at = {text: math.log(place) if log else place for text, place in places.items()}
    least = (max(at.values()) - min(at.values())) / _MOST_TICKS
    ticks: list[tuple[float, str]] = []
    last = -math.inf
    for text, here in sorted(at.items(), key=lambda item: item[1]):
        if here - last >= least or not ticks:
            ticks.append((places[text], text))
            last = here
    return ticks


def up(name: str, numbers: Sequence[float]) -> Axis:
    """Lay an axis over the values of a metric: from 0, or by powers if they span many."""
    least, most = min(numbers), max(numbers)
    if least > 0 and most / least >= _LOG_FROM:
        base = 2.0 if unit_of_column(name) == "B" else 10.0
        first, last = math.floor(math.log(least, base)), math.ceil(math.log(most, base))
        powers = range(first, last + 1, -(-(last - first) // _MOST_POWERS))
        ticks = [(base**n, told(name, base**n)) for n in powers]
        return Axis(name, "log", base**first, base**last, ticks)
    bottom, top = min(least, 0.0), max(most, 0.0) if least or most else 1.0
    step = _nice((top - bottom) / 5, _unit(name, top))
    first, last = math.floor(bottom / step), math.ceil(top / step - 1e-9)
    ticks = [(n * step, told(name, n * step)) for n in range(first, last + 1)]
    return Axis(name, "value", first * step, last * step, ticks)


def _unit(name: str, most: float) -> float:
    """Return the unit in which steps are round: of bytes, the largest binary one below `most`."""
    if unit_of_column(name) != "B":
        return 1.0
    return float(max((f for u, f in SIZES.items() if "i" in u and f <= most / 2), default=1))


def _nice(step: float, unit: float) -> float:
    """Return the round number of units not below a step."""
    power = 10.0 ** math.floor(math.log10(step / unit))
    return next(n * power * unit for n in (1, 2, 2.5, 5, 10) if n * power * unit >= step * (1 - 1e-9))


def told(name: str, number: float) -> str:
    """Write a number of a metric; large ones without the power of ten that is seldom read with ease.

    Examples
    --------
    >>> told("copies.total", 185345.2), told("write_amplification", 1.2345), told("fork_us.mean", 0.0)
    ('185,345', '1.234', '0')
    """
    number = round(number, 12)
    if not number or unit_of_column(name):
        return readable(name, float(number)) if number else "0"
    return readable(name, round(number) if abs(number) >= 1000 or number == int(number) else float(number))
