"""Scenarios on the running kernel: each operation is a system call, or accesses, of a real process."""

import os
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from errno import EFAULT, ENOMEM
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED
from pathlib import Path
from signal import SIGBUS, SIGSEGV

from cowmodel.hardware.paging import Numbers
from cowmodel.live import proc, processes
from cowmodel.live.processes import Answer, Processes
from cowmodel.live.switches import switched
from cowmodel.scenario.cast import Cast
from cowmodel.scenario.fields import Row
from cowmodel.scenario.play import play
from cowmodel.scenario.steps import (
    PAGE_BYTES,
    Access,
    Backed,
    Fork,
    Map,
    Plain,
    Ranged,
    Scenario,
    Stat,
    Step,
    longest,
)
from cowmodel.speed.running_kernel import CannotMeasure

# x86-64: arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/mman-common.h
MMAP, MPROTECT, MUNMAP, MADVISE, MLOCK = 9, 10, 11, 28, 149
READABLE, WRITABLE = 1, 2
HUGETLB, FIXED_NOREPLACE = 0x40000, 0x100000
HUGEPAGE, NOHUGEPAGE = 14, 15
ADVICE = {
    "dontneed": 4,
    "free": 8,
    "dontfork": 10,
    "wipeonfork": 18,
    "populate_read": 22,
    "populate_write": 23,
}
RIGHTS = {"r": READABLE, "rw": READABLE | WRITABLE}
# what a call comes to that faults pages in, when one of the faults can not be handled
NO_PAGE = {"madvise populate_read": EFAULT, "madvise populate_write": EFAULT, "mlock": ENOMEM}
MODES = {"read": 0, "rmw": 2}
SIGNALS: dict[int, str] = {SIGSEGV: "sigsegv", SIGBUS: "sigbus"}
LAUNCHES = {"vfork": processes.VFORK, "spawn": processes.SPAWN, "forkexec": processes.FORKEXEC}


@contextmanager
def staged(scenario: Scenario, program: Path) -> Iterator["LiveStage"]:
    """Set the stage for a scenario on the running kernel; put its switches back at the end.

    Raises
    ------
    CannotMeasure
        If this kernel or this user cannot; the message says what is missing.
    """
    zero = proc.ZeroFrames()
    with switched(scenario.settings, privileged=os.geteuid() == 0), ExitStack() as stack:
        files = {name: stack.enter_context(_file(made)) for name, made in scenario.settings.files.items()}
        stage = LiveStage(scenario, program, zero, files)
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
        self, scenario: Scenario, program: Path, zero: proc.ZeroFrames, files: Mapping[str, int]
    ) -> None:
        self.tells_frames = zero.visible
        self._scenario, self._zero, self._files = scenario, zero, files
        self._numbers = {name: number for number, name in enumerate(scenario.processes)}
        self._cpus = sorted(os.sched_getaffinity(0))
        self._processes = Processes(
            program, len(self._numbers) + 1, longest(scenario), self._cpus[0], [*files.values()]
        )
        self._harness_tables = 0, 0
        self._parents: dict[str, str] = {}

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
        return [VERBS[type(step)](self, step, cast) for step in steps]

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
        flags = FIXED_NOREPLACE | (MAP_PRIVATE if step.private else MAP_SHARED)
        flags |= (0 if step.file else MAP_ANONYMOUS) | (HUGETLB if step.page == "hugetlb" else 0)
        file = self._files[step.file] if step.file else -1
        call = MMAP, step.address, size_bytes, READABLE | WRITABLE, flags, file, 0
        answers = [self._call(step, *call)]
        if step.page != "hugetlb":
            advice = NOHUGEPAGE if step.page == "4k" else HUGEPAGE
            answers.append(self._call(step, MADVISE, step.address, size_bytes, advice))
        return self._row(step, *answers)

    def ranged(self, step: Ranged, cast: Cast) -> Row:
        """Make the system call that has the name of the step."""
        start = cast.region(step).address + step.first * PAGE_BYTES
        size_bytes = (step.last - step.first + 1) * PAGE_BYTES
        extra = {"madvise": ADVICE, "mprotect": RIGHTS}.get(step.op, {}).get(step.how, 0)
        number = {"munmap": MUNMAP, "madvise": MADVISE, "mprotect": MPROTECT, "mlock": MLOCK}[step.op]
        answer = self._ask(step, number, start, size_bytes, extra)
        if answer.errno == NO_PAGE.get(step.feature):
            return self._row(step, answer) | {"refused": 1}
        return self._row(step, self._accepted(step, answer))

    def fork(self, step: Fork, cast: Cast) -> Row:
        """Fork."""
        answer = self._processes.fork(self._numbers[step.proc], self._numbers[step.child])
        self._parents[step.child] = step.proc
        return self._row(step, self._accepted(step, answer))

    def plain(self, step: Plain, cast: Cast) -> Row:
        """Exit, or start a program and wait for its end."""
        number = self._numbers[step.proc]
        if step.op == "exit":
            parent = self._parents.pop(step.proc, None)
            alive = parent in cast.regions
            return {"ns": self._processes.exit(number, self._numbers[parent] if parent and alive else None)}
        return self._row(step, self._accepted(step, self._processes.ask(number, LAUNCHES[step.op])))

    def stat(self, step: Stat, cast: Cast) -> Row:
        """Do nothing: looking is what every step ends with."""
        return {}


VERBS: dict[type[Step], Callable[..., Row]] = {
    Map: LiveStage.map,
    Ranged: LiveStage.ranged,
    Fork: LiveStage.fork,
    Plain: LiveStage.plain,
    Stat: LiveStage.stat,
}


@contextmanager
def _file(made: Backed) -> Iterator[int]:
    """Make a file that is in the page cache, one page at a time, so that it lies there in single pages."""
    folder = "/var/tmp" if made.disk else "/dev/shm"
    fd, name = tempfile.mkstemp(prefix="cowmodel-", dir=folder)
    os.unlink(name)
    try:
        for _ in range(made.size_bytes // PAGE_BYTES):
            os.write(fd, b"f" * PAGE_BYTES)
        os.fsync(fd)
        yield fd
    finally:
        os.close(fd)
