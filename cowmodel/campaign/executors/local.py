"""Runs in a pool of processes of this machine.

Workers are forked from a process that has loaded and run everything once. A worker that dies takes the pool
with it, and nobody knows which of the runs under way was to blame: each of them that is not on disk is made
again, alone, and one that ends its worker alone is to blame. The pool is replaced each time.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from types import FrameType

from cowmodel.campaign.executors import ATTEMPTS, PRELOADED, Ended, died
from cowmodel.campaign.recipe import Package, Run
from cowmodel.campaign.store import Failure
from cowmodel.campaign.work import Job

_AHEAD = 4
"""Runs in the queue of each worker, so that none waits for us."""


def local(workers: int, job: Job, runs: Iterable[Run]) -> Ended:
    """Make runs in so many processes."""
    rest, suspects = iter(runs), dict[str, Run]()
    while True:
        yield from _until_a_death(workers, job, rest, suspects)
        if not suspects:
            return
        for run in suspects.values():
            yield run, _alone(job, run)
        suspects.clear()


def _until_a_death(workers: int, job: Job, rest: Iterator[Run], under_way: dict[str, Run]) -> Ended:
    """Make runs until none is left, or a worker has died: then `under_way` has those that have not ended."""
    futures = dict[Future[Package | Failure | None], Run]()

    def submit(most: int) -> None:
        for run in islice(rest, most):
            under_way[run.name] = run
            futures[pool.submit(_done, job, run)] = run

    with _pool(workers) as pool:
        try:
            submit(workers * _AHEAD)
            while futures:
                for future in wait(futures, return_when=FIRST_COMPLETED).done:
                    run, result = futures.pop(future), future.result()
                    del under_way[run.name]
                    yield run, result
                    submit(1)
        except BrokenProcessPool:
            return


def _alone(job: Job, run: Run) -> Package | Failure | None:
    """Make a run with nobody beside it who could be to blame for the death of its worker."""
    for _ in range(ATTEMPTS):
        if job.runs and (job.runs / run.name).is_dir():
            return None
        with _pool(1) as pool:
            try:
                return pool.submit(_done, job, run).result()
            except BrokenProcessPool:
                continue
    return died(ATTEMPTS)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool whose workers end when we do, however we do."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    pool = ProcessPoolExecutor(workers, context, _enter_pool)
    try:
        yield pool
    except BaseException:
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _enter_pool() -> None:
    """Leave Ctrl-C, which reaches every process of a terminal, to the one that waits for us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End when the process that waits for us is gone: the pool's queue would never tell us."""
    parent = multiprocessing.parent_process()
    assert parent, "a worker has a parent"
    parent.join()
    os._exit(1)


def _done(job: Job, run: Run) -> Package | Failure | None:
    """Make a run such that SIGTERM unwinds it, which removes what is half written, and ends us."""
    idle = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, _unwind)
        return job.done(run)
    except SystemExit as end:
        # Not back to the pool: it would give us the next task.
        os._exit(int(end.code or 0))
    finally:
        signal.signal(signal.SIGTERM, idle)


def _unwind(number: int, frame: FrameType | None) -> None:
    # The pool may terminate us a second time: unwind once, undisturbed.
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)
