"""What a cost model says of steps that were measured, and how far off it is.

The band around a prediction is that of the prices: of as many draws of them, 5 % lie below and 5 % above.
Where it is not told which frames follow each other, each draw has as many out of order as chance gives it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cowmodel.cost.fit import Measured
from cowmodel.cost.model import CostModel
from cowmodel.live.sessions import measured, session
from cowmodel.live.timing import Works, with_jumps
from cowmodel.scenario.steps import Access, Scenario, Step

DRAWS, SESSIONS = 20, 4
_NS_PER_US, _PS_PER_NS = 1000, 1000


class Predicted(NamedTuple):
    """A step that was measured and predicted.

    Attributes
    ----------
    scenario, step : str
    kind : {'faults', 'fork', 'exit', 'other'}
        Accesses that fault; fork; exit; all else.
    measured_us, predicted_us, low_us, high_us : float
    """

    scenario: str
    step: str
    kind: str
    measured_us: float
    predicted_us: float
    low_us: float
    high_us: float

    @property
    def deviation(self) -> float:
        """By how much of what was measured the prediction is too long."""
        return self.predicted_us / self.measured_us - 1

    @property
    def covered(self) -> bool:
        """Whether what was measured lies in the band."""
        return self.low_us <= self.measured_us <= self.high_us

    def __str__(self) -> str:
        """Return a line for people."""
        band = f" ({self.low_us:,.1f} to {self.high_us:,.1f})" if self.low_us < self.high_us else ""
        return (
            f"{self.step:<14}{self.measured_us:>12,.1f} us measured {self.predicted_us:>12,.1f} us"
            f" predicted{band}: {self.deviation:+.0%}"
        )


def timed_and_predicted(
    scenario: Scenario, program: Path, costs: CostModel, sessions: int = SESSIONS
) -> list[Predicted]:
    """Play a scenario so often, after once that does not count, and predict its steps with the frames it had.

    Raises
    ------
    CannotMeasure
        If the running kernel cannot play it.
    SimulationError
        If the model cannot.
    """
    played = [session(scenario, program) for _ in range(1 + sessions)][1:]
    return list(predictions(measured(scenario, played), costs))


def summary(found: Iterable[Predicted]) -> Iterator[str]:
    """Yield how far off the predictions of each kind of step are."""
    steps = list(found)
    for which in ("faults", "fork", "exit"):
        if off := [abs(step.deviation) for step in steps if step.kind == which]:
            middle, worst = np.median(off), max(off)
            yield f"{which}: {len(off)} steps, off by {middle:.1%} in the median, {worst:.1%} at worst"


def predictions(
    steps: Iterable[tuple[Step, Measured]], costs: CostModel, frames_known: bool = True
) -> Iterator[Predicted]:
    """Price steps that were measured.

    Parameters
    ----------
    steps : iterable of (Step, Measured)
    costs : CostModel
    frames_known : bool
        Whether the order of frames is what was measured; else as many are out of order as chance says.
    """
    models = [costs.drawn(number) for number in range(DRAWS)] if costs.uncertain else [costs]
    shares = np.random.default_rng(0).random(len(models))
    for step, row in steps:
        works = [row.works if frames_known else _out_of_order(row.works, share) for share in shares]
        drawn = [_us(works, model) for works, model in zip(works, models, strict=True)]
        usual = row.works if frames_known else _out_of_order(row.works, 0.5)
        low, high = np.quantile(drawn, (0.05, 0.95), method="weibull")  # at ranks p (n + 1)
        scenario, _, name = row.name.partition(": ")
        took = float(np.median(row.ns)) / _NS_PER_US
        yield Predicted(
            scenario, name, kind(step, row.works), took, _us(usual, costs), float(low), float(high)
        )


def kind(step: Step, works: Works) -> str:
    """Return which kind of step one is, as `Predicted` says."""
    if isinstance(step, Access):
        return "faults" if any(work.traps for work in works) else "other"
    return step.op if step.op in ("fork", "exit") else "other"


def _out_of_order(works: Works, share: float) -> Works:
    """Return work in which a share of the frames does not follow the one before."""
    most = max((work.pte_entries + work.batches + work.drops for work in works), default=0)
    return with_jumps(works, round(share * most))


def _us(works: Works, costs: CostModel) -> float:
    return sum(costs.cost_ps(work) * count for work, count in works.items()) / _PS_PER_NS / _NS_PER_US
