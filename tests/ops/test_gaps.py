"""`python -m ops gaps`: what it finds in both regions, reports, plans and repairs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig

import ops.commands.gaps
import ops.recovery.gaps
from ops.environment import Environment
from ops.plan import RefusedError
from ops.recovery import reconcile, repair
from ops.recovery.gaps import Counts, GapReport, ScanListener
from ops.recovery.reconcile import GapKind
from ops.recovery.regions import Regions
from ops.recovery.window import Window
from runtime import contract
from runtime.contract import EAST, REGION_OF, SIDES, WEST, Kind
from runtime.sweep_notes import Doubt, SweepNotes
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from tests.ops.transfers import TRACKER_DAYS, Estate, Side
from tests.runtime.cells import NAMESPACE, CrashError, Dying, owner
from tests.runtime.test_inventory import carry, join

SDK, OTHER = "inbound/sdk/a.csv", "inbound/sdk/b.csv"
WESTERN, EASTERN = REGION_OF[WEST], REGION_OF[EAST]
WHY = ("--reason", "East was down")


@pytest.fixture
def place(estate: Estate) -> Iterator[Estate]:
    """A customer whose files and archives replicate both ways; its regions are back when the test ends."""
    join(estate.west, estate.east)
    yield estate
    estate.place.aws.replication_lag()


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock so that nothing counts as young."""
    for module in (reconcile, ops.commands.gaps):
        monkeypatch.setattr(module, "GRACE", timedelta(minutes=-1))


def run_json(place: Estate, *words: str) -> tuple[int, list[dict[str, Any]]]:
    """Run with `--json`; return the exit code and the documents that were printed."""
    done = place.ops("gaps", *words, "--json")
    assert not done.err
    return done.code, [json.loads(line) for line in done.out.splitlines()]


def found(place: Estate, *words: str) -> list[tuple[str, str, str]]:
    code, documents = run_json(place, *words)
    gaps = [document["gap"] for document in documents if "gap" in document]
    assert code == int(any(gap["finding"] != GapKind.REPLICATING for gap in gaps))
    return [(gap["key"], gap["finding"], gap["where"]) for gap in gaps]


def counts(place: Estate, *words: str) -> dict[str, int]:
    """Return the numbers that are not 0."""
    (numbers,) = (each["counts"] for each in run_json(place, *words)[1] if "counts" in each)
    return {name: number for name, number in numbers.items() if number}


def planned(place: Estate, *words: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the digest of the repair's plan, and its remedies."""
    _, documents = run_json(place, "--repair", *words)
    (plan,) = (document["plan"] for document in documents if "plan" in document)
    return plan["digest"], [document["remedy"] for document in documents if "remedy" in document]


def remaining(environment: Environment, *, customers: tuple[str, ...] = ()) -> Counts:
    """Return the counts of a complete report on these customers, or on all of them."""
    report = GapReport(Regions.find(environment), customers, Window.of())
    assert all(report.lines())
    return report.counts


def apply(place: Estate, digest: str, *words: str) -> tuple[int, list[str]]:
    """Carry out a repair; return the exit code and the result of each remedy."""
    code, documents = run_json(place, "--repair", "--apply", "--digest", digest, *WHY, *words)
    return code, [its["became"] for each in documents for what, its in each.items() if "done" in what]


@contextmanager
def dying(monkeypatch: pytest.MonkeyPatch, service: str, call: str, *, after: bool) -> Iterator[None]:
    """Let commands die, with CrashError, just before or after a call to a service."""
    real = Regions.client

    def client(self: Any, its: str, side: str) -> Any:
        made = real(self, its, side)
        return Dying(made, call, after=after) if its == service else made

    with monkeypatch.context() as patch:
        patch.setattr(Regions, "client", client)
        yield


def archived(side: Side, about: Transfer) -> Any:
    """Return a transfer's copy in a region's archive, or None."""
    s3, key = side.client("s3"), contract.archive_key(side.customer, about.id, about.key)
    try:
        return s3.get_object(Bucket=side.archive_bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return None


def lose_archived(side: Side, about: Transfer) -> None:
    key = contract.archive_key(side.customer, about.id, about.key)
    side.client("s3").delete_object(Bucket=side.archive_bucket, Key=key)


def fail(side: Side, key: str = SDK, kind: Kind = Kind.FAILED) -> Transfer:
    """Receive and archive a file that fails, or is held, at its destination; return it."""
    about = side.receive(b"abc", key)
    detail = {"reason": "x", "error": "x"}
    side.tracker.record(about.fact(kind, side=side.side, writer="w", destination="partner", **detail))
    side.archive.store(about, owner=owner(about))
    return about


# --- The report --------------------------------------------------------------------------------------


def test_a_window_without_transfers_says_so(place):
    done = place.ops("gaps", "--since", "2026-01-01", "--until", "2026-01-02T12:00:00+02:00")
    assert (done.code, done.out, done.err) == (
        0,
        "no transfers from 2026-01-01T00:00:00Z to 2026-01-02T10:00:00Z\n",
        "",
    )


def test_everything_is_complete(place, late):
    carry(place.west)
    carry(place.east, b"xyz", OTHER)
    assert counts(place) == {"transfers": 2, "complete": 2}
    assert found(place) == []
    (line,) = place.ops("gaps").out.splitlines()
    assert line.startswith("2 transfers from ")
    assert line.endswith(
        ": 2 complete, 0 replicating, 0 archive missing, 0 inbound missing, 0 record missing, "
        "0 undelivered, 0 unknown to the tracker, 0 waits for its rename"
    )


def test_each_gap_is_named_and_counted(place, late):
    done = carry(place.west)
    lose_archived(place.east, done)
    failed = fail(place.west, OTHER)
    place.east.upload(b"abc", "inbound/sdk/c.csv")
    assert sorted(found(place)) == [
        (SDK, "archive missing", f"archive in {EASTERN}"),
        (OTHER, "undelivered", "failed: partner"),
        ("inbound/sdk/c.csv", "unknown to the tracker", f"inbound in {EASTERN}, inbound in {WESTERN}"),
    ]
    assert counts(place) == {
        "transfers": 3,
        "archive missing": 1,
        "undelivered": 1,
        "unknown to the tracker": 1,
    }
    lines = place.ops("gaps").out.splitlines()
    assert any(
        line.startswith(f"archive missing: {place.customer} {SDK} {done.id}: archive in {EASTERN}, ")
        for line in lines
    )
    assert any(failed.id in line for line in lines)


def test_a_young_file_is_replicating_and_no_reason_to_fail(place):
    about = carry(place.west)
    lose_archived(place.east, about)
    assert found(place) == [(SDK, "replicating", f"archive missing: archive in {EASTERN}")]
    assert counts(place) == {"transfers": 1, "replicating": 1}
    (_, gap, _) = run_json(place)[1]
    assert gap["gap"]["age_seconds"] in range(60)
    assert datetime.fromisoformat(gap["gap"]["since"]) <= datetime.now(UTC)


def test_only_the_customers_and_the_time_requested_are_reported_on(place, late):
    carry(place.west)
    assert counts(place, place.customer, "--window", "1d") == {"transfers": 1, "complete": 1}
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert counts(place, "--until", "2026-01-01") == {}
    assert counts(place, "--since", "2026-01-01", "--until", f"{tomorrow:%Y-%m-%d}")["transfers"] == 1


def test_the_days_of_which_facts_are_kept_are_read_and_no_older_ones(place, monkeypatch):
    """Nothing can be said about a transfer whose facts have expired."""
    days, outline = [], Tracker.outline

    def seen(tracker: Tracker, customer: str, day: str) -> Any:
        days.append(day)
        return outline(tracker, customer, day)

    monkeypatch.setattr(Tracker, "outline", seen)
    today = datetime.now(UTC)
    run_json(place, place.customer, "--since", f"{today - timedelta(days=100):%Y-%m-%d}")
    assert min(days) == f"{today - timedelta(days=TRACKER_DAYS):%Y-%m-%d}"


def test_unknown_customers_are_all_named_with_the_nearest(place):
    done = place.ops("gaps", f"{place.customer}x", "q")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        f"'{place.customer}x' is not a customer of this cell; did you mean {place.customer}?",
        "'q' is not a customer of this cell",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--since", "yesterday"),
        ("--window", "3"),
        ("--window", "0d"),
        ("--since", "2026-01-02", "--until", "2026-01-02"),
        ("--since", "2999-01-01"),
        ("--apply",),
        ("--apply", "--repair", *WHY),
        ("--apply", "--repair", "--digest", "x"),
        ("--apply", "--digest", "x", *WHY),
    ],
)
def test_a_usage_error_exits_2(place, words):
    done = place.ops("gaps", *words)
    assert (done.code, done.out) == (2, "")


def test_several_customers_are_reported_in_order(place, late):
    other = Side(place.west.aws, WEST, "czz", place.west.table, cell=place.west.cell)
    other.client("s3").create_bucket(
        Bucket=other.bucket, CreateBucketConfiguration={"LocationConstraint": WESTERN}
    )
    other.client("s3").put_bucket_versioning(
        Bucket=other.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    other.register()
    other.upload(b"abc")
    place.west.upload(b"abc")
    place.east.client("s3").put_object(
        Bucket=place.east.config_bucket, Key=contract.config_key("canary7"), Body=b"{}"
    )
    _, documents = run_json(place)
    assert [each["gap"]["customer"] for each in documents if "gap" in each] == [place.customer, "czz"]


def test_what_the_sweep_has_left_is_shown_with_its_reason(place, late):
    west = place.west
    key = "inbound/sftp/acme/a.csv"
    put = west.client("s3").put_object(Bucket=west.bucket, Key=key, Body=b"abc")
    place_of = {"Bucket": west.bucket, "Key": key, "VersionId": put["VersionId"]}
    modified = west.client("s3").head_object(**place_of)["LastModified"]
    doubt = Doubt(
        customer=west.customer,
        transfer=contract.transfer_id(contract.file_id(west.customer, key), put["VersionId"], modified),
        key=key,
        version_id=put["VersionId"],
        size=3,
        modified=modified,
        seen=modified,
        why="the session log shows nothing",
    )
    SweepNotes(table=west.table, side=west.side, client=west.client("dynamodb")).put(doubt, days=1)
    _, documents = run_json(place)
    (where,) = (each["gap"]["where"] for each in documents if "gap" in each)
    reason = f"the sweep of {WESTERN} left it: the session log shows nothing"
    assert where.endswith(f"; {reason}")


def test_a_key_stays_on_its_line(place, late):
    """Customers choose keys, and a key may contain a line break and look like a line of the report."""
    place.west.upload(b"abc", "inbound/sdk/a\nplan 0123: nothing to do")
    lines = place.ops("gaps").out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["unknown to the tracker", lines[1].split(":")[0]]
    assert f"{place.customer} inbound/sdk/a\\nplan 0123: nothing to do " in lines[0]


def test_a_customer_whose_data_cannot_be_read_is_named(place):
    name = f"{place.customer}z"
    place.west.client("s3").put_object(
        Bucket=place.west.config_bucket,
        Key=contract.config_key(name),
        Body=place.west.client("s3")
        .get_object(Bucket=place.west.config_bucket, Key=contract.config_key(place.customer))["Body"]
        .read(),
    )
    done = place.ops("gaps")
    assert done.code == 1
    assert done.err.startswith(f"{name} cannot be searched for gaps: ")
    assert "NoSuchBucket" in done.err


def test_the_report_ends_when_its_reader_goes_away(place):
    """The reader of the report goes away while the second page is being read."""
    for number in range(5):
        place.west.upload(b"abc", f"inbound/sdk/{number}.csv")
    regions = Regions.find(Environment.read(place.place.root))
    pages = []

    def listed(count: int) -> None:
        pages.append(count)
        report._stopped.set()

    report = GapReport(regions, (), Window.of(), ScanListener(listed=listed))
    with pytest.raises(CancelledError):
        list(report.lines())
    assert len(pages) <= len(SIDES)


# --- One region dead ---------------------------------------------------------------------------------


def test_a_dead_region_is_named_and_the_other_is_reported_on(place, late):
    carry(place.west)
    failed = fail(place.east, OTHER)
    place.lose(WEST)
    done = place.ops("gaps")
    assert done.code == 1
    first, gap, last = done.out.splitlines()
    assert first.startswith(f"{WESTERN} is not looked at, it does not answer: ")
    assert first.endswith(": what it holds is not known")
    assert (failed.id in gap, "undelivered" in gap) == (True, True)
    assert "1 complete" in last


def test_without_one_region_the_report_fails_unless_only_the_other_was_requested(place, late):
    carry(place.west)
    place.lose(WEST)
    assert run_json(place)[0] == 1
    code, documents = run_json(place, "--region", EASTERN)
    assert code == 0
    (reason,) = documents[0]["not_looked_at"]
    assert reason == f"{WESTERN} is not looked at, only {EASTERN} was asked for: what it holds is not known"


def test_a_report_on_two_dead_regions_or_an_unknown_one_is_refused(place):
    done = place.ops("gaps", "--region", "us-gov-wst-1")
    assert (done.code, done.line.endswith(f"did you mean {WESTERN}?")) == (1, True)
    for side in SIDES:
        place.lose(side)
    done = place.ops("gaps")
    assert (done.code, done.line.startswith("no region can be looked at: ")) == (1, True)
    assert (WESTERN in done.line, EASTERN in done.line) == (True, True)


# --- For who must know whether anything is left ------------------------------------------------------


def test_remaining_gaps_are_counted_for_other_verbs(place, late):
    environment = Environment.read(place.place.root)
    assert remaining(environment).remaining == 0
    carry(place.west)
    fail(place.west, OTHER)
    left = remaining(environment, customers=(place.customer,))
    assert (left.transfers, left.complete, left.remaining, left.silent) == (2, 1, 1, {})
    with pytest.raises(RefusedError):
        remaining(environment, customers=("nobody",))
    place.lose(WEST)
    assert list(remaining(environment).silent) == [WESTERN]


def test_replicating_files_are_not_counted_as_remaining(place):
    lose_archived(place.east, carry(place.west))
    left = remaining(Environment.read(place.place.root))
    assert (left.remaining, left.found[GapKind.REPLICATING]) == (0, 1)


# --- Repair ------------------------------------------------------------------------------------------


def test_the_requirements_edge_case_is_found_named_and_healed(place, late):
    """Delivered, recorded in both regions, not in the replicated archive; the copy keeps its metadata."""
    aws = place.place.aws
    place.west.client("s3").put_object(
        Bucket=place.west.bucket, Key=SDK, Body=b"abc", Metadata={"batch": "7"}, ContentType="text/csv"
    )
    version = place.west.client("s3").head_object(Bucket=place.west.bucket, Key=SDK)
    place.west.accept(
        place.west.event(
            "aws.s3",
            "Object Created",
            {
                "bucket": {"name": place.west.bucket},
                "object": {"key": SDK, "version-id": version["VersionId"]},
            },
        )
    )
    about = place.west.received(SDK)
    place.west.workflow.claim(about, owner=owner(about))
    place.west.attempt(about)
    aws.replication_lag(s3=600)
    place.west.archive.store(about, owner=owner(about))
    aws.replication_lag()
    assert found(place) == [(SDK, "archive missing", f"archive in {EASTERN}")]
    digest, (remedy,) = planned(place)
    assert (remedy["deed"], remedy["transfer"], remedy["side"]) == ("copy", about.id, EAST)
    assert archived(place.east, about) is None, "a plan changes nothing"

    assert apply(place, digest) == (0, ["copied"])
    copy = archived(place.east, about)
    assert (copy["Body"].read(), copy["Metadata"], copy["ContentType"]) == (
        b"abc",
        {"batch": "7"},
        "text/csv",
    )
    assert found(place) == []
    (fact,) = (f for f in place.east.facts() if f.kind is Kind.ARCHIVED and f.side == EAST)
    who = f"arn:aws-us-gov:iam::{aws.account}:root"
    assert (fact.detail["why"], fact.detail["who"], fact.writer) == ("East was down", who, f"repair-{digest}")


def test_a_file_in_no_archive_is_copied_from_the_submitted_object(place, late):
    about = place.west.receive(b"abc")
    place.west.workflow.claim(about, owner=owner(about))
    place.west.attempt(about)
    place.west.upload(b"newer")  # the version counts, not the key
    digest, remedies = planned(place)
    copies = [each for each in remedies if each["deed"] == "copy"]
    assert [(each["side"], each["transfer"]) for each in copies] == [(WEST, about.id)]
    apply(place, digest)
    for side in (place.west, place.east):
        assert archived(side, about)["Body"].read() == b"abc"


def test_a_repair_that_is_done_already_is_left_alone(place, late):
    about = carry(place.west)
    lose_archived(place.east, about)
    digest, _ = planned(place)
    place.east.archive.store(Transfer.here(place.west.fact(Kind.RECEIVED, about), EAST), owner=owner(about))
    assert place.ops("gaps", "--repair", "--apply", "--digest", digest, *WHY).code == 1
    lose_archived(place.east, about)
    assert apply(place, digest) == (0, ["copied"])
    assert found(place) == []


def test_a_plan_that_changed_is_refused_before_anything_is_done(place, late):
    about = carry(place.west)
    lose_archived(place.east, about)
    digest, _ = planned(place)
    other = carry(place.west, b"xyz", OTHER)
    lose_archived(place.east, other)
    code, documents = run_json(place, "--repair", "--apply", "--digest", digest, *WHY)
    assert code == 1
    assert re.fullmatch(
        f"plan {digest} no longer holds: {place.customer}: copy is 2, was 1, remedies is '(.{{12}})', was"
        " '(?!\\1).{12}'; nothing was done: plan again, and review the new plan",
        documents[-1]["refused"],
    )
    assert archived(place.east, about) is None


def test_remedies_that_no_tool_can_apply_are_not_in_the_plan(place, late):
    lose_archived(place.east, carry(place.west))
    digest, _ = planned(place)
    fail(place.west, OTHER, Kind.HELD)
    again, remedies = planned(place)
    assert (again, sorted(each["deed"] for each in remedies)) == (digest, ["ask", "copy"])
    assert apply(place, digest) == (1, ["copied"])


def test_a_plan_without_anything_to_carry_out_prints_no_command(place, late):
    carry(place.west)
    (*_, last) = place.ops("gaps", "--repair").out.splitlines()
    assert re.fullmatch("plan [0-9a-f]{12}: nothing to do", last)
    fail(place.west, OTHER, Kind.HELD)
    (*_, last) = place.ops("gaps", "--repair").out.splitlines()
    assert re.fullmatch("plan [0-9a-f]{12}: 1 to ask about", last)


def test_a_failed_file_is_replayed_and_a_held_file_is_asked_about(place, late):
    failed, held = fail(place.west), fail(place.east, OTHER, Kind.HELD)
    digest, remedies = planned(place)
    deeds = {each["transfer"]: (each["deed"], each["why"]) for each in remedies}
    assert deeds == {
        failed.id: ("replay", "failed: partner"),
        held.id: ("ask", "held by partner; decide with mft-ops release"),
    }
    assert apply(place, digest) == (1, ["replayed"])
    fact = place.west.fact(Kind.REPLAYED, failed)
    assert fact.detail["why"] == f"East was down (plan {digest})"
    assert Transfer.parse(place.west.executions()[fact.writer]).id == failed.id
    assert Kind.REPLAYED not in place.east.kinds(held)


def test_a_file_unknown_to_ingest_is_taken_in_where_it_arrived(place, late):
    place.east.upload(b"abc")
    digest, (remedy,) = planned(place)
    assert (remedy["deed"], remedy["side"]) == ("take in", EAST)
    assert apply(place, digest) == (0, ["received"])
    about = place.east.received(SDK)
    assert [Transfer.parse(given).id for given in place.east.executions().values()] == [about.id]
    assert place.west.executions() == {}


def test_an_upload_by_sftp_is_taken_in_only_when_it_is_known_to_be_whole(place, late):
    """The object alone does not show it: a dropped session leaves half a file."""
    place.west.upload(b"half?", "inbound/sftp/u/a.csv")
    _, (remedy,) = planned(place)
    assert (remedy["deed"], "ask the customer" in remedy["why"]) == ("ask", True)
    confirmed = ("--confirmed", remedy["transfer"])
    digest, (remedy,) = planned(place, *confirmed)
    assert remedy["deed"] == "take in"
    assert apply(place, digest, *confirmed) == (0, ["received"])


def test_a_dead_regions_objects_are_adopted_once_it_is_declared_out(place, late):
    place.place.aws.replication_lag(dynamodb=600)
    place.west.upload(b"abc")
    place.lose(WEST)
    words = ("--region", EASTERN)
    _, (remedy,) = planned(place, *words)
    assert remedy["deed"] == "ask"
    assert remedy["why"] == f"{WESTERN} has the original, and is not declared lost"
    name = contract.switch_parameter(NAMESPACE, place.west.cell, WEST)
    place.east.client("ssm").put_parameter(Name=name, Value="lost", Type="String", Overwrite=True)
    digest, (remedy,) = planned(place, *words)
    assert (remedy["deed"], remedy["side"]) == ("take in", EAST)
    assert apply(place, digest, *words) == (0, ["received"])
    assert len(place.east.executions()) == 1


def test_without_any_copy_left_the_customer_is_asked(place, late):
    about = place.west.receive(b"abc")
    place.west.workflow.claim(about, owner=owner(about))
    place.west.attempt(about)
    for side in (place.west, place.east):
        where = {"Bucket": side.bucket, "Key": SDK, "VersionId": about.version_id}
        side.client("s3").delete_object(**where)
    _, remedies = planned(place)
    assert [(each["deed"], each["why"]) for each in remedies] == [
        ("ask", "no copy is left anywhere; the customer must send it again"),
        ("ask", f"inbound in {EASTERN}: no copy is left of what was submitted"),
        ("ask", f"inbound in {WESTERN}: no copy is left of what was submitted"),
    ]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("service", "call"), [("s3", "copy"), ("dynamodb", "put_item")])
def test_a_repair_that_dies_is_finished_by_another(place, late, monkeypatch, service, call, after):
    """It dies before and after each of its effects."""
    about = carry(place.west)
    lose_archived(place.east, about)
    digest, _ = planned(place)
    with dying(monkeypatch, service, call, after=after), pytest.raises(CrashError):
        apply(place, digest)
    again, remedies = planned(place)
    if remedies:
        apply(place, again)
    assert found(place) == []
    assert archived(place.east, about)["Body"].read() == b"abc"


@pytest.mark.parametrize("more", [(), ("--region", EASTERN), ("its",)])
def test_the_printed_command_carries_out_the_plan(place, late, more):
    lose_archived(place.east, carry(place.west))
    place.east.upload(b"whole", "inbound/sftp/u/a.csv")
    _, remedies = planned(place)
    (remedy,) = (each for each in remedies if each["deed"] == "ask")
    more = tuple(place.customer if word == "its" else word for word in more)
    done = place.ops("gaps", "--repair", "--confirmed", remedy["transfer"], *more)
    assert done.code == 1
    words = done.out.splitlines()[-1].split()
    assert words[:2] == ["mft-ops", "gaps"]
    words[words.index("WHY")] = "because"
    outcomes = [line.partition(":")[0] for line in place.ops(*words[1:]).out.splitlines()]
    assert sorted(outcomes[-2:]) == ["copied", "received"]
    assert place.east.received("inbound/sftp/u/a.csv")


def test_a_large_file_is_copied_in_parts_and_keeps_its_metadata(place, late, monkeypatch):
    """S3 copies metadata by itself only in one request, which holds 5 GB; here 5 MiB are large."""
    small = TransferConfig(multipart_threshold=5 * 1024**2, multipart_chunksize=5 * 1024**2)
    monkeypatch.setattr(repair, "_COPY", small)
    content = bytes(6 * 1024**2)
    about = carry(place.west, content)
    key = contract.archive_key(place.customer, about.id, SDK)
    place.west.client("s3").put_object(
        Bucket=place.west.archive_bucket,
        Key=key,
        Body=content,
        Metadata={"batch": "7"},
        ContentType="text/csv",
    )
    lose_archived(place.east, about)
    digest, _ = planned(place)
    assert apply(place, digest) == (0, ["copied"])
    copy = archived(place.east, about)
    assert copy["ETag"].strip('"').endswith("-2"), "two parts"
    assert (copy["Metadata"], copy["ContentType"]) == ({"batch": "7"}, "text/csv")
    assert copy["Body"].read() == content
