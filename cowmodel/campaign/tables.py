"""From one row a run to one row a point, with intervals; and from two policies to their difference."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from cowmodel.campaign.statistics import holm, mean, paired, quantile
from cowmodel.errors import ConfigError, suggest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def statistics(
    summary: "pa.Table", varied: Sequence[str], metrics: Sequence[str], quantiles: Sequence[float] = ()
) -> "pd.DataFrame":
    """Return a row a point and metric: n, mean and its 95 % interval, quantiles and theirs.

    Raises
    ------
    ConfigError
        If there is no metric of a name.
    """
    import pandas as pd

    if unknown := [name for name in metrics if name not in summary.column_names]:
        raise ConfigError(suggest("metrics", unknown[0], summary.column_names))
    runs = summary.select([*dict.fromkeys([*varied, *metrics])]).to_pandas()
    rows = []
    for _, group in _groups(runs, varied):
        for metric in metrics:
            values = group[metric].dropna().astype(float).tolist()
            row = dict(zip(varied, group.iloc[0][list(varied)], strict=True)) | {"metric": metric}
            found = mean(values)
            row |= {"n": found.n, "mean": found.estimate, "mean_low": found.low, "mean_high": found.high}
            for share in quantiles:
                at = quantile(values, share)
                name = f"p{100 * share:g}"
                row |= {name: at.estimate, f"{name}_low": at.low, f"{name}_high": at.high}
            rows.append(row)
    return pd.DataFrame(rows)


def _groups(runs: "pd.DataFrame", paths: Sequence[str]) -> Iterable[tuple[Any, "pd.DataFrame"]]:
    """Go through the runs of each combination of values at some paths, in the order in which they come."""
    if not paths:
        return [((), runs)]
    return runs.groupby(list(paths), sort=False, dropna=False)


def compared(runs: "pd.DataFrame", varied: Sequence[str], path: str, metric: str) -> "pd.DataFrame":
    """Compare each two values at a path, replication by replication.

    Replications with one number have the same random streams whatever the value, so that differences are much
    surer than what they are differences of. All comparisons are one family (Holm).

    Returns
    -------
    DataFrame
        A row a pair and point: first, second, n, difference (second less first), low, high, narrower (how
        many times wider the interval were with streams of their own), p, p_holm.

    Raises
    ------
    ConfigError
        If there is no such path or metric.
    """
    import pandas as pd

    for what, name, shelf in (("path", path, list(varied)), ("metric", metric, [str(name) for name in runs])):
        if name not in shelf:
            raise ConfigError(suggest(what, name, shelf))
    others = [name for name in varied if name != path]
    rows = []
    for _, group in _groups(runs, others):
        values = {
            value: one.set_index("replication")[metric].dropna().astype(float)
            for value, one in group.groupby(path, sort=False, dropna=False)
        }
        for (first, ours), (second, theirs) in combinations(values.items(), 2):
            both = ours.index.intersection(theirs.index)
            found = paired(ours[both].tolist(), theirs[both].tolist())
            rows.append(
                dict(zip(others, group.iloc[0][others], strict=True))
                | {"metric": metric, "first": first, "second": second, "n": found.difference.n}
                | {"difference": found.difference.estimate, "low": found.difference.low}
                | {"high": found.difference.high, "narrower": found.narrower, "p": found.p}
            )
    table = pd.DataFrame(rows)
    if len(table):
        table["p_holm"] = holm(table["p"].tolist())
    return table
