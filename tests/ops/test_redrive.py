"""`python -m ops redrive`: what fell into dead-letter queues is sent on, at every crash point."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.recovery.redrive import Redrive
from runtime.contract import EAST
from tests.ops.conftest import EASTERN, Place
from tests.ops.well_cells import WellCell, well  # noqa: F401 - a fixture
from tests.runtime.cells import CrashError, Dying, eventually

REASON = ("--reason", "the key's policy is repaired")


@pytest.fixture
def east(well: dict[str, WellCell], place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[WellCell]:  # noqa: F811
    monkeypatch.setenv("AWS_ENDPOINT_URL", place.aws.endpoint)
    where = {"LocationConstraint": EASTERN}
    s3 = well[EAST].client("s3")
    s3.create_bucket(Bucket=well[EAST].cell.bucket("audit"), CreateBucketConfiguration=where)
    return well[EAST]


def arn(east: WellCell, url: str) -> str:
    asked = east.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(asked["Attributes"]["QueueArn"])


def undelivered(east: WellCell, body: str, target: str) -> None:
    """Put an event into the dead letters as EventBridge does."""
    attribute = {"DataType": "String", "StringValue": target}
    east.client("sqs").send_message(
        QueueUrl=east.manifest["dead_letters"]["events"],
        MessageBody=body,
        MessageAttributes={"TARGET_ARN": attribute},
    )


def refused(east: WellCell, body: str) -> None:
    """Have SQS put a message of the ingest queue into its dead letters, after one reception."""
    sqs, queue = east.client("sqs"), east.manifest["queue"]
    policy = {"deadLetterTargetArn": arn(east, east.manifest["dead_letters"]["ingest"]), "maxReceiveCount": 1}
    attributes = {"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "0"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)
    sqs.send_message(QueueUrl=queue, MessageBody=body)

    def gone() -> bool:
        sqs.receive_message(QueueUrl=queue)
        return bool(waiting(east, east.manifest["dead_letters"]["ingest"]))

    eventually(gone)
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": ""})


def waiting(east: WellCell, url: str) -> int:
    name = "ApproximateNumberOfMessages"
    asked = east.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    return int(asked["Attributes"][name])


def taken(east: WellCell, url: str) -> list[str]:
    got = east.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return sorted(each["Body"] for each in got)


def apply(place: Place, *words: str) -> tuple[int, dict[str, Any]]:
    _, plan = place.json("redrive", EASTERN, *words)
    return place.json("redrive", EASTERN, *words, *REASON, "--apply", "--digest", plan["digest"])


def test_events_go_back_to_intake_and_the_action_is_recorded(east: WellCell, place: Place) -> None:
    refused(east, "too often")
    undelivered(east, "not at all", arn(east, east.manifest["queue"]))
    code, plan = place.json("redrive", EASTERN)
    assert (code, plan["applied"], plan["recorded"]) == (0, False, None)
    assert plan["waiting"] == {"ingest": 1, "replication": 0, "events": 1, "invocations": 0}
    assert plan["command"] == f"mft-ops redrive {EASTERN} --reason WHY --apply --digest {plan['digest']}"
    code, done = apply(place)
    assert code == 0
    assert {name: each["sent"] for name, each in done["queues"].items()} == plan["waiting"]
    assert taken(east, east.manifest["queue"]) == ["not at all", "too often"]
    assert not any(waiting(east, url) for url in east.manifest["dead_letters"].values())
    bucket, _, folder = done["recorded"].removeprefix("s3://").partition("/")
    outcome = json.loads(
        east.client("s3").get_object(Bucket=bucket, Key=f"{folder}outcome.json")["Body"].read()
    )
    assert outcome["queues"]["events"] == {"sent": 1, "left": []}


def test_what_fails_again_at_once_is_not_redriven_a_second_time(east: WellCell) -> None:
    target = arn(east, east.manifest["queue"])
    undelivered(east, "fails", target)
    redrive, url, left = Redrive(east.cell), east.manifest["dead_letters"]["events"], [3]

    def fail() -> None:
        if left[0]:
            left[0] -= 1
            undelivered(east, "fails", target)

    result = redrive.apply(redrive.plan(["events"]), fail)
    assert (result["events"].sent, waiting(east, url)) == (1, 1)


def test_only_the_named_queue_is_redriven_and_an_unknown_one_is_refused(east: WellCell, place: Place) -> None:
    for body in ("one", "two"):
        undelivered(east, body, arn(east, east.manifest["queue"]))
    assert apply(place, "--queue", "ingest")[1]["queues"] == {"ingest": {"sent": 0, "left": []}}
    assert waiting(east, east.manifest["dead_letters"]["events"]) == 2
    code, said = place.json("redrive", EASTERN, "--queue", "nothing")
    known = "ingest, replication, events, invocations"
    assert (code, said["refused"]) == (
        1,
        f"'nothing' is no dead-letter queue of {EASTERN}; there are: {known}",
    )


def test_a_scheduled_run_is_started_again_with_its_payload(east: WellCell) -> None:
    function = east.manifest["functions"]["switch"]
    whole = f"arn:aws-us-gov:lambda:{EASTERN}:123456789012:function:{function}"
    record = {"requestContext": {"functionArn": f"{whole}:$LATEST"}, "requestPayload": {"id": "1"}}
    invoked = []

    class Functions:
        def invoke(self, **asked: Any) -> None:
            invoked.append((asked["FunctionName"], asked["InvocationType"], json.loads(asked["Payload"])))

    redrive = Redrive(east.cell)
    redrive._functions = Functions()
    url = east.manifest["dead_letters"]["invocations"]
    east.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(record))
    result = redrive.apply(redrive.plan(["invocations"]), lambda: None)["invocations"]
    assert (result.sent, result.left) == (1, [])
    undelivered(east, '{"id": "2"}', whole)
    assert redrive.apply(redrive.plan(["events"]), lambda: None)["events"].sent == 1
    assert invoked == [(function, "Event", {"id": "1"}), (function, "Event", {"id": "2"})]


@pytest.mark.parametrize(
    ("body", "target", "why"),
    [
        ("no record", None, "it has neither a source, a target, nor the record of an invocation"),
        ("x", "arn:aws-us-gov:sqs:us-gov-east-1:1:other", "is not the ingest queue of this cell"),
        ("x", "arn:aws-us-gov:lambda:us-gov-east-1:1:function:other", "is no function of this cell"),
    ],
)
def test_a_message_that_was_meant_for_nothing_of_the_cell_is_left(
    east: WellCell, place: Place, body: str, target: str | None, why: str
) -> None:
    url = east.manifest["dead_letters"]["events"]
    if target is None:
        east.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    else:
        undelivered(east, body, target)
    code, done = apply(place, "--queue", "events")
    ((left),) = done["queues"]["events"]["left"]
    assert (code, done["queues"]["events"]["sent"]) == (1, 0)
    assert left.endswith(why)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("call", ["send_message", "delete_message"])
def test_a_redrive_that_dies_anywhere_loses_no_message(east: WellCell, call: str, after: bool) -> None:
    url = east.manifest["dead_letters"]["events"]
    undelivered(east, "an event", arn(east, east.manifest["queue"]))
    dying = Redrive(east.cell)
    dying._sqs = Dying(dying._sqs, call, after=after)
    with pytest.raises(CrashError):
        dying.apply(dying.plan(["events"]), lambda: None)
    got = east.client("sqs").receive_message(QueueUrl=url).get("Messages", [])
    assert not got, "it is hidden for a while"
    is_sent = taken(east, east.manifest["queue"]) == ["an event"]
    asked = east.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )
    is_kept = asked["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert is_sent or is_kept


def test_what_cannot_be_recorded_is_not_redriven(east: WellCell, place: Place) -> None:
    undelivered(east, "an event", arn(east, east.manifest["queue"]))
    east.client("s3").delete_bucket(Bucket=east.cell.bucket("audit"))
    code, said = apply(place)
    assert code == 1
    assert "nothing was done, for it must be recorded" in said["refused"]
    assert waiting(east, east.manifest["dead_letters"]["events"]) == 1
    with pytest.raises(ClientError):
        east.client("s3").head_bucket(Bucket=east.cell.bucket("audit"))
