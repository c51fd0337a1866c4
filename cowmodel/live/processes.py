"""Processes of the running kernel that do what they are told: the program `agent.c`, built, started, asked.

Orders and answers are rows of 64 words in memory that is shared with the program::

    0 op   1-7 arguments   8 returned   9 errno   10 signal   11 accesses made   12 ns   13 minflt   14 majflt
    15 faults that the harness itself would take   16 has come to a rendezvous   17 ns of reaped children
"""

import mmap
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cowmodel.hardware.paging import Numbers
from cowmodel.speed.running_kernel import CannotMeasure, built

SOURCE = Path(__file__).with_name("agent.c")
SYSCALL, ACCESS, FORK, EXIT, VFORK, SPAWN, FORKEXEC, PIN, UNPIN, FILL, REAP = range(11)
MOST_PROCESSES = 256
_WORDS = 64
_PATIENCE_MS = 120_000
# glibc's restartable sequences let the kernel write to a process after each switch: a fault after fork
_QUIET = {"GLIBC_TUNABLES": "glibc.pthread.rseq=0"}


class Answer(NamedTuple):
    """What an operation came to."""

    returned: int
    errno: int
    signal: int
    done: int
    ns: int
    minflt: int
    majflt: int


@contextmanager
def agent() -> Iterator[Path]:
    """Build the program; it is there inside the block.

    Raises
    ------
    CannotMeasure
        If this is no Linux on x86-64, or there is no compiler.
    """
    if (machine := os.uname().machine) != "x86_64":
        raise CannotMeasure(f"the program is for x86-64, this is {machine}")
    with built(SOURCE) as program:
        yield program


class Processes:
    """The processes of one scenario, by number; number 0 is there from the start.

    Parameters
    ----------
    program : Path
    count : int
        How many there may be.
    most_accesses : int
        Longest list of accesses that are made at the same time.
    home_cpu : int
        CPU on which all run.
    files : sequence of int
        File descriptors that they shall have too.

    Attributes
    ----------
    pids : dict of int to int
    """

    def __init__(
        self, program: Path, count: int, most_accesses: int, home_cpu: int, files: Sequence[int] = ()
    ) -> None:
        if count > MOST_PROCESSES:
            raise CannotMeasure(f"expected at most {MOST_PROCESSES} processes, got {count}")
        list_offset = -(-(count * _WORDS + 1) * 8 // 4096) * 4096
        size = list_offset + -(-(most_accesses + 1) * 8 // 4096) * 4096
        with ExitStack() as ours:
            shared = os.memfd_create("cowmodel")
            ours.callback(os.close, shared)
            os.ftruncate(shared, size)
            words = np.frombuffer(mmap.mmap(shared, size), np.int64)
            self._orders = words[: count * _WORDS].reshape(count, _WORDS)
            self._flag, self._list = words[list_offset // 8 - 1 :][:1], words[list_offset // 8 :]
            pipes = [(os.pipe(), os.pipe()) for _ in range(count)]
            self._go, self._done = [go[1] for go, _ in pipes], [done[0] for _, done in pipes]
            theirs = [(go[0], done[1]) for go, done in pipes]
            for pair in theirs:
                ours.callback(os.close, pair[0])
                ours.callback(os.close, pair[1])
            ends = [f"{go}:{done}" for go, done in theirs]
            command = [str(program), str(shared), str(size), str(list_offset), str(home_cpu), *ends]
            passed = [shared, *(fd for pair in theirs for fd in pair), *files]
            self._first = subprocess.Popen(command, pass_fds=passed, env=_QUIET)
        self.home_cpu, self._turn = home_cpu, 0
        self.pids = {0: self._first.pid}
        self._handles = {0: os.pidfd_open(self._first.pid)}
        self._await(0)

    def close(self) -> None:
        """End all processes."""
        for handle in self._handles.values():
            _kill(handle)
            os.close(handle)
        for fd in self._go + self._done:
            os.close(fd)
        self._first.wait()

    def ask(self, number: int, op: int, *arguments: int) -> Answer:
        """Let a process do something, and return what came of it.

        Raises
        ------
        CannotMeasure
            If it died, or the harness itself would take faults.
        """
        self._tell(number, op, *arguments)
        return self._answer(number)

    def fork(self, parent: int, child: int) -> Answer:
        """Let `parent` fork; the child is process number `child`."""
        answer = self.ask(parent, FORK, child)
        if not answer.errno:
            self.pids[child] = answer.returned
            self._handles[child] = os.pidfd_open(answer.returned)
            self._await(child)
        return answer

    def exit(self, number: int, parent: int | None = None) -> int:
        """Let a process exit; return when its memory is gone: how long `parent` waited for it, ns, or 0."""
        handle, pid, waited = self._handles.pop(number), self.pids.pop(number), 0
        if parent is None:
            self._tell(number, EXIT)
        else:
            waited = self.ask(parent, REAP, pid, number).ns
        _wait([handle], f"process {number}")
        os.close(handle)
        if number == 0:
            self._first.wait()
        return waited

    def access(self, wanted: Sequence[tuple[int, int, Numbers, int]]) -> list[Answer]:
        """Let processes access memory, several at the same time.

        Parameters
        ----------
        wanted : sequence of (int, int, int64[n], int)
            Process, mode (0 read, 1 write, 2 both), addresses, CPU.
        """
        start, together = 0, len(wanted) > 1
        self._turn += together
        for number, mode, addresses, cpu in wanted:
            self._list[start : start + len(addresses)] = addresses
            self._tell(number, ACCESS, mode, len(addresses), start, cpu, 0, self._turn if together else 0)
            start += len(addresses)
        if together:
            self._meet([number for number, *_ in wanted])
        return [self._answer(number) for number, *_ in wanted]

    def _meet(self, numbers: Sequence[int]) -> None:
        """Wait until all are ready, then let them go."""
        while (self._orders[list(numbers), 16] != self._turn).any():
            if ended := [n for n in numbers if select.select([self._handles[n]], [], [], 0.0005)[0]]:
                raise CannotMeasure(f"process {ended[0]} ended before it did what it was told")
        self._flag[0] = self._turn

    def _tell(self, number: int, op: int, *arguments: int) -> None:
        self._orders[number, : 1 + len(arguments)] = op, *arguments
        os.write(self._go[number], b"g")

    def _answer(self, number: int) -> Answer:
        self._await(number)
        answer, noise = Answer(*self._orders[number, 8:15].tolist()), int(self._orders[number, 15])
        if noise:
            raise CannotMeasure(
                f"expected no faults of the harness itself, got {noise}; other memory pressure?"
            )
        return answer

    def _await(self, number: int) -> None:
        done = self._done[number]
        if done not in _wait([done, self._handles[number]], f"process {number}"):
            raise CannotMeasure(f"process {number} ended before it did what it was told")
        os.read(done, 1)


def _wait(fds: Sequence[int], who: str) -> set[int]:
    """Return which of some descriptors became readable."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    if not (ready := poll.poll(_PATIENCE_MS)):
        raise CannotMeasure(f"{who} has not answered for {_PATIENCE_MS // 1000} seconds")
    return {fd for fd, _ in ready}


def _kill(handle: int) -> None:
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
    _wait([handle], "a process that was killed")
