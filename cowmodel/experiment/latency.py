"""How long requests took: percentiles, their distribution, and how both change with time.

A request belongs to the phase `during` if any part of its time lies between the start of the first fork and
the end of the last exit of a forked child; else to what is `before` that, or `after`.

before   |--arrival--end--|
during               |--arrival----end--|           a request that waited for the fork, or met the saver
after                                    |--arrival--end--|
         ..................fork ... exit..................
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from cowmodel.hardware.paging import Numbers
from cowmodel.records import Records

if TYPE_CHECKING:
    import pandas as pd

PHASES = "before", "during", "after"
_PS_PER_US = 10**6
_RANKS = {"p50": 50_000, "p90": 90_000, "p99": 99_000, "p99.9": 99_900, "max": 100_000}  # of 100,000
_SHARES = np.r_[2_000:98_000:2_000, 98_000:99_900:100, 99_900:100_001:10]  # of 100,000
_NEVER_PS = 1 << 62


def summary(records: Records) -> dict[str, Any]:
    """Return what requests took, all and by phase; nothing if there were none.

    A percentile is the least latency that at least that share of the requests does not exceed. The
    utilisation is the share of time, until the last request is over, in which a thread answered one.
    """
    columns = records.request_columns()
    if not len(columns["thread"]):
        return {}
    latency, phase = columns["end_ps"] - columns["arrival_ps"], _phase(columns, records)
    parts = {"all": latency} | {name: latency[phase == number] for number, name in enumerate(PHASES)}
    served = columns["end_ps"] - columns["start_ps"]
    span = (columns["end_ps"].max() - columns["arrival_ps"].min()) * len(np.unique(columns["thread"]))
    return {
        "requests": {name: len(part) for name, part in parts.items()},
        "latency_us": {name: _percentiles(np.sort(part)) for name, part in parts.items()},
        "waiting_us": {"mean": float((latency - served).mean()) / _PS_PER_US},
        "service_us": {"mean": float(served.mean()) / _PS_PER_US},
        "utilisation": float(served.sum() / span),
    }


def latency_table(records: Records) -> "pd.DataFrame":
    """Return the distribution of each phase: the latency that so much of 100 % does not exceed."""
    import pandas as pd  # costs what a small run does

    columns = records.request_columns()
    latency, phase = columns["end_ps"] - columns["arrival_ps"], _phase(columns, records)
    parts = [pd.DataFrame({"phase": [], "percent": [], "latency_ps": []})]
    for number, name in enumerate(PHASES):
        if count := int((phase == number).sum()):
            ordered = np.sort(latency[phase == number])
            at = {"percent": _SHARES / 1000, "latency_ps": ordered[_rank(count, _SHARES)]}
            parts.append(pd.DataFrame({"phase": name} | at))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def window_table(records: Records, window_ps: int) -> "pd.DataFrame":
    """Return, for all windows of time in which requests arrived, how many these were and what they took."""
    import pandas as pd

    columns = records.request_columns()
    latency, window = columns["end_ps"] - columns["arrival_ps"], columns["arrival_ps"] // window_ps
    ordered = latency[np.lexsort((latency, window))]
    windows, first, count = np.unique(window, return_index=True, return_counts=True)
    ranked = {f"p{share // 1000}_ps": ordered[first + _rank(count, share)] for share in (50_000, 99_000)}
    most = {"max_ps": ordered[first + count - 1]}
    return pd.DataFrame({"time_ps": windows * window_ps, "requests": count} | ranked | most)


def _phase(columns: dict[str, Numbers], records: Records) -> Numbers:
    """Return the place in `PHASES` of each request."""
    forks = [row for row in records.actions if row.action == "fork"]
    children = {row.child for row in forks}
    exits = [row for row in records.actions if row.action == "exit" and row.pid in children]
    began = min((row.time_ps for row in forks), default=_NEVER_PS)
    over = max((row.time_ps + row.cost_ps for row in exits), default=_NEVER_PS)
    return (columns["end_ps"] > began).astype(np.int64) + (columns["arrival_ps"] >= over)


def _percentiles(ordered: Numbers) -> dict[str, float | None]:
    """Return mean and percentiles in us of what is in order; nothing of nothing."""
    if not len(ordered):
        return dict.fromkeys(["mean", *_RANKS])
    ranked = ordered[_rank(len(ordered), np.array(list(_RANKS.values())))] / _PS_PER_US
    return {"mean": float(ordered.mean()) / _PS_PER_US} | dict(zip(_RANKS, ranked.tolist(), strict=True))


def _rank(count: Numbers | int, share: Numbers | int) -> Numbers:
    """Return the place, in order, of the least that at least a share (of 100,000) does not exceed."""
    return np.asarray(-(-count * share // 100_000) - 1)
