"""A scenario in simulated time: its processes take turns, and what `par` puts together runs at the same time.

    P0   |--map--|--touch--|--fork--|               |--write--|--exit
    P1                              |-----write-----|               a step begins when the one before is over

Each access line is one burst, of accesses of one byte. A group of `par` begins at the same time, on as many
cores as there are; `cpu=` is not heeded. An access line ends before what would be a segmentation fault, as
where a program handles the signal. Whoever is alive at the end exits, and parents wait for their children.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from cowmodel.errors import ConfigError, suggest
from cowmodel.hardware.paging import Geometry
from cowmodel.kernel.backing import Backing
from cowmodel.program import Activity, Program
from cowmodel.scenario.backings import backing
from cowmodel.scenario.read import read_scenario, shipped
from cowmodel.scenario.steps import PAGE_BYTES, Map
from cowmodel.workload.parameters import Read, problem
from cowmodel.workload.stage import Stage, check_modelled
from cowmodel.workload.streams import Streams
from cowmodel.workload.workload import Workload


@dataclass(frozen=True)
class ScenarioFile(Read):
    """A file, relative to the folder of the configuration, or the name of a scenario that ships."""

    def read(self, text: str, folder: Path) -> Path:
        """Find it."""
        if (path := folder / text).is_file():
            return path
        if text not in shipped():
            raise problem(f"no file {str(path)!r}; of those that ship {suggest('', text, shipped())}")
        return shipped()[text]


class Enactment(Workload):
    """Processes do what a scenario says, step after step."""

    file: Annotated[Path, ScenarioFile("the path of a scenario, or the name of one that ships")] = Field(
        description="what they do"
    )

    def misfits(self, geometry: Geometry, memory_bytes: int) -> list[str]:
        """Return, as `key: what`, the reasons why it cannot run on such a machine."""
        try:
            scenario = read_scenario(self.file)
            check_modelled(scenario)
        except ConfigError as found:
            return [f"file: {line}" for line in str(found).splitlines()]
        if geometry.page_bytes == PAGE_BYTES:
            return []
        return [
            f"file: expected a paging with base pages of 4 KiB, which scenarios count, got {geometry.name}"
        ]

    def backings(self) -> list[Backing]:
        """Return what its regions are made of."""
        scenario = read_scenario(self.file)
        return [backing(step, scenario.settings) for step in scenario.steps if isinstance(step, Map)]

    def main(self, program: Program, streams: Streams) -> Activity:
        """Act as P0."""
        yield from Stage(program.machine, read_scenario(self.file)).life("P0")(program)
