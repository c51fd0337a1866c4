"""Directives whose text comes from the program itself, so that it cannot say something else.

::

    {keys} machine             a table of the keys of a configuration's [machine]
    {keys} workload            one for each workload
    {keys} experiment          of experiment.toml and the tables in it
    {commands}                 what each command says to --help
    {experiments}              question, figure and outcome of each experiment
"""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from cowmodel import catalog
from cowmodel.campaign.file import ExperimentFile, Measurement
from cowmodel.cli import cli
from cowmodel.experiment.config import SECTIONS
from cowmodel.experiment.schema import configuration_schema, schema_of

ROOT = Path(__file__).parents[2]

Schema = dict[str, Any]

TITLES = {
    "ExperimentFile": "A sweep",
    "Measurement": "A measurement",
    "Precision": "`until`",
    "LimitTable": "`limits`",
    "Box": "`sobol` and `latin`",
    "Sensitivity": "`[sensitivity]`",
    "Steady": "`[[steady]]`",
    "Sweep": "`[[sweep]]`",
    "Claim": "`[[claim]]`",
}
"""What a person calls the tables of an experiment; any other is called as its class."""


class FromSource(SphinxDirective):
    """A directive that writes Markdown and has it parsed where it stands."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Parse what `lines` gives."""
        text = "\n".join(self.lines())
        return self.parse_text_to_nodes(text, allow_section_headings=True)

    def lines(self) -> Iterator[str]:
        """Yield lines of Markdown."""
        raise NotImplementedError


class Keys(FromSource):
    """Tables of keys."""

    required_arguments = 1
    optional_arguments = 0

    def lines(self) -> Iterator[str]:
        """Go through the tables that the argument stands for."""
        match self.arguments[0]:
            case "workload":
                tables = configuration_schema()["$defs"]
                for name, model in catalog.WORKLOADS.items():
                    yield from (f"### {name}", "", described(tables[model.__name__]), "")
                    yield from keys(tables[model.__name__])
            case "experiment":
                yield from _tables_of_experiment()
            case section:
                yield from keys(configuration_schema()["$defs"][SECTIONS[section].__name__])


def _tables_of_experiment() -> Iterator[str]:
    """Write a table for the file and for each table in it."""
    definitions = schema_of(ExperimentFile, Measurement)["$defs"]
    asked = [ExperimentFile.__name__, Measurement.__name__]
    for name in dict.fromkeys([*asked, *definitions]):
        yield from (f"### {title(name)}", "", described(definitions[name]), "")
        yield from keys(definitions[name])


def title(name: str) -> str:
    """Return the heading of a table."""
    return TITLES.get(name, name)


def link(name: str) -> str:
    """Return a link to the heading of a table."""
    anchor = re.sub(r"[^\w -]", "", title(name)).lower().replace(" ", "-")
    return f"[{title(name)}](#{anchor})"


def described(table: Schema) -> str:
    """Return the first paragraph that a table says of itself."""
    return str(table.get("description", "")).partition("\n\n")[0]


def keys(table: Schema) -> Iterator[str]:
    """Write a row for each key."""
    yield from ("| key | is | default | what for |", "|---|---|---|---|")
    needed = table.get("required", [])
    for key, field in table["properties"].items():
        default = "" if key in needed else f"`{toml(field.get('default'))}`"
        cells = [f"`{key}`", kind(field), default, field.get("description", "")]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def kind(field: Schema) -> str:
    """Say what a value is: in words, or by its type."""
    if "const" in field:
        return f'`"{field["const"]}"`'
    if "title" in field:
        return str(field["title"])
    if "$ref" in field:
        return f"a table, {link(field['$ref'].rpartition('/')[2])}"
    if "anyOf" in field:
        return " or ".join(kind(one) for one in field["anyOf"] if one.get("type") != "null")
    if "enum" in field:
        return "one of " + ", ".join(f"`{one}`" for one in field["enum"])
    if field.get("type") == "array":
        return f"list: {kind(field['items'])}"
    names = {"string": "text", "boolean": "true or false", "object": "a table", "integer": "a whole number"}
    return names.get(field.get("type", ""), field.get("type", "any value"))


def toml(value: object) -> str:
    """Write a default as a file would."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case dict():
            return "{}"
        case _:
            return str(value)


class Commands(FromSource):
    """What each command says to --help."""

    def lines(self) -> Iterator[str]:
        """Go through the commands, and those below them."""
        yield from self._lines(cli, "cowmodel")

    def _lines(self, group: click.Group, before: str) -> Iterator[str]:
        for name, command in sorted(group.commands.items()):
            if isinstance(command, click.Group):
                yield from self._lines(command, f"{before} {name}")
                continue
            context = click.Context(command, info_name=f"{before} {name}", max_content_width=100)
            yield from (f"## {before} {name}", "", "```text", command.get_help(context), "```", "")


class Experiments(FromSource):
    """The gallery of all experiments: what was asked, expected, and seen."""

    def lines(self) -> Iterator[str]:
        """Go through the folders of the experiments that have a figure."""
        page = Path(self.env.doc2path(self.env.docname)).parent
        for file in sorted(ROOT.glob("experiments/*/experiment.toml")):
            table, figure = (
                tomllib.loads(file.read_text()),
                ROOT / "results" / file.parent.name / "figure.svg",
            )
            yield from (f"## {file.parent.name}", "", f"**{table['question']}**", "")
            if figure.exists():
                yield from (f"![{table['question']}]({os.path.relpath(figure, page)})", "")
            yield from ("*Expected:* " + table["expectation"], "")
            if outcome := table.get("outcome"):
                yield from (f"*What came out:* {outcome}", "")
            yield from _claims(table.get("claim", []))
            yield from (f"*Make it again:* `{_command(table, file.parent.name)}`", "")
            self.env.note_dependency(str(file))


def _claims(claims: list[Schema]) -> Iterator[str]:
    if claims:
        yield from (
            "Claims that `cowmodel reproduce` checks:",
            "",
            *(f"- {one['says']}" for one in claims),
            "",
        )


def _command(table: Schema, name: str) -> str:
    made_by = table.get("command", f"cowmodel sweep {name}")
    return f"{made_by} && cowmodel figure {name}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    for name, directive in (("keys", Keys), ("commands", Commands), ("experiments", Experiments)):
        app.add_directive(name, directive)
    return {"parallel_read_safe": True}
