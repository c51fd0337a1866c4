"""Scenarios on the model: each operation of the language is a call of one or two verbs of the kernel.

`MODELLED` lists what the kernel of the model can do; anything else is refused by file and line. What a later
kernel learns is one more row there.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cowmodel.engine.burst import NEVER_PS, Burst, FaultRow
from cowmodel.engine.compiled import CompiledEngine
from cowmodel.engine.contention import Contention
from cowmodel.engine.reference import ReferenceEngine
from cowmodel.errors import BusError, CommitLimit, SegmentationFault, Signal, SimulationError
from cowmodel.hardware.paging import Numbers
from cowmodel.kernel.advice import ADVICE
from cowmodel.kernel.backing import Backing
from cowmodel.kernel.fault import FLIPS, Fault
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.rights import RIGHTS
from cowmodel.kernel.work import Work
from cowmodel.scenario import look
from cowmodel.scenario.backings import backing, opened, set_limits
from cowmodel.scenario.cast import Cast
from cowmodel.scenario.fields import Row
from cowmodel.scenario.setup import Setup
from cowmodel.scenario.steps import PAGE_BYTES, Access, Map, Move, Ranged, Scenario, Step, longest


class Tally:
    """Counts the work of the faults that an engine tells of.

    Parameters
    ----------
    works : Counter of Work
    """

    keeps_rows = False

    def __init__(self, works: Counter[Work]) -> None:
        self._works = works

    def fault(self, row: FaultRow, fault: Fault) -> None:
        """Count one."""
        self._works[fault.work] += 1

    def faults(self, counts: Mapping[Fault, int], columns: Callable[[], Mapping[str, Any]]) -> None:
        """Count many."""
        for fault, count in counts.items():
            self._works[fault.work] += count


class ModelStage:
    """A kernel of the model that carries out steps.

    Attributes
    ----------
    kernel : Kernel
    processes : dict of str to Process
    files : dict of str to MemoryObject
    works : Counter of Work
        What the step that is going on has taken so far.
    """

    tells_frames = True

    def __init__(self, scenario: Scenario, setup: Setup) -> None:
        self.kernel = Kernel(setup.geometry, setup.memory_bytes, setup.policy, setup.era)
        if setup.contiguity < 1:
            self.kernel.frames.age(setup.contiguity)
        set_limits(self.kernel, scenario.settings)
        self.processes: dict[str, Process] = {"P0": self.kernel.spawn()[0]}
        self.works: Counter[Work] = Counter()
        self.files = opened(self.kernel, scenario.settings)
        self._scenario, self._costs = scenario, setup.costs
        engine = CompiledEngine if longest(scenario) > _FEW else ReferenceEngine
        self.engine = engine(
            self.kernel,
            lambda work: int(work.hits > 0),
            Tally(self.works),
            Contention(page_table_locks=False),
        )

    def act(self, steps: Sequence[Step], cast: Cast) -> list[Row]:
        """Carry out steps, those of a group one after the other.

        Raises
        ------
        SimulationError
            For what the model does not have, with file and line.
        """
        return [self._act(step, cast) for step in steps]

    def frames(self, proc: str, region: Map) -> Numbers:
        """Return the frame of each page of a region."""
        return look.frames(self.kernel, self.processes[proc], region)

    def table_pages(self, proc: str) -> int:
        """Return the page-table pages of a process below the root."""
        return look.table_pages(self.processes[proc])

    def smaps(self, proc: str, region: Map) -> Mapping[str, int]:
        """Return what `/proc/PID/smaps` would say of a region, in KiB."""
        return look.smaps(self.kernel, self.processes[proc], region)

    def backing(self, region: Map) -> Backing:
        """Return what a region is made of."""
        return backing(region, self._scenario.settings)

    def _act(self, step: Step, cast: Cast) -> Row:
        if step.feature not in MODELLED:
            raise SimulationError(
                f"{self._scenario.where(step)}: expected one of {', '.join(MODELLED)}, got what the model"
                " does not have yet; `cowmodel scenario live` runs it on the running kernel"
            )
        process, stopped = self.processes.get(step.proc), ""
        before = Counter(process.faults) if process else Counter()
        self.works.clear()
        try:
            MODELLED[step.feature](self, step, cast)
        except CommitLimit:
            stopped = "refused"
        except Signal as signal:
            stopped = STOPPED[type(signal)] if isinstance(step, Access) or step.op == "merge" else "refused"
        except SimulationError as problem:
            raise type(problem)(f"{self._scenario.where(step)}: {problem}") from problem
        return self._row(step, process.faults - before if process else Counter(), stopped)

    def _row(self, step: Step, kinds: Counter[str], stopped: str) -> Row:
        row: Row = {}
        if step.op not in ("exit", "stat"):
            row |= {"minflt": kinds.total(), "majflt": 0}
        if step.region and not isinstance(step, Map):
            row["flips"] = sum(kinds[kind] for kind in FLIPS)
        row |= {f"kinds.{kind}": count for kind, count in sorted(kinds.items())}
        if stopped:
            row[stopped] = 1
        if self._scenario.settings.hugepages is not None:
            row |= look.pool(self.kernel)
        cost_ps = sum(self._costs.cost_ps(work) * times for work, times in self.works.items())
        return row | {"ns": cost_ps // 1000}


def _map(stage: ModelStage, step: Map, cast: Cast) -> None:
    process, file = stage.processes[step.proc], stage.files.get(step.file or "")
    size_bytes, made_of = step.pages * PAGE_BYTES, stage.backing(step)
    where = step.first_page, file, step.from_bytes // PAGE_BYTES
    _, work = stage.kernel.mmap(process, size_bytes, made_of, not step.private, *where)
    stage.works[work] += 1 + (step.page != "hugetlb")  # others are advised too about huge pages


def _access(stage: ModelStage, step: Access, cast: Cast) -> None:
    """Make accesses one by one, each tried again after its fault, as a processor does."""
    pages = step.pages()
    written = np.full(len(pages), int(step.write))
    burst = Burst(stage.processes[step.proc], pages, written, first=cast.region(step).first_page)
    stage.engine.start(0, burst, 0, NEVER_PS)
    stage.engine.advance(NEVER_PS)
    stage.works[_HIT] += burst.done
    if burst.signal:
        raise burst.signal


def _munmap(stage: ModelStage, step: Ranged, cast: Cast) -> None:
    process, start = stage.processes[step.proc], cast.region(step).first_page
    first, end = start + step.first, start + step.last + 1
    for vma in process.memory.overlapping(first, end):
        low, high = max(first, vma.first), min(end, vma.end)
        stage.works[stage.kernel.munmap(process, vma, low - vma.first, high - low)] += 1


def _madvise(stage: ModelStage, step: Ranged, cast: Cast) -> None:
    process, run = stage.processes[step.proc], _run(step, cast)
    stage.works[stage.kernel.madvise(process, *run, step.how)] += 1


def _mprotect(stage: ModelStage, step: Ranged, cast: Cast) -> None:
    process, run = stage.processes[step.proc], _run(step, cast)
    stage.works[stage.kernel.mprotect(process, *run, step.how)] += 1


def _mlock(stage: ModelStage, step: Ranged, cast: Cast) -> None:
    stage.works[stage.kernel.mlock(stage.processes[step.proc], *_run(step, cast))] += 1


def _mremap(stage: ModelStage, step: Move, cast: Cast) -> None:
    process, start = stage.processes[step.proc], cast.region(step).first_page
    stage.works[stage.kernel.mremap(process, start, step.there.pages, step.there.first_page)] += 1


def _pin(stage: ModelStage, step: Ranged, cast: Cast) -> None:
    stage.works[stage.kernel.pin(stage.processes[step.proc], *_run(step, cast))] += 1


def _unpin(stage: ModelStage, step: Ranged, cast: Cast) -> None:
    stage.works[stage.kernel.unpin(stage.processes[step.proc], *_run(step, cast))] += 1


def _merge(stage: ModelStage, step: Ranged, cast: Cast) -> None:
    stage.works[stage.kernel.merge(stage.processes[step.proc], *_run(step, cast))] += 1


def _run(step: Ranged, cast: Cast) -> tuple[int, int]:
    """Return the first page of the address space that a step is about, and how many there are."""
    return cast.region(step).first_page + step.first, step.last - step.first + 1


def _fork(stage: ModelStage, step: Step, cast: Cast) -> None:
    stage.processes[step.child] = _forked(stage, step)


def _forked(stage: ModelStage, step: Step) -> Process:
    """Let a process fork; return its child."""
    child, work = stage.kernel.fork(stage.processes[step.proc])
    stage.works[work] += 1
    return child


def _exit(stage: ModelStage, step: Step, cast: Cast) -> None:
    _end(stage, stage.processes.pop(step.proc))


def _vfork(stage: ModelStage, step: Step, cast: Cast) -> None:
    child, work = stage.kernel.vfork(stage.processes[step.proc])
    stage.works[work] += 1
    _end(stage, child)


def _spawn(stage: ModelStage, step: Step, cast: Cast) -> None:
    child, work = stage.kernel.spawn(stage.processes[step.proc])
    stage.works[work] += 1
    _end(stage, child)


def _forkexec(stage: ModelStage, step: Step, cast: Cast) -> None:
    child = _forked(stage, step)
    stage.works[stage.kernel.exec(child)] += 1
    _end(stage, child)


def _end(stage: ModelStage, process: Process) -> None:
    """Let a process exit, and its parent wait for it."""
    parent = process.parent
    stage.works[stage.kernel.exit(process)] += 1
    if parent and parent.space:
        stage.works[stage.kernel.wait(parent, process)] += 1


def _stat(stage: ModelStage, step: Step, cast: Cast) -> None:
    """Do nothing: looking is what every step ends with."""


_HIT = Work(hits=1)
_FEW = 4096  # accesses of a step for which compiled code is not worth its loading
STOPPED: dict[type[Signal], str] = {SegmentationFault: "sigsegv", BusError: "sigbus"}
MODELLED: dict[str, Callable[..., None]] = {
    **{f"map anon page={page}": _map for page in ("4k", "thp", "mthp", "hugetlb")},
    **{f"map shared page={page}": _map for page in ("4k", "hugetlb")},
    "map file page=4k": _map,
    "map fileshared page=4k": _map,
    "touch": _access,
    "read": _access,
    "write": _access,
    "rmw": _access,
    "fork": _fork,
    "exit": _exit,
    "munmap": _munmap,
    **{f"madvise {advice}": _madvise for advice in ADVICE},
    **{f"mprotect {rights}": _mprotect for rights in RIGHTS},
    "mremap": _mremap,
    "mlock": _mlock,
    "pin": _pin,
    "unpin": _unpin,
    "merge": _merge,
    "vfork": _vfork,
    "spawn": _spawn,
    "forkexec": _forkexec,
    "stat": _stat,
}
"""By what a step asks for, the verb that does it."""
