"""What a calibration came to, in lines for people: prices, how well they fit, and what they cannot tell."""

from collections.abc import Iterator

import numpy as np

from cowmodel.cost.fit import CURVES, Fit, Term
from cowmodel.cost.model import CostModel
from cowmodel.live.calibrate import Calibration


def account(found: Calibration, costs: CostModel, guest: bool, tells_frames: bool) -> Iterator[str]:
    """Yield lines.

    Parameters
    ----------
    found : Calibration
    costs : CostModel
        The preset that was written from it.
    guest : bool
        Whether this is a virtual machine.
    tells_frames : bool
        Whether it was seen which frames are out of order.
    """
    yield from _prices(found.fit)
    yield from _quality(found)
    yield from _limits(found, costs)
    for name, reason in found.skipped.items():
        yield f"skipped: {name}: {reason}"
    if guest:
        yield "a virtual machine: a walk of page tables is nested, and the host may be busy with others"
    if not tells_frames:
        yield "frames are not told without root: those of a fork are taken to be in order"


def _prices(found: Fit) -> Iterator[str]:
    ends = np.quantile(found.draws_ps, (0.05, 0.95), axis=0)
    yield f"{'price':<24}{'ns':>14}  90 % interval"
    for term, ps, low, high in zip(found.terms, found.prices_ps, *ends, strict=True):
        yield f"{_spoken(term):<24}{ps / 1000:>14,.4f}  {low / 1000:,.4f} to {high / 1000:,.4f}"


def _spoken(term: Term) -> str:
    """Name a term; of a curve, with the size that this price is for."""
    return term.field if term.point is None else f"{term.field} at {CURVES[term.field][term.point]:,}"


def _quality(found: Calibration) -> Iterator[str]:
    off = np.abs(found.fit.residuals)
    middle, most = np.quantile(off, (0.5, 0.9))
    yield f"residuals of {len(off)} steps: median {middle:.1%}, 90 % below {most:.1%}"
    yield f"condition number {found.fit.condition:.1f}; rounds as a whole differ by {found.drift:.1%}"
    by_name = {row.name: miss for row, miss in zip(found.fit.rows, found.fit.residuals, strict=True)}
    for name in found.fit.misfits:
        yield f"off by more than its noise: {name}: {by_name[name]:+.0%}"


def _limits(found: Calibration, costs: CostModel) -> Iterator[str]:
    own = {term.field for term in found.fit.terms}
    for field, others in found.fit.contained.items():
        part = " in part" if field in own else ""
        yield f"not told apart: {field}, contained{part} in {', '.join(others) or 'its other point'}"
    if assumed := costs.assumed:
        yield f"not measured, assumed: {', '.join(assumed)}"
