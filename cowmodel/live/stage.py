"""Scenarios on the running kernel: each operation is a system call, or accesses, of a real process."""

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from errno import ENOMEM
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED
from pathlib import Path
from signal import SIGBUS, SIGSEGV

from cowmodel.hardware.paging import Numbers
from cowmodel.live import calls, proc, processes
from cowmodel.live.files import cached_file
from cowmodel.live.processes import Answer, Processes
from cowmodel.live.switches import committed_at_most, merged, switched
from cowmodel.scenario.cast import Cast
from cowmodel.scenario.fields import Row
from cowmodel.scenario.play import play
from cowmodel.scenario.steps import (
    PAGE_BYTES,
    Access,
    Fork,
    Map,
    Move,
    Plain,
    Ranged,
    Scenario,
    Stat,
    Step,
    longest,
)
from cowmodel.speed.running_kernel import CannotMeasure

MODES = {"read": 0, "rmw": 2}
_MERGED_BYTE = 0x5A  # not 0: KSM may take the zero page for pages of zeros
SIGNALS: dict[int, str] = {SIGSEGV: "sigsegv", SIGBUS: "sigbus"}
LAUNCHES = {"vfork": processes.VFORK, "spawn": processes.SPAWN, "forkexec": processes.FORKEXEC}


@contextmanager
def staged(scenario: Scenario, program: Path, times_exits: bool = False) -> Iterator["LiveStage"]:
    """Set the stage for a scenario on the running kernel; put its switches back at the end.

    With `times_exits` a process is ended by its parent, which learns how long that kept the processor busy.

    Raises
    ------
    CannotMeasure
        If this kernel or this user cannot; the message says what is missing.
    """
    zero = proc.ZeroFrames()
    with switched(scenario.settings, privileged=os.geteuid() == 0), ExitStack() as stack:
        files = {
            name: stack.enter_context(cached_file(made)) for name, made in scenario.settings.files.items()
        }
        stage = LiveStage(scenario, program, zero, files, times_exits)
        stack.callback(stage.close)
        stage.rehearse()
        yield stage


def live(scenario: Scenario, program: Path) -> Generator[Row, None, None]:
    """Play a scenario on the running kernel; raise as `staged` does.

    Close the generator, as `contextlib.closing` does, and the kernel's switches are put back.
    """
    with staged(scenario, program) as stage:
        yield from play(scenario, stage)


class LiveStage:
    """Processes of the running kernel that carry out steps.

    Attributes
    ----------
    tells_frames : bool
        Only root may know frame numbers.
    """

    def __init__(
        self,
        scenario: Scenario,
        program: Path,
        zero: proc.ZeroFrames,
        files: Mapping[str, int],
        times_exits: bool,
    ) -> None:
        self.tells_frames = zero.visible
        self._scenario, self._zero, self._files = scenario, zero, files
        self._numbers = {name: number for number, name in enumerate(scenario.processes)}
        self._cpus = sorted(os.sched_getaffinity(0))
        self._processes = Processes(
            program, len(self._numbers) + 1, longest(scenario), self._cpus[0], [*files.values()]
        )
        self._harness_tables = 0, 0
        self._times_exits, self._parents = times_exits, dict[str, str]()

    def close(self) -> None:
        """End all processes."""
        self._processes.close()

    def rehearse(self) -> None:
        """Find out which page tables the first process and a child have before there is any region.

        Raises
        ------
        CannotMeasure
            If the harness itself takes a fault at fork.
        """
        spare = len(self._numbers)
        answer = self._processes.fork(0, spare)
        if answer.minflt:
            raise CannotMeasure(f"expected no fault of the harness at fork, got {answer.minflt}")
        pids = self._processes.pids
        self._harness_tables = proc.table_pages(pids[0]), proc.table_pages(pids[spare])
        self._processes.exit(spare)

    def act(self, steps: Sequence[Step], cast: Cast) -> list[Row]:
        """Carry out steps, those of a group at the same time.

        Raises
        ------
        CannotMeasure
            If the kernel refuses one.
        """
        rows = self._act(steps, cast)
        pool = proc.pool() if self._scenario.settings.hugepages is not None else {}
        return [row | pool for row in rows]

    def _act(self, steps: Sequence[Step], cast: Cast) -> list[Row]:
        accesses = [step for step in steps if isinstance(step, Access)]
        if accesses:
            return self._access(accesses, cast)
        with self._limit(steps[0].op, cast) if steps else nullcontext():
            return [(OF_OPS.get(step.op) or VERBS[type(step)])(self, step, cast) for step in steps]

    def _limit(self, op: str, cast: Cast) -> AbstractContextManager[None]:
        """Let the scenario commit no more than it says, during an operation that commits something."""
        commit_bytes = self._scenario.settings.commit_bytes
        if commit_bytes is None or op not in calls.COMMITS:
            return nullcontext()
        taken_kb: dict[tuple[str, int], int] = {}
        for proc_name, region in cast.pairs():
            whose = proc_name if region.private else "", region.number
            size_kb = proc.accounted_kb(self._pid(proc_name), region)
            taken_kb[whose] = max(size_kb, taken_kb.get(whose, 0))
        return committed_at_most(commit_bytes - (sum(taken_kb.values()) << 10))

    def frames(self, proc_name: str, region: Map) -> Numbers:
        """Return the frame of each page of a region."""
        return self._zero.frames(proc.pagemap(self._pid(proc_name), region.first_page, region.pages))

    def table_pages(self, proc_name: str) -> int:
        """Return the page-table pages that the regions of a process have."""
        return proc.table_pages(self._pid(proc_name)) - self._harness_tables[proc_name != "P0"]

    def smaps(self, proc_name: str, region: Map) -> Mapping[str, int]:
        """Return what `/proc/PID/smaps` says of a region, in KiB."""
        return proc.smaps(self._pid(proc_name), region)

    def _pid(self, proc_name: str) -> int:
        return self._processes.pids[self._numbers[proc_name]]

    def _access(self, steps: Sequence[Access], cast: Cast) -> list[Row]:
        wanted = []
        for place, step in enumerate(steps):
            cpu = self._cpus[place % len(self._cpus)] if step.cpu is None else step.cpu
            if cpu not in self._cpus:
                known = ", ".join(map(str, self._cpus))
                raise CannotMeasure(f"{self._scenario.where(step)}: expected cpu={known}, got cpu={cpu}")
            addresses = cast.region(step).address + step.offsets()
            mode = MODES.get(step.op, int(step.write))
            wanted.append((self._numbers[step.proc], mode, addresses, cpu))
        answers = self._processes.access(wanted)
        return [self._row(step, answer) for step, answer in zip(steps, answers, strict=True)]

    def _call(self, step: Step, *arguments: int) -> Answer:
        return self._accepted(step, self._ask(step, *arguments))

    def _ask(self, step: Step, *arguments: int) -> Answer:
        """Let a process make a system call."""
        padded = arguments + (0,) * (7 - len(arguments))
        return self._processes.ask(self._numbers[step.proc], processes.SYSCALL, *padded)

    def _outcome(self, step: Step, answer: Answer) -> Row:
        """Return the row of a step that was done, or refused."""
        if self._refused(step, answer):
            return self._row(step, answer) | {"refused": 1}
        return self._row(step, self._accepted(step, answer))

    def _refused(self, step: Step, answer: Answer) -> bool:
        """Return whether the kernel did not do what a scenario may find it does not do."""
        limited = self._scenario.settings.commit_bytes is not None and step.op in calls.COMMITS
        return answer.errno in ((ENOMEM,) if limited else calls.NO_PAGE.get(step.feature, ()))

    def _accepted(self, step: Step, answer: Answer) -> Answer:
        if answer.errno:
            raise CannotMeasure(
                f"{self._scenario.where(step)}: the kernel refused it: {os.strerror(answer.errno)}"
            )
        return answer

    def _row(self, step: Step, *answers: Answer) -> Row:
        row: Row = {
            "minflt": sum(answer.minflt for answer in answers),
            "majflt": sum(answer.majflt for answer in answers),
            "ns": sum(answer.ns for answer in answers),
        }
        return row | {SIGNALS[answer.signal]: 1 for answer in answers if answer.signal}

    def map(self, step: Map, cast: Cast) -> Row:
        """Make a region, and say of which pages it may be."""
        size_bytes = step.pages * PAGE_BYTES
        flags = calls.FIXED_NOREPLACE | (MAP_PRIVATE if step.private else MAP_SHARED)
        flags |= (0 if step.file else MAP_ANONYMOUS) | (calls.HUGETLB if step.page == "hugetlb" else 0)
        file = self._files[step.file] if step.file else -1
        call = calls.MMAP, step.address, size_bytes, calls.RIGHTS["rw"], flags, file, step.from_bytes
        answer = self._ask(step, *call)
        if self._refused(step, answer):
            return self._row(step, answer) | {"refused": 1}
        answers = [self._accepted(step, answer)]
        if step.page != "hugetlb":
            advice = calls.NOHUGEPAGE if step.page == "4k" else calls.HUGEPAGE
            answers.append(self._call(step, calls.MADVISE, step.address, size_bytes, advice))
        return self._row(step, *answers)

    def ranged(self, step: Ranged, cast: Cast) -> Row:
        """Make the system call that has the name of the step."""
        extra, number = calls.WORDS.get(step.op, {}).get(step.how, 0), calls.NUMBERS[step.op]
        return self._outcome(step, self._ask(step, number, *_run(step, cast), extra))

    def pin(self, step: Ranged, cast: Cast) -> Row:
        """Let the kernel hold pages for itself, writable, as it does for long input and output; or let go."""
        op = {"pin": processes.PIN, "unpin": processes.UNPIN}[step.op]
        answer = self._processes.ask(self._numbers[step.proc], op, *_run(step, cast))
        return self._outcome(step, answer)

    def merge(self, step: Ranged, cast: Cast) -> Row:
        """Write the same to pages, and wait until the kernel has found that out."""
        number, run = self._numbers[step.proc], _run(step, cast)
        filled = self._processes.ask(number, processes.FILL, *run, _MERGED_BYTE)
        if not filled.signal:
            self._call(step, calls.MADVISE, *run, calls.MERGEABLE)
            merged()
        return self._row(step, filled)

    def move(self, step: Move, cast: Cast) -> Row:
        """Move a region to where it is to be."""
        here, size_bytes = cast.region(step).address, step.there.pages * PAGE_BYTES
        call = calls.MREMAP, here, size_bytes, size_bytes, calls.MAYMOVE | calls.FIXED, step.there.address
        return self._row(step, self._call(step, *call))

    def fork(self, step: Fork, cast: Cast) -> Row:
        """Fork."""
        answer = self._processes.fork(self._numbers[step.proc], self._numbers[step.child])
        self._parents[step.child] = step.proc
        return self._outcome(step, answer)

    def plain(self, step: Plain, cast: Cast) -> Row:
        """Exit, or start a program and wait for its end."""
        number = self._numbers[step.proc]
        if step.op == "exit":
            parent = self._parents.pop(step.proc, None)
            timed = self._times_exits and parent in cast.regions
            return {"ns": self._processes.exit(number, self._numbers[parent] if parent and timed else None)}
        answer = self._processes.ask(number, LAUNCHES[step.op])
        return self._outcome(step, answer)

    def stat(self, step: Stat, cast: Cast) -> Row:
        """Do nothing: looking is what every step ends with."""
        return {}


OF_OPS: dict[str, Callable[..., Row]] = {
    "pin": LiveStage.pin,
    "unpin": LiveStage.pin,
    "merge": LiveStage.merge,
}
"""What takes more than a system call, by the first word of the line."""
VERBS: dict[type[Step], Callable[..., Row]] = {
    Map: LiveStage.map,
    Ranged: LiveStage.ranged,
    Move: LiveStage.move,
    Fork: LiveStage.fork,
    Plain: LiveStage.plain,
    Stat: LiveStage.stat,
}


def _run(step: Ranged, cast: Cast) -> tuple[int, int]:
    """Return the address of the first byte that a step is about, and how many there are."""
    start = cast.region(step).address + step.first * PAGE_BYTES
    return start, (step.last - step.first + 1) * PAGE_BYTES
