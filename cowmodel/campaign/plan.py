"""Which runs an experiment wants, given those that there are.

With a fixed number of replications that is known beforehand. Until a metric is known well enough, it depends
on values: then runs are made in rounds, and which there are in the end does not depend on who made them when.
"""

from collections.abc import Iterator
from typing import Any

from cowmodel.campaign.constraint import Constraint
from cowmodel.campaign.experiment import Experiment, Point
from cowmodel.campaign.recipe import Run, run_of
from cowmodel.campaign.stopping import Precise
from cowmodel.campaign.store import Store, read_json
from cowmodel.errors import ConfigError, suggest
from cowmodel.experiment.document import changed, flat


class Plan:
    """The runs of an experiment, in the order of points and replications.

    Parameters
    ----------
    only : str
        A condition on configurations; points that do not meet it are no part of the plan. None if empty.
    """

    def __init__(self, experiment: Experiment, store: Store, only: str = "") -> None:
        self.experiment, self._store = experiment, store
        self._values: dict[str, float | None] = {}
        self.points = tuple(_chosen(experiment, only)) if only else experiment.points

    def runs(self) -> Iterator[tuple[Point, Run]]:
        """Go through all runs that are wanted, as far as is known by now."""
        for point in self.points:
            for replication in range(self._replications(point)):
                yield point, run_of(point.key, point.values, replication)

    def missing(self) -> Iterator[Run]:
        """Go through the runs that are wanted, and are neither finished nor known to fail."""
        known = self._store.finished() | self._store.failures().keys()
        return (run for _, run in self.runs() if run.name not in known)

    def _replications(self, point: Point) -> int:
        most, rule = self.experiment.file.replications, self.experiment.file.until
        if rule is None:
            return most
        values = list(self._first_values(point, most, rule.of))
        if len(values) < most and self._failed(point, len(values)):
            return len(values) + 1
        return Precise(rule.within, rule.at_least, most).wanted(values)

    def _failed(self, point: Point, replication: int) -> bool:
        return (self._store.failed / f"{run_of(point.key, point.values, replication).name}.json").exists()

    def _first_values(self, point: Point, most: int, metric: str) -> Iterator[float]:
        """Go through the values of a metric in the first replications, up to one that is not finished."""
        for replication in range(most):
            value = self._value(run_of(point.key, point.values, replication), metric)
            if value is None:
                return
            yield value

    def _value(self, run: Run, metric: str) -> float | None:
        if run.name not in self._values:
            path = self._store.runs / run.name / "run.json"
            if not path.exists():
                return None
            self._values[run.name] = value_of(read_json(path)["metrics"], metric)
        return self._values[run.name]


def value_of(metrics: dict[str, Any], name: str) -> float:
    """Look a metric up in those of a run.

    Raises
    ------
    ConfigError
        If there is none of that name, or it is no number.
    """
    values = flat(metrics)
    if name not in values:
        raise ConfigError(suggest("metric", name, values))
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"metric {name}: expected a number, got {value!r}; choose another metric")
    return value


def _chosen(experiment: Experiment, only: str) -> Iterator[Point]:
    """Go through the points that meet a condition."""
    meets, found = Constraint(only, "--only"), False
    for point in experiment.points:
        if meets(changed(experiment.recipe.base, point.values, "--only: ", tuple(point.values))):
            found = True
            yield point
    if not found:
        raise ConfigError(f"--only {only!r}: no point meets it; `cowmodel show {experiment.name}` lists them")
