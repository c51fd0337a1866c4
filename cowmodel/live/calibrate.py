"""Find out what this machine costs: benchmarks on the running kernel, counted on the model, fitted.

rounds of benchmarks   ->  times of steps    |
the same on the model  ->  work of the steps |  ->  fit  ->  a preset
"""

import os
import platform
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cowmodel.cost.fit import Fit, Measured, fit
from cowmodel.live.benchmarks import Benchmark, benchmarks
from cowmodel.live.timing import timed, with_jumps, works
from cowmodel.scenario.setup import setup
from cowmodel.speed.running_kernel import CannotMeasure

PREFERRED = (
    *("hits", "traps", "allocations", "zeroed_bytes", "copied_bytes", "invalidations", "releases", "flips"),
    *("forks", "cold_forks", "exits", "mappings", "pte_entries", "drops", "frees", "pte_tables"),
    *("pmd_tables", "scans", "entry_jumps", "drop_jumps", "protections", "pmd_entries", "deposits"),
    *("large_drops", "freed_bytes", "parts", "batches", "dropped_parts", "splits", "mapped_around"),
    *("filled_parts", "insertions", "notices", "evictions", "cold_frames", "cold_records", "far_records"),
    *("table_frees", "rewrites", "threads", "spawns", "execs"),
)
"""Terms that the benchmarks bring out; of those that cannot be told apart, the first has the price."""


class Session(NamedTuple):
    """One benchmark, played once: how long each step took, and how many frames were out of order."""

    ns: list[int]
    jumps: list[int | None]


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
    """Measure and fit.

    Parameters
    ----------
    program : Path
        The agent.
    rounds : int
        How often each benchmark is played, in turn with the others, so that what changes in the meantime
        concerns all alike.
    told : callable
        Called after each.
    """
    played: dict[str, list[Session]] = defaultdict(list)
    skipped: dict[str, str] = {}
    known = {one.once.name: one for one in benchmarks()}
    for _ in range(rounds):
        for name, one in known.items():
            if name not in skipped:
                try:
                    played[name].append(_play(one, program))
                except CannotMeasure as reason:
                    skipped[name] = str(reason)
            told()
    rows = [row for name, sessions in played.items() if sessions for row in _rows(known[name], sessions)]
    return Calibration(fit(rows, PREFERRED), skipped, _drift(rows))


def _play(one: Benchmark, program: Path) -> Session:
    half = list(timed(one.twice, program))[len(one.once.steps) :]
    return Session([step.ns for step in half], [step.jumps for step in half])


def _rows(one: Benchmark, sessions: list[Session]) -> Iterator[Measured]:
    """Return what each step of a benchmark is and took; frames were out of order as often as mostly."""
    for at, (step, counted) in enumerate(zip(one.once.steps, works(one.once, setup({})), strict=True)):
        ns = tuple(float(session.ns[at]) for session in sessions)
        found = [session.jumps[at] for session in sessions]
        known = [jumps for jumps in found if jumps is not None]
        jumps = int(np.median(known)) if known else None
        if min(ns) > 0:
            yield Measured(f"{one.once.name}: {step.number} {step.op}", with_jumps(counted, jumps), ns)


def _drift(rows: list[Measured]) -> float:
    """Return how much the rounds differ as a whole."""
    repeated = np.array([np.array(row.ns) / np.median(row.ns) for row in rows])
    return float(np.std(np.log(np.median(repeated, axis=0))))


def guest() -> bool:
    """Return whether this is a virtual machine, as the processor says."""
    return re.search(r"^flags\s*:.*\bhypervisor\b", _cpuinfo(), re.MULTILINE) is not None


def machine() -> str:
    """Return what was measured: processor, cores, memory, kernel."""
    model = re.search(r"^model name\s*:\s*(.*)$", _cpuinfo(), re.MULTILINE)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    kind = "virtual machine, " if guest() else ""
    cpu = model[1].strip() if model else "unknown processor"
    return f"{kind}{cpu}, {os.cpu_count()} cores, {memory} GiB, Linux {platform.release()}"


def _cpuinfo() -> str:
    return Path("/proc/cpuinfo").read_text(encoding="utf-8")
