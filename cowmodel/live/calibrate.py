"""Find out what this machine costs: benchmarks on the running kernel, counted on the model, fitted.

rounds of benchmarks   ->  times of steps    |
the same on the model  ->  work of the steps |  ->  fit  ->  a preset
"""

import os
import platform
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cowmodel.cost.fit import Fit, Measured, fit
from cowmodel.live.benchmarks import Benchmark, benchmarks
from cowmodel.live.sessions import Session, measured, session
from cowmodel.scenario.steps import Step
from cowmodel.speed.running_kernel import CannotMeasure

PREFERRED = (
    *("hits", "traps", "allocations", "zeroed_bytes", "copied_bytes", "invalidations", "releases", "flips"),
    *("forks", "cold_forks", "exits", "mappings", "pte_entries", "drops", "frees", "pte_tables"),
    *("pmd_tables", "scans", "entry_jumps", "drop_jumps", "protections", "pmd_entries"),
    *("part_protections", "large_protections", "deposits", "large_drops", "withdrawals", "freed_bytes"),
    *("parts", "batches", "dropped_parts", "splits", "mapped_around"),
    *("filled_parts", "insertions", "notices", "evictions", "cold_frames", "cold_records", "far_doublings"),
    *("table_frees", "rewrites", "threads", "spawns", "execs"),
)
"""Terms that the benchmarks bring out; of those that cannot be told apart, the first has the price."""


class Played(NamedTuple):
    """What the steps of each benchmark took, by its name; which could not be played, and why."""

    steps: dict[str, list[tuple[Step, Measured]]]
    skipped: dict[str, str]


@dataclass(frozen=True)
class Calibration:
    """What was measured, and what came of it.

    Attributes
    ----------
    fit : Fit
    skipped : dict of str to str
        Benchmarks that could not be played here, and why.
    drift : float
        How much whole rounds differ, as a standard deviation of logarithms.
    """

    fit: Fit
    skipped: dict[str, str]
    drift: float


def calibrate(program: Path, rounds: int, told: Callable[[], None] = lambda: None) -> Calibration:
    """Measure and fit; raise as `calibrated` does.

    Parameters
    ----------
    program : Path
        The agent.
    rounds : int
        How often each benchmark is played.
    told : callable
        Called after each.
    """
    return calibrated(played(list(benchmarks()), program, rounds, told))


def played(
    wanted: Sequence[Benchmark], program: Path, rounds: int, told: Callable[[], None] = lambda: None
) -> Played:
    """Play benchmarks in turn, so that what changes in the meantime concerns all alike."""
    sessions: dict[str, list[Session]] = defaultdict(list)
    skipped: dict[str, str] = {}
    for _ in range(rounds):
        for one in wanted:
            name = one.once.name
            if name not in skipped:
                try:
                    sessions[name].append(session(one.twice, program, one.rehearsed))
                except CannotMeasure as reason:
                    skipped[name] = str(reason)
            told()
    found = {
        one.once.name: list(measured(one.once, sessions[one.once.name]))
        for one in wanted
        if one.once.name not in skipped
    }
    return Played(found, skipped)


def calibrated(came: Played) -> Calibration:
    """Fit prices to what benchmarks took.

    Raises
    ------
    CannotMeasure
        If not even one benchmark can be played here.
    """
    if not came.steps:
        reason = next(iter(came.skipped.values()), "there is none")
        raise CannotMeasure(f"expected to play at least one benchmark: {reason}")
    rows = [row for steps in came.steps.values() for _, row in steps]
    return Calibration(fit(rows, PREFERRED), came.skipped, _drift(rows))


def _drift(rows: list[Measured]) -> float:
    """Return how much the rounds differ as a whole."""
    logs = np.log([row.ns for row in rows])
    return float(np.std(np.median(logs - logs.mean(axis=1, keepdims=True), axis=0)))


def guest() -> bool:
    """Return whether this is a virtual machine, as the processor says."""
    return re.search(r"^flags\s*:.*\bhypervisor\b", _cpuinfo(), re.MULTILINE) is not None


def machine() -> str:
    """Return what was measured: processor, cores, memory, kernel."""
    model = re.search(r"^model name\s*:\s*(.*)$", _cpuinfo(), re.MULTILINE)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    kind = "virtual machine, " if guest() else ""
    release = platform.release().partition("-")[0]
    cpu = model[1].strip() if model else "unknown processor"
    return f"{kind}{cpu}, {os.cpu_count()} cores, {memory} GiB, Linux {release}"


def _cpuinfo() -> str:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8")
