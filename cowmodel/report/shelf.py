"""A line about each thing that the catalogue lists."""

from functools import singledispatch
from pathlib import Path

from cowmodel.cost.model import load_preset
from cowmodel.hardware.paging import Geometry
from cowmodel.units import format_size


@singledispatch
def described(thing: object) -> str:
    """Say what a thing is: of a class, the first line of its docstring."""
    return (thing.__doc__ or "").strip().partition("\n")[0]


@described.register
def _(preset: Path) -> str:
    costs = load_preset(preset)
    return f"{costs.machine}; {len(costs.assumed)} of {len(costs.prices)} prices assumed"


@described.register
def _(geometry: Geometry) -> str:
    leafs = ", ".join(format_size(geometry.leaf_bytes(level)) for level in geometry.leaf_levels)
    return f"{geometry.top} levels, leafs of {leafs}"
