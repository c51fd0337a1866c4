"""An experiment: a question, what is expected, and the points at which a base is run.

::

    experiments/NAME/experiment.toml     question, expectation, base, replications, [[sweep]], [[claim]] ...
    experiments/NAME/figure.py           draw(tables) -> figure

What is measured and not simulated has a command and its tables in the place of base, replications and sweep.
Every point is checked before the first run starts.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cowmodel.campaign.design import combinations
from cowmodel.campaign.file import ExperimentFile, Measurement
from cowmodel.campaign.recipe import Recipe
from cowmodel.errors import ConfigError, suggest
from cowmodel.experiment.config import OPTIONAL, check
from cowmodel.experiment.document import Document, document, flat, parse_settings, read_toml
from cowmodel.experiment.validation import located, validated

FILE = "experiment.toml"


@dataclass(frozen=True, slots=True)
class Point:
    """One combination of varied values.

    Attributes
    ----------
    values : Document
        From each path that is changed here to its value.
    columns : Document
        From each path that the experiment varies anywhere to its value here.
    key : str
        Hash of all that the results depend on, but the replication.
    """

    values: Document
    columns: Document
    key: str


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
    recipe : Recipe
        How its runs are made.
    points : tuple of Point
        In the order of the file; a point that comes twice is one.
    inputs : dict of str to str
        From the name of each file that a configuration names, as written, to its hash.
    """

    name: str
    file: ExperimentFile
    settings: tuple[str, ...]
    recipe: Recipe
    points: tuple[Point, ...] = ()
    inputs: dict[str, str] = field(default_factory=dict)


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
    raise ConfigError(suggest(f"{shelf}", path.name, names_in(shelf)))


def names_in(shelf: Path) -> list[str]:
    """Return the names of the experiments in a folder."""
    return sorted(file.parent.name for file in shelf.glob(f"*/{FILE}"))


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


def read_experiment(folder: Path, settings: Iterable[str] = (), command: str = "") -> Experiment:
    """Read an experiment and check every point of it.

    Parameters
    ----------
    folder : Path
        The folder of the experiment.
    settings : iterable of str
        Changes of the base as ``path=value``.
    command : str
        What the user typed.

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
    recipe = Recipe(base, file.base.parent, file.draws, file.tables, file.steady, command)
    return _with_points(Experiment(folder.resolve().name, file, changes, recipe), folder)


def _with_points(experiment: Experiment, folder: Path) -> Experiment:
    """Check the configuration of every point, and collect what is wrong at any."""
    where, recipe = str(folder / FILE), experiment.recipe
    steps = list(_steps(experiment.file, where, recipe.base))
    varied = list(dict.fromkeys(path for _, values in steps for path in values))
    _check_settings(experiment.settings, varied, where)
    points: dict[str, Point] = {}
    inputs: dict[str, str] = {}
    wrong: dict[str, None] = {}
    for place, values in steps:
        try:
            configuration = recipe.configuration(values, place)
        except ConfigError as error:
            # many points share a mistake
            wrong |= dict.fromkeys(str(error).splitlines())
            continue
        key = recipe.key(configuration)
        points.setdefault(key, Point(values, dict(_at(configuration.document, varied)), key))
        if configuration.inputs:
            written = flat(configuration.document)
            inputs |= {written[path]: digest for path, digest in configuration.inputs.items()}
    if wrong:
        raise ConfigError("\n".join(wrong))
    return replace(experiment, points=tuple(points.values()), inputs=inputs)


def _steps(file: ExperimentFile, where: str, base: Document) -> Iterator[tuple[str, Document]]:
    """Go through what each point changes."""
    if file.sensitivity:
        return file.sensitivity.rows(where)
    return combinations(file.sweep, where, base)


def _check_settings(settings: tuple[str, ...], varied: Iterable[str], where: str) -> None:
    for path in parse_settings(settings).keys() & set(varied):
        raise ConfigError(f"--set {path}: {where} gives it its values; change them there")


def _at(raw: Document, varied: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Look the varied paths up in the document of one point; None where it has no such path."""
    for path in varied:
        value: Any = raw
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        yield path, value
