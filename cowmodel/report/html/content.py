"""What stands in a report, part by part: findings as tables and pictures, not yet as HTML."""

from collections.abc import Iterator, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from cowmodel.experiment.document import columns_of_band, flat
from cowmodel.report.html import chart, family, grid, heat
from cowmodel.report.html.axis import written
from cowmodel.report.html.findings import Findings, Sweep
from cowmodel.report.html.memory import Film, play
from cowmodel.units import format_duration

if TYPE_CHECKING:
    import pandas as pd


_TITLES = {
    "answer": "Question and answer",
    "figure": "Figure",
    "charts": "Metrics",
    "tables": "Tables",
    "memory": "Memory of one run",
    "configuration": "Configuration",
    "failures": "Failures",
    "provenance": "Provenance",
    "reproduce": "Make it again",
}


def content(found: Findings) -> dict[str, Any]:
    """Return what the template shows, by name; sections that have nothing to show are empty.

    Raises
    ------
    SimulationError
        If the run that is played again cannot go on.
    """
    shown: dict[str, Any] = dict.fromkeys(("charts", "memory", "configuration", "failures"), ())
    shown |= {
        "answer": found.file,
        "figure": found.figure,
        "tables": [grid.frame(name, f"{name}.csv", table) for name, table in found.tables.items()],
        "provenance": grid.plain("What this report is made from", ["what", "is"], _origins(found)),
        "reproduce": [*found.provenance.get("commands", []), f"cowmodel report {found.name}"],
        "unfinished": "",
        "pictures": {},
    }
    if found.sweep:
        shown |= _swept(found, found.sweep)
    return shown | {"titles": {key: title for key, title in _TITLES.items() if shown[key]}}


def _swept(found: Findings, sweep: Sweep) -> dict[str, Any]:
    """Return what is shown of a sweep alone."""
    runs, statistics = found.tables["runs"], found.tables["statistics"]
    paths = chart.varied(runs)
    charts, film = chart.charts(runs, statistics), _played(runs, sweep)
    heats, tree, sharing = heat.heats(film), family.tree(film), family.sharing(film)
    return {
        "charts": charts,
        "tables": [_statistics(statistics, paths), _summary(found, paths)],
        "memory": heats,
        "tree": tree,
        "sharing": sharing,
        "shared_at": format_duration(film.graph_ps),
        "played": _run(sweep, paths),
        "configuration": _base(sweep, found),
        "points": _points(sweep),
        "failures": grid.plain("Failed runs", ["point", "replication", "kind", "message"], sweep.failed),
        "unfinished": _unfinished(found, sweep),
        "pictures": _pictures(charts, heats, tree, sharing),
    }


def _pictures(
    charts: list[chart.Chart], heats: list[heat.Heat], tree: family.Picture, sharing: family.Picture
) -> dict[str, Any]:
    """Return what scripts draw: from the name of an element to the kind of picture and its values."""
    return {
        **{f"chart-{n}": {"kind": "chart"} | _plain(one) for n, one in enumerate(charts)},
        **{f"heat-{n}": {"kind": "heat"} | one._replace(image="")._asdict() for n, one in enumerate(heats)},
        "tree": {"kind": "nodes", "directed": True} | tree._asdict(),
        "sharing": {"kind": "nodes", "directed": False} | sharing._asdict(),
    }


def _run(sweep: Sweep, paths: Sequence[str]) -> str:
    """Say which run is the first of the tables."""
    point, run = sweep.made[0]
    values = [f"{path} {_text(point.columns[path])}" for path in paths]
    return ", ".join([*values, f"replication {run.replication}"])


def _plain(one: chart.Chart) -> dict[str, Any]:
    """Return a chart as nested dictionaries and lists."""
    lines = [line._asdict() for line in one.lines]
    return one._asdict() | {"x": one.x._asdict(), "y": one.y._asdict(), "lines": lines}


def _played(runs: "pd.DataFrame", sweep: Sweep) -> Film:
    """Play the first run of the tables again."""
    point, run = sweep.made[0]
    first = runs.iloc[0]
    configuration = sweep.experiment.recipe.configuration(point.values)
    return play(
        configuration,
        run.replication,
        round(float(first["simulated_ms"]) * 10**9),
        int(first["peak_bytes.memory"]),
    )


def _statistics(table: "pd.DataFrame", paths: Sequence[str]) -> grid.Grid:
    own = list(table.columns)[list(table.columns).index("metric") :]
    return grid.frame("Statistics of each point", "statistics.csv", table[[*paths, *own]], paths)


def _summary(found: Findings, paths: Sequence[str]) -> grid.Grid:
    """Return a row a run: what is varied, the metrics, and their bands; the file has some hundred columns."""
    runs, metrics = found.tables["runs"], list(dict.fromkeys(found.tables["statistics"]["metric"]))
    bands = [end for metric in metrics for end in columns_of_band(metric) if end in runs]
    return grid.frame("Runs", "summary.csv", runs[[*paths, "replication", *metrics, *bands]], paths)


def _base(sweep: Sweep, found: Findings) -> grid.Grid:
    """Return the base, and to what points change it."""
    columns: dict[str, list[str]] = {}
    for point in sweep.experiment.points:
        for path, value in point.columns.items():
            if (text := _text(value)) not in columns.setdefault(path, []):
                columns[path].append(text)
    base = {path: _text(value) for path, value in flat(sweep.experiment.recipe.base).items()}
    rows = [(path, base.get(path, "not set"), ", ".join(columns.get(path, []))) for path in base | columns]
    title = f"Base {found.provenance.get('base', {}).get('file', '')}, and what points change"
    return grid.plain(title, ["path", "base", "points"], rows)


def _text(value: Any) -> str:
    return "not set" if value is None else written(value)


def _points(sweep: Sweep) -> grid.Grid:
    points = sweep.experiment.points
    paths = [p for p in points[0].columns if len({_text(point.columns[p]) for point in points}) > 1]
    rows = [[_text(point.columns[path]) for path in paths] for point in points]
    return grid.plain("Points", paths, rows)


def _unfinished(found: Findings, sweep: Sweep) -> str:
    """Say how far a sweep is that is not finished; nothing of one that is."""
    if not sweep.missing:
        return ""
    made, name = len(found.tables["runs"]), found.name
    parts = [f"These tables hold {made} of {made + len(sweep.missing)} runs; {len(sweep.failed)} failed."]
    if sweep.newer:
        parts.append(f"{sweep.newer} more are finished by now; cowmodel collect {name} adds them.")
    return " ".join([*parts, f"cowmodel sweep {name} makes what is missing."])


def _origins(found: Findings) -> Iterator[tuple[str, str]]:
    """Go through what the report is made from."""
    said = found.provenance
    yield "cowmodel", str(said.get("version", "unknown"))
    for key in ("base", "inputs", "source", "machine"):
        if isinstance(part := said.get(key), dict):
            yield from ((f"{key}: {name}", _text(value)) for name, value in flat(part).items())
    yield from ((f"{name} (SHA-256)", digest) for name, digest in found.hashes.items())
    digest, library = shipped("vendor/SHA256SUMS").split()
    yield f"{library} (SHA-256)", digest


def shipped(path: str) -> str:
    """Return a file that ships with this package."""
    return resources.files("cowmodel.report.html").joinpath(path).read_text(encoding="utf-8")
