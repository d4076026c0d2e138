"""The audit export: every fact of a region is in its chain once, whatever happens to the passes."""

from __future__ import annotations

import contextlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from runtime import audit, chain, contract
from runtime.audit import Audit, AuditIncompleteError, ChainIndex, days_of_pass
from runtime.chain import BrokenLinkError, Head, Link
from runtime.contract import Kind
from runtime.environment import ENV_AUDIT_BUCKET, ENV_CONFIG_BUCKET, ENV_SIDE, ENV_TRACKER
from runtime.facts import Fact
from runtime.handlers import wiring
from runtime.timing import AUDIT_MINUTES
from runtime.tracker import Tracker
from tests.runtime.cells import NAMESPACE, Cell, CrashError, Dying

NOW = datetime(2026, 3, 4, 10, 7, tzinfo=UTC)
TODAY, YESTERDAY, LAST_MONTH = (NOW.date() - timedelta(days=age) for age in (0, 1, 30))
EXPIRES = int((NOW + timedelta(days=365)).timestamp())
_writers = itertools.count(1)


def bucket_of(cell: Cell) -> str:
    return f"{NAMESPACE}-{cell.customer}-audit-{cell.side}"


def make_bucket(cell: Cell) -> None:
    """Make the audit bucket as the program does, so that objects cannot be removed."""
    s3 = cell.aws.client("s3", cell.region)
    where = {"LocationConstraint": cell.region}
    s3.create_bucket(Bucket=bucket_of(cell), CreateBucketConfiguration=where, ObjectLockEnabledForBucket=True)
    lock = {"Mode": "COMPLIANCE", "Days": 913}
    s3.put_object_lock_configuration(
        Bucket=bucket_of(cell),
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": lock}},
    )


@pytest.fixture
def west(west: Cell) -> Cell:
    make_bucket(west)
    return west


def tracker_of(cell: Cell, side: str | None = None) -> Tracker:
    return Tracker(
        table=cell.table, side=side or cell.side, client=cell.client("dynamodb"), now=NOW.timestamp
    )


def index_of(cell: Cell) -> ChainIndex:
    return ChainIndex(table=cell.table, side=cell.side, client=cell.client("dynamodb"))


def audit_of(cell: Cell, now: datetime = NOW) -> Audit:
    """Return the export as a newly started function makes it."""
    return Audit(
        tracker=tracker_of(cell),
        index=index_of(cell),
        directory=cell.directory,
        bucket=bucket_of(cell),
        s3=cell.client("s3"),
        now=lambda: now,
    )


def write(
    cell: Cell, day: date = TODAY, count: int = 1, side: str | None = None, **instead: Any
) -> list[Fact]:
    """Write facts about transfers that were submitted on a day."""
    written = []
    for number in itertools.islice(_writers, count):
        key = f"inbound/sdk/{number}.csv"
        made = Fact(
            file=contract.file_id(cell.customer, key),
            transfer=f"{day:%Y%m%d}T040506Z-{number:020x}",
            kind=Kind.RECEIVED,
            customer=cell.customer,
            key=key,
            side=side or cell.side,
            writer="ingest",
            at=NOW.isoformat(timespec="milliseconds"),
            expires=EXPIRES,
            detail={"size": 3, "destinations": ["partner"]},
        )
        written.append(replace(made, **instead))
        assert tracker_of(cell, side).record(written[-1])
    return written


def links(cell: Cell) -> list[Link]:
    """Return a cell's chain; fail when it is not whole, or when an object was written twice."""
    s3 = cell.aws.client("s3", cell.region)
    listed = s3.list_object_versions(Bucket=bucket_of(cell)).get("Versions", [])
    assert [each["Key"] for each in listed] == [
        chain.key(cell.customer, number) for number in range(1, len(listed) + 1)
    ]
    head, found = Head(), []
    for number, each in enumerate(listed, start=1):
        link = chain.whole(s3.get_object(Bucket=bucket_of(cell), Key=each["Key"])["Body"].read())
        assert chain.breaks(head, link, customer=cell.customer, region=cell.region, number=number) == []
        head = link.head
        found.append(link)
    return found


def chained(cell: Cell) -> list[str]:
    """Return the transfers of all facts in a chain, sorted, a repeated one repeatedly."""
    return sorted(fact["transfer"] for link in links(cell) for fact in link.facts)


def transfers(*facts: Fact) -> list[str]:
    return sorted(fact.transfer for fact in facts)


# --- What is exported --------------------------------------------------------------------------------


def test_a_fact_is_in_the_chain_as_it_is_in_the_tracker(west):
    (fact,) = write(west)
    assert audit_of(west).run() == 1
    (link,) = links(west)
    assert link.facts == (chain.document(fact),)
    assert (link.number, link.previous, link.day) == (1, "0" * 64, TODAY.isoformat())
    assert link.at == "2026-03-04T10:07:00+00:00"


def test_exported_facts_are_not_exported_again_and_new_ones_continue_the_chain(west):
    first = write(west, count=2)
    assert [audit_of(west).run() for _ in range(2)] == [2, 0]
    second = write(west, count=1)
    assert [audit_of(west).run() for _ in range(2)] == [1, 0]
    assert [len(link.facts) for link in links(west)] == [2, 1]
    assert chained(west) == transfers(*first, *second)


def test_a_region_exports_its_own_facts_only(west, east):
    make_bucket(east)
    mine, theirs = write(west), write(east)
    assert (audit_of(west).run(), audit_of(east).run()) == (1, 1)
    assert (chained(west), chained(east)) == (transfers(*mine), transfers(*theirs))


def test_a_customer_has_a_chain_of_its_own(west):
    (mine,), (other,) = write(west), write(west, customer="other")
    west.client("s3").copy_object(
        Bucket=west.config_bucket,
        Key=contract.config_key("other"),
        CopySource={"Bucket": west.config_bucket, "Key": contract.config_key(west.customer)},
    )
    assert audit_of(west).run() == 2
    listed = west.client("s3").list_objects_v2(Bucket=bucket_of(west))["Contents"]
    assert [each["Key"] for each in listed] == [chain.key(name, 1) for name in (west.customer, "other")]
    assert mine.customer != other.customer


def test_the_canary_is_no_customer(west):
    canary = contract.canary("1")
    write(west, customer=canary)
    west.client("s3").put_object(Bucket=west.config_bucket, Key=contract.config_key(canary), Body=b"{}")
    assert audit_of(west).run() == 0
    assert links(west) == []


def test_a_long_day_is_many_links(west, monkeypatch):
    monkeypatch.setattr(audit, "LINK_FACTS", 3)
    facts = write(west, count=8)
    assert audit_of(west).run() == 8
    assert [len(link.facts) for link in links(west)] == [3, 3, 2]
    assert chained(west) == transfers(*facts)


def test_nobody_can_remove_a_link(west):
    write(west)
    audit_of(west).run()
    s3 = west.client("s3")
    (version,) = s3.list_object_versions(Bucket=bucket_of(west))["Versions"]
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket_of(west), Key=version["Key"], VersionId=version["VersionId"])


# --- Which days --------------------------------------------------------------------------------------


def passes(start: datetime, count: int, *, late: int = 0) -> list[datetime]:
    step = timedelta(minutes=AUDIT_MINUTES)
    return [start + number * step + timedelta(seconds=late * (number % 2)) for number in range(count)]


def test_every_pass_examines_today_and_yesterday():
    for now in passes(NOW, 200):
        assert {now.date(), now.date() - timedelta(days=1)} <= set(days_of_pass(now, 90))


@pytest.mark.parametrize("tracker_days", [1, 90, 400, 3650])
@pytest.mark.parametrize(("late", "start"), [(0, NOW), (59, NOW), (59, NOW.replace(minute=14, second=30))])
def test_within_a_day_every_day_of_the_tracker_is_examined(tracker_days, late, start):
    """This holds when every second pass is a minute late, beyond the quarter of an hour."""
    looked_at: dict[date, int] = {}
    for now in passes(start, 24 * 60 // AUDIT_MINUTES, late=late):
        for day in days_of_pass(now, tracker_days):
            looked_at[day] = looked_at.get(day, 0) + 1
    days = [start.date() - timedelta(days=age) for age in range(tracker_days + 1)]
    assert set(days) <= set(looked_at)
    assert max(looked_at[day] for day in days[audit.RECENT + 1 :] or [days[0]]) <= 96


def test_a_pass_examines_few_old_days():
    assert max(len(days_of_pass(now, 400)) for now in passes(NOW, 200)) <= 2 + 2 * (400 // 96 + 1)


def test_a_fact_that_is_late_for_its_day_is_exported_within_a_day(west):
    (late,) = write(west, LAST_MONTH)
    for now in passes(NOW, 97):
        if LAST_MONTH in days_of_pass(now, 90):
            audit_of(west, now).run()
            break
    assert chained(west) == transfers(late)
    assert links(west)[0].day == LAST_MONTH.isoformat()


def test_after_days_without_a_pass_nothing_is_missing(west):
    written = [fact for age in range(5) for fact in write(west, TODAY - timedelta(days=age), count=2)]
    for now in passes(NOW, 97):
        if any(TODAY - timedelta(days=age) in days_of_pass(now, 90) for age in (2, 3, 4)):
            audit_of(west, now).run()
    assert chained(west) == transfers(*written)


def test_expired_facts_are_left_out_and_notes_outlive_their_facts(west):
    write(west, expires=int(NOW.timestamp()) - 1)
    (fact,) = write(west)
    assert audit_of(west).run() == 1
    assert chained(west) == transfers(fact)
    items = west.client("dynamodb").query(
        TableName=west.table,
        KeyConditionExpression="#pk = :pk",
        ExpressionAttributeNames={"#pk": contract.TRACKER_PK},
        ExpressionAttributeValues={":pk": {"S": f"audit#{west.customer}#west"}},
    )["Items"]
    until = [int(item[contract.TRACKER_TTL]["N"]) for item in items if contract.TRACKER_TTL in item]
    assert len(items) == 2
    assert len(until) == 1
    assert until[0] > EXPIRES


# --- Crashes -----------------------------------------------------------------------------------------

EFFECTS = [
    ("s3", "put_object", ""),
    ("dynamodb", "put_item", "identities"),
    ("dynamodb", "put_item", "'HEAD'"),
]


class Dies(Dying):
    """The same, for requests that contain bytes."""

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name != self._call:
            return real

        def call(**request: Any) -> Any:
            if not self._armed or self._at not in repr(request):
                return real(**request)
            self._armed = False
            if self._after:
                with contextlib.suppress(ClientError):  # refused: it dies all the same
                    real(**request)
            raise CrashError(name)

        return call


def dying_at(cell: Cell, service: str, call: str, at: str, after: bool) -> Cell:
    return cell.with_client(service, Dies(cell.client(service), call, after=after, at=at))


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("service", "call", "at"), EFFECTS)
@pytest.mark.parametrize("before", [0, 2])
def test_a_pass_may_die_around_any_effect(west, monkeypatch, service, call, at, after, before):
    """This holds with links before it, and with more facts written before the next pass."""
    monkeypatch.setattr(audit, "LINK_FACTS", 2)
    facts = write(west, count=before)
    audit_of(west).run()
    facts += write(west, count=3) + write(west, YESTERDAY)
    dying = dying_at(west, service, call, at, after)
    with pytest.raises(CrashError):
        audit_of(dying).run()
    facts += write(west, count=1)
    audit_of(west).run()
    assert chained(west) == transfers(*facts)
    assert audit_of(west).run() == 0
    assert index_of(west).head(west.customer) == links(west)[-1].head


@pytest.mark.parametrize("deaths", [*itertools.product(EFFECTS, repeat=2)])
def test_pass_after_pass_may_die(west, deaths):
    facts = write(west)
    for service, call, at in deaths:
        with pytest.raises(CrashError):
            audit_of(dying_at(west, service, call, at, after=True)).run()
        facts += write(west) + write(west, YESTERDAY)
    audit_of(west).run()
    assert chained(west) == transfers(*facts)


def test_a_link_whose_notes_were_lost_is_noted_by_the_next(west):
    facts = write(west, count=2)
    audit_of(west).run()
    table = {"TableName": west.table}
    pk = {contract.TRACKER_PK: {"S": f"audit#{west.customer}#west"}}
    for sk in ("HEAD", f"{TODAY}#{1:012}"):
        west.client("dynamodb").delete_item(**table, Key={**pk, contract.TRACKER_SK: {"S": sk}})
    facts += write(west)
    audit_of(west).run()
    assert chained(west) == transfers(*facts)
    assert index_of(west).head(west.customer).number == 2


# --- Two at once -------------------------------------------------------------------------------------


def test_two_passes_at_once_export_everything_once(west, monkeypatch):
    """Both have read the same head before either writes."""
    monkeypatch.setattr(audit, "LINK_FACTS", 2)
    facts = write(west, count=5) + write(west, YESTERDAY, count=3)
    both = threading.Barrier(2, timeout=10)

    class Together(ChainIndex):
        def exported(self, customer: str, day: date) -> set[bytes]:
            known = super().exported(customer, day)
            both.wait()
            return known

    def one_pass(_: int) -> int:
        made = audit_of(west)
        made._index = Together(table=west.table, side=west.side, client=west.client("dynamodb"))
        return made.run()

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(one_pass, range(2)))
    assert chained(west) == transfers(*facts)
    assert index_of(west).head(west.customer) == links(west)[-1].head


def test_a_pass_may_run_whole_between_two_readings_of_another(west):
    facts = write(west, count=2)

    class Interrupted(ChainIndex):
        is_first = True

        def _then(self, answer: Any) -> Any:
            if self.is_first:
                self.is_first = False
                audit_of(west).run()
            return answer

        def head(self, customer: str) -> Head:
            return self._then(super().head(customer))

        def exported(self, customer: str, day: date) -> set[bytes]:
            return self._then(super().exported(customer, day))

    made = audit_of(west)
    made._index = Interrupted(table=west.table, side=west.side, client=west.client("dynamodb"))
    assert made.run() == 0
    assert chained(west) == transfers(*facts)


def test_a_pass_that_slept_does_not_move_the_head_back(west):
    write(west)
    audit_of(west).run()
    write(west)
    audit_of(west).run()
    first, second = links(west)
    index_of(west).note(first)
    assert index_of(west).head(west.customer) == second.head


def test_while_another_pass_writes_the_same_link_nothing_is_lost(west):
    """S3 answers 409 to one of two that write at the same moment, and the other may still fail."""
    facts = write(west)

    class Busy:
        def __init__(self, client: Any) -> None:
            self._client, self.exceptions = client, client.exceptions

        def __getattr__(self, name: str) -> Any:
            return getattr(self._client, name)

        def put_object(self, **_: Any) -> None:
            answer = {"Error": {"Code": "ConditionalRequestConflict", "Message": "conflict"}}
            raise self._client.exceptions.ClientError(answer, "PutObject")

    with pytest.raises(AuditIncompleteError, match="NoSuchKey"):
        audit_of(west.with_client("s3", Busy(west.client("s3")))).run()
    audit_of(west).run()
    assert audit_of(west.with_client("s3", Busy(west.client("s3")))).run() == 0
    assert chained(west) == transfers(*facts)


# --- What stands in the way --------------------------------------------------------------------------


def test_another_object_in_the_place_of_the_next_link_is_named_and_not_built_upon(west):
    write(west)
    audit_of(west).run()
    key = chain.key(west.customer, 2)
    west.client("s3").put_object(Bucket=bucket_of(west), Key=key, Body=b"something")
    write(west)
    with pytest.raises(AuditIncompleteError, match=f"{bucket_of(west)}/{key} is not a link: its first line"):
        audit_of(west).run()
    assert index_of(west).head(west.customer).number == 1


def test_a_link_of_another_chain_is_not_built_upon(west):
    (fact,) = write(west)
    stranger = Link.after(
        Head(), [fact], customer="other", region=west.region, day=TODAY.isoformat(), at="then"
    )
    west.client("s3").put_object(
        Bucket=bucket_of(west), Key=chain.key(west.customer, 1), Body=stranger.render()
    )
    with pytest.raises(
        BrokenLinkError, match=f"is not the next link: it is link 1 of other in {west.region}"
    ):
        audit_of(west).export(west.customer, TODAY)


def test_a_customer_that_fails_does_not_hold_back_the_others(west):
    write(west)
    s3, source = west.client("s3"), contract.config_key(west.customer)
    for name in ("a00", "zz0"):
        key = contract.config_key(name)
        s3.copy_object(
            Bucket=west.config_bucket, Key=key, CopySource={"Bucket": west.config_bucket, "Key": source}
        )
        write(west, customer=name)
    s3.put_object(Bucket=bucket_of(west), Key=chain.key("a00", 1), Body=b"x")
    with pytest.raises(AuditIncompleteError, match=r"^1 of 3 customers failed: a00: "):
        audit_of(west).run()
    listed = s3.list_objects_v2(Bucket=bucket_of(west))["Contents"]
    assert {each["Key"] for each in listed} >= {chain.key(west.customer, 1), chain.key("zz0", 1)}


# --- The entry point ---------------------------------------------------------------------------------


def test_the_function_exports_the_facts(west, monkeypatch):
    now = datetime.now(UTC)
    write(west, now.date(), count=2, expires=int(now.timestamp()) + 3600)
    environment = {
        ENV_SIDE: west.side,
        ENV_TRACKER: west.table,
        ENV_CONFIG_BUCKET: west.config_bucket,
        ENV_AUDIT_BUCKET: bucket_of(west),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    from runtime.handlers import audit as handler

    parts = (wiring.tracker, wiring.directory, handler._audit)
    monkeypatch.setattr(wiring, "client", west.client)
    try:
        for part in parts:
            part.cache_clear()
        assert [handler.handler({}, None) for _ in range(2)] == [{"facts": 2}, {"facts": 0}]
    finally:
        for part in parts:
            part.cache_clear()
