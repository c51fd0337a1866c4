"""The rules of large folios, as `cowmodel.hardware.folios` has them, compiled."""

from cowmodel.engine.jit import compiled, part
from cowmodel.engine.jit import unsigned as _BITS
from cowmodel.hardware import folios
from cowmodel.hardware.folios import FIELDS, LEAST_ORDER
from cowmodel.hardware.paging import FRAME_MASK, FRAME_SHIFT, LARGE, ORDER_MASK, ORDER_SHIFT

_map_one, _unmap_one = part(folios.map_one), part(folios.unmap_one)
_OF_FOLIOS = compiled("void(i4[::1], i8[::1], i8[::1], i8)")
_ONE, _LARGE, _ORDER, _ORDER_AT = _BITS(1), _BITS(LARGE), _BITS(ORDER_MASK), _BITS(ORDER_SHIFT)
_FRAME, _SHIFT = _BITS(FRAME_MASK), _BITS(FRAME_SHIFT)


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


@compiled("void(b1[::1], u8[::1], i8[::1], i8[::1])")
def note_written(written, words, places, pages):
    """Take note of the frames of folios that accesses wrote, as `Folios.note_written` does.

    `places` and `pages` are those of `kernels.Lists`.
    """
    for at in range(len(places)):
        place = _BITS(places[at])
        word = words[place >> _ONE]
        if place & _ONE and word & _ORDER:
            frame = (word & _FRAME) >> _SHIFT
            if word & _LARGE:
                order = (word & _ORDER) >> _ORDER_AT
                frame |= _BITS(pages[at]) & ((_ONE << order) - _ONE)
            written[frame] = True
