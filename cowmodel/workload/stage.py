"""Where the processes of a scenario act: each is one on the machine, and waits for its turn.

`VERBS` lists what a step can ask for; a row more is all it takes for another.
"""

from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from cowmodel.errors import ConfigError, Signal
from cowmodel.kernel.address_space import Vma
from cowmodel.kernel.advice import ADVICE
from cowmodel.machine import Event, Machine
from cowmodel.program import Activity, Main, Program
from cowmodel.scenario.backings import backing, opened, set_pool
from cowmodel.scenario.steps import PAGE_BYTES, Access, Map, Ranged, Scenario, Step
from cowmodel.workload.agenda import WAIT, Act, turns


class Stage:
    """Lets processes act one after the other.

    Attributes
    ----------
    settings : Settings
    files : dict of str to MemoryObject
    programs : dict of str to Program
        Those that were forked, by name.
    vmas : dict of int to Vma
        Regions as they were mapped, by number of the step.
    """

    def __init__(self, machine: Machine, scenario: Scenario) -> None:
        self.settings = scenario.settings
        self.files = opened(machine.kernel, scenario.settings)
        set_pool(machine.kernel, scenario.settings)
        self.programs: dict[str, Program] = {}
        self.vmas: dict[int, Vma] = {}
        self._begins, self._left = list[Event](), list[int]()
        self._parts: dict[str, list[tuple[int, Act]]] = {}
        for number, turn in enumerate(turns(scenario)):
            self._begins.append(machine.event())
            self._left.append(len(turn))
            for name, act in turn.items():
                self._parts.setdefault(name, []).append((number, act))
        self._begins[0].succeed()

    def life(self, name: str, born: int = 0) -> Main:
        """Return what process `name` does after step `born`, until it exits."""

        def main(program: Program) -> Activity:
            parts = self._parts[name]  # others may have had the name before
            for at in range(bisect_right(parts, born, key=lambda part: part[1].step.number), len(parts)):
                number, act = parts[at]
                if not self._begins[number].triggered:
                    yield from program.sleep(self._begins[number])
                yield from self._act(program, act)
                self._end(number)
                if act.feature == "exit":
                    return

        return main

    def _act(self, program: Program, act: Act) -> Activity:
        vma = self.vmas.get(act.region.number) if act.region else None
        yield from VERBS[act.feature](self, program, act.step, vma)

    def _end(self, number: int) -> None:
        """Take note that one has done its part of a turn; let the next begin when all have."""
        self._left[number] -= 1
        if not self._left[number] and number + 1 < len(self._begins):
            self._begins[number + 1].succeed()


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
    place = not step.private, step.first_page, stage.files.get(step.file or "")
    stage.vmas[step.number] = yield from program.mmap(size_bytes, made_of, *place)


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
    yield from program.mprotect(vma, step.how == "rw", *_run(step))


def _mlock(stage: Stage, program: Program, step: Ranged, vma: Vma) -> Activity:
    with suppress(Signal):
        yield from program.mlock(vma, *_run(step))


def _run(step: Ranged) -> tuple[int, int]:
    """Return the first page, counted from the start of the region, and how many there are."""
    return step.first, step.last - step.first + 1


def _fork(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    stage.programs[step.child] = yield from program.fork(stage.life(step.child, step.number))


def _exit(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    yield from program.exit()


def _wait(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    yield from program.wait(stage.programs[step.proc])


def _vfork(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    yield from program.wait((yield from program.vfork(_nothing)))


def _spawn(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
    yield from program.wait((yield from program.spawn(_nothing)))


def _forkexec(stage: Stage, program: Program, step: Step, vma: None) -> Activity:
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
    "mprotect r": _mprotect,
    "mprotect rw": _mprotect,
    "mlock": _mlock,
    "fork": _fork,
    "exit": _exit,
    WAIT: _wait,
    "vfork": _vfork,
    "spawn": _spawn,
    "forkexec": _forkexec,
    "stat": _stat,
}
"""By what a step asks for, what its process does."""
