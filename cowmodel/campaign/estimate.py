"""What a sweep would take: from runs that are finished, or else from pilot runs."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from cowmodel.campaign.executors import Executor
from cowmodel.campaign.plan import Plan
from cowmodel.campaign.recipe import Run
from cowmodel.campaign.store import Failure, Store, read_json
from cowmodel.campaign.work import Job
from cowmodel.units import format_duration, format_size

_PILOTS = 3


def estimated(plan: Plan, store: Store, execute: Executor, job: Job) -> Iterator[str]:
    """Go through the lines that tell how many runs, how long and how large; nothing is kept."""
    missing = list(plan.missing())
    there = store.finished()
    wanted = [run for _, run in plan.runs()]
    yield f"{len(wanted)} runs, of which {len(missing)} are missing"
    if not missing:
        return
    done = [run for run in wanted if run.name in there][:_PILOTS]
    spent = [read_json(store.runs / run.name / "run.json")["spent"] for run in done]
    what = f"{len(spent)} finished runs"
    if not spent:
        pilots = _spread(missing)
        spent, failures = _tried(execute, job._replace(runs=None), pilots)
        what = f"{len(pilots)} pilot runs"
        yield from (f"  pilot run failed: {run}: {failure.message}" for run, failure in failures)
    if spent:
        mean = math.fsum(one["cpu_s"] for one in spent) / len(spent)
        total = format_duration(round(mean * len(missing) * 1e12))
        most = format_size(max(one["process_bytes"] for one in spent))
        yield f"about {total} of processor time in all, and {most} a worker, by {what}"


def _spread(runs: Sequence[Run]) -> list[Run]:
    """Return the first, the middle and the last: points often grow along a sweep."""
    return [runs[at] for at in sorted({0, len(runs) // 2, len(runs) - 1})]


def _tried(execute: Executor, job: Job, runs: Sequence[Run]) -> tuple[list[Any], list[tuple[Run, Failure]]]:
    """Make runs without keeping them."""
    import json

    spent, failures = [], []
    for run, result in execute(job, runs):
        if isinstance(result, Failure):
            failures.append((run, result))
        elif result is not None:
            spent.append(json.loads(result["run.json"])["spent"])
    return spent, failures
