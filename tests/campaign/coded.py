"""A job whose runs are code, so that workers do what a test wants of them."""

from pathlib import Path
from typing import NamedTuple

from cowmodel.campaign.limits import Limits
from cowmodel.campaign.recipe import Package, Recipe, Run
from cowmodel.campaign.store import Failure
from cowmodel.campaign.work import Job


class CodedRecipe(Recipe):
    def made(self, run: Run) -> Package:
        names: dict[str, Package] = {"package": {"run.json": b"{}"}}
        exec(run.point["code"], names)
        return names["package"]


def job(runs: Path | None, limits: Limits | None = None) -> Job:
    return Job(CodedRecipe({}, Path()), limits or Limits(), runs)


def runs(*codes: str) -> list[Run]:
    return [Run({"code": code}, 0, f"run{number:04}") for number, code in enumerate(codes)]


class Ended(NamedTuple):
    finished: list[str]
    failed: dict[str, Failure]


def ended(results: list[tuple[Run, Package | Failure | None]]) -> Ended:
    failed = {run.name: result for run, result in results if isinstance(result, Failure)}
    return Ended(sorted(run.name for run, _ in results if run.name not in failed), failed)
