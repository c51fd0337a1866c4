"""The cost model: one price for each field of `Work`, each with its source.

A preset is a TOML file: `name`, `machine` (what was measured), optionally `extends` (a preset whose prices
stand in for those not given, as assumptions), and `[prices]` with an entry `{ value, source }` a field:

    pte_entries = { value = "19.3 ns", source = "..." }      time of one operation
    copied_bytes = { value = "10.67 GB/s", source = "..." }  of bytes, a bandwidth
    pte_entries = { value = "10 ms/GB", source = "..." }     of entries, time for the memory they map

A source is a citation, "measured ..." or "assumed ...".
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from cowmodel.errors import ConfigError, suggest
from cowmodel.kernel.work import Work
from cowmodel.units import parse_bandwidth, parse_duration, parse_size

PRESETS = Path(__file__).with_name("presets")
_KEYS = {"name": str, "machine": str, "extends": str, "prices": dict}
_KINDS = {str: "text", dict: "table"}
_PS_PER_S = 10**12
_ENTRY_BYTES = {"pte_entries": 1 << 12, "pmd_entries": 1 << 21, "pud_entries": 1 << 30}


class Price(NamedTuple):
    """Time of one operation, in picoseconds, and where the number comes from."""

    value_ps: float
    source: str

    @property
    def assumed(self) -> bool:
        """Whether nobody measured it."""
        return self.source.startswith("assumed")


class CostModel:
    """Turns work into time.

    Parameters
    ----------
    name, machine : str
    prices : mapping of str to Price
        One for each field of `Work`.
    """

    def __init__(self, name: str, machine: str, prices: Mapping[str, Price]) -> None:
        self.name, self.machine = name, machine
        self.prices = {field: prices[field] for field in Work._fields}
        values = [price.value_ps for price in self.prices.values()]
        # few different works occur, most of them millions of times
        self.cost_ps = cache(
            lambda work: round(sum(count * value for count, value in zip(work, values, strict=True)))
        )

    @property
    def assumed(self) -> list[str]:
        """Fields whose price nobody measured."""
        return [field for field, price in self.prices.items() if price.assumed]


def load_preset(path: Path) -> CostModel:
    """Read a preset.

    Raises
    ------
    ConfigError
        For an unreadable file, an unknown or missing key, a price without source or of the wrong unit.
    """
    document, prices = _read(path, ())
    if lacking := [field for field in Work._fields if field not in prices]:
        raise ConfigError(
            f"{path}: prices.{lacking[0]}: missing; give it a value and a source, or extend another preset"
        )
    return CostModel(document["name"], document["machine"], prices)


def _read(path: Path, extending: tuple[Path, ...]) -> tuple[dict[str, Any], dict[str, Price]]:
    """Return what a preset says, and its prices with those of the preset that it extends."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{path}: expected a cost preset in TOML; {problem}") from problem
    for key in document.keys() - _KEYS:
        raise ConfigError(f"{path}: {suggest('key', key, _KEYS)}")
    for key in _KEYS.keys() - {"extends"} - document.keys():
        raise ConfigError(f"{path}: {key}: missing; expected a {_KINDS[_KEYS[key]]}")
    for key, value in document.items():
        if not isinstance(value, _KEYS[key]):
            raise ConfigError(f"{path}: {key}: expected a {_KINDS[_KEYS[key]]}, got {value!r}")
    prices = _inherited(path, document["extends"], extending) if "extends" in document else {}
    for field, entry in document["prices"].items():
        prices[field] = _price(f"{path}: prices.{field}", field, entry)
    return document, prices


def _inherited(path: Path, name: str, extending: tuple[Path, ...]) -> dict[str, Price]:
    """Return the prices of preset `name` as what they are here: assumptions."""
    known = {file.stem: file for folder in (PRESETS, path.parent) for file in sorted(folder.glob("*.toml"))}
    if name not in known:
        raise ConfigError(f"{path}: extends: {suggest('preset', name, known)}")
    if known[name] in (*extending, path):
        raise ConfigError(
            f"{path}: extends: {name!r} extends this preset in turn; expected a chain with an end"
        )
    _, prices = _read(known[name], (*extending, path))
    return {
        field: Price(price.value_ps, f"assumed, as {name}: {price.source}") for field, price in prices.items()
    }


def _price(where: str, field: str, entry: Any) -> Price:
    """Read one `{ value, source }`."""
    if field not in Work._fields:
        raise ConfigError(f"{where}: {suggest('price', field, list(Work._fields))}")
    if not isinstance(entry, dict) or {*entry} != {"value", "source"}:
        raise ConfigError(f"{where}: expected {{ value = ..., source = ... }}, got {entry!r}")
    if not isinstance(entry["source"], str) or not entry["source"].strip():
        raise ConfigError(f"{where}: a price needs a source: a citation, 'measured ...' or 'assumed ...'")
    try:
        return Price(_value_ps(field, str(entry["value"])), entry["source"])
    except ConfigError as problem:
        raise ConfigError(f"{where}: {problem}") from problem


def _value_ps(field: str, text: str) -> float:
    """Return the time of one operation that `text` says, in the unit that `field` allows."""
    amount, _, unit = text.partition("/")
    if not unit:
        return parse_duration(text)
    if field.endswith("_bytes") and unit == "s":
        return _PS_PER_S / parse_bandwidth(text)
    if field in _ENTRY_BYTES:
        return parse_duration(amount) * _ENTRY_BYTES[field] / parse_size(f"1 {unit}")
    raise ConfigError(f"expected a duration such as '19.3 ns' as the price of {field}, got {text!r}")
