"""The sample customers, the schema and the routing document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from customer_samples import KEY, customer
from pydantic import ValidationError

from customers import schema
from customers.document import canary_document, routing_document
from customers.model import Customer
from customers.registry import load
from runtime import patterns

REGISTRY = Path(schema.__file__).parent
FILES = sorted(REGISTRY.glob("*.yaml"))


def test_the_examples_are_sound_and_differ():
    found = load(REGISTRY, namespace="mft-example", zone="mft.example.gov").customers
    assert len(found) == len(FILES) == 4
    assert {frozenset(to.kind for to in one.destinations.values()) for one in found} == {
        frozenset({"sftp"}),
        frozenset({"s3"}),
        frozenset({"sftp", "s3"}),
    }
    assert any(len(one.sftp.users) == 2 and len(one.routes) == 2 for one in found)
    assert {receipt.kind for one in found for receipt in one.receipts} == {"sqs", "email", "https"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_editors_find_the_schema(file):
    assert file.read_text().splitlines()[0] == "# yaml-language-server: $schema=schema.json"
    assert (file.parent / "schema.json").exists()


def test_the_schema_is_current(capsys):
    assert schema.main(["--check"]) == 0, "run python -m customers.schema"
    assert capsys.readouterr().out == ""


def test_a_schema_that_is_not_current_is_written_anew(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(schema, "FILE", tmp_path / "schema.json")
    assert schema.main(["--check"]) == 1
    assert capsys.readouterr().out == "schema.json is not current; run python -m customers.schema\n"
    assert schema.main([]) == 0
    assert schema.main(["--check"]) == 0
    (tmp_path / "schema.json").write_text("{}")
    assert schema.main(["--check"]) == 1


def test_the_schema_describes_every_key_and_allows_no_other():
    whole = schema.schema()
    for part in (whole, *whole["$defs"].values()):
        assert part["additionalProperties"] is False
        assert part["description"]
        for name, key in part["properties"].items():
            described = "description" in key or "$ref" in key or "description" in key.get("items", {})
            assert described, f"{part['title']}.{name}"


def test_the_document_that_functions_read():
    document = routing_document(
        customer(
            limits={"files_per_hour": 5000},
            destinations={
                "landing": {"kind": "s3", "bucket": "partner-landing"},
                "partner": {
                    "kind": "sftp",
                    "host": "sftp.partner.example",
                    "user": "mft",
                    "host_key": f"{KEY} someone@host",
                    "secret": "mft/c7k2m/partner",
                },
            },
            routes=[{"match": "sdk/**", "to": ["landing", "partner"], "on_unknown": "hold"}],
            incoming={"client": "lftp"},
            temporary_names=["*.uploading", "*.lftp"],
            duplicates={"window": "12h"},
        )
    )
    assert document == {
        "schema": 1,
        "id": "c7k2m",
        "lifecycle": "active",
        "waits": False,
        "routes": [{"match": "sdk/**", "to": ["landing", "partner"], "on_unknown": "hold"}],
        "destinations": {
            "landing": {
                "kind": "s3",
                "bucket": "partner-landing",
                "region": None,
                "prefix": "",
                "account": None,
            },
            "partner": {
                "kind": "sftp",
                "host": "sftp.partner.example",
                "port": 22,
                "user": "mft",
                "host_key": KEY,
                "secret": "mft/c7k2m/partner",
                "directory": ".",
                "temporary_name": ".*.part",
                "publish": "rename",
                "verify": "size",
                "fsync": True,
            },
        },
        "temporary_names": [".in.*", "*.lftp", "*.uploading"],
        "duplicates": {"policy": "content", "window_seconds": 43200},
        "retention": {"inbound_days": 30, "archive_days": 365, "tracker_days": 400},
        "limits": {"files_per_hour": 5000},
    }
    assert json.loads(json.dumps(document)) == document


def test_the_document_of_a_canary_is_as_full_as_a_customers():
    host = "sftp.west1.mft.example.gov"
    one = canary_document("mft", "1", "west", host=host, host_key=KEY)
    assert one["destinations"] == {
        "sftp": {
            "kind": "sftp",
            "host": host,
            "port": 22,
            "user": "canary1-partner",
            "host_key": KEY,
            "secret": "login",
            "directory": "/",
            "temporary_name": ".*.part",
            "publish": "rename",
            "verify": "size",
            "fsync": True,
        },
        "s3": {
            "kind": "s3",
            "bucket": "mft-canary1-west",
            "region": "us-gov-west-1",
            "prefix": "delivered/s3/",
            "account": None,
        },
    }
    server = {"kind": "sftp", "host": host, "user": "u", "host_key": KEY, "secret": "login"}
    routed = customer(
        destinations={"sftp": server, "s3": {"kind": "s3", "bucket": "a-bucket"}},
        routes=[{"match": "sdk/a/**", "to": ["s3"]}, {"match": "sdk/b/**", "to": ["sftp"]}],
    )
    assert _shape(one) == _shape(routing_document(routed))


def _shape(document):
    """Return the keys of a document at every level; a list is represented by its first element."""
    if isinstance(document, list):
        return [_shape(document[0])]
    if isinstance(document, dict):
        return {key: _shape(value) for key, value in document.items()}
    return None


def test_no_human_name_and_no_receipt_target_is_in_a_document():
    for one in load(REGISTRY).customers:
        text = json.dumps(routing_document(one))
        assert one.name not in text
        assert "receipts" not in text
        assert "public_keys" not in text
        for pattern in routing_document(one)["temporary_names"]:
            patterns.check(pattern)


def test_a_customer_cannot_be_changed_or_made_with_a_contradiction():
    one = customer()
    with pytest.raises(ValidationError):
        one.primary = "east"
    with pytest.raises(ValidationError):
        customer(routes=[{"match": "sdk/**", "to": ["nowhere"]}])
    with pytest.raises(ValidationError):
        Customer.model_validate({**one.model_dump(), "retention": {"tracker_days": 5}})
    assert Customer.model_validate(one.model_dump()) == one


def test_facts_may_be_kept_for_just_as_long_as_a_file_can_be_sent_again():
    assert customer(retention={"tracker_days": 37}).retention.tracker_days == 30 + 7
    assert customer(duplicates={"window": "370d"}).retention.tracker_days == 30 + 370


@pytest.mark.parametrize(
    ("window", "seconds"), [("7d", 604800), ("12h", 43200), ("1h", 3600), ("9999h", 35996400)]
)
def test_windows(window, seconds):
    assert customer(duplicates={"window": window}, retention={"tracker_days": 3650}).window_seconds == seconds


@pytest.mark.parametrize("window", ["", "7", "d", "0d", "07d", "7D", "7m", "-7d", "7d ", "1.5d", "10000d", 7])
def test_what_is_no_window(window):
    with pytest.raises(ValidationError):
        customer(duplicates={"window": window})


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws-us-gov:iam::123456789012:role/*",
        "arn:aws-us-gov:iam::123456789012:role/é",
        f"arn:aws-us-gov:iam::123456789012:role/{'r' * 577}",
        "arn:aws-us-gov:iam::123456789012:root",
        "arn:aws-us-gov:iam::12345678901:role/a",
        "arn:aws-us-gov:sts::123456789012:assumed-role/a/b",
        ":".join(["arn", "aws", "iam", "", "123456789012", "role/a"]),
        ":".join(["arn", "aws-cn", "iam", "", "123456789012", "role/a"]),
        "*",
        "123456789012",
    ],
)
def test_who_is_no_principal(arn):
    with pytest.raises(ValidationError):
        customer(sdk={"principals": [arn]})
    assert customer(sdk={"principals": ["arn:aws-us-gov:iam::123456789012:user/path/name"]})
    assert customer(sdk={"principals": [f"arn:aws-us-gov:iam::123456789012:role/{'r' * 576}"]})
