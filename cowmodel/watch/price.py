"""What a step costs, by parts: the operations of its work, each with its count and its share of the time."""

from collections.abc import Mapping
from dataclasses import dataclass

from cowmodel.cost.model import CostModel
from cowmodel.kernel.work import Work
from cowmodel.units import format_count, format_size


@dataclass(frozen=True)
class Part:
    """One kind of elementary operation.

    Attributes
    ----------
    what, count : str
        What was done, and how often, or how many bytes.
    cost_ps : float
    """

    what: str
    count: str
    cost_ps: float


def parts(costs: CostModel, works: Mapping[Work, int]) -> tuple[Part, ...]:
    """Return what was done, the dearest first; what is free is left out.

    Parameters
    ----------
    costs : CostModel
    works : mapping of Work to int
        How often each was done.
    """
    prices, counts = dict.fromkeys(Work._fields, 0.0), dict.fromkeys(Work._fields, 0)
    for work, times in works.items():
        for field, cost_ps in costs.parts_ps(work).items():
            prices[field] += cost_ps * times
            counts[field] += getattr(work, field) * times
    dear = sorted(prices, key=lambda field: -prices[field])
    return tuple(
        Part(_spoken(field), _counted(field, counts[field]), prices[field]) for field in dear if prices[field]
    )


def _spoken(field: str) -> str:
    return field.removesuffix("_bytes").replace("_", " ") + (" memory" if field.endswith("_bytes") else "")


def _counted(field: str, count: int) -> str:
    return format_size(count) if field.endswith("_bytes") else format_count(count)
