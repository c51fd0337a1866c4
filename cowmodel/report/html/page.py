"""The page: findings, pictures and tables put into the template.

Scripts are named by their hashes in the page's security policy, so that nothing else in it is ever run,
whatever an experiment is called or says, and nothing is loaded from elsewhere.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cowmodel.errors import ConfigError
from cowmodel.experiment.provenance import version
from cowmodel.experiment.replacing import replacing
from cowmodel.report.html.content import content, shipped
from cowmodel.report.html.findings import Findings
from cowmodel.report.html.heat import COLOURS as COLOURS_OF_STATES
from cowmodel.report.html.memory import STATES
from cowmodel.report.style import COLOURS, LINES, MARKERS, look

_SCRIPTS = ("vendor/echarts.min.js", "templates/report.js")
_DASHES = dict(zip(LINES, ("", "7 4", "8 3 2 3", "2 3"), strict=True))
_SHAPES = dict(
    zip(
        MARKERS,
        (
            "M10 1a9 9 0 1 0 0.001 0z",
            "M2 2H18V18H2z",
            "M10 1L19 18H1z",
            "M10 0L20 10L10 20L0 10z",
            "M10 19L19 2H1z",
            "M7 1H13V7H19V13H13V19H7V13H1V7H7z",
            "M5 1L10 6L15 1L19 5L14 10L19 15L15 19L10 14L5 19L1 15L6 10L1 5z",
            "M1 10L18 1V19z",
        ),
        strict=True,
    )
)
"""Of each marker of a figure, the outline in a square of 20."""
_LOOKS = 16


def write(path: Path, html: str) -> Path:
    """Write a page.

    Raises
    ------
    ConfigError
        If the path is a folder.
    OSError
        If it cannot be written, with its path.
    """
    if path.is_dir():
        raise ConfigError(
            f"{path}: expected a file to write, got a folder; give it a name such as report.html"
        )
    with replacing(path) as file:
        file.write_text(html, encoding="utf-8")
    return path


def page(found: Findings) -> str:
    """Return the report as HTML.

    Raises
    ------
    SimulationError
        If the run that is played again cannot go on.
    """
    shown, scripts = content(found), [shipped(path) for path in _SCRIPTS]
    pictures = {
        "pictures": shown["pictures"],
        "looks": _looks(),
        "markers": _SHAPES,
        "states": STATES,
        "state_colours": COLOURS_OF_STATES,
    }
    return rendered(
        "report.html",
        shown
        | pictures
        | {
            "found": found,
            "scripts": [Markup(script) for script in scripts],
            "script_hashes": Markup(" ".join(f"'sha256-{_digest(script)}'" for script in scripts)),
            "pictures": _embedded(pictures),
        },
    )


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template in; all text that is put into it is escaped."""
    here = Environment(
        loader=PackageLoader("cowmodel.report.html"), autoescape=True, undefined=StrictUndefined
    )
    here.filters["base64"] = lambda text: base64.b64encode(text.encode()).decode()
    style = Markup(shipped("templates/style.css"))
    return here.get_template(template).render(values, style=style, version=version())


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _looks() -> list[dict[str, Any]]:
    """Return colour, marker and dashes of the looks that lines may have."""
    found = [look(number) for number in range(_LOOKS)]
    return [
        {
            "colour": COLOURS.index(one["color"]),
            "marker": one["marker"],
            "dashes": _DASHES[one["linestyle"]],
        }
        for one in found
    ]


def _embedded(values: Mapping[str, Any]) -> Markup:
    """Write what scripts draw; a ``<`` would end the element that it stands in."""
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))
