"""The report in a browser without a network: it asks for nothing, draws, sorts, and obeys the keyboard."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cowmodel.cli import cli
from tests.campaign.sweeping import swept

playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the path")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def report(house: Path) -> str:
    swept()
    done = CliRunner().invoke(cli, ["report", "flips"])
    assert done.exit_code == 0, done.output
    return (house / "results/flips/report.html").as_uri()


class Visit:
    """A page that was opened, and what it asked for and complained about."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.page = browser.new_context(offline=True, **options).new_page()
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda asked: self.requests.append(asked.url))
        self.page.on("console", lambda said: self.errors.append(said.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)

    def drawn(self, key: str) -> Any:
        """Scroll to a picture and wait until it is drawn."""
        self.page.locator(f"figure:has(#{key})").scroll_into_view_if_needed()
        self.page.wait_for_selector(f"#{key} canvas")
        return self.page.locator(f"#{key}")


def test_all_pictures_are_drawn_without_a_request_or_a_complaint(browser: Any, report: str):
    visit = Visit(browser, report)

    for key in ("chart-0", "chart-5", "tree", "sharing", "heat-0", "heat-3"):
        visit.drawn(key)

    assert [url for url in visit.requests if not url.startswith("data:")] == [report]
    assert visit.errors == []


@pytest.mark.parametrize(
    ("key", "keys", "told"),
    [
        ("chart-0", ["ArrowRight"], "64 MiB: "),
        ("tree", ["ArrowRight", "ArrowDown"], "process 2, "),
        ("sharing", ["End"], "process 4, in proportion (PSS)"),
        ("heat-0", ["End"], "after "),
    ],
)
def test_arrow_keys_go_through_the_values_of_a_picture(
    browser: Any, report: str, key: str, keys: list[str], told: str
):
    visit = Visit(browser, report)

    picture = visit.drawn(key)
    picture.focus()
    for one in keys:
        visit.page.keyboard.press(one)

    assert visit.page.locator(f"#{key}-told").inner_text().startswith(told)


def test_a_table_is_sorted_by_number_with_the_keyboard_and_back(browser: Any, report: str):
    visit = Visit(browser, report)
    heading = visit.page.locator("table.sortable").nth(1).locator("th", has_text="copies.total")

    orders = []
    for _ in range(2):
        heading.locator("button").focus()
        visit.page.keyboard.press("Enter")
        cells = visit.page.locator("table.sortable").nth(1).locator("tbody tr td:nth-child(5)")
        values = [float(value) for value in cells.evaluate_all("cells => cells.map(c => c.dataset.v)")]
        orders.append((heading.get_attribute("aria-sort"), values == sorted(values), values))

    assert orders[0][:2] == ("ascending", True)
    assert orders[1][0] == "descending"
    assert orders[1][2] == sorted(orders[0][2], reverse=True)


def test_without_javascript_the_pictures_are_there(browser: Any, report: str):
    page = Visit(browser, report, java_script_enabled=False).page

    twins = page.locator(".twin svg[role=img]")
    assert twins.count() == 6 + 2 + 4
    assert all(twins.nth(n).is_visible() for n in range(12))
    assert not page.locator("#chart-0").is_visible()


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(browser: Any, report: str, width: int):
    visit = Visit(browser, report, viewport={"width": width, "height": 800})
    visit.drawn("chart-0")

    assert visit.page.evaluate("document.documentElement.scrollWidth") == width


def test_on_paper_the_plain_pictures_are_shown(browser: Any, report: str):
    visit = Visit(browser, report)
    visit.drawn("chart-0")
    visit.page.emulate_media(media="print")

    assert visit.page.locator("figure:has(#chart-0) .twin").is_visible()
    assert not visit.page.locator("#chart-0").is_visible()
