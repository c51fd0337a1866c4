"""One run: a configuration becomes a machine, the machine records, the records become a summary."""

import math
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cowmodel import catalog
from cowmodel.cost.model import CostModel, stream_of_draw
from cowmodel.cost.preset import load_preset
from cowmodel.engine.contention import Contention
from cowmodel.errors import SimulationError
from cowmodel.experiment import latency
from cowmodel.experiment.config import Configuration
from cowmodel.hardware.tlb import TlbGeometry
from cowmodel.kernel.commitment import Commitment
from cowmodel.kernel.fault import COPIES, FLIPS, KINDS
from cowmodel.kernel.kernel import Kernel
from cowmodel.kernel.work import OF_TLBS, Work
from cowmodel.machine import Machine
from cowmodel.program import start
from cowmodel.records import ActionRow, MemoryRow, Records, SpanRow
from cowmodel.units import format_duration
from cowmodel.workload.streams import Streams

if TYPE_CHECKING:
    import pandas as pd

_PS_PER_US, _PS_PER_MS = 10**6, 10**9

# Fork and exit take time about linear in contiguity: half the draws of an unknown one lie on either side.
MIDDLE_CONTIGUITY = 0.5


@dataclass(frozen=True)
class Outcome:
    """What a run leaves behind.

    Attributes
    ----------
    summary : dict
        Numbers and tables of numbers, as JSON holds them; units in the names.
    records : Records
    sample_ps : int
        Time between samples, and the length of a window of time in a table.
    """

    summary: dict[str, Any]
    records: Records
    sample_ps: int

    @cached_property
    def tables(self) -> dict[str, "pd.DataFrame"]:
        """The records as tables: faults, actions, spans, samples, memory, requests; what sums these up."""
        import pandas as pd  # costs what a small run does; most runs are only summed up

        samples = [{"time_ps": time} | asdict(one) for time, one in self.records.samples]
        return {
            "faults": self.records.fault_table(),
            "actions": pd.DataFrame(self.records.actions, columns=ActionRow._fields),
            "spans": pd.DataFrame(self.records.spans, columns=SpanRow._fields),
            "samples": pd.DataFrame(samples),
            "memory": pd.DataFrame(self.records.memory, columns=MemoryRow._fields),
            "requests": pd.DataFrame(self.records.request_columns()),
            "latency": latency.latency_table(self.records),
            "windows": latency.window_table(self.records, self.sample_ps),
        }


def simulate(configuration: Configuration, replication: int, draw: int | None = None) -> Outcome:
    """Run `configuration` with the random streams of `replication`.

    Parameters
    ----------
    draw : int, optional
        With this draw of what is uncertain, and without the table of all faults.

    Raises
    ------
    SimulationError
        If the modelled machine cannot go on.
    """
    machine = build(configuration, draw)
    streams = Streams(configuration.run.seed, replication)
    start(machine, partial(configuration.workload.main, streams=streams))
    try:
        records = machine.run()
    except SimulationError as problem:
        raise type(problem)(f"after {format_duration(machine.now)} of simulated time: {problem}") from problem
    return Outcome(summarise(machine, records), records, configuration.run.sample_every)


def priced(configuration: Configuration) -> CostModel:
    """Return the prices of `configuration`."""
    hardware = configuration.machine
    preset = _preset(hardware.costs, configuration.inputs["machine.costs"])
    return preset.adapted(hardware.without, hardware.unbacked, hardware.factors)


@lru_cache(maxsize=64)
def _preset(path: Path, digest: str) -> CostModel:
    """Read a preset, once for each content: that takes as long as a short run."""
    return load_preset(path)


def contiguity(configuration: Configuration, draw: int | None = None) -> float:
    """Return the contiguity of memory; of an unknown one the middle, or what a draw makes of it."""
    if not isinstance(known := configuration.machine.contiguity, str):
        return known
    return MIDDLE_CONTIGUITY if draw is None else stream_of_draw(draw, "contiguity").random()


def build(configuration: Configuration, draw: int | None = None) -> Machine:
    """Return the machine that `configuration` describes, with nothing running on it."""
    hardware, era = configuration.machine, catalog.ERAS[configuration.kernel.era]
    policy = catalog.POLICIES[configuration.policy.copying]()
    costs = priced(configuration)
    kernel = Kernel(catalog.PAGINGS[hardware.paging], hardware.memory, policy, era, hardware.cache)
    if (in_order := contiguity(configuration, draw)) < 1:
        kernel.frames.age(in_order)
    rule, most_bytes = configuration.kernel.overcommit, configuration.kernel.commit_limit or hardware.memory
    kernel.commitment = Commitment(catalog.OVERCOMMIT[rule], most_bytes // kernel.geometry.page_bytes)
    return Machine(
        kernel,
        costs if draw is None else costs.drawn(draw),
        catalog.ENGINES[hardware.engine],
        hardware.cores,
        hardware.quantum,
        configuration.run.sample_every,
        configuration.run.record_faults and draw is None,
        Contention(hardware.page_table_locks, hardware.mmap_locks, hardware.bandwidth),
        tlb=TlbGeometry() if hardware.tlb else None,
    )


def summarise(machine: Machine, records: Records) -> dict[str, Any]:
    """Return the numbers of a run that has ended."""
    forks = [row for row in records.actions if row.action == "fork"]
    kinds, costs, work = _faults(machine, records)
    idle = () if machine.tlb else OF_TLBS
    everywhere = sum((process.faults for process in machine.kernel.everyone), Counter[str]())  # in verbs too
    copies = sum(everywhere[kind] for kind in COPIES), sum(row.allocations for row in forks)
    flips = sum(everywhere[kind] for kind in FLIPS)
    copied = {
        "by_faults": sum(process.copied_bytes for process in machine.kernel.everyone),
        "by_forks": sum(row.copied_bytes for row in forks),
    }
    written = machine.kernel.written_bytes - (forks[0].written_bytes if forks else 0)
    return {
        "simulated_ms": machine.now / _PS_PER_MS,
        "processes": len(machine.kernel.everyone),
        "forks": len(forks),
        "fork_us": distribution(Counter(row.cost_ps + row.waited_ps for row in forks)),
        "faults": {kind: kinds[kind] for kind in KINDS},
        "fault_us": distribution(costs),
        "copies": {"total": sum(copies), "by_faults": copies[0], "by_forks": copies[1]},
        "flips": {"total": work.flips, "by_faults": flips, "by_search": work.flips - flips},
        "copied_bytes": copied,
        "written_bytes": written,
        "write_amplification": sum(copied.values()) / written if written else None,
        "peak_bytes": _peaks(machine),
        "accounting": _accounting(records),
        **latency.summary(records),
        "work": {field: count for field, count in work._asdict().items() if field not in idle},
        "assumed_prices": [field for field in machine.costs.assumed if field not in idle],
    }


def _faults(machine: Machine, records: Records) -> tuple[Counter[str], Counter[int], Work]:
    """Return the faults of accesses by kind and by cost in ps, and the work of everything."""
    kinds, costs, work = Counter[str](), Counter[int](), records.action_work
    for fault, count in records.fault_counts.items():
        kinds[fault.kind] += count
        costs[machine.costs.cost_ps(fault.work)] += count
        work += Work(*(count * field for field in fault.work))
    return kinds, costs, work


def distribution(costs: Counter[int]) -> dict[str, float | None]:
    """Return sum, mean, median, 99th percentile and maximum of costs in ps, in us.

    A percentile is the least cost that at least that share of all costs does not exceed.
    """
    total, count = sum(cost * n for cost, n in costs.items()), costs.total()
    ranks = {"p50": math.ceil(count * 0.5), "p99": math.ceil(count * 0.99), "max": count}
    found: dict[str, float | None] = {"sum": total / _PS_PER_US, "mean": None} | dict.fromkeys(ranks)
    if count:
        found["mean"] = total / count / _PS_PER_US
    seen = 0
    for cost in sorted(costs):
        for name, rank in ranks.items():
            if seen < rank <= seen + costs[cost]:
                found[name] = cost / _PS_PER_US
        seen += costs[cost]
    return found


def _peaks(machine: Machine) -> dict[str, int]:
    frames, page = machine.kernel.frames, machine.kernel.geometry.page_bytes
    return {"memory": frames.peak * page, "page_tables": frames.peak_tables * page}


def _accounting(records: Records) -> dict[str, Any]:
    """Return who used how much when memory was fullest, and how far all samples are from closing."""
    fullest = max(records.memory, key=lambda row: row.used_bytes)
    return {
        "samples": len(records.memory),
        "fullest_ms": fullest.time_ps / _PS_PER_MS,
        "used_bytes": fullest.used_bytes,
        "cached_bytes": fullest.cached_bytes,
        "processes": [asdict(one) for time, one in records.samples if time == fullest.time_ps],
        "most_unaccounted_bytes": max(
            abs(row.pss_bytes + row.cached_bytes + row.pending_bytes + row.kept_bytes - row.used_bytes)
            for row in records.memory
        ),
        "most_uncounted_sharers": max(abs(row.sharers - row.entries) for row in records.memory),
        "left_bytes": records.memory[-1].used_bytes + records.memory[-1].table_bytes,
    }
