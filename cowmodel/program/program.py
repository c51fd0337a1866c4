"""What a program is: a thread of a process with all the verbs, and how it begins and ends."""

from collections.abc import Callable

from cowmodel.errors import ConfigError, SimulationError
from cowmodel.kernel.process import Process
from cowmodel.kernel.work import Work
from cowmodel.machine import Activity, Machine
from cowmodel.program.memory import Memory

__all__ = ["Activity", "Main", "Program", "start"]


class Program(Memory):
    """How an activity acts as one thread of a process: each verb takes the simulated time that it costs.

    Verbs are generators, used as `heap = yield from program.mmap(...)`. A program holds a core from its
    first verb until it thinks, waits, exits or has used up its time slice while others wait. Its attributes
    are those of its thread.
    """

    def fork(self, main: "Main") -> Activity:
        """Fork; `main` acts as the child once the parent has paid. Return the child's program."""
        child = yield from self._change("fork", lambda: self.machine.kernel.fork(self.process))
        self.machine.sample_if_fuller()
        return start(self.machine, main, child)

    def spawn(self, main: "Main") -> Activity:
        """Start a process that shares nothing; return its program."""
        yield from self._on_core()
        child, work = self.machine.kernel.spawn(self.process)
        yield from self._spend("spawn", work, child)
        return start(self.machine, main, child)

    def vfork(self, main: "Main") -> Activity:
        """Start a child that has this process's memory, not a copy; return its program.

        That is once the child has let go of the memory: when it execs or exits. Raise as `exit` does.
        """
        self._must_be_the_last("vforks")
        yield from self._on_core()
        child, work = self.machine.kernel.vfork(self.process)
        yield from self._spend("vfork", work, child)
        program = start(self.machine, main, child)
        yield from self.sleep(program.released)
        return program

    def exec(self) -> Activity:
        """Replace the process's memory by an empty address space; raise as `exit` does."""
        self._must_be_the_last("execs")
        core = yield from self._on_core()
        work = self._leave_memory(self.machine.kernel.exec)
        self.process.memory.cores = 1
        self.machine.switch(core, self.process)
        yield from self._spend("exec", work)

    def wait(self, child: "Program") -> Activity:
        """Sleep until `child` has exited, then reap it."""
        yield from self.sleep(child.ended)
        yield from self._on_core()
        yield from self._spend("wait", self.machine.kernel.wait(self.process, child.process), child.process)

    def think(self, duration_ps: int) -> Activity:
        """Do nothing for a while, off the core; for no time at all, go on.

        Raises
        ------
        ConfigError
            If the duration is not a whole number of picoseconds, or negative.
        """
        if duration_ps < 0 or duration_ps != int(duration_ps):
            raise ConfigError(f"think: expected whole picoseconds, at least 0, got {duration_ps!r}")
        if duration_ps:
            yield from self.sleep(self.machine.pause(duration_ps))

    def thread(self, main: "Main") -> Activity:
        """Start a thread of this process; return its program, for which `join` waits."""
        yield from self._on_core()
        self.process.threads += 1
        yield from self._spend("thread", Work(threads=1))
        return start(self.machine, main, self.process)

    def join(self, thread: "Program") -> Activity:
        """Sleep until `thread` has ended."""
        yield from self.sleep(thread.ended)

    def exit(self) -> Activity:
        """End the process.

        Raises
        ------
        SimulationError
            If other threads of it have not ended.
        """
        self._must_be_the_last("exits")
        yield from self._on_core()
        self.machine.sample_if_fuller()
        yield from self._spend("exit", self._leave_memory(self.machine.kernel.exit))
        self._leave()
        self.ended.succeed()

    def live(self, main: "Main") -> Activity:
        """Do what `main` does, then end: the process too, unless it has other threads or has exited."""
        yield from main(self)
        if self.process.threads > 1:
            self._leave()
            self.process.threads -= 1
            self.ended.succeed()
        elif self.process.space:
            yield from self.exit()

    def _leave_memory(self, verb: Callable[[Process], Work]) -> Work:
        """Let a verb take the process out of its memory, which a parent may have too that waits for that."""
        space = self.process.memory
        work = verb(self.process)
        space.cores -= 1
        if not self.released.triggered:
            self.released.succeed()
        return work

    def _must_be_the_last(self, verb: str) -> None:
        if others := self.process.threads - 1:
            raise SimulationError(
                f"process {self.process.pid} {verb} while it has {others} other threads; join them first"
            )


Main = Callable[[Program], Activity]
"""Acts as a process; returns when the process is to exit."""


def start(machine: Machine, main: Main, process: Process | None = None) -> Program:
    """Let `main` act as `process`, by default a new one, from now on."""
    program = Program(machine, process or machine.kernel.spawn()[0])
    machine.launch(program.live(main))
    return program
