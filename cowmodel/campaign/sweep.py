"""Make the runs that are missing, in rounds, until none is."""

from collections.abc import Callable, Iterator

from cowmodel.campaign.executors import Executor
from cowmodel.campaign.plan import Plan
from cowmodel.campaign.recipe import Run
from cowmodel.campaign.store import Failure, Store, commit
from cowmodel.campaign.work import Job


def sweep(
    plan: Plan, store: Store, execute: Executor, job: Job, begun: Callable[[int], None] = lambda number: None
) -> Iterator[tuple[Run, Failure | None]]:
    """Make the runs that are missing, and yield each as it ends.

    Parameters
    ----------
    execute : callable
        Where they are made.
    begun : callable
        Told at the beginning of each round how many runs are in it.

    Raises
    ------
    OSError
        If a run cannot be written, with its path.
    """
    while missing := list(plan.missing()):
        begun(len(missing))
        for run, result in execute(job, missing):
            if isinstance(result, Failure):
                store.fail(run, result)
                yield run, result
                continue
            if result is not None:
                commit(store.runs, run.name, result)
            yield run, None
