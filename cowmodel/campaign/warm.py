"""Imported where workers are forked from: what all need is loaded, and compiled code has run."""

from cowmodel.catalog import POLICIES
from cowmodel.cost.preset import PRESETS
from cowmodel.experiment.config import check
from cowmodel.experiment.run import simulate

_SMALL = {
    "machine": {
        "paging": "x86-64",
        "memory": "4 MiB",
        "cores": 1,
        "quantum": "4 ms",
        "costs": "vm-linux6.18",
        "engine": "compiled",
    },
    "workload": {
        "name": "fork-tree",
        "heap": "64 KiB",
        "backing": "base",
        "generations": 1,
        "children": 1,
        "written": 0.5,
    },
    "run": {"seed": 1, "sample_every": "1 ms", "record_faults": False},
}

# the first call of compiled code costs 0.4 s even where it was compiled before
for policy in POLICIES:
    simulate(check(_SMALL | {"policy": {"copy": policy}}, "warm", PRESETS), 0)
