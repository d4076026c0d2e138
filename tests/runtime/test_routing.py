"""Routing documents: the functions read what the program writes."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest

from customers.document import routing_document
from customers.registry import load
from runtime.delivery.target import SftpTarget
from runtime.routing import FRESH, Directory, RoutingDocument, RoutingRule, UnknownCustomerError

REGISTRY = load(Path(__file__).parents[2] / "customers")


@pytest.mark.parametrize("written", REGISTRY.customers, ids=lambda each: each.id)
def test_the_registrys_document_is_read_back_whole(written):
    document = {**routing_document(written), "receipts_topic": "arn:topic"}
    read = RoutingDocument.parse(json.loads(json.dumps(document)))
    assert (read.id, read.policy, read.receipts_topic) == (written.id, written.duplicates.policy, "arn:topic")
    assert read.window == timedelta(seconds=written.window_seconds)
    assert read.tracker_days == written.retention.tracker_days
    assert read.files_per_hour == written.limits.files_per_hour
    assert [asdict(route) for route in read.routes] == [route.model_dump() for route in written.routes]
    assert {to for route in read.routes for to in route.to} <= set(read.destinations)
    for to in read.destinations.values():
        needed = {"bucket", "prefix", "region"} if to["kind"] == "s3" else {"secret", *SFTP}
        assert needed <= set(to)


SFTP = set(SftpTarget.__dataclass_fields__) - {"renames", "verifies"} | {"publish", "verify"}


def test_a_key_has_one_route_or_none(west):
    west.register(
        routes=[
            {"match": "sdk/in/*.csv", "to": ["a", "b"], "on_unknown": "hold"},
            {"match": "sftp/**", "to": ["c"], "on_unknown": "deliver"},
        ]
    )
    customer = west.directory.customer(west.customer)
    assert customer.route("inbound/sdk/in/1.csv") == RoutingRule(
        match="sdk/in/*.csv", to=("a", "b"), on_unknown="hold"
    )
    assert customer.route("inbound/sftp/acme/x").to == ("c",)
    assert customer.route("inbound/sdk/in/deep/1.csv") is None
    with pytest.raises(ValueError, match="not below inbound/"):
        customer.route("outbound/1.csv")


@pytest.mark.parametrize(
    ("key", "waits"),
    [
        ("inbound/sftp/a/x.csv.filepart", True),
        ("inbound/sftp/a.filepart/x.csv", False),
        ("inbound/sftp/a/x.csv", False),
        ("inbound/sdk/x.csv.filepart", False),
    ],
)
def test_only_the_last_segment_makes_a_name_temporary(west, key, waits):
    assert west.directory.customer(west.customer).is_temporary(key) is waits


def test_a_document_is_trusted_for_a_while_and_then_read_again(west):
    clock = [1000.0]
    directory = Directory(bucket=west.config_bucket, client=west.client("s3"), now=lambda: clock[0])

    def window() -> float:
        return directory.customer(west.customer).window.total_seconds()

    assert window() == 3600
    west.register(duplicates={"policy": "content", "window_seconds": 60})
    clock[0] += FRESH
    assert window() == 3600
    clock[0] += 1
    assert window() == 60


def test_a_customer_that_the_cell_does_not_know(west):
    directory = west.directory
    with pytest.raises(UnknownCustomerError, match="'nobody'"):
        directory.customer("nobody")
