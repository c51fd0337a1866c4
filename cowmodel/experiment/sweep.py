"""An experiment: a question, what is expected, and the points at which a base is run.

::

    experiments/NAME/experiment.toml     question, expectation, base, replications, [[sweep]] ...
    experiments/NAME/figure.py           draw(tables) -> figure

What is measured and not simulated has a command and its tables in the place of base, replications and sweep.
Every point is checked before the first run starts.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from cowmodel.errors import ConfigError, suggest
from cowmodel.experiment.config import OPTIONAL, Configuration, check
from cowmodel.experiment.document import (
    Document,
    canonical,
    changed,
    document,
    parse_settings,
    read_toml,
)
from cowmodel.experiment.grid import Sweep, combinations
from cowmodel.experiment.validation import located, validated
from cowmodel.workload.parameters import Count, FilePath, Parameters, Positive

FILE = "experiment.toml"


class Question(Parameters):
    """What every ``experiment.toml`` says."""

    question: str = Field(description="what the experiment answers")
    expectation: str = Field(description="what should come out, written before the first run")
    outcome: str = Field(default="", description="where the runs disagreed with that, and why")


class Measurement(Question):
    """What it says of a measurement."""

    command: str = Field(description="what measures, and writes the tables")
    tables: tuple[str, ...] = Field(min_length=1, description="the tables that it writes")


class ExperimentFile(Question):
    """What it says of a sweep."""

    base: FilePath = Field(description="the configuration that is varied")
    replications: Positive = Field(description="runs of each point, each with its own streams")
    draws: Count = Field(
        0, description="how often each run is made again with drawn prices, for the bands of its times"
    )
    sweep: tuple[Sweep, ...] = Field(min_length=1, description="one or more tables [[sweep]]")
    tables: tuple[
        Literal["faults", "actions", "samples", "memory", "requests", "latency", "windows"], ...
    ] = ()


@dataclass(frozen=True)
class Point:
    """One combination of varied values.

    Attributes
    ----------
    values : Document
        From each path that the experiment varies to its value here.
    configuration : Configuration
        The base with these values.
    """

    values: Document
    configuration: Configuration


@dataclass(frozen=True)
class Experiment:
    """A checked experiment.

    Attributes
    ----------
    name : str
        Name of its folder, and of the folder of its results.
    file : ExperimentFile
        What it says.
    settings : tuple of str
        Changes of the base from the command line.
    points : tuple of Point
        In the order of the file; a point that comes twice is one.
    """

    name: str
    file: ExperimentFile
    settings: tuple[str, ...]
    points: tuple[Point, ...]


def find(name: str, shelf: Path = Path("experiments")) -> Path:
    """Find the folder of an experiment.

    Parameters
    ----------
    name : str
        Its name, its folder, or its ``experiment.toml``.
    shelf : Path
        The folder in which names are looked up.

    Raises
    ------
    ConfigError
        If there is none, with the names that exist.
    """
    path = Path(name)
    if path.name == FILE:
        return path.parent
    for folder in (path, shelf / name):
        if (folder / FILE).exists():
            return folder
    return _not_found(name, shelf)


def _not_found(name: str, shelf: Path) -> Path:
    names = sorted(file.parent.name for file in shelf.glob(f"*/{FILE}"))
    raise ConfigError(suggest(f"{shelf}", Path(name).name, names))


def read_file(folder: Path) -> ExperimentFile | Measurement:
    """Read and check the file of an experiment, but not yet the points it leads to.

    Raises
    ------
    ConfigError
        With a line for each thing that is wrong.
    """
    table = read_toml(folder / FILE)
    try:
        if "command" in table:
            return validated(Measurement, table, "", folder)
        return validated(ExperimentFile, table, "", folder)
    except ConfigError as error:
        raise located(str(folder / FILE), str(error).splitlines()) from error


def read_experiment(folder: Path, settings: Iterable[str] = ()) -> Experiment:
    """Read an experiment and check every point of it.

    Parameters
    ----------
    folder : Path
        The folder of the experiment.
    settings : iterable of str
        Changes of the base as ``path=value``.

    Raises
    ------
    ConfigError
        With a line for each thing that is wrong, in the file, the base, or at a point; or if it is a
        measurement.
    """
    file, changes = read_file(folder), tuple(settings)
    if isinstance(file, Measurement):
        raise ConfigError(f"{folder / FILE}: it is measured, not swept; run `{file.command}`")
    base = document(file.base, changes, OPTIONAL)
    check(base, os.path.normpath(file.base), file.base.parent)
    points = _points(file, base, changes, f"{folder / FILE}")
    return Experiment(folder.resolve().name, file, changes, points)


def _points(file: ExperimentFile, base: Document, changes: tuple[str, ...], where: str) -> tuple[Point, ...]:
    """Check the configuration of every point, and collect what is wrong at any."""
    steps = list(combinations(file.sweep, where))
    varied = list(dict.fromkeys(path for _, values in steps for path in values))
    for path in parse_settings(changes).keys() & set(varied):
        raise ConfigError(f"--set {path}: {where} gives it its values; change them there")
    points: dict[str, Point] = {}
    wrong: dict[str, None] = {}
    for place, values in steps:
        try:
            raw = changed(base, values, f"{place}: ", OPTIONAL)
            point = Point(_at(raw, varied), check(raw, place, file.base.parent))
            points.setdefault(canonical(raw), point)
        except ConfigError as error:
            # many points share a mistake
            wrong |= dict.fromkeys(str(error).splitlines())
    if wrong:
        raise ConfigError("\n".join(wrong))
    return tuple(points.values())


def _at(raw: Document, varied: Iterable[str]) -> Document:
    """Look the varied paths up in the document of one point; None where it has no such path."""
    values: Document = {}
    for path in varied:
        value: Any = raw
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        values[path] = value
    return values
