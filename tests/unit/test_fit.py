"""Prices found from measurements that were made up: what is put in comes out."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cowmodel.cost.fit import Fit, Measured, fit
from cowmodel.cost.preset import load_preset
from cowmodel.cost.written import preset_text, write_measurements, write_preset
from cowmodel.errors import ConfigError
from cowmodel.kernel.work import Work
from cowmodel.report.calibration import show

TRUE = {"traps": 500.0, "copied_bytes": 0.1, "forks": 50_000.0, "scans": 900.0, "exits": 90_000.0}
"""Prices in ns, none of which is a curve."""

ORDER = tuple(TRUE)


def rows(noise: float = 0.0, seed: int = 0, repetitions: int = 9) -> list[Measured]:
    """Return steps that took what `TRUE` says, more or less."""
    rng = np.random.default_rng(seed)
    works = [Work(traps=n, copied_bytes=n * size) for n in (10, 300, 2000) for size in (0, 4096)]
    works += [Work(forks=1, scans=n) for n in (1, 20, 300)] + [Work(exits=1, scans=n) for n in (0, 50)]
    return [measured(work, np.exp(rng.normal(0, noise, repetitions))) for work in works]


def measured(work: Work, factors: np.ndarray) -> Measured:
    usual = sum(getattr(work, field) * price for field, price in TRUE.items())
    name = " ".join(f"{field}={count}" for field, count in work._asdict().items() if count)
    return Measured(f"made up: {name}", Counter({work: 1}), tuple((usual * factors).tolist()))


def found_ns(found: Fit) -> dict[str, float]:
    return {term.field: ps / 1000 for term, ps in zip(found.terms, found.prices_ps, strict=True)}


def test_without_noise_the_prices_are_those_that_were_put_in():
    found = fit(rows(), ORDER, draws=3)

    assert found_ns(found) == pytest.approx(TRUE, rel=1e-6)
    assert found.contained == {}
    assert found.misfits == []


def test_with_noise_nine_in_ten_intervals_have_the_price_that_was_put_in():
    inside = []
    for seed in range(20):
        found = fit(rows(0.05, seed), ORDER)
        ends = np.quantile(found.draws_ps, (0.05, 0.95), axis=0) / 1000
        inside += [
            low <= TRUE[term.field] <= high for term, low, high in zip(found.terms, *ends, strict=True)
        ]

    assert 0.8 <= np.mean(inside) <= 1


def test_an_outlier_among_repetitions_changes_nothing():
    good = rows()
    bad = [one._replace(ns=(*one.ns[:-1], one.ns[-1] * 50)) for one in good]

    assert found_ns(fit(bad, ORDER, draws=3)) == pytest.approx(TRUE, rel=1e-6)


def test_a_row_that_is_wrong_as_a_whole_changes_prices_little():
    first, *others = rows()
    wrong = [first._replace(ns=tuple(ns * 3 for ns in first.ns)), *others]

    assert found_ns(fit(wrong, ORDER, draws=3)) == pytest.approx(TRUE, rel=0.1)


def test_a_row_that_does_not_repeat_counts_less_than_one_that_does():
    first, *others = rows()
    unsure = first._replace(ns=tuple(ns * factor for ns in first.ns[:3] for factor in (0.3, 1.3, 3)))
    sure = first._replace(ns=(first.ns[0] * 1.3,) * 9)

    off = [abs(found_ns(fit([one, *others], ORDER, draws=3))["traps"] / 500 - 1) for one in (unsure, sure)]

    assert off[0] < off[1] / 2


def test_a_row_that_was_left_out_is_missed_by_more_than_one_that_was_fitted():
    found = fit(rows(0.1), ORDER, draws=3)
    fitted = found.measured_ns / found.predicted_ns

    assert (np.abs(found.left_out - 1) >= np.abs(fitted - 1) - 1e-3).all()
    assert np.std(found.left_out) > np.std(fitted)


def test_a_row_without_which_a_price_were_unknown_misses_by_nobody_knows_what():
    only = measured(Work(exits=1, flips=5000), np.full(9, 2.0))

    found = fit([*rows(0.01), only], (*ORDER, "flips"), draws=3)

    assert [np.isnan(factor) for factor in found.left_out] == [*[False] * len(rows()), True]


def test_no_price_is_below_zero():
    cheaper = measured(Work(exits=1, flips=5000), np.full(9, 0.5))  # as if flips gave time back

    found = fit([*rows(), cheaper], (*ORDER, "flips"))

    assert (found.prices_ps >= 0).all()
    assert (found.draws_ps >= 0).all()
    assert found_ns(found)["flips"] == pytest.approx(0, abs=1e-3)


def test_what_always_comes_together_is_one_term_and_told():
    both = [
        one._replace(works=Counter({next(iter(one.works))._replace(waits=next(iter(one.works)).exits): 1}))
        for one in rows()
    ]

    found = fit(both, (*ORDER, "waits"), draws=3)

    assert found_ns(found) == pytest.approx(TRUE, rel=1e-6)
    assert found.contained == {"waits": ["exits"]}


def test_what_no_constant_price_explains_is_a_misfit():
    dear = measured(Work(forks=1, scans=20), np.full(9, 2.0))

    found = fit([*rows(0.01), dear._replace(name="twice as dear")], ORDER, draws=3)

    assert "twice as dear" in found.misfits


def test_a_curve_has_a_price_at_each_of_its_points():
    few, many = Work(pte_entries=1 << 10), Work(pte_entries=1 << 16)
    steps = [
        Measured("few", Counter({few: 1}), (20.0 * few.pte_entries,)),
        Measured("many", Counter({many: 1}), (60.0 * many.pte_entries,)),
    ]

    found = fit(steps, ("pte_entries",), draws=3)

    assert found.prices_ps == pytest.approx([20_000, 60_000])


# ------------------------------------------------------------------- written down
def test_a_preset_that_was_written_is_read_with_its_prices_intervals_and_draws(tmp_path: Path):
    found = fit(rows(0.05), ORDER, draws=30)

    write_preset(tmp_path / "mine.toml", 'a "quoted" machine', 9, found, drift=0.02)

    costs = load_preset(tmp_path / "mine.toml")
    assert costs.name == "mine"
    assert costs.machine == 'a "quoted" machine'
    for term, ps in zip(found.terms, found.prices_ps, strict=True):
        price = costs.prices[term.field]
        assert price.value_ps == pytest.approx(ps, abs=1, rel=1e-2)
        assert price.source.startswith("measured: ")
        assert price.source.endswith("root")
        assert price.interval_ps
        assert len(costs.draws[term.field]) == 30
    assert costs.prices["waits"].source == "measured: contained in exits"
    assert "mappings" in costs.assumed
    assert costs.drawn(1).prices["forks"] != costs.drawn(2).prices["forks"]


def test_drift_makes_all_prices_of_a_draw_higher_or_lower_together(tmp_path: Path):
    found = fit(rows(), ORDER, draws=30)
    (tmp_path / "mine.toml").write_text(preset_text("mine", "x", "today", found, drift=0.1))

    costs = load_preset(tmp_path / "mine.toml")

    shares = [costs.drawn(k).prices["forks"].value_ps / 50e6 for k in range(30)]
    assert np.std(np.log(shares)) == pytest.approx(0.1, rel=0.4)
    assert [costs.drawn(k).prices["traps"].value_ps / 5e5 for k in range(30)] == pytest.approx(
        shares, rel=1e-3
    )


def test_draws_of_a_price_differ_by_what_the_steps_miss_in_which_it_counts(tmp_path: Path):
    forks = [measured(Work(forks=1), np.full(9, factor)) for factor in (0.7, 0.85, 1.15, 1.3)]
    found = fit([*rows(), *forks], ORDER, draws=100)

    write_preset(tmp_path / "mine.toml", "x", 1, found, drift=0.0)

    draws = load_preset(tmp_path / "mine.toml").draws
    spread = {field: np.ptp(np.quantile(draws[field], (0.05, 0.95))) / TRUE[field] / 1e3 for field in TRUE}
    assert spread["forks"] > 0.4
    assert spread["traps"] < 0.1


def test_a_point_of_a_curve_that_nothing_was_measured_near_costs_what_the_other_does(tmp_path: Path):
    few = Work(pte_entries=1 << 9)
    steps = [Measured("few", Counter({few: 1}), (20.0 * few.pte_entries,)), *rows()]
    found = fit(steps, ("pte_entries", *ORDER), draws=3)

    write_preset(tmp_path / "mine.toml", "x", 1, found, drift=0.0)

    prices = load_preset(tmp_path / "mine.toml").prices
    assert [ps for _, ps in prices["pte_entries"].points] == pytest.approx([20_000, 20_000])


def test_what_was_measured_is_drawn_from_its_table(tmp_path: Path):
    write_measurements(tmp_path / "mine.csv", fit(rows(0.05), ORDER, draws=3))

    assert [path.name for path in show(tmp_path / "mine.toml")] == ["mine.pdf", "mine.svg", "mine.png"]


def test_a_table_with_other_columns_is_refused(tmp_path: Path):
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")

    with pytest.raises(ConfigError, match=r"mine\.csv: expected the columns step, .*, got no 'step'"):
        show(tmp_path / "mine.toml")
