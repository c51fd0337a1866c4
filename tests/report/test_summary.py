"""The summary for people."""

import math

import pandas as pd

from cowmodel.report.summary import headlines, readable, summary_rows

SUMMARY = {
    "copies": {"total": 12},
    "faults": {"zero": 0, "cow_copy": 12},
    "fork_us": {"mean": 1500.0},
    "peak_bytes": {"memory": 1 << 20},
}


def test_the_three_numbers_come_first_and_zeros_not_at_all() -> None:
    labels = [label for label, _ in summary_rows(SUMMARY, {})]
    assert labels == ["fork time", "copies", "peak memory", "faults.cow_copy"]


def test_a_number_is_written_with_the_unit_of_its_name() -> None:
    assert readable("fork_us.mean", 1500.0) == "1.5 ms"
    assert readable("peak_bytes.memory", 1 << 20) == "1 MiB"
    assert readable("copies", 12_000) == "12,000"
    assert readable("write_amplification", 4096.0) == "4096"


def test_behind_a_time_stands_its_band_in_the_same_unit() -> None:
    rows = dict(summary_rows(SUMMARY, {"fork_us.mean": (900.0, 2000.0)}))
    assert rows["fork time"] == "1.5 ms (0.9-2)"
    assert rows["copies"] == "12"


def test_a_band_too_narrow_to_see_is_not_written() -> None:
    assert readable("fork_us.mean", 1500.0, (1499.9, 1500.1)) == "1.5 ms"


def test_a_line_of_a_sweep_has_the_bands_of_the_runs_that_have_one() -> None:
    table = {"replication": [0, 1], "fork_us.mean": [1500.0, 2500.0]}
    table |= {"fork_us.mean_low": [1000.0, math.nan], "fork_us.mean_high": [2000.0, math.nan]}
    table |= {"copies.total": [1, 2], "peak_bytes.memory": [4096, 4096]}
    _, first, second = headlines(pd.DataFrame(table)).splitlines()
    assert "1.5 ms (1-2)" in first
    assert "2.5 ms " in second
    assert "nan" not in second


def test_what_has_no_value_is_said_to_have_none() -> None:
    assert readable("fork_us.mean", None) == "none"
