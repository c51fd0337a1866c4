"""Prices: one for each field of work, each with its source; and what is said about a bad preset."""

from pathlib import Path
from typing import NamedTuple

import pytest

from cowmodel.catalog import COSTS
from cowmodel.cost.model import CostModel, Draws
from cowmodel.cost.preset import CONTAINED, STANDS_IN, load_preset
from cowmodel.cost.price import NORMAL_95, Price
from cowmodel.errors import ConfigError
from cowmodel.kernel.work import NOTHING, Work
from cowmodel.report.shelf import described

GOOD = """\
name = "mine"
machine = "a machine"
extends = "vm-linux6.18"

[prices]
hits = { value = "1 ns", source = "measured: here" }
traps = { value = "0.5 us", source = "A. Author, A paper, 2020" }
copied_bytes = { value = "10 GB/s", source = "assumed" }
pte_entries = { value = "10 ms/GB", source = "assumed: as ever" }
"""
HITS = 'hits = { value = "1 ns", source = "measured: here" }'


def preset(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def complaint(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_preset(path)
    return str(caught.value)


@pytest.mark.parametrize("name", COSTS)
class TestEveryPreset:
    def test_it_has_the_name_of_its_file_and_says_what_was_measured(self, name: str):
        costs = load_preset(COSTS[name])

        assert costs.name == name
        assert costs.machine

    def test_each_field_of_work_has_a_price_with_a_source(self, name: str):
        prices = load_preset(COSTS[name]).prices

        assert list(prices) == list(Work._fields)
        assert [field for field, price in prices.items() if price.value_ps < 0 or not price.source] == []

    def test_it_states_which_prices_nobody_measured(self, name: str):
        costs = load_preset(COSTS[name])

        assumed = [field for field, price in costs.prices.items() if price.source.startswith("assumed")]
        assert costs.assumed == assumed
        assert described(COSTS[name]).endswith(f"; {len(assumed)} of {len(Work._fields)} prices assumed")

    def test_some_prices_were_measured_or_published(self, name: str):
        costs = load_preset(COSTS[name])

        assert len(costs.assumed) < len(costs.prices)

    def test_no_work_costs_nothing_and_more_work_costs_no_less(self, name: str):
        costs = load_preset(COSTS[name])
        once = Work(*(1000 for _ in Work._fields))

        assert costs.cost_ps(NOTHING) == 0
        assert 0 < costs.cost_ps(once) < costs.cost_ps(once + once)


def test_a_cost_is_the_sum_of_counts_times_prices():
    prices = {field: Price(0, "assumed") for field in Work._fields}
    costs = CostModel("x", "x", prices | {"traps": Price(500, "x"), "copied_bytes": Price(0.25, "x")})

    assert costs.cost_ps(Work(traps=2, copied_bytes=4096, flips=7)) == 1000 + 1024


def test_a_cost_is_whole_picoseconds():
    prices = {field: Price(0, "assumed") for field in Work._fields}
    costs = CostModel("x", "x", prices | {"copied_bytes": Price(0.3, "x")})

    cost = costs.cost_ps(Work(copied_bytes=4))

    assert (cost, type(cost)) == (1, int)


# ---------------------------------------------------------------- curves, intervals
CURVE = Price(10, "x", ((4, 10), (64, 40), (256, 20)))


@pytest.mark.parametrize(
    ("size", "each_ps"),
    [(1, 10), (4, 10), (16, 25), (64, 40), (128, 30), (256, 20), (10**9, 20)],
)
def test_a_curve_is_straight_over_the_logarithm_between_its_points_and_level_outside(
    size: int, each_ps: float
):
    assert CURVE.at(size) == pytest.approx(each_ps)


def test_a_price_that_is_no_curve_is_the_same_for_all_sizes():
    assert [Price(7, "x").at(size) for size in (1, 10**9)] == [7, 7]


def test_a_curve_moves_point_by_point_or_as_a_whole():
    moved, halved = CURVE.moved_to([5, 6, 7]), CURVE.scaled(0.5)

    assert (moved.value_ps, moved.points) == (5, ((4, 5), (64, 6), (256, 7)))
    assert (halved.value_ps, halved.points) == (5, ((4, 5), (64, 20), (256, 10)))
    assert Price(10, "x").moved_to([5]) == Price(10, "x").scaled(0.5) == Price(5, "x")


@pytest.mark.parametrize(
    ("deviations", "value_ps"),
    [(0, 100), (NORMAL_95, 400), (-NORMAL_95, 50), (NORMAL_95 / 2, 200), (2 * NORMAL_95, 1600)],
)
def test_the_ends_of_an_interval_lie_as_far_away_as_a_twentieth_of_cases(deviations: float, value_ps: float):
    price = Price(100, "x", interval_ps=(50, 400))

    assert price.at_deviation(deviations).value_ps == pytest.approx(value_ps)


@pytest.mark.parametrize(("deviations", "value_ps"), [(-NORMAL_95, 0), (-NORMAL_95 / 2, 50), (-99, 0)])
def test_towards_an_end_at_nothing_a_price_falls_straight_and_never_below(deviations: float, value_ps: float):
    price = Price(100, "x", interval_ps=(0, 400))

    assert price.at_deviation(deviations).value_ps == pytest.approx(value_ps)


def test_a_price_without_an_interval_does_not_deviate_and_one_of_nothing_may():
    assert Price(100, "x").at_deviation(3) == Price(100, "x")
    assert Price(0, "x", interval_ps=(0, 8)).at_deviation(NORMAL_95 / 2).value_ps == pytest.approx(4)


def test_a_curve_deviates_as_a_whole():
    price = CURVE._replace(interval_ps=(5, 20)).at_deviation(NORMAL_95)

    assert [ps for _, ps in price.points] == pytest.approx([20, 80, 40])


def curved(**curves: tuple[tuple[float, float], ...]) -> CostModel:
    """Return a cost model in which all else is free."""
    free = {field: Price(0, "assumed") for field in Work._fields}
    return CostModel("x", "x", free | {f: Price(points[0][1], "x", points) for f, points in curves.items()})


def test_a_curve_of_bytes_is_over_those_of_each_leaf():
    costs = curved(zeroed_bytes=((4096, 1.0), (4 * 4096, 2.0)))

    assert costs.cost_ps(Work(allocations=1, zeroed_bytes=4096)) == 4096
    assert costs.cost_ps(Work(allocations=8, zeroed_bytes=8 * 4096)) == 8 * 4096
    assert costs.cost_ps(Work(allocations=1, zeroed_bytes=4 * 4096)) == 2 * 4 * 4096


def test_a_curve_of_entries_is_over_how_many_there_are_at_a_time():
    costs = curved(pte_entries=((100, 10.0), (10_000, 20.0)))

    assert [costs.cost_ps(Work(pte_entries=n)) for n in (1, 100, 10_000, 10**6)] == [
        10,
        1000,
        200_000,
        20_000_000,
    ]


# ---------------------------------------------------------------- draws
def priced(draws: Draws | None = None, **prices: Price) -> CostModel:
    """Return a cost model in which all else is free."""
    free = {field: Price(0, "assumed") for field in Work._fields}
    return CostModel("x", "x", free | prices, draws)


def test_the_same_number_draws_the_same_deviations_for_every_preset():
    mine = priced(traps=Price(100, "x", interval_ps=(50, 200)), hits=Price(10, "x", interval_ps=(5, 20)))
    yours = priced(traps=Price(1000, "x", interval_ps=(500, 2000)))

    for number in range(20):
        drawn, other = mine.drawn(number).prices, yours.drawn(number).prices
        assert other["traps"].value_ps == pytest.approx(10 * drawn["traps"].value_ps)
        assert drawn["hits"].value_ps != pytest.approx(drawn["traps"].value_ps / 10)
    assert mine.drawn(3).prices == mine.drawn(3).prices


def test_nine_draws_of_ten_lie_inside_the_interval_and_half_of_the_others_on_each_side():
    costs = priced(traps=Price(100, "x", interval_ps=(80, 300)))

    drawn = [costs.drawn(number).prices["traps"].value_ps for number in range(2000)]

    assert sum(ps < 80 for ps in drawn) / 2000 == pytest.approx(0.05, abs=0.015)
    assert sum(ps > 300 for ps in drawn) / 2000 == pytest.approx(0.05, abs=0.015)


def test_prices_that_were_fitted_together_are_drawn_together_and_come_round_again():
    curve = Price(4, "x", ((1, 4), (2, 8)))
    costs = priced(
        {"traps": [[1], [2], [3]], "flips": [[6, 7], [4, 5], [2, 3]]}, traps=Price(2, "x"), flips=curve
    )

    drawn = [costs.drawn(number).prices for number in range(4)]

    assert [(prices["traps"].value_ps, prices["flips"].value_ps) for prices in drawn] == [
        (1, 6),
        (2, 4),
        (3, 2),
        (1, 6),
    ]
    assert drawn[2]["flips"].points == ((1, 2), (2, 3))


def test_a_model_is_uncertain_if_a_price_has_an_interval_or_was_fitted():
    assert not priced().uncertain
    assert priced(traps=Price(2, "x", interval_ps=(1, 3))).uncertain
    assert priced({"traps": [[1], [2]]}, traps=Price(2, "x")).uncertain


def test_a_model_that_was_drawn_keeps_its_share_of_unbacked_memory():
    costs = priced(unbacked_bytes=Price(2, "x")).adapted(unbacked=0.5)

    assert costs.drawn(1).cost_ps(Work(zeroed_bytes=4096)) == 4096


# ---------------------------------------------------------------- adapted
def test_a_factor_moves_a_price_and_where_it_may_be():
    costs = priced(forks=Price(100, "x", interval_ps=(80, 130)))

    dearer = costs.adapted(factors={"forks": 2.0})

    assert dearer.prices["forks"] == Price(200, "x", interval_ps=(160, 260))
    assert dearer.cost_ps(Work(forks=1)) - costs.cost_ps(Work(forks=1)) == 100
    assert all(dearer.prices[field] == costs.prices[field] for field in Work._fields if field != "forks")


def test_a_factor_of_a_curve_moves_all_its_points():
    costs = priced(pte_entries=Price(10, "x", ((1, 10), (100, 30))))

    assert costs.adapted(factors={"pte_entries": 3.0}).prices["pte_entries"].points == ((1, 30), (100, 90))


def test_a_factor_of_a_term_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="no 'flip' among .*; did you mean 'flips'"):
        priced().adapted(factors={"flip": 2.0})


def test_a_term_that_is_switched_off_is_free_and_counts_as_lacking():
    costs = priced({"flips": [[1.0], [2.0]]}, traps=Price(5, "x"), flips=Price(1, "x"))

    less = costs.adapted(without=["flips"])

    assert less.cost_ps(Work(traps=1, flips=1)) == 5
    assert less.lacking == ["flips"]
    assert less.drawn(0).cost_ps(Work(flips=1)) == 0
    assert costs.cost_ps(Work(traps=1, flips=1)) == 6


def test_a_term_that_is_unknown_cannot_be_switched_off():
    with pytest.raises(ConfigError) as caught:
        priced().adapted(without=["flip"])

    said = str(caught.value)
    assert said.startswith("term: no 'flip' among hits, traps, ")
    assert said.endswith("did you mean 'flips'?")


def test_a_share_of_what_is_zeroed_or_copied_is_not_backed_by_the_host():
    costs = priced(unbacked_bytes=Price(2, "x"), zeroed_bytes=Price(1, "x")).adapted(unbacked=0.25)

    assert costs.cost_ps(Work(zeroed_bytes=4096)) == 4096 + 2048
    assert costs.cost_ps(Work(copied_bytes=4096)) == 2048
    assert costs.cost_ps(Work(traps=1)) == 0


# ------------------------------------------------------------------ good presets
@pytest.mark.parametrize(
    ("field", "value_ps"),
    [("hits", 1000), ("traps", 500_000), ("copied_bytes", 100), ("pte_entries", 40_960)],
)
def test_a_price_is_a_duration_a_bandwidth_or_time_for_memory_mapped(
    field: str, value_ps: float, tmp_path: Path
):
    costs = load_preset(preset(tmp_path, GOOD))

    assert costs.prices[field].value_ps == pytest.approx(value_ps)


def test_what_a_preset_inherits_is_an_assumption_that_names_where_it_is_from(tmp_path: Path):
    costs = load_preset(preset(tmp_path, GOOD))

    original = load_preset(COSTS["vm-linux6.18"]).prices["zeroed_bytes"]
    said = f"assumed, as vm-linux6.18: {original.source}"
    assert costs.prices["zeroed_bytes"] == original._replace(source=said)


def test_a_price_of_its_own_is_as_good_as_its_source(tmp_path: Path):
    costs = load_preset(preset(tmp_path, GOOD))

    own = ["hits", "traps", "copied_bytes", "pte_entries"]
    assert [costs.prices[field].assumed for field in own] == [False, False, True, True]


def test_a_preset_may_extend_one_that_lies_beside_it(tmp_path: Path):
    preset(tmp_path, GOOD)

    costs = load_preset(preset(tmp_path, 'name = "b"\nmachine = "m"\nextends = "mine"\n[prices]\n', "b.toml"))

    assert costs.prices["hits"] == Price(1000, "assumed, as mine: measured: here")


def coarse(folder: Path, *more: str) -> CostModel:
    """Return a preset that has no more terms than it must, at 1 ns each, and those given."""
    fields = [field for field in Work._fields if field not in STANDS_IN | CONTAINED]
    lines = [f'{field} = {{ value = "1 ns", source = "measured" }}' for field in fields]
    return load_preset(
        preset(folder, "\n".join(['name = "coarse"', 'machine = "m"', "[prices]", *lines, *more]))
    )


def test_a_preset_that_lacks_a_term_says_so_and_what_stands_in_for_it(tmp_path: Path):
    costs = coarse(tmp_path)

    assert set(costs.lacking) == {*STANDS_IN, *CONTAINED}
    assert costs.assumed == []
    assert {field: costs.prices[field] for field in STANDS_IN} == {
        field: Price(1000, f"lacking: as {other}") for field, other in STANDS_IN.items()
    }
    assert {field: costs.prices[field] for field in CONTAINED} == {
        field: Price(0, f"lacking: contained in {other}") for field, other in CONTAINED.items()
    }


def test_what_stands_in_is_a_term_that_every_preset_has():
    assert not {*STANDS_IN.values(), *CONTAINED.values()} & {*STANDS_IN, *CONTAINED}
    assert {*STANDS_IN, *STANDS_IN.values(), *CONTAINED, *CONTAINED.values()} <= {*Work._fields}


def test_a_preset_that_has_a_finer_term_lacks_it_no_more(tmp_path: Path):
    costs = coarse(tmp_path, 'parts = { value = "3 ns", source = "measured" }')

    assert costs.prices["parts"] == Price(3000, "measured")
    assert "parts" not in costs.lacking


def test_a_preset_inherits_no_part_of_what_it_has_measured_as_a_whole(tmp_path: Path):
    costs = load_preset(preset(tmp_path, GOOD))  # has traps and pte_entries, but no drops

    own = {"hits", "traps", "copied_bytes", "pte_entries"}
    parts = {field for field, other in (STANDS_IN | CONTAINED).items() if other in own}
    lacking = parts | {*load_preset(COSTS["vm-linux6.18"]).lacking}
    assert set(costs.lacking) == lacking
    assert costs.prices["parts"].value_ps == costs.prices["pte_entries"].value_ps
    inherited = {*Work._fields} - lacking - own
    assert all(costs.prices[field].source.startswith("assumed, as vm-linux6.18: ") for field in inherited)


def test_a_preset_inherits_curves_and_intervals_and_no_draws(tmp_path: Path):
    curve = 'value = { "4 KiB" = "2 GB/s", "2 MiB" = "4 GB/s" }, interval = ["1 GB/s", "4 GB/s"]'
    text = GOOD.replace('value = "10 GB/s"', curve) + "\n[draws]\ntraps = [1, 2]\n"
    preset(tmp_path, text)

    costs = load_preset(preset(tmp_path, 'name = "b"\nmachine = "m"\nextends = "mine"\n[prices]\n', "b.toml"))

    assert costs.prices["copied_bytes"] == Price(
        500, "assumed, as mine: assumed", ((4096, 500), (2 << 20, 250)), (250, 1000)
    )
    assert costs.draws == {}


def test_a_curve_has_the_price_of_its_first_point(tmp_path: Path):
    curve = 'value = { "65536" = "23 ns", "4096" = "15 ns" }'
    costs = load_preset(preset(tmp_path, GOOD.replace('value = "10 ms/GB"', curve)))

    assert costs.prices["pte_entries"].value_ps == 15_000
    assert costs.prices["pte_entries"].points == ((4096, 15_000), (65536, 23_000))


def test_the_ends_of_an_interval_may_stand_in_any_order(tmp_path: Path):
    text = GOOD.replace('"10 GB/s"', '"10 GB/s", interval = ["8 GB/s", "20 GB/s"]')
    text = text.replace('"0.5 us"', '"0.5 us", interval = ["0.4 us", "0.7 us"]')

    prices = load_preset(preset(tmp_path, text)).prices

    assert prices["copied_bytes"].interval_ps == (50, 125)
    assert prices["traps"].interval_ps == (400_000, 700_000)


def test_draws_are_those_of_a_preset(tmp_path: Path):
    costs = load_preset(preset(tmp_path, GOOD + "[draws]\nhits = [900, 1100.5]\ntraps = [4e5, 6e5]\n"))

    assert costs.draws == {"hits": [[900], [1100.5]], "traps": [[4e5], [6e5]]}
    assert costs.drawn(1).prices["hits"].value_ps == 1100.5


# ------------------------------------------------------------------- bad presets
class Bad(NamedTuple):
    """A change of the good preset, and what is said about it after the name of the file."""

    old: str
    new: str
    text: str


BAD = {
    "an unknown price": Bad(
        "hits =",
        "hit =",
        f"prices.hit: price: no 'hit' among {', '.join(Work._fields)}; did you mean 'hits'?",
    ),
    "a missing price": Bad(
        'extends = "vm-linux6.18"\n',
        "",
        "prices.allocations: missing; give it a value and a source, or extend another preset",
    ),
    "a negative price": Bad(
        '"1 ns"', '"-1 ns"', "prices.hits: expected a duration of at least 0, got '-1 ns'"
    ),
    "a price without a source": Bad(
        ', source = "measured: here"',
        "",
        "prices.hits: expected { value = ..., source = ... }, got {'value': '1 ns'}",
    ),
    "a bare price": Bad(
        HITS, 'hits = "1 ns"', "prices.hits: expected { value = ..., source = ... }, got '1 ns'"
    ),
    "an empty source": Bad(
        '"measured: here"',
        '" "',
        "prices.hits: a price needs a source: a citation, 'measured ...' or 'assumed ...'",
    ),
    "a source that is no text": Bad(
        '"measured: here"',
        "2020",
        "prices.hits: a price needs a source: a citation, 'measured ...' or 'assumed ...'",
    ),
    "a price without a unit": Bad(
        '"1 ns"',
        "1",
        "prices.hits: expected a duration such as '250 ns', got '1';"
        " add a unit: one of ps, ns, us, µs, ms, s",
    ),
    "a price with an unknown unit": Bad(
        '"1 ns"',
        '"1 h"',
        "prices.hits: expected a duration such as '250 ns', got '1 h';"
        " 'h' is not a unit: one of ps, ns, us, µs, ms, s",
    ),
    "a bandwidth for what is not bytes": Bad(
        '"1 ns"',
        '"1 GB/s"',
        "prices.hits: expected a duration such as '19.3 ns' as the price of hits, got '1 GB/s'",
    ),
    "a bandwidth of nothing": Bad(
        '"10 GB/s"', '"0 GB/s"', "prices.copied_bytes: expected a bandwidth above 0, got '0 GB/s'"
    ),
    "a bandwidth a minute": Bad(
        '"10 GB/s"',
        '"10 GB/min"',
        "prices.copied_bytes: expected a duration such as '19.3 ns' as the price of copied_bytes,"
        " got '10 GB/min'",
    ),
    "a curve of one point": Bad(
        '"1 ns"',
        '{ "4096" = "1 ns" }',
        "prices.hits: expected a curve of two points or more, at sizes above 0, got {'4096': '1 ns'}",
    ),
    "a curve over nothing": Bad(
        '"1 ns"',
        '{ "0" = "1 ns", "2" = "1 ns" }',
        "prices.hits: expected a curve of two points or more, at sizes above 0, got {'0': '1 ns',"
        " '2': '1 ns'}",
    ),
    "a curve over no number": Bad(
        '"1 ns"',
        '{ "few" = "1 ns", "2" = "1 ns" }',
        "prices.hits: expected how many there are at a time, such as '4096', got 'few'",
    ),
    "a curve of bytes over bare numbers": Bad(
        '"10 GB/s"',
        '{ "4096" = "1 GB/s", "2 MiB" = "1 GB/s" }',
        "prices.copied_bytes: expected a size such as '4 KiB', got '4096'",
    ),
    "an interval without its value inside": Bad(
        '"1 ns"',
        '"1 ns", interval = ["2 ns", "3 ns"]',
        "prices.hits: expected the value inside its interval, got '1 ns' and ['2 ns', '3 ns']",
    ),
    "an interval with one end": Bad(
        '"1 ns"',
        '"1 ns", interval = ["1 ns"]',
        "prices.hits: expected an interval of two prices, got ['1 ns']",
    ),
    "an interval that is no list": Bad(
        '"1 ns"',
        '"1 ns", interval = "1 ns"',
        "prices.hits: expected an interval of two prices, got '1 ns'",
    ),
    "an interval without units": Bad(
        '"1 ns"',
        '"1 ns", interval = [1, 2]',
        "prices.hits: expected a duration such as '250 ns', got '1'; add a unit",
    ),
    "a draw below nothing": Bad(
        "[prices]",
        "[draws]\nhits = [1, -1]\n[prices]",
        "draws.hits: expected picoseconds of at least 0",
    ),
    "a draw with a unit": Bad(
        "[prices]",
        "[draws]\nhits = ['1 ns']\n[prices]",
        "draws.hits: expected picoseconds, 1 a draw",
    ),
    "a draw that is no number": Bad(
        "[prices]",
        "[draws]\nhits = [nan]\n[prices]",
        "draws.hits: expected picoseconds of at least 0",
    ),
    "draws of an unknown price": Bad(
        "[prices]",
        "[draws]\nhit = [1]\n[prices]",
        "draws.hit: price: no 'hit' among hits, traps, copied_bytes, pte_entries; did you mean 'hits'?",
    ),
    "draws of a price that is inherited": Bad(
        "[prices]",
        "[draws]\nflips = [1]\n[prices]",
        "draws.flips: price: no 'flips' among hits, traps, copied_bytes, pte_entries",
    ),
    "draws that are not as many": Bad(
        "[prices]",
        "[draws]\nhits = [1, 2]\ntraps = [1, 2, 3]\n[prices]",
        "draws: expected lists of the same length, got [2, 3]",
    ),
    "draws that are no table": Bad(
        'machine = "a machine"', 'machine = "a machine"\ndraws = 1', "draws: expected a table, got 1"
    ),
    "a key that is unknown": Bad(
        "extends =",
        "extend =",
        "no 'extend' among name, machine, extends, prices, draws, drift; did you mean 'extends'?",
    ),
    "a key that is missing": Bad("machine =", "# machine =", "machine: missing; expected a text"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_of_a_bad_preset_file_place_value_and_remedy_are_said(bad: Bad, tmp_path: Path):
    assert bad.old in GOOD
    path = preset(tmp_path, GOOD.replace(bad.old, bad.new))

    said = complaint(path)

    assert said.startswith(f"{path}: ")
    assert bad.text in said


def test_draws_of_a_curve_that_lack_a_point_are_refused(tmp_path: Path):
    curve = GOOD.replace('"1 ns"', '{ "1" = "1 ns", "2" = "2 ns" }')
    path = preset(tmp_path, curve + "[draws]\nhits = [1, 2, 3]\n")

    assert complaint(path) == f"{path}: draws.hits: expected picoseconds, 2 a draw"


def test_a_preset_that_extends_an_unknown_one_is_told_the_known(tmp_path: Path):
    path = preset(tmp_path, GOOD.replace('"vm-linux6.18"', '"vm-linux6.8"'))

    said = complaint(path)

    assert said == (
        f"{path}: extends: preset: no 'vm-linux6.8' among {', '.join(sorted(COSTS))}, mine;"
        " did you mean 'vm-linux6.18'?"
    )


def test_a_preset_that_is_no_toml_is_refused_with_the_line(tmp_path: Path):
    path = preset(tmp_path, GOOD.replace("[prices]", "[prices"))

    said = complaint(path)

    assert said.startswith(f"{path}: expected a cost preset in TOML; ")
    assert "at line 5" in said


def test_a_preset_that_is_not_there_is_named(tmp_path: Path):
    assert "nowhere.toml: expected a cost preset in TOML; " in complaint(tmp_path / "nowhere.toml")


def test_prices_that_are_no_table_are_refused(tmp_path: Path):
    path = preset(tmp_path, 'name = "mine"\nmachine = "a machine"\nprices = 1\n')

    assert complaint(path) == f"{path}: prices: expected a table, got 1"


def test_presets_that_extend_each_other_in_a_circle_are_refused(tmp_path: Path):
    path = preset(tmp_path, GOOD.replace('"vm-linux6.18"', '"other"'))
    other = preset(tmp_path, GOOD.replace('"vm-linux6.18"', '"mine"'), "other.toml")

    said = complaint(path)

    assert said == f"{other}: extends: 'mine' extends this preset in turn; expected a chain with an end"


def test_a_preset_that_extends_itself_is_refused(tmp_path: Path):
    path = preset(tmp_path, GOOD.replace('"vm-linux6.18"', '"mine"'))

    assert complaint(path).startswith(f"{path}: extends: 'mine' extends this preset in turn")


@pytest.mark.parametrize(
    ("name", "said"), [("5", "extends: expected a text, got 5"), ('"../mine"', "no '../mine' among")]
)
def test_a_preset_that_extends_no_name_is_refused(name: str, said: str, tmp_path: Path):
    path = preset(tmp_path, GOOD.replace('"vm-linux6.18"', name))

    assert complaint(path).startswith(f"{path}: extends: ")
    assert said in complaint(path)
