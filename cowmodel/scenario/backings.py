"""What the regions of a scenario are made of, in the model."""

from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.hugetlb import Pool
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.memory_object import MemoryObject
from cowmodel.scenario.steps import HUGE_BYTES, PAGE_BYTES, Map, Scenario, Settings

_OF_ONE_SIZE = {"4k": BASE, "hugetlb": Backing("hugetlb", HUGE_BYTES)}


def opened(kernel: Kernel, settings: Settings) -> dict[str, MemoryObject]:
    """Open the files that are set, by name."""
    return {name: kernel.open(made.size_bytes, made.disk) for name, made in settings.files.items()}


def set_pool(kernel: Kernel, settings: Settings) -> None:
    """Give the kernel a pool of so many hugetlb pages as are set, if any are."""
    if settings.hugepages is not None:
        kernel.hugetlb = Pool(settings.hugepages)


def behind_the_end(scenario: Scenario) -> str:
    """Return what is wrong with the first region that is larger than its file; empty if none is."""
    for step in scenario.steps:
        if isinstance(step, Map) and step.file:
            pages = scenario.settings.files[step.file].size_bytes // PAGE_BYTES
            if step.pages > pages:
                return (
                    f"{scenario.where(step)}: expected at most the {pages:,} pages of the file, got"
                    f" {step.pages:,}; the model has nothing behind the end of a file, `cowmodel scenario"
                    " live` has"
                )
    return ""


def backing(region: Map, settings: Settings) -> Backing:
    """Return the backing of a region: of large folios, those of the sizes that are set."""
    return _OF_ONE_SIZE.get(region.page) or Backing("mthp", folio_bytes=settings.folio_bytes)
