"""A scenario while it is read: the steps so far, and who and what there is after them."""

import re
from typing import Any

from cowmodel.errors import ConfigError
from cowmodel.scenario.cast import Cast
from cowmodel.scenario.settings import SettingsReader
from cowmodel.scenario.steps import Map, Step
from cowmodel.scenario.words import Words, whole


class Draft:
    """What was read so far.

    Attributes
    ----------
    steps : list of Step
    settings : SettingsReader
    cast : Cast
    together : int
        Access lines that `par` still asks for.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.settings = SettingsReader()
        self.cast = Cast()
        self.together = 0
        self._group = 0

    def add(self, step: Step) -> None:
        """Take a step, which is possible."""
        self.cast.apply(step)
        self.steps.append(step)

    def begin_group(self, words: Words) -> None:
        """Read `N` behind `par`.

        Raises
        ------
        ConfigError
        """
        if self.together:
            raise ConfigError(f"expected {self.together} more access lines, got 'par'; groups cannot nest")
        self.together = whole("a number of lines", words.take("a number of lines"), least=1, most=64)
        self._group += 1

    def join_group(self, proc: str) -> int:
        """Return the group in which an access of `proc` runs; 0 for none.

        Raises
        ------
        ConfigError
            If `proc` has something to do in it already.
        """
        if not self.together:
            return 0
        if any(step.group == self._group and step.proc == proc for step in self.steps):
            raise ConfigError(f"expected another process, got {proc} twice; one does one thing at a time")
        self.together -= 1
        return self._group

    def mapped(self, head: dict[str, Any], words: Words) -> Map:
        """Return the region that the next word names."""
        return self.cast.mapped(head["proc"], words.take("a region"))

    def new_child(self, words: Words) -> str:
        """Return the next word, the name of a process that is to be."""
        name = _name("a process", words.take("the name of the child"))
        if name in self.cast.regions:
            raise ConfigError(f"expected a new name for the child, got {name!r}, which is alive")
        return name

    def new_region(self, proc: str, words: Words) -> tuple[str, int]:
        """Return the next word, the name of a region that is to be, and the slot that it may have."""
        name = _name("a region", words.take("the name of the region"))
        if name in self.cast.regions[proc]:
            raise ConfigError(f"expected a new name for the region, got {name!r}, which {proc} has; unmap it")
        return name, self.cast.free_slot()


def _name(what: str, word: str) -> str:
    if not re.fullmatch(r"[A-Za-z]\w*", word, re.ASCII):
        raise ConfigError(f"expected a name for {what}, letters and digits, got {word!r}")
    return word
