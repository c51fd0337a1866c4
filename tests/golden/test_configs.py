"""What each configuration in `configs/` gives, number by number.

A change that is meant is stored anew, looked at in the diff, and its commit says why results moved::

    COWMODEL_GOLDEN=write .venv/bin/pytest tests/golden
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from cowmodel.experiment.config import load
from cowmodel.experiment.document import readable_json
from cowmodel.experiment.run import Outcome, simulate

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.toml"))
IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from cowmodel.experiment.config import load
from cowmodel.experiment.document import readable_json
from cowmodel.experiment.run import simulate
for path in sys.argv[1:]:
    print(readable_json(simulate(load(Path(path)), 0).summary), end="")
"""

every_configuration = pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)


def outcome(config: Path) -> Outcome:
    return simulate(load(config), 0)


@cache
def first_outcome(config: Path) -> Outcome:
    return outcome(config)


def summary(config: Path) -> str:
    return readable_json(first_outcome(config).summary)


def stored(config: Path) -> Path:
    return Path(__file__).with_name(f"{config.stem}.json")


@every_configuration
def test_a_configuration_gives_exactly_the_summary_that_is_stored(config: Path):
    if os.environ.get("COWMODEL_GOLDEN") == "write":
        stored(config).write_text(summary(config))

    assert summary(config) == stored(config).read_text()


def test_what_is_stored_is_a_summary_of_each_configuration_and_nothing_else():
    assert sorted(Path(__file__).parent.glob("*.json")) == sorted(map(stored, CONFIGS))


@every_configuration
def test_a_configuration_that_is_run_again_gives_the_same_summary_and_tables(config: Path):
    first, again = first_outcome(config), outcome(config)

    assert again.summary == first.summary
    assert again.tables.keys() == first.tables.keys()
    assert [name for name, table in again.tables.items() if not table.equals(first.tables[name])] == []


@pytest.mark.parametrize("hash_seed", ["4711"])
def test_another_process_with_another_hash_seed_gives_the_same_summaries(hash_seed: str):
    printed = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, *map(str, CONFIGS)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
    ).stdout

    assert printed == "".join(map(summary, CONFIGS))
