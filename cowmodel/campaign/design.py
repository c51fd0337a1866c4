"""The combinations of values that a ``[[sweep]]`` stands for.

::

    set   = { "machine.cores" = 2 }
    grid  = { "policy.copy" = ["cow", "cow-flip"], "machine.memory" = { log2 = ["1 GiB", "8 GiB"] } }
    zip   = { "workload.heap" = ["1 GiB", "2 GiB"], "workload.rate" = ["100/s", "200/s"] }
    sobol = { points = 64, seed = 1, ranges = { "workload.written" = [0.0, 1.0] } }
    latin = { points = 10, seed = 1, ranges = { "workload.save" = ["1 ms", "1 s"] }, scale = "log" }
    csv   = "points.csv"
    constraint = "workload.heap * 2 <= machine.memory"

Each list of a grid is an axis, and so are the lists of `zip` together, a design, and a file. All axes of a
sweep are combined, in the order csv, sobol, latin, zip, grid, the last one varying fastest; those are kept
for which the constraint holds. A path is quoted, or spelled as nested tables.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from cowmodel.campaign.constraint import Constraint
from cowmodel.campaign.points import read_points
from cowmodel.campaign.sampling import Box, Sample, latin, sobol
from cowmodel.campaign.spacing import RULES, spaced
from cowmodel.errors import ConfigError
from cowmodel.experiment.config import OPTIONAL
from cowmodel.experiment.document import Document, changed
from cowmodel.workload.parameters import FilePath, Parameters


class Sweep(Parameters):
    """One ``[[sweep]]`` of an experiment: fixed values, and axes of which each is combined with each."""

    set: dict[str, Any] = Field(default={}, description="from path to value")
    grid: dict[str, Any] = Field(default={}, description="from path to a list of values")
    zip: dict[str, Any] = Field(default={}, description="from path to lists of one length that go together")
    sobol: Box | None = Field(None, description="a box, filled with points of a Sobol sequence")
    latin: Box | None = Field(None, description="a box, filled with a Latin hypercube")
    csv: FilePath | None = Field(None, description="a file with a column a path and a row a point")
    constraint: str | None = Field(None, description="what holds at each point that is kept")


@dataclass(frozen=True)
class Axis:
    """What is varied together.

    Attributes
    ----------
    part : str
        The key of the sweep that it comes from.
    paths : tuple of str
        What is varied.
    rows : iterable of sequences
        The values at these paths, step by step, as often as they are asked for.
    """

    part: str
    paths: tuple[str, ...]
    rows: Iterable[Sequence[Any]]


def combinations(sweeps: Iterable[Sweep], where: str, base: Document) -> Iterator[tuple[str, Document]]:
    """Go through all combinations that are kept, sweep by sweep, and make each when it is asked for.

    Parameters
    ----------
    sweeps : iterable of Sweep
        In the order of the file.
    where : str
        The file, put before each message.
    base : Document
        The configuration that the values change; constraints hold or not for the whole of it.

    Yields
    ------
    place, values
        The sweep, for messages, and the value at each path.

    Raises
    ------
    ConfigError
        If a part of a sweep is not what it should be, a path is in two parts, or a constraint cannot be
        answered or leaves no point.
    """
    for number, sweep in enumerate(sweeps, start=1):
        place = f"{where}: sweep {number}"
        axes = [_fixed(sweep), *_axes(sweep, place)]
        _check_apart(axes, place)
        for values in _kept(_product(axes), sweep.constraint, place, base):
            yield place, values


def _fixed(sweep: Sweep) -> Axis:
    """Take fixed values as an axis of one step."""
    values = by_path(sweep.set)
    return Axis("set", tuple(values), [tuple(values.values())])


def _axes(sweep: Sweep, place: str) -> Iterator[Axis]:
    if sweep.csv:
        paths, rows = read_points(sweep.csv, f"{place}: csv")
        yield Axis("csv", paths, rows)
    if sweep.sobol:
        yield _sampled("sobol", sobol(sweep.sobol, by_path(sweep.sobol.ranges), f"{place}: sobol"))
    if sweep.latin:
        yield _sampled("latin", latin(sweep.latin, by_path(sweep.latin.ranges), f"{place}: latin"))
    if sweep.zip:
        yield _zipped(_lists(sweep.zip, f"{place}: zip"), f"{place}: zip")
    for path, values in _lists(sweep.grid, f"{place}: grid").items():
        yield Axis("grid", (path,), [(value,) for value in values])


def _sampled(part: str, sample: Sample) -> Axis:
    return Axis(part, tuple(sample.ranges), sample)


def _lists(table: Document, place: str) -> dict[str, list[Any]]:
    return {path: spaced(values, f"{place}.{path}") for path, values in by_path(table).items()}


def _zipped(lists: dict[str, list[Any]], place: str) -> Axis:
    """Let the first values of all lists go together, then the second ones."""
    lengths = {path: len(values) for path, values in lists.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{path} has {length}" for path, length in lengths.items())
        raise ConfigError(f"{place}: expected lists of equal length, got: {told}")
    return Axis("zip", tuple(lists), list(zip(*lists.values(), strict=True)))


def _check_apart(axes: Iterable[Axis], place: str) -> None:
    """Refuse a path that has values from two parts."""
    parts: dict[str, str] = {}
    for axis in axes:
        for path in axis.paths:
            if path in parts:
                raise ConfigError(
                    f"{place}: {path}: expected in one part of the sweep, got it in {parts[path]} and in"
                    f" {axis.part}; take it out of one"
                )
            parts[path] = axis.part


def _product(axes: Sequence[Axis]) -> Iterator[Document]:
    """Combine axes as `itertools.product` does, but without holding their steps."""
    if not axes:
        yield {}
        return
    *slower, last = axes
    for values in _product(slower):
        for row in last.rows:
            yield values | dict(zip(last.paths, row, strict=True))


def _kept(points: Iterator[Document], text: str | None, place: str, base: Document) -> Iterator[Document]:
    """Leave out the points for which a constraint does not hold."""
    if text is None:
        yield from points
        return
    holds = Constraint(text, f"{place}: constraint")
    tried = kept = 0
    for values in points:
        tried += 1
        if holds(changed(base, values, f"{place}: ", OPTIONAL)):
            kept += 1
            yield values
    if not kept:
        raise ConfigError(f"{place}: constraint {text!r}: holds at none of {tried:,} points; weaken it")


def by_path(table: Document, prefix: str = "") -> Document:
    """Lay nested tables out with dotted keys; a key that has a dot is a whole path already.

    A table that stands for a list is a value.

    Examples
    --------
    >>> by_path({"policy": {"copy": ["cow"]}, "machine.cores": [1, 2]})
    {'policy.copy': ['cow'], 'machine.cores': [1, 2]}
    >>> by_path({"machine": {"cores": {"log2": [1, 8]}}})
    {'machine.cores': {'log2': [1, 8]}}
    """
    result: Document = {}
    for key, value in table.items():
        if isinstance(value, dict) and "." not in key and not value.keys() & RULES.keys():
            result |= by_path(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result
