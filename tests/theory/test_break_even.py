"""From which written fraction on is it cheaper to copy everything at fork than to fault page by page?

cost of fork, and of the faults of a child that writes a fraction of the heap

     |              . '  copy-on-write
     |----------.-'----  eager
     |      . '
     |  . '
     +----------|------  written fraction
                f*
"""

import numpy as np
import pytest

from cowmodel.cost.model import CostModel
from cowmodel.kernel.backing import BASE, Backing
from cowmodel.kernel.work import Work
from tests.theory.heaps import GIB, HUGE, loaded, preset

FRACTIONS = np.linspace(0, 1, 11)

sizes = {BASE: 64 << 20, HUGE: GIB}
policies = pytest.mark.parametrize("policy", ["cow", "cow-flip"])


def total_ps(policy: str, backing: Backing, fraction: float, costs: CostModel) -> int:
    """Return the time of a fork and of the child's writes to a fraction of the heap."""
    kernel, parent, heap, _ = loaded(sizes[backing], policy, backing)
    child, work = kernel.fork(parent)
    heads = range(heap.first, heap.end, kernel.geometry.leaf_pages(heap.level))
    faults = (kernel.write(child, vpn) for vpn in heads[: round(len(heads) * fraction)])
    return costs.cost_ps(work) + sum(map(costs.cost_ps, faults))


def break_even(policy: str, backing: Backing, costs: CostModel) -> float:
    """Sweep the written fraction; return where eager copying begins to be cheaper."""
    ahead = [
        total_ps("eager", backing, fraction, costs) - total_ps(policy, backing, fraction, costs)
        for fraction in FRACTIONS
    ]
    assert ahead[0] > 0 > ahead[-1]
    return float(np.interp(0, ahead[::-1], FRACTIONS[::-1]))


@policies
@pytest.mark.parametrize(("backing", "published"), [(BASE, 0.167), (HUGE, 0.990)], ids=str)
def test_copy_on_write_pays_up_to_a_sixth_of_4_kib_pages_and_nearly_all_of_2_mib_pages(
    policy: str, backing: Backing, published: float
):
    crossing = break_even(policy, backing, preset("epyc7302p-linux5.6"))

    assert crossing == pytest.approx(published, abs=0.01)


@pytest.mark.parametrize("costs", ["epyc7302p-linux5.6", "vm-linux6.18"])
@pytest.mark.parametrize("backing", [BASE, HUGE], ids=str)
def test_break_even_is_what_eager_pays_more_a_page_over_what_a_fault_pays(backing: Backing, costs: str):
    model = preset(costs)
    copied = Work(allocations=1, copied_bytes=backing.leaf_bytes or 4096)
    cold = Work(cold_frames=1, cold_records=1)  # the heap is larger than the cache
    faulted = copied + Work(traps=1, invalidations=1, releases=1) + cold
    more_ps = model.cost_ps(copied) - model.cost_ps(Work(protections=1))

    crossing = break_even("cow-flip", backing, model)

    assert crossing == pytest.approx(more_ps / model.cost_ps(faulted), abs=0.001)
