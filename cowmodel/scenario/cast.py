"""Who is alive in a scenario, and which regions each has: what a step changes of that, in one place."""

from cowmodel.errors import ConfigError, suggest
from cowmodel.scenario.steps import SLOTS, Fork, Map, Move, Ranged, Step


class Cast:
    """The live processes, `P0` at first, with their regions.

    Attributes
    ----------
    regions : dict of str to dict of str to Map
        By process and by name, in the order in which they came, each where it is for that process.
    """

    def __init__(self) -> None:
        self.regions: dict[str, dict[str, Map]] = {"P0": {}}

    def apply(self, step: Step) -> None:
        """Take note of what a step, which is possible, changes."""
        match step:
            case Fork():
                self.regions[step.child] = dict(self.regions[step.proc])
            case Map():
                self.regions[step.proc][step.region] = step
            case Move():
                self.regions[step.proc][step.region] = step.there
            case Ranged(op="munmap") if step.last - step.first + 1 == self.region(step).pages:
                del self.regions[step.proc][step.region]
            case Step(op="exit"):
                del self.regions[step.proc]

    def can(self, step: Step) -> bool:
        """Return whether the process and the region are there that a step needs.

        They are in any scenario that could be read, unless an earlier step was refused.
        """
        if not step.proc:
            return True
        held = self.regions.get(step.proc)
        return held is not None and (isinstance(step, Map) or not step.region or step.region in held)

    def region(self, step: Step) -> Map:
        """Return the region that a step acts on."""
        return self.regions[step.proc][step.region]

    def pairs(self) -> list[tuple[str, Map]]:
        """Return every live process with each of its regions."""
        return [(proc, region) for proc, held in self.regions.items() for region in held.values()]

    def free_slot(self) -> int:
        """Return the lowest slot of the address space in which no live process has a region.

        Raises
        ------
        ConfigError
            If there is none.
        """
        taken = {region.slot for _, region in self.pairs()}
        if len(taken) == SLOTS:
            raise ConfigError(f"expected at most {SLOTS} regions at a time, got one more; unmap some")
        return min(set(range(SLOTS)) - taken)

    def living(self, name: str) -> str:
        """Return `name`, which is that of a live process.

        Raises
        ------
        ConfigError
        """
        if name not in self.regions:
            raise ConfigError(f"expected a live process: {suggest('', name, self.regions)}")
        return name

    def mapped(self, proc: str, name: str) -> Map:
        """Return the region `name` of a live process.

        Raises
        ------
        ConfigError
        """
        held = self.regions[proc]
        if name not in held:
            raise ConfigError(f"expected a region of {proc}: {suggest('', name, held)}")
        return held[name]
