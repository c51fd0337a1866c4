"""Backings: what a mapping is made of. A size alone does not say it, so every mapping names its backing.

The ways to have 2 MiB pages differ by orders of magnitude under copy-on-write: a write to a shared
hugetlb page copies 2 MiB, a write to a transparent huge page splits it and copies 4 KiB.
"""

import re
from dataclasses import dataclass

from cowmodel.errors import ConfigError
from cowmodel.hardware.paging import Geometry
from cowmodel.units import format_size, parse_size


@dataclass(frozen=True)
class Backing:
    """What a mapping is made of.

    Parameters
    ----------
    name : {'base', 'hugetlb'}
    leaf_bytes : int
        Bytes of a hugetlb page; 0 for base pages, whose size the machine's paging decides.
    """

    name: str
    leaf_bytes: int = 0

    def level(self, geometry: Geometry) -> int:
        """Return the level of this backing's leafs.

        Raises
        ------
        ConfigError
            If `geometry` has no leaf of that size.
        """
        if self.name == "base":
            return 1
        sizes = {geometry.leaf_bytes(level): level for level in geometry.leaf_levels if level > 1}
        if self.leaf_bytes not in sizes:
            known = ", ".join(f"'hugetlb {format_size(size)}'" for size in sizes)
            raise ConfigError(
                f"backing: {geometry.name} has no leaf of {format_size(self.leaf_bytes)};"
                f" it has 'base' and {known}"
            )
        return sizes[self.leaf_bytes]

    def __str__(self) -> str:
        """Return the text that `parse_backing` reads."""
        return self.name if self.name == "base" else f"{self.name} {format_size(self.leaf_bytes)}"


BASE = Backing("base")


def parse_backing(text: str) -> Backing:
    """Read `'base'` or `'hugetlb SIZE'`.

    Raises
    ------
    ConfigError
        For anything else; a size alone is answered with the choices there are.

    Examples
    --------
    >>> parse_backing("hugetlb 2 MiB").leaf_bytes
    2097152
    """
    words = text.split(maxsplit=1)
    if words == ["base"]:
        return BASE
    if len(words) == 2 and words[0] == "hugetlb":
        return Backing("hugetlb", parse_size(words[1]))
    if re.fullmatch(r"[\d.]+\s*[kKMGT]?i?B", text.strip()):
        raise ConfigError(
            f"expected a backing, got only the size {text!r}; pages of one size behave differently by what"
            " they are made of: write 'base' for the base pages of the machine's paging, or 'hugetlb 2 MiB'"
            " or 'hugetlb 1 GiB' for huge pages that a write fault copies whole"
        )
    raise ConfigError(f"expected a backing, 'base' or 'hugetlb SIZE' such as 'hugetlb 2 MiB', got {text!r}")
