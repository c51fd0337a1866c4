"""The summary for people."""

from cowmodel.report.summary import readable, summary_rows

SUMMARY = {
    "copies": {"total": 12},
    "faults": {"zero": 0, "cow_copy": 12},
    "fork_us": {"mean": 1500.0},
    "peak_bytes": {"memory": 1 << 20},
}


def test_the_three_numbers_come_first_and_zeros_not_at_all() -> None:
    labels = [label for label, _ in summary_rows(SUMMARY)]
    assert labels == ["fork time", "copies", "peak memory", "faults.cow_copy"]


def test_a_number_is_written_with_the_unit_of_its_name() -> None:
    assert readable("fork_us.mean", 1500.0) == "1.5 ms"
    assert readable("peak_bytes.memory", 1 << 20) == "1 MiB"
    assert readable("copies", 12_000) == "12,000"
    assert readable("write_amplification", 4096.0) == "4096"


def test_what_has_no_value_is_said_to_have_none() -> None:
    assert readable("fork_us.mean", None) == "none"
