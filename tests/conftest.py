"""A configuration and an experiment on disk, and a simulation that only counts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cowmodel.errors import OutOfMemory

CONFIGURATION = """\
[machine]
paging = "x86-64"
memory = "64 MiB"
cores = 2
quantum = "4 ms"
costs = "epyc7302p-linux5.6"
engine = "reference"

[policy]
copy = "cow-flip"

[workload]
name = "fork-tree"
heap = "1 MiB"
backing = "base"
generations = 1
children = 2
written = 0.5

[run]
seed = 1
sample_every = "1 ms"
record_faults = false
"""

EXPERIMENT = """\
question = "What does the flip save?"
expectation = "The last sharer's copy."
base = "../../configs/tree.toml"
replications = 2
tables = ["samples"]

[[sweep]]
set = { "workload.children" = 3 }
grid = { "policy.copy" = ["cow", "cow-flip"], "machine.memory" = ["64 MiB", "128 MiB"] }
"""

FIGURE = """\
from cowmodel.report.paper import panels

def draw(tables):
    figure, (axes,) = panels(1, 1, 7.0, 3.0)
    runs = tables["runs"]
    axes.plot(runs["replication"], runs["copies.total"])
    return figure
"""


@dataclass
class StubOutcome:
    """Stands for the outcome of a simulation."""

    summary: dict[str, Any]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)


class StubSimulation:
    """Counts its calls; a machine with less than 2 MiB is too small."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, configuration: Any, replication: int) -> StubOutcome:
        """Make a run."""
        self.calls += 1
        if configuration.machine.memory < 2 << 20:
            raise OutOfMemory("no frame is free")
        summary = {
            "copies": {"total": 10 + replication},
            "fork_us": {"mean": 0.1 + replication},
            "peak_bytes": {"memory": 4096},
        }
        samples = pd.DataFrame({"time_ps": [0, 5], "used_bytes": [4096, 8192]})
        return StubOutcome(summary, {"samples": samples})


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> StubSimulation:
    """Put a stub in the place of the simulation, in this process."""
    stub = StubSimulation()
    # first where it was imported from elsewhere: what is imported later must not find the stub
    monkeypatch.setattr("cowmodel.campaign.recipe.simulate", stub)
    monkeypatch.setattr("cowmodel.experiment.run.simulate", stub)
    return stub


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with configs/tree.toml and experiments/flips, as working directory."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/tree.toml").write_text(CONFIGURATION)
    (tmp_path / "experiments/flips").mkdir(parents=True)
    (tmp_path / "experiments/flips/experiment.toml").write_text(EXPERIMENT)
    (tmp_path / "experiments/flips/figure.py").write_text(FIGURE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def edit() -> Callable[[Path, str, str], None]:
    """Change a text in a file that has it."""

    def replace(path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return replace
