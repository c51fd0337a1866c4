from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowmodel.errors import ConfigError
from cowmodel.units import (
    DURATIONS,
    KINDS,
    SIZES,
    format_count,
    format_duration,
    format_quantity,
    format_size,
    parse_duration,
    parse_quantity,
    parse_rate,
    parse_size,
)

PARSERS = [(parse_size, "B"), (parse_duration, "ns"), (parse_rate, "/s")]


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0 B", 0),
        ("4 kB", 4_000),
        ("4 KiB", 4_096),
        ("64MiB", 64 << 20),
        (" 2 GB ", 2 * 10**9),
        ("1.5 GiB", 3 << 29),
        ("1e3 TB", 10**15),
        ("16 TiB", 16 << 40),
    ],
)
def test_binary_sizes_count_in_1024_and_decimal_ones_in_1000(text: str, size_bytes: int):
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    ("text", "duration_ps"),
    [("7 ps", 7), ("0.5 ns", 500), ("250 us", 250 * 10**6), ("1 µs", 10**6), ("1 μs", 10**6)]
    + [("1.25 ms", 1_250 * 10**6), ("2 s", 2 * 10**12)],
)
def test_durations_are_whole_picoseconds(text: str, duration_ps: int):
    assert parse_duration(text) == duration_ps


@pytest.mark.parametrize(("text", "per_second"), [("2000/s", 2000.0), ("0.5 /ms", 500.0)])
def test_rates_are_per_second(text: str, per_second: float):
    assert parse_rate(text) == per_second


def test_text_that_is_no_quantity_is_shown_with_an_example():
    with pytest.raises(ConfigError) as caught:
        parse_size("1 GB of")

    assert str(caught.value) == "expected a size such as '4 KiB', got '1 GB of'"


@pytest.mark.parametrize("parse", [parse for parse, _ in PARSERS])
@pytest.mark.parametrize("number", ["4096", 4096, 4.5])
def test_a_number_without_a_unit_is_refused_with_the_remedy(parse: Callable[[object], float], number: object):
    with pytest.raises(ConfigError, match="; add a unit: one of "):
        parse(number)


@pytest.mark.parametrize("text", ["4 K", "64 M", "1 G", "4 kb", "10 Mb", "4 kib", "1 KB"])
def test_a_bare_prefix_or_a_bit_is_no_size(text: str):
    unit = text.split()[1]

    with pytest.raises(ConfigError, match=f"got '{text}'; '{unit}' is not a unit: one of B, kB"):
        parse_size(text)


@pytest.mark.parametrize(("parse", "unit"), PARSERS)
def test_a_negative_quantity_is_refused(parse: Callable[[object], float], unit: str):
    with pytest.raises(ConfigError, match=f"of at least 0, got '-1 {unit}'"):
        parse(f"-1 {unit}")


@pytest.mark.parametrize("text", ["0.5 B", "1.0001 KiB", "1e-9 kB"])
def test_a_fraction_of_a_byte_is_refused(text: str):
    with pytest.raises(ConfigError, match="expected a whole number of bytes"):
        parse_size(text)


def test_a_fraction_of_a_picosecond_is_refused():
    with pytest.raises(ConfigError, match="expected a whole number of picoseconds, got '0.5 ps'"):
        parse_duration("0.5 ps")


@pytest.mark.parametrize("text", ["", "KiB", "nan B", "inf B", "1,5 KiB", "0x10 B", None, True])
def test_what_is_not_written_as_a_number_is_refused(text: object):
    with pytest.raises(ConfigError, match="expected a size such as '4 KiB'"):
        parse_size(text)


@given(st.integers(0, 2**20), st.sampled_from(sorted(SIZES)))
def test_every_whole_number_of_every_size_unit_is_read_exactly(number: int, unit: str):
    assert parse_size(f"{number} {unit}") == number * SIZES[unit]


@given(st.integers(0, 2**20), st.sampled_from(sorted(DURATIONS)))
def test_every_whole_number_of_every_duration_unit_is_read_exactly(number: int, unit: str):
    assert parse_duration(f"{number} {unit}") == number * DURATIONS[unit]


@pytest.mark.parametrize(("parse", "text"), [(parse_size, "3 EB"), (parse_duration, "1e8 s")])
def test_what_does_not_fit_64_bits_is_refused(parse: Callable[[str], int], text: str):
    with pytest.raises(ConfigError):
        parse(text)


def test_the_largest_size_is_said():
    with pytest.raises(ConfigError, match="expected at most 2,305,843,009,213,693,952 bytes, got '9e9 TiB'"):
        parse_size("9e9 TiB")


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1000, "1000 B"), (4096, "4 KiB"), (1536, "1.5 KiB"), (64 << 20, "64 MiB")]
    + [(100 << 10, "100 KiB"), (5000 << 40, "5000 TiB"), (-4096, "-4 KiB")],
)
def test_a_size_is_written_in_the_largest_unit_that_it_fills(size_bytes: int, text: str):
    assert format_size(size_bytes) == text


@pytest.mark.parametrize(
    ("duration_ps", "text"),
    [(0, "0 ps"), (999, "999 ps"), (500_000, "500 ns"), (1_250_000, "1.25 us")]
    + [(1_234_567, "1.23 us"), (3 * 10**12, "3 s"), (200 * 10**12, "200 s")],
)
def test_a_duration_is_written_in_the_largest_unit_that_it_fills(duration_ps: int, text: str):
    assert format_duration(duration_ps) == text


def test_a_count_is_written_with_its_thousands_apart():
    assert format_count(1_234_567) == "1,234,567"


@given(st.integers(1, 1 << 61), st.sampled_from(["size", "duration", "bandwidth"]))
def test_a_whole_quantity_is_read_as_it_was_written(number: int, kind: str):
    assert parse_quantity(format_quantity(number, kind)) == (number, kind)


@given(st.just(0.0) | st.floats(1e-9, 1e15))
def test_a_rate_is_read_as_it_was_written(per_second: float):
    assert parse_quantity(format_quantity(per_second, "rate")) == (per_second, "rate")


@pytest.mark.parametrize("unit", KINDS)
def test_every_unit_tells_the_kind_of_its_quantity(unit: str):
    number, kind = parse_quantity(f"1 {unit}") or (0, "none")

    assert kind == KINDS[unit]
    assert number >= 1


@pytest.mark.parametrize("text", ["", "cow", "12", "zipf 0.99", "mthp 64 KiB", "1 Gib", "linux-6.18"])
def test_other_text_is_no_quantity(text: str):
    assert parse_quantity(text) is None
