"""Prices: one for each field of work, each with its source; and what is said about a bad preset."""

from pathlib import Path
from typing import NamedTuple

import pytest

from cowmodel.catalog import COSTS
from cowmodel.cost.model import CostModel
from cowmodel.cost.preset import load_preset
from cowmodel.cost.price import Price
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
    assert costs.prices["zeroed_bytes"] == Price(
        original.value_ps, f"assumed, as vm-linux6.18: {original.source}"
    )


def test_a_price_of_its_own_is_as_good_as_its_source(tmp_path: Path):
    costs = load_preset(preset(tmp_path, GOOD))

    own = ["hits", "traps", "copied_bytes", "pte_entries"]
    assert [costs.prices[field].assumed for field in own] == [False, False, True, True]


def test_a_preset_may_extend_one_that_lies_beside_it(tmp_path: Path):
    preset(tmp_path, GOOD)

    costs = load_preset(preset(tmp_path, 'name = "b"\nmachine = "m"\nextends = "mine"\n[prices]\n', "b.toml"))

    assert costs.prices["hits"] == Price(1000, "assumed, as mine: measured: here")


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
        "prices.hit: price: no 'hit' among hits, traps, allocations, zeroed_bytes, copied_bytes, flips,"
        " searches, invalidations, flushes, shootdowns, forks, threads, spawns, execs, exits, waits,"
        " mappings, vmas, pte_entries,"
        " pmd_entries, pud_entries, pte_tables, pmd_tables, pud_tables, p4d_tables, pgd_tables, drops,"
        " frees, switches, tlb_hits, walk_loads; did you mean 'hits'?",
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
    "a key that is unknown": Bad(
        "extends =",
        "extend =",
        "no 'extend' among name, machine, extends, prices; did you mean 'extends'?",
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
