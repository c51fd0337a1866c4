"""A line about each thing that the catalogue lists."""

from dataclasses import fields
from functools import singledispatch
from pathlib import Path

from cowmodel.cost.preset import load_preset
from cowmodel.hardware.paging import Geometry
from cowmodel.kernel.era import Era, LargeReuse
from cowmodel.units import format_size


@singledispatch
def described(thing: object) -> str:
    """Say what a thing is: of a class, the first line of its docstring."""
    return (thing.__doc__ or "").strip().partition("\n")[0]


@described.register
def _(preset: Path) -> str:
    costs = load_preset(preset)
    assumed = f"{len(costs.assumed)} of {len(costs.prices)} prices assumed"
    return f"{costs.machine}; terms lacking: {len(costs.lacking)}; {assumed}"


@described.register
def _(geometry: Geometry) -> str:
    leafs = ", ".join(format_size(geometry.leaf_bytes(level)) for level in geometry.leaf_levels)
    return f"{geometry.top} levels, leafs of {leafs}"


@described.register
def _(era: Era) -> str:
    """Say in which rules it differs from the latest, whose page of a large folio is written in place."""
    named = {field.name: getattr(era, field.name) for field in fields(Era)}
    others = [
        name if value else f"not {name}"
        for name, value in named.items()
        if value != getattr(Era(), name) and not isinstance(value, LargeReuse)
    ]
    rules = "; ".join([", ".join(others)] * bool(others) + [f"written in place: {era.large_reuse.value}"])
    return rules.replace("_", " ")
