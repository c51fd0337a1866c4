"""What the kernel keeps: physical memory, page tables, processes, and the policy it asks."""

from cowmodel.errors import ConfigError
from cowmodel.hardware.arena import Arena
from cowmodel.hardware.folios import Folios
from cowmodel.hardware.frames import MOST_FRAMES, FrameTable
from cowmodel.hardware.paging import Geometry, Numbers
from cowmodel.hardware.tlb import NoTlbs
from cowmodel.kernel.address_space import AddressSpace
from cowmodel.kernel.choices import CopyPolicy
from cowmodel.kernel.commitment import Commitment
from cowmodel.kernel.era import Era
from cowmodel.kernel.hugetlb import Pool
from cowmodel.kernel.memory_object import MemoryObject
from cowmodel.kernel.passes import Passes
from cowmodel.kernel.process import Process
from cowmodel.kernel.recent import RecentPages
from cowmodel.kernel.work import NOTHING, Work
from cowmodel.units import format_size

LATEST = Era()
CACHE_BYTES = 8 << 20
MOST_DOUBLINGS = 7
FLUSH_CEILING = 33  # Linux: tlb_single_page_flush_ceiling; more pages are cheaper to flush all at once


class KernelState:
    """The state of an operating system on one machine.

    Parameters
    ----------
    geometry : Geometry
    memory_bytes : int
        Physical memory; one frame of it is the kernel's zero frame.
    policy : CopyPolicy
    era : Era
    cache_bytes : int
        Of the processor; faults in an address space with more mapped than this find less in it.

    Attributes
    ----------
    frames : FrameTable
    folios : Folios
    arena : Arena
    passes : Passes
        How runs of entries are handled; an engine may put faster ones in their place.
    hugetlb : Pool
        Of huge pages, never empty; one of limited size may be put in its place before anything is mapped.
    commitment : Commitment
        Of any amount; one with a limit may be put in its place before anything is mapped.
    recent : RecentPages
    tlbs : NoTlbs
        Of the cores, which are told when a translation is no longer true; a machine may put real ones here.
    files : list of MemoryObject
        Those that are in the page cache.
    processes : dict of int to Process
        By pid; exited ones stay until their parent has waited for them.
    everyone : list of Process
        Every process that ever was, in order of pid.
    written_bytes : int
        Bytes that accesses of all of them have written.
    """

    def __init__(
        self,
        geometry: Geometry,
        memory_bytes: int,
        policy: CopyPolicy,
        era: Era = LATEST,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        check_memory(geometry, memory_bytes)
        self.geometry, self.policy, self.era, self.cache_bytes = geometry, policy, era, cache_bytes
        self.frames = FrameTable(memory_bytes // geometry.page_bytes - 1)
        self.arena = Arena(geometry, self.frames)
        self.folios = Folios(self.frames)
        self.passes = Passes(self.arena, self.frames, self.folios)
        self.hugetlb = Pool()
        self.commitment = Commitment()
        self.recent = RecentPages(era.lru_batch)
        self.tlbs = NoTlbs()
        self.files: list[MemoryObject] = []
        self.processes: dict[int, Process] = {}
        self.everyone: list[Process] = []
        self.written_bytes = 0

    @property
    def alive(self) -> list[Process]:
        """Processes that have not exited."""
        return [process for process in self.processes.values() if process.space]

    @property
    def spaces(self) -> list[AddressSpace]:
        """Address spaces of those, each once."""
        return list(dict.fromkeys(process.memory for process in self.alive))

    def doublings(self, space: AddressSpace) -> int:
        """Return by how many doublings, begun ones too, a space has more mapped than the cache can hold.

        No more than `MOST_DOUBLINGS`: beyond 1 GiB nobody measured that it makes a difference.
        """
        mapped_bytes = space.mapped_pages * self.geometry.page_bytes
        return min(MOST_DOUBLINGS, (max(0, mapped_bytes - 1) // max(1, self.cache_bytes)).bit_length())

    def forget(self, space: AddressSpace, vpns: Numbers) -> Work:
        """Throw translations of leafs at `vpns` out of all TLBs in use for `space`: few one by one."""
        if not len(vpns):
            return NOTHING
        shootdowns = Work(shootdowns=space.other_cores)
        if len(vpns) > FLUSH_CEILING:
            self.tlbs.flush(space.page_table.root)
            return shootdowns + Work(flushes=1)
        self.tlbs.drop(space.page_table.root, vpns)
        return shootdowns + Work(invalidations=len(vpns))


def check_memory(geometry: Geometry, memory_bytes: int) -> None:
    """Refuse a size of physical memory that cannot be modelled.

    Raises
    ------
    ConfigError
    """
    least, most = 2 * geometry.page_bytes, MOST_FRAMES * geometry.page_bytes
    if not least <= memory_bytes < most:
        raise ConfigError(
            f"memory: expected from {format_size(least)} to less than {format_size(most)} with"
            f" {geometry.name}, got {format_size(memory_bytes)}"
        )
