"""What ``experiment.toml`` may say.

::

    question = "..."            expectation = "..."         outcome = "..."
    base = "../../configs/x.toml"
    replications = 50           until = { of = "fork_us.mean", within = 0.05, at_least = 5 }
    draws = 20                  metrics = ["fork_us.mean"]  tables = ["faults"]
    limits = { time = "60 s", memory = "2 GiB" }
    [[steady]]                  see steady.py
    [[sweep]]                   see design.py; or [sensitivity], see influence.py
    [[claim]]                   see claims.py
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cowmodel.campaign.claims import Claim
from cowmodel.campaign.design import Sweep
from cowmodel.campaign.influence import Sensitivity
from cowmodel.campaign.limits import Limits
from cowmodel.campaign.steady import Steady
from cowmodel.workload.parameters import (
    Count,
    Expected,
    FilePath,
    Fraction,
    Parameters,
    Period,
    Positive,
    Size,
    problem,
)

HEADLINES = ("fork_us.mean", "copies.total", "peak_bytes.memory")
"""The metrics that a person wants to know first."""


class Question(Parameters):
    """What every ``experiment.toml`` says."""

    question: str = Field(description="what the experiment answers")
    expectation: str = Field(description="what should come out, written before the first run")
    outcome: str = Field(default="", description="where the runs disagreed with that, and why")
    claim: tuple[Claim, ...] = Field((), description="what came out, in tables [[claim]]")


class Measurement(Question):
    """What it says of a measurement."""

    command: str = Field(description="what measures, and writes the tables")
    tables: tuple[str, ...] = Field(min_length=1, description="the tables that it writes")


class Precision(Parameters):
    """Replications until a metric is known well enough."""

    of: str = Field(description="the metric, a column of the summary")
    within: Fraction = Field(description="half of its 95 % interval over its mean")
    at_least: Annotated[int, Field(ge=3), Expected("a whole number of at least 3")]


class LimitTable(Parameters):
    """What one run may take at most."""

    time: Period | None = Field(None, description="of the wall clock")
    memory: Size | None = Field(None, description="beyond what a worker takes before")

    def limits(self) -> Limits:
        """Return them for a worker."""
        return Limits(self.time, self.memory)


class ExperimentFile(Question):
    """What it says of a sweep."""

    base: FilePath = Field(description="the configuration that is varied")
    replications: Positive = Field(description="runs of each point, each with its own streams")
    until: Precision | None = Field(None, description="when fewer replications of a point are enough")
    draws: Count = Field(
        0, description="how often each run is made again with drawn prices, for the bands of its times"
    )
    sweep: tuple[Sweep, ...] = Field((), description="one or more tables [[sweep]]")
    sensitivity: Sensitivity | None = Field(None, description="a table [sensitivity] in its place")
    tables: tuple[
        Literal["faults", "actions", "samples", "memory", "requests", "latency", "windows"], ...
    ] = Field((), description="tables of runs to keep, and to collect")
    metrics: tuple[str, ...] = Field(HEADLINES, description="columns of the summary to make statistics of")
    quantiles: tuple[Fraction, ...] = Field((), description="of those metrics, beside their means")
    steady: tuple[Steady, ...] = Field((), description="metrics without the beginning of a run")
    limits: LimitTable = Field(
        LimitTable(time=None, memory=None), description="what one run may take, or it has failed"
    )

    @model_validator(mode="after")
    def _varied(self) -> Self:
        """Refuse an experiment that varies nothing."""
        if bool(self.sweep) == (self.sensitivity is not None):
            got = "both" if self.sweep else "none"
            raise problem(f"sweep: expected one or more tables [[sweep]], or [sensitivity], got {got}")
        return self
