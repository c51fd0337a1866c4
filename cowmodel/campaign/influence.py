"""Which parameters move a metric: an experiment with a table ``[sensitivity]`` in the place of its sweep.

::

    [sensitivity]
    of = ["fork_us.mean"]                # the metrics
    method = "sobol"                     # or "morris", for a first look at many parameters
    points = 128                         # of Sobol's sequence, or trajectories; times 2 + parameters in runs
    seed = 1
    scale = "log"
    ranges = { "machine.factors.pte_entries" = [0.5, 2.0], "workload.heap" = ["64 MiB", "1 GiB"] }
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from cowmodel.campaign.design import by_path
from cowmodel.campaign.recipe import Recipe, run_of
from cowmodel.campaign.sampling import Box, Sample, spans
from cowmodel.campaign.sensitivity import Morris, Sobol
from cowmodel.experiment.document import Document

if TYPE_CHECKING:
    import pandas as pd


class Sensitivity(Box):
    """The table of a sensitivity analysis."""

    of: tuple[str, ...] = Field(min_length=1, description="the metrics that parameters move")
    method: Literal["sobol", "morris"] = Field("sobol", description="shares of variance, or sizes of effects")

    @property
    def design(self) -> Sobol | Morris:
        """The design whose rows are run."""
        return (Sobol if self.method == "sobol" else Morris)(self.points, self.seed)

    def rows(self, where: str) -> Iterator[tuple[str, Document]]:
        """Go through the points to run, in the order of the design.

        Yields
        ------
        place, values
            The table, for messages, and the value at each path.

        Raises
        ------
        ConfigError
            If a range is none, or the design is none.
        """
        place = f"{where}: sensitivity"
        ranges = spans(self, by_path(self.ranges), place)
        for values in Sample(ranges, self.design.design(len(ranges)), self.scale):
            yield place, dict(zip(ranges, values, strict=True))

    def table(self, recipe: Recipe, summary: "pd.DataFrame") -> "pd.DataFrame | None":
        """Return how much each parameter moves each metric; None while runs are missing.

        Parameters
        ----------
        summary : DataFrame
            A row a run, with its name in the column `run`.

        Raises
        ------
        ConfigError
            If no parameter moves a metric.
        """
        import pandas as pd

        points = [values for _, values in self.rows("")]
        names = [run_of(recipe.key(recipe.configuration(values)), values, 0).name for values in points]
        runs = summary.set_index("run")
        if not set(names) <= set(runs.index):
            return None
        tables = [
            self.design.table(list(points[0]), runs.loc[names, metric].tolist()).assign(metric=metric)
            for metric in self.of
        ]
        return pd.concat(tables, ignore_index=True)
