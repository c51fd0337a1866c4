"""Time of fork: On-demand-fork's machine and the seven of the Redis documentation."""

import pytest

from cowmodel.kernel.work import Work
from cowmodel.units import parse_size
from tests.theory.heaps import GIB, HUGE, fork, preset

MS = 10**9
MIB = 1 << 20

REDIS = [
    ("redis-vmware", "6.0 GB", 77),
    ("redis-physical", "6.1 GB", 80),
    ("redis-xeon", "6.9 GB", 62),
    ("redis-6sync-kvm", "360 MB", 8.2),
    ("redis-ec2-hvm", "1 GB", 10),
    ("redis-ec2-xen", "6.1 GB", 1460),
    ("redis-linode-xen", "0.9 GB", 382),
]


def smallest_heap_pages(limit_ps: int) -> int:
    """Return the smallest heap whose fork takes `limit_ps`, by bisection up to 1 GiB."""
    costs = preset("epyc7302p-linux5.6")
    below, reaching = 1, GIB // 4096
    while reaching - below > 1:
        middle = (below + reaching) // 2
        if costs.cost_ps(fork(middle * 4096)) < limit_ps:
            below = middle
        else:
            reaching = middle
    return reaching


def on_demand_fork_ps(work: Work) -> int:
    """Price a fork of the model as if it shared the last-level tables that it made.

    The model does not share tables: this is the paper's arithmetic, on the model's count of tables.
    """
    fixed_ps, table_ps = 83_000_000, 33_500
    return fixed_ps + table_ps * work.pte_tables


@pytest.fixture(scope="module")
def fork_of_50_gib() -> Work:
    return fork(50 * GIB)


def test_fork_of_50_gib_in_base_pages_takes_254_ms(fork_of_50_gib: Work):
    took = preset("epyc7302p-linux5.6").cost_ps(fork_of_50_gib)

    assert took / MS == pytest.approx(253.9, rel=0.02)


def test_fork_of_1_gib_in_base_pages_takes_the_published_minimum_of_5_4_ms():
    took = preset("epyc7302p-linux5.6").cost_ps(fork(GIB))

    assert took / MS == pytest.approx(5.4, rel=0.06)


def test_fork_of_176_mib_takes_1_ms():
    took = preset("epyc7302p-linux5.6").cost_ps(fork(176 * MIB))

    assert took / MS == pytest.approx(1, rel=0.06)


def test_fork_crosses_1_ms_at_176_mib():
    pages = smallest_heap_pages(1 * MS)

    assert pages * 4096 / MIB == pytest.approx(176, rel=0.06)


def test_fork_of_1_gib_in_2_mib_pages_takes_0_17_ms():
    took = preset("epyc7302p-linux5.6").cost_ps(fork(GIB, HUGE))

    assert took / MS == pytest.approx(0.17, rel=0.02)


def test_on_demand_forks_prices_applied_to_the_models_table_counts_give_0_10_ms_for_1_gib():
    took = on_demand_fork_ps(fork(GIB))

    assert took / MS == pytest.approx(0.10, rel=0.05)


def test_on_demand_forks_prices_applied_to_the_models_table_counts_make_50_gib_270_times_faster(
    fork_of_50_gib: Work,
):
    plain = preset("epyc7302p-linux5.6").cost_ps(fork_of_50_gib)
    shared = on_demand_fork_ps(fork_of_50_gib)

    assert shared / MS == pytest.approx(0.94, rel=0.05)
    assert plain / shared == pytest.approx(270, rel=0.05)


@pytest.mark.parametrize(("name", "size", "published_ms"), REDIS, ids=[row[0] for row in REDIS])
def test_fork_of_a_redis_takes_what_its_documentation_says(name: str, size: str, published_ms: float):
    took = preset(name).cost_ps(fork(parse_size(size)))

    assert took / MS == pytest.approx(published_ms, rel=0.03)


def test_fork_of_64_gb_takes_640_ms_at_10_ms_a_gb():
    took = preset("redis-ec2-hvm").cost_ps(fork(parse_size("64 GB")))

    assert took / MS == pytest.approx(640, rel=0.03)
