"""Bands: between which ends the times of a run lie, as far as its prices and its memory are known.

::

    prices                  the run  --->  summary, the same whether others follow or not
    draw 0 of the prices    the run again, with the same random streams  ---+
    draw 1 of the prices    the run again ...                            ---+--->  a band of each time

The same number draws the same deviations whatever the policy, backing or replication, so that differences are
surer than what they are differences of.

The ends are the 5 % and 95 % quantiles of n draws at ranks p (n + 1), after Weibull: one more draw falls
between them in 90 % of cases, on average and whatever the distribution. Fewer than 19 draws have no such
ranks: the least and the greatest are the ends then, and hold (n - 1) / (n + 1) of cases.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cowmodel.errors import SimulationError
from cowmodel.experiment.config import Configuration
from cowmodel.experiment.document import Document, flat
from cowmodel.experiment.run import priced, simulate
from cowmodel.units import unit_of_time

_ENDS = (0.05, 0.95)


class Bands(NamedTuple):
    """Where the times of a run lie.

    Attributes
    ----------
    note : str
        What they are made of, or why there are none.
    times : dict of str to (float, float)
        From the dotted path of a time in the summary to the ends of its band, in the unit of the path. A time
        that no draw moves has none.
    """

    note: str
    times: dict[str, tuple[float, float]]


def find_bands(
    configuration: Configuration, replication: int, summary: Mapping[str, Any], draws: int
) -> Bands:
    """Make a run again with each of so many draws, and return the bands of the times in its summary.

    A draw with which the modelled machine cannot go on tells no times; the note counts it.
    """
    if not draws:
        return Bands("none: no draws asked for", {})
    costs, unknown = priced(configuration), configuration.machine.contiguity == "unknown"
    if not costs.uncertain and not unknown:
        return Bands(f"none: no price that {costs.name} measured has an interval", {})
    drawn, failures = _drawn(configuration, replication, draws)
    what = [f"the prices of {costs.name}"] * costs.uncertain + ["an unknown contiguity"] * unknown
    return Bands(_note(len(drawn), " and ".join(what), failures), bands_of(flat(summary), drawn))


def _drawn(configuration: Configuration, replication: int, draws: int) -> tuple[list[Document], list[str]]:
    """Return the summaries with each draw, laid flat, and what was said of those that failed."""
    summaries, failures = [], []
    for number in range(draws):
        try:
            summaries.append(flat(simulate(configuration, replication, number).summary))
        except SimulationError as problem:
            failures.append(f"draw {number}: {problem}")
    return summaries, failures


def bands_of(summary: Document, drawn: Sequence[Document]) -> dict[str, tuple[float, float]]:
    """Return the band of each time in `summary` that the summaries `drawn` move; all of them laid flat."""
    bands = {}
    for name in (name for name, value in summary.items() if value is not None and unit_of_time(name)):
        times = [one[name] for one in drawn if one[name] is not None]
        if any(time != summary[name] for time in times):
            low, high = np.quantile(times, _ENDS, method="weibull").tolist()
            bands[name] = (low, high)
    return bands


def _note(draws: int, what: str, failures: Sequence[str]) -> str:
    """Say how many cases lie inside a band, by how many draws, and what became of the others."""
    coverage = min(_ENDS[1] - _ENDS[0], max(0, draws - 1) / (draws + 1))
    failed = [f"{len(failures)} more failed, {failures[0]}"] if failures else []
    return "; ".join([f"{100 * coverage:.0f} % of cases, by {draws} draws of {what}", *failed])
