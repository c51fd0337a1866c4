"""What the sources of the cost presets did, done by the model: each experiment returns its work.

Times come from a preset, so they are no part of this; the same work is not done twice.
"""

from functools import cache

from cowmodel.cost.model import CostModel
from cowmodel.hardware.paging import PAGINGS, Geometry
from cowmodel.kernel.backing import BASE, THP, Backing, parse_backing
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.work import Work
from cowmodel.policy.copying import EagerCopy, LastSharerFlip
from tests.theory.heaps import GIB, loaded

KIB, MIB = 1 << 10, 1 << 20
KIB_PAGES = Geometry("pages of 1 KiB", KIB, (7,) * 5, (1,), 44)


# ------------------------------------------------------------------------- forks
@cache
def fork(size_bytes: int, backing: Backing = BASE) -> Work:
    """Fork a process that has touched a heap of that size."""
    kernel, parent, _, _ = loaded(size_bytes, backing=backing)
    return kernel.fork(parent)[1]


@cache
def fork_of_shared(size_bytes: int) -> Work:
    """Fork a process that has touched shared memory of that size."""
    kernel = Kernel(PAGINGS["x86-64"], 2 * size_bytes, LastSharerFlip())
    parent, _ = kernel.spawn()
    kernel.populate(parent, kernel.mmap(parent, size_bytes, shared=True)[0])
    return kernel.fork(parent)[1]


@cache
def fork_of_folios(folio_bytes: int) -> Work:
    """Fork 32 MiB in folios of that size, each mapped page by page, also those of 2 MiB."""
    if folio_bytes == 4 * KIB:
        return fork(32 * MIB)
    backing = THP if folio_bytes == 2 * MIB else Backing("mthp", folio_bytes=(folio_bytes,))
    kernel, parent, heap, _ = loaded(32 * MIB, backing=backing)
    for huge in range(heap.first, heap.end, 512) if backing == THP else ():
        kernel.mprotect(parent, huge, 1, "r")  # which splits what maps the folio as a whole
        kernel.mprotect(parent, huge, 1, "rw")
    return kernel.fork(parent)[1]


@cache
def small_fork(eager: bool) -> Work:
    """Fork 256 KB in pages of 1 KiB, which are copied, or shared copy-on-write."""
    kernel = Kernel(KIB_PAGES, 4 * MIB, EagerCopy() if eager else LastSharerFlip())
    parent, _ = kernel.spawn()
    kernel.populate(parent, kernel.mmap(parent, 256 * KIB)[0])
    return kernel.fork(parent)[1]


@cache
def start(size_bytes: int, verb: str) -> Work:
    """Start a command beside a heap of that size: by fork and exec, or by spawn."""
    kernel, parent, _, _ = loaded(size_bytes)
    if verb == "spawn":
        return kernel.spawn(parent)[1]
    child, work = kernel.fork(parent)
    return work + kernel.exec(child)


def smallest_heap(costs: CostModel, limit_ps: int) -> int:
    """Return the bytes of the smallest heap whose fork takes `limit_ps`, by bisection up to 1 GiB."""
    below, reaching = 1, GIB // 4096
    while reaching - below > 1:
        middle = (below + reaching) // 2
        if costs.cost_ps(fork(middle * 4096)) < limit_ps:
            below = middle
        else:
            reaching = middle
    return reaching * 4096


def on_demand_fork_ps(work: Work) -> int:
    """Price a fork of the model as if it shared the last-level tables that it made.

    The model does not share tables: this is the paper's arithmetic, on the model's count of tables.
    """
    fixed_ps, table_ps = 83_000_000, 33_500
    return fixed_ps + table_ps * work.pte_tables


# ------------------------------------------------------------------------ faults
@cache
def first_touch(text: str = "base", write: bool = True, geometry: Geometry = PAGINGS["x86-64"]) -> Work:
    """Touch the second leaf of a mapping, whose tables are there."""
    backing = parse_backing(text)
    leaf = backing.alignment(geometry)
    kernel = Kernel(geometry, 4 * leaf * geometry.page_bytes + MIB, LastSharerFlip())
    process, _ = kernel.spawn()
    heap, _ = kernel.mmap(process, 2 * leaf * geometry.page_bytes, backing)
    kernel.fault(process, heap.first, write)
    return kernel.fault(process, heap.first + leaf, write).work


@cache
def copying_fault(backing: Backing = BASE) -> Work:
    """Write to a page right after fork."""
    kernel, parent, heap, _ = loaded(2 * MIB, backing=backing)
    kernel.fork(parent)
    return kernel.fault(parent, heap.first, write=True).work


@cache
def copying_faults(size_bytes: int) -> Work:
    """Write to all pages of a heap, one after the other, right after fork."""
    kernel, parent, heap, _ = loaded(size_bytes)
    kernel.fork(parent)
    faults = [kernel.fault(parent, vpn, write=True).work for vpn in range(heap.first, heap.end)]
    return Work(*map(sum, zip(*faults, strict=True)))


@cache
def touch_all(size_bytes: int, backing: Backing = BASE) -> Work:
    """Touch a heap of that size, leaf by leaf."""
    return loaded(size_bytes, backing=backing).work


def deferred_table(costs: CostModel) -> int:
    """Return the time that fork takes for the entries of one full table, which On-demand-fork puts off."""
    entries = fork(2 * MIB).pte_entries
    return costs.cost_ps(Work(pte_entries=entries))
