"""A scenario step by step: snapshots, reasons, the terminal, the page, the command."""

import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cowmodel.cli import cli
from cowmodel.kernel.fault import KINDS
from cowmodel.scenario.operations import USAGE
from cowmodel.scenario.read import parse, read_scenario, shipped
from cowmodel.scenario.setup import setup
from cowmodel.watch import reasons
from cowmodel.watch.boxes import Box
from cowmodel.watch.drawing import draw
from cowmodel.watch.page import html
from cowmodel.watch.snapshot import Snapshot, Story, watched
from cowmodel.watch.tree import Entries, Rest, Table

ONE_PAGE = "map P0 A anon pages=64 page=4k\ntouch P0 A all\nfork P0 P1\nwrite P1 A 3\nwrite P0 A 3\n"
SCATTERED = "map P0 A anon pages=100000 page=4k\ntouch P0 A all\nfork P0 P1\nwrite P1 A stride 0-99999 2\n"


def story(text: str, **settings: str) -> Story:
    machine = setup({name.replace("__", "."): value for name, value in settings.items()})
    return watched(parse(text), machine, "some rules")


def steps(text: str, **settings: str) -> tuple[Snapshot, ...]:
    return story(text, **settings).snapshots


@pytest.fixture(scope="module")
def scattered() -> Story:
    return story(SCATTERED)


def shown(table: Table) -> list[Entries | Rest]:
    """Return what is at the ends of a tree."""
    found: list[Entries | Rest] = []
    for child in table.children:
        found += shown(child) if isinstance(child, Table) else [child]
    return found


def entries(snapshot: Snapshot, proc: str) -> list[tuple[str, str, str, str]]:
    """Return indexes, bits, frames and change of what a process maps."""
    (space,) = (space for space in snapshot.spaces if space.proc == proc)
    ends = [end for end in shown(space.root) if isinstance(end, Entries)]
    return [(end.indexes, end.bits, end.frames, end.change) for end in ends]


# ------------------------------------------------------------------- snapshots
def test_a_mapping_that_nobody_accessed_has_an_empty_root():
    (snapshot,) = steps("map P0 A anon pages=64 page=4k")

    assert snapshot.spaces[0].root == Table(4, 1, "", ())
    assert (snapshot.spaces[0].table_pages, snapshot.boxes, snapshot.changes) == (0, (), ())


def test_the_tree_names_the_entry_of_each_level_and_sums_up_what_is_alike():
    root = steps(ONE_PAGE)[1].spaces[0].root

    pud = root.children[0]
    assert isinstance(pud, Table)
    assert (pud.level, pud.indexes, pud.count) == (3, "1", 1)
    (end,) = shown(root)
    assert isinstance(end, Entries)
    assert (end.level, end.count, end.indexes, end.bits, end.frames) == (1, 64, "0–63", "PWAD·", "1–64")


def test_fork_takes_the_right_to_write_on_both_sides_and_shares_one_box():
    snapshot = steps(ONE_PAGE)[2]

    assert entries(snapshot, "P0") == [("0–63", "P·Ad·", "1–64", "read-only")]
    assert entries(snapshot, "P1") == [("0–63", "P··d·", "1–64", "new")]
    assert snapshot.boxes == (Box("anonymous", "A", ("P0", "P1"), 2, 64, 1, "1–64"),)


def test_a_copy_parts_one_entry_from_its_neighbours_and_marks_it_alone():
    snapshot = steps(ONE_PAGE)[3]

    assert entries(snapshot, "P1") == [
        ("0–2", "P··d·", "1–3", ""),
        ("3", "PWAD·", "65", "another frame"),
        ("4–63", "P··d·", "5–64", ""),
    ]
    assert [(box.frames, box.mappers, box.sharers) for box in snapshot.boxes] == [
        ("1–3, 5–64", ("P0", "P1"), 2),
        ("4", ("P0",), 1),
        ("65", ("P1",), 1),
    ]


def test_a_change_says_which_page_went_from_which_frame_to_which():
    (change,) = steps(ONE_PAGE)[3].changes

    assert (change.proc, change.region, change.pages, change.what) == ("P1", "A", "3", "another frame")
    assert (change.frames_before, change.frames_after, change.sharers) == ("4", "65", (2, 2))


def test_the_counts_are_those_of_the_step_and_of_memory_after_it():
    copy, flip = steps(ONE_PAGE)[3:]

    assert (copy.counts.faults, copy.counts.copies, copy.counts.flips) == (1, 1, 0)
    assert (copy.counts.copied_bytes, copy.counts.frames, copy.counts.table_pages) == (4096, 65, 6)
    assert (flip.counts.faults, flip.counts.copies, flip.counts.flips) == (1, 0, 1)


def test_the_parts_of_a_price_add_up_to_the_time_of_the_step(scattered: Story):
    for snapshot in scattered.snapshots:
        assert sum(part.cost_ps for part in snapshot.prices) == pytest.approx(
            snapshot.cost_ps, rel=1e-6
        )  # each work is rounded
        assert snapshot.cost_ps > 0


def test_a_huge_page_is_one_entry_until_a_write_splits_it():
    whole, split = watched(read_scenario(shipped()["e2-thp-split.scn"]), setup({}), "").snapshots[2:4]

    assert [bits for _, bits, _, _ in entries(whole, "P1")] == ["P··dH"]
    changes = [(indexes, bits, change) for indexes, bits, _, change in entries(split, "P1")]
    assert changes == [("0", "PWAD·", "another frame"), ("1–511", "P··d·", "split")]


def test_reads_map_the_zero_page_which_takes_no_frame():
    read = steps("map P0 A anon pages=8 page=4k\nread P0 A all")[1]

    assert read.counts.frames == 0
    assert [(box.kind, box.frames, box.sharers) for box in read.boxes] == [("zero page", "0", 0)]


def test_what_a_file_has_in_memory_is_shown_even_if_nobody_maps_it():
    text = "set file F 64k\nmap P0 A file pages=16 page=4k file=F\nwrite P0 A 0-7"

    write = steps(text)[1]

    assert [(box.kind, box.mappers, box.count) for box in write.boxes] == [
        ("anonymous", ("P0",), 8),
        ("file", (), 16),
    ]


def test_three_processes_share_one_box_until_each_writes():
    chain = watched(read_scenario(shipped()["a08-chain.scn"]), setup({}), "").snapshots

    assert [box.mappers for box in chain[3].boxes] == [("P0", "P1", "P2")]
    assert {box.mappers for box in chain[6].boxes} == {("P0",), ("P1",), ("P2",)}


def test_a_process_that_exits_is_gone_with_its_entries():
    snapshot = steps(ONE_PAGE + "exit P1")[-1]

    assert [space.proc for space in snapshot.spaces] == ["P0"]
    assert {(change.proc, change.what) for change in snapshot.changes} == {("P1", "gone")}


def test_steps_that_a_refused_one_makes_impossible_are_left_out():
    told = watched(read_scenario(shipped()["o1-overcommit-fork.scn"]), setup({}), "").snapshots

    assert any(why.startswith("Refused") for snapshot in told for why in snapshot.why)


def test_tables_that_look_alike_are_shown_once(scattered: Story):
    touched = scattered.snapshots[1]

    ends = [end for end in shown(touched.spaces[0].root) if isinstance(end, Entries)]
    assert [(end.indexes, end.count) for end in ends] == [("0–511", 512), ("0–159", 160)]
    (pud,) = touched.spaces[0].root.children
    assert isinstance(pud, Table)
    (pmd,) = pud.children
    assert isinstance(pmd, Table)
    assert [(table.indexes, table.count) for table in pmd.children if isinstance(table, Table)] == [
        ("0–194", 195),
        ("195", 1),
    ]


def test_entries_that_alternate_are_summed_up_by_what_they_look_like(scattered: Story):
    ends = [end for end in shown(scattered.snapshots[3].spaces[1].root) if isinstance(end, Entries)]

    assert [(end.indexes, end.count, end.change) for end in ends[:2]] == [
        ("0…510", 256, "another frame"),
        ("1…511", 256, ""),
    ]


def test_what_is_too_much_to_show_is_counted():
    text = "\n".join(
        [
            "map P0 A anon pages=65536 page=4k",
            *(f"touch P0 A {512 * table}-{512 * table + 3 * table}" for table in range(8)),
        ]
    )

    rest = [end for end in shown(steps(text)[-1].spaces[0].root) if isinstance(end, Rest)]

    assert rest == [Rest(4)]


# --------------------------------------------------------------------- reasons
def test_every_kind_of_fault_has_a_sentence():
    assert reasons.SENTENCES.keys() | {"cow_copy", "htlb_copy"} == set(KINDS)


def test_a_copy_is_explained_by_the_sharers_that_the_frame_had():
    assert steps(ONE_PAGE)[3].why == (
        "1 fault (A page 3): the entry is read-only and frame 4 has 2 sharers: copied to frame 65, mapped"
        " writable; the other entries stay as they are until their own write.",
    )


def test_a_flip_is_explained_by_the_last_sharer():
    (why,) = steps(ONE_PAGE)[4].why

    assert "Last sharer: flip" in why
    assert "nothing is copied" in why


def test_a_fork_that_shares_is_explained_by_entries_and_lost_rights():
    entries_copied, rights_lost = steps(ONE_PAGE)[2].why

    assert entries_copied == "fork: 64 entries copied into 3 new table pages below a new root, but no memory."
    assert rights_lost.startswith("64 entries lost the right to write, on both sides")


def test_a_fork_that_copies_is_explained_by_the_memory_it_copied():
    fork, write = steps(ONE_PAGE, policy__copy="eager")[2:4]

    assert "and 256 KiB of memory with them" in fork.why[0]
    assert write.why == ("1 access: the entries permit it, the kernel is not asked. No fault.",)


def test_a_policy_that_copies_for_the_last_sharer_is_explained_as_such():
    (why,) = steps(ONE_PAGE, policy__copy="cow")[4].why

    assert "nobody else maps frame 4, but these rules copy all the same" in why


def test_a_policy_that_seeks_the_last_sharer_is_explained_by_its_search():
    copy, write = steps(ONE_PAGE, policy__copy="cow-eager-flip")[3:]

    assert copy.why[1].startswith("1 frame had one sharer left; the kernel looked for it, and made 1 entry")
    assert {(change.proc, change.what) for change in copy.changes} == {
        ("P0", "writable"),
        ("P1", "another frame"),
    }
    assert write.counts.faults == 0


def test_an_older_era_copies_a_huge_page_whole_and_says_so():
    text = "map P0 A anon size=2m page=thp\nwrite P0 A 0\nfork P0 P1\nwrite P1 A 0"

    (why,) = steps(text, kernel__era="linux-5.4")[-1].why

    assert "copied whole" in why


def test_an_access_without_rights_says_which_signal_stops_it():
    stopped = steps("map P0 A anon pages=4 page=4k\ntouch P0 A all\nmprotect P0 A r\nwrite P0 A 0")[-1]

    assert stopped.why[-1] == "The process is stopped by SIGSEGV: its mapping does not permit the access."


def test_an_owner_without_a_huge_page_to_copy_to_takes_it_from_the_others():
    told = watched(read_scenario(shipped()["g3-hugetlb-empty-pool.scn"]), setup({}), "").snapshots

    assert "takes this one from all others" in told[4].why[0]


def test_what_others_map_too_is_said_to_lose_a_sharer_and_the_rest_to_be_free():
    (why,) = steps(ONE_PAGE + "madvise P1 A dontneed")[-1].why

    assert why.startswith(
        "64 entries taken out of the page table; 4 KiB that nobody else maps is free again;"
    )
    assert "frames that others map too have a sharer less" in why


def test_a_page_of_a_folio_has_the_sharers_of_the_page_not_of_the_folio():
    told = watched(read_scenario(shipped()["f2-mthp.scn"]), setup({}), "").snapshots

    assert "have 2 sharers each" in told[4].why[0]


def test_only_a_mapping_is_called_a_promise():
    pinned = watched(read_scenario(shipped()["a22-pinned.scn"]), setup({}), "").snapshots

    promises = [snapshot.line for snapshot in pinned if "A mapping is a promise" in snapshot.why[-1]]
    assert promises == ["map P0 A anon pages=32 page=4k"]


def test_every_operation_that_is_explained_exists():
    assert reasons.OPERATIONS.keys() <= USAGE.keys()


@pytest.mark.parametrize("name", shipped())
def test_every_scenario_that_ships_can_be_watched_and_drawn(name: str):
    scenario = read_scenario(shipped()[name])

    told = watched(scenario, setup({}), "")

    for snapshot in told.snapshots:
        assert snapshot.why
        shapes = draw(snapshot, told.processes).shapes
        boxes = [shape for shape in shapes if shape.kind == "box"]
        assert len(boxes) == len(snapshot.boxes)
        assert all(low.y + low.height <= high.y for low, high in pairwise(boxes))


# -------------------------------------------------------------------- the page
class Page(HTMLParser):
    """Reads a page: open elements must be closed, and what refers to something else is kept."""

    VOID = ("meta", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.references, self.ids, self.sections = [], [], [], 0  # type: ignore[var-annotated]
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        self.sections += tag == "section"
        self.references += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_refers_to_nothing_outside():
    text = html(story(ONE_PAGE))

    page = Page(text)

    assert page.open == []
    assert page.references == ["data:,"]
    assert len(page.ids) == len(set(page.ids))
    assert "http" not in text.replace("http-equiv", "")


def test_the_page_has_every_step_without_a_script():
    text = html(story(ONE_PAGE)).partition("<script>")[0]

    assert Page(text + "</body></html>").sections == 5
    assert all(f'id="step-{number}"' in text for number in range(1, 6))
    assert "copied to frame 65" in text


def test_the_page_escapes_what_a_scenario_says():
    told = story(ONE_PAGE)

    text = html(Story("<b>", "<i>", told.processes, told.snapshots))

    assert "&lt;b&gt;" in text
    assert "<b>" not in text


def test_a_page_about_100_000_pages_is_small(scattered: Story):
    assert len(html(scattered)) < 60_000


# ----------------------------------------------------------------- the command
@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.scn"
    path.write_text(ONE_PAGE)
    return path


def invoke(*words: object) -> Result:
    return CliRunner().invoke(cli, ["watch", *map(str, words)])


def test_without_a_terminal_all_steps_are_printed_plainly(file: Path):
    output = invoke(file).output

    assert [line.split(":")[0] for line in output.splitlines() if line.startswith("Step")] == [
        f"Step {number} of 5" for number in range(1, 6)
    ]
    assert "\x1b" not in output
    assert "PTE 0–63  PWAD·  → frames 1–64  × 64 like this  [new]" in output


def test_one_step_can_be_printed(file: Path):
    output = invoke(file, "--step", 4).output

    assert "Step 4 of 5: write P1 A 3" in output
    assert "Step 3" not in output


def test_repeated_lines_say_which_iteration_they_are(tmp_path: Path):
    path = tmp_path / "x.scn"
    path.write_text("map P0 A anon pages=4 page=4k\nrepeat 2 {\nfork P0 C%i\n}\n")

    assert "fork P0 C1" in invoke(path, "--step", 3).output


def test_another_policy_is_watched_under_other_rules(file: Path, tmp_path: Path):
    page = tmp_path / "x.html"

    assert invoke(file, "--set", "policy.copy=eager", "--html", page).exit_code == 0

    assert "policy.copy=eager" in page.read_text()


def test_other_costs_give_another_time(file: Path):
    usual, other = invoke(file).output, invoke(file, "--costs", "epyc7302p-linux5.6").output

    assert usual != other


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a02-child-then-paren.scn"], "did you mean 'a02-child-then-parent.scn'?"),
        (["FILE", "--step", "6"], "--step: expected one of the steps 1 to 5, got 6"),
        (["FILE", "--step", "0"], "--step: expected one of the steps 1 to 5, got 0"),
        (
            ["FILE", "--html", "/nowhere/x.html"],
            "--html /nowhere/x.html: expected a file that can be written",
        ),
        (["FILE", "--step", "1", "--html", "x.html"], "--step: expected none with --html"),
        (["FILE", "--costs", "epyc"], "machine.costs: no 'epyc' among"),
        (["FILE", "--set", "policy.copy=cow-flp"], "did you mean 'cow-flip'?"),
    ],
)
def test_what_is_wrong_is_said_with_a_remedy(words: list[str], message: str, file: Path):
    result = invoke(*(file if word == "FILE" else word for word in words))

    assert result.exit_code == 2
    assert message in result.output


# ------------------------------------------------------------------- a browser
def test_in_a_browser_keys_buttons_and_slider_go_from_step_to_step_without_a_request(tmp_path: Path):
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    page_file = tmp_path / "x.html"
    page_file.write_text(html(story(ONE_PAGE)))
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(offline=True, viewport={"width": 390, "height": 844}).new_page()
        requests: list[str] = []
        told: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.goto(page_file.as_uri())
        places = [page.locator(".step:visible h2 code").inner_text()]
        for key in ("ArrowRight", "End", "ArrowLeft", "Home"):
            page.keyboard.press(key)
            places.append(page.locator(".step:visible h2 code").inner_text())
        page.get_by_role("button", name="Next step").click()
        places.append(page.locator(".step:visible h2 code").inner_text())
        page.get_by_role("slider").fill("4")
        places.append(page.locator(".step:visible h2 code").inner_text())
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        browser.close()

    lines = ONE_PAGE.splitlines()
    assert places == [lines[number] for number in (0, 1, 4, 3, 0, 1, 3)]
    assert requests == [page_file.as_uri()]
    assert told == []
    assert overflow <= 0


@pytest.mark.parametrize(
    ("keys", "places"),
    [("nnq", [1, 2, 3]), ("lbq", [1, 5, 4]), ("lfq", [1, 5, 1]), ("bq", [1, 1]), ("xq", [1, 1])],
)
def test_on_a_terminal_keys_go_from_step_to_step(
    keys: str,
    places: list[int],
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    pressed = iter(keys)
    monkeypatch.setattr("click.getchar", lambda: next(pressed))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    cli(["watch", str(file)], standalone_mode=False)

    output = capsys.readouterr().out
    assert [int(number) for number in re.findall(r"Step (\d) of 5", output)] == places
