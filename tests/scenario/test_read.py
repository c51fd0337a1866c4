"""The language: what each line stands for, and what is said of one that stands for nothing."""

from pathlib import Path

import pytest

from cowmodel.errors import ConfigError
from cowmodel.scenario.patterns import Listed, Random, Run, Shuffle, Zipf
from cowmodel.scenario.read import parse, read_scenario, shipped
from cowmodel.scenario.steps import SLOT_BYTES, Access, Backed, Fork, Map, Move, Ranged, Step

START = "map P0 A anon pages=64 page=4k\n"


def last(text: str, before: str = START) -> Step:
    return parse(before + text).steps[-1]


def access(text: str) -> Access:
    step = last(text)
    assert isinstance(step, Access)
    return step


def problems(text: str, before: str = START) -> str:
    with pytest.raises(ConfigError) as found:
        parse(before + text, Path("x.scn"))
    return str(found.value)


# ------------------------------------------------------------------ operations
def test_a_map_line_tells_kind_page_and_size():
    step = last("map P0 B shared size=4m page=hugetlb shift=2m")

    assert isinstance(step, Map)
    assert (step.feature, step.pages, step.shift_bytes) == ("map shared page=hugetlb", 1024, 2 << 20)
    assert not step.private


def test_every_region_lies_in_a_slot_of_its_own_and_a_slot_is_used_again():
    text = START + "map P0 B anon pages=1 page=4k\nmunmap P0 A\nmap P0 C anon pages=1 page=4k shift=1m"

    slots = [step for step in parse(text).steps if isinstance(step, Map)]

    assert [step.address // SLOT_BYTES for step in slots] == [1, 2, 1]
    assert slots[2].address % SLOT_BYTES == 1 << 20


def test_a_slot_stays_taken_while_a_child_has_the_region():
    step = last("fork P0 P1\nmunmap P0 A\nmap P0 B anon pages=1 page=4k")

    assert isinstance(step, Map) and step.slot == 1


def test_files_are_set_before_they_are_mapped():
    settings = "set file F 1m disk\nset hugepages 8\nset mthp 64k=madvise 2m=never\n"
    text = settings + "map P0 A file size=1m page=4k file=F"

    scenario = parse(text)

    assert scenario.settings.files == {"F": Backed(1 << 20, disk=True)}
    assert scenario.settings.hugepages == 8
    assert scenario.settings.mthp == {64 << 10: "madvise", 2 << 20: "never"}


@pytest.mark.parametrize(
    ("text", "write"),
    [
        ("touch P0 A all", True),
        ("touch P0 A all w", True),
        ("touch P0 A all r", False),
        ("read P0 A all", False),
        ("write P0 A all", True),
        ("rmw P0 A all", True),
    ],
)
def test_touch_is_a_write_unless_it_says_r(text: str, write: bool):
    assert access(text).write is write


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("all", Run(0, 63)),
        ("3-9", Run(3, 9)),
        ("7", Run(7, 7)),
        ("range 3-9", Run(3, 9)),
        ("range 3-9 rev", Run(3, 9, backwards=True)),
        ("stride 0-63 8", Run(0, 63, 8)),
        ("list 1,5,9-12", Listed((Run(1, 1), Run(5, 5), Run(9, 12)))),
        ("random n=5 seed=1", Random(0, 63, 5, 1)),
        ("random n=5 seed=1 range=8-9", Random(8, 9, 5, 1)),
        ("shuffle seed=2", Shuffle(0, 63, 64, 2)),
        ("shuffle seed=2 range=1-8 n=3", Shuffle(1, 8, 3, 2)),
        ("zipf n=9 s=0.99 seed=3", Zipf(0, 63, 9, 3, 0.99)),
    ],
)
def test_a_pattern_is_read(text: str, pattern: object):
    assert access(f"write P0 A {text}").pattern == pattern


def test_indices_count_units_and_off_is_a_byte_of_each():
    before = "map P0 B anon size=4m page=thp\n"

    step = parse(before + "write P0 B all unit=2m off=4096 cpu=1").steps[-1]

    assert isinstance(step, Access)
    assert step.offsets().tolist() == [4096, (2 << 20) + 4096]
    assert step.pages().tolist() == [1, 513]
    assert step.cpu == 1


@pytest.mark.parametrize(
    ("text", "feature", "pages"),
    [
        ("madvise P0 A dontneed", "madvise dontneed", (0, 63)),
        ("madvise P0 A 0-7 populate_write", "madvise populate_write", (0, 7)),
        ("mprotect P0 A rw", "mprotect rw", (0, 63)),
        ("mprotect P0 A 3-4 r", "mprotect r", (3, 4)),
        ("mprotect P0 A none", "mprotect none", (0, 63)),
        ("mlock P0 A", "mlock", (0, 63)),
        ("munmap P0 A 60-63", "munmap", (60, 63)),
        ("pin P0 A 5-9", "pin", (5, 9)),
        ("unpin P0 A", "unpin", (0, 63)),
        ("merge P0 A", "merge", (0, 63)),
    ],
)
def test_a_range_of_pages_is_the_whole_region_unless_it_is_said(
    text: str, feature: str, pages: tuple[int, int]
):
    step = last(text)

    assert isinstance(step, Ranged)
    assert (step.feature, (step.first, step.last)) == (feature, pages)


def test_a_region_moves_to_the_lowest_slot_where_nobody_has_one():
    first = last("fork P0 P1\nmremap P0 A")
    second = last("fork P0 P1\nmremap P0 A\nmremap P1 A")
    back = last("mremap P0 A\nmremap P0 A")

    assert isinstance(first, Move) and isinstance(second, Move) and isinstance(back, Move)
    assert (first.there.slot, second.there.slot, back.there.slot) == (1, 2, 0)
    assert first.there.region == first.region == "A"


def test_a_file_is_mapped_from_its_start_unless_it_is_said():
    start = "set file F 64k\nmap P0 B file pages=8 page=4k file=F"

    whole, piece = (last(start + more, before="") for more in ("", " from=32k"))

    assert isinstance(whole, Map) and isinstance(piece, Map)
    assert (whole.from_bytes, piece.from_bytes) == (0, 32 << 10)


@pytest.mark.parametrize("op", ["exit", "vfork", "spawn", "forkexec"])
def test_other_operations_need_a_process_only(op: str):
    assert last(f"{op} P0").feature == op


def test_a_child_has_the_regions_of_its_parent():
    assert last("fork P0 P1\nfork P1 P2\nwrite P2 A all").proc == "P2"


def test_comments_and_empty_lines_are_nothing():
    assert len(parse("# nothing\n\n" + START + "stat # a look\n").steps) == 2


def test_the_name_is_that_of_the_file_unless_it_is_said():
    assert parse(START, Path("a/b.scn")).name == "b"
    assert parse("name c\n" + START, Path("a/b.scn")).name == "c"


# --------------------------------------------------------------------- repeats
def test_repeats_are_unrolled_and_i_is_the_iteration_from_0():
    steps = parse(START + "repeat 3 {\n  fork P0 C%i\n  write C%i A %i-%i\n}").steps

    assert [step.child for step in steps if isinstance(step, Fork)] == ["C0", "C1", "C2"]
    assert [step.pages().tolist() for step in steps if isinstance(step, Access)] == [[0], [1], [2]]
    assert [step.number for step in steps] == [1, 2, 3, 4, 5, 6, 7]
    assert [step.line for step in steps] == [1, 3, 4, 3, 4, 3, 4]


def test_repeats_nest_and_i_is_that_of_the_innermost():
    steps = parse(START + "repeat 2 {\nrepeat 2 {\nwrite P0 A %i\n}\nread P0 A %i\n}").steps

    pages = [(step.op, step.pages().tolist()) for step in steps if isinstance(step, Access)]
    assert pages == [("write", [0]), ("write", [1]), ("read", [0])] + [
        ("write", [0]),
        ("write", [1]),
        ("read", [1]),
    ]


def test_a_name_may_be_used_again_once_its_process_has_exited():
    assert len(parse(START + "repeat 3 {\nfork P0 P1\nexit P1\n}").steps) == 7


# ------------------------------------------------------------------------- par
def test_par_puts_the_next_lines_into_a_group():
    steps = parse(START + "fork P0 P1\npar 2\nwrite P0 A all\nwrite P1 A all\nread P0 A all").steps

    assert [step.group for step in steps] == [0, 0, 1, 1, 0]


# ---------------------------------------------------------------- expectations
def test_a_comment_with_an_equals_sign_says_what_is_expected():
    step = last("write P0 A all #= minflt 64, flips >=3, kinds.cow_copy <=2")

    assert [str(one) for one in step.expected] == ["minflt 64", "flips >=3", "kinds.cow_copy <=2"]
    assert [one.holds(3) for one in step.expected] == [False, True, False]


# ---------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wirte P0 A all", "x.scn:2: expected an operation: no 'wirte' among .*; did you mean 'write'?"),
        ("write P1 A all", "x.scn:2: expected a live process: no 'P1' among P0"),
        ("write P0 B all", "x.scn:2: expected a region of P0: no 'B' among A"),
        ("write P0 A", "expected a pattern, got the end of the line; write 'write PROC REGION PATTERN"),
        ("write P0 A al", "expected a pattern: no 'al' among all, .*; did you mean 'all'?"),
        ("write P0 A 60-64", "expected indices up to 63, got 64; the region ends there"),
        ("write P0 A 9-3", "expected a range as FROM-TO, both ends included, such as 0-63, got '9-3'"),
        ("write P0 A all unit=8k", "expected unit=: no '8k' among 4k, 2m, 1g"),
        ("write P0 A all off=4096", "expected off, a byte of the unit, .* from 0 to 4,095, got '4096'"),
        ("write P0 A all twice", "expected the end of the line, got 'twice'; write 'write PROC"),
        ("write P0 A all cpus=1", "expected the end of the line, got 'cpus=...'"),
        ("write P0 A random n=3", "expected seed=..., got none"),
        ("write P0 A random n=x seed=1", "expected n, a whole number from 1 to 16,777,216, got 'x'"),
        ("write P0 A shuffle seed=1 n=65", "expected n of at most 64, got 65; a shuffle has no repeats"),
        ("write P0 A zipf n=1 s=steep seed=1", "expected s, a number such as 0.99, got 'steep'"),
        ("write P0 A list 1,x", "expected the parts of a list as FROM-TO"),
        ("write P0 A stride 0-9 0", "expected a step, a whole number of at least 1, got '0'"),
        ("touch P0 A all x", "expected r or w: no 'x' among r, w"),
        ("map P0 A anon pages=1 page=4k", "expected a new name for the region, got 'A', which P0 has"),
        ("map P0 B anon page=4k", "expected size=..., got none"),
        ("map P0 B anon pages=1", "expected page=..., got none"),
        ("map P0 B anon size=5000 page=4k", "expected a size of whole 4 KiB pages"),
        ("map P0 B anon size=64M page=4k", "expected size, such as 64m (units k, m, g of 1024), got '64M'"),
        ("map P0 B anon pages=1 page=hugetlb", "expected size and shift as multiples of 2,097,152 bytes"),
        ("map P0 B file pages=1 page=4k file=F", "expected a file that was set: no 'F'"),
        ("map P0 B anom pages=1 page=4k", "expected a kind of memory: no 'anom' among .*'anon'"),
        ("map P0 B-1 anon pages=1 page=4k", "expected a name for a region, letters and digits, got 'B-1'"),
        ("map P0 B anon pages=1 page=4k from=4k", "expected the end of the line, got 'from=...'"),
        ("mprotect P0 A w", "expected what to do: no 'w' among none, r, rw"),
        ("mremap P0 B", "x.scn:2: expected a region of P0: no 'B' among A"),
        ("mremap P0 A 0-3", "expected the end of the line, got '0-3'; write 'mremap PROC REGION'"),
        ("fork P0 P0", "expected a new name for the child, got 'P0', which is alive"),
        ("madvise P0 A 0-64 dontneed", "expected pages up to 63, got 64; the region ends there"),
        ("madvise P0 A wontneed", "expected what to do: no 'wontneed' among .*; did you mean 'dontneed'?"),
        ("pin P0 A 60-64", "expected pages up to 63, got 64; the region ends there"),
        ("unpin P0 A 0-3", "expected the end of the line, got '0-3'; write 'unpin PROC REGION'"),
        ("merge P0 A 0-3\nmerge P0 A 4-7", "x.scn:3: expected one merge in a scenario, got another"),
        ("map P0 B anon pages=257 page=4k\nmerge P0 B", "expected at most 256 pages, .*, got 257"),
        (
            "map P0 B anon size=2m page=thp\nmerge P0 B 0-1",
            "expected anonymous memory with page=4k to merge, got anon page=thp",
        ),
        ("set hugepages 3", "expected 'set' before the first operation, got it after; move it up"),
        ("exit P0\nstat\nexit P0", "x.scn:4: expected a live process: no 'P0': there is nothing"),
        ("repeat 3\nstat\n}", "x.scn:2: expected 'repeat N {', got 'repeat 3'"),
        ("}", "x.scn:2: expected an operation, got '}'; no repeat is open"),
        ("repeat 2 {\nstat", "x.scn:2: expected '}' alone on a line, got the end of the text; close repeat"),
        ("repeat 99999 {\nstat\nstat\n}", "expected at most 100,000 operations, repeats unrolled"),
        ("par 2\nwrite P0 A all", "expected 1 more access lines after 'par', got the end"),
        ("par 1\nstat", "expected 1 more access lines after 'par', got 'stat'"),
        ("par 2\nread P0 A all\nread P0 A all", "x.scn:4: expected another process, got P0 twice"),
        ("stat #= minflts 3", "expected a field of the output, got 'minflts'"),
        ("stat #= many", "expected '#= FIELD NUMBER, FIELD >=NUMBER', got 'many'"),
        ("#= minflt 3", "expected an operation before '#=', got none"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_a_remedy(text: str, message: str):
    found = problems(text)

    assert all(part in found for part in message.split(".*"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("set huge 3", "expected what to set: no 'huge' among mthp, hugepages, file"),
        ("set mthp 65k=madvise", "expected a size of 16k, 32k ... 2m, got '65k'"),
        ("set mthp 64k=yes", "expected 64k=: no 'yes' among always, inherit, madvise, never"),
        ("set commit 5", "expected whole 4 KiB pages to commit, got 5 bytes"),
        ("set commit", "expected a size, got the end of the line; write 'set mthp"),
        ("set file F 5", "expected whole 4 KiB pages, got 5 bytes"),
        ("set file F 4k ram", "expected where: no 'ram' among tmpfs, disk"),
        ("set file F 4k\nset file F 4k", "x.scn:2: expected a new name for the file, got 'F' again"),
    ],
)
def test_what_is_wrong_with_a_setting_is_told(text: str, message: str):
    assert message in problems(text, before="")


def test_all_problems_of_a_file_are_told_at_once_and_each_only_once():
    found = problems("repeat 3 {\nwirte P0 A all\n}\nwrite P0 A 64\nstat now")

    assert [line.partition(": ")[0] for line in found.splitlines()] == ["x.scn:3", "x.scn:5", "x.scn:6"]


def test_what_only_follows_from_another_mistake_is_not_told():
    found = problems("map P0 B anon pages=none page=4k\ntouch P0 B all\nfork P0 P1 now\nwrite P1 A all")

    assert [line.partition(": ")[0] for line in found.splitlines()] == ["x.scn:2", "x.scn:4"]


def test_a_file_that_is_not_there_is_told_with_those_that_ship():
    with pytest.raises(ConfigError, match=r"no 'a01-fil.scn' among .*did you mean 'a01-fill.scn'"):
        read_scenario(Path("a01-fil.scn"))


def test_a_file_that_is_no_text_is_told(tmp_path: Path):
    (tmp_path / "x.scn").write_bytes(b"\xff\xfe")

    with pytest.raises(ConfigError, match=r"x\.scn: expected a scenario, a text"):
        read_scenario(tmp_path / "x.scn")


@pytest.mark.parametrize("path", shipped().values(), ids=lambda path: path.stem)
def test_every_scenario_that_ships_has_its_name_and_expects_something(path: Path):
    scenario = read_scenario(path)

    assert scenario.name == path.stem
    assert any(step.expected for step in scenario.steps)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("set file F 64k\nmap P0 A file pages=1 page=4k file=F from=5000", "as from=, got 5,000 bytes"),
        ("map P0 A anon size=2m page=hugetlb\nmremap P0 A", "got page=hugetlb, which stays"),
    ],
)
def test_what_cannot_be_mapped_or_moved_is_told_too(text: str, message: str):
    assert message in problems(text, before="")
