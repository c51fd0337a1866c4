"""Backings: what a mapping is made of. A size alone does not say it, so every mapping names its backing.

The ways to have 2 MiB pages differ by orders of magnitude under copy-on-write: a write to a shared
hugetlb page copies 2 MiB, a write to a transparent huge page splits it and copies 4 KiB.
"""

import re
from dataclasses import dataclass

from cowmodel.errors import ConfigError
from cowmodel.hardware.folios import LEAST_ORDER
from cowmodel.hardware.paging import Geometry
from cowmodel.kernel.choices import CopyPolicy
from cowmodel.units import format_size, parse_size

_HUGE_LEVEL = 2  # of the leaf that maps a transparent huge page


@dataclass(frozen=True)
class Backing:
    """What a mapping is made of.

    Parameters
    ----------
    name : {'base', 'hugetlb', 'thp', 'mthp'}
    leaf_bytes : int
        Bytes of a hugetlb page; 0 for base pages, whose size the machine's paging decides.
    folio_bytes : tuple of int
        Bytes of the folios, larger than a page, that faults may fill, for `mthp`.
    """

    name: str
    leaf_bytes: int = 0
    folio_bytes: tuple[int, ...] = ()

    def level(self, geometry: Geometry) -> int:
        """Return the level of this backing's leafs; of folios, that of the single pages they may be split to.

        Raises
        ------
        ConfigError
            If `geometry` has no leaf of that size.
        """
        if self.name != "hugetlb":
            return 1
        sizes = {geometry.leaf_bytes(level): level for level in geometry.leaf_levels if level > 1}
        if self.leaf_bytes not in sizes:
            known = ", ".join(f"'hugetlb {format_size(size)}'" for size in sizes)
            raise ConfigError(
                f"backing: {geometry.name} has no leaf of {format_size(self.leaf_bytes)};"
                f" it has 'base' and {known}"
            )
        return sizes[self.leaf_bytes]

    def orders(self, geometry: Geometry) -> tuple[int, ...]:
        """Return the orders of the folios that faults may fill, the largest first.

        Raises
        ------
        ConfigError
            If a size is not 4 pages, or twice as many, and so on up to a leaf of level 2.
        """
        highest = geometry.shifts[_HUGE_LEVEL]
        if self.name == "thp":
            return (highest,)
        allowed = {geometry.page_bytes << order: order for order in range(LEAST_ORDER, highest + 1)}
        for size in self.folio_bytes:
            if size not in allowed:
                known = ", ".join(map(format_size, allowed))
                raise ConfigError(
                    f"backing: {geometry.name} has no folio of {format_size(size)}; it has {known}"
                )
        return tuple(sorted((allowed[size] for size in self.folio_bytes), reverse=True))

    def check_policy(self, policy: CopyPolicy) -> None:
        """Refuse a policy that large folios cannot be combined with.

        Raises
        ------
        ConfigError
        """
        if self.name in ("thp", "mthp") and policy.seeks_last_sharer():
            raise ConfigError(
                f"backing: expected 'base' or 'hugetlb SIZE', got {str(self)!r} with a policy that looks for"
                " last sharers; which process shares a part of a large folio last is not known to a kernel"
            )

    def alignment(self, geometry: Geometry) -> int:
        """Return to how many pages a mapping is aligned if nobody says where it is to be."""
        return max(geometry.leaf_pages(self.level(geometry)), 1 << max(self.orders(geometry), default=0))

    def __str__(self) -> str:
        """Return the text that `parse_backing` reads."""
        sizes = self.folio_bytes or (self.leaf_bytes,) * (self.leaf_bytes > 0)
        return " ".join([self.name, " + ".join(map(format_size, sizes))]).strip()


BASE = Backing("base")
THP = Backing("thp")


def parse_backing(text: str) -> Backing:
    """Read `'base'`, `'thp'`, `'mthp SIZE'` (or several, `SIZE + SIZE`), or `'hugetlb SIZE'`.

    Raises
    ------
    ConfigError
        For anything else; a size alone is answered with the choices there are.

    Examples
    --------
    >>> parse_backing("hugetlb 2 MiB").leaf_bytes
    2097152
    >>> parse_backing("mthp 64 KiB").folio_bytes
    (65536,)
    """
    words = text.split(maxsplit=1)
    if words in (["base"], ["thp"]):
        return Backing(words[0])
    if len(words) == 2 and words[0] == "hugetlb":
        return Backing("hugetlb", parse_size(words[1]))
    if len(words) == 2 and words[0] == "mthp":
        return Backing("mthp", folio_bytes=tuple(map(parse_size, words[1].split("+"))))
    if re.fullmatch(r"[\d.]+\s*[kKMGT]?i?B", text.strip()):
        raise ConfigError(
            f"expected a backing, got only the size {text!r}; pages of one size behave differently by what"
            " they are made of: write 'base' for the base pages of the machine's paging, 'thp' for"
            " transparent huge pages that a write splits, 'mthp 64 KiB' for folios of several pages, or"
            " 'hugetlb 2 MiB' or 'hugetlb 1 GiB' for huge pages that a write fault copies whole"
        )
    raise ConfigError(
        "expected a backing, 'base', 'thp', 'mthp SIZE' such as 'mthp 64 KiB', or 'hugetlb SIZE' such as"
        f" 'hugetlb 2 MiB', got {text!r}"
    )
