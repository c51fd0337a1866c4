"""What the checks share: a first process with a resident heap, and the price of work."""

from typing import NamedTuple

import numpy as np

from cowmodel.catalog import COSTS, PAGINGS, POLICIES
from cowmodel.cost.model import CostModel
from cowmodel.cost.preset import load_preset
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.choices import CopyPolicy
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.process import Process
from cowmodel.kernel.vma import Vma
from cowmodel.kernel.work import NOTHING, Work

GIB = 1 << 30
HUGE = Backing("hugetlb", 2 << 20)
GIGANTIC = Backing("hugetlb", 1 << 30)

_AT_ONCE = 1 << 18  # leafs populated in one call: a large heap then needs little beside itself


class Loaded(NamedTuple):
    """A kernel whose only process has touched all of its heap; `work` is that of the touching."""

    kernel: Kernel
    parent: Process
    heap: Vma
    work: Work


def loaded(
    size_bytes: int,
    policy: CopyPolicy | str = "cow-flip",
    backing: Backing = BASE,
    paging: str = "x86-64",
    heaps: int = 2,
) -> Loaded:
    """Load a heap on a machine with room for `heaps` of them, and for some more."""
    chosen = POLICIES[policy]() if isinstance(policy, str) else policy
    geometry = PAGINGS[paging]
    kernel = Kernel(geometry, heaps * size_bytes + 4096 * geometry.page_bytes, chosen)
    parent, _ = kernel.spawn()
    heap, _ = kernel.mmap(parent, size_bytes, backing)
    work, step = NOTHING, _AT_ONCE * geometry.leaf_pages(heap.level)
    for first in range(heap.first, heap.end, step):
        some = np.arange(first, min(first + step, heap.end), geometry.leaf_pages(heap.level))
        work += kernel.populate(parent, heap, some)
    return Loaded(kernel, parent, heap, work)


def preset(name: str) -> CostModel:
    """Load a cost preset by its name in the catalogue."""
    return load_preset(COSTS[name])
