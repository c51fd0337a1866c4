"""The fenced blocks of a page, and what is done with each.

::

    ```python      with >>>: a doctest; without: executed; all blocks of a page share their names
    ```sh          each line is run by bash in a copy of the tree
    ```toml        checked as what it is: a configuration, an experiment, or some of the tables of one
    ```diff        applied to the copy of the tree
    ```text        a drawing, or output: for people alone

A comment on the line before a block says what else is to be done with it:

    <!-- file: PATH -->           written to this file of the copy first; Python is not executed then
    <!-- not run: REASON -->      left alone, since ...
    <!-- slow -->                 left to the slow tests
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

_COMMENT = re.compile(r"<!-- *(?P<what>file|not run|slow)(?:: *(?P<text>.*?))? *-->")


class Block(NamedTuple):
    """A fenced block.

    Attributes
    ----------
    page : Path
    line : int
        Of its fence, from 1.
    language : str
    text : str
    mark : str
        What the comment before it says is to be done: nothing, ``file``, ``not run`` or ``slow``.
    said : str
        The path or the reason in that comment.
    """

    page: Path
    line: int
    language: str
    text: str
    mark: str
    said: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Go through the blocks of a page that are not directives."""
    mark, said = "", ""
    for token in MarkdownIt().parse(page.read_text()):
        if token.type == "html_block" and (comment := _COMMENT.match(token.content)):
            mark, said = comment["what"], comment["text"] or ""
        elif token.type == "fence":
            assert token.map
            if not token.info.startswith("{"):
                yield Block(page, token.map[0] + 1, token.info, token.content, mark, said)
            mark, said = "", ""
