"""Every member of every enumeration of the runtime, through everything in the runtime that decides by it.

The tables name each member. A member that is added to an enumeration and not to its table fails here, and one
that a consumer does not know does not pass the type checker.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from components.statemachine import definition
from customers import kinds
from mft_client.submissions import Due, Sent, Submissions
from runtime.arrival import Arrival, IntakeResult
from runtime.contract import WEST, Kind, Outcome, Position
from runtime.decision import Action, judge
from runtime.delivery import PermanentDeliveryError
from runtime.destinations import Destinations, Work
from runtime.executions import Purpose, earlier
from runtime.facts import ENDED, Fact, Status, lacks, status
from runtime.history import History
from runtime.metrics import Metrics
from runtime.receipts import Receipts, lines, outcome_of
from runtime.release import ReleaseDecision
from runtime.replication import ReplicationEvent
from runtime.routing import (
    DestinationKind,
    DuplicatesPolicy,
    OnUnknown,
    RoutingDocument,
    RoutingRule,
    UnknownSettingError,
    compares,
)
from runtime.switch import Switch
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from tests.runtime.watching import embedded

SUBMITTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PATIENCE = {"patience": timedelta(minutes=30), "window": timedelta(hours=24)}
TRANSFER = Transfer(
    id="20260102T030405Z-0123456789abcdef0123",
    file="f",
    customer="c7k2m",
    bucket="mft-c7k2m-west",
    key="inbound/sdk/a.csv",
    version_id="v1",
    size=3,
    etag="e",
    destinations=("partner",),
    expires=2_000_000_000,
)
DETAIL = {"sha256": "abc", "reason": "why", "of": "other", "size": 3, "decision": "resend"}
RECEIVED = TRANSFER.fact(Kind.RECEIVED, side=WEST, writer="ingest", destinations=["partner"])
CUSTOMER = RoutingDocument.parse(
    {
        "id": "c7k2m",
        "routes": [],
        "destinations": {
            "s3": {"kind": "s3", "bucket": "b", "prefix": "in", "region": "us-gov-west-1"},
            "sftp": {
                "kind": "sftp",
                "host": "h",
                "port": 22,
                "user": "u",
                "host_key": "k",
                "directory": "in",
                "secret": "s",
            },
            "fax": {"kind": "fax", "number": "1"},
        },
        "temporary_names": [],
        "duplicates": {"policy": "content", "window_seconds": 3600},
        "retention": {"inbound_days": 1, "archive_days": 1, "tracker_days": 1},
        "receipts_topic": "topic",
    }
)


class MemoryTracker:
    """A tracker of one file, and an SNS client, both in memory."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.published: list[dict[str, Any]] = []

    def history(self, file: str) -> History:
        return History(facts=tuple(self.facts), lease=None)

    def facts_of(self, file: str, transfer: str) -> tuple[Fact, ...]:
        return self.history(file).of(transfer)

    def record(self, fact: Fact) -> bool:
        self.facts.append(fact)
        return True

    def publish(self, **message: Any) -> None:
        self.published.append(message)


# --- Kinds of facts ------------------------------------------------------------------------------

#: What one fact about its destination makes of a transfer that was received: its status, the action that is
#: decided on, the receipt's line about the destination, and whether the destination is unserved.
KINDS: dict[Kind, tuple[Status, Action, dict[str, str], bool]] = {
    Kind.RECEIVED: (Status.UNDER_WAY, Action.DELIVER, {}, True),
    Kind.DELIVERED: (Status.DELIVERED, Action.DONE, {"outcome": "delivered", "sha256": "abc"}, False),
    Kind.FAILED: (Status.FAILED, Action.DONE, {"outcome": "failed", "reason": "why"}, True),
    Kind.DUPLICATE: (Status.DUPLICATE, Action.DONE, {"outcome": "duplicate", "of": "other"}, False),
    Kind.REJECTED: (Status.REJECTED, Action.DONE, {}, False),
    Kind.ARCHIVED: (Status.UNDER_WAY, Action.DELIVER, {}, True),
    Kind.HELD: (Status.HELD, Action.DONE, {"outcome": "held", "reason": "why"}, True),
    Kind.REPLAYED: (Status.UNDER_WAY, Action.DELIVER, {}, True),
    Kind.CONFLICT: (Status.UNDER_WAY, Action.DELIVER, {}, True),
    Kind.RECEIPT: (Status.UNDER_WAY, Action.DELIVER, {}, True),
    Kind.CLAIM: (Status.UNDER_WAY, Action.DELIVER, {}, True),
}


@pytest.mark.parametrize("kind", Kind)
def test_a_fact_of_every_kind_has_its_status_its_decision_and_its_line_in_the_receipt(kind: Kind) -> None:
    detail = {**DETAIL, "destinations": ["partner"]} if kind is Kind.RECEIVED else DETAIL
    about = TRANSFER.fact(kind, side=WEST, writer="w", destination="partner", **detail)
    facts = [RECEIVED, about]
    decision = judge(
        facts,
        transfer=TRANSFER.id,
        size=3,
        destinations=TRANSFER.destinations,
        policy="content",
        window=timedelta(hours=1),
    )
    stands, action, line, is_unserved = KINDS[kind]
    assert status(facts) is stands
    assert decision.action is action
    assert lines(TRANSFER, facts) == [{"name": "partner", **line}]
    assert lacks(facts) == ({stands: ("partner",)} if is_unserved else {})


def test_the_kinds_that_settle_a_destination_are_distinct_and_every_status_comes_from_some_kind() -> None:
    lines = [json.dumps(line) for _, _, line, _ in KINDS.values() if line]
    assert len(set(lines)) == len(lines) == 4
    assert {stands for stands, *_ in KINDS.values()} == set(Status)


def test_no_kind_has_the_character_that_divides_sort_keys() -> None:
    assert not [kind for kind in Kind if "#" in kind]


# --- Statuses and outcomes -----------------------------------------------------------------------

#: Whether a status ends a transfer, and the outcome that its receipt states when nothing tries any more.
STATUSES: dict[Status, tuple[bool, Outcome]] = {
    Status.UNDER_WAY: (False, Outcome.FAILED),
    Status.DELIVERED: (True, Outcome.DELIVERED),
    Status.DUPLICATE: (True, Outcome.DUPLICATE),
    Status.REJECTED: (True, Outcome.REJECTED),
    Status.FAILED: (True, Outcome.FAILED),
    Status.HELD: (True, Outcome.HELD),
}


@pytest.mark.parametrize("each", Status)
def test_every_status_has_its_outcome(each: Status) -> None:
    is_end, outcome = STATUSES[each]
    assert (each in ENDED) is is_end
    assert outcome_of(each) is outcome


def test_every_end_has_an_outcome_of_its_own_and_every_outcome_comes_from_an_end() -> None:
    outcomes = [outcome_of(each) for each in ENDED]
    assert len(set(outcomes)) == len(outcomes)
    assert set(outcomes) == set(Outcome)


#: The metric that a completed transfer is counted in, and whether the SDK sends the file again.
OUTCOMES: dict[Outcome, tuple[str | None, bool]] = {
    Outcome.DELIVERED: ("DeliverySeconds", False),
    Outcome.DUPLICATE: (None, False),
    Outcome.FAILED: ("Failed", True),
    Outcome.HELD: ("Held", False),
    Outcome.REJECTED: (None, False),
}


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_receipt_its_metric_and_its_consequence_for_the_client(
    outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    metric, is_sent_again = OUTCOMES[outcome]
    memory = MemoryTracker()
    receipts = Receipts(tracker=memory, topics=memory, side=WEST)
    for _ in range(2):
        receipts.send(CUSTOMER, TRANSFER, outcome, writer="w")
    (published,) = memory.published
    receipt = json.loads(published["Message"])
    assert (receipt["outcome"], receipt["version_id"]) == (outcome.value, "v1")
    assert published["Subject"] == f"File {outcome.value}: transfer {TRANSFER.id}"
    assert published["MessageAttributes"]["outcome"]["StringValue"] == outcome.value
    assert [fact.detail["outcome"] for fact in memory.facts] == [outcome.value]

    Metrics(dimensions={"Cell": "1"}, now=lambda: SUBMITTED).completed(TRANSFER, outcome)
    assert [name for name, *_ in embedded(capsys)] == ([metric] if metric else [])

    client, sent = client_that_sent()
    client.receive(receipt, SUBMITTED)
    assert client.outcome("v1") == outcome
    for now in (SUBMITTED, SUBMITTED + timedelta(hours=1)):
        assert client.due(now, **PATIENCE) == Due(again=(sent,) if is_sent_again else ())


def test_an_outcome_that_the_client_does_not_know_is_no_receipt() -> None:
    client, sent = client_that_sent()
    client.receive({"customer": "c7k2m", "outcome": "lost in the post", "version_id": "v1"}, SUBMITTED)
    assert client.outcome("v1") is None
    assert client.due(SUBMITTED, **PATIENCE) == Due()
    assert client.due(SUBMITTED + timedelta(hours=1), **PATIENCE) == Due(again=(sent,))


def client_that_sent() -> tuple[Submissions, Sent]:
    client = Submissions("c7k2m")
    sent = Sent(
        key=TRANSFER.key,
        bucket=TRANSFER.bucket,
        region="us-gov-west-1",
        version_id="v1",
        sha256="abc",
        size=3,
        at=SUBMITTED,
        source="/a.csv",
        first="v1",
    )
    client.add(sent)
    return client, sent


# --- Events, positions, decisions, executions ----------------------------------------------------

RESULTS: dict[IntakeResult, str | None] = {
    IntakeResult.RECEIVED: None,
    IntakeResult.REJECTED: "Rejected",
    IntakeResult.KNOWN: None,
    IntakeResult.GONE: "ObjectGone",
    IntakeResult.REPLICA: None,
    IntakeResult.OURS: None,
    IntakeResult.FOLDER: None,
    IntakeResult.TEMPORARY: None,
}


@pytest.mark.parametrize("result", IntakeResult)
def test_every_result_of_the_intake_is_counted_or_is_no_fault(
    result: IntakeResult, capsys: pytest.CaptureFixture[str]
) -> None:
    Metrics(dimensions={"Cell": "1"}).taken_in(Arrival(bucket="b", key="k"), result)
    assert [name for name, *_ in embedded(capsys)] == ([RESULTS[result]] if RESULTS[result] else [])


def test_every_replication_event_has_a_metric_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for event in ReplicationEvent:
        Metrics(dimensions={"Cell": "1"}).replication(event)
    assert [name for name, *_ in embedded(capsys)] == [
        "ReplicationFailed",
        "ReplicationMissed",
        "ReplicationLate",
        "ReplicationUntracked",
    ]


#: Whether a region in this position is out of DNS, and whether its peer takes over from it.
POSITIONS: dict[Position, tuple[bool, bool]] = {
    Position.IN: (False, False),
    Position.OUT: (True, False),
    Position.LOST: (True, True),
}


@pytest.mark.parametrize("position", Position)
def test_every_position_is_in_or_out_and_is_published_so(
    position: Position, capsys: pytest.CaptureFixture[str]
) -> None:
    published: list[dict[str, Any]] = []

    class Aws:
        def get_parameter(self, Name: str) -> dict[str, Any]:
            return {"Parameter": {"Value": position.value, "Version": 1, "LastModifiedDate": SUBMITTED}}

        def put_metric_data(self, Namespace: str, MetricData: list[dict[str, Any]]) -> None:
            published.extend(MetricData)

    is_out, is_lost = POSITIONS[position]
    switch = Switch(namespace="mft", cell="1", side=WEST, parameters=Aws(), metrics=Aws())
    found = switch.publish()
    assert (found.is_out, found.is_lost) == (is_out, is_lost)
    assert [datum["Value"] for datum in published] == [float(is_out)]
    Metrics(dimensions={"Cell": "1"}).peer(position)
    assert [value for _, value, *_ in embedded(capsys)] == [float(is_out)]


def test_every_release_decision_says_whether_the_destination_has_the_file() -> None:
    assert {each: each.is_there for each in ReleaseDecision} == {
        ReleaseDecision.DELIVERED: True,
        ReleaseDecision.RESEND: False,
    }


def test_every_purpose_of_an_execution_says_which_ones_may_have_delivered_before() -> None:
    assert {each: earlier(f"T-d-{each}-2") for each in Purpose} == {
        Purpose.TAKEOVER: ["T-d-g1", "T-d-takeover-1"],
        Purpose.RELEASE: ["T-d-g1", "T-d-takeover-1", "T-d-release-1"],
        Purpose.ASK: [],
    }
    assert earlier("T-d-unheard-2") == []


def test_the_state_machine_has_a_choice_for_every_action_and_goes_on_without_sending_by_default() -> None:
    states = definition(
        dict.fromkeys(("claim", "compare", "deliver", "archive", "complete"), "arn"), partition="p"
    )["States"]
    choices = {choice["StringEquals"]: choice["Next"] for choice in states["Decide"]["Choices"]}
    assert choices == {Action.WAIT: "LookAgain", Action.COMPARE: "Compare", Action.DELIVER: "Deliver"}
    assert set(Action) - set(choices) == {Action.DONE}


# --- Kinds of destinations -----------------------------------------------------------------------


class Secrets:
    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        return {"SecretString": "key"}


def opened(destination: str) -> str:
    """Return the name of the class that a destination of CUSTOMER is opened as."""
    destinations = Destinations(
        namespace="mft",
        s3=lambda region: None,
        s3_once=lambda region: None,
        secrets=Secrets(),
        tracker=Tracker(table="t", side="west", client=None),
    )
    work = Work(TRANSFER, "a.csv", "owner", lambda: 900.0, goes_on=False)
    return type(destinations.open(CUSTOMER, destination, work)).__name__


def test_every_kind_of_destination_is_opened_as_a_class_of_its_own() -> None:
    assert {kind: opened(kind) for kind in DestinationKind} == {
        DestinationKind.SFTP: "_Server",
        DestinationKind.S3: "_Bucket",
    }


def test_the_registry_has_the_same_kinds_of_destinations() -> None:
    schema = json.loads((Path(__file__).parents[2] / "customers" / "schema.json").read_text())
    named = {
        name: each["properties"]["kind"]["const"]
        for name, each in schema["$defs"].items()
        if name.endswith("Destination")
    }
    assert set(named.values()) == set(DestinationKind)


def test_the_registry_has_the_same_words_for_duplicates_and_unknown_deliveries() -> None:
    assert get_args(kinds.DuplicatesPolicy) == get_args(DuplicatesPolicy)
    assert get_args(kinds.OnUnknown) == get_args(OnUnknown)


def test_every_policy_about_duplicates_compares_or_does_not() -> None:
    assert {policy: compares(policy) for policy in get_args(DuplicatesPolicy)} == {
        "content": True,
        "version": False,
    }
    with pytest.raises(UnknownSettingError, match="the duplicates policy is 'name'"):
        compares("name")


def test_every_word_about_unknown_deliveries_holds_or_does_not() -> None:
    rules = {word: RoutingRule(match="**", to=("a",), on_unknown=word) for word in get_args(OnUnknown)}
    assert {word: rule.holds for word, rule in rules.items()} == {"deliver": False, "hold": True}
    with pytest.raises(UnknownSettingError, match="its on_unknown is 'ask'"):
        _ = RoutingRule(match="**", to=("a",), on_unknown="ask").holds


def test_a_destination_of_an_unknown_kind_is_refused_and_never_taken_for_another() -> None:
    with pytest.raises(PermanentDeliveryError) as refused:
        opened("fax")
    assert str(refused.value) == "fax: route: its kind is 'fax'; this version delivers to: sftp, s3"
