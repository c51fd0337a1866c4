"""The modelled machine on which scenarios run, and the settings that change it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cowmodel.catalog import COSTS, ERAS, PAGINGS, POLICIES
from cowmodel.cost.model import CostModel
from cowmodel.cost.preset import load_preset
from cowmodel.errors import ConfigError, suggest
from cowmodel.hardware.paging import Geometry
from cowmodel.kernel.choices import CopyPolicy
from cowmodel.kernel.era import Era
from cowmodel.policy.copying import LastSharerFlip
from cowmodel.scenario.steps import PAGE_BYTES
from cowmodel.units import parse_size


@dataclass(frozen=True)
class Setup:
    """The machine that a scenario runs on; by default, what the running kernel is compared with."""

    geometry: Geometry
    memory_bytes: int
    policy: CopyPolicy
    era: Era
    costs: CostModel
    contiguity: float = 1.0


def setup(settings: Mapping[str, object]) -> Setup:
    """Return the usual machine, changed by settings.

    Parameters
    ----------
    settings : mapping
        From path, as in a configuration, to text: `{"policy.copy": "cow"}`.

    Raises
    ------
    ConfigError
    """
    if unknown := [path for path in settings if path not in SETTINGS]:
        raise ConfigError("\n".join(suggest(f"--set {path}", path, SETTINGS) for path in unknown))
    usual = Setup(
        PAGINGS["x86-64"], 64 << 30, LastSharerFlip(), ERAS["linux-6.18"], load_preset(COSTS["vm-linux6.18"])
    )
    changes = dict(SETTINGS[path](path, str(value)) for path, value in settings.items())
    return replace(usual, **changes)


def _geometry(path: str, name: str) -> tuple[str, Any]:
    geometry = _found(path, name, PAGINGS)
    if geometry.page_bytes != PAGE_BYTES:
        raise ConfigError(f"--set {path}: expected base pages of 4 KiB, which scenarios count, got {name!r}")
    return "geometry", geometry


def _memory(path: str, text: str) -> tuple[str, Any]:
    return "memory_bytes", parse_size(text)


def _contiguity(path: str, text: str) -> tuple[str, Any]:
    try:
        contiguity = float(text)
    except ValueError:
        contiguity = -1.0
    if not 0 <= contiguity <= 1:
        raise ConfigError(f"--set {path}: expected a fraction between 0 and 1, got {text!r}")
    return "contiguity", contiguity


def _policy(path: str, name: str) -> tuple[str, Any]:
    return "policy", _found(path, name, POLICIES)()


def _era(path: str, name: str) -> tuple[str, Any]:
    return "era", _found(path, name, ERAS)


def _costs(path: str, name: str) -> tuple[str, Any]:
    file = Path(name) if name.endswith(".toml") else _found(path, name, COSTS)
    return "costs", load_preset(file)


def _found(path: str, name: str, shelf: Mapping[str, Any]) -> Any:
    if name not in shelf:
        raise ConfigError(f"--set {suggest(path, name, shelf)}")
    return shelf[name]


SETTINGS: dict[str, Callable[[str, str], tuple[str, Any]]] = {
    "policy.copy": _policy,
    "kernel.era": _era,
    "machine.costs": _costs,
    "machine.paging": _geometry,
    "machine.memory": _memory,
    "machine.contiguity": _contiguity,
}
