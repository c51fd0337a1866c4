"""Make the runs that are missing, in rounds, until none is."""

from collections.abc import Callable, Iterator

from cowmodel.campaign.executors import Executor
from cowmodel.campaign.plan import Plan
from cowmodel.campaign.recipe import Run
from cowmodel.campaign.store import Failure, Store, commit
from cowmodel.campaign.work import Job
from cowmodel.errors import ConfigError


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
    ConfigError
        If workers have written runs that are not in the store.
    OSError
        If a run cannot be written, with its path.
    """
    made: set[str] = set()
    while missing := list(plan.missing()):
        if lost := [run for run in missing if run.name in made]:
            raise ConfigError(
                f"{store.runs}: expected {len(lost)} runs that workers have written, got none: they see "
                "another folder; leave --shared out"
            )
        begun(len(missing))
        for run, result in execute(job, missing):
            made.add(run.name)
            if isinstance(result, Failure):
                store.fail(run, result)
                yield run, result
                continue
            if result is not None:
                commit(store.runs, run.name, result)
            yield run, None
