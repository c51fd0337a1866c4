"""Processes: an address space, a place in the fork tree, and what happened to it."""

from collections import Counter
from dataclasses import dataclass, field

from cowmodel.errors import SimulationError
from cowmodel.kernel.address_space import AddressSpace


@dataclass(eq=False)
class Process:
    """An operating-system process.

    Attributes
    ----------
    pid : int
    parent : Process or None
    space : AddressSpace or None
        None once it has exited.
    children : list of Process
        Those not yet waited for.
    threads : int
        Threads that have not ended.
    faults : Counter of str
        Page faults by kind, as `ru_minflt` would count them in sum.
    copied_bytes, written_bytes : int
        Bytes copied by its write faults; bytes its own accesses wrote.
    """

    pid: int
    parent: "Process | None"
    space: AddressSpace | None
    children: list["Process"] = field(default_factory=list)
    threads: int = 1
    faults: Counter[str] = field(default_factory=Counter)
    copied_bytes: int = 0
    written_bytes: int = 0

    @property
    def memory(self) -> AddressSpace:
        """The address space, of a process that is alive.

        Raises
        ------
        SimulationError
            If it has exited.
        """
        self.must_live()
        assert self.space
        return self.space

    def must_live(self) -> None:
        """Refuse a process that has exited.

        Raises
        ------
        SimulationError
        """
        if self.space is None:
            raise SimulationError(f"process {self.pid} has exited: it can do nothing more")
