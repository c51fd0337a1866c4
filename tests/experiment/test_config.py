"""A configuration is complete and right, or every mistake in it is named with its place."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cowmodel import catalog
from cowmodel.cost.preset import load_preset
from cowmodel.errors import ConfigError
from cowmodel.experiment.config import load
from cowmodel.experiment.document import document, parse_settings
from cowmodel.experiment.run import build, simulate
from cowmodel.kernel.commitment import Overcommit
from cowmodel.kernel.state import CACHE_BYTES

Edit = Callable[[Path, str, str], None]


@pytest.fixture
def config(house: Path) -> Path:
    return Path("configs/tree.toml")


def complaints(path: Path, *settings: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, settings)
    return str(caught.value).splitlines()


def test_a_right_file_becomes_sections_in_the_units_of_the_program(config: Path) -> None:
    configuration = load(config)
    assert configuration.machine.memory == 64 << 20
    assert configuration.machine.costs == catalog.COSTS["epyc7302p-linux5.6"]
    assert configuration.policy.copying == "cow-flip"
    assert isinstance(configuration.workload, catalog.WORKLOADS["fork-tree"])
    assert configuration.run.seed == 1


def test_the_document_stays_as_the_user_wrote_it(config: Path) -> None:
    assert load(config).document["machine"]["memory"] == "64 MiB"


def test_a_misspelled_policy_gets_a_suggestion(config: Path, edit: Edit) -> None:
    edit(config, '"cow-flip"', '"cow-flp"')
    assert complaints(config) == [
        "configs/tree.toml: policy.copy: no 'cow-flp' among eager, cow, cow-flip, cow-eager-flip; "
        "did you mean 'cow-flip'?"
    ]


def test_a_misspelled_key_gets_a_suggestion_and_the_right_one_is_missing(config: Path, edit: Edit) -> None:
    edit(config, "memory =", "memry =")
    assert complaints(config) == [
        "configs/tree.toml: machine.memory: missing; expected a size such as '4 KiB': physical memory",
        "configs/tree.toml: machine.memry: unknown key: no 'memry' among paging, memory, cores, "
        "quantum, costs, engine, tlb, page_table_locks, mmap_locks, bandwidth, cache, contiguity, unbacked, "
        "without, factors; did you mean 'memory'?",
    ]


def test_contiguity_is_a_fraction_or_unknown(config: Path) -> None:
    assert load(config, ["machine.contiguity=0.3"]).machine.contiguity == 0.3
    assert load(config, ["machine.contiguity=unknown"]).machine.contiguity == "unknown"


@pytest.mark.parametrize("value", ["1.1", "unknwn", "true"])
def test_a_contiguity_that_is_neither_is_refused(config: Path, value: str) -> None:
    (said,) = complaints(config, f"machine.contiguity={value}")
    assert "machine.contiguity: expected a fraction between 0 and 1, or 'unknown', got" in said


def test_a_tlb_is_modelled_only_where_the_file_or_a_setting_says_so(config: Path, edit: Edit) -> None:
    assert not load(config).machine.tlb
    assert load(config, ["machine.tlb=true"]).machine.tlb
    edit(config, 'engine = "reference"', 'engine = "reference"\ntlb = true')
    assert load(config).machine.tlb


def test_a_tlb_is_true_or_false(config: Path) -> None:
    assert complaints(config, "machine.tlb=2") == [
        "configs/tree.toml with --set machine.tlb=2: machine.tlb: expected true or false, got 2"
    ]


# ---------------------------------------------------------------- what memory and prices are like
def test_without_a_word_memory_is_new_and_backed_and_all_prices_count(config: Path) -> None:
    machine = build(load(config))

    assert machine.kernel.cache_bytes == CACHE_BYTES
    assert machine.kernel.frames.allocate(100).tolist() == list(range(1, 101))
    assert machine.costs.unbacked == 0
    assert machine.costs.prices == load_preset(catalog.COSTS["epyc7302p-linux5.6"]).prices


def test_the_state_of_memory_and_the_prices_to_do_without_are_those_of_the_file(
    config: Path, edit: Edit
) -> None:
    keys = 'cache = "2 MiB"\ncontiguity = 0.5\nunbacked = 0.25\nwithout = ["flips", "traps"]'
    edit(config, 'engine = "reference"', f'engine = "reference"\n{keys}')

    machine = build(load(config))

    assert machine.kernel.cache_bytes == 2 << 20
    pfns = machine.kernel.frames.allocate(8000)  # of 16,383
    assert np.mean(np.diff(pfns) == 1) == pytest.approx(0.5, abs=0.05)
    assert machine.costs.unbacked == 0.25
    assert [field for field in ("flips", "traps") if machine.costs.prices[field].value_ps] == []


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("cache=-1 MiB", "cache: expected a size of at least 0, got '-1 MiB'"),
        ("cache=5", "cache: expected a size such as '4 KiB', got 5; add the unit, in quotes: '5 B'"),
        ("contiguity=1.5", "contiguity: expected a fraction between 0 and 1, or 'unknown', got 1.5"),
        ("contiguity=much", "contiguity: expected a fraction between 0 and 1, or 'unknown', got 'much'"),
        ("unbacked=-0.1", "unbacked: expected a fraction between 0 and 1, got -0.1"),
        ("without=hits", "without: expected a list in brackets, got 'hits'"),
        ("without=[3]", "without.0: expected a price of a preset, got 3; write it as text in quotes"),
    ],
)
def test_a_wrong_state_of_memory_or_list_of_prices_is_named(config: Path, setting: str, said: str) -> None:
    assert complaints(config, f"machine.{setting}") == [
        f"configs/tree.toml with --set machine.{setting}: machine.{said}"
    ]


def test_a_price_to_do_without_that_is_none_gets_a_suggestion(config: Path) -> None:
    (line,) = complaints(config, 'machine.without=["flip"]')
    assert ": machine.without.0: no 'flip' among hits, traps, " in line
    assert line.endswith("did you mean 'flips'?")


def test_a_run_without_a_price_takes_less_time_and_counts_the_same(config: Path) -> None:
    usual, without = (
        simulate(load(config, settings), 0).summary for settings in ([], ['machine.without=["traps"]'])
    )

    assert without["faults"] == usual["faults"]
    assert without["work"]["traps"] == usual["work"]["traps"]
    assert without["simulated_ms"] < usual["simulated_ms"]


def test_a_summary_counts_and_prices_translations_only_with_a_tlb(config: Path) -> None:
    without, with_tlb = (
        simulate(load(config, settings), 0).summary for settings in ([], ["machine.tlb=true"])
    )
    translations = {"tlb_hits", "walk_loads"}

    assert not translations & {*without["work"], *without["assumed_prices"]}
    assert translations <= {*with_tlb["assumed_prices"]}
    assert with_tlb["work"]["walk_loads"] > 0
    assert with_tlb["faults"] == without["faults"]


def test_a_wrong_unit_is_named_with_the_units_there_are(config: Path, edit: Edit) -> None:
    edit(config, '"64 MiB"', '"1 GB of"')
    (line,) = complaints(config)
    assert line.startswith(
        "configs/tree.toml: machine.memory: expected a size such as '4 KiB', got '1 GB of'"
    )


def test_a_negative_size_is_refused(config: Path, edit: Edit) -> None:
    edit(config, '"1 MiB"', '"-1 MiB"')
    assert complaints(config) == [
        "configs/tree.toml: workload.heap: expected a size of at least 0, got '-1 MiB'"
    ]


def test_large_folios_with_a_policy_that_seeks_last_sharers_are_refused(config: Path, edit: Edit) -> None:
    edit(config, 'backing = "base"', 'backing = "thp"')
    edit(config, '"cow-flip"', '"cow-eager-flip"')
    (line,) = complaints(config)
    assert line.startswith(
        "configs/tree.toml: workload.backing: expected 'base' or 'hugetlb SIZE', got 'thp'"
    )


def test_every_mistake_is_told_at_once(config: Path, edit: Edit) -> None:
    edit(config, "cores = 2", 'cores = "2"')
    edit(config, "children = 2", "children = 0")
    edit(config, "record_faults = false", 'record_faults = "no"')
    assert [line.split(": ")[1] for line in complaints(config)] == [
        "machine.cores",
        "workload.children",
        "run.record_faults",
    ]


def test_a_workload_of_another_name_asks_for_its_own_keys(config: Path, edit: Edit) -> None:
    edit(config, '"fork-tree"', '"prefork-server"')
    places = [line.split(": ")[1] for line in complaints(config)]
    assert "workload.generations" in places
    assert all(place.startswith("workload.") for place in places)


def test_an_unknown_workload_gets_a_suggestion(config: Path, edit: Edit) -> None:
    edit(config, '"fork-tree"', '"fork-tre"')
    (line,) = complaints(config)
    assert line.endswith("did you mean 'fork-tree'?")


def test_a_missing_table_is_named(config: Path, edit: Edit) -> None:
    edit(config, '[policy]\ncopy = "cow-flip"\n', "")
    assert complaints(config) == ["configs/tree.toml: policy: missing; expected a table [policy]"]


def test_an_unknown_table_gets_a_suggestion(config: Path) -> None:
    config.write_text(config.read_text() + "[machin]\n")
    assert complaints(config) == [
        "configs/tree.toml: unknown table: no 'machin' among machine, kernel, policy, workload, run; "
        "did you mean 'machine'?"
    ]


def test_broken_toml_is_named_with_its_line(config: Path, edit: Edit) -> None:
    edit(config, "cores = 2", "cores = ")
    (line,) = complaints(config)
    assert line.startswith("configs/tree.toml: not valid TOML: Invalid value (at line 4")


def test_a_missing_file_gets_a_suggestion(config: Path) -> None:
    assert complaints(Path("configs/tre.toml")) == [
        "configs/tre.toml: no 'tre.toml' among tree.toml; did you mean 'tree.toml'?"
    ]


def test_a_folder_is_no_configuration(house: Path) -> None:
    assert complaints(Path("configs")) == ["configs: expected a TOML file: Is a directory"]


def test_an_unreadable_file_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")  # root may read everything, so we pretend

    monkeypatch.setattr(Path, "read_text", refuse)
    assert complaints(config) == ["configs/tree.toml: expected a TOML file: Permission denied"]


def test_bytes_that_are_no_text_are_refused(config: Path) -> None:
    config.write_bytes(b"\x1f\x8b\xff")
    assert complaints(config) == ["configs/tree.toml: expected a TOML file, got bytes that are no UTF-8 text"]


def test_a_date_is_refused(config: Path, edit: Edit) -> None:
    edit(config, '"base"', "1979-05-27")
    assert complaints(config) == [
        "configs/tree.toml: workload: expected text, numbers, true or false, got the date '1979-05-27'"
    ]


def test_set_changes_a_value(config: Path) -> None:
    changed = load(config, ["machine.memory=1 GiB", "machine.cores=4", "policy.copy = eager"])
    assert changed.machine.memory == 1 << 30
    assert changed.machine.cores == 4
    assert changed.policy.copying == "eager"


def test_set_refuses_a_path_that_is_not_in_the_file(config: Path) -> None:
    (line,) = complaints(config, "machine.memry=1 GiB")
    assert line.startswith("--set machine.memry: no 'machine.memry' among machine.paging, ")
    assert line.endswith("did you mean 'machine.memory'?")


def test_set_refuses_a_setting_without_a_value(config: Path) -> None:
    assert complaints(config, "machine.memory") == [
        "--set machine.memory: expected path=value, such as 'machine.memory=1 GiB'"
    ]


def test_a_wrong_value_from_set_is_named_as_such(config: Path) -> None:
    (line,) = complaints(config, "machine.memory=12")
    assert line.startswith("configs/tree.toml with --set machine.memory=12: machine.memory: ")


def test_a_setting_can_not_smuggle_in_a_second_key() -> None:
    assert parse_settings(["a=1\nb=2"]) == {"a": "1\nb=2"}


def test_set_leaves_the_file_as_it_is(config: Path) -> None:
    before = config.read_bytes()
    document(config, ["machine.cores=4"])
    assert config.read_bytes() == before


def test_a_preset_of_prices_may_be_a_file_beside_the_configuration(config: Path, edit: Edit) -> None:
    text = catalog.COSTS["epyc7302p-linux5.6"].read_text()
    config.with_name("mine.toml").write_text(text)
    edit(config, '"epyc7302p-linux5.6"', '"mine.toml"')
    configuration = load(config)
    assert configuration.machine.costs == Path("configs/mine.toml")


def test_a_broken_preset_is_told_with_the_rest(config: Path, edit: Edit) -> None:
    config.with_name("mine.toml").write_text("[price]")
    edit(config, '"epyc7302p-linux5.6"', '"./mine.toml"')
    (line,) = complaints(config)
    assert line.startswith("configs/tree.toml: machine.costs: configs/mine.toml: ")


def test_a_changed_input_file_changes_the_configuration(config: Path, edit: Edit) -> None:
    preset = config.with_name("mine.toml")
    preset.write_text(catalog.COSTS["epyc7302p-linux5.6"].read_text())
    edit(config, '"epyc7302p-linux5.6"', '"mine.toml"')
    before = load(config).inputs
    preset.write_text(preset.read_text() + "# another\n")
    assert load(config).inputs.keys() == before.keys() == {"machine.costs"}
    assert load(config).inputs != before


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("machine.page_table_locks=1", "machine.page_table_locks: expected a valid boolean, got 1"),
        ("machine.bandwidth=10", "machine.bandwidth: expected a bandwidth such as '10 GB/s', got 10; add"),
        ("machine.bandwidth=10 GB", "machine.bandwidth: expected a bandwidth such as '10 GB/s', got '10 GB'"),
        ("machine.bandwidth=0 GB/s", "machine.bandwidth: expected a bandwidth above 0, got '0 GB/s'"),
    ],
)
def test_what_cores_wait_for_is_checked(config: Path, setting: str, told: str) -> None:
    (line,) = complaints(config, setting)

    assert line.startswith(f"{config} with --set {setting}: {told}")


def test_what_cores_wait_for_may_be_set_though_it_is_not_in_the_file(config: Path) -> None:
    usual, other = load(config), load(config, ["machine.bandwidth=10 GB/s", "machine.mmap_locks=false"])

    assert (usual.machine.bandwidth, usual.machine.mmap_locks) == (None, True)
    assert (other.machine.bandwidth, other.machine.mmap_locks) == (10**10, False)
    contention = build(other).contention
    assert (contention.bandwidth, contention.mmap_locks, contention.page_table_locks) == (10**10, False, True)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["kernel.overcommit=sometimes"], "kernel.overcommit: no 'sometimes' among always, heuristic, never"),
        (["kernel.commit_limit=5"], "kernel.commit_limit: expected a size such as '4 KiB', got 5"),
        (["kernel.overcommit=never"], "kernel.commit_limit: expected a size with overcommit = 'never'"),
        (["kernel.commit_limit=1 GiB"], "kernel.commit_limit: expected a size with overcommit = 'never'"),
    ],
)
def test_overcommit_and_its_limit_go_together(config: Path, settings: list[str], told: str) -> None:
    (line,) = complaints(config, *settings)

    assert line.startswith(f"{config} with --set {settings[0]}: {told}")


def test_a_limit_of_what_is_promised_may_be_set_though_it_is_not_in_the_file(config: Path) -> None:
    limit = load(config, ["kernel.overcommit=never", "kernel.commit_limit=1 GiB"])

    promised = build(limit).kernel.commitment

    assert (promised.rule, promised.limit_pages) == (Overcommit.NEVER, 1 << 18)
    assert build(load(config)).kernel.commitment.rule is Overcommit.ALWAYS
