"""Prices from measurements: how much each kind of work must cost so that the sums come out right.

    measured time  =  sum of counts x prices  +  residual        prices at least 0, residuals relative

A curve is fitted at the sizes of its points; measurements between them count for both, as they lie in
logarithms. Terms that the measurements cannot tell apart are one term: the coarser of them has its price, and
the others nothing.

References
----------
Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35, 1964; Lawson, Hanson,
Solving least squares problems, 1974 (non-negative); Wu, Jackknife, bootstrap and other resampling methods in
regression analysis, Annals of Statistics 14, 1986 (wild bootstrap).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from cowmodel.cost.model import size_at_a_time
from cowmodel.kernel.work import Work

Floats = NDArray[np.float64]

CURVES: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("pte_entries", "entry_jumps"), (1 << 10, 1 << 16)),
    **dict.fromkeys(("drops", "drop_jumps"), (1 << 10, 1 << 13)),
    "pmd_entries": (1 << 6, 1 << 9),
    "filled_parts": ((1 << 4) - 1, (1 << 8) - 1),
}
"""Terms that are curves, and how many at a time their two points are for."""

_HUBER = 0.05  # relative residuals beyond this count less than by their square
_ROUNDS = 12
_ALIKE = 0.05  # a column whose rest, once the others are taken out, is smaller than this is none of its own
_OWN = 0.05  # a row of which less is free is all that a price was found from
_MISSES = 0.5, 2.0  # of microseconds, misses beyond these tell nothing
_PS_PER_NS = 1000


class Measured(NamedTuple):
    """What was done, and how long it took each time.

    Attributes
    ----------
    name : str
    works : Counter of Work
    ns : tuple of float
    """

    name: str
    works: Counter[Work]
    ns: tuple[float, ...]


class Term(NamedTuple):
    """A price to be found: of a field of work, and if that is a curve, at which of its two points."""

    field: str
    point: int | None = None


@dataclass(frozen=True)
class Fit:
    """What a fit comes to.

    Attributes
    ----------
    terms : list of Term
        Those that the measurements tell apart.
    prices_ps : float64[terms]
    draws_ps : float64[draws, terms]
        What the prices would have been, had the measurements been drawn anew.
    contained : dict of str to list of str
        Fields without a price of their own, and those that contain it.
    rows : list of Measured
    predicted_ns : float64[rows]
    condition : float
        Of the matrix of counts, its columns brought to one length: how much errors may grow.
    parts : float64[rows, terms]
        Which share of its measured time each term has in each prediction.
    """

    terms: list[Term]
    prices_ps: Floats
    draws_ps: Floats
    contained: dict[str, list[str]]
    rows: list[Measured]
    predicted_ns: Floats
    condition: float
    parts: Floats

    @property
    def measured_ns(self) -> Floats:
        """Medians, float64[rows]."""
        medians: Floats = np.array([np.median(row.ns) for row in self.rows])
        return medians

    @property
    def residuals(self) -> Floats:
        """By how much of the measured time each prediction is too long, float64[rows]."""
        return self.predicted_ns / self.measured_ns - 1

    @property
    def noise(self) -> Floats:
        """How far the medians may be off by chance, as shares of them, float64[rows] (one standard error)."""
        return np.array([_noise(row) for row in self.rows])

    @property
    def left_out(self) -> Floats:
        """By which factor each prediction would miss had its row not been fitted, float64[rows].

        NaN for a row without which a price would be unknown.
        """
        q, _ = np.linalg.qr(self.parts[:, self.prices_ps > 0] * np.sqrt(_repeatable(self.noise))[:, None])
        free = 1 - np.sum(q**2, axis=1)
        without = 1 + self.residuals / np.maximum(free, _OWN)
        factors: Floats = np.clip(1 / np.maximum(without, 1 / _MISSES[1]), *_MISSES)
        return np.where(free > _OWN, factors, np.nan)

    @property
    def misfits(self) -> list[str]:
        """Rows that prices which are the same for all cannot explain: off by much more than noise."""
        off = (np.abs(self.residuals) > 0.1) & (np.abs(self.residuals) > 4 * self.noise)
        return [row.name for row, is_off in zip(self.rows, off, strict=True) if is_off]


def fit(rows: Sequence[Measured], order: Sequence[str], draws: int = 100, seed: int = 0) -> Fit:
    """Find the prices.

    Parameters
    ----------
    rows : sequence of Measured
        None of which took no time at all.
    order : sequence of str
        Fields of work that may have a price; of those that cannot be told apart, the first does.
    draws : int
        Of the bootstrap.
    seed : int

    Returns
    -------
    Fit
    """
    terms = [term for field in order for term in _terms(field)]
    counts = np.array([[_count(row.works, term) for term in terms] for row in rows])
    measured = np.array([np.median(row.ns) for row in rows]) * _PS_PER_NS
    scaled = counts / measured[:, None]
    kept, contained = _apart(scaled, terms)
    matrix = scaled[:, kept]
    sure = _repeatable(np.array([_noise(row) for row in rows]))
    prices = _solve(matrix, np.ones(len(rows)), sure)
    predicted = matrix @ prices
    rng = np.random.default_rng(seed)
    drawn = [_solve(matrix, _drawn_anew(rows, predicted, rng), sure) for _ in range(draws)]
    lengths = np.linalg.norm(matrix, axis=0)
    condition = float(np.linalg.cond(matrix / np.where(lengths > 0, lengths, 1)))
    found = [terms[at] for at in kept]
    predicted_ns = predicted * measured / _PS_PER_NS
    return Fit(
        found, prices, np.array(drawn), contained, list(rows), predicted_ns, condition, matrix * prices
    )


def _terms(field: str) -> list[Term]:
    return [Term(field, 0), Term(field, 1)] if field in CURVES else [Term(field)]


def _count(works: Mapping[Work, int], term: Term) -> float:
    """Return how often a term occurs; of a curve's point, the share that is near it."""
    counts = ((work, times * int(getattr(work, term.field))) for work, times in works.items())
    return sum(count * _share(work, term) for work, count in counts if count)


def _share(work: Work, term: Term) -> float:
    if term.point is None:
        return 1.0
    low, high = CURVES[term.field]
    size = min(max(size_at_a_time(work, term.field), low), high)
    upper = log(size / low) / log(high / low)
    return upper if term.point else 1 - upper


def _apart(scaled: Floats, terms: Sequence[Term]) -> tuple[list[int], dict[str, list[str]]]:
    """Return the columns that are not nearly sums of columns before them, and what contains the others."""
    kept, contained = list[int](), dict[str, list[str]]()
    for at, term in enumerate(terms):
        column = scaled[:, at]
        if not (length := np.linalg.norm(column)):
            continue
        before = scaled[:, kept]
        shares = np.linalg.lstsq(before, column, rcond=None)[0] if kept else np.zeros(0)
        if np.linalg.norm(column - before @ shares) > _ALIKE * length:
            kept.append(at)
        else:
            within = {terms[kept[i]].field for i in np.flatnonzero(np.abs(shares) > 1e-6)} - {term.field}
            contained[term.field] = sorted(within)
    return kept, contained


def _noise(row: Measured) -> float:
    """Return how far the median of a row may be off by chance, as a share of it (one standard error)."""
    median = np.median(row.ns)
    spread = 1.4826 * np.median(np.abs(np.array(row.ns) - median))
    return float(1.2533 * spread / np.sqrt(len(row.ns)) / median)


def _repeatable(noise: Floats) -> Floats:
    """Return the weight of each row: less than 1 so far as chance outweighs what prices cannot explain."""
    weights: Floats = 1 / (1 + (noise / _HUBER) ** 2)
    return weights


def _solve(matrix: Floats, wanted: Floats, sure: Floats) -> Floats:
    """Return the prices, at least 0, with the least robust sum of squared relative residuals.

    `sure` are the weights of rows, float64[rows].
    """
    scale = np.linalg.norm(matrix, axis=0)
    weights = sure
    solution = np.zeros(matrix.shape[1])
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        solution = nnls(matrix / scale * root[:, None], wanted * root)[0] / scale
        residuals = np.abs(matrix @ solution - wanted)
        weights = sure * _HUBER / np.maximum(residuals, _HUBER)
    return np.maximum(solution, 0.0)


def _drawn_anew(rows: Sequence[Measured], predicted: Floats, rng: np.random.Generator) -> Floats:
    """Return the times, as shares of those measured, of measurements drawn anew.

    Repetitions are drawn with replacement, for what varies from one to the next; what the prices do not
    explain comes with either sign, for what varies from one kind of measurement to the next.
    """
    again = [np.median(rng.choice(row.ns, len(row.ns))) / np.median(row.ns) for row in rows]
    signs = rng.choice([-1.0, 1.0], len(rows))
    misses = np.clip(1 - predicted, -0.5, 0.5)
    drawn: Floats = np.array(again) * (predicted + signs * misses)
    return np.maximum(drawn, 0.05)
