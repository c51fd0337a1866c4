"""The design space of a sweep: which points its parts stand for, in which order, and what is refused."""

import itertools
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowmodel.campaign import sampling
from cowmodel.campaign.design import Sweep, combinations
from cowmodel.campaign.spacing import spaced
from cowmodel.errors import ConfigError
from cowmodel.experiment.document import Document
from cowmodel.experiment.validation import validated
from cowmodel.units import parse_duration, parse_quantity, parse_size

BASE: Document = {
    "machine": {"memory": "1 GiB", "cores": 2},
    "policy": {"copy": "cow"},
    "workload": {"heap": "64 MiB", "written": 0.5, "save": "1 s"},
}


def points(text: str, folder: Path = Path(".")) -> list[Document]:
    """Return the points of one sweep, written as in an experiment's file."""
    sweep = validated(Sweep, tomllib.loads(text), "", folder)
    return [values for _, values in combinations([sweep], "here", BASE)]


def column(text: str, path: str) -> list[Any]:
    return [values[path] for values in points(text)]


def complaint(text: str, folder: Path = Path(".")) -> str:
    with pytest.raises(ConfigError) as caught:
        points(text, folder)
    return str(caught.value)


def spacing(**rule: list[Any]) -> list[Any]:
    return spaced(rule, "place")


# ------------------------------------------------------------------ combined
def test_the_last_list_of_a_grid_varies_fastest():
    found = points('grid = { "machine.cores" = [1, 2], "policy.copy" = ["cow", "eager"] }')

    assert [tuple(values.values()) for values in found] == [
        (1, "cow"),
        (1, "eager"),
        (2, "cow"),
        (2, "eager"),
    ]


def test_fixed_values_alone_are_one_point():
    assert points('set = { "machine.cores" = 4 }') == [{"machine.cores": 4}]


def test_lists_of_a_zip_go_together():
    found = points('zip = { "machine.cores" = [1, 2], "machine.memory" = { log2 = ["1 GiB", "2 GiB"] } }')

    assert found == [
        {"machine.cores": 1, "machine.memory": "1 GiB"},
        {"machine.cores": 2, "machine.memory": "2 GiB"},
    ]


def test_lists_of_a_zip_with_unequal_lengths_are_told_with_them():
    assert complaint('zip = { "machine.cores" = [1, 2], "policy.copy" = ["cow"] }') == (
        "here: sweep 1: zip: expected lists of equal length, got: machine.cores has 2, policy.copy has 1"
    )


def test_all_parts_of_a_sweep_multiply(tmp_path: Path):
    (tmp_path / "points.csv").write_text("run.seed\n1\n2\n")
    found = points(
        """
        csv = "points.csv"
        set = { "workload.save" = "2 s" }
        zip = { "machine.cores" = [1, 2, 3], "machine.memory" = ["1 GiB", "2 GiB", "3 GiB"] }
        grid = { "policy.copy" = ["cow", "eager"] }
        sobol = { points = 4, seed = 1, ranges = { "workload.written" = [0.0, 1.0] } }
        latin = { points = 5, seed = 1, ranges = { "workload.heap" = ["1 MiB", "2 MiB"] } }
        """,
        tmp_path,
    )

    assert len({tuple(values.items()) for values in found}) == 2 * 3 * 2 * 4 * 5
    assert [values["run.seed"] for values in found] == [1] * 120 + [2] * 120
    assert [values["policy.copy"] for values in found] == ["cow", "eager"] * 120


def test_points_are_made_when_they_are_asked_for():
    grid = {f"machine.{name}": list(range(1000)) for name in "abcdef"}
    endless = combinations([Sweep(grid=grid)], "here", BASE)

    _, third = next(itertools.islice(endless, 2, None))

    assert list(third.values()) == [0, 0, 0, 0, 0, 2]


def test_sweeps_are_told_apart_by_their_number():
    sweeps = [Sweep(set={"machine.cores": 1}), Sweep(set={"machine.cores": 2})]

    assert [place for place, _ in combinations(sweeps, "here", BASE)] == ["here: sweep 1", "here: sweep 2"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('set = { "machine.cores" = 1 }\ngrid = { machine.cores = [1] }', "set and in grid"),
        ('zip = { "machine.cores" = [1] }\ngrid = { "machine.cores" = [1] }', "zip and in grid"),
        (
            'sobol = { points = 1, seed = 1, ranges = { "machine.cores" = [1, 2] } }\n'
            'latin = { points = 1, seed = 1, ranges = { "machine.cores" = [1, 2] } }',
            "sobol and in latin",
        ),
    ],
)
def test_a_path_in_two_parts_is_refused(text: str, parts: str):
    assert complaint(text) == (
        "here: sweep 1: machine.cores: expected in one part of the sweep, got it in"
        f" {parts}; take it out of one"
    )


# -------------------------------------------------------------------- spaced
@pytest.mark.parametrize("path", ['"machine.cores"', "machine.cores"])
def test_a_rule_stands_for_a_list_however_its_path_is_spelled(path: str):
    assert column(f"grid.{path} = {{ log2 = [1, 8] }}", "machine.cores") == [1, 2, 4, 8]


@pytest.mark.parametrize(
    ("rule", "arguments", "values"),
    [
        ("log2", ["512 KiB", "2 MiB"], ["512 KiB", "1 MiB", "2 MiB"]),
        ("log2", [0.25, 1], [0.25, 0.5, 1.0]),
        ("log2", ["3 MiB", "3 MiB"], ["3 MiB"]),
        ("linspace", [1, 4, 4], [1, 2, 3, 4]),
        ("linspace", [1, 2, 3], [1.0, 1.5, 2.0]),
        ("linspace", [0.0, 0.6, 3], [0.0, 0.3, 0.6]),
        ("linspace", ["1 KiB", "2 KiB", 3], ["1 KiB", "1536 B", "2 KiB"]),
        ("linspace", ["0 ns", "1 us", 3], ["0 ps", "500 ns", "1 us"]),
        ("linspace", ["2 B", "1 B", 2], ["2 B", "1 B"]),
        ("logspace", [1, 1000, 4], [1, 10, 100, 1000]),
        ("logspace", [0.001, 1.0, 4], [0.001, 0.01, 0.1, 1.0]),
        ("logspace", ["2000/s", "2/ms", 2], ["2000/s", "2000/s"]),
        ("logspace", ["1 GB/s", "100 GB/s", 3], ["1 GB/s", "10 GB/s", "100 GB/s"]),
    ],
)
def test_a_rule_gives_values_of_the_kind_of_its_ends(rule: str, arguments: list[Any], values: list[Any]):
    found = spacing(**{rule: arguments})

    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


@given(st.integers(1, 1 << 40), st.integers(0, 20))
def test_log2_goes_from_the_one_end_to_the_other_in_doublings(low: int, doublings: int):
    sizes = [parse_size(text) for text in spacing(log2=[f"{low} B", f"{low << doublings} B"])]

    assert sizes == [low << power for power in range(doublings + 1)]


finite = st.floats(-1e9, 1e9)


@given(finite | st.integers(-(10**18), 10**18), finite, st.integers(2, 50))
def test_linspace_hits_both_ends_of_numbers(low: float, high: float, count: int):
    values = spacing(linspace=[low, high, count])

    assert (values[0], values[-1], len(values)) == (float(low), high, count)


@given(st.integers(1, 1 << 61), st.integers(1, 1 << 61), st.integers(2, 50), st.sampled_from(["lin", "log"]))
def test_both_ends_of_quantities_are_hit_and_values_between_go_one_way(
    low: int, high: int, count: int, scale: str
):
    values = [
        parse_duration(text) for text in spacing(**{f"{scale}space": [f"{low} ps", f"{high} ps", count]})
    ]

    assert (values[0], values[-1], len(values)) == (low, high, count)
    assert values == sorted(values, reverse=low > high)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "grid.machine.cores: expected a list of values, got []"),
        ("{ linspce = [1, 2, 3] }", "no 'linspce' among linspace, logspace, log2; did you mean 'linspace'?"),
        ("{ linspace = [1, 2] }", "grid.machine.cores: linspace: expected [a, b, n], got [1, 2]"),
        ("{ linspace = [1, 2, 1] }", "expected a number of values from 2 to 1,000,000, got 1"),
        ("{ linspace = [1, 2, true] }", "expected a number of values from 2 to 1,000,000, got True"),
        ("{ linspace = ['1 GiB', '2 s', 2] }", "expected both ends of one kind, got '1 GiB' and '2 s'"),
        ("{ linspace = ['1 GiB', 2, 2] }", "expected both ends of one kind, got '1 GiB' and 2"),
        (
            "{ linspace = ['1 Gib', '2 GiB', 2] }",
            "expected a number or a quantity such as '1 GiB', got '1 Gib'",
        ),
        ("{ linspace = ['0.5 B', '2 B', 2] }", "linspace: expected a whole number of bytes, got '0.5 B'"),
        ("{ linspace = [nan, 2, 2] }", "expected a number or a quantity such as '1 GiB', got nan"),
        (
            f"{{ logspace = [1, 1{'0' * 400}, 3] }}",
            "expected a number or a quantity such as '1 GiB', got 1000",
        ),
        ("{ linspace = [false, 2, 2] }", "expected a number or a quantity such as '1 GiB', got False"),
        ("{ logspace = [0, 2, 2] }", "logspace: expected ends above 0, got [0, 2, 2]"),
        ("{ log2 = [0, 2] }", "log2: expected ends above 0, got [0, 2]"),
        ("{ log2 = 3 }", "log2: expected [a, b], got 3"),
        ("{ log2 = ['1 MiB', '3 MiB'] }", "got ['1 MiB', '3 MiB']; end with '2 MiB' or '4 MiB'"),
        (
            "{ log2 = [4, 1] }",
            "log2: expected [a, b] with b one of a, 2a, 4a and so on, got [4, 1]; end with 4",
        ),
    ],
)
def test_what_is_no_list_and_no_rule_is_refused(text: str, message: str):
    assert message in complaint(f'grid = {{ "machine.cores" = {text} }}')


# ------------------------------------------------------------------- sampled
@pytest.mark.parametrize("design", ["sobol", "latin"])
def test_a_design_has_one_point_in_each_equal_part_of_a_range(design: str):
    text = f'{design} = {{ points = 16, seed = 3, ranges = {{ "workload.written" = [0.0, 1.0] }} }}'

    assert sorted(int(16 * share) for share in column(text, "workload.written")) == list(range(16))


@pytest.mark.parametrize("design", ["sobol", "latin"])
def test_a_design_is_the_same_for_the_same_seed_alone(design: str):
    def drawn(seed: int) -> list[Document]:
        ranges = '{ "workload.heap" = ["1 MiB", "1 GiB"], "machine.cores" = [1, 8] }'
        return points(f"{design} = {{ points = 8, seed = {seed}, ranges = {ranges} }}")

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize("design", ["sobol", "latin"])
def test_all_whole_numbers_of_a_range_come_equally_often(design: str):
    found = column(
        f'{design} = {{ points = 64, seed = 1, ranges = {{ "machine.cores" = [1, 4] }} }}', "machine.cores"
    )

    assert [found.count(cores) for cores in range(5)] == [0, 16, 16, 16, 16]


def test_on_a_log_scale_each_doubling_has_as_many_points():
    found = column(
        'sobol = { points = 64, seed = 1, scale = "log", ranges = { workload.heap = ["1 MiB", "16 MiB"] } }',
        "workload.heap",
    )
    doublings = [int(math.log2(parse_size(heap) / (1 << 20))) for heap in found]

    assert [doublings.count(number) for number in range(4)] == [16, 16, 16, 16]


def test_a_share_just_below_one_gives_the_highest_whole_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sampling, "geometric", lambda low, high, share: high)
    box = sampling.Box(points=1, seed=1, ranges={}, scale="log")

    assert list(sampling.sobol(box, {"machine.cores": [1, 4]}, "place")) == [(4,)]


@given(st.integers(0, 1 << 60), st.integers(1, 1 << 60), st.integers(0, 9))
def test_samples_of_a_range_of_sizes_lie_in_it(low: int, width: int, seed: int):
    box = sampling.Box(points=4, seed=seed, ranges={})
    sample = sampling.latin(box, {"workload.heap": [f"{low} B", f"{low + width} B"]}, "place")

    assert all(low <= parse_size(heap) <= low + width for (heap,) in sample)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("points = 6, seed = 1, ranges = { a.b = [1, 2] }", "got 6; take 4 or 8"),
        (
            "points = 0, seed = 1, ranges = { a.b = [1, 2] }",
            "expected a number of points from 1 to 1,048,576",
        ),
        ("points = 4, ranges = { a.b = [1, 2] }", "sobol.seed: missing"),
        ("points = 4, seed = 1, ranges = {}", "sobol: expected a path with [low, high] in ranges, got none"),
        ("points = 4, seed = 1, ranges = { a.b = [1] }", "ranges.a.b: expected [low, high], got [1]"),
        (
            "points = 4, seed = 1, ranges = { a.b = [2, 1] }",
            "expected [low, high] with low below high, got [2, 1]",
        ),
        ("points = 4, seed = 1, ranges = { a.b = ['1 B', '2 s'] }", "expected both ends of one kind"),
        (
            "points = 4, seed = 1, scale = 'log', ranges = { a.b = [0, 1] }",
            "above 0 on a log scale, got [0, 1]",
        ),
        (
            "points = 4, seed = 1, scale = 'lg', ranges = { a.b = [1, 2] }",
            "sobol.scale: no 'lg' among linear, log",
        ),
    ],
)
def test_a_design_that_can_not_be_made_is_refused(table: str, message: str):
    assert message in complaint(f"sobol = {{ {table} }}")


# ----------------------------------------------------------------------- csv
def test_a_row_of_a_file_is_a_point_of_toml_values_or_text(tmp_path: Path):
    (tmp_path / "points.csv").write_bytes(
        b"\xef\xbb\xbfmachine.memory, machine.cores ,workload.written,policy.copy\r\n1 GiB,2,0.5,cow\r\n\r\n"
    )

    assert points('csv = "points.csv"', tmp_path) == [
        {"machine.memory": "1 GiB", "machine.cores": 2, "workload.written": 0.5, "policy.copy": "cow"}
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "points.csv:1: expected a different path in each column, got ''"),
        (b"a.b,a.b\n1,2\n", "points.csv:1: expected a different path in each column, got 'a.b,a.b'"),
        (b"a.b,\n1,2\n", "points.csv:1: expected a different path in each column, got 'a.b,'"),
        (b"a.b\n", "points.csv: expected a row a point behind the first, got none"),
        (b"a.b,c.d\n1,2\n\n3\n", "points.csv:4: expected 2 cells, one for each path, got 1"),
        (b"a.b,c.d\n1, \n", "points.csv:2: c.d: expected a value, got an empty cell"),
        (b'a.b\n"1\n', "points.csv:2: expected comma-separated values: unexpected end of data"),
        (b"a.b\n1\nb\xe9b\xe9\n", "points.csv:3: expected UTF-8 text, got byte 0xe9; save it as UTF-8"),
        (b"\xff\xfea\x00", "points.csv:1: expected UTF-8 text, got byte 0xff"),
    ],
)
def test_a_file_that_is_no_table_of_points_is_refused_with_the_line(
    tmp_path: Path, content: bytes, message: str
):
    (tmp_path / "points.csv").write_bytes(content)

    assert message in complaint('csv = "points.csv"', tmp_path)


def test_a_file_of_points_that_is_not_there_is_named(tmp_path: Path):
    assert "csv: no file or folder" in complaint('csv = "points.csv"', tmp_path)


def test_a_folder_in_the_place_of_a_file_of_points_is_refused(tmp_path: Path):
    (tmp_path / "points.csv").mkdir()

    assert "points.csv: expected a CSV file: Is a directory" in complaint('csv = "points.csv"', tmp_path)


# ---------------------------------------------------------------- constraint
def test_a_constraint_keeps_the_points_for_which_it_holds():
    found = points(
        'grid = { "machine.memory" = { log2 = ["32 MiB", "256 MiB"] } }\n'
        'constraint = "workload.heap * 2 <= machine.memory"'
    )

    assert [values["machine.memory"] for values in found] == ["128 MiB", "256 MiB"]


def test_a_constraint_sees_paths_that_the_base_leaves_to_their_default():
    found = points('grid = { "machine.tlb" = [true, false] }\nconstraint = "machine.tlb"')

    assert found == [{"machine.tlb": True}]


def test_a_constraint_that_leaves_no_point_is_refused():
    text = 'grid = { "machine.cores" = [1, 2] }\nconstraint = "machine.cores > 2"'

    assert complaint(text) == (
        "here: sweep 1: constraint 'machine.cores > 2': holds at none of 2 points; weaken it"
    )


def test_a_constraint_does_not_change_the_base():
    points('grid = { "machine.cores" = [8] }\nconstraint = "machine.cores == 8"')

    assert BASE["machine"]["cores"] == 2


def test_an_unknown_path_gets_a_suggestion_from_a_constraint_too():
    message = complaint('grid = { "machine.cors" = [8] }\nconstraint = "machine.cores == 8"')

    assert message.startswith("here: sweep 1: machine.cors: no 'machine.cors' among machine.memory,")
    assert message.endswith("did you mean 'machine.cores'?")


def test_a_written_quantity_is_read_as_the_same_again():
    texts = ["1536 B", "64 MiB", "4 kB", "250 ns", "2000.5/s", "10 GB/s", "0 ps"]

    assert [spacing(linspace=[text, text, 2])[0] for text in texts] == texts
    assert parse_quantity("zipf 0.99") is None
