"""Places in an address space: where a mapping may be put."""

from cowmodel.errors import SimulationError
from cowmodel.hardware.paging import Geometry
from cowmodel.kernel.address_space import AddressSpace

_LOWEST_BYTES = 1 << 40  # where mappings start, clear of null pointers and aligned to every leaf


def behind_all(geometry: Geometry, space: AddressSpace, alignment: int) -> int:
    """Return the first page behind all mappings that is a multiple of `alignment` pages."""
    after = space.vmas[-1].end if space.vmas else _LOWEST_BYTES // geometry.page_bytes
    return -(-after // alignment) * alignment


def check_free(
    geometry: Geometry, space: AddressSpace, verb: str, first: int, end: int, alignment: int = 1
) -> None:
    """Refuse pages first..end, exclusive, if they are not all free, or do not start at such a multiple.

    Raises
    ------
    SimulationError
    """
    where = f"{verb} of pages {first:#x} to {end - 1:#x}"
    if first % alignment:
        raise SimulationError(f"{where}: expected a start aligned to {alignment} pages")
    if first < 0 or end > geometry.user_pages:
        raise SimulationError(f"{where}: outside the {geometry.user_pages:,} pages of {geometry.name}")
    if space.overlapping(first, end):
        raise SimulationError(f"{where}: something is mapped there already")
