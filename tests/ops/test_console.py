"""`mft-ops console`: its pages, and what it refuses, without a browser."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from datetime import timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.client import BaseClient
from werkzeug.test import Client, TestResponse

from local.aws.emulator import ROOT
from ops.console import pages, reports
from ops.console.answers import Answers
from ops.console.app import App
from ops.console.source import Source
from ops.environment import Environment
from runtime import contract, tracker
from runtime.contract import EAST, REGION_OF, WEST, Kind
from runtime.executions import first
from tests.iam import Statement, granting, parsed
from tests.ops.conftest import Place
from tests.ops.customer_zone import zone  # noqa: F401 - a fixture
from tests.ops.failing_attempts import keep_failing
from tests.ops.test_accept_faults import needed
from tests.ops.test_status import both  # noqa: F401 - a fixture
from tests.ops.test_transfers_verb import five, submit  # noqa: F401 - a fixture
from tests.ops.transfers import Estate, deliver, replicate
from tests.ops.well_cells import well  # noqa: F401 - a fixture
from tests.runtime.cells import NAMESPACE, eventually

WESTERN, EASTERN = REGION_OF[WEST], REGION_OF[EAST]
HOST = "127.0.0.1:8030"
HOSTILE = "a<script>alert(1)</script>&\"'\n\x1b[31m\u202e é.csv"
RUNBOOK = "# Runbook\n\nSee [local](local.md).\n\n## Files held\n\n**Means.** <b>x</b>\n\n## A `code` one\n"


class Html(HTMLParser):
    """The elements of a page and its text."""

    def __init__(self, response: TestResponse) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def links(self, part: str = "") -> list[str]:
        found = (unescape(each["href"] or "") for tag, each in self.elements if tag == "a")
        return [each for each in found if part in each]


class Browser:
    """Reads pages of a console, as a browser on the same machine does."""

    def __init__(self, place: Place, **options: Any) -> None:
        self.source = Source(Environment.read(place.root))
        self.app = App(self.source, **{"handbook": RUNBOOK, "given": (), **options})
        self._client = Client(self.app)

    def get(self, address: str, *, host: str = HOST, method: str = "GET") -> TestResponse:
        return self._client.open(address, method=method, headers={"Host": host})

    def page(self, address: str, code: int = 200) -> Html:
        response = self.get(address)
        assert response.status_code == code, Html(response).text
        return Html(response)


@pytest.fixture
def browser(place: Place) -> Browser:
    return Browser(place)


@pytest.fixture
def console(estate: Estate) -> Browser:
    return Browser(estate.place)


def message(response: TestResponse) -> str:
    """Return the one message of a refusal."""
    (found,) = re.findall(r'<p class="lead">(.*?)</p>', response.text, re.DOTALL)
    return unescape(found)


# --- Who is answered ---------------------------------------------------------------------------------


OURS = ("127.0.0.1", "127.0.0.1:8030", "localhost:9", "[::1]:8030")
OTHERS = ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8030", "[::2]:1", "[::1", "0", "")
OTHERS += (
    "127.0.0.1:8030@evil.example",
    "127.0.0.2",
    "localhost:8030.evil.example",
    "127.0.0.1 evil.example",
)


def test_only_loopback_is_answered_and_for_others_nothing_is_asked(browser, place):
    assert {browser.get("/reports", host=host).status_code for host in OURS} == {200}
    place.relay.forget()
    for host in OTHERS:
        for address in ("/", "/transfers", "/reports", "/nowhere"):
            response = browser.get(address, host=host)
            assert response.status_code == 421, host
            assert "no other name" in message(response)
    assert place.relay.calls == []


def test_a_page_from_elsewhere_gets_no_part_of_it_and_its_links_lead_here(place):
    client = Client(Browser(place).app)
    for site, mode, code in (
        *(("cross-site", "no-cors", 403), ("same-site", "cors", 403), ("cross-site", "navigate", 200)),
        *(("none", "navigate", 200), ("same-origin", "no-cors", 200)),
    ):
        headers = {"Host": HOST, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
        assert client.get("/reports", headers=headers).status_code == code


def test_only_reading_is_answered(browser, place):
    place.relay.forget()
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"):
        for address in ("/", "/transfers?customer=x", "/reports/1", "/nowhere"):
            response = browser.get(address, method=method)
            assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
    assert place.relay.calls == []


def test_head_has_no_content(browser):
    response = browser.get("/runbook", method="HEAD")
    assert (response.status_code, response.data) == (200, b"")


def test_every_answer_may_neither_run_nor_fetch_nor_be_framed_nor_kept(browser):
    for address in ("/reports", "/runbook", "/nowhere", "/transfers?state=lost"):
        headers = browser.get(address).headers
        parts = (each.strip().partition(" ") for each in headers["Content-Security-Policy"].split(";"))
        policy = {name: value for name, _, value in parts}
        assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy.pop("style-src"))
        assert policy == {
            **dict.fromkeys(("default-src", "base-uri", "frame-ancestors"), "'none'"),
            **{"img-src": "data:", "form-action": "'self'"},
        }
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


# --- Wrong questions ---------------------------------------------------------------------------------


WRONG = [
    ("/nowhere", 404, "It has no page /nowhere"),
    ("/transfers/more", 404, "It has no page"),
    ("/transfers?state=lost", 400, "state: 'lost' is not one of under-way, delivered"),
    ("/transfers?window=soon", 400, "window: 'soon' is not a length of time"),
    ("/transfers?window=999999d", 400, "window is longer than time is counted"),
    ("/transfers?since=0001-01-01T00:00:00%2B14:00", 400, "is not a time; write 2026-01-31"),
    ("/file?customer=a&key=b&transfer=x", 400, "transfer: 'x' is not a transfer's id"),
    ("/transfers?since=noon", 400, "since: 'noon' is not a time; write 2026-01-31"),
    ("/transfers?since=2026-01-02&until=2026-01-01", 400, "is not before 2026-01-01"),
    ("/transfers?after=yesterday", 400, "after: 'yesterday' is not a transfer's id"),
    ("/held?after=20200131T000000Z-0123456789abcdef0123", 400, "is not within the window"),
    ("/transfers?key=[a]", 400, "key: '[a]' has a '['"),
    ("/transfers?sort=size", 400, "'sort' is no parameter of this page; it takes: customer, key"),
    ("/held?state=held", 400, "'state' is no parameter"),
    ("/?region=us-gov-west-1", 400, "'region' is no parameter"),
    ("/transfers?region=us-gov-west-2", 404, "'us-gov-west-2' is not one of us-gov-east-1"),
    ("/gaps?customer=a+b", 400, "names several"),
    ("/gaps?customer=a&window=30d", 400, "searches 7 days at most"),
    ("/reports/1", 404, "1 is no report; 0 were given"),
    ("/reports/-1", 404, "It has no page"),
    ("/transfers?key=%ff%fe", 503, "NoSuchBucket"),
]


def test_wrong_questions_get_one_clear_page_each(browser):
    for address, code, words in WRONG:
        response = browser.get(address)
        assert response.status_code == code, address
        assert words in message(response), address
        assert "Traceback" not in response.text


def test_unknown_customers_and_files_are_not_found(console, estate):
    for address in ("/transfers?customer={}x", "/gaps?customer={}x", "/file?find=a.csv&customer={}x"):
        response = console.get(address.format(estate.customer))
        assert response.status_code == 404
        assert f"did you mean {estate.customer}?" in message(response)
    for address in ("/file?find=20260131T000000Z-0123456789abcdef0123", "/file?find=inbound/sdk/none.csv"):
        response = console.get(address)
        assert (response.status_code, "has the" in message(response)) == (404, True)
    address = f"/file?customer={estate.customer}&key=inbound/sdk/none.csv"
    assert "is known" in message(console.get(address))
    assert console.get("/file?key=inbound/sdk/none.csv").status_code == 400


def test_a_fault_of_the_console_is_one_line(browser, monkeypatch, capsys):
    monkeypatch.setattr(browser.source, "status", lambda: {}["fault"])
    response = browser.get("/")
    assert response.status_code == 500
    assert "Traceback" not in response.text
    assert capsys.readouterr().err == "The console has a fault at /: KeyError\n"


# --- Both regions at a glance ------------------------------------------------------------------------


def test_both_regions_at_a_glance(both, place):  # noqa: F811
    assert "All is well" in Browser(place).page("/").text
    east = both[EAST]
    name = east.alarm("files-held", section="files-held", state="ALARM")
    east.send(east.manifest["dead_letters"]["ingest"])
    browser = Browser(place)
    page = browser.page("/")
    text = " ".join(page.text.split())
    assert "1 alarm on, 1 other finding" in text
    assert f"▲ {name} since" in text
    assert page.links("#files-held") == ["/runbook#files-held"] * 2, "of the description, and by itself"
    assert f"mft-ops redrive {EASTERN} --queue ingest" in text
    assert "in since 20" in text
    assert "ingest 1, replication 0, events 0, invocations 0" in text
    place.relay.forget()
    assert browser.page("/").text.count("us-gov") == page.text.count("us-gov")
    assert place.relay.calls == [], "the report of a moment ago is shown"

    place.relay.closed = {f"{WESTERN} "}
    dead = " ".join(Browser(place).page("/").text.split())
    assert f"{WESTERN} ✗ does not answer {WESTERN}: does not answer: Connection was closed" in dead
    assert f"{EASTERN} ✓ answers" in dead


# --- Lists -------------------------------------------------------------------------------------------


def ids(page: Html) -> list[str]:
    return [each.rpartition("transfer=")[2] for each in page.links("/file?")]


def test_transfers_are_listed_searched_and_linked(console, estate, five):  # noqa: F811
    delivered, failed, held, young, _ = five
    assert ids(console.page("/transfers")) == [delivered, failed, held], "of the last six hours"
    whole = console.page("/transfers?window=3d")
    assert ids(whole) == five
    assert "mft-ops transfers --since " in whole.text
    assert ids(console.page("/transfers?window=3d&state=under-way")) == [young]
    assert ids(console.page(f"/transfers?window=3d&key=sdk/*.txt&customer={estate.customer}")) == [held]
    release = f"mft-ops release {held} --resend --customer {estate.customer}"
    assert release in whole.text
    assert f"mft-ops replay plan {estate.customer} --transfer {failed}" in whole.text
    for status in ("delivered", "failed", "held", "under way", "rejected"):
        assert status in whole.text
    assert ids(console.page("/held")) == [held]
    assert release in console.page("/held").text
    (link,) = console.page("/held").links("/file?")
    story = console.page(link)
    assert release in story.text
    assert "RECEIVED" in story.text
    assert console.page("/held").links("/runbook#files-held")
    assert console.page(f"/transfers?window=3d&region={EASTERN}").links("/file?"), "it has replicas of all"


def test_pages_follow_each_other_without_a_gap_or_a_repeat(console, five, monkeypatch):  # noqa: F811
    monkeypatch.setattr(pages, "LISTED", 2)
    found, address = [], "/transfers?window=3d"
    while address:
        page = console.page(address)
        found += ids(page)
        (address,) = page.links("after=") or [""]
    assert found == five


def test_of_many_transfers_a_page_reads_few_and_says_how_many(console, estate, monkeypatch):
    for minutes in range(30):
        submit(estate, f"{minutes}.csv", timedelta(minutes=minutes), partner=Kind.DELIVERED)
    monkeypatch.setattr(tracker, "_RECENT", 10)
    monkeypatch.setattr(pages, "MOST_READ", 5)
    asked: list[str] = []
    for side in (WEST, EAST):
        events = console.source.ask(lambda regions, side=side: regions.client("dynamodb", side)).meta.events
        events.register("before-call.dynamodb.Query", lambda **_: asked.append("one"))
    page = console.page("/held?window=1h")
    assert (ids(page), len(asked)) == ([], len(asked))
    assert len(asked) <= 6, "a page or two of each region"
    assert "5 were looked at" in page.text
    (older,) = page.links("after=")
    assert "5 were looked at" in console.page(older).text
    long_ago = console.get("/held?since=2001-01-01")
    assert (long_ago.status_code, "are more than this page reads" in message(long_ago)) == (400, True)


def test_a_transfer_among_many_is_found_by_its_id_with_one_question_to_each_region(
    console, estate, monkeypatch
):
    known = [submit(estate, f"{n}.csv", timedelta(minutes=n), partner=Kind.DELIVERED) for n in range(20)]
    monkeypatch.setattr(tracker, "_RECENT", 4)
    asked: list[str] = []
    for side in (WEST, EAST):
        events = console.source.ask(lambda regions, side=side: regions.client("dynamodb", side)).meta.events
        events.register(
            "before-parameter-build.dynamodb.Query", lambda params, **_: asked.append(str(params))
        )
    assert ids(console.page("/transfers?window=1h&key=sdk/9.csv")) == [known[9]]
    asked.clear()
    assert "sdk/9.csv" in console.page(f"/file?find={known[9]}").text
    assert len([each for each in asked if f"{known[9]}~" in each]) == 2
    assert len(asked) <= 8, "and its own facts, and what settles it"


def test_no_name_becomes_markup(console, estate):
    transfer = submit(estate, HOSTILE, timedelta(minutes=5), is_kept=False, partner=Kind.HELD)
    for address in ("/transfers", "/held", "/retrying"):
        page = console.page(address)
        assert not {tag for tag, _ in page.elements} & {"script", "img", "iframe"}
        assert "\x1b" not in page.text
        assert "\u202e" not in page.text
    (link,) = console.page("/held").links("/file?")
    story = console.page(link)
    assert ids(console.page("/held")) == [transfer]
    assert r"a<script>alert(1)</script>&" in story.text
    assert "script" not in {tag for tag, _ in story.elements}
    assert not [name for _, found in story.elements for name in found if name.startswith("on")]


# --- Retries, gaps, stories --------------------------------------------------------------------------


def test_what_is_tried_again_has_its_reason(console, estate):
    keep_failing(estate.west)
    transfer = estate.west.receive(b"abc")
    page = eventually(lambda: "nobody" in (found := console.page("/retrying")).text and found)
    assert ids(page) == [transfer.id]
    assert f"in {WESTERN} (execution g1)" in page.text
    arn = f"{estate.west.state_machine.replace(':stateMachine:', ':execution:')}:{first(transfer.id)}"
    estate.west.client("stepfunctions").stop_execution(executionArn=arn)
    assert "No attempt of it has failed yet" in console.page("/retrying").text, "it runs no more"


def test_gaps_have_the_command_that_plans_their_repair(console, estate, monkeypatch):
    replicate(estate)
    transfer = deliver(estate.west)
    assert "Nothing is searched" in console.page("/gaps").text
    whole = console.page(f"/gaps?customer={estate.customer}")
    assert "no gaps among 1 transfers" in whole.text.replace("\n", " ")
    held = submit(estate, "b.csv", timedelta(hours=1), partner=Kind.HELD)
    page = console.page(f"/gaps?customer={estate.customer}")
    assert transfer.id not in page.text
    assert set(ids(page)) == {held}
    (repair,) = set(re.findall(r"mft-ops gaps \S+ --since \S+ --until \S+ --repair", page.text))
    assert held in estate.ops(*repair.split()[1:]).out
    monkeypatch.setattr(pages, "SEARCHED", -1.0)
    cut = console.page(f"/gaps?customer={estate.customer}")
    assert "given up: take a shorter window" in cut.text
    monkeypatch.setattr(pages, "GAPS", 1)
    monkeypatch.setattr(pages, "SEARCHED", 60.0)
    assert "The first 1 gaps; there are more" in console.page(f"/gaps?customer={estate.customer}").text


# --- Regions that do not answer ----------------------------------------------------------------------


def test_one_region_is_dead(console, estate, five):  # noqa: F811
    assert ids(console.page("/transfers?window=3d")) == five
    estate.lose(WEST)
    for address in (
        "/transfers?window=3d",
        "/retrying?window=3d",
        "/held",
        f"/gaps?customer={estate.customer}",
    ):
        page = console.page(address)
        assert f"{WESTERN} is not looked at, it does not answer" in page.text
    assert ids(console.page("/transfers?window=3d")) == five, "facts of the dead region were replicated"
    (link,) = console.page("/held").links("/file?")
    assert f"{WESTERN} is not looked at" in console.page(link).text


def test_no_region_answers(browser, place):
    place.relay.closed = {"us-gov"}
    response = browser.get("/transfers")
    assert response.status_code == 503
    assert message(response).startswith(f"no region can be looked at: {EASTERN}: it does not answer")


def test_without_permission_the_page_says_so(browser, place):
    place.relay.expired = {"us-gov": "AccessDenied"}
    response = browser.get("/transfers")
    assert response.status_code == 503
    assert message(response).startswith(
        "the credentials do not permit this: An error occurred (AccessDenied)"
    )


def test_a_page_waits_for_a_silent_aws_no_longer_than_its_bound(place, monkeypatch):
    silent = threading.Event()
    browser = Browser(place, answers=Answers(patience=0.01))
    monkeypatch.setattr(browser.source, "ask", lambda look, only=None: silent.wait())
    response = browser.get("/transfers")
    assert response.status_code == 504
    assert message(response).startswith("AWS has not answered within 0.01 s")
    silent.set()


def test_a_question_is_asked_once_for_all_who_wait_and_its_answer_is_kept_until_heard():
    answer, asked = threading.Event(), []

    def ask() -> int:
        asked.append(1)
        answer.wait()
        return len(asked)

    answers = Answers(patience=0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            answers.get("a", ask)
    answer.set()
    assert eventually(lambda: _heard(answers, ask)) == 1
    assert answers.get("a", ask, fresh=60) == 1
    assert eventually(lambda: _heard(answers, ask)) == 2


def _heard(answers: Answers, ask: Any) -> int | None:
    try:
        return answers.get("a", ask)
    except TimeoutError:
        return None


# --- It changes nothing ------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The calls to AWS that are made meanwhile."""
    made: list[dict[str, Any]] = []
    call = BaseClient._make_api_call

    def record(client: Any, operation: str, given: Any) -> Any:
        service = client.meta.service_model.service_name.replace("stepfunctions", "states")
        made.append({"service": service, "operation": operation, "given": given, "region": "us-gov-west-1"})
        return call(client, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", record)
    return made


def policy(estate: Estate) -> list[Statement]:
    """Return the policy that docs/console.md gives to operators, with the names of this estate."""
    (text,) = re.findall(
        r"^```json\n(.+?)^```", (ROOT / "docs/console.md").read_text(), re.DOTALL | re.MULTILINE
    )
    names = {"NAMESPACE": NAMESPACE, "ACCOUNT": "123456789012", "CELL": estate.place.cell}
    for word, name in names.items():
        text = text.replace(word, name)
    return parsed(json.loads(text))


def test_every_page_only_reads_what_the_documented_policy_allows(console, estate, five, calls):  # noqa: F811
    transfer = deliver(estate.west)
    estate.west.receive(b"abc", "inbound/sdk/new.csv")
    parts = json.dumps({**estate.west.manifest, "functions": {"ingest": "nobody"}})
    name = contract.cell_parameter(NAMESPACE, estate.place.cell, "parts")
    estate.west.client("ssm").put_parameter(Name=name, Value=parts, Type="String", Overwrite=True)
    calls.clear()
    addresses = ["/", "/transfers?window=3d", "/retrying?window=3d", "/held", "/reports", "/runbook"]
    addresses += [f"/gaps?customer={estate.customer}", f"/file?find={transfer.id}", "/file?find=sdk/a.csv"]
    for address in addresses:
        console.get(address)
    verbs = {re.match("[A-Z][a-z]+", each["operation"])[0] for each in calls}
    assert verbs == {"Get", "List", "Describe", "Head", "Query"}
    statements, used, refused = policy(estate), set(), set()
    for call in calls:
        action, resource, context = needed(call)
        by = granting(statements, action, resource, context)
        refused |= set() if by else {f"{action} on {resource}"}
        used |= {(each.sid, action) for each in by}
    assert refused == set()
    allowed = {(each.sid, action) for each in statements for action in each.actions}
    assert {pair for pair in allowed - used if not pair[1].startswith("kms:")} == set()


# --- Reports and the runbook -------------------------------------------------------------------------


def test_a_report_is_shown_as_it_is_and_may_do_nothing(place, tmp_path):
    path = tmp_path / "drill.html"
    path.write_text("<!doctype html><title>A &amp; B</title><script>alert(1)</script>")
    browser = Browser(place, given=[reports.read(path)])
    page = browser.page("/reports")
    assert "A & B" in page.text
    (link,) = page.links("/reports/")
    response = browser.get(link)
    assert response.data == path.read_bytes()
    policy = response.headers["Content-Security-Policy"]
    assert policy == reports.POLICY
    assert "sandbox" in policy.split("; ")
    assert "script-src" not in policy
    assert browser.get("/reports/2").status_code == 404
    path.unlink()
    response = browser.get(link)
    assert (response.status_code, "cannot be read: No such file" in message(response)) == (404, True)


def test_the_runbook_has_its_sections_and_no_markup_of_its_own(browser):
    page = browser.page("/runbook")
    anchors = [found["id"] for tag, found in page.elements if tag in ("h1", "h2", "h3")]
    assert anchors == ["runbook", "files-held", "a-code-one"]
    assert page.links("local.md") == [], "the console has no such page"
    assert "See local." in page.text
    assert "<b>x</b>" in page.text


def test_a_checkout_without_a_runbook(place):
    browser = Browser(place, handbook=None)
    assert browser.get("/runbook").status_code == 404
    assert browser.page("/reports").links("/runbook") == []


# --- The verb ----------------------------------------------------------------------------------------


def test_an_export_is_whole_and_its_links_lead_to_its_own_files(estate, five, tmp_path):  # noqa: F811
    report = tmp_path / "drill.html"
    report.write_text("<!doctype html><title>Drill</title>")
    folder = tmp_path / "new" / "console"
    code, document = estate.json("console", "--export", str(folder), "--report", str(report))
    assert code == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {Path(each).name for each in document["written"]}
    assert names == {
        *("index.html", "transfers.html", "retrying.html", "held.html", "reports.html", "report-1.html"),
        *("runbook.html", f"file-{five[2]}.html", f"file-{five[3]}.html"),
    }
    for name in names - {"report-1.html"}:
        text = (folder / name).read_text()
        targets = set(re.findall(r'(?:href|src|action)="([^"#]+)', text)) - {"data:,"}
        assert {each for each in targets if not each.startswith("https://docs.aws.amazon.com/")} <= names, (
            name
        )
        assert "<form" not in text
        assert "Exported at" in text
    again = estate.ops("console", "--export", str(folder))
    assert (again.code, again.line) == (1, f"--export: {folder} exists; name a folder that does not")
    assert [each.name for each in folder.parent.iterdir()] == ["console"]


def test_an_export_of_which_a_page_fails_leaves_nothing(place, tmp_path):
    place.relay.closed = {"us-gov"}
    result = place.ops("console", "--export", str(tmp_path / "console"))
    assert result.code == 1
    assert "no region can be looked at" in result.line
    assert not (tmp_path / "console").exists()


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("--export", "x", "--port", "0"), 2, "--export and --port exclude each other"),
        (("--port", "65536"), 2, "should be less than or equal to 65535"),
        (("--report", "none.html"), 1, "--report: none.html cannot be read: No such file or directory"),
        (("--report", "pyproject.toml"), 1, "--report: pyproject.toml is not a page of HTML"),
        (("--cell", "77"), 1, "no stack files make cell '77'"),
    ],
)
def test_wrong_words_are_refused_with_one_message(place, words, code, line):
    result = place.ops("console", *words)
    assert (result.code, result.out) == (code, "")
    assert line in " ".join(result.err.replace("│", "").split())


def test_a_port_that_is_taken_is_refused_with_one_line(place):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = place.ops("console", "--port", str(port))
    why = f"port {port} of 127.0.0.1 cannot be used: Address already in use; name another with --port"
    assert (result.code, result.line) == (1, why)


def test_it_listens_on_loopback_alone_logs_nothing_and_ends_with_ctrl_c(place):
    """A question to a region that says nothing is still waiting when it ends."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        root = ("--root", str(place.root))
        asked: list[socket.socket] = []
        environment = {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        process = subprocess.Popen(
            [*(sys.executable, "-W", "error", "-m", "ops", "console", "--port", "0"), "--json", *root],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            address = urlsplit(json.loads(process.stdout.readline())["address"])
            assert address.hostname == "127.0.0.1"
            with pytest.raises(OSError):
                socket.create_connection(("127.0.0.2", address.port), timeout=60)
            connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
            connection.request("GET", "/reports")
            answer = connection.getresponse()
            assert (answer.status, answer.headers["Server"].strip()) == (200, "console")
            answer.read()
            connection.request("GET", "/")
            asked = [silent.accept()[0] for _ in REGION_OF]  # both regions are asked, and do not answer
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            connection.close()
            silent.setblocking(False)
            with pytest.raises(BlockingIOError):
                silent.accept()  # it did not wait until the questions are tried again
        finally:
            process.kill()
            process.wait()
            for each in asked:
                each.close()
    assert (process.returncode, out, err) == (0, "", "")
