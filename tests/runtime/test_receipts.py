"""Receipts: once per outcome until another one is told, twice after a crash, never none."""

from __future__ import annotations

import time

import pytest

from runtime.contract import Kind, Outcome
from tests.runtime.cells import Cell, CrashError, Dying


def send(cell: Cell, transfer, outcome: Outcome, writer: str = "x", **how: object) -> None:
    cell.receipts.send(cell.directory.customer(cell.customer), transfer, outcome, writer=writer, **how)


def test_a_receipt_describes_the_outcome_of_its_file(west):
    transfer = west.receive(b"abc")
    lines = [{"name": "partner", "outcome": "delivered", "sha256": "00"}]
    send(west, transfer, Outcome.DELIVERED, destinations=lines)
    (published,) = west.receipts_published(1)
    receipt = west.fact(Kind.RECEIPT, transfer)
    assert published == {
        "schema": 1,
        "outcome": "delivered",
        "customer": west.customer,
        "key": "inbound/sdk/a.csv",
        "transfer": transfer.id,
        "version_id": transfer.version_id,
        "size": 3,
        "region": "us-gov-west-1",
        "destinations": lines,
        "at": receipt.at,
    }
    assert receipt.detail == {"outcome": "delivered"}


def test_the_message_can_be_filtered_by_outcome_and_fits_an_email_subject(west):
    """SNS takes up to 100 ASCII characters: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
    transfer, requests = west.receive(b"abc"), []
    west.client("sns").meta.events.register(
        "provide-client-params.sns.Publish", lambda params, **_: requests.append(params), unique_id="look"
    )
    for outcome in Outcome:
        send(west, transfer, outcome)
    west.client("sns").meta.events.unregister("provide-client-params.sns.Publish", unique_id="look")
    assert [each["MessageAttributes"]["outcome"]["StringValue"] for each in requests] == list(Outcome)
    for each in requests:
        assert each["Subject"].isascii()
        assert len(each["Subject"]) <= 100


def test_a_receipt_is_sent_once_per_outcome_whoever_asks(west):
    transfer, other = west.receive(b"abc"), west.receive(b"xyz")
    for writer in ("g1", "g1", "g2"):
        send(west, transfer, Outcome.FAILED, writer)
    send(west, transfer, Outcome.DELIVERED, "g2")
    send(west, other, Outcome.FAILED, "g1")
    published = {(each["transfer"], each["outcome"]) for each in west.receipts_published(3)}
    assert published == {(transfer.id, "failed"), (transfer.id, "delivered"), (other.id, "failed")}


def test_an_outcome_is_told_again_if_another_was_told_since(west):
    """One region gives a file up, the other holds it, and what an operator then has sent again fails."""
    transfer = west.receive(b"abc")
    told = [Outcome.FAILED, Outcome.HELD, Outcome.FAILED, Outcome.FAILED]
    for writer, outcome in enumerate(told):
        send(west, transfer, outcome, str(writer))
        time.sleep(0.002)  # the times of facts have milliseconds
    assert [each["outcome"] for each in west.receipts_published(3)] == ["failed", "held", "failed"]


def test_a_crash_between_the_message_and_its_record_repeats_the_message(west):
    transfer = west.receive(b"abc")
    dying = west.with_client("dynamodb", Dying(west.client("dynamodb"), "put_item", at="#RECEIPT#"))
    with pytest.raises(CrashError):
        send(dying, transfer, Outcome.DELIVERED)
    west.receipts_published(1)
    assert west.kinds(transfer) == [Kind.RECEIVED]
    send(west, transfer, Outcome.DELIVERED)
    send(west, transfer, Outcome.DELIVERED)
    west.receipts_published(1)
    assert west.kinds(transfer) == [Kind.RECEIPT, Kind.RECEIVED]


def test_a_topic_that_does_not_answer_leaves_no_record(west):
    transfer = west.receive(b"abc")
    with pytest.raises(CrashError):
        send(west.with_client("sns", Dying(west.client("sns"), "publish")), transfer, Outcome.DELIVERED)
    assert west.kinds(transfer) == [Kind.RECEIVED]
