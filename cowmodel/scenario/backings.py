"""What the regions of a scenario are made of, in the model."""

from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.commitment import Commitment, Overcommit
from cowmodel.kernel.hugetlb import Pool
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.memory_object import MemoryObject
from cowmodel.scenario.steps import HUGE_BYTES, PAGE_BYTES, Map, Settings

_OF_ONE_SIZE = {"4k": BASE, "hugetlb": Backing("hugetlb", HUGE_BYTES)}


def opened(kernel: Kernel, settings: Settings) -> dict[str, MemoryObject]:
    """Open the files that are set, by name."""
    return {name: kernel.open(made.size_bytes, made.disk) for name, made in settings.files.items()}


def set_limits(kernel: Kernel, settings: Settings) -> None:
    """Let the kernel have so many hugetlb pages, and promise so much memory, as is set, if anything is."""
    if settings.hugepages is not None:
        kernel.hugetlb = Pool(settings.hugepages)
    if settings.commit_bytes is not None:
        kernel.commitment = Commitment(Overcommit.NEVER, settings.commit_bytes // PAGE_BYTES)


def backing(region: Map, settings: Settings) -> Backing:
    """Return the backing of a region: of large folios, those of the sizes that are set."""
    return _OF_ONE_SIZE.get(region.page) or Backing("mthp", folio_bytes=settings.folio_bytes)
