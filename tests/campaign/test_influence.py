"""A sensitivity analysis is an experiment whose points are a design, and whose last table are shares."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cowmodel.campaign.experiment import read_experiment
from cowmodel.campaign.store import Store
from cowmodel.errors import ConfigError
from tests.campaign.sweeping import FLIPS, RESULTS, planned, swept

SENSITIVITY = """
[sensitivity]
of = ["fork_us.mean", "copies.total"]
points = 16
seed = 1

[sensitivity.ranges]
"machine.factors.pte_entries" = [0.5, 2.0]
"machine.factors.flips" = [0.5, 2.0]
"workload.written" = [0.1, 0.9]
"""


@pytest.fixture
def analysis(house: Path) -> Callable[..., None]:
    """Put a sensitivity analysis in the place of the sweep."""

    def write(*changes: tuple[str, str]) -> None:
        file = FLIPS / "experiment.toml"
        text = SENSITIVITY
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        file.write_text(file.read_text().partition("[[sweep]]")[0].replace("ions = 2", "ions = 1") + text)

    return write


def test_a_design_has_a_run_a_row_and_a_table_of_shares(analysis: Callable[..., None]):
    analysis()

    assert len(swept()) == 16 * (3 + 2)

    table = pd.read_csv(RESULTS / "sensitivity.csv")
    assert table["metric"].tolist() == ["fork_us.mean"] * 3 + ["copies.total"] * 3
    fork = table[table["metric"] == "fork_us.mean"].set_index("parameter")["total"]
    # of 16 points the shares are rough, but what does not move a metric has exactly none
    assert fork["machine.factors.pte_entries"] > 0.5
    assert fork["machine.factors.flips"] == fork["workload.written"] == 0
    copies = table[table["metric"] == "copies.total"].set_index("parameter")["first"]
    assert copies["workload.written"] == pytest.approx(1, abs=0.5)


def test_an_analysis_waits_for_its_last_run(analysis: Callable[..., None]):
    analysis()
    swept()
    (RESULTS / "sensitivity.csv").unlink()

    Store(RESULTS).forget([next(iter(planned().runs()))[1].name])
    (RESULTS / "sensitivity.csv").touch()
    assert len(swept()) == 1

    assert len(pd.read_csv(RESULTS / "sensitivity.csv")) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("pte_entries", "pte_entrees"), "no 'machine.factors.pte_entrees' among .*; did you mean"),
        (
            ("points = 16", "points = 17"),
            "sobol: expected a power of two of at least 8 points, got 17; try 32",
        ),
        (("[0.1, 0.9]", "[0.9, 0.1]"), "ranges.workload.written: expected .low, high. with low below high"),
        (
            ("points = 16", 'points = 16\nmethod = "anova"'),
            "sensitivity.method: no 'anova' among sobol, morris",
        ),
    ],
)
def test_a_wrong_analysis_is_told_before_the_first_run(
    analysis: Callable[..., None], change: tuple[str, str], message: str
):
    analysis(change)

    with pytest.raises(ConfigError, match=message):
        read_experiment(FLIPS)
