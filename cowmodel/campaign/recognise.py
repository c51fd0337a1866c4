"""What a file is, told by its content: configuration, experiment, cost preset or trace."""

from pathlib import Path

from cowmodel.campaign.experiment import FILE, read_experiment, read_file
from cowmodel.campaign.file import Measurement
from cowmodel.cost.preset import load_preset
from cowmodel.errors import ConfigError
from cowmodel.experiment.config import TABLES, load
from cowmodel.experiment.document import read_toml
from cowmodel.trace.read import read_trace


def describe(path: Path) -> str:
    """Check a file or folder, and say in a few words what it is.

    Raises
    ------
    ConfigError
        With a line for each thing that is wrong.
    """
    if path.name == FILE or (path / FILE).exists():
        folder = path.parent if path.name == FILE else path
        if isinstance(file := read_file(folder), Measurement):
            return f"measurement of {', '.join(file.tables)}, made by `{file.command}`"
        experiment = read_experiment(folder)
        runs = f"{len(experiment.points)} points, {experiment.file.replications} replications"
        return f"experiment, {runs}"
    if path.suffix == ".toml":
        return _described_toml(path)
    trace = read_trace(path)
    return f"trace, {len(trace.page)} records, {len(trace.forks)} forks"


def _described_toml(path: Path) -> str:
    """Tell a configuration from a cost preset."""
    table = read_toml(path)
    if "prices" in table:
        return f"prices of {load_preset(path).machine}"
    if not table.keys() & {*TABLES, "extends"}:
        raise ConfigError(
            f"{path}: expected a configuration with {', '.join(f'[{name}]' for name in TABLES)},"
            " or cost presets with [prices]"
        )
    return f"configuration of {load(path).document['workload']['name']}"
