"""Results for a notebook or a script: what a sweep has left, as data frames."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cowmodel.campaign.store import MARK, Store
from cowmodel.campaign.tables import compared
from cowmodel.errors import ConfigError, suggest

if TYPE_CHECKING:
    import pandas as pd


class Results:
    """The results of one experiment.

    Parameters
    ----------
    folder : Path
        Such as ``results/fork-latency``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._store = folder, Store(folder)

    @cached_property
    def _runs(self) -> "pd.DataFrame":
        import pandas as pd

        path = self.folder / "summary.parquet"
        if not path.exists():
            raise ConfigError(f"{path}: not there yet; run `cowmodel sweep {self.folder.name}` first")
        return pd.read_parquet(path)

    def frame(self) -> "pd.DataFrame":
        """Return a row a run: what is varied, replication, run, metrics; units are in the names.

        Raises
        ------
        ConfigError
            If no sweep has collected them yet.
        """
        return self._runs.copy()

    @property
    def varied(self) -> list[str]:
        """The paths that the experiment varies."""
        return [str(name) for name in self._runs.loc[:, :"replication"]][:-1]

    def events(self, run: str, table: str = "faults") -> "pd.DataFrame":
        """Return a table of one run.

        Parameters
        ----------
        run : str
            Its name, from the column `run` of `frame`.
        table : str
            One of those that the experiment keeps (``tables`` in its file).

        Raises
        ------
        ConfigError
            If there is no such run, or it has no such table.
        """
        import pandas as pd

        folder = self._store.runs / run
        if not folder.is_dir():
            raise ConfigError(f"{folder}: no such run here; `cowmodel sweep {self.folder.name}` makes it")
        if not (path := folder / f"{table}.parquet").exists():
            kept = sorted(file.stem for file in folder.glob("*.parquet"))
            raise ConfigError(
                f"{suggest(str(folder), table, kept)}; say tables = [{table!r}] in the experiment"
            )
        return pd.read_parquet(path)

    def compare(self, path: str, metric: str) -> "pd.DataFrame":
        """Compare each two values at a path, such as ``policy.copy``, replication by replication.

        Returns
        -------
        DataFrame
            See `cowmodel.campaign.tables.compared`.

        Raises
        ------
        ConfigError
            If there is no such path or metric.
        """
        return compared(self._runs, self.varied, path, metric)


def open_results(path: str | Path) -> Results:
    """Open the results of an experiment.

    Raises
    ------
    ConfigError
        If the folder holds something else, or was written by a newer version.
    """
    folder = Path(path)
    if not (folder / MARK).exists():
        raise ConfigError(
            f"{folder}: expected a folder of results with a {MARK}, such as results/fork-latency"
        )
    Store(folder).check()
    return Results(folder)
