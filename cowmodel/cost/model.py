"""The cost model: one price for each field of `Work`; the cost of work is the sum of counts times prices.

Terms of a fault              traps, allocations, zeroed and copied bytes, releases of old frames, flips ...
and of memory beyond caches   cold_frames, far_doublings
Terms of fork and exit        entries and parts of folios, how many frames are out of order, table pages ...
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np

from cowmodel.cost.price import LACKING, NORMAL_95, Price
from cowmodel.errors import ConfigError, suggest
from cowmodel.kernel.work import Work

OF_LEAFS = ("allocations", "zeroed_bytes", "copied_bytes")
"""Fields whose curve is over the bytes of a leaf; that of others is over how many there are at a time."""

Draws = Mapping[str, Sequence[Sequence[float]]]
"""By field of work, its price in ps in each of the draws, at each point of a curve.

The fields of one draw belong together.
"""


def stream_of_draw(number: int, name: str) -> np.random.Generator:
    """Return the random stream of one uncertain thing in one draw: the same whatever else is drawn."""
    return np.random.default_rng([number, zlib.crc32(name.encode())])


def size_at_a_time(work: Work, field: str) -> float:
    """Return the size that a curve of `field` is over: bytes of a leaf, all alike, or how many of a kind."""
    if field in OF_LEAFS:
        return (work.zeroed_bytes + work.copied_bytes) / max(1, work.allocations)
    return float(getattr(work, field))


def _times(draws: Sequence[Sequence[float]], factor: float) -> Sequence[Sequence[float]]:
    return draws if factor == 1 else [[value * factor for value in draw] for draw in draws]


class CostModel:
    """Turns work into time.

    Parameters
    ----------
    name, machine : str
    prices : mapping of str to Price
        One for each field of `Work`.
    draws : mapping of str to sequence of sequences of float, optional
        What the fitted prices would have been, in ps, had the measurements been drawn anew (bootstrap).
    unbacked : float
        Share of the memory that is zeroed or copied to whose frames the host of a guest does not back yet.
    drift : float
        All prices together move by up to this share up, or as much down, in 90 % of cases.
    """

    def __init__(
        self,
        name: str,
        machine: str,
        prices: Mapping[str, Price],
        draws: Draws | None = None,
        unbacked: float = 0.0,
        drift: float = 0.0,
    ) -> None:
        self.name, self.machine, self.draws = name, machine, draws or {}
        self.unbacked, self.drift = unbacked, drift
        self.prices = {field: prices[field] for field in Work._fields}
        self.cost_ps = cache(self._cost_ps)  # few different works occur, most of them millions of times
        self._values = [price.value_ps for price in self.prices.values()]
        self._curves = [field for field, price in self.prices.items() if price.points]

    def _cost_ps(self, work: Work) -> int:
        """Return the time that `work` takes, in whole picoseconds."""
        work = self._on_the_host(work)
        cost = sum(count * value for count, value in zip(work, self._values, strict=True))
        for field in self._curves:
            if count := getattr(work, field):
                price = self.prices[field]
                cost += count * (price.at(size_at_a_time(work, field)) - price.value_ps)
        return round(cost)

    def parts_ps(self, work: Work) -> dict[str, float]:
        """Return the share of each field of `work` in its time, ps; in sum, rounded, `cost_ps`."""
        work = self._on_the_host(work)
        done = [(field, count) for field, count in work._asdict().items() if count]
        return {field: count * self.prices[field].at(size_at_a_time(work, field)) for field, count in done}

    def _on_the_host(self, work: Work) -> Work:
        """Return `work` with what of its memory the host does not back."""
        return work._replace(unbacked_bytes=round(self.unbacked * (work.zeroed_bytes + work.copied_bytes)))

    @property
    def assumed(self) -> list[str]:
        """Fields whose price nobody measured."""
        return [field for field, price in self.prices.items() if price.assumed]

    @property
    def lacking(self) -> list[str]:
        """Fields that are free, or cost what a coarser one does, since the preset has no such term."""
        return [field for field, price in self.prices.items() if price.lacking]

    @property
    def uncertain(self) -> bool:
        """Whether it says how sure its prices are; the intervals of mere assumptions do not."""
        measured = [price.interval_ps for price in self.prices.values() if not price.assumed]
        return bool(self.draws) or self.drift > 0 or any(measured)

    def adapted(
        self,
        without: Iterable[str] = (),
        unbacked: float = 0.0,
        factors: Mapping[str, float] | None = None,
    ) -> "CostModel":
        """Return the model with some terms switched off, some dearer, and memory that the host does not back.

        Parameters
        ----------
        without : iterable of str
            Fields of work that are free.
        unbacked : float
            Share of new memory that no host backs yet.
        factors : mapping of str to float
            By field of work, what its price is multiplied with.

        Raises
        ------
        ConfigError
            If one is not a field of work.
        """
        off, dearer = set(without), factors or {}
        for field in (off | dearer.keys()) - self.prices.keys():
            raise ConfigError(suggest("term", field, list(self.prices)))
        free = {field: Price(0.0, f"{LACKING}: switched off") for field in off}
        scaled = {field: self.prices[field].scaled(factor) for field, factor in dearer.items()}
        draws = {field: _times(values, dearer.get(field, 1.0)) for field, values in self.draws.items()}
        kept = {field: values for field, values in draws.items() if field not in off}
        return CostModel(self.name, self.machine, self.prices | scaled | free, kept, unbacked, self.drift)

    def drawn(self, number: int) -> "CostModel":
        """Return the model with prices as they may be as well.

        Those that were fitted together are drawn together, others each from its interval, and a drift moves
        all. The same number draws the same deviations for every preset.
        """
        level = (1 + self.drift) ** (stream_of_draw(number, "drift").standard_normal() / NORMAL_95)
        prices = {}
        for field, price in self.prices.items():
            prices[field] = self._drawn_price(field, price, number).scaled(level)
        return CostModel(self.name, self.machine, prices, unbacked=self.unbacked)

    def _drawn_price(self, field: str, price: Price, number: int) -> Price:
        if values := self.draws.get(field):
            return price.moved_to(values[number % len(values)])
        if price.interval_ps is None:
            return price
        return price.at_deviation(stream_of_draw(number, field).standard_normal())
