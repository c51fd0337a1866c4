"""Distinct pages under uniform writes: expectations and variances, and whether counts follow them.

In 50 digits, since the variances are small differences of terms as large as N squared.

References
----------
A. F. Cárdenas, Analysis and performance of inverted data base structures, CACM 18(5), 1975, for the
expectation; W. Feller, An introduction to probability theory and its applications, volume 1, IV.2,
for the occupancy problem that both come from.
"""

from decimal import Decimal, localcontext
from typing import NamedTuple

import numpy as np
from scipy.stats import chi2


class Law(NamedTuple):
    """Expectation and standard deviation of a count of pages."""

    mean: float
    sigma: float


def touched(pages: int, *writes: int) -> Law:
    """Return the law of how many of `pages` are written by every writer.

    Parameters
    ----------
    pages : int
    *writes : int
        Uniform writes of each writer; writers are independent.

    Notes
    -----
    With one writer, N (1 - (1 - 1/N)^W) and N (N-1) (1-2/N)^W + N (1-1/N)^W - N^2 (1-1/N)^(2W).
    """
    with localcontext(prec=50):
        one = two = Decimal(1)  # a page, or two given pages, are written by every writer
        for count in writes:
            one *= 1 - _missed(pages, 1, count)
            two *= 1 - 2 * _missed(pages, 1, count) + _missed(pages, 2, count)
        mean = pages * one
        variance = mean + pages * (pages - 1) * two - mean**2
        return Law(float(mean), float(variance.sqrt()))


def _missed(pages: int, given: int, writes: int) -> Decimal:
    """Return the probability that `writes` uniform writes all miss `given` pages."""
    return (1 - Decimal(given) / pages) ** writes


def assert_follows(law: Law, counts: list[int]) -> None:
    """Hold independent counts, one a seed, to `law`.

    One may lie beyond three standard deviations: with 30 seeds that happens to a true model in 8 % of all
    choices of seeds, two beyond in 0.3 %. The mean is held to three of its own standard deviations, and the
    spread to what 99.8 % of all choices keep, so that seeds that all give the same number do not pass.
    """
    scores = (np.array(counts) - law.mean) / law.sigma
    least, most = (chi2.ppf(share, len(scores)) for share in (0.001, 0.999))
    assert (np.abs(scores) > 3).sum() <= 1, f"expected counts near {law.mean}, got {counts}"
    assert abs(scores.mean()) < 3 / np.sqrt(len(scores)), f"expected a mean of {law.mean}, got {counts}"
    assert least < (scores**2).sum() < most, f"expected a spread of {law.sigma}, got {counts}"
