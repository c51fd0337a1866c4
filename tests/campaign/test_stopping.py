"""Series are cut where they settle; replications end where a mean is known, whoever made them when."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowmodel.campaign.statistics import mean
from cowmodel.campaign.stopping import Precise, warm_up

QUICK = settings(max_examples=60, deadline=None, derandomize=True, database=None)
VALUES = st.lists(st.floats(0.1, 10), max_size=60)


def made(rule: Precise, draws: list[float], at_once: int = 1) -> int:
    """Make replications, so many at once, until no more are wanted; return how many that are."""
    n = 0
    while (wanted := rule.wanted(draws[:n])) > n:
        n = min(n + at_once, wanted)
    return n


# -------------------------------------------------------------------- warm-up
def test_a_series_that_starts_at_its_mean_keeps_nearly_all() -> None:
    rng = np.random.default_rng(0)
    cuts = [warm_up(rng.normal(size=1000)) for _ in range(200)]
    assert np.median([cut for cut in cuts if cut is not None]) == 0
    assert None not in cuts


def test_the_mean_of_a_series_that_decays_to_it_loses_its_bias() -> None:
    rng = np.random.default_rng(1)
    decay = 10 * np.exp(-np.arange(1000) / 20)
    series = [rng.normal(size=1000) + decay for _ in range(200)]
    bias = np.mean([one.mean() for one in series])
    left = np.mean([one[warm_up(one) :].mean() for one in series])
    assert bias > 0.19
    assert abs(left) < bias / 10


def test_a_jump_is_cut_where_it_is() -> None:
    assert warm_up([9.0] * 10 + [1.0, 2.0] * 20) == 10


def test_a_constant_series_has_no_beginning() -> None:
    assert warm_up([3.0] * 20) == 0


@pytest.mark.parametrize("series", [[], [1.0] * 9, [1.0] * 5 + [2.0] * 5, list(range(100))])
def test_a_series_that_is_too_short_or_still_changes_has_no_cut(series: list[float]) -> None:
    assert warm_up(series) is None


# ------------------------------------------------------------------- stopping
def test_the_least_is_made_in_any_case_and_the_most_is_the_end() -> None:
    rule = Precise(within=0.05, at_least=10, at_most=30)
    assert rule.wanted([]) == rule.wanted([1.0] * 9) == rule.wanted([1.0] * 10) == 10
    assert made(rule, [1.0, 100.0] * 50) == 30


def test_it_ends_at_the_first_round_whose_interval_is_narrow_enough() -> None:
    draws = np.random.default_rng(2).normal(1, 0.3, 500).tolist()
    rule, looked = Precise(0.05, 10, 500), [10]
    while looked[-1] < made(rule, draws):
        looked.append(looked[-1] + looked[-1] // 4)
    wide = [mean(draws[:n]).half_width > 0.05 * mean(draws[:n]).estimate for n in looked]
    assert len(wide) > 3
    assert wide == [True] * (len(wide) - 1) + [False]


@QUICK
@given(VALUES, st.integers(1, 20), st.integers(2, 15), st.integers(2, 60))
def test_how_many_are_made_does_not_depend_on_how_many_at_once(
    draws: list[float], at_once: int, at_least: int, at_most: int
) -> None:
    rule = Precise(0.2, at_least, at_most)
    draws = draws + [1.0, 3.0] * 30
    assert made(rule, draws, at_once) == made(rule, draws)


@QUICK
@given(VALUES, st.integers(2, 15), st.integers(2, 60))
def test_values_behind_the_end_do_not_move_it(draws: list[float], at_least: int, at_most: int) -> None:
    rule = Precise(0.2, at_least, at_most)
    draws = draws + [1.0, 3.0] * 30
    n = made(rule, draws)
    assert rule.wanted(draws[:n]) == rule.wanted(draws) == rule.wanted(draws[:n] + [1e9] * 9) == n


def test_a_mean_of_zero_is_known_only_of_values_that_are_all_zero() -> None:
    assert made(Precise(0.05, 5, 20), [-1.0, 1.0] * 20) == 20
    assert made(Precise(0.05, 5, 20), [0.0] * 40) == 5


def test_intervals_that_end_so_hold_in_somewhat_fewer_cases_than_they_say() -> None:
    rng, rule = np.random.default_rng(3), Precise(0.1, 10, 200)
    held = []
    for draws in rng.normal(1, 0.3, (3000, 200)).tolist():
        found = mean(draws[: made(rule, draws, 200)])
        held.append(found.low <= 1 <= found.high)
    assert 0.92 < np.mean(held) < 0.95
