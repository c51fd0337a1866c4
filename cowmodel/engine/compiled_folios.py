"""The rules of large folios, as `cowmodel.hardware.folios` has them, compiled."""

from cowmodel.engine.jit import compiled, part
from cowmodel.hardware import folios
from cowmodel.hardware.folios import FIELDS, LEAST_ORDER

_map_one, _unmap_one = part(folios.map_one), part(folios.unmap_one)
_OF_FOLIOS = compiled("void(i4[::1], i8[::1], i8[::1], i8)")


@_OF_FOLIOS
def map_parts(records, heads, counts, owner):
    """Count entries more of folios: so many of each, of one address space."""
    for at in range(len(heads)):
        _map_one(records, (heads[at] >> LEAST_ORDER) * FIELDS, counts[at], owner)


@_OF_FOLIOS
def unmap_parts(records, heads, counts, owner):
    """Count entries less of folios, and put what is left into `counts`."""
    for at in range(len(heads)):
        counts[at] = _unmap_one(records, (heads[at] >> LEAST_ORDER) * FIELDS, counts[at], owner)
