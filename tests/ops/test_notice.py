"""`python -m ops notice`: the notices to customers, made from the facts of the remaining region."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.recovery import notice_text
from ops.recovery.notice import LOOK_BACK, Notice
from ops.recovery.notice_entries import ON_HOLD
from runtime import contract
from runtime.contract import EAST, REGION_OF, WEST, Kind, Outcome
from runtime.executions import first
from tests.ops.transfers import Estate, Side, deliver, other_customer
from tests.runtime.cells import NAMESPACE

WESTERN, EASTERN = REGION_OF[WEST], REGION_OF[EAST]
OUT_OF_WEST = ("--region", WESTERN)
ZONE = "mft.example.gov"


def take_out(estate: Estate, side: str) -> None:
    """Put a side's switch to `out`, as `ops evacuate` does."""
    name = contract.switch_parameter(NAMESPACE, estate.west.cell, side)
    estate.place.keeper(side).put_parameter(Name=name, Value="out", Type="String", Overwrite=True)


def end(side: Side, kind: Kind, key: str, content: bytes = b"abc", **detail: Any) -> str:
    """Receive a file whose delivery to the partner ends with this fact; return the transfer."""
    transfer = side.receive(content, key)
    about = {"destination": "partner", "writer": first(transfer.id), **detail}
    assert side.tracker.record(transfer.fact(kind, side=side.side, **about))
    return transfer.id


def plan(estate: Estate, *words: str) -> dict[str, Any]:
    code, document = estate.json("notice", *words)
    assert code == 0, document
    assert (document["applied"], document["published"], document["failed"]) == (False, {}, {})
    return document


def notice(estate: Estate, *words: str) -> dict[str, Any]:
    (only,) = plan(estate, estate.customer, *words)["notices"]
    return only


def keys(listed: dict[str, Any]) -> list[str]:
    assert listed["count"] == len(listed["files"])
    return sorted(file["key"].removeprefix("inbound/sdk/") for file in listed["files"])


# --- What it says ------------------------------------------------------------------------------------


def test_the_notice_lists_what_became_of_each_file_by_its_facts(estate):
    west = estate.west
    delivered = deliver(west, b"abc", "inbound/sdk/delivered.csv")
    end(west, Kind.DUPLICATE, "inbound/sdk/duplicate.csv", of=delivered.id)
    held = end(west, Kind.HELD, "inbound/sdk/held.csv", reason="nobody knows", name="held.csv")
    end(west, Kind.FAILED, "inbound/sdk/failed.csv", error="E", reason="full")
    west.accept(west.upload(b"x", "inbound/else/rejected.csv"))
    under_way = west.receive(b"abc", "inbound/sdk/waiting.csv")
    estate.east.receive(b"abc", "inbound/sdk/goes-on-there.csv")
    deliver(estate.east, b"abc", "inbound/sdk/delivered-there.csv")
    estate.lose(WEST)
    document = notice(estate, *OUT_OF_WEST)
    assert keys(document["delivered"]) == ["delivered-there.csv", "delivered.csv", "duplicate.csv"]
    assert keys(document["held"]) == ["held.csv"]
    assert {file["key"]: file["why"] for file in document["resend"]["files"]} == {
        "inbound/sdk/failed.csv": "not delivered",
        "inbound/else/rejected.csv": "not accepted",
        "inbound/sdk/waiting.csv": "not finished when the region was lost",
    }
    about = {file["key"]: file for file in document["delivered"]["files"]}
    fact = estate.east.fact(Kind.DELIVERED, delivered)
    assert about[delivered.key] == {
        "key": delivered.key,
        "transfer": delivered.id,
        "submitted": f"{datetime.strptime(delivered.id[:16], '%Y%m%dT%H%M%SZ'):%Y-%m-%dT%H:%M:%SZ}",  # noqa: DTZ007
        "destinations": [{"name": "partner", "delivered": fact.at, "sha256": fact.detail["sha256"]}],
    }
    assert about["inbound/sdk/duplicate.csv"]["destinations"] == [
        {"name": "partner", "duplicate_of": delivered.id}
    ]
    (waits,) = (file for file in document["resend"]["files"] if file["transfer"] == under_way.id)
    assert waits["key"] == under_way.key
    assert document["held"]["files"][0]["transfer"] == held
    assert document["held"]["files"][0]["destinations"] == [{"name": "partner", "held": "nobody knows"}]


def test_an_unfinished_file_of_a_route_that_holds_is_listed_as_held_and_not_to_be_sent_again(estate):
    for side in (estate.west, estate.east):
        side.register(
            routes=[
                {"match": "sdk/once/**", "to": ["partner"], "on_unknown": "hold"},
                {"match": "sdk/**", "to": ["partner"], "on_unknown": "deliver"},
            ]
        )
    for name in ("once/a.csv", "b.csv"):
        estate.west.receive(b"abc", f"inbound/sdk/{name}")
    estate.lose(WEST)
    document = notice(estate, *OUT_OF_WEST)
    assert keys(document["held"]) == ["once/a.csv"]
    assert keys(document["resend"]) == ["b.csv"]
    assert document["held"]["files"][0]["destinations"] == [{"name": "partner", "held": ON_HOLD}]


def test_a_file_that_an_operator_reopened_is_not_listed_as_held(estate):
    held = end(estate.west, Kind.HELD, "inbound/sdk/a.csv", reason="nobody knows", name="a.csv")
    (fact,) = (each for each in estate.west.facts("inbound/sdk/a.csv") if each.kind is Kind.HELD)
    reopened = replace(fact, kind=Kind.REPLAYED, detail={"over": [fact.sort_key]})
    assert estate.west.tracker.record(reopened)
    document = notice(estate, *OUT_OF_WEST)
    assert (keys(document["held"]), [file["transfer"] for file in document["resend"]["files"]]) == (
        [],
        [held],
    )


def test_a_held_file_is_listed_with_the_destinations_that_it_still_lacks(estate):
    """One destination was released and has the file; another still holds it, and a third has failed."""
    for side in (estate.west, estate.east):
        there = {name: side.to_bucket(name[0]) for name in ("partner", "other", "third")}
        routes = [{"match": "sdk/**", "to": list(there), "on_unknown": "hold"}]
        side.register(routes=routes, destinations=there)
    west = estate.west
    end(west, Kind.HELD, "inbound/sdk/a.csv", reason="nobody knows")
    (held,) = (each for each in west.facts() if each.kind is Kind.HELD)
    later = [
        {"destination": "other"},
        {"kind": Kind.REPLAYED, "detail": {"over": [held.sort_key]}},
        {"kind": Kind.DELIVERED, "writer": "release", "detail": {"sha256": "0" * 64, "size": 3}},
        {"destination": "third", "kind": Kind.FAILED, "detail": {"error": "E", "reason": "full"}},
    ]
    for changed in later:
        assert west.tracker.record(replace(held, **changed))
    (file,) = notice(estate, *OUT_OF_WEST)["held"]["files"]
    assert file["destinations"] == [
        {"name": "other", "held": "nobody knows"},
        {"name": "third", "not_delivered": "full"},
    ]


@pytest.mark.parametrize(("out", "side"), [(WESTERN, EAST), (EASTERN, WEST)])
def test_files_are_to_be_sent_to_the_other_region(estate, out, side):
    document = notice(estate, "--region", out)
    assert (document["out"], document["region"]) == (out, REGION_OF[side])
    assert document["bucket"] == f"{NAMESPACE}-{estate.customer}-{side}"
    assert document["hosts"] == {
        "primary": f"primary.{estate.customer}.{ZONE}",
        "region": f"{side}.{estate.customer}.{ZONE}",
        "cell": f"sftp.{side}{estate.west.cell}.{ZONE}",
    }
    assert document["record"] == f"_bucket.primary.{estate.customer}.{ZONE}"
    assert (document["policy"], document["window_seconds"]) == ("content", 3600)


def test_only_files_sent_since_the_given_time_are_listed(estate):
    deliver(estate.west)
    hour = timedelta(hours=1)
    since, later = (f"{datetime.now(UTC) + sign * hour:%Y-%m-%dT%H:%M:%SZ}" for sign in (-1, 1))
    assert keys(notice(estate, *OUT_OF_WEST, "--since", since)["delivered"]) == ["a.csv"]
    document = notice(estate, *OUT_OF_WEST, "--since", later)
    assert (document["since"], document["delivered"]["count"]) == (later, 0)
    result = estate.ops("notice", estate.customer, *OUT_OF_WEST, "--since", later)
    assert f"We know of no file that you sent since {later}." in result.out


@pytest.mark.parametrize("side", [WEST, EAST])
def test_the_region_that_is_evacuated_is_the_one_that_is_out(estate, side):
    before = datetime.now(UTC)
    take_out(estate, side)
    document = notice(estate)
    assert document["out"] == REGION_OF[side]
    since = datetime.fromisoformat(document["since"])
    assert before - LOOK_BACK - timedelta(seconds=2) <= since <= datetime.now(UTC) - LOOK_BACK
    assert notice(estate, "--region", REGION_OF[side])["since"] == document["since"]
    estate.lose(side)
    assert notice(estate)["out"] == REGION_OF[side]


def test_while_no_region_is_out_one_has_to_be_named(estate):
    result = estate.ops("notice", "--all")
    assert result.code == 1
    assert result.line == (
        "no region is known to be out; name the one that customers are to leave: --region REGION"
    )
    estate.lose(EAST)
    result = estate.ops("notice", "--all")
    assert result.line.startswith(
        f"no region is known to be out; {EASTERN} keeps the switch of {WESTERN}, in /"
    )
    assert "and does not say where it stands: " in result.line
    assert result.line.endswith("; name the one that customers are to leave: --region REGION")


# --- How it is worded --------------------------------------------------------------------------------


def test_a_notice_as_text_and_as_markdown(estate):
    deliver(estate.west)
    under_way = estate.west.receive(b"abc", "inbound/sdk/b.csv")
    yesterday = f"{datetime.now(UTC) - LOOK_BACK:%Y-%m-%dT%H:%M:%SZ}"
    words = ("notice", estate.customer, *OUT_OF_WEST, "--since", yesterday)
    result = estate.ops(*words)
    assert result.code == 0
    for needed in (
        f"{WESTERN} is out: send to {EASTERN}",
        f"{NAMESPACE}-{estate.customer}-east in {EASTERN}",
        f"sftp.east{estate.west.cell}.{ZONE}",
        "within 1 hour of the first time",
        "Send again (1)",
        f"- {under_way.key}, sent 20",
        "Held: do not send again until you hear from us (0)",
        "Delivered: no need to send again (1)",
        "sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    ):
        assert needed in result.out
    markdown = estate.ops(*words, "--markdown").out
    assert markdown.startswith(f"# {WESTERN} is out: send to {EASTERN}")
    assert f"\n- `{under_way.key}`, sent 20" in markdown
    assert "digest" not in markdown


def test_a_held_file_is_listed_with_its_reason_as_text(estate):
    held = end(estate.west, Kind.HELD, "inbound/sdk/a.csv", reason="nobody knows", name="a.csv")
    out = estate.ops("notice", estate.customer, *OUT_OF_WEST).out
    assert f"transfer {held}; partner: held: nobody knows\n" in out


def test_a_customer_whose_every_version_counts_learns_that_files_are_delivered_again(estate):
    estate.east.register(duplicates={"policy": "version", "window_seconds": 3600})
    result = estate.ops("notice", estate.customer, *OUT_OF_WEST)
    assert "a file that is sent again is delivered\nagain" in result.out
    assert "recognised" not in result.out


def long_notice(resend: int, held: int, delivered: int) -> Notice:
    def files(count: int, name: str) -> list[dict[str, Any]]:
        file = {"transfer": "20260102T030405Z-0123456789abcdef0123", "submitted": "2026-01-02T03:04:05Z"}
        return [{**file, "key": f"inbound/sdk/{name}/ä{number:06}.csv"} for number in range(count)]

    return Notice(
        customer="c7k2m",
        out=WESTERN,
        region=EASTERN,
        bucket="mft-c7k2m-east",
        hosts={"primary": "p", "region": "r", "cell": "c"},
        record="t",
        policy="content",
        window_seconds=604800,
        since="2026-01-01T00:00:00Z",
        resend=files(resend, "resend"),
        held=files(held, "held"),
        delivered=files(delivered, "delivered"),
    )


@pytest.mark.parametrize(
    ("resend", "held", "delivered"), [(3, 2, 1), (100, 10, 5000), (5000, 10, 10), (0, 0, 30000)]
)
def test_a_message_lists_as_many_files_as_fit_beginning_with_those_to_send_again(resend, held, delivered):
    whole = long_notice(resend, held, delivered)
    message = notice_text.message(whole.document, whole.files)
    assert len(message.encode()) <= notice_text.LIMIT
    document = json.loads(json.loads(message)["default"])
    lists = [document[name] for name in ("resend", "held", "delivered")]
    assert [each["count"] for each in lists] == [resend, held, delivered]
    shown = [len(each["files"]) for each in lists]
    assert [each["files"] for each in lists] == [
        list(files[:number])
        for files, number in zip((whole.resend, whole.held, whole.delivered), shown, strict=True)
    ]
    text = json.loads(message)["email"]
    if sum(shown) == whole.files:
        assert "whole" not in document
        assert "more, for which there is no room here" not in text
    else:
        assert len(message.encode()) > notice_text.LIMIT - 1000, "there was room for more"
        words = f"c7k2m --region {WESTERN} --since 2026-01-01T00:00:00Z --json"
        assert document["whole"] == f"mft-ops notice {words}"
        for listed, number in zip((resend, held, delivered), shown, strict=True):
            missing = f"- and {listed - number:,} more, for which there is no room here"
            assert (missing in text) is (number < listed)
        full = [number == listed for number, listed in zip(shown, (resend, held, delivered), strict=True)]
        assert full == sorted(full, reverse=True)


# --- Publishing --------------------------------------------------------------------------------------


def test_nobody_is_told_to_leave_a_region_that_is_in(estate):
    made = plan(estate, estate.customer, *OUT_OF_WEST)
    in_use = f"{WESTERN} is in, and so far as DNS shows these customers are sent there: {estate.customer};"
    (warning,) = made["warnings"]
    assert warning == f"{in_use} take it out first: mft-ops evacuate {WESTERN}"
    result = estate.ops(*made["command"].split()[1:])
    assert (result.code, result.out) == (1, "")
    assert result.line == f"{warning}; nobody was told anything"
    take_out(estate, WEST)
    made = plan(estate, estate.customer, *OUT_OF_WEST)
    assert made["warnings"] == []
    assert estate.json(*made["command"].split()[1:])[0] == 0
    assert len(estate.east.receipts_published(1)) == 1


def test_the_reviewed_notice_is_published_to_the_receipt_topic(estate):
    deliver(estate.west)
    take_out(estate, WEST)
    estate.lose(WEST)
    made = plan(estate, estate.customer, *OUT_OF_WEST)
    code, done = estate.json(*made["command"].split()[1:])
    assert (code, done["applied"], list(done["published"]), done["failed"]) == (
        0,
        True,
        [estate.customer],
        {},
    )
    (published,) = estate.east.receipts_published(1)
    assert published == made["notices"][0]
    assert published["outcome"] == "notice"
    assert published["outcome"] not in set(Outcome)


def test_the_printed_command_publishes_the_notice(estate):
    take_out(estate, WEST)
    result = estate.ops("notice", "--all", *OUT_OF_WEST)
    command = result.err.splitlines()[-1].split()
    assert command[:2] == ["mft-ops", "notice"]
    done = estate.ops(*command[1:])
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"{estate.customer}: published as message ")
    assert len(estate.east.receipts_published(1)) == 1


def test_a_notice_that_has_changed_is_not_published_and_the_change_is_named(estate):
    transfer = estate.west.receive(b"abc")
    made = plan(estate, estate.customer, *OUT_OF_WEST)
    words = made["command"].split()[1:]
    estate.west.workflow.claim(transfer, owner=first(transfer.id))
    estate.west.attempt(transfer)
    code, document = estate.json(*words)
    assert code == 1
    digest_of_list = r"\([0-9a-f]{12}\)"
    assert re.fullmatch(
        f"plan {made['digest']} no longer holds: {estate.customer}:"
        f" delivered is '1 {digest_of_list}', was '0 {digest_of_list}',"
        f" resend is '0 {digest_of_list}', was '1 {digest_of_list}';"
        " nothing was done: plan again, and review the new plan",
        document["refused"],
    )
    estate.east.register(duplicates={"policy": "version", "window_seconds": 60})
    estate.place.write(WEST, namespace=NAMESPACE, zone="other.gov")
    estate.place.write(EAST, namespace=NAMESPACE, zone="other.gov")
    refused = estate.json(*words)[1]["refused"]
    assert "policy is 'version', was 'content'" in refused
    assert f"record is '_bucket.primary.{estate.customer}.other.gov', was" in refused
    unknown = "it was not shown on this machine, so what has changed is not known"
    assert f"plan 7 no longer holds: {unknown}; " in estate.json(*words[:-1], "7")[1]["refused"]
    assert estate.east.receipts_published(0) == []


def test_all_customers_are_notified_and_a_failure_stops_no_other(estate):
    take_out(estate, WEST)
    other = other_customer(estate)
    s3 = estate.east.client("s3")
    key = contract.config_key(other)
    document = json.loads(s3.get_object(Bucket=estate.east.config_bucket, Key=key)["Body"].read())
    document["receipts_topic"] += "-gone"
    s3.put_object(Bucket=estate.east.config_bucket, Key=key, Body=json.dumps(document))
    canary = contract.config_key(contract.canary(estate.east.cell))
    s3.put_object(Bucket=estate.east.config_bucket, Key=canary, Body=b"{}")
    made = plan(estate, "--all", *OUT_OF_WEST)
    assert [each["customer"] for each in made["notices"]] == [estate.customer, other]
    result = estate.ops(*made["command"].split()[1:])
    assert result.code == 1
    assert result.out.startswith(f"{estate.customer}: published as message ")
    assert result.err.startswith(f"{other}: NOT PUBLISHED: ")
    assert f"; plan it again: mft-ops notice {other} --region {WESTERN} --since " in result.err


def test_a_client_that_follows_the_notice_loses_nothing_and_repeats_nothing(estate, request):
    """One file is delivered, one is known, and one is unknown in East; West acknowledged all three."""
    request.addfinalizer(lambda: estate.place.aws.replication_lag())
    sent = {f"inbound/sdk/{name}.csv": name.encode() for name in ("delivered", "known", "unheard")}
    deliver(estate.west, sent["inbound/sdk/delivered.csv"], "inbound/sdk/delivered.csv")
    estate.west.receive(sent["inbound/sdk/known.csv"], "inbound/sdk/known.csv")
    estate.place.aws.replication_lag(dynamodb=3600)
    estate.west.receive(sent["inbound/sdk/unheard.csv"], "inbound/sdk/unheard.csv")
    estate.lose(WEST)
    document = notice(estate, *OUT_OF_WEST)
    # The client of a lost region has no receipt at all.
    spared = {file["key"] for name in ("delivered", "held") for file in document[name]["files"]}
    assert spared == {"inbound/sdk/delivered.csv"}
    assert document["bucket"] == estate.east.bucket
    for key in sent.keys() - spared:
        deliver(estate.east, sent[key], key)
    at_partner = {key: estate.east.at_partner(f"in/{key.rpartition('/')[2]}") for key in sent.keys() - spared}
    assert at_partner == {key: sent[key] for key in sent.keys() - spared}


# --- Refused -----------------------------------------------------------------------------------------


def test_an_unknown_customer_or_region_is_refused_with_the_nearest(estate):
    result = estate.ops("notice", f"{estate.customer}x", *OUT_OF_WEST)
    assert (result.code, result.err.strip().endswith(f"did you mean {estate.customer}?")) == (1, True)
    result = estate.ops("notice", "--all", "--region", "us-gov-wst-1")
    assert (result.code, result.err.strip().endswith(f"did you mean {WESTERN}?")) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--all", "c7k2m"),
        ("--all", "--apply"),
        ("--all", "--since", "yesterday"),
        ("--all", "--markdown", "--json"),
        ("--all", "--apply", "--digest", "0"),
    ],
)
def test_a_usage_error_exits_2_and_makes_no_call(place, words):
    assert place.ops("notice", *words).code == 2
    assert place.relay.calls == []
