"""A partner that takes uploads too slowly: what it holds, what the customer is told, and what goes on."""

from __future__ import annotations

import os
from functools import partial

import pytest

from local.sftp.partners import Partner
from runtime.breaker import FAILURES, BreakerOpenError
from runtime.contract import Kind
from runtime.delivery import TransientDeliveryError, sftp
from runtime.shares import OF_CUSTOMER
from tests.runtime.cells import Cell, owner

#: So much is in flight that the server's pace shows before it has all.
CONTENT = os.urandom(1_500_000)


@pytest.fixture
def to_slow(west: Cell, partner: Partner, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """A cell whose partner takes a quarter of the bytes a second that it has to; a minute is short."""
    monkeypatch.setattr(sftp, "Patience", partial(sftp.Patience, pace=0.3, slowest=1_000_000))
    west.register(destinations={"partner": west.to_server(partner)})
    partner.faults.trickles(250_000)
    return west


def test_a_slow_partner_holds_one_function_and_loses_nothing(to_slow: Cell, partner: Partner) -> None:
    transfers = [to_slow.receive(CONTENT, f"inbound/sdk/{number}.csv") for number in range(FAILURES + 1)]
    for transfer in transfers:
        to_slow.workflow.claim(transfer, owner=owner(transfer))
    for transfer in transfers[:FAILURES]:
        with pytest.raises(TransientDeliveryError, match=r"the server takes [\d.]+ KiB a second") as failure:
            to_slow.attempt(transfer)
        assert type(failure.value) is TransientDeliveryError, "the state machine matches it by name"
    *_, tries, waits = transfers
    with pytest.raises(BreakerOpenError):
        to_slow.attempt(waits)
    partner.faults.clear()
    assert to_slow.attempt(tries, "2") == Kind.DELIVERED
    assert to_slow.attempt(waits, "2") == Kind.DELIVERED
    assert partner.files()[f"{FAILURES}.csv"] == CONTENT
    # The slots of all attempts were given back.
    free = [to_slow.deliverer._shares.take(to_slow.customer, f"to-{n}", f"{n}") for n in range(OF_CUSTOMER)]
    assert len(set(free)) == OF_CUSTOMER


def test_the_receipt_of_a_file_that_was_too_slow_says_so(to_slow: Cell) -> None:
    transfer = to_slow.receive(CONTENT)
    to_slow.workflow.claim(transfer, owner=owner(transfer))
    with pytest.raises(TransientDeliveryError) as failure:
        to_slow.attempt(transfer)
    result = {
        "destination": "partner",
        "failure": {"Error": "TransientDeliveryError", "Cause": str(failure.value)},
    }
    to_slow.workflow.complete(transfer, [result], owner=owner(transfer))
    (receipt,) = to_slow.receipts_published(1)
    assert receipt["outcome"] == "failed"
    [line] = receipt["destinations"]
    assert "KiB a second, and a file of this size needs at least 976.6" in line["reason"]
