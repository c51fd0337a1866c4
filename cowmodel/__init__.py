"""A discrete-event model of operating-system memory: fork, copy-on-write, page faults and what they cost.

Hardware
    `PAGINGS`: page-table geometries by name. `Geometry` is one.
Kernel
    `Kernel`: physical memory, processes and the verbs. `Process`, `Vma`, `Work`, `Backing`.
Choices
    `CopyPolicy`: what the kernel asks. `POLICIES`: those that are listed, by name.
Time
    `CostModel`: work to picoseconds. `Machine`: a kernel in simulated time. `Program`: one process on it.
Experiments
    `load` a configuration, `simulate` it, get an `Outcome`. `open_results`: what a sweep has left.
Sharing
    `fork_tree`, `sharing_graph`: networkx graphs, a node a process. `proportional_bytes`: the PSS of each.
Errors
    `ConfigError`, `SimulationError`.

Words
-----
frame, pfn
    A piece of physical memory; its number.
page, vpn
    A piece of virtual memory; its number.
entry, leaf, table page
    One slot of a page table; a slot that maps memory; any page of the radix tree.
sharers
    Entries that map a frame.
copy, flip
    A write fault that makes a new frame; one that only makes the entry writable.
backing
    What a mapping is made of: base pages or hugetlb pages.
work, price, cost
    Counts of elementary operations; time of one operation; time of an action.
Process, activity
    An operating-system process; a generator that SimPy runs.

Everything is imported when it is first used, so that `import cowmodel` costs nothing.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "PAGINGS": "hardware.paging",
    "Geometry": "hardware.paging",
    "Kernel": "kernel.kernel",
    "Process": "kernel.process",
    "Vma": "kernel.address_space",
    "Work": "kernel.work",
    "Backing": "kernel.backing",
    "CopyPolicy": "kernel.choices",
    "POLICIES": "catalog",
    "CostModel": "cost.model",
    "Machine": "machine",
    "Program": "program",
    "load": "experiment.config",
    "simulate": "experiment.run",
    "Outcome": "experiment.run",
    "open_results": "campaign.results",
    "fork_tree": "report.sharing",
    "proportional_bytes": "report.sharing",
    "sharing_graph": "report.sharing",
    "ConfigError": "errors",
    "SimulationError": "errors",
}

__all__ = list(_HOMES)  # a list of names


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cowmodel' has no attribute {name!r}")
    return getattr(import_module(f"cowmodel.{_HOMES[name]}"), name)
