"""What a worker does: make one run within its limits, and tell how that ended.

Nothing that goes wrong with a run is raised, so that no run stops another and no exception has to travel
between machines; only what the next run would meet as well, such as a full disk, is.
"""

import traceback
from pathlib import Path
from typing import NamedTuple

from cowmodel.campaign.limits import Limits, OverTime, limited
from cowmodel.campaign.recipe import Package, Recipe, Run
from cowmodel.campaign.store import Failure, commit
from cowmodel.errors import ConfigError, SimulationError
from cowmodel.units import format_duration, format_size


class Job(NamedTuple):
    """How a worker makes runs; picklable.

    Attributes
    ----------
    runs : Path or None
        The folder that the worker writes them to; None to hand them back.
    """

    recipe: Recipe
    limits: Limits
    runs: Path | None

    def done(self, run: Run) -> Package | Failure | None:
        """Make a run, and return why it could not be made, or its files, or None where they are on disk.

        Raises
        ------
        OSError
            If it cannot be written, with its path.
        """
        package = self._made(run)
        if self.runs is None or isinstance(package, Failure):
            return package
        commit(self.runs, run.name, package)
        return None

    def _made(self, run: Run) -> Package | Failure:
        """Make a run, and return its files or why it could not be made."""
        try:
            with limited(self.limits):
                return self.recipe.made(run)
        except SimulationError as problem:
            return Failure("simulation", str(problem))
        except ConfigError as problem:
            return Failure("configuration", str(problem))
        except OverTime:
            return Failure("time", f"took longer than {format_duration(self.limits.time_ps or 0)}")
        except MemoryError:
            most = self.limits.memory_bytes
            asked = f"more than {format_size(most)}" if most else "more than there is"
            return Failure("memory", f"asked for {asked} of memory")
        except OSError:
            raise
        except Exception as error:  # a mistake in the code: the other runs may well be right
            *_, place = traceback.extract_tb(error.__traceback__)
            what = f"{type(error).__name__}: {error}"
            return Failure("error", f"{Path(place.filename).name}:{place.lineno}: {what}")
