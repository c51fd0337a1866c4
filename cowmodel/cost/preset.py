"""Presets: the prices of a machine, each with its source, as a TOML file.

`name`, `machine` (what was measured), optionally `extends` (a preset whose prices stand in for those not
given, as assumptions), and `[prices]` with an entry `{ value, source }` a field:

    pte_entries = { value = "19.3 ns", source = "..." }      time of one operation
    copied_bytes = { value = "10.67 GB/s", source = "..." }  of bytes, a bandwidth
    pte_entries = { value = "10 ms/GB", source = "..." }     of entries, time for the memory they map
    forks = { value = "83 us", interval = ["79 us", "88 us"], source = "..." }       90 % of cases between
    zeroed_bytes = { value = { "4 KiB" = "6 GB/s", "2 MiB" = "9 GB/s" }, source = "..." }     a curve

A source is a citation, "measured ..." or "assumed ...". A curve of allocations and of bytes is over the bytes
of a leaf, others are over how many there are at a time:
`pte_entries = { value = { "4096" = "15 ns", "65536" = "23 ns" }, ... }`.

`[draws]`, where prices were fitted together, has a list of picoseconds a field: the prices of a bootstrap; of
a curve, lists of prices at its points.
`drift = 0.2` says that all prices together move by up to 20 % up, or as much down, in 90 % of cases.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cowmodel.cost.model import OF_LEAFS, CostModel
from cowmodel.cost.price import LACKING, Price
from cowmodel.errors import ConfigError, suggest
from cowmodel.kernel.work import Work
from cowmodel.units import parse_bandwidth, parse_duration, parse_size

PRESETS = Path(__file__).with_name("presets")
_KEYS = {"name": str, "machine": str, "extends": str, "prices": dict, "draws": dict, "drift": float}
_OPTIONAL = ("extends", "draws", "drift")
_KINDS = {str: "text", dict: "table", float: "fraction such as 0.2"}
_PS_PER_S = 10**12
_ENTRY_BYTES = {"pte_entries": 1 << 12, "pmd_entries": 1 << 21, "pud_entries": 1 << 30}

STANDS_IN = {
    "parts": "pte_entries",
    "large_drops": "drops",
    "dropped_parts": "drops",
    "deposits": "pte_tables",
}
"""Terms that a preset may lack, and the coarser one whose price they have then."""

CONTAINED = {
    "mapped_around": "traps",
    "filled_parts": "traps",
    "insertions": "allocations",
    "notices": "flips",
    "evictions": "frees",
    "far_doublings": "traps",
    "splits": "traps",
    "releases": "invalidations",
    "cold_frames": "allocations",
    "cold_records": "traps",
    "rewrites": "mappings",
    "cold_forks": "forks",
    "scans": "pte_tables",
    "protections": "pte_entries",
    "part_protections": "pte_entries",
    "large_protections": "pmd_entries",
    "entry_jumps": "pte_entries",
    "batches": "pte_entries",
    "drop_jumps": "drops",
    "table_frees": "drops",
    "withdrawals": "drops",
    "freed_bytes": "frees",
    "unbacked_bytes": "zeroed_bytes",
}
"""Terms that a preset may lack, and the one whose price contains them then; they are free."""


def presets_in(folder: Path) -> dict[str, Path]:
    """Return the presets of a folder by name."""
    return dict(sorted((path.stem, path) for path in folder.glob("*.toml")))


def load_preset(path: Path) -> CostModel:
    """Read a preset.

    Raises
    ------
    ConfigError
        For an unreadable file, an unknown or missing key, a price without source or of the wrong unit.
    """
    document, prices = _read(path, ())
    for field, other in STANDS_IN.items():
        if field not in prices and other in prices:
            prices[field] = prices[other]._replace(source=f"{LACKING}: as {other}")
    for field, other in CONTAINED.items():
        prices.setdefault(field, Price(0.0, f"{LACKING}: contained in {other}"))
    if missing := [field for field in Work._fields if field not in prices]:
        raise ConfigError(
            f"{path}: prices.{missing[0]}: missing; give it a value and a source, or extend another preset"
        )
    draws, drift = _draws(path, document, prices), _drift(path, document)
    return CostModel(document["name"], document["machine"], prices, draws, drift=drift)


def _read(path: Path, extending: tuple[Path, ...]) -> tuple[dict[str, Any], dict[str, Price]]:
    """Return what a preset says, and its prices with those of the preset that it extends."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{path}: expected a cost preset in TOML; {problem}") from problem
    for key in document.keys() - _KEYS:
        raise ConfigError(f"{path}: {suggest('key', key, _KEYS)}")
    for key in _KEYS.keys() - set(_OPTIONAL) - document.keys():
        raise ConfigError(f"{path}: {key}: missing; expected a {_KINDS[_KEYS[key]]}")
    for key, value in document.items():
        if not isinstance(value, _KEYS[key]):
            raise ConfigError(f"{path}: {key}: expected a {_KINDS[_KEYS[key]]}, got {value!r}")
    own = {
        field: _price(f"{path}: prices.{field}", field, entry) for field, entry in document["prices"].items()
    }
    if "extends" not in document:
        return document, own
    return document, _inherited(path, document["extends"], extending, own) | own


def _inherited(
    path: Path, name: str, extending: tuple[Path, ...], own: Mapping[str, Price]
) -> dict[str, Price]:
    """Return the prices of preset `name` as what they are here, assumptions.

    What refines a price of its own is not among them: that price contains it, as it was measured.
    """
    known = presets_in(PRESETS) | presets_in(path.parent)
    if name not in known:
        raise ConfigError(f"{path}: extends: {suggest('preset', name, known)}")
    if known[name] in (*extending, path):
        raise ConfigError(
            f"{path}: extends: {name!r} extends this preset in turn; expected a chain with an end"
        )
    _, prices = _read(known[name], (*extending, path))
    coarser = STANDS_IN | CONTAINED
    return {
        field: price._replace(source=f"assumed, as {name}: {price.source}")
        for field, price in prices.items()
        if coarser.get(field) not in own
    }


def _price(where: str, field: str, entry: Any) -> Price:
    """Read one `{ value, source }`, perhaps with an interval."""
    if field not in Work._fields:
        raise ConfigError(f"{where}: {suggest('price', field, list(Work._fields))}")
    if not isinstance(entry, dict) or {*entry} - {"interval"} != {"value", "source"}:
        raise ConfigError(f"{where}: expected {{ value = ..., source = ... }}, got {entry!r}")
    if not isinstance(entry["source"], str) or not entry["source"].strip():
        raise ConfigError(f"{where}: a price needs a source: a citation, 'measured ...' or 'assumed ...'")
    try:
        points = _points(field, entry["value"])
        value_ps = points[0][1] if points else _value_ps(field, str(entry["value"]))
        return Price(value_ps, entry["source"], points, _interval_ps(field, entry, value_ps))
    except ConfigError as problem:
        raise ConfigError(f"{where}: {problem}") from problem


def _points(field: str, value: Any) -> tuple[tuple[float, float], ...]:
    """Read the points of a curve; none if the price is no curve."""
    if not isinstance(value, dict):
        return ()
    read = parse_size if field in OF_LEAFS or field.endswith("_bytes") else _count
    points = sorted((float(read(size)), _value_ps(field, str(price))) for size, price in value.items())
    if len(points) < 2 or points[0][0] <= 0:
        raise ConfigError(f"expected a curve of two points or more, at sizes above 0, got {value!r}")
    return tuple(points)


def _count(text: str) -> int:
    if not text.isdigit():
        raise ConfigError(f"expected how many there are at a time, such as '4096', got {text!r}")
    return int(text)


def _interval_ps(field: str, entry: Mapping[str, Any], value_ps: float) -> tuple[float, float] | None:
    """Read an interval, if there is one; it is sorted, since a low bandwidth is a high price."""
    if "interval" not in entry:
        return None
    if not isinstance(ends := entry["interval"], list) or len(ends) != 2:
        raise ConfigError(f"expected an interval of two prices, got {ends!r}")
    low, high = sorted(_value_ps(field, str(end)) for end in ends)
    if not low <= value_ps <= high:
        raise ConfigError(f"expected the value inside its interval, got {entry['value']!r} and {ends!r}")
    return low, high


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


def _drift(path: Path, document: Mapping[str, Any]) -> float:
    """Return how far all prices of a preset move together."""
    drift: float = document.get("drift", 0.0)
    if not 0 <= drift <= 1:
        raise ConfigError(f"{path}: drift: expected a fraction between 0 and 1, got {drift!r}")
    return drift


def _draws(
    path: Path, document: Mapping[str, Any], prices: Mapping[str, Price]
) -> dict[str, list[list[float]]]:
    """Return the draws of a preset, all of the same length; of a curve, each has a price for every point."""
    draws: dict[str, list[list[float]]] = {}
    for field, values in document.get("draws", {}).items():
        if field not in document["prices"]:
            raise ConfigError(f"{path}: draws.{field}: {suggest('price', field, document['prices'])}")
        width = max(1, len(prices[field].points))
        try:
            table = np.array(values, np.float64).reshape(-1, width)
        except (TypeError, ValueError) as problem:
            raise ConfigError(f"{path}: draws.{field}: expected picoseconds, {width} a draw") from problem
        if not np.isfinite(table).all() or (table < 0).any():
            raise ConfigError(f"{path}: draws.{field}: expected picoseconds of at least 0")
        draws[field] = table.tolist()
    if len(lengths := {len(values) for values in draws.values()}) > 1:
        raise ConfigError(f"{path}: draws: expected lists of the same length, got {sorted(lengths)}")
    return draws
