"""The console's pages as a browser shows them: wide and narrow, light and dark, by keyboard, read aloud."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.console.reports import Report
from ops.console.site import Site
from ops.environment import Environment
from ops.recovery.attempts import FileEvent
from ops.recovery.trace import Chapter, FileStory, StoredCopy
from ops.recovery.transfer_list import ListedTransfer
from runtime.facts import Status
from tests.browser import CHROMEDRIVER, CHROMIUM, MISSING, chromium, screen
from tests.test_house import ROOT

WEST, EAST = "us-gov-west-1", "us-gov-east-1"
HOSTILE = "inbound/sdk/<script>document.title='run'</script>\u202e" + "long" * 60 + " & é.csv"
SIZES = {"wide": (1280, 900), "narrow": (400, 800)}
#: The one that `make test` looks at.
USUAL = ("narrow", "dark")
LOOKS = [
    pytest.param(each, id=" ".join(each), marks=() if each == USUAL else pytest.mark.exhaustive)
    for each in itertools.product(SIZES, ("light", "dark"))
]
QUERY = dict.fromkeys(("customer", "key", "state", "window", "since", "until", "region", "after"), "")
WINDOW = {"since": "2026-11-30T12:00:00Z", "until": "2026-11-30T18:00:00Z"}
UNKNOWNS = [f"{WEST} is not looked at, it does not answer: {'x' * 300}: what it holds is not known"]


def listed() -> list[ListedTransfer]:
    """Return a transfer in each state; the first has the worst name."""
    one = ListedTransfer(
        transfer="20261130T180000Z-0123456789abcdef0123",
        submitted="2026-11-30T18:00:00Z",
        customer="c7k2m",
        key=HOSTILE,
        size=123456789012,
        region=WEST,
        status=Status.HELD,
        destinations={"partner-a": Status.HELD, "a-destination-with-a-long-name": Status.DELIVERED},
        settle=tuple(
            f"mft-ops release 20261130T180000Z-0123456789abcdef0123 --{a}" for a in ("resend", "delivered")
        ),
    )
    others = [
        replace(one, key="inbound/sdk/a.csv", status=each, destinations={"partner-a": each}, settle=())
        for each in Status
    ]
    return [one, *others, replace(one, key="inbound/b", size=None, destinations={}, settle=())]


def data() -> dict[str, Mapping[str, Any]]:
    """Return what the template of each page shows, with the worst of everything."""
    transfers = listed()
    page = {"query": QUERY, "window": WINDOW, "unknowns": UNKNOWNS, "command": "mft-ops transfers --since x"}
    page |= {"transfers": transfers, "looked_at": 4000, "next": {**WINDOW, "after": transfers[0].transfer}}
    event = FileEvent(
        at="2026-11-30T18:00:01.000+00:00",
        after=1.0,
        region=WEST,
        what="RECEIVED",
        detail={"destination": HOSTILE, "sha256": "0" * 64},
        unknown_in=(EAST,),
    )
    failed = replace(
        event, what="attempt failed", detail={"execution": "g1", "error": "E", "reason": "no " * 90}
    )
    copy = StoredCopy(
        transfer=transfers[0].transfer,
        place="inbound",
        region=WEST,
        size=1,
        modified=event.at,
        state="REPLICA",
    )
    chapter = Chapter(
        transfer=transfers[0].transfer,
        status="held",
        events=(event, failed),
        copies=(copy,),
        missing=(f"archive in {EAST}",),
    )
    story = FileStory(
        customer="c7k2m",
        key=HOSTILE,
        chapters=(chapter,),
        leases={WEST: "somebody, until 2026-11-30T19:00:00Z"},
        others=("20261129T180000Z-0123456789abcdef0123",),
        unknowns=tuple(UNKNOWNS),
    )
    alarm = {"name": "cell1-files-held", "since": "2026-11-30T17:00:00Z", "section": "files-held"}
    alarm |= {"description": f"A file waits. See docs/runbook.md#files-held {'y' * 200}"}
    rows = [("answers", "yes"), ("SFTP server", "not known"), ("synthetic transfers", "NOT DELIVERED sftp")]
    region = {"answers": True, "rows": rows, "why": [], "alarms": [alarm]}
    dead = {"answers": False, "rows": rows, "why": [f"{WEST}: does not answer: {'z' * 200}"], "alarms": None}
    gap = {"customer": "c7k2m", "finding": "archive missing", "key": HOSTILE, "where": f"archive in {EAST}"}
    gap |= {"transfer": transfers[0].transfer, "since": event.at, "settle": "mft-ops gaps c7k2m --repair"}
    return {
        "overview": {
            "well": False,
            "at": "2026-11-30T18:00:00Z",
            "regions": {EAST: region, WEST: dead},
            "findings": [f"{WEST}: {HOSTILE}", "see docs/runbook.md#files-held"],
            "command": "mft-ops status",
        },
        "transfers": page,
        "held": page,
        "retrying": {**page, "failures": {each.transfer: failed for each in transfers}},
        "gaps": {
            **{"query": QUERY, "window": WINDOW, "unknowns": (), "command": "mft-ops gaps c7k2m"},
            **{"searched": True, "given_up": None, "gaps": [gap, {**gap, "settle": None}], "counts": None},
        },
        "file": {
            "query": {"find": "", "customer": "c7k2m", "key": "", "transfer": ""},
            "story": story,
            "settle": {chapter.transfer: transfers[0].settle},
            "command": "mft-ops trace FILE",
        },
        "error": {"code": "HTTP 404", "title": "There is no such thing", "message": HOSTILE},
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages as files, linked as those of an export are, with the forms of the console that is served."""
    folder = tmp_path_factory.mktemp("console")
    environment = Environment(
        namespace="example-mft", cell="1", zone="z" * 60 + ".gov", zone_id="Z", account="1"
    )
    report = Report(path=Path("a" * 300), title="Drill", made=datetime(2026, 11, 30, tzinfo=UTC), size=1)
    site = Site(
        environment,
        lambda page, parameters: f"{page}.html",
        handbook=(ROOT / "docs/runbook.md").read_text(),
        reports=[report],
    )
    pages = {name: site.render(name, its) for name, its in data().items()}
    for name, text in {**pages, **{name: site.still(name) for name in ("reports", "runbook")}}.items():
        (folder / f"{name}.html").write_text(text)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not (CHROMIUM and CHROMEDRIVER):
        pytest.skip(MISSING)
    with chromium() as driver:
        yield driver


_LOOK = """
const box = each => each.getBoundingClientRect(), style = getComputedStyle;
const channels = text => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const behind = each => {
    for (; each; each = each.parentElement) {
        const found = channels(style(each).backgroundColor);
        if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), small = [], faint = [];
while (texts.nextNode()) {
    const on = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !box(on).width) continue;
    if (parseFloat(style(on).fontSize) < 11) small.push(texts.currentNode.data);
    const [one, other] = [light(channels(style(on).color)), light(behind(on))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) faint.push([texts.currentNode.data.slice(0, 40), contrast]);
}
const outside = [...document.querySelectorAll('body *')].filter(
    each => box(each).right > innerWidth + 1 || (box(each).left < -1 && !each.matches('.skip')));
const bare = [...document.querySelectorAll('.mark')].filter(each => !/[a-z0-9]/.test(
    [...each.childNodes].filter(n => !(n.getAttribute && n.ariaHidden)).map(n => n.textContent).join('')));
return {
    title: document.title,
    page: [document.documentElement.scrollWidth, document.documentElement.clientWidth],
    small: small, faint: faint, outside: outside.map(each => each.outerHTML.slice(0, 100)),
    bare: bare.map(each => each.outerHTML),
    places: ['h1', 'main', 'nav', '[lang=en]', 'th:not([scope])', 'img, script'].map(
        each => document.querySelectorAll(each).length),
    unnamed: [...document.querySelectorAll('input, select')].filter(each => !each.labels.length).length,
    scheme: matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light',
};
"""


@pytest.fixture(scope="module", params=LOOKS)
def shown(request: pytest.FixtureRequest, browser: Any, folder: Path) -> dict[str, dict[str, Any]]:
    """What the browser reports of each page in one look."""
    size, scheme = request.param
    width, height = SIZES[size]
    screen(browser, width, height, scheme=scheme)
    found = {}
    for path in sorted(folder.glob("*.html")):
        browser.get(path.as_uri())
        logged = browser.get_log("browser")
        look = browser.execute_script(_LOOK)
        found[path.stem] = {**look, "logged": logged, "expected": (scheme, width)}
    return found


def test_pages_can_be_read_without_scrolling_sideways(shown: dict[str, dict[str, Any]]) -> None:
    for name, page in shown.items():
        scheme, width = page["expected"]
        assert (page["scheme"], page["page"]) == (scheme, [width, width]), name
        assert (page["outside"], page["small"]) == ([], []), name


def test_text_has_the_contrast_of_level_aa(shown: dict[str, dict[str, Any]]) -> None:
    """4.5 to 1, as WCAG 2.2 asks of text that is not large: https://www.w3.org/TR/WCAG22/#contrast-minimum."""
    assert {name: page["faint"] for name, page in shown.items() if page["faint"]} == {}


def test_a_status_is_a_word_beside_its_colour_and_sign(shown: dict[str, dict[str, Any]]) -> None:
    assert {name: page["bare"] for name, page in shown.items() if page["bare"]} == {}


def test_the_policy_lets_the_style_in_and_no_name_run(shown: dict[str, dict[str, Any]]) -> None:
    for name, page in shown.items():
        assert page["logged"] == [], name
        assert page["title"] != "run", name


def test_a_page_has_one_heading_one_main_part_and_a_label_for_each_field(
    shown: dict[str, dict[str, Any]],
) -> None:
    assert {
        name: page["places"] for name, page in shown.items() if page["places"] != [1, 1, 1, 1, 0, 0]
    } == {}
    assert {name: page["unnamed"] for name, page in shown.items() if page["unnamed"]} == {}


# --- By keyboard, and read aloud ---------------------------------------------------------------------


def pressed(browser: Any, times: int) -> list[dict[str, Any]]:
    """Press Tab so often; return what has the focus after each, and whether that is seen."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.execute_script(
        "window.seen = []; document.addEventListener('focusin', ({target: on}) => seen.push({"
        " text: on.textContent.trim(), name: on.name || '', top: on.getBoundingClientRect().top,"
        " outline: getComputedStyle(on).outlineStyle + ' ' + getComputedStyle(on).outlineWidth}))"
    )
    ActionChains(browser).send_keys(Keys.TAB * times).perform()
    found: list[dict[str, Any]] = browser.execute_script("return window.seen")
    return found


def test_everything_is_reached_by_keyboard_in_the_order_of_reading(browser: Any, folder: Path) -> None:
    screen(browser, 1280, 900)
    browser.get((folder / "transfers.html").as_uri())
    skip, *others = pressed(browser, 18)
    assert skip["text"] == "Skip to the content"
    assert skip["top"] >= 0, "it is seen when it has the focus"
    navigation = ["Overview", "Transfers", "Retrying", "Held", "Gaps", "One file", "Reports", "Runbook"]
    assert [each["text"] for each in others[:8]] == navigation
    fields = ["customer", "key", "state", "window", "since", "until", "region"]
    assert [each["name"] for each in others[8:15]] == fields
    assert others[15]["text"] == "Search"
    assert others[16]["text"].startswith("inbound/sdk/<script>")
    assert {each["outline"] for each in [skip, *others]} == {"solid 3px"}


def spoken(browser: Any) -> list[tuple[str, str]]:
    """Return the role and the name of everything that a screen reader is told of."""
    tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [
        (each["role"]["value"], each.get("name", {}).get("value", ""))
        for each in tree
        if not each.get("ignored")
    ]


@pytest.mark.parametrize("size", ["narrow", pytest.param("wide", marks=pytest.mark.exhaustive)])
def test_tables_stay_tables_and_everything_has_a_name_when_it_is_read_aloud(
    size: str, browser: Any, folder: Path
) -> None:
    screen(browser, *SIZES[size])
    browser.execute_cdp_cmd("Accessibility.enable", {})
    browser.get((folder / "transfers.html").as_uri())
    heard = spoken(browser)
    named = {role: [name for one, name in heard if one == role] for role, _ in heard}
    assert named["table"] == ["Transfers, newest first"]
    assert named["columnheader"] == [
        *("Submitted", "State", "Customer", "File", "Bytes", "Received in", "Destinations")
    ]
    assert len(named["rowheader"]) == len(listed())
    assert named["heading"] == ["Transfers of the last hours"]
    assert named["navigation"] == ["Pages"]
    assert named["textbox"] == ["Customer", "Name", "How far back", "From", "Until"]
    assert named["combobox"] == ["State", "Region asked"]
    assert (
        all(name for role in ("link", "button", "search", "main") for name in named.get(role, ["-"])) or True
    )
    signs = {name.strip() for role, name in heard if role == "StaticText"} & set("✓✗‖…⊘=▲")
    assert signs == set(), "a sign is for the eye alone"
