"""The cost presets against the numbers of their own sources: the model does what they did, and takes as long.

One row a number: the preset, what was measured, the number as it was published, the experiment, how far off
it may be. Sources are named in the presets. What cannot be had from this model is not in the table: forks
that share tables (but for the arithmetic of On-demand-fork on the model's counts), several processes that
fork at once on On-demand-fork's machine, collapsing into huge pages, userfaultfd. Nor is On-demand-fork's
mean of 6.54 ms at 1 GiB, and the 65 times that follow from it: its entries are dearer there than at 50 GiB,
and the preset's one price is that of large sizes.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from cowmodel.catalog import COSTS
from cowmodel.cost.model import CostModel
from cowmodel.kernel.work import Work
from cowmodel.units import parse_size
from tests.theory import experiments as did
from tests.theory.experiments import KIB, KIB_PAGES, MIB, deferred_table, on_demand_fork_ps
from tests.theory.heaps import GIB, GIGANTIC, HUGE, preset

NS, US, MS, S = 10**3, 10**6, 10**9, 10**12
Experiment = Callable[[CostModel], float]


class Published(NamedTuple):
    """A number that somebody published, and the experiment that gives it here."""

    preset: str
    what: str
    value: float
    unit: str
    experiment: Experiment
    tolerance: float = 0.02


def took(unit_ps: float, experiment: Callable[..., Work], *given: object) -> Experiment:
    """Return the experiment whose result is the time of its work, in units of so many picoseconds."""
    return lambda costs: costs.cost_ps(experiment(*given)) / unit_ps


def times(factor: float, one: Experiment) -> Experiment:
    return lambda costs: factor * one(costs)


def ratio(one: Experiment, other: Experiment) -> Experiment:
    return lambda costs: one(costs) / other(costs)


def unzeroed(one: Experiment) -> Experiment:
    """Return the experiment on memory that was zeroed before."""
    return lambda costs: one(costs.adapted(without=["zeroed_bytes"]))


def of_counts(count: Callable[[], int]) -> Experiment:
    return lambda costs: count()


EPYC = "epyc7302p-linux5.6"
on_demand_1, on_demand_50 = (
    lambda costs: on_demand_fork_ps(did.fork(GIB)) / MS,
    lambda costs: on_demand_fork_ps(did.fork(50 * GIB)) / MS,
)
ON_DEMAND_FORK = [
    Published(EPYC, "fork, 50 GiB, 4 KiB pages", 253.9, "ms", took(MS, did.fork, 50 * GIB)),
    Published(EPYC, "fork, 50 GiB, 4 KiB pages, minimum", 252.3, "ms", took(MS, did.fork, 50 * GIB)),
    Published(EPYC, "fork, 1 GiB, 4 KiB pages, minimum", 5.4, "ms", took(MS, did.fork, GIB), 0.06),
    Published(EPYC, "fork, 176 MiB, 4 KiB pages", 1, "ms", took(MS, did.fork, 176 * MIB), 0.06),
    Published(EPYC, "size whose fork takes 1 ms", 176, "MiB", lambda c: did.smallest_heap(c, MS) / MIB, 0.06),
    Published(EPYC, "fork, 1 GiB, 2 MiB pages", 0.17, "ms", took(MS, did.fork, GIB, HUGE)),
    Published(EPYC, "On-demand-fork, 1 GiB (arithmetic)", 0.10, "ms", on_demand_1, 0.05),
    Published(EPYC, "On-demand-fork, 50 GiB (arithmetic)", 0.94, "ms", on_demand_50, 0.05),
    Published(
        EPYC,
        "fork / On-demand-fork, 50 GiB",
        270,
        "",
        ratio(took(MS, did.fork, 50 * GIB), on_demand_50),
        0.05,
    ),
    Published(EPYC, "copying fault, 4 KiB", 2.3, "us", took(US, did.copying_fault)),
    Published(EPYC, "copying fault, 2 MiB", 198.4, "us", took(US, did.copying_fault, HUGE)),
    Published(
        EPYC,
        "copying fault, 2 MiB / 4 KiB",
        86.3,
        "",
        ratio(took(1, did.copying_fault, HUGE), took(1, did.copying_fault)),
    ),
    Published(EPYC, "entries of one full table", 9.9, "us", lambda c: deferred_table(c) / US),
    Published(
        EPYC,
        "copying fault and copy of a table",
        12.2,
        "us",
        lambda c: (c.cost_ps(did.copying_fault()) + deferred_table(c)) / US,
    ),
]

REDIS = [
    Published(name, f"fork, {size}", value, "ms", took(MS, did.fork, parse_size(size)), 0.03)
    for name, size, value in (
        ("redis-vmware", "6.0 GB", 77),
        ("redis-physical", "6.1 GB", 80),
        ("redis-xeon", "6.9 GB", 62),
        ("redis-6sync-kvm", "360 MB", 8.2),
        ("redis-ec2-hvm", "1 GB", 10),
        ("redis-ec2-hvm", "64 GB", 640),
        ("redis-ec2-xen", "6.1 GB", 1460),
        ("redis-linode-xen", "0.9 GB", 382),
    )
]

HAWK = "hawkeye-haswell"
small_touch, huge_touch = took(US, did.first_touch), took(US, did.first_touch, "thp")
HAWKEYE = [
    Published(
        HAWK, "faults, 100 GiB at 4 KiB", 26_214_400, "", of_counts(lambda: did.touch_all(100 * GIB).traps), 0
    ),
    Published(
        HAWK,
        "faults, 100 GiB at 2 MiB",
        51_200,
        "",
        of_counts(lambda: did.touch_all(100 * GIB, HUGE).traps),
        0,
    ),
    Published(HAWK, "touching 100 GiB at 4 KiB", 92, "s", took(S, did.touch_all, 100 * GIB), 0.03),
    Published(HAWK, "touching 100 GiB at 2 MiB", 24, "s", took(S, did.touch_all, 100 * GIB, HUGE), 0.03),
    Published(HAWK, "first touch, 4 KiB", 3.5, "us", small_touch),
    Published(HAWK, "first touch, 2 MiB", 465, "us", huge_touch),
    Published(HAWK, "first touch, 4 KiB, zeroed before", 2.65, "us", unzeroed(small_touch)),
    Published(HAWK, "first touch, 2 MiB, zeroed before", 13, "us", unzeroed(huge_touch)),
    Published(HAWK, "first touch, 2 MiB / 4 KiB", 133, "", ratio(huge_touch, small_touch), 0.03),
]

FOLIOS = [  # KiB; fork of 1 GiB in ms, before batches and with them
    (4, 14.328, 14.035),
    (16, 14.263, 11.960),
    (32, 14.334, 10.940),
    (64, 14.046, 10.444),
    (128, 14.011, 10.063),
    (256, 13.993, 9.938),
    (512, 13.983, 9.850),
    (1024, 13.986, 9.820),
    (2048, 14.305, 10.076),
]
XEON = [
    Published(name, f"fork, 1 GiB, folios of {kib} KiB", value, "ms", fork_of_1_gib, 0.03)
    for kib, before, after in FOLIOS
    for fork_of_1_gib in [times(32, took(MS, did.fork_of_folios, kib * KIB))]  # there is no fixed part
    for name, value in (("xeon4210r-linux6.8-rc1", before), ("xeon4210r-linux6.8", after))
]

ZEROING = [
    Published("trident-skylake", "fault, 2 MiB", 850, "us", took(US, did.first_touch, "hugetlb 2 MiB")),
    Published("milan-2025", "demand fault, 2 MiB", 177, "us", took(US, did.first_touch, "hugetlb 2 MiB")),
    Published("milan-2025", "demand fault, 1 GiB", 62.6, "ms", took(MS, did.first_touch, "hugetlb 1 GiB")),
    Published(
        "milan-2025-patched", "demand fault, 2 MiB", 127, "us", took(US, did.first_touch, "hugetlb 2 MiB")
    ),
    Published(
        "milan-2025-patched", "demand fault, 1 GiB", 24.8, "ms", took(MS, did.first_touch, "hugetlb 1 GiB")
    ),
    Published(
        "milan-2025",
        "demand faults, 64 GiB at 1 GiB",
        64 * GIB / 17.14e9,
        "s",
        took(S, did.touch_all, 64 * GIB, GIGANTIC),
    ),
    Published(
        "milan-2025",
        "demand faults, 64 GiB at 2 MiB",
        64 * GIB / 11.82e9,
        "s",
        took(S, did.touch_all, 64 * GIB, HUGE),
    ),
    Published("core-i5-collapse", "huge page, zeroed", 295, "us", took(US, did.first_touch, "hugetlb 2 MiB")),
    Published(
        "core-i5-collapse",
        "huge page, not zeroed",
        198,
        "us",
        unzeroed(took(US, did.first_touch, "hugetlb 2 MiB")),
    ),
]

FAULTS = [
    Published("sapphire-rapids-cxl", "copying fault from CXL memory", 2.5, "us", took(US, did.copying_fault)),
    Published(
        "haswell-hw-fault",
        "cycles of the processor's own in a fault, at 3.5 GHz",
        1050,
        "",
        times(0.807 * 3.5, took(NS, did.first_touch, "base", False)),
    ),
    Published(
        "tiger-lake-6.6",
        "first touch, by a read, median",
        1013,
        "ns",
        took(NS, did.first_touch, "base", False),
    ),
    Published(
        "qemu-cowpte",
        "copying fault, of all in order",
        770,
        "ns",
        times(1 / 8192, took(NS, did.copying_faults, 32 * MIB)),
    ),
]

SHARED_2005 = "linux-2.6.12"
LAZY = [
    Published(
        SHARED_2005,
        "fork, each 100 MiB with entries",
        23,
        "ms",
        lambda c: (c.cost_ps(did.fork(200 * MIB)) - c.cost_ps(did.fork(100 * MIB))) / MS,
    ),
    Published(SHARED_2005, "fork, 100 MiB shared, lazily", 1, "ms", took(MS, did.fork_of_shared, 100 * MIB)),
    Published(SHARED_2005, "fork, 1 GiB shared, lazily", 1, "ms", took(MS, did.fork_of_shared, GIB)),
]

MACH = [  # zero fill of 1 KiB under Mach and UNIX; fork of 256 KB, the same; ms
    ("vax-era-rt-pc", 0.45, 0.58, 41, 145),
    ("vax-era-uvax2", 0.58, 1.2, 59, 220),
    ("vax-era-sun3-160", 0.23, 0.27, 68, 89),
]
VAX_ERA = [
    Published(name, what, value, "ms", experiment)
    for machine, zero_mach, zero_unix, fork_mach, fork_unix in MACH
    for name, what, value, experiment in (
        (machine, "zero fill, 1 KiB", zero_mach, took(MS, did.first_touch, "base", True, KIB_PAGES)),
        (machine, "fork, 256 KB, copy-on-write", fork_mach, took(MS, did.small_fork, False)),
        (machine, "fork, 256 KB, eager", fork_unix, took(MS, did.small_fork, True)),
        (
            f"{machine}-unix",
            "zero fill, 1 KiB",
            zero_unix,
            took(MS, did.first_touch, "base", True, KIB_PAGES),
        ),
        (f"{machine}-unix", "fork, 256 KB, eager", fork_unix, took(MS, did.small_fork, True)),
    )
]

SPAWNS = [
    Published(
        "vm-linux6.18",
        f"posix_spawn beside {size}",
        0.5,
        "ms",
        took(MS, did.start, parse_size(size), "spawn"),
    )
    for size in ("1 MiB", "64 MiB", "1 GiB")
]

NUMBERS = [*ON_DEMAND_FORK, *REDIS, *HAWKEYE, *XEON, *ZEROING, *FAULTS, *LAZY, *VAX_ERA, *SPAWNS]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{number.preset}: {number.what}")
def test_the_model_gives_what_was_published(number: Published):
    got = number.experiment(preset(number.preset))

    assert got == pytest.approx(number.value, rel=number.tolerance)


def test_every_preset_is_held_against_its_source():
    assert {number.preset for number in NUMBERS} == set(COSTS)


# ------------------------------------------------------ what is no single number
def test_a_local_fault_beside_cxl_memory_takes_less_than_1_us():
    assert preset("sapphire-rapids-cxl").cost_ps(did.first_touch()) < US


def test_nine_draws_in_ten_of_a_first_touch_lie_between_the_least_and_the_95th_percentile():
    costs = preset("tiger-lake-6.6")

    draws = [costs.drawn(number).cost_ps(did.first_touch("base", False)) / NS for number in range(1000)]

    assert sum(575 <= draw <= 4025 for draw in draws) / len(draws) == pytest.approx(0.9, abs=0.03)


def test_fork_and_exec_grow_with_the_parent_and_a_spawn_does_not():
    costs = preset("vm-linux6.18")

    forked, spawned = (
        [costs.cost_ps(did.start(size, verb)) for size in (MIB, 64 * MIB, GIB)] for verb in ("fork", "spawn")
    )

    assert forked == sorted(set(forked))
    assert len(set(spawned)) == 1
    assert forked[-1] > 20 * spawned[-1]


def test_huge_pages_make_fork_faster_and_the_faults_after_it_slower():
    costs = preset(EPYC)

    assert costs.cost_ps(did.fork(GIB, HUGE)) * 30 < costs.cost_ps(did.fork(GIB))
    assert costs.cost_ps(did.copying_fault(HUGE)) > 80 * costs.cost_ps(did.copying_fault())
