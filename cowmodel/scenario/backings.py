"""What the regions of a scenario are made of, in the model."""

from cowmodel.kernel.backing import BASE, Backing
from cowmodel.scenario.steps import HUGE_BYTES, Map, Settings

_OF_ONE_SIZE = {"4k": BASE, "hugetlb": Backing("hugetlb", HUGE_BYTES)}


def backing(region: Map, settings: Settings) -> Backing:
    """Return the backing of a region: of large folios, those of the sizes that are set."""
    return _OF_ONE_SIZE.get(region.page) or Backing("mthp", folio_bytes=settings.folio_bytes)
