"""What the kernel keeps: physical memory, page tables, processes, and the policy it asks."""

from cowmodel.errors import ConfigError
from cowmodel.hardware.arena import Arena
from cowmodel.hardware.frames import FrameTable
from cowmodel.hardware.paging import Geometry
from cowmodel.kernel.choices import CopyPolicy
from cowmodel.kernel.process import Process
from cowmodel.units import format_size


class KernelState:
    """The state of an operating system on one machine.

    Parameters
    ----------
    geometry : Geometry
    memory_bytes : int
        Physical memory; one frame of it is the kernel's zero frame.
    policy : CopyPolicy

    Attributes
    ----------
    frames : FrameTable
    arena : Arena
    processes : dict of int to Process
        By pid; exited ones stay until their parent has waited for them.
    everyone : list of Process
        Every process that ever was, in order of pid.
    """

    def __init__(self, geometry: Geometry, memory_bytes: int, policy: CopyPolicy) -> None:
        if memory_bytes < 2 * geometry.page_bytes:
            raise ConfigError(f"memory: expected two frames or more, got {format_size(memory_bytes)}")
        self.geometry, self.policy = geometry, policy
        self.frames = FrameTable(memory_bytes // geometry.page_bytes - 1)
        self.arena = Arena(geometry, self.frames)
        self.processes: dict[int, Process] = {}
        self.everyone: list[Process] = []

    @property
    def alive(self) -> list[Process]:
        """Processes that have not exited."""
        return [process for process in self.processes.values() if process.space]
