"""Configurations for people: what a file leads to, and in what points differ from their base."""

from collections.abc import Iterator
from pathlib import Path

from cowmodel.campaign.experiment import FILE, find, read_experiment
from cowmodel.experiment.config import OPTIONAL, load
from cowmodel.experiment.document import Document, document, flat

_MOST = 40


def shown(file: str, settings: tuple[str, ...]) -> Iterator[str]:
    """Go through the lines about a configuration or an experiment.

    Raises
    ------
    ConfigError
        If there is none, or something is wrong with it.
    """
    path = Path(file)
    if path.suffix == ".toml" and path.name != FILE:
        load(path, settings)
        yield from _lines(document(path, settings, OPTIONAL))
        if settings:
            yield from _difference(document(path, (), OPTIONAL), document(path, settings, OPTIONAL))
        return
    experiment = read_experiment(find(file), settings)
    yield f"# {experiment.file.question}"
    yield from _lines(experiment.recipe.base)
    yield f"# {len(experiment.points)} points, by what they change"
    for point in experiment.points[:_MOST]:
        yield ", ".join(f"{path} = {value}" for path, value in point.values.items())
    if len(experiment.points) > _MOST:
        yield f"... and {len(experiment.points) - _MOST} more"


def _lines(table: Document) -> Iterator[str]:
    return (f"{path} = {value!r}" for path, value in flat(table).items())


def _difference(before: Document, after: Document) -> Iterator[str]:
    """Say what settings change."""
    old, new = flat(before), flat(after)
    yield "# changed"
    for path in old | new:
        if old.get(path) != new.get(path):
            yield f"{path} = {new.get(path)!r}  # was {old.get(path, 'not set')!r}"
