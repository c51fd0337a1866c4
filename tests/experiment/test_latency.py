"""Latency by phase, percentiles by rank, and windows of time."""

import numpy as np
import pytest

from cowmodel.experiment.latency import latency_table, summary, window_table
from cowmodel.records import ActionRow, Records

US = 10**6


def records(*requests: tuple[int, int, int], fork: tuple[int, int] | None = None) -> Records:
    """Return the records of requests, in us, and of a child: when it is forked, and when it is gone."""
    made = Records(keep_faults=False)
    columns = np.array(requests, np.int64).reshape(-1, 3).T * US
    made.requests(0, *columns)
    for time_us, action, pid, child in zip(fork or (), ("fork", "exit"), (1, 2), (2, 0), strict=False):
        made.actions.append(ActionRow(time_us * US, 0, pid, action, child, 0, 0, 0, 5 * US, 0))
    return made


def test_a_run_without_requests_says_nothing_of_latency():
    assert summary(records()) == {}
    assert latency_table(records()).empty
    assert window_table(records(), US).empty


def test_a_request_is_of_the_time_during_if_any_part_of_it_is():
    made = records(
        (0, 0, 100), (99, 100, 101), (150, 150, 151), (204, 204, 300), (205, 205, 206), fork=(100, 200)
    )

    assert summary(made)["requests"] == {"all": 5, "before": 1, "during": 3, "after": 1}


def test_without_a_fork_all_is_before():
    assert summary(records((0, 0, 1), (5, 5, 6)))["requests"]["before"] == 2


@pytest.mark.parametrize(
    ("count", "ranks"),
    [(1, [1, 1, 1, 1, 1]), (10, [5, 9, 10, 10, 10]), (1000, [500, 900, 990, 999, 1000])],
)
def test_a_percentile_is_the_least_latency_that_so_many_do_not_exceed(count: int, ranks: list[int]):
    made = records(*((0, 0, latency) for latency in range(count, 0, -1)))

    latency = summary(made)["latency_us"]["all"]
    assert [latency[name] for name in ("p50", "p90", "p99", "p99.9", "max")] == ranks
    assert latency["mean"] == (count + 1) / 2


def test_of_a_phase_in_which_nobody_came_nothing_is_known():
    assert set(summary(records((0, 0, 1)))["latency_us"]["after"].values()) == {None}


def test_waiting_and_service_make_up_latency_and_service_the_utilisation():
    numbers = summary(records((0, 0, 10), (2, 10, 20), (38, 38, 40)))

    assert numbers["waiting_us"]["mean"] == pytest.approx(8 / 3)
    assert numbers["service_us"]["mean"] == pytest.approx(22 / 3)
    assert numbers["utilisation"] == 22 / 40


def test_requests_are_in_the_order_of_arrival_whichever_thread_answered_them():
    made = records((5, 5, 6))
    made.requests(1, *(np.array([[1], [2], [3]]) * US))

    assert made.request_columns()["thread"].tolist() == [1, 0]


def test_the_distribution_ends_with_the_slowest_request_of_each_phase():
    table = latency_table(records((0, 0, 3), (10, 10, 11), (300, 300, 302), fork=(100, 200)))

    last = table[table["percent"] == 100]
    assert dict(zip(last["phase"], last["latency_ps"], strict=True)) == {"before": 3 * US, "after": 2 * US}


def test_a_window_has_those_who_came_in_it():
    table = window_table(records((1, 1, 4), (9, 9, 10), (25, 25, 30)), 10 * US)

    assert table.to_dict("list") == {
        "time_ps": [0, 20 * US],
        "requests": [2, 1],
        "p50_ps": [1 * US, 5 * US],
        "p99_ps": [3 * US, 5 * US],
        "max_ps": [3 * US, 5 * US],
    }
