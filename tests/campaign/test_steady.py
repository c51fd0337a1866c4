"""Metrics of the steady part of a run."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cowmodel.campaign.steady import Steady
from cowmodel.errors import ConfigError
from tests.campaign.sweeping import FLIPS, RESULTS, swept

SETTLING = {"windows": pd.DataFrame({"p50_ps": [90.0] * 20 + [9.0, 11.0] * 40})}


def steady(of: str) -> Steady:
    return Steady(name="latency_ps.steady", of=of)


def test_the_beginning_of_a_run_is_no_part_of_it():
    assert steady("windows.p50_ps").value(SETTLING) == 10.0


def test_a_run_that_never_settles_has_no_steady_part():
    rising = {"windows": pd.DataFrame({"p50_ps": [float(n) for n in range(100)]})}

    assert steady("windows.p50_ps").value(rising) is None


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ("window.p50_ps", "no 'window' among windows; did you mean"),
        ("windows.p5_ps", "no 'p5_ps' among p50_ps"),
    ],
)
def test_a_series_that_does_not_exist_is_told_with_those_that_do(of: str, message: str):
    with pytest.raises(ConfigError, match=message):
        steady(of).value(SETTLING)


def test_an_experiment_has_its_steady_metrics_in_the_summary(house: Path, simulation: Any):
    file = FLIPS / "experiment.toml"
    file.write_text(file.read_text() + '[[steady]]\nname = "used_bytes.steady"\nof = "samples.used_bytes"\n')

    swept()

    assert (
        pd.read_csv(RESULTS / "summary.csv")["used_bytes.steady"].isna().all()
    )  # two samples settle nothing
