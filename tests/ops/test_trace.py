"""`python -m ops trace`: the history of one file, from both regions or from the remaining one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ops.commands.trace import _lines
from ops.recovery.attempts import FileEvent, failure
from ops.recovery.trace import Chapter, FileStory, StoredCopy
from runtime import contract
from runtime.contract import EAST, REGION_OF, WEST, Kind
from runtime.executions import Purpose, first
from tests.ops.failing_attempts import keep_failing
from tests.ops.transfers import Estate, deliver, other_customer, replicate
from tests.runtime.cells import eventually

WESTERN, EASTERN = REGION_OF[WEST], REGION_OF[EAST]
KEY = "inbound/sdk/a.csv"


def story(estate: Estate, *words: str) -> dict[str, Any]:
    code, document = estate.json("trace", *words)
    assert code == 0, document
    return document


def events(chapter: dict[str, Any]) -> list[tuple[str, str]]:
    return [(event["region"], event["what"]) for event in chapter["events"]]


# --- The story ---------------------------------------------------------------------------------------


def test_the_story_of_a_delivered_file(estate):
    replicate(estate)
    transfer = deliver(estate.west)
    document = story(estate, KEY)
    assert (document["customer"], document["key"], document["others"], document["unknowns"]) == (
        estate.customer,
        KEY,
        [],
        [],
    )
    (chapter,) = document["chapters"]
    assert (chapter["transfer"], chapter["status"]) == (transfer.id, "delivered")
    happened = [what for region, what in events(chapter) if region == WESTERN]
    facts = ["RECEIVED", "DELIVERED", "ARCHIVED", "RECEIPT"]
    assert [what for what in happened if what in facts] == facts
    assert happened[0] == "uploaded"
    assert set(happened) - set(facts) == {"uploaded", "execution began", "execution ended"}
    assert len(chapter["events"]) == len(happened) == 7
    after = [event["after"] for event in chapter["events"]]
    assert after == sorted(after)
    assert after[0] >= 0
    delivered = next(event for event in chapter["events"] if event["what"] == "DELIVERED")
    assert delivered["detail"]["destination"] == "partner"
    assert delivered["detail"]["size"] == 3
    ended = next(event for event in chapter["events"] if event["what"] == "execution ended")
    assert ended["detail"] == {"execution": "g1", "ended": "succeeded"}
    assert not any(event["unknown_in"] for event in chapter["events"])
    assert chapter["missing"] == []
    assert {(each["place"], each["region"]): each["state"] for each in chapter["copies"]} == {
        ("inbound", WESTERN): "COMPLETED",
        ("inbound", EASTERN): "REPLICA",
        ("archive", WESTERN): "COMPLETED",
        ("archive", EASTERN): "REPLICA",
    }
    assert {each["size"] for each in chapter["copies"]} == {3}
    assert document["leases"] == {WESTERN: document["leases"][WESTERN]}
    assert document["leases"][WESTERN].startswith(f"{first(transfer.id)}, until 20")


def test_the_trace_as_text(estate):
    transfer = deliver(estate.west)
    result = estate.ops("trace", transfer.id)
    assert (result.code, result.err) == (0, "")
    lines = [line.rstrip() for line in result.out.splitlines()]
    assert lines[0] == f"{KEY} of {estate.customer}"
    assert f"transfer {transfer.id}: delivered" in lines
    (delivered,) = (line for line in lines if " DELIVERED " in line)
    assert delivered.split()[0].startswith("+")
    assert "destination=partner" in delivered
    (uploaded,) = (line for line in lines if " uploaded " in line)
    assert uploaded.split()[:2] == ["+0.000", "s"]
    assert f"  no copy: inbound in {EASTERN}, archive in {EASTERN}" in lines


def test_the_text_is_narrow_without_a_terminal(estate):
    transfer = deliver(estate.west)
    lines = estate.ops("trace", transfer.id).out.splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) < 30, "one line for most events"


def test_the_text_fits_80_columns_and_obeys_no_name(estate):
    transfer = deliver(estate.west)
    document = estate.json("trace", transfer.id)[1]
    lines = list(_lines(_story({**document, "key": "a\x1b[2Jb.csv"}), 80))
    assert max(map(len, lines)) <= 80
    assert len(lines) < 40
    assert lines[0] == f"a\\x1b[2Jb.csv of {estate.customer}"
    (delivered,) = (line for line in lines if "  DELIVERED  " in line)
    assert delivered.split()[3:6] == [WESTERN, "DELIVERED", "destination=partner"]


def _story(document: dict[str, Any]) -> FileStory:
    chapters = [
        Chapter(
            transfer=each["transfer"],
            status=each["status"],
            events=tuple(FileEvent(**event) for event in each["events"]),
            copies=tuple(StoredCopy(**copy) for copy in each["copies"]),
            missing=tuple(each["missing"]),
        )
        for each in document["chapters"]
    ]
    return FileStory(**{**document, "chapters": tuple(chapters)})


def test_attempts_are_shown_while_a_partner_refuses(estate):
    keep_failing(estate.west)
    transfer = estate.west.receive(b"abc")

    def failed() -> list[dict[str, Any]]:
        (chapter,) = story(estate, transfer.id)["chapters"]
        assert "execution ended" not in [event["what"] for event in chapter["events"]]
        return [event for event in chapter["events"] if event["what"] == "attempt failed"]

    attempts = eventually(lambda: len(found := failed()) > 1 and found)
    assert {event["region"] for event in attempts} == {WESTERN}
    assert all("nobody" in event["detail"]["reason"] for event in attempts)
    lines = estate.ops("trace", transfer.id).out.splitlines()
    assert [line for line in lines if "  attempt failed  execution=g1" in line]
    arn = f"{estate.west.state_machine.replace(':stateMachine:', ':execution:')}:{first(transfer.id)}"
    estate.west.client("stepfunctions").stop_execution(executionArn=arn)


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (
            {"error": "E", "cause": '{"errorMessage": "refused", "errorType": "E"}'},
            {"error": "E", "reason": "refused"},
        ),
        ({"error": "E", "cause": "it took too long"}, {"error": "E", "reason": "it took too long"}),
        ({"error": "E", "cause": "[1]"}, {"error": "E", "reason": "[1]"}),
        ({}, {"error": "", "reason": ""}),
    ],
)
def test_a_failed_attempt_is_told_by_the_message_of_its_error(told, read):
    assert failure(told) == read


def test_every_transfer_of_a_key_is_shown_or_the_one_requested(estate):
    one, other = deliver(estate.west, b"abc"), deliver(estate.west, b"xyz")
    chapters = story(estate, KEY)["chapters"]
    assert [each["transfer"] for each in chapters] == sorted((one.id, other.id))
    document = story(estate, other.id)
    assert [each["transfer"] for each in document["chapters"]] == [other.id]
    assert document["others"] == [one.id]
    assert {each["transfer"] for each in document["chapters"][0]["copies"]} == {other.id}
    assert f"other transfers of this file: {one.id}" in estate.ops("trace", other.id).out


def test_a_fact_that_one_replica_does_not_have_is_marked(estate, request):
    request.addfinalizer(lambda: estate.place.aws.replication_lag())
    transfer = estate.west.receive(b"abc")
    estate.place.aws.replication_lag(dynamodb=3600)
    estate.west.workflow.claim(transfer, owner=first(transfer.id))
    estate.west.attempt(transfer)
    (chapter,) = story(estate, transfer.id)["chapters"]
    lacking = {event["what"]: event["unknown_in"] for event in chapter["events"]}
    assert (lacking["RECEIVED"], lacking["DELIVERED"]) == ([], [EASTERN])
    assert f"NOT IN {EASTERN}" in " ".join(estate.ops("trace", transfer.id).out.split())


def test_a_fact_that_differs_between_the_replicas_is_marked_in_both(estate, request):
    request.addfinalizer(lambda: estate.place.aws.replication_lag())
    transfer = estate.west.receive(b"abc")
    estate.place.aws.replication_lag(dynamodb=3600)
    fact = estate.east.fact(Kind.RECEIVED, transfer)
    item = {contract.TRACKER_PK: {"S": fact.file}, contract.TRACKER_SK: {"S": fact.sort_key}}
    estate.east.client("dynamodb").delete_item(TableName=estate.east.table, Key=item)
    estate.east.tracker.record(replace(fact, detail={**fact.detail, "size": 4}))
    (chapter,) = story(estate, transfer.id)["chapters"]
    (received,) = (event for event in chapter["events"] if event["what"] == "RECEIVED")
    assert len(received["unknown_in"]) == 1


def test_every_execution_of_a_transfer_is_shown(estate):
    transfer = deliver(estate.west)
    states = estate.east.client("stepfunctions")
    names = [f"{Purpose.TAKEOVER}-1", f"{Purpose.TAKEOVER}-2", f"{Purpose.RELEASE}-1", f"{Purpose.ASK}-1"]
    for name in names:
        states.start_execution(
            stateMachineArn=estate.east.state_machine, name=f"{transfer.id}-{name}", input="{}"
        )
    (chapter,) = story(estate, transfer.id)["chapters"]
    began = {
        (event["region"], event["detail"]["execution"])
        for event in chapter["events"]
        if event["what"] == "execution began"
    }
    assert began == {(WESTERN, "g1"), *((EASTERN, name) for name in names)}


def test_an_execution_that_left_no_trace_in_the_tracker_is_shown(estate):
    (chapter,) = story(estate, estate.west.receive(b"abc").id)["chapters"]
    assert (WESTERN, "execution began") in events(chapter)
    assert chapter["status"] == "under way"


def test_without_a_workflow_the_rest_is_shown(estate):
    transfer = deliver(estate.west)
    parameter = contract.cell_parameter("mft", estate.west.cell, "parts")
    estate.west.client("ssm").delete_parameter(Name=parameter)
    document = story(estate, transfer.id)
    (unknown,) = document["unknowns"]
    assert unknown == (
        f"executions in {WESTERN} are not looked at: the parameter {parameter}, which lists what the cell"
        " consists of, is missing; run `pulumi up --refresh --stack gov-west`"
    )
    assert "DELIVERED" in [what for _, what in events(document["chapters"][0])]


def test_an_object_that_the_tracker_does_not_know_is_shown(estate):
    estate.west.upload(b"abc")
    (chapter,) = story(estate, KEY)["chapters"]
    assert chapter["status"] == "unknown to the tracker"
    assert events(chapter) == [(WESTERN, "uploaded")]
    assert [each["place"] for each in chapter["copies"]] == ["inbound"]


def test_with_a_region_dead_the_records_of_the_other_are_shown(estate):
    replicate(estate)
    transfer = deliver(estate.west)
    estate.lose(WEST)
    document = story(estate, transfer.id)
    (unknown,) = document["unknowns"]
    assert unknown.startswith(f"{WESTERN} is not looked at")
    (chapter,) = document["chapters"]
    assert chapter["status"] == "delivered"
    assert [what for _, what in events(chapter)] == ["RECEIVED", "DELIVERED", "ARCHIVED", "RECEIPT"]
    assert {each["region"] for each in chapter["copies"]} == {EASTERN}
    assert chapter["missing"] == []
    assert document["leases"][WESTERN].endswith(f", according to {EASTERN}")
    assert "".join(unknown.split()) in "".join(estate.ops("trace", transfer.id).out.split())


# --- Looking it up -----------------------------------------------------------------------------------


def refused(estate: Estate, *words: str) -> str:
    result = estate.ops("trace", *words)
    assert (result.code, result.out) == (1, "")
    return result.err.strip()


@pytest.mark.parametrize("whose", [True, False])
def test_an_unknown_key_or_transfer_is_refused_with_the_nearest(estate, whose):
    transfer = deliver(estate.west)
    words = ("--customer", estate.customer) if whose else ()
    wrong = f"{transfer.id[:-2]}zz"
    assert refused(estate, wrong, *words) == (
        f"no transfer of {estate.customer} has the id {wrong!r}; did you mean {transfer.id}, of {KEY}?"
    )
    near = f"no file of {estate.customer} has the key 'inbound/sdk/b.csv'; did you mean {KEY!r}?"
    assert refused(estate, "inbound/sdk/b.csv", *words) == near
    assert refused(estate, "sdk/a.csv", *words).endswith(f"did you mean {KEY!r}?")
    assert refused(estate, "20260230T010203Z-0123", *words).endswith("keys begin with 'inbound/'")
    assert refused(estate, "20200102T030405Z-0123456789abcdef0123", *words).endswith(
        "none was submitted on 2020-01-02"
    )


def test_a_key_is_found_among_many_that_begin_alike(estate):
    for number in range(3):
        estate.west.upload(b"x", f"{KEY}.{number}")
    estate.west.upload(b"abc")
    assert len(story(estate, KEY)["chapters"]) == 1
    assert refused(estate, "inbound/sdk/a.cs").startswith("no file of")


def test_a_file_is_found_without_naming_its_customer(estate):
    other_customer(estate)
    transfer = deliver(estate.west)
    for wanted in (KEY, transfer.id):
        assert story(estate, wanted)["customer"] == estate.customer


def test_a_key_that_two_customers_have_needs_a_customer(estate):
    other = other_customer(estate)
    deliver(estate.west)
    estate.west.client("s3").put_object(
        Bucket=contract.bucket_of(other, estate.west.stem, WEST), Key=KEY, Body=b"theirs"
    )
    assert refused(estate, KEY) == (
        f"{KEY!r} is a file of each of {estate.customer}, {other}: add --customer"
    )
    assert story(estate, KEY, "--customer", other)["customer"] == other


def test_an_unknown_customer_is_refused_with_the_nearest(estate):
    assert refused(estate, KEY, "--customer", f"{estate.customer}x").endswith(
        f"did you mean {estate.customer}?"
    )


def test_a_usage_error_exits_2(place):
    assert place.ops("trace").code == 2


def test_a_file_is_found_by_its_id_in_a_log(estate):
    deliver(estate.west)
    document = story(estate, contract.file_id(estate.customer, KEY))
    assert (document["customer"], document["key"]) == (estate.customer, KEY)
    assert len(document["chapters"]) == 1
    stranger = contract.file_id(estate.customer, "inbound/sdk/none.csv")
    assert refused(estate, stranger).startswith(f"no fact of {estate.customer} is about the file {stranger};")
