"""What a client sends again, by the receipts and notices that have come, and after a restart."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mft_client import FileChangedError, MessageError, NotAcknowledgedError, Outcome
from mft_client.client import _plan
from mft_client.journal import Journal
from runtime.contract import file_id, transfer_id
from tests.client.conftest import CUSTOMER, EAST, KEY, START, WEST, Place
from tests.client.test_client_uploads import SILENCE, Failing


def receipt(version_id: str, outcome: str, **about: Any) -> dict[str, Any]:
    return {"customer": CUSTOMER, "key": KEY, "version_id": version_id, "outcome": outcome, **about}


def notice(**about: Any) -> dict[str, Any]:
    """Return a notice that West is out, as ops/recovery/notice.py writes it."""
    lists = {name: {"count": 0, "files": []} for name in ("resend", "held", "delivered")}
    return {
        "customer": CUSTOMER,
        "outcome": "notice",
        "out": WEST,
        "region": EAST,
        "since": "2026-03-01T12:00:00Z",
        **lists,
        **about,
    }


def listed(version_id: str) -> dict[str, Any]:
    """Return a notice's list of the one file; the time in a transfer's id is S3's, unknown to clients."""
    transfer = transfer_id(file_id(CUSTOMER, KEY), version_id, START - timedelta(seconds=3))
    return {"count": 1, "files": [{"key": KEY, "transfer": transfer}]}


# --- What to send again


def test_without_a_receipt_a_file_is_due_after_a_while_and_late_after_the_window(place: Place) -> None:
    client = place.client()
    sent = client.send(place.source, "daily/report.csv")
    dues = []
    for minutes in (0, 29, 30, 24 * 60 - 1, 24 * 60):
        place.now = START + timedelta(minutes=minutes)
        dues.append((client.due().again, client.due().late))
    assert dues == [((), ()), ((), ()), ((sent,), ()), ((sent,), ()), ((), (sent,))]


@pytest.mark.parametrize(
    ("outcomes", "is_due"),
    [
        (["delivered"], False),
        (["duplicate"], False),
        (["held"], False),
        (["rejected"], False),
        (["failed"], True),
        (["failed", "delivered"], False),
        (["delivered", "failed"], False),  # receipts may come in any order
        (["held", "failed"], True),
    ],
)
def test_receipts_decide_whether_a_file_is_due(place: Place, outcomes: list[str], is_due: bool) -> None:
    client = place.client()
    sent = client.send(place.source, "daily/report.csv")
    with pytest.raises(MessageError, match="it is about 'other', not about 'c7k2m'"):
        client.receive({**receipt(sent.version_id, "delivered"), "customer": "other"})
    client.receive(receipt("another version", "delivered"))
    for outcome in outcomes:
        client.receive(receipt(sent.version_id, outcome))
    assert bool(client.due().again) is is_due
    place.now += timedelta(hours=1)
    assert bool(client.due().again) is is_due


def test_a_file_sent_again_keeps_the_window_of_its_first_submission(place: Place) -> None:
    client = place.client()
    first = client.send(place.source, "daily/report.csv")
    place.now += timedelta(minutes=40)
    (due,) = client.due().again
    again = client.resend(due)
    assert again
    assert (again.first, again.version_id != first.version_id) == (first.version_id, True)
    assert client.due().again == ()
    place.now = START + timedelta(hours=24)
    assert client.due().late == (again,)
    client.receive(receipt(first.version_id, "delivered"))  # of the one that seemed lost
    assert client.due().late == ()


def test_only_the_last_content_under_a_name_is_sent_again(place: Place) -> None:
    client = place.client()
    client.send(place.source, "daily/report.csv")
    place.source.write_bytes(b"corrected")
    newer = client.send(place.source, "daily/report.csv")
    place.now += timedelta(hours=1)
    assert client.due().again == (newer,)


def test_a_file_that_has_changed_or_is_gone_is_not_sent_again(place: Place) -> None:
    client = place.client()
    sent = client.send(place.source, "daily/report.csv")
    place.now += timedelta(hours=1)
    place.source.write_bytes(b"changed")
    with pytest.raises(FileChangedError, match=r"report\.csv: has changed"):
        client.resend(sent)
    place.source.unlink()
    with pytest.raises(FileChangedError, match=r"report\.csv: there is no such file"):
        client.resend(sent)
    assert (len(place.held(WEST)), client.due().again) == (1, (sent,))


def test_a_file_that_was_never_acknowledged_is_due_at_once_and_late_after_the_window(place: Place) -> None:
    s3 = Failing(place.estate.aws("s3", WEST), "put_object", SILENCE, after=True)
    client = place.client(s3=lambda _: s3, pauses=())
    with pytest.raises(NotAcknowledgedError):
        client.send(place.source, "daily/report.csv")
    (planned,) = client.due().again
    place.now = START + timedelta(hours=24)
    assert client.due().late == (planned,)
    place.now -= timedelta(minutes=1)
    sent = client.resend(planned)
    assert sent
    assert (place.held(WEST), sent.first) == ([b"a,b\n1,2\n"] * 2, sent.version_id)
    assert client.due().again == ()


@pytest.mark.parametrize(("sha256", "is_due"), [("same", False), ("0" * 64, True)])
def test_a_receipt_of_an_upload_whose_acknowledgement_was_lost_is_known_by_its_content(
    place: Place, sha256: str, is_due: bool
) -> None:
    s3 = Failing(place.estate.aws("s3", WEST), "put_object", SILENCE, after=True)
    client = place.client(s3=lambda _: s3, pauses=())
    with pytest.raises(NotAcknowledgedError):
        client.send(place.source, "daily/report.csv")
    (planned,) = client.due().again
    line = {
        "name": "partner",
        "outcome": "delivered",
        "sha256": planned.sha256 if sha256 == "same" else sha256,
    }
    client.receive(receipt("unknown", "delivered", destinations=[line]))
    assert bool(client.due().again) is is_due
    assert bool(place.client().due().again) is is_due
    assert (client.resend(planned) is None) is not is_due


@pytest.mark.parametrize(
    ("about", "what"),
    [
        ({"key": "inbound/sdk/other.csv"}, "the key 'inbound/sdk/other.csv'"),
        ({"size": 9}, "the size 9, and 8 was sent"),
        ({"destinations": [{"name": "p", "outcome": "delivered", "sha256": "0" * 64}]}, "the SHA-256 '0000"),
    ],
)
@pytest.mark.parametrize("is_early", [False, True])
def test_a_receipt_that_contradicts_what_was_sent_settles_nothing(
    place: Place, about: dict[str, Any], what: str, is_early: bool
) -> None:
    """An early one comes before the acknowledgement is in the journal, as another process may take it."""
    client = place.client()
    sent = client.send(place.source, "daily/report.csv")
    wrong = receipt(sent.version_id, "delivered", **about)
    if is_early:
        other = place.settings(journal=place.folder / "other.journal")
        client = place.client(settings=other)
        client.receive(wrong)
        client._journal.acknowledged(sent, None)
    else:
        with pytest.raises(MessageError, match=what):
            client.receive(wrong)
    place.now += timedelta(hours=1)
    assert client.due().again == (sent,)
    client.receive(receipt(sent.version_id, "delivered", size=8))
    assert client.due().again == ()


def test_what_replaces_a_file_and_cannot_be_sent_leaves_the_file_as_it_was(place: Place) -> None:
    client = place.client()
    sent = client.send(place.source, "daily/report.csv")
    client._journal.plan(replace(_plan(sent, place.now), first="", sha256="newer"))
    assert client.due().again != ()
    client._journal.withdraw(KEY)
    assert client.due().again == ()
    place.now += timedelta(hours=1)
    assert client.due().again == (sent,)


def test_a_notice_makes_files_sent_to_the_lost_region_due_at_once(place: Place) -> None:
    client = place.client()
    west = client.send(place.source, "daily/report.csv")
    place.points_to(EAST, "east")
    client.send(place.source, "other.csv", endpoint="east")
    place.now += timedelta(minutes=1)
    client.receive(notice())
    assert client.due().again == (west,)
    place.now += timedelta(minutes=1)
    later = client.send(place.source, "later.csv")  # West is back by then
    assert later.region == WEST
    assert client.due().again == (west,)


@pytest.mark.parametrize("name", ["delivered", "held"])
def test_files_that_a_notice_lists_as_delivered_or_held_are_not_sent_again(place: Place, name: str) -> None:
    client = place.client()
    sent = client.send(place.source, "daily/report.csv")
    client.receive(notice(**{name: listed("another version")}))
    assert client.due().again == (sent,)
    client.receive(notice(**{name: listed(sent.version_id)}))
    place.now += timedelta(hours=1)
    assert client.due().again == ()


def test_a_notice_covers_the_files_sent_since_its_time(place: Place) -> None:
    client = place.client()
    client.send(place.source, "daily/report.csv")
    client.receive(notice(since="2026-03-02T12:00:01Z"))
    assert client.due().again == ()


# --- Started again


def test_a_restarted_client_remembers_its_submissions(place: Place) -> None:
    client = place.client()
    sent = [client.send(place.source, f"{number}.csv") for number in range(3)]
    client.receive(receipt(sent[0].version_id, "delivered", key=sent[0].key))
    place.now += timedelta(minutes=1)
    client.receive(notice())
    place.now += timedelta(minutes=1)
    client.resend(sent[1])
    assert place.client().due() == client.due()
    assert [each.key for each in place.client().due().again] == ["inbound/sdk/2.csv"]


def test_what_a_newer_version_has_written_is_read_as_far_as_it_is_known(place: Place) -> None:
    client = place.client()
    first, second = (client.send(place.source, f"{number}.csv") for number in (1, 2))
    client.receive(receipt(first.version_id, "delivered", key=first.key))
    journal = Journal(place.settings().journal, CUSTOMER)
    journal._append({"sent": {**second.document(), "compressed": True}})
    journal._append({"paused": True, "at": place.now.isoformat()})
    place.now += timedelta(hours=1)
    assert place.client().due().again == (second,)


@pytest.mark.parametrize(
    "message",
    [
        None,
        "a text",
        [],
        {"customer": CUSTOMER, "outcome": "delivered"},
        {"customer": CUSTOMER, "outcome": "delivered", "version_id": 1},
        {"customer": CUSTOMER, "outcome": "notice"},
        {"customer": CUSTOMER, "outcome": "notice", "out": WEST, "since": "yesterday"},
        {"customer": CUSTOMER, "outcome": "notice", "out": WEST, "since": "2026-03-02T12:00:00"},
        {"customer": CUSTOMER, "outcome": "notice", "out": WEST, "since": "2026-03-02T12:00:00Z"},
        {"Type": "Notification", "TopicArn": "t", "Message": "{"},
        {"Type": "Notification", "TopicArn": "t", "Message": "[]"},
    ],
    ids=str,
)
def test_a_bad_message_is_refused_and_the_journal_stays_readable(place: Place, message: Any) -> None:
    client = place.client()
    client.send(place.source, "daily/report.csv")
    before = client._journal.since(0)
    with pytest.raises(MessageError):
        client.receive(message)
    assert client._journal.since(0) == before
    assert place.client().due() == client.due()


def test_a_receipt_in_the_envelope_of_sns_is_a_receipt(place: Place) -> None:
    client = place.client()
    sent = client.send(place.source, "daily/report.csv")
    inner = json.dumps(receipt(sent.version_id, "delivered"))
    client.receive({"Type": "Notification", "TopicArn": "t", "MessageId": "m", "Message": inner})
    place.now += timedelta(hours=2)
    assert not client.due().again
    assert not place.client().due().again


def test_a_receipt_in_the_envelope_of_a_strange_topic_is_refused(place: Place) -> None:
    topic = "arn:aws-us-gov:sns:us-gov-west-1:123456789012:mft-c7k2m-receipts"
    client = place.client(settings=place.settings(topics=(topic,)))
    sent = client.send(place.source, "daily/report.csv")
    envelope = {"Type": "Notification", "Message": json.dumps(receipt(sent.version_id, "delivered"))}
    with pytest.raises(MessageError, match=r"it comes from .*:stranger, which is not a topic"):
        client.receive({**envelope, "TopicArn": f"{topic}:stranger"})
    client.receive({**envelope, "TopicArn": topic})
    assert client.files() == [(sent, Outcome.DELIVERED)]


def test_a_message_of_a_newer_version_changes_nothing(place: Place) -> None:
    client = place.client()
    sent = client.send(place.source, "daily/report.csv")
    client.receive(receipt(sent.version_id, "recalled"))
    client.receive({"customer": CUSTOMER, "schema": 2, "state": "recalled"})
    place.now += timedelta(hours=1)
    assert place.client().due().again == (sent,)
    client.receive(receipt(sent.version_id, "delivered", schema=2, signature="s"))
    assert place.client().due().again == ()
