"""A fit written down: the preset that has its prices, and a table of what was measured."""

import csv
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cowmodel.cost.fit import CURVES, Fit, Floats

WITHIN = {
    "flushes": "forks",
    "vmas": "forks",
    "pgd_tables": "forks",
    "waits": "exits",
    "pud_tables": "pmd_tables",
    "p4d_tables": "pmd_tables",
}
"""What always comes with something else, whose price contains it."""

COLUMNS = ("step", "measured_ns", "predicted_ns", "noise", "repetitions")
_INTERVAL = 0.05, 0.95
_EVEN = 1e-9  # so that a price which no step shows misses as all of them do
_GOLDEN = 0.6180339887498949  # its multiples, less whole numbers, fill 0 to 1 evenly however many there are
_GB_PER_S = 1000  # that is a byte in a picosecond


def write_preset(path: Path, machine: str, rounds: int, found: Fit, drift: float) -> None:
    """Write a preset, named as its file; before it, and beside, what was measured for it.

    Parameters
    ----------
    path : Path
    machine : str
        What was measured.
    rounds : int
    found : Fit
    drift : float

    Raises
    ------
    OSError
        If one cannot be written, with its path.
    """
    who = "root" if os.geteuid() == 0 else "no root"
    how = f"{datetime.now(UTC).date().isoformat()}, {rounds} rounds, {who}"
    write_measurements(path.with_suffix(".csv"), found)
    path.write_text(preset_text(path.stem, machine, how, found, drift), encoding="utf-8")


def preset_text(name: str, machine: str, how: str, found: Fit, drift: float) -> str:
    """Return a preset in TOML.

    Intervals are those of each price; a draw has besides, for each price, a miss such as steps have in which
    it counts, so that the band of a prediction is where a measurement may lie. All misses of a draw are at
    the same quantile, since those of one step go one way.

    Parameters
    ----------
    name, machine : str
    how : str
        When and by what the prices were measured; part of each source.
    found : Fit
    drift : float
        How much the speed of the machine as a whole varies, as a standard deviation of logarithms: all
        prices of a draw are higher or lower together by so much.
    """
    rng = np.random.default_rng(0)
    prices_drawn: Floats = found.draws_ps * np.exp(drift * rng.standard_normal((len(found.draws_ps), 1)))
    quantiles = np.array([number * _GOLDEN % 1 for number in range(1, len(prices_drawn) + 1)])
    draws: Floats = prices_drawn * _misses(found, quantiles)
    fields = list(dict.fromkeys(term.field for term in found.terms))
    free = {field: other for field, other in WITHIN.items() if other in fields}
    free |= {field: " and ".join(others) for field, others in found.contained.items()}
    lines = [f"{key} = {json.dumps(text)}" for key, text in (("name", name), ("machine", machine))]
    lines += ['extends = "vm-linux6.18"', "", "[prices]"]
    prices = {field: _at_points(found, found.prices_ps, field) for field in fields}
    drawn = {field: _at_points(found, draws, field) for field in fields}
    alone = {field: _at_points(found, prices_drawn, field) for field in fields}
    lines += [_price(field, prices[field], alone[field], how) for field in fields]
    lines += [_free(field, other) for field, other in free.items() if field not in fields]
    lines += ["", "[draws]"]
    lines += [f"{field} = {np.round(drawn[field], 3).tolist()}" for field in fields]
    return "\n".join(lines) + "\n"


def write_measurements(path: Path, found: Fit) -> None:
    """Write what was measured and what the prices make of it, a line a step."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row, measured, predicted, noise in zip(
            found.rows, found.measured_ns, found.predicted_ns, found.noise, strict=True
        ):
            writer.writerow([row.name, round(measured), round(predicted), f"{noise:.4f}", len(row.ns)])


def _misses(found: Fit, quantiles: Floats) -> Floats:
    """Return by which factor each price misses at some quantiles, float64[quantiles, terms].

    Of the steps that were measured, each counts by the share of its time that the price has in it.
    """
    order = np.argsort(found.left_out)
    factors = found.left_out[order]
    weights = np.where(np.isfinite(factors)[:, None], found.parts[order], 0) + _EVEN
    reached = np.cumsum(weights, axis=0) / weights.sum(axis=0)
    columns = [np.nan_to_num(factors, nan=1.0)[np.searchsorted(column, quantiles)] for column in reached.T]
    return np.stack(columns, axis=1)


def _at_points(found: Fit, values: Floats, field: str) -> Floats:
    """Return the prices of a field, of a curve at both points: float64[..., points].

    A point that other terms contain costs nothing; one near which nothing was measured, as the other point.
    """
    at = {term.point: number for number, term in enumerate(found.terms) if term.field == field}
    if field not in CURVES:
        return values[..., [at[None]]]
    usual = 0.0 if field in found.contained else 1.0
    known = {point: values[..., number] for point, number in at.items()}
    one = next(iter(known.values()))
    return np.stack([known.get(point, one * usual) for point in (0, 1)], axis=-1)


def _price(field: str, prices: Floats, draws: Floats, how: str) -> str:
    spoken = [_spoken(field, ps) for ps in prices]
    ends = sorted([prices[0], *np.quantile(draws[:, 0], _INTERVAL)])[::2]
    low, high = (_spoken(field, ps) for ps in ends)
    value = f'"{spoken[0]}"'
    if field in CURVES:
        points = zip(CURVES[field], spoken, strict=True)
        value = "{ " + ", ".join(f'"{size}" = "{price}"' for size, price in points) + " }"
    return f'{field} = {{ value = {value}, interval = ["{low}", "{high}"], source = "measured: {how}" }}'


def _free(field: str, other: str) -> str:
    return f'{field} = {{ value = "0 ns", source = "measured: contained in {other}" }}'


def _spoken(field: str, value_ps: float) -> str:
    """Write a price in whole picoseconds; that of a byte is less, and a bandwidth."""
    if field.endswith("_bytes") and value_ps > 1e-3:
        return f"{_GB_PER_S / value_ps:.3f} GB/s"
    return f"{value_ps / 1000:.3f} ns"
