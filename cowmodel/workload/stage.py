"""Where the processes of a scenario act: each is one on the machine, and waits for its turn.

`VERBS` lists what a step can ask for; a row more is all it takes for another.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np

from cowmodel.errors import CommitLimit, ConfigError, Signal
from cowmodel.kernel.advice import ADVICE
from cowmodel.kernel.rights import RIGHTS
from cowmodel.kernel.vma import Vma
from cowmodel.machine import Event, Machine
from cowmodel.program import Activity, Main, Program
from cowmodel.scenario.backings import backing, opened, set_limits
from cowmodel.scenario.steps import PAGE_BYTES, Access, Fork, Map, Move, Ranged, Scenario, Step
from cowmodel.workload.agenda import WAIT, Act, turns


class Stage:
    """Lets processes act one after the other.

    Attributes
    ----------
    settings : Settings
    files : dict of str to MemoryObject
    programs : dict of str to Program
        Those that were forked, by name.
    vmas : dict of Map to Vma
        Regions as they were mapped, or moved.
    """

    def __init__(self, machine: Machine, scenario: Scenario) -> None:
        self.settings = scenario.settings
        self.files = opened(machine.kernel, scenario.settings)
        set_limits(machine.kernel, scenario.settings)
        self.programs: dict[str, Program] = {}
        self.vmas: dict[Map, Vma] = {}
        self._begins, self._left = list[Event](), list[int]()
        self._parts: dict[str, list[tuple[int, Act]]] = {}
        for number, turn in enumerate(turns(scenario)):
            self._begins.append(machine.event())
            self._left.append(len(turn))
            for name, act in turn.items():
                self._parts.setdefault(name, []).append((number, act))
        self._turn = 0
        self._begins[0].succeed()

    def life(self, name: str, born: int = 0) -> Main:
        """Return what process `name` does after step `born`, until it exits."""

        def main(program: Program) -> Activity:
            for number, act in self._acts(name, born):
                if not self._begins[number].triggered:
                    yield from program.sleep(self._begins[number])
                yield from self._act(program, act)
                self._end(number)

        return main

    def skip(self, name: str, born: int) -> None:
        """Leave out what process `name`, whose fork at step `born` was refused, and its children would do."""
        self.programs.pop(name, None)
        for number, act in self._acts(name, born):
            if isinstance(act.step, Fork) and act.feature != WAIT:
                self.skip(act.step.child, act.step.number)
            self._end(number)

    def _acts(self, name: str, born: int) -> Iterator[tuple[int, Act]]:
        """Yield what process `name` does after step `born`, until it exits, and in which turns."""
        parts = self._parts[name]  # others may have had the name before
        for at in range(bisect_right(parts, born, key=lambda part: part[1].step.number), len(parts)):
            yield parts[at]
            if parts[at][1].feature == "exit":
                return

    def _act(self, program: Program, act: Act) -> Activity:
        vma = self.vmas.get(act.region) if act.region else None
        if vma or not act.region or isinstance(act.step, Map):  # not on a region that was refused
            yield from VERBS[act.feature](self, program, act.step, vma)

    def _end(self, number: int) -> None:
        """Take note that one has done its part of a turn; let the next begin when all have."""
        self._left[number] -= 1
        while self._turn + 1 < len(self._left) and not self._left[self._turn]:
            self._turn += 1
            self._begins[self._turn].succeed()


def check_modelled(scenario: Scenario) -> None:
    """Refuse a scenario with operations that the model does not have.

    Raises
    ------
    ConfigError
        With a line for each, by file and line.
    """
    known = ", ".join(name for name in VERBS if name != WAIT)
    unknown = dict.fromkeys(scenario.where(step) for step in scenario.steps if step.feature not in VERBS)
    if unknown:
        remedy = "does not have yet; `cowmodel scenario live` runs it on the running kernel"
        raise ConfigError(
            "\n".join(f"{where}: expected one of {known}, got what the model {remedy}" for where in unknown)
        )


def _map(stage: Stage, program: Program, step: Map, vma: None) -> Activity:
    size_bytes, made_of = step.pages * PAGE_BYTES, backing(step, stage.settings)
    file = stage.files.get(step.file or "")
    place = not step.private, step.first_page, file, step.from_bytes // PAGE_BYTES
    with suppress(CommitLimit):  # ENOMEM: a program can go on
        stage.vmas[step] = yield from program.mmap(size_bytes, made_of, *place)


def _access(stage: Stage, program: Program, step: Access, vma: Vma) -> Activity:
    pages = np.ascontiguousarray(step.pages())
    with suppress(Signal):  # a program may handle the signal
        yield from program.access(vma, pages, written=int(step.write))


def _munmap(stage: Stage, program: Program, step: Ranged, vma: Vma) -> Activity:
    first, end = vma.first + step.first, vma.first + step.last + 1
    for part in program.process.memory.overlapping(first, end):
        low, high = max(first, part.first), min(end, part.end)
        yield from program.munmap(part, low - part.first, high - low)


def _madvise(stage: Stage, program: Program, step: Ranged, vma: Vma) -> Activity:
    with suppress(Signal):  # EFAULT: a program can go on
        yield from program.madvise(vma, step.how, *_run(step))


def _mprotect(stage: Stage, program: Program, step: Ranged, vma: Vma) -> Activity:
    with suppress(CommitLimit):
        yield from program.mprotect(vma, step.how, *_run(step))


def _mlock(stage: Stage, program: Program, step: Ranged, vma: Vma) -> Activity:
    with suppress(Signal):
        yield from program.mlock(vma, *_run(step))


def _mremap(stage: Stage, program: Program, step: Move, vma: Vma) -> Activity:
    stage.vmas[step.there] = yield from program.mremap(vma, step.there.first_page)


def _pin(stage: Stage, program: Program, step: Ranged, vma: Vma) -> Activity:
    with suppress(Signal):
        yield from program.pin(vma, *_run(step))


def _unpin(stage: Stage, program: Program, step: Ranged, vma: Vma) -> Activity:
    yield from program.unpin(vma, *_run(step))


def _merge(stage: Stage, program: Program, step: Ranged, vma: Vma) -> Activity:
    with suppress(Signal):
        yield from program.merge(vma, *_run(step))


def _run(step: Ranged) -> tuple[int, int]:
    """Return the first page, counted from the start of the region, and how many there are."""
    return step.first, step.last - step.first + 1


def _fork(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    try:
        stage.programs[step.child] = yield from program.fork(stage.life(step.child, step.number))
    except CommitLimit:
        stage.skip(step.child, step.number)


def _exit(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    yield from program.exit()


def _wait(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    if step.proc in stage.programs:
        yield from program.wait(stage.programs[step.proc])


def _vfork(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    yield from program.wait((yield from program.vfork(_nothing)))


def _spawn(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    yield from program.wait((yield from program.spawn(_nothing)))


def _forkexec(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    with suppress(CommitLimit):
        yield from program.wait((yield from program.fork(Program.exec)))


def _nothing(program: Program) -> Activity:
    yield from ()


def _stat(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    program.machine.sample()
    yield from ()


VERBS: dict[str, Callable[..., Activity]] = {
    **{f"map anon page={page}": _map for page in ("4k", "thp", "mthp", "hugetlb")},
    **{f"map shared page={page}": _map for page in ("4k", "hugetlb")},
    "map file page=4k": _map,
    "map fileshared page=4k": _map,
    **dict.fromkeys(("touch", "read", "write", "rmw"), _access),
    "munmap": _munmap,
    **{f"madvise {advice}": _madvise for advice in ADVICE},
    **{f"mprotect {rights}": _mprotect for rights in RIGHTS},
    "mremap": _mremap,
    "mlock": _mlock,
    "pin": _pin,
    "unpin": _unpin,
    "merge": _merge,
    "fork": _fork,
    "exit": _exit,
    WAIT: _wait,
    "vfork": _vfork,
    "spawn": _spawn,
    "forkexec": _forkexec,
    "stat": _stat,
}
"""By what a step asks for, what its process does."""
