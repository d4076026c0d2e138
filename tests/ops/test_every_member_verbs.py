"""Every status, kind, gap, deed, choice and position goes through every verb that reads it.

Each table below has a row for every member; a new member fails here until somebody decides what the verbs say
of it. Where the verbs decide, mypy finds it too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import ops.commands.gaps
from ops import switches
from ops.environment import Environment
from ops.recovery import reconcile
from ops.recovery.inventory import Store
from ops.recovery.notice_entries import entry
from ops.recovery.reconcile import GapKind, Seen, Stored, gaps
from ops.recovery.regions import Regions
from ops.recovery.repair import Deed, Repair
from ops.recovery.replay import Choice, Replay, ReplayRegion
from ops.recovery.replay_plan import State, states
from runtime import contract
from runtime.contract import EAST, REGION_OF, SIDES, WEST, Kind, Position, UnknownKind
from runtime.executions import ExecutionState, first
from runtime.facts import Fact, Status
from runtime.switch import Standing
from runtime.transfer import Transfer
from tests.ops.transfers import Estate, Side, deliver
from tests.runtime.cells import NAMESPACE
from tests.runtime.test_inventory import join
from tests.runtime.test_reconcile import CUSTOMER, NOW, OLD

WESTERN, EASTERN = REGION_OF[WEST], REGION_OF[EAST]

#: What a fact of each kind says besides what all facts say.
DETAIL: dict[Kind, dict[str, Any]] = {
    Kind.RECEIVED: {},  # filled in from the transfer
    Kind.DELIVERED: {"sha256": "x", "size": 3},
    Kind.FAILED: {"error": "x", "reason": "the partner is down"},
    Kind.DUPLICATE: {"of": "20260101T000000Z-0123456789abcdef0123"},
    Kind.REJECTED: {"reason": "no route"},
    Kind.ARCHIVED: {"bucket": "archive", "archive_key": "a"},
    Kind.HELD: {"reason": "nobody knows"},
    Kind.REPLAYED: {"decision": "resend", "who": "arn:me", "why": "asked", "over": []},
    Kind.CONFLICT: {"delivered_before": ["20260101T000000Z-0123456789abcdef0123"]},
    Kind.RECEIPT: {"outcome": "delivered"},
    Kind.CLAIM: {},  # a lease, and never a fact
}
OF_A_DESTINATION = frozenset({Kind.DELIVERED, Kind.FAILED, Kind.DUPLICATE, Kind.HELD, Kind.REPLAYED})


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the verbs say of a transfer with one status; West received it, and is out for `notice`."""

    end: Kind | None
    replay: tuple[Choice, str]
    gap: str | None
    notice: tuple[str, str | None]
    is_released: bool = False


ANSWERS = {
    Status.UNDER_WAY: Answers(
        end=None,
        replay=(Choice.DELIVER, "under way: partner"),
        gap="under way: partner",
        notice=("resend", "not finished when the region was lost"),
    ),
    Status.DELIVERED: Answers(
        end=Kind.DELIVERED,
        replay=(Choice.SKIP, "delivered to partner"),
        gap=None,
        notice=("delivered", None),
    ),
    Status.DUPLICATE: Answers(
        end=Kind.DUPLICATE,
        replay=(Choice.SKIP, "duplicate to partner"),
        gap=None,
        notice=("delivered", None),
    ),
    Status.REJECTED: Answers(
        end=Kind.REJECTED,
        replay=(Choice.SKIP, "it was rejected; the customer must send it again"),
        gap=None,
        notice=("resend", "not accepted"),
    ),
    Status.FAILED: Answers(
        end=Kind.FAILED,
        replay=(Choice.DELIVER, "failed: partner"),
        gap="failed: partner",
        notice=("resend", "not delivered"),
    ),
    Status.HELD: Answers(
        end=Kind.HELD,
        replay=(Choice.ASK, "held by partner; decide with mft-ops release"),
        gap="held: partner",
        notice=("held", None),
        is_released=True,
    ),
}


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock so that nothing counts as young."""
    for module in (reconcile, ops.commands.gaps):
        monkeypatch.setattr(module, "GRACE", timedelta(minutes=-1))


def leave(side: Side, status: Status) -> Transfer:
    """Leave a transfer of this status in a region."""
    transfer = side.receive(b"abc", f"inbound/sdk/{status.name.lower()}.csv")
    if kind := ANSWERS[status].end:
        destination = "partner" if kind in OF_A_DESTINATION else ""
        fact = transfer.fact(kind, side=side.side, writer="w", destination=destination, **DETAIL[kind])
        assert side.tracker.record(fact)
    assert side.status(transfer) is status
    return transfer


def lines(estate: Estate, *words: str) -> list[dict[str, Any]]:
    result = estate.ops(*words, "--json")
    assert not result.err, result.err
    return [json.loads(line) for line in result.out.splitlines()]


# --- Status ------------------------------------------------------------------------------------------


def test_every_status_has_its_answer_from_every_verb(estate, late):
    join(estate.west, estate.east)
    transfers = {leave(estate.west, status).id: status for status in Status}
    customer = ("--customer", estate.customer)

    for transfer, status in transfers.items():
        code, story = estate.json("trace", transfer, *customer)
        assert (code, [chapter["status"] for chapter in story["chapters"]]) == (0, [status.value])

    planned = lines(estate, "replay", "plan", estate.customer)
    verdicts = {each["verdict"]["transfer"]: each["verdict"] for each in planned if "verdict" in each}
    assert {transfers[name]: (each["choice"], each["why"]) for name, each in verdicts.items()} == {
        status: ANSWERS[status].replay for status in Status
    }
    counts = planned[-1]["plan"]["counts"]
    assert set(counts) == {choice.value for choice in Choice}
    assert all(counts.values()), "each choice is the answer to some status"

    found = [each["gap"] for each in lines(estate, "gaps", estate.customer) if "gap" in each]
    undelivered = {transfers[each["transfer"]]: each["where"] for each in found if is_undelivered(each)}
    assert undelivered == {status: ANSWERS[status].gap for status in Status if ANSWERS[status].gap}

    _, plan = estate.json("notice", estate.customer, "--region", WESTERN)
    (notice,) = plan["notices"]
    notices = {
        transfers[file["transfer"]]: (name, file.get("why"))
        for name in ("resend", "held", "delivered")
        for file in notice[name]["files"]
    }
    assert notices == {status: ANSWERS[status].notice for status in Status}

    for transfer, status in transfers.items():
        code, document = estate.json("release", transfer, *customer, "--resend")
        if ANSWERS[status].is_released:
            assert (code, document["held"]) == (0, {"partner": DETAIL[Kind.HELD]["reason"]})
        else:
            refused = f"{transfer} is held by no destination: there is nothing else to release"
            assert (code, document) == (1, {"refused": refused})


def is_undelivered(gap: dict[str, Any]) -> bool:
    return bool(gap["finding"] == GapKind.UNDELIVERED)


def test_every_status_but_rejected_is_found_by_a_state_and_every_state_finds_some():
    assert [status for status in Status if not states(status)] == [Status.REJECTED]
    assert {state for status in Status for state in states(status)} == set(State)


# --- Kind --------------------------------------------------------------------------------------------


def test_every_kind_of_fact_is_in_a_trace_under_its_own_name(estate):
    transfer = estate.west.receive(b"abc")
    owner = first(transfer.id)
    estate.west.workflow.claim(transfer, owner=owner)
    for kind in set(Kind) - {Kind.RECEIVED, Kind.CLAIM}:
        fact = transfer.fact(kind, side=WEST, writer="w", destination="partner", **DETAIL[kind])
        assert estate.west.tracker.record(fact)
    newer = transfer.fact(Kind.ARCHIVED, side=WEST, writer="w", destination="partner")
    assert estate.west.tracker.record(replace(newer, kind=UnknownKind("RECALLED")))
    _, story = estate.json("trace", transfer.id)
    (chapter,) = story["chapters"]
    facts = {event["what"] for event in chapter["events"] if "writer" in event["detail"]}
    assert facts == {"RECALLED"} | {kind.value for kind in Kind} - {Kind.CLAIM.value}
    assert story["leases"][WESTERN].startswith(f"{owner}, until ")


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.REJECTED}))
def test_every_kind_of_fact_besides_others_leaves_every_verb_an_answer(status, kind):
    """The fact is about a destination that the transfer does not have."""
    facts = (*facts_of(status), fact_of(kind, destination="another"))
    expected = ANSWERS[status]
    verdict = replay().verdict(facts)
    assert (verdict.choice, verdict.why) == expected.replay
    found = gaps(everywhere(facts), customer=CUSTOMER, sides=SIDES, now=NOW)
    assert [gap.where for gap in found] == [each for each in [expected.gap] if each]
    name, document = entry(facts, WEST) or ("", {})
    assert (name, document.get("why")) == expected.notice
    assert entry(facts, EAST) == (None if status is Status.UNDER_WAY else (name, document))
    name, _ = entry(facts, WEST, holds=True) or ("", {})
    assert name == ("held" if status is Status.UNDER_WAY else expected.notice[0])


# --- GapKind, Deed, Choice -----------------------------------------------------------------------------


def test_every_gap_is_found_and_has_its_remedy():
    delivered = facts_of(Status.DELIVERED)
    found = {
        GapKind.REPLICATING: (everywhere(facts_of(Status.UNDER_WAY)), NOW - OLD + timedelta(minutes=1)),
        GapKind.ARCHIVE_MISSING: (everywhere(delivered, archived={WEST: 3}), NOW),
        GapKind.INBOUND_MISSING: (everywhere(delivered, inbound={WEST: THERE}), NOW),
        GapKind.RECORD_MISSING: (everywhere(delivered, unrecorded={EAST: delivered[1:]}), NOW),
        GapKind.UNDELIVERED: (everywhere(facts_of(Status.FAILED)), NOW),
        GapKind.UNKNOWN: (everywhere(()), NOW),
        GapKind.UNRENAMED: (replace(everywhere(()), key="inbound/sftp/u/a.csv.TMP"), NOW),
    }
    remedies = {
        GapKind.REPLICATING: None,
        GapKind.ARCHIVE_MISSING: (Deed.COPY, "from archive-west to archive-east"),
        GapKind.INBOUND_MISSING: (
            Deed.REPLICATE,
            "from mft-c001-west to mft-c001-east",
        ),
        GapKind.RECORD_MISSING: (
            Deed.ASK,
            "DELIVERED in us-gov-east-1: DynamoDB replicates it; see the table's ReplicationLatency",
        ),
        GapKind.UNDELIVERED: (Deed.REPLAY, "failed: partner"),
        GapKind.UNKNOWN: (Deed.TAKE_IN, "from mft-c001-east"),
        GapKind.UNRENAMED: None,
    }
    for kind in GapKind:
        seen, now = found[kind]
        (gap,) = gaps(seen, customer=CUSTOMER, sides=SIDES, now=now)
        assert gap.finding is kind
        offered = [(remedy.deed, remedy.why) for remedy in repair().remedies(seen, [gap])]
        assert offered == [each for each in [remedies[kind]] if each]
        assert kind.closes_by_itself == (remedies[kind] is None)
    assert {each[0] for each in remedies.values() if each} == set(Deed)


def test_every_deed_has_a_word_of_its_own_in_the_plan_and_is_carried_out(estate, late):
    join(estate.west, estate.east)
    lacking = deliver(estate.west, key="inbound/sdk/lacking.csv")
    archived = contract.archive_key(estate.customer, lacking.id, lacking.key)
    estate.west.client("s3").delete_object(Bucket=estate.west.archive_bucket, Key=archived)
    gone = deliver(estate.west, key="inbound/sdk/gone.csv")
    where = {"Bucket": estate.east.bucket, "Key": gone.key, "VersionId": gone.version_id}
    estate.east.client("s3").delete_object(**where)
    for status in (Status.FAILED, Status.HELD):
        transfer = leave(estate.west, status)
        estate.west.archive.store(transfer, owner=first(transfer.id))
    estate.west.upload(b"abc", "inbound/sdk/unknown.csv")
    words = ("gaps", estate.customer, "--repair")
    planned = lines(estate, *words)
    remedies = [each["remedy"] for each in planned if "remedy" in each]
    assert sorted(each["deed"] for each in remedies) == sorted(deed.value for deed in Deed)
    deeds = planned[-1]["plan"]["deeds"]
    assert sum(deeds.values()) == len(Deed), "each deed has a word in the plan"
    digest = planned[-1]["plan"]["digest"]
    applied = lines(estate, *words, "--apply", "--digest", digest, "--reason", "a test")
    done = {each["done"]["deed"]: each["done"]["became"] for each in applied if "done" in each}
    assert done == {
        Deed.COPY: "copied",
        Deed.REPLICATE: "replicated",
        Deed.REPLAY: "replayed",
        Deed.TAKE_IN: "received",
    }
    assert set(done) == set(Deed) - {Deed.ASK}


# --- Position ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", Position)
def test_every_position_of_a_switch_is_shown_and_says_who_takes_over(estate, position):
    since = datetime(2026, 5, 4, tzinfo=UTC)
    kept = switches.Kept(side=WEST, standing=Standing(position=position, version=1, since=since))
    stands = f"{WESTERN}: it is {position.value} since 2026-05-04 00:00:00 UTC; "
    shown = [each.line.startswith(stands) for each in switches.differences([kept])]
    expected: dict[Position, tuple[list[bool], frozenset[str]]] = {
        Position.IN: ([], frozenset()),
        Position.OUT: ([True], frozenset()),
        Position.LOST: ([True], frozenset({WEST})),
    }
    name = contract.switch_parameter(NAMESPACE, estate.west.cell, WEST)
    estate.east.client("ssm").put_parameter(Name=name, Value=position.value, Type="String", Overwrite=True)
    regions = Regions.find(Environment.read(estate.place.root))
    assert (shown, regions.out) == expected[position]


# --- A transfer without a world ------------------------------------------------------------------------

KEY = "inbound/sdk/a.csv"
FILE = contract.file_id("c001", KEY)
TRANSFER = Transfer(
    id=contract.transfer_id(FILE, "v1", NOW - OLD),
    file=FILE,
    customer="c001",
    bucket="mft-c001-west",
    key=KEY,
    version_id="v1",
    size=3,
    etag="e",
    destinations=("partner",),
    expires=int((NOW + timedelta(days=90)).timestamp()),
)
THERE = Stored(version_id="v1", size=3)


def fact_of(kind: Kind, destination: str = "") -> Fact:
    detail = dict(DETAIL[kind])
    if kind is Kind.RECEIVED:
        detail = {name: getattr(TRANSFER, name) for name in ("bucket", "version_id", "size", "etag")}
        detail["destinations"] = list(TRANSFER.destinations)
    made = TRANSFER.fact(kind, side=WEST, writer="w", destination=destination, **detail)
    return Fact(**{**vars(made), "at": (NOW - OLD).isoformat()})


def facts_of(status: Status) -> tuple[Fact, ...]:
    """Return the facts of a transfer of this status."""
    end = ANSWERS[status].end
    ends = [fact_of(end, "partner" if end in OF_A_DESTINATION else "")] if end else []
    return (fact_of(Kind.RECEIVED), *ends)


def everywhere(facts: tuple[Fact, ...], **instead: Any) -> Seen:
    """Return a transfer that both regions hold completely, except for what is given."""
    there = {"inbound": dict.fromkeys(SIDES, THERE), "archived": dict.fromkeys(SIDES, 3)}
    return Seen(transfer=TRANSFER.id, key=KEY, facts=facts, **{**there, **instead})


class Objects:
    """S3, where every object exists and is no replica."""

    class exceptions:
        ClientError = LookupError

    def head_object(self, **where: str) -> dict[str, Any]:
        return {"ContentLength": 3}


class NoExecutions:
    """A workflow without executions."""

    def find(self, name: str) -> ExecutionState | None:
        return None


def replay() -> Replay:
    region: Any = {"tracker": None, "executions": NoExecutions(), "s3": Objects()}
    return Replay({side: ReplayRegion(**region) for side in SIDES})


def repair() -> Repair:
    s3: Any = Objects()
    tracker: Any = None
    stores = [
        Store(side=side, inbound=f"mft-c001-{side}", archive=f"archive-{side}", tracker=tracker, s3=s3)
        for side in SIDES
    ]
    return Repair(customer=CUSTOMER, stores=stores, replay=replay(), intakes={}, out=())
