"""
Four copy policies on one configuration
=======================================

A configuration file is loaded with changes and simulated, here once for each listed policy. All see the
same random writes, since random streams depend on the seed alone, never on the policy.
"""

from pathlib import Path

import matplotlib.pyplot as plt

from cowmodel import POLICIES, load, simulate

CONFIGURATION = next(Path.cwd().parent.parent.glob("configs/snapshot-server.toml"))
SMALLER = ["workload.heap=16 MiB", "workload.save=300 ms", "run.record_faults=false"]

outcomes = {
    name: simulate(load(CONFIGURATION, [*SMALLER, f"policy.copy={name}"]), replication=0) for name in POLICIES
}

# %%
# A summary is nested tables; its names end in units.

fork_ms = {name: outcome.summary["fork_us"]["sum"] / 1000 for name, outcome in outcomes.items()}
copies = {name: outcome.summary["copies"]["total"] for name, outcome in outcomes.items()}

figure, (left, right) = plt.subplots(1, 2, figsize=(6.5, 2.6), layout="constrained")
left.barh(list(fork_ms), list(fork_ms.values()), color="#0072B2")
left.set(xlabel="the fork stops the server [ms]")
right.barh(list(copies), list(copies.values()), color="#D55E00")
right.set(xlabel="copied pages", yticklabels=[])
