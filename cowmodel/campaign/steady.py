"""Metrics of the steady part of a run: the mean of a column of one of its tables, without its beginning.

::

    [[steady]]
    name = "latency_ps.steady"
    of = "windows.p50_ps"        # a table of a run, and a column of it

The beginning is left out as MSER-5 finds it (`cowmodel.campaign.stopping.warm_up`); of a series that goes on
changing there is no steady part, and the cell of the metric stays empty.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from cowmodel.campaign.stopping import warm_up
from cowmodel.errors import ConfigError, suggest
from cowmodel.workload.parameters import Parameters

if TYPE_CHECKING:
    import pandas as pd


class Steady(Parameters):
    """One ``[[steady]]`` of an experiment."""

    name: str = Field(description="the name of the metric; its unit is in it")
    of: str = Field(pattern=r"^\w+\.\w+$", description="table.column of a run, such as windows.p50_ps")

    def value(self, tables: "Mapping[str, pd.DataFrame]") -> float | None:
        """Return the metric of a run; None where it has no steady part.

        Raises
        ------
        ConfigError
            If the run has no such table or column.
        """
        table, _, column = self.of.partition(".")
        if table not in tables:
            raise ConfigError(suggest(f"steady {self.name}: of", table, tables))
        if column not in tables[table]:
            raise ConfigError(suggest(f"steady {self.name}: of", column, [str(one) for one in tables[table]]))
        series = tables[table][column].dropna().to_numpy(float)
        first = warm_up(series)
        return None if first is None else float(series[first:].mean())
