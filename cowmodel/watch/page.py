"""The steps as one HTML page that needs nothing else: no network, and no script to show all of them."""

from pathlib import Path

from cowmodel.watch import drawing, words
from cowmodel.watch.entry import MEANINGS
from cowmodel.watch.snapshot import Story

_TEMPLATES = Path(__file__).with_name("templates")


def html(story: Story) -> str:
    """Return the page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("page.html")
    drawings = [drawing.draw(snapshot, story.processes) for snapshot in story.snapshots]
    steps = list(zip(story.snapshots, drawings, strict=True))
    return template.render(story=story, steps=steps, meanings=MEANINGS, words=words, drawing=drawing)
