"""Indices of sensitivity are those of functions whose indices are known."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from cowmodel.campaign.sensitivity import Floats, Morris, Sobol
from cowmodel.errors import ConfigError

THREE = ["x", "y", "z"]
FIRST, TOTAL = [0.3139, 0.4424, 0.0], [0.5576, 0.4424, 0.2437]
"""Indices of Ishigami's function: Ishigami and Homma, An Importance Quantification Technique, ISUMA 1990."""


def ishigami(unit: Floats) -> Floats:
    """Evaluate Ishigami's function (a = 7, b = 0.1) at rows of the unit cube."""
    x, y, z = ((2 * unit - 1) * np.pi).T
    return np.sin(x) + 7 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)


def additive(unit: Floats) -> Floats:
    """Evaluate a function whose parameters have variances of 1 : 4 : 9."""
    return unit @ [1.0, 2.0, 3.0]


def test_sobol_finds_the_indices_of_ishigami_within_a_hundredth() -> None:
    method = Sobol(4096)
    table = method.table(THREE, ishigami(method.design(3)))
    assert table["first"].tolist() == pytest.approx(FIRST, abs=0.01)
    assert table["total"].tolist() == pytest.approx(TOTAL, abs=0.01)


def test_nine_in_ten_intervals_or_more_hold_the_indices_of_ishigami() -> None:
    held = []
    for seed in range(20):
        method = Sobol(64, seed)
        table = method.table(THREE, ishigami(method.design(3)))
        for name, truth in (("first", FIRST), ("total", TOTAL)):
            held += [*((table[f"{name}_low"] <= truth) & (truth <= table[f"{name}_high"]))]
    assert np.mean(held) > 0.9


def test_parameters_that_only_add_up_have_first_indices_of_one_together() -> None:
    method = Sobol(1024)
    table = method.table(THREE, additive(method.design(3)))
    assert table["first"].sum() == pytest.approx(1, abs=0.01)
    assert table["first"].tolist() == pytest.approx([1 / 14, 4 / 14, 9 / 14], abs=0.01)
    assert table["total"].tolist() == pytest.approx(table["first"].tolist(), abs=0.01)


def test_a_parameter_that_is_not_used_has_no_total_index() -> None:
    method = Sobol(64)
    (row,) = (
        method.table(["x", "idle"], method.design(2)[:, 0]).query("parameter == 'idle'").to_dict("records")
    )
    assert (row["total"], row["total_low"], row["total_high"]) == (0, 0, 0)


def test_a_large_offset_does_not_move_indices() -> None:
    method = Sobol(64)
    near, far = (method.table(THREE, additive(method.design(3)) + offset) for offset in (0, 1e6))
    assert near["first"].tolist() == pytest.approx(far["first"].tolist(), abs=1e-6)


def test_a_larger_sobol_design_begins_with_the_smaller_one() -> None:
    small, large = Sobol(16, seed=3).design(4), Sobol(64, seed=3).design(4)
    assert small.shape == (16 * 6, 4)
    assert (large[: len(small)] == small).all()


def test_rows_of_a_sobol_design_take_one_parameter_after_the_other_from_another_point() -> None:
    ours, theirs, *mixed = Sobol(8).design(3)[:5]
    expected = [np.where(np.arange(3) == changed, theirs, ours) for changed in range(3)]
    assert np.array_equal(mixed, expected)


def test_morris_finds_the_slope_of_each_parameter_that_only_adds_up() -> None:
    method = Morris(10)
    table = method.table(THREE, additive(_morris_design(method, 3)))
    assert table["mu_star"].tolist() == pytest.approx([1, 2, 3])
    assert table["sigma"].tolist() == pytest.approx([0, 0, 0], abs=1e-9)


def test_morris_sees_that_the_effect_of_a_parameter_depends_on_another() -> None:
    method = Morris(20)
    table = method.table(["x", "y"], _morris_design(method, 2).prod(axis=1))
    assert (table["sigma"] > 0.2).all()


def test_morris_finds_the_effects_in_ishigami_within_their_intervals() -> None:
    method = Morris(200)
    table = method.table(THREE, ishigami(_morris_design(method, 3)))
    assert (table["mu_star_low"] - 1e-9 <= _effects(ishigami)).all()
    assert (_effects(ishigami) <= table["mu_star_high"] + 1e-9).all()


def _effects(function: Callable[[Floats], Floats]) -> list[float]:
    """Return the mean size of all elementary effects on the grid of four levels, by going through it."""
    grid = np.array(list(itertools.product(np.arange(4) / 3, repeat=3)))
    steps = [(grid[grid[:, which] < 0.5], np.eye(3)[which] * 2 / 3) for which in range(3)]
    return [float(np.abs(function(low + step) - function(low)).mean() * 1.5) for low, step in steps]


def _morris_design(method: Morris, parameters: int) -> Floats:
    pytest.importorskip("SALib", reason="SALib is not installed: pip install cowmodel[sensitivity]")
    return method.design(parameters)


@pytest.mark.parametrize("method", [Sobol(64), Morris(5)])
def test_equal_seeds_make_equal_designs_and_tables(method: Sobol | Morris) -> None:
    pytest.importorskip("SALib", reason="SALib is not installed: pip install cowmodel[sensitivity]")
    design = method.design(3)
    assert np.array_equal(design, method.design(3))
    assert not np.array_equal(design, method._replace(seed=2).design(3))
    assert method.table(THREE, ishigami(design)).equals(method.table(THREE, ishigami(design)))


@pytest.mark.parametrize("method", [Sobol(8), Morris(4)])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda values: values[:-1], r"expected \d+ values, one a row of the design, got \d+"),
        (
            lambda values: values * 0 + 5,
            r"expected a metric that varies, got 5 in all \d+ runs; no parameter",
        ),
        (lambda values: np.r_[values[:3], np.nan, values[4:]], "row 3: expected a number, got nan; run this"),
    ],
)
def test_values_that_tell_nothing_are_refused(
    method: Sobol | Morris, spoil: Callable[[Floats], Floats], message: str
) -> None:
    pytest.importorskip("SALib", reason="SALib is not installed: pip install cowmodel[sensitivity]")
    values = additive(method.design(3))
    with pytest.raises(ConfigError, match=message):
        method.table(THREE, spoil(values))


@pytest.mark.parametrize(
    ("method", "parameters", "message"),
    [
        (Sobol(100), 3, "sobol: expected a power of two of at least 8 points, got 100; try 128"),
        (Sobol(0), 3, "got 0; try 8"),
        (Sobol(64), 1, "sobol: expected at least 2 parameters to tell apart, got 1; add another"),
        (Morris(1), 3, "morris: expected at least 2 trajectories, got 1; try 20"),
    ],
)
def test_a_design_that_cannot_be_made_is_refused(
    method: Sobol | Morris, parameters: int, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        method.design(parameters)


def test_morris_without_salib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("SALib", "SALib.sample", "SALib.sample.morris"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"morris: expected SALib, got none; `pip install cow"):
        Morris(10).design(3)
