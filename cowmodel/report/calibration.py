"""The figure of a calibration: what was measured beside what its prices make of it."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cowmodel.cost.written import COLUMNS
from cowmodel.errors import ConfigError
from cowmodel.report.paper import PAGE_IN, panels
from cowmodel.report.style import STYLE, save, series_style

_KINDS = {"touch": "accesses", "read": "accesses", "write": "accesses", "fork": "fork", "exit": "exit"}
_NS_PER_US = 1000
_EDGE = 60.0  # %; residuals beyond this are drawn here


def show(preset: Path) -> list[Path]:
    """Draw the figure of a preset beside it, from the table that is beside it.

    Raises
    ------
    ConfigError
        If there is no such table.
    """
    steps = _steps(preset.with_suffix(".csv"))
    with mpl.rc_context(STYLE):
        return save(_figure(steps), preset.absolute().parent, preset.stem)


def _steps(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise ConfigError(f"{path}: expected what was measured for the preset, got no file; calibrate anew")
    try:
        steps = pd.read_csv(path)
    except ValueError as error:
        raise ConfigError(f"{path}: expected a table of `cowmodel calibrate`: {error}") from error
    if missing := [name for name in COLUMNS if name not in steps]:
        raise ConfigError(f"{path}: expected the columns {', '.join(COLUMNS)}, got no {missing[0]!r}")
    ops = steps["step"].str.split().str[-1]
    return steps.assign(
        kind=ops.map(_KINDS).fillna("other calls"),
        measured_us=steps["measured_ns"] / _NS_PER_US,
        predicted_us=steps["predicted_ns"] / _NS_PER_US,
        residual=(steps["predicted_ns"] / steps["measured_ns"] - 1) * 100,
    )


def _figure(steps: pd.DataFrame) -> Figure:
    figure, (left, right) = panels(1, 2, PAGE_IN, 2.9)
    looks = series_style(["accesses", "fork", "exit", "other calls"])
    for kind, group in steps.groupby("kind", sort=False):
        look = {**looks[str(kind)], "linestyle": "none", "alpha": 0.8}
        left.plot(group["measured_us"], group["predicted_us"], label=kind, **look)
        right.errorbar(
            group["measured_us"],
            group["residual"].clip(-_EDGE, _EDGE),
            yerr=group["noise"] * 100,
            elinewidth=0.5,
            **look,
        )
    _one_to_one(left, steps)
    right.axhline(0, color="k", linewidth=0.6)
    right.set(xscale="log", ylim=(-_EDGE * 1.1, _EDGE * 1.1))
    right.set(xlabel="measured [µs]", ylabel="predicted is longer by [%], with noise")
    return figure


def _one_to_one(axes: Axes, steps: pd.DataFrame) -> None:
    both = steps[["measured_us", "predicted_us"]].to_numpy()
    both = both[both > 0]
    ends = np.array([both.min(), both.max()])
    axes.plot(ends, ends, color="k", linewidth=0.6)
    axes.set(xscale="log", yscale="log", xlabel="measured [µs]", ylabel="predicted [µs]")
    axes.legend(loc="upper left")
