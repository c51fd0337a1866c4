"""Intervals hold as often as they say, and what cannot be told is not told."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowmodel.campaign.statistics import FEW, few, holm, mean, paired, quantile

QUICK = settings(max_examples=60, deadline=None, derandomize=True, database=None)
NUMBERS = st.floats(-1e9, 1e9, allow_nan=False)


def coverage(ends: np.ndarray, truth: float) -> float:
    """Return which share of intervals, a row each, holds the truth."""
    return float(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])))


# ------------------------------------------------------------------------ means
def test_the_interval_of_a_mean_is_that_of_student() -> None:
    # Student, The Probable Error of a Mean, 1908, section IX: hours of sleep gained with hyoscyamine.
    found = mean([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    assert found.estimate == pytest.approx(0.75)
    assert (found.low, found.high) == pytest.approx((-0.5297804, 2.0297804), abs=1e-6)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_nineteen_in_twenty_intervals_of_a_normal_mean_hold_it(n: int) -> None:
    draws = np.random.default_rng(n).normal(5.0, 2.0, (20_000, n)).tolist()
    ends = np.array([mean(values)[1:3] for values in draws])
    assert 0.94 < coverage(ends, 5.0) < 0.96


@QUICK
@given(st.lists(NUMBERS, min_size=2, max_size=20), NUMBERS)
def test_a_mean_is_inside_its_interval_and_moves_with_the_values(values: list[float], by: float) -> None:
    here, there = mean(values), mean([value + by for value in values])
    assert here.low <= here.estimate <= here.high
    assert there.estimate == pytest.approx(here.estimate + by, rel=1e-9, abs=1e-3)


@QUICK
@given(NUMBERS, st.integers(2, 50))
def test_equal_values_are_known_to_a_point(value: float, n: int) -> None:
    assert mean([value] * n) == quantile([value] * n, 0.9) == (value, value, value, n)


def test_one_value_has_no_interval() -> None:
    for found in (mean([3.0]), quantile([3.0])):
        assert (found.estimate, found.n) == (3.0, 1)
        assert math.isnan(found.low) and math.isnan(found.high) and math.isnan(found.half_width)


def test_no_value_has_not_even_an_estimate() -> None:
    for found in (mean([]), quantile([])):
        assert math.isnan(found.estimate) and math.isnan(found.low) and found.n == 0


# -------------------------------------------------------------------- quantiles
@pytest.mark.slow
@pytest.mark.parametrize(("share", "n"), [(0.5, 50), (0.9, 50)])
def test_nineteen_in_twenty_intervals_of_an_exponential_quantile_hold_it(share: float, n: int) -> None:
    draws = np.random.default_rng(7).exponential(1.0, (4_000, n)).tolist()
    ends = np.array([quantile(values, share)[1:3] for values in draws])
    assert 0.94 < coverage(ends, -math.log(1 - share)) < 0.96


def test_a_quantile_is_the_same_for_the_same_seed_only() -> None:
    values = np.random.default_rng(1).exponential(1.0, 37).tolist()
    assert quantile(values, 0.9, seed=1) == quantile(values, 0.9, seed=1)
    assert {quantile(values, 0.37, seed=seed).low for seed in range(5)} != {quantile(values, 0.37).low}


@pytest.mark.parametrize(
    "values", [[1, 1, 1, 1, 1, 2], [1, 1, 1, 2, 2, 2, 3, 3], [5, 5, 5, 5, 6, 7, 5, 5, 5]]
)
def test_ties_leave_a_median_its_interval_and_warn_of_nothing(values: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = quantile(values)
    assert min(values) <= found.low <= found.estimate <= found.high <= max(values)


# ------------------------------------------------------------------- too few
def test_two_replications_are_too_few_for_a_mean_and_five_are_enough() -> None:
    assert few(2).startswith("2 replications tell little")
    assert few(FEW) == ""


@pytest.mark.parametrize(("share", "wanted"), [(0.5, 10), (0.9, 50), (0.1, 50), (0.95, 100), (0.99, 500)])
def test_a_quantile_takes_five_values_on_either_side(share: float, wanted: int) -> None:
    assert str(wanted) in few(wanted - 1, share)
    assert few(wanted, share) == ""


# ----------------------------------------------------------------- differences
def test_common_random_numbers_make_the_interval_of_a_difference_narrower() -> None:
    rng = np.random.default_rng(3)
    shared, alone = rng.normal(0, 3, 20), rng.normal(0, 3, 20)
    first, second = shared + rng.normal(0, 0.3, 20), shared + 1 + rng.normal(0, 0.3, 20)

    common = paired(first.tolist(), second.tolist())
    independent = paired(first.tolist(), (alone + 1 + rng.normal(0, 0.3, 20)).tolist())

    assert common.difference.half_width < independent.difference.half_width / 5
    assert common.narrower > 5 > 2 > independent.narrower


def test_nineteen_in_twenty_intervals_of_a_paired_difference_hold_it() -> None:
    rng = np.random.default_rng(4)
    shared = rng.exponential(3, (10_000, 10))
    first, second = shared + rng.normal(0, 0.3, shared.shape), shared + 1 + rng.normal(0, 0.3, shared.shape)
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    ends = np.array([paired(one, other).difference[1:3] for one, other in pairs])
    assert 0.94 < coverage(ends, 1.0) < 0.96


def test_the_probability_of_a_difference_is_that_of_the_paired_t_test() -> None:
    from scipy.stats import ttest_rel

    first, second = np.random.default_rng(5).normal(0, 1, (2, 12)).tolist()
    assert paired(first, second).p == pytest.approx(ttest_rel(first, second).pvalue)


def test_what_differs_by_the_same_in_each_replication_differs_surely() -> None:
    found = paired([1.0, 2.0, 4.0], [2.0, 3.0, 5.0])
    assert (found.difference, found.narrower, found.p) == ((1, 1, 1, 3), math.inf, 0.0)
    assert paired([1.0, 2.0, 4.0], [1.0, 2.0, 4.0]).p == 1.0


def test_one_pair_tells_a_difference_but_not_how_sure_it_is() -> None:
    found = paired([1.0], [3.0])
    assert found.difference.estimate == 2.0
    assert math.isnan(found.difference.low) and math.isnan(found.narrower) and math.isnan(found.p)


def test_values_without_a_partner_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        paired([1.0, 2.0], [1.0])


# ------------------------------------------------------------------------ Holm
def test_holm_multiplies_the_least_probability_by_the_size_of_the_family() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])


@QUICK
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_is_between_no_correction_and_bonferroni(found: list[float]) -> None:
    adjusted = np.array(holm(found))
    assert (adjusted >= found).all() and (adjusted <= np.minimum(1, np.multiply(found, len(found)))).all()
    assert (np.diff(adjusted[np.argsort(found)]) >= 0).all()


def test_a_comparison_that_could_not_be_made_is_none_of_the_family() -> None:
    adjusted = holm([0.02, math.nan, 0.01])
    assert math.isnan(adjusted.pop(1))
    assert adjusted == holm([0.02, 0.01])


def test_one_in_twenty_families_without_differences_finds_one() -> None:
    rng = np.random.default_rng(6)
    families = rng.uniform(size=(10_000, 8)).tolist()
    assert 0.04 < np.mean([min(holm(family)) < 0.05 for family in families]) < 0.06
