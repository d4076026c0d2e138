"""Attempts of one execution that do not know of each other: what the later one does, at every crash point.

The first arguments of an attempt are what the state machine knows. An execution that has begun again knows
nothing of the attempts that it made before: `after_unknown` is False then.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from runtime.contract import Kind
from runtime.delivery import DeliveryUnknownError, PlatformUnavailableError, TransientDeliveryError
from runtime.release import ReleaseDecision
from tests.runtime.cells import Cell, CrashError, Dying, Quoting, owner
from tests.runtime.test_deliverer import CONTENT, Meanwhile, claimed, deliver_to

NOTE = "INTENT#"


def dying(cell: Cell, call: str, at: str, *, after: bool = False) -> Cell:
    return cell.with_client("dynamodb", Dying(cell.client("dynamodb"), call, at=at, after=after))


def crash_before_the_fact(cell: Cell, transfer, number: str = "1", **how) -> None:
    with pytest.raises(CrashError):
        dying(cell, "put_item", "#DELIVERED#").attempt(transfer, number, **how)


@pytest.mark.parametrize(
    ("to", "on_unknown"), [("server", "hold"), ("bucket", "hold"), ("bucket", "deliver")]
)
def test_what_an_earlier_attempt_may_have_delivered_is_not_sent_by_one_that_does_not_know(
    west, partner, to, on_unknown
):
    if to == "server":
        deliver_to(west, partner, on_unknown)
    else:
        west.register(routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": on_unknown}])
    transfer = claimed(west)

    def collect() -> tuple[dict[str, bytes], bytes | None]:
        """Return what is at the partner, which takes it away."""
        there = partner.files(), west.at_partner()
        for path in partner.inbox.iterdir():
            path.unlink()
        west.client("s3").delete_object(Bucket=west.partner_bucket, Key="in/a.csv")
        return there

    crash_before_the_fact(west, transfer)
    assert collect() == (({"a.csv": CONTENT}, None) if to == "server" else ({}, CONTENT))
    with pytest.raises(DeliveryUnknownError, match="an earlier attempt of this execution"):
        west.attempt(transfer, "2")
    there, in_bucket = collect()
    assert ("a.csv" in there, in_bucket) == (False, None), "only the upload, which the other may rename"
    became = west.attempt(transfer, "3", after_unknown=True)
    assert became == (Kind.HELD if on_unknown == "hold" else Kind.DELIVERED)
    assert bool(any(collect())) is (on_unknown == "deliver")


def test_a_file_that_is_still_there_is_found_after_an_attempt_that_does_not_know(west, partner):
    deliver_to(west, partner, "hold")
    transfer = claimed(west)
    crash_before_the_fact(west, transfer)
    with pytest.raises(DeliveryUnknownError):
        west.attempt(transfer, "2")
    assert west.attempt(transfer, "3", after_unknown=True) == Kind.DELIVERED
    assert west.fact(Kind.DELIVERED, transfer).detail["sent"] is False


@pytest.mark.parametrize("after", [False, True])
def test_an_attempt_that_dies_beside_its_note_has_sent_nothing(west, partner, after):
    """If the note was written, the next attempt cannot know that."""
    deliver_to(west, partner, "hold")
    transfer = claimed(west)
    with pytest.raises(CrashError):
        dying(west, "update_item", NOTE, after=after).attempt(transfer)
    assert "a.csv" not in partner.files()
    if after:
        with pytest.raises(DeliveryUnknownError):
            west.attempt(transfer, "2")
    else:
        assert west.attempt(transfer, "2") == Kind.DELIVERED


def refused_copy(cell: Cell) -> Cell:
    """Return a cell whose copies to partners S3 refuses."""
    return cell.with_client("s3", Quoting(cell.client("s3"), "copy_object", "the request"))


def test_after_a_failure_that_is_known_the_next_attempt_sends(west):
    west.register(routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": "hold"}])
    transfer = claimed(west)
    with pytest.raises(TransientDeliveryError):
        refused_copy(west).attempt(transfer)
    assert west.attempt(transfer, "2") == Kind.DELIVERED
    assert west.at_partner() == CONTENT


@pytest.mark.parametrize("after", [False, True])
def test_an_attempt_that_dies_while_it_takes_its_note_back_leads_at_most_to_a_question(west, after):
    west.register(routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": "hold"}])
    transfer = claimed(west)
    with pytest.raises(CrashError):
        refused_copy(dying(west, "update_item", "REMOVE attempt", after=after)).attempt(transfer)
    if after:
        assert west.attempt(transfer, "2") == Kind.DELIVERED
        return
    with pytest.raises(DeliveryUnknownError):
        west.attempt(transfer, "2")
    assert west.attempt(transfer, "3", after_unknown=True) == Kind.HELD


class Refusing:
    """A table that refuses one kind of change, after it has made it or before."""

    def __init__(self, client, text: str, *, makes_it: bool) -> None:
        self._client, self._text, self._makes_it = client, text, makes_it

    def __getattr__(self, name):
        return getattr(self._client, name)

    def update_item(self, **request):
        is_meant = NOTE in str(request["Key"]) and self._text in request["UpdateExpression"]
        if self._makes_it or not is_meant:
            self._client.update_item(**request)
        if is_meant:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "UpdateItem")


@pytest.mark.parametrize("makes_it", [False, True])
def test_a_note_that_cannot_be_written_leaves_the_file_unsent_and_the_next_attempt_free(
    west, partner, makes_it
):
    deliver_to(west, partner, "hold")
    transfer = claimed(west)
    table = Refusing(west.client("dynamodb"), "SET", makes_it=makes_it)
    with pytest.raises(PlatformUnavailableError):
        west.with_client("dynamodb", table).attempt(transfer)
    assert partner.files() == {}
    assert west.attempt(transfer, "2") == Kind.DELIVERED


def test_a_note_that_cannot_be_taken_back_leaves_the_failure_what_it_was(west):
    west.register(routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": "hold"}])
    transfer = claimed(west)
    table = Refusing(west.client("dynamodb"), "REMOVE", makes_it=False)
    with pytest.raises(TransientDeliveryError):
        refused_copy(west.with_client("dynamodb", table)).attempt(transfer)
    with pytest.raises(DeliveryUnknownError):
        west.attempt(transfer, "2")


@pytest.mark.parametrize("nth", [1, 2])
def test_of_two_attempts_at_once_one_sends(west, partner, nth):
    """A function runs on after its execution has begun again, and dies before it has recorded anything."""
    deliver_to(west, partner, "hold")
    transfer = claimed(west)

    def other() -> None:
        crash_before_the_fact(west, transfer, "other")
        (partner.inbox / "a.csv").unlink()

    table = Meanwhile(west.client("dynamodb"), other, nth)
    with pytest.raises(DeliveryUnknownError):
        west.with_client("dynamodb", table).attempt(transfer)
    assert "a.csv" not in partner.files()


def test_a_release_sends_once_although_its_execution_begins_again(west, partner):
    """The notes of earlier executions do not hold it back; its own does."""
    deliver_to(west, partner, "hold")
    transfer = claimed(west)
    crash_before_the_fact(west, transfer)
    (partner.inbox / "a.csv").unlink()
    assert west.attempt(transfer, "2", after_unknown=True) == Kind.HELD
    name = west.release.release(
        transfer, "partner", ReleaseDecision.RESEND, who="somebody", why="they have nothing"
    )
    mine, how = replace(transfer, taken_over=True), {"owner": name, "after_unknown": True}
    west.workflow.claim(mine, owner=name)
    crash_before_the_fact(west, mine, "3", first=True, **how)
    (partner.inbox / "a.csv").unlink()
    with pytest.raises(DeliveryUnknownError):
        west.attempt(mine, "4", first=True, **how)
    assert west.attempt(mine, "5", **how) == Kind.HELD
    assert "a.csv" not in partner.files()


def test_the_notes_expire_with_the_facts_and_are_none(west):
    transfer = claimed(west)
    west.attempt(transfer)
    found = west.client("dynamodb").scan(TableName=west.table)["Items"]
    (note,) = (item for item in found if item["fact"]["S"].startswith(NOTE))
    (fact,) = (item for item in found if item["fact"]["S"].startswith(f"{transfer.id}#DELIVERED#"))
    assert note["expires"] == fact["expires"]
    assert note["file"]["S"] != transfer.file
    assert owner(transfer) in note["fact"]["S"]
    assert "customer_day" not in note, "the index is of facts"


def test_an_attempt_that_is_refused_leaves_the_upload_to_the_one_that_is_about_to_rename_it(west, partner):
    """Both have the same temporary name. Removed here, the file would count as taken by the partner."""
    deliver_to(west, partner, "hold")
    transfer = claimed(west)

    class Between:
        """The table, and another attempt just after the first note."""

        def __init__(self, client) -> None:
            self._client, self._is_first = client, True

        def __getattr__(self, name):
            return getattr(self._client, name)

        def update_item(self, **request):
            self._client.update_item(**request)
            if NOTE in str(request["Key"]) and self._is_first:
                self._is_first = False
                with pytest.raises(DeliveryUnknownError, match="an earlier attempt of this execution"):
                    west.attempt(transfer, "2")

    became = west.with_client("dynamodb", Between(west.client("dynamodb"))).attempt(transfer, "1")
    assert became == Kind.DELIVERED
    assert partner.files() == {"a.csv": CONTENT}
