"""What a client and the platform have agreed on: both definitions are the same."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mft_client import protocol
from runtime import contract

_texts = st.text(max_size=20)


def test_the_words_are_the_same() -> None:
    assert [*protocol.Outcome] == [*contract.Outcome]
    assert set(protocol.ENDPOINTS) == set(contract.ENDPOINTS)
    assert set(protocol.REGIONS) == {*contract.REGION_OF.values()}
    assert (protocol.PRIMARY, protocol.PARTITION) == (contract.PRIMARY, contract.PARTITION)
    assert protocol.INBOUND_SDK == contract.INBOUND_SDK
    assert protocol.BucketRecord.name("west", "c7k2m", "z.gov") == contract.BucketRecord.name(
        "west", "c7k2m", "z.gov"
    )


@given(st.from_regex(r"v=mft1;bucket=[a-z0-9.-]{0,5};region=[a-z0-9-]{0,5}.?", fullmatch=True) | _texts)
def test_the_same_texts_are_bucket_records(text: str) -> None:
    found = []
    for each in (protocol, contract):
        try:
            record = each.BucketRecord.parse(text)
            found.append((record.bucket, record.region))
        except ValueError:
            found.append(("", ""))
    assert found[0] == found[1]


@given(customer=_texts, key=_texts, version=_texts, other=_texts)
def test_a_transfer_is_known_by_its_version(customer: str, key: str, version: str, other: str) -> None:
    transfer = contract.transfer_id(
        contract.file_id(customer, key), version, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    )
    assert protocol.is_transfer_of(transfer, customer, key, version)
    assert protocol.is_transfer_of(transfer, customer, key, other) is (other == version)
