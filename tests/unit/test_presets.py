"""Presets: curves over the size of a leaf, what the list says of each, and which shapes are refused."""

from pathlib import Path
from typing import NamedTuple

import pytest

from cowmodel.catalog import COSTS
from cowmodel.cost.model import CostModel
from cowmodel.cost.preset import load_preset
from cowmodel.errors import ConfigError
from cowmodel.kernel.work import Work
from cowmodel.report.shelf import described

GOOD = """\
name = "mine"
machine = "a machine"
extends = "vm-linux6.18"

[prices]
traps = { value = "100 ns", interval = ["90 ns", "200 ns"], source = "A. Author, A paper, 2020" }
allocations = { value = { "4 KiB" = "1 us", "2 MiB" = "10 us" }, source = "measured: here" }
zeroed_bytes = { value = { "4 KiB" = "4 GB/s", "2 MiB" = "8 GB/s" }, source = "measured: here" }
pte_entries = { value = { "4096" = "15 ns", "65536" = "23 ns" }, source = "measured: here" }
"""
US = 10**6


def load(folder: Path, text: str) -> CostModel:
    path = folder / "mine.toml"
    path.write_text(text)
    return load_preset(path)


@pytest.mark.parametrize(
    ("leafs", "leaf_bytes", "price_us"), [(1, 4096, 1), (1, 2 << 20, 10), (512, 4096, 1), (3, 1 << 30, 10)]
)
@pytest.mark.parametrize("filled", ["zeroed_bytes", "copied_bytes"])
def test_the_price_of_an_allocation_may_depend_on_the_bytes_of_the_leaf(
    filled: str, leafs: int, leaf_bytes: int, price_us: int, tmp_path: Path
):
    costs = load(tmp_path, GOOD).adapted(without=["zeroed_bytes", "copied_bytes"])

    assert costs.cost_ps(Work(allocations=leafs, **{filled: leafs * leaf_bytes})) == leafs * price_us * US


def test_bytes_of_many_small_leafs_cost_what_those_of_one_do(tmp_path: Path):
    costs = load(tmp_path, GOOD).adapted(without=["allocations"])

    assert costs.cost_ps(Work(allocations=512, zeroed_bytes=2 << 20)) == 512 * costs.cost_ps(
        Work(allocations=1, zeroed_bytes=4096)
    )


@pytest.mark.parametrize("name", COSTS)
def test_the_list_says_how_many_prices_are_assumed_and_how_many_terms_a_preset_lacks(name: str):
    costs = load_preset(COSTS[name])

    assumed = sum(price.source.startswith("assumed") for price in costs.prices.values())
    lacking = sum(price.source.startswith("lacking") for price in costs.prices.values())
    assert described(COSTS[name]) == (
        f"{costs.machine}; terms lacking: {lacking}; {assumed} of {len(Work._fields)} prices assumed"
    )


@pytest.mark.parametrize("name", [name for name in COSTS if name != "vm-linux6.18"])
def test_a_published_preset_has_a_price_that_cites_its_source_and_assumes_what_it_inherits(name: str):
    prices = load_preset(COSTS[name]).prices

    own = [price for price in prices.values() if not (price.lacking or price.assumed)]
    assert own
    assert [price.source for price in own if price.source.startswith("measured")] == []


# ------------------------------------------------------------------- bad presets
class Bad(NamedTuple):
    """A change of the good preset, and what is said about it after the name of the file."""

    old: str
    new: str
    text: str


BAD = {
    "a missing price that nothing stands in for": Bad(
        'extends = "vm-linux6.18"\n',
        "",
        "prices.hits: missing; give it a value and a source, or extend another preset",
    ),
    "a negative bandwidth": Bad(
        '"4 GB/s"', '"-4 GB/s"', "prices.zeroed_bytes: expected a size of at least 0, got '-4 GB'"
    ),
    "a negative price in a curve": Bad(
        '"15 ns"', '"-15 ns"', "prices.pte_entries: expected a duration of at least 0, got '-15 ns'"
    ),
    "a negative end of an interval": Bad(
        '"90 ns"', '"-90 ns"', "prices.traps: expected a duration of at least 0, got '-90 ns'"
    ),
    "a value outside its interval": Bad(
        '"90 ns"',
        '"110 ns"',
        "prices.traps: expected the value inside its interval, got '100 ns' and ['110 ns', '200 ns']",
    ),
    "a curve without a source": Bad(
        ', source = "measured: here" }\nzeroed',
        " }\nzeroed",
        "prices.allocations: expected { value = ..., source = ... }, got {'value': {'4 KiB': '1 us',",
    ),
    "a time for memory mapped, of what maps none": Bad(
        '"100 ns"',
        '"10 ms/GB"',
        "prices.traps: expected a duration such as '19.3 ns' as the price of traps, got '10 ms/GB'",
    ),
    "a bandwidth of allocations": Bad(
        '"1 us"',
        '"1 GB/s"',
        "prices.allocations: expected a duration such as '19.3 ns' as the price of allocations, got '1 GB/s'",
    ),
    "a curve of bytes over counts": Bad(
        '"4 KiB" = "4 GB/s"',
        '"4096" = "4 GB/s"',
        "prices.zeroed_bytes: expected a size such as '4 KiB', got '4096'",
    ),
    "a curve of allocations over counts": Bad(
        '"4 KiB" = "1 us"', '"1" = "1 us"', "prices.allocations: expected a size such as '4 KiB', got '1'"
    ),
    "a curve of entries over bytes": Bad(
        '"4096"',
        '"4 KiB"',
        "prices.pte_entries: expected how many there are at a time, such as '4096', got '4 KiB'",
    ),
    "a curve of one point": Bad(
        '"4096" = "15 ns", ',
        "",
        "prices.pte_entries: expected a curve of two points or more, at sizes above 0, got"
        " {'65536': '23 ns'}",
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_of_a_bad_price_file_place_value_and_remedy_are_said(bad: Bad, tmp_path: Path):
    assert bad.old in GOOD

    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(bad.old, bad.new))

    assert str(caught.value).startswith(f"{tmp_path / 'mine.toml'}: {bad.text}")
