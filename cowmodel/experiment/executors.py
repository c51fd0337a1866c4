"""Where runs are made: one after the other in this process, or in a pool of processes.

Both yield each task when it has ended, and both leave nothing half-done when interrupted.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from types import FrameType
from typing import TypeVar

from cowmodel.errors import SimulationError

Task = TypeVar("Task")
Ended = Generator[tuple[Task, SimulationError | None], None, None]
PRELOADED = "cowmodel.experiment.run"


def run_all(work: Callable[[Task], None], tasks: Sequence[Task], workers: int) -> Ended[Task]:
    """Do all tasks, and yield each with its error as it ends.

    Parameters
    ----------
    work : callable
        Importable from another process.
    tasks : sequence
        Picklable.
    workers : int
        Processes; with 1, the work is done in this one.

    Yields
    ------
    task, error
        The error is None where the task was done. Any exception but `SimulationError` ends the
        iteration, and the tasks that have not ended are given up.
    """
    ended = _serial(work, tasks) if workers == 1 else _pooled(work, tasks, workers)
    with closing(ended):
        yield from ended


def _serial(work: Callable[[Task], None], tasks: Sequence[Task]) -> Ended[Task]:
    for task in tasks:
        try:
            work(task)
        except SimulationError as error:
            yield task, error
        else:
            yield task, None


def _pooled(work: Callable[[Task], None], tasks: Sequence[Task], workers: int) -> Ended[Task]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])
    pool = ProcessPoolExecutor(workers, context, _enter_pool)
    futures: dict[Future[None], Task] = {}
    try:
        futures |= {pool.submit(_in_pool, work, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], _error(future)
    except BaseException:
        for worker in multiprocessing.active_children():
            worker.terminate()
        raise
    finally:
        pool.shutdown()


def _error(future: Future[None]) -> SimulationError | None:
    """Tell how a task ended; what is not the model's failure is raised."""
    try:
        future.result()
    except SimulationError as error:
        return error
    except BrokenProcessPool as error:
        raise SimulationError(
            "a worker process died, perhaps for want of memory; what is finished is kept: "
            "the same command goes on, with fewer --workers if it dies again"
        ) from error
    return None


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


def _in_pool(work: Callable[[Task], None], task: Task) -> None:
    """Do a task such that SIGTERM unwinds it, which removes what is half written, and ends us."""
    idle = signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGTERM, _unwind)
        work(task)
    except SystemExit as end:
        # Not back to the pool: it would give us the next task.
        os._exit(int(end.code or 0))
    finally:
        signal.signal(signal.SIGTERM, idle)


def _unwind(number: int, frame: FrameType | None) -> None:
    # The pool may terminate us a second time: unwind once, undisturbed.
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)
