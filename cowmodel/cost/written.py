"""A fit written down: the preset that has its prices, and a table of what was measured."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cowmodel.cost.fit import CURVES, Fit, Floats, Term

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


def preset_text(name: str, machine: str, how: str, found: Fit, drift: float) -> str:
    """Return a preset in TOML.

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
    common = np.exp(drift * np.random.default_rng(0).standard_normal(len(found.draws_ps)))
    draws = found.draws_ps * common[:, None]
    columns = {field: _columns(found.terms, field) for field in _fields(found.terms)}
    lines = [f'name = "{name}"', f'machine = "{machine}"', 'extends = "vm-linux6.18"', "", "[prices]"]
    lines += [_price(field, at, found.prices_ps, draws, how) for field, at in columns.items()]
    lines += [
        _free(field, other) for field, other in WITHIN.items() if field not in columns and other in columns
    ]
    lines += [
        _free(field, " and ".join(others))
        for field, others in found.contained.items()
        if field not in columns
    ]
    lines += ["", "[draws]"]
    lines += [f"{field} = {np.round(draws[:, at], 3).tolist()}" for field, at in columns.items()]
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


def _fields(terms: Iterable[Term]) -> list[str]:
    return list(dict.fromkeys(term.field for term in terms))


def _columns(terms: list[Term], field: str) -> list[int]:
    """Return where the prices of a field are; a curve of which only one point was found has it at both."""
    found = [at for at, term in enumerate(terms) if term.field == field]
    return found * 2 if field in CURVES and len(found) == 1 else found


def _price(field: str, at: list[int], prices: Floats, draws: Floats, how: str) -> str:
    first = [_spoken(prices[at[0]]), *(_spoken(ps) for ps in np.quantile(draws[:, at[0]], _INTERVAL))]
    low, high = sorted((first[1], first[2], first[0]), key=_ps)[::2]
    value = f'"{first[0]}"'
    if field in CURVES:
        points = zip(CURVES[field], at, strict=True)
        value = "{ " + ", ".join(f'"{size}" = "{_spoken(prices[one])}"' for size, one in points) + " }"
    return f'{field} = {{ value = {value}, interval = ["{low}", "{high}"], source = "measured: {how}" }}'


def _free(field: str, other: str) -> str:
    return f'{field} = {{ value = "0 ns", source = "measured: contained in {other}" }}'


def _spoken(value_ps: float) -> str:
    """Write a price, to a femtosecond where it is that of a byte."""
    return f"{value_ps / 1000:.6f} ns"


def _ps(text: str) -> float:
    return float(text.partition(" ")[0])
