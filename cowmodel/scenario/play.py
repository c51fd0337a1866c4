"""Play a scenario step by step on a model or on the running kernel, and count what every step did."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from cowmodel.hardware.paging import Numbers
from cowmodel.scenario import fields
from cowmodel.scenario.cast import Cast
from cowmodel.scenario.fields import ABSENT, Row, told_without_frames
from cowmodel.scenario.steps import Access, Fork, Map, Scenario, Stat, Step

_FLIPS_FOLLOW = "map anon page=4k"  # elsewhere one fault may map many pages

Pages = dict[str, dict[str, Numbers]]
"""What is mapped, by process and region."""


class Stage(Protocol):
    """Where steps are carried out.

    Attributes
    ----------
    tells_frames : bool
        Whether it says which frame a page is in, or only (as frame 1) that it is there.
    """

    tells_frames: bool

    def act(self, steps: Sequence[Step], cast: Cast) -> list[Row]:
        """Carry out steps at the same time; return of each minflt and what else only the stage knows."""

    def frames(self, proc: str, region: Map) -> Numbers:
        """Return the frame of each page of a region, as `fields` encodes it, int64[pages]."""

    def table_pages(self, proc: str) -> int:
        """Return the page-table pages of a process below the root, less those of the harness."""

    def smaps(self, proc: str, region: Map) -> Mapping[str, int]:
        """Return what `/proc/PID/smaps` says of a region, by name, in KiB."""


def play(scenario: Scenario, stage: Stage) -> Iterator[Row]:
    """Yield a row for each step, of `stat` one for each live process and region.

    A fork or a mapping that is refused has a row that says so; later steps that need what it would have made
    are left out.
    """
    cast, before = Cast(), Pages()
    for group in scenario.groups():
        steps = [step for step in group if cast.can(step)]
        regions = {
            step.number: cast.region(step) for step in steps if step.region and not isinstance(step, Map)
        }
        told = stage.act(steps, cast)
        for step, effects in zip(steps, told, strict=True):
            if not (effects.get("refused") and isinstance(step, Fork | Map)):
                cast.apply(step)
        after = _mapped(stage, cast)
        for step, effects in zip(steps, told, strict=True):
            for row in _rows(stage, cast, step, regions.get(step.number), effects, before, after):
                yield row if stage.tells_frames else told_without_frames(row)
        before = after


def _mapped(stage: Stage, cast: Cast) -> Pages:
    return {
        proc: {name: stage.frames(proc, region) for name, region in held.items()}
        for proc, held in cast.regions.items()
    }


def _rows(
    stage: Stage, cast: Cast, step: Step, region: Map | None, effects: Row, before: Pages, after: Pages
) -> Iterator[Row]:
    everything = fields.frames(pages for held in after.values() for pages in held.values())
    if isinstance(step, Stat):
        for proc, mapped in cast.pairs():
            yield _head(step, proc, mapped.region) | _state(stage, proc, mapped, after) | everything
        return
    row = _head(step, step.proc, step.region) | effects
    if region:
        row |= _region_row(step, region, before, after)
        if region.feature == _FLIPS_FOLLOW and step.op != "merge" and "flips" not in row:
            row["flips"] = fields.flips(row)
    if step.proc in cast.regions:
        mapped_now = cast.regions[step.proc].get(step.region)
        row |= _state(stage, step.proc, mapped_now, after)
    if isinstance(step, Fork) and step.child in cast.regions:
        row["child_pt_pages"] = stage.table_pages(step.child)
        row |= fields.inherited(after[step.proc], after[step.child])
    yield row | everything


def _head(step: Step, proc: str, region: str) -> Row:
    row: Row = {"step": step.number, "op": step.op}
    named = {"proc": proc, "region": region, "child": step.child}
    return row | {name: value for name, value in named.items() if value} | {"line": step.line}


def _state(stage: Stage, proc: str, region: Map | None, after: Pages) -> Row:
    """Return the fields that tell how a process is after a step."""
    row: Row = {"pt_pages": stage.table_pages(proc)}
    if region:
        row |= fields.present(after[proc][region.region])
        row |= {f"smaps_kb.{name}": size for name, size in stage.smaps(proc, region).items()}
    return row


def _region_row(step: Step, region: Map, before: Pages, after: Pages) -> Row:
    """Return the fields that tell what a step did to a region that was there before."""
    was = before[step.proc][step.region]
    now = after[step.proc].get(step.region, np.full(len(was), ABSENT))
    if not isinstance(step, Access):
        return fields.region_changes(was, now, None)
    pages = step.pages()
    distinct = np.unique(pages)
    counts: Row = {"accesses": len(pages), "distinct": len(distinct)}
    return counts | fields.region_changes(was, now, distinct)
