"""Sweeps in this process, for tests."""

from pathlib import Path

from cowmodel.campaign.collect import collect
from cowmodel.campaign.executors import Executor, serial
from cowmodel.campaign.experiment import read_experiment
from cowmodel.campaign.plan import Plan
from cowmodel.campaign.recipe import Run
from cowmodel.campaign.store import Failure, Store
from cowmodel.campaign.sweep import sweep
from cowmodel.campaign.work import Job

FLIPS = Path("experiments/flips")
RESULTS = Path("results/flips")


def planned(results: Path = RESULTS, only: str = "") -> Plan:
    return Plan(read_experiment(FLIPS), Store(results), only)


def job(plan: Plan, results: Path = RESULTS, shared: bool = True) -> Job:
    limits = plan.experiment.file.limits.limits()
    return Job(plan.experiment.recipe, limits, (results / "runs").resolve() if shared else None)


def swept(
    results: Path = RESULTS, execute: Executor = serial, shared: bool = True
) -> list[tuple[Run, Failure | None]]:
    """Make what is missing of the experiment, and collect it."""
    plan, store = planned(results), Store(results)
    with store.alone("flips"):
        ended = list(sweep(plan, store, execute, job(plan, results, shared)))
        collect(plan, store)
    return ended


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
