"""The report of drills: its charts by their numbers, and the page as a browser shows it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from local.drill.commitments import COMMITMENTS
from local.drill.report import write
from local.drill.report.answers import answers, histories
from local.drill.report.fates import counted, fates
from local.drill.report.page import render
from local.drill.report.spread import in_words, spread
from local.drill.report.svg import Seconds, shortened
from local.drill.report.timeline import timeline
from tests.browser import CHROMEDRIVER, CHROMIUM, MISSING, chromium, screen
from tests.local import drill_runs
from tests.local.drill_runs import HOSTILE, client, nothing, run, transfer, worst

MADE = datetime(2026, 1, 31, 18, 0, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
SIZES = {"wide": (1280, 900), "narrow": (400, 800)}


def drawn(chart: str) -> ElementTree.Element:
    """Return a chart as a tree: ParseError when it is not well formed."""
    return ElementTree.fromstring(chart)


def marks(chart: str, tag: str, class_: str | None = None) -> list[dict[str, str]]:
    found = [each.attrib for each in drawn(chart).iter(f"{SVG}{tag}")]
    return [each for each in found if class_ is None or each.get("class") == class_]


def percent(mark: dict[str, str], name: str) -> float:
    return float(mark[name].removesuffix("%"))


# --- Charts ----------------------------------------------------------------------------------------


def test_an_event_stands_at_its_time_and_no_dot_on_another() -> None:
    busy = [{"at": at, "who": "client", "what": "x"} for at in (0, 10, 10.1, 10.2, 40)]
    dots = marks(timeline(run(timeline=busy, seconds=40)), "circle")
    assert [percent(dot, "cx") for dot in dots if dot["cy"] == dots[0]["cy"]] == [0, 25, 100]
    crowded = {dot["cy"] for dot in dots if 24 < percent(dot, "cx") < 26}
    assert len(crowded) == 3


def test_a_timeline_marks_the_moments_that_came_and_no_others() -> None:
    chart = timeline(run(seconds=50, measures={**run()["measures"], "first_delivered": None}))
    assert [percent(line, "x1") for line in marks(chart, "line", "decision")] == [28]
    assert [percent(line, "x1") for line in marks(chart, "line", "moment")] == [49.6, 70.8]
    assert not marks(timeline(run(measures=nothing()["measures"])), "line", "decision")


def test_a_name_answers_one_side_until_it_changes() -> None:
    changes = [("a", "CNAME", 2, "west"), ("a", "CNAME", 5, "none"), ("a", "CNAME", 8, "east")]
    listed = [dict(zip(("name", "type", "at", "side"), each, strict=True)) for each in reversed(changes)]
    one = run(seconds=10, answers=listed)
    assert histories(one) == {("a", "CNAME"): [(2, 5, "west"), (5, 8, "none"), (8, 10, "east")]}
    bars = marks(answers(one), "rect")
    assert [(percent(bar, "x"), percent(bar, "width")) for bar in bars] == [(20, 30), (50, 30), (80, 20)]


def test_a_run_that_ended_before_its_last_answer_is_drawn() -> None:
    late = run(seconds=3, answers=[{"name": "a", "type": "TXT", "at": 4, "side": "west"}])
    assert histories(late) == {("a", "TXT"): [(4, 4, "west")]}
    assert [percent(bar, "width") for bar in marks(answers(late), "rect")] == [0]


@pytest.mark.parametrize(
    ("file", "fate"),
    [
        (transfer("a", by="west"), "west"),
        (transfer("a", fate="2 delivered, duplicate", by="east"), "east"),
        (transfer("a", by="east, west"), "both"),
        (transfer("a", fate="delivered, held", by="west"), "held"),
        (transfer("a", fate="held, failed", by=""), "failed"),
        (transfer("a", fate="rejected", by=""), "failed"),
        (transfer("a", fate="delivered, under way", by="west"), "open"),
        (transfer("a", fate="", by=""), "open"),
        (transfer("a", fate="something new", by="west"), "open"),
    ],
)
def test_a_file_has_the_worst_fate_of_its_deliveries(file: dict[str, Any], fate: str) -> None:
    assert counted([file]) == {fate: 1}


def test_bars_of_fates_are_as_long_as_their_counts() -> None:
    chart = fates([("a", Counter(west=1, east=3)), ("b", Counter(held=2))], about="both")
    bars = marks(chart, "rect")
    assert [(percent(bar, "x"), percent(bar, "width")) for bar in bars] == [(0, 25), (25, 75), (0, 50)]


def test_a_spread_has_a_dot_for_each_value_and_a_box_from_four_values_on() -> None:
    chart = spread("RTO", {"a": [1, 2, 3, 4, 5], "b": [10], "c": []})
    assert [percent(dot, "cx") for dot in marks(chart, "circle")] == [10, 20, 30, 40, 50, 100]
    (box,) = marks(chart, "rect", "box")
    assert (percent(box, "x"), percent(box, "width")) == (20, 20)
    assert [percent(line, "x1") for line in marks(chart, "line", "median")] == [30]
    assert (in_words([3, 1, 2]), in_words([7]), in_words([])) == ("2.0 s (1.0 to 3.0)", "7.0 s", "-")


@pytest.mark.parametrize("end", [0, 0.003, 1, 9.99, 62, 600, 90_000])
def test_an_axis_has_a_few_round_ticks_whatever_its_length(end: float) -> None:
    axis = Seconds.over([None, end])
    assert axis.ticks[0] == 0
    assert 3 <= len(axis.ticks) <= 6
    assert all(0 <= axis.percent(tick) <= 100 for tick in axis.ticks)


def test_a_long_name_keeps_both_its_ends() -> None:
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghij", 6) == "ab…hij"


@pytest.mark.parametrize("chart", [timeline, answers])
def test_charts_of_hostile_and_long_names_are_well_formed(chart: Any) -> None:
    tree = drawn(chart(worst()))
    assert HOSTILE.replace("\u202e", r"\u202e") in "".join(tree.itertext())
    assert not list(tree.iter("script")) + list(tree.iter(f"{SVG}script"))


# --- The page, as text -----------------------------------------------------------------------------


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_nothing_of_a_run_becomes_markup() -> None:
    page = Page(render([worst()], made=MADE))
    assert not {tag for tag, _ in page.elements} & {"script", "img", "iframe", "link", "object", "base"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "<script>document.title" in page.text
    assert "\u202e" not in page.text, "it would turn the rest of its line round"


def test_the_page_names_nothing_to_fetch() -> None:
    html = render(drill_runs.many(), made=MADE)
    assert "url(" not in html
    assert "@import" not in html
    for _, attributes in Page(html).elements:
        for name in ("src", "href", "srcset", "xlink:href", "action", "data"):
            assert (attributes.get(name) or "#").startswith("#")


def test_table_headings_have_a_scope() -> None:
    page = Page(render(drill_runs.many(), made=MADE))
    assert ("html", {"lang": "en"}) in page.elements
    assert all(attributes.get("scope") for tag, attributes in page.elements if tag == "th")


def test_commitments_are_separate_from_measurements() -> None:
    text = Page(render([run()], made=MADE)).text
    for commitment in COMMITMENTS:
        assert f"{commitment.measure}{commitment.figure}{commitment.formula}" in text
    assert "Do not compare these figures with those below" in text
    assert re.search(r"TTLs run 6 times faster, and .* run 600 times faster\s+than in production", text)


def test_a_report_counts_what_went_wrong() -> None:
    text = Page(render([run(), worst()], made=MADE)).text
    assert "1 of 2 scenarios did not hold" in text
    for figure, what in [("3 of 4", "expectations held"), ("1", "not accounted for"), ("1", "sent to one")]:
        assert f"\n{figure} {what}" in text


def test_runs_on_another_scale_are_not_mixed() -> None:
    text = Page(render([run(), run(scale={"dns": 12, "workflow": 600})], made=MADE)).text
    assert "region-lost-at-rest, DNS 6 times: 10.8 s" in text
    assert "region-lost-at-rest, DNS 12 times: 10.8 s" in text


def test_calls_of_repeated_runs_are_shown_for_one_run() -> None:
    again = run(calls={"ops-evacuate": {"us-gov-east-1 ssm PutParameter": 1}})
    text = Page(render([run(), again], made=MADE)).text
    assert "us-gov-east-1ssmPutParameter1" in text
    assert "us-gov-east-1ssmGetParameter0 to 2" in text


def test_a_report_without_runs_is_a_page_too() -> None:
    text = Page(render([], made=MADE)).text
    assert "No drill has been run." in text
    assert "Scenarios: nothing to show." in text


def test_a_report_that_cannot_be_made_leaves_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write([run()], path)
    before = path.read_text()
    with pytest.raises(KeyError):
        write([{**run(), "clients": [{"kind": "of which nothing is known"}], "measures": {}}], path)
    assert path.read_text() == before
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_client_that_never_arrived_has_no_time() -> None:
    text = Page(render([run(clients=[client("SFTP session that stays", failed=1)])], made=MADE)).text
    assert re.search(r"SFTP session that stays918\s+80-", text)


# --- The page, in a browser ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip(MISSING)
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module", params=SIZES)
def shown(
    request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What the browser reports of the extreme report at one size, with everything unfolded."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write(drill_runs.many(), path)
    width, height = SIZES[request.param]
    screen(browser, width, height)
    browser.get_log("performance")
    browser.get(path.as_uri())
    folded = browser.execute_script(_LOOK)
    browser.execute_script("document.querySelectorAll('details').forEach(each => each.open = true)")
    logged = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    requests = [
        each["params"]["request"]["url"] for each in logged if each["method"] == "Network.requestWillBeSent"
    ]
    facts = {"width": width, "address": path.as_uri(), "requests": requests, "folded": folded}
    return {**facts, "console": browser.get_log("browser"), **browser.execute_script(_LOOK)}


_LOOK = """
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), small = [], hidden = [];
while (texts.nextNode()) {
    const on = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || on.closest('svg title')) continue;
    const size = on.getCTM ? on.getCTM().a : 1;  // SVG may be scaled
    if (size * parseFloat(getComputedStyle(on).fontSize) < 11) small.push(texts.currentNode.data);
}
const box = each => each.getBoundingClientRect();
const outside = [...document.querySelectorAll('body *')].filter(
    each => box(each).right > innerWidth + 1 && !each.closest('.scroll'));
return {
    title: document.title,
    page: [document.documentElement.scrollWidth, document.documentElement.clientWidth],
    charts: [...document.querySelectorAll('svg')].map(each => [each.querySelector('title').textContent,
        each.getAttribute('class'), box(each).width, box(each).height]),
    small: small,
    outside: outside.map(each => each.outerHTML.slice(0, 80)),
};
"""


def test_the_browser_logs_no_warnings(shown: dict[str, Any]) -> None:
    assert [each for each in shown["console"] if each["level"] in ("WARNING", "SEVERE")] == []
    assert shown["title"] == "Failover drill report", "a name was run"


def test_the_browser_requests_only_the_file(shown: dict[str, Any]) -> None:
    assert shown["requests"] == [shown["address"]]


def test_the_page_never_scrolls_sideways(shown: dict[str, Any]) -> None:
    for state in (shown, shown["folded"]):
        whole, visible = state["page"]
        assert whole <= visible
        assert visible > shown["width"] - 20, "but for a scroll bar"
        assert state["outside"] == []


def test_every_chart_is_there(shown: dict[str, Any]) -> None:
    kinds = Counter(kind.removeprefix("chart ") for _, kind, _, _ in shown["charts"])
    drawn_runs = len(drill_runs.many()) - 1  # one of them came to nothing
    assert kinds == {"timeline": drawn_runs, "answers": drawn_runs, "fates": drawn_runs + 1, "spread": 4}
    assert all(title and width > 200 and height > 40 for title, _, width, height in shown["charts"])


def test_text_can_be_read(shown: dict[str, Any]) -> None:
    assert shown["small"] == []
