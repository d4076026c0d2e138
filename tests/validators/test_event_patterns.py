"""The rules' event patterns take AWS's example events, once these are about files of ours, and no others.

MiniStack's `TestEventPattern`, as it is installed, does the matching.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.program import Graph
from runtime.arrival import arrival
from runtime.contract import PARTITION
from runtime.replication import Incident, ReplicationEvent, incidents
from tests.program.conftest import record
from tests.program.two_cells import project

#: AWS's examples, each with the page that it is from. ARNs, of another partition there, are left out.
EXAMPLES = {
    each["name"]: each["event"] for each in json.loads(Path(__file__).with_name("events.json").read_text())
}
#: The id that the echo of a graph gives the server of a cell, and one of another cell's.
SERVER, OTHERS_SERVER = "s-OURS", "s-OTHERS"
BUCKET, SFTP_FILE, SDK_FILE = "example-mft-c7k2m-west", "inbound/sftp/c7k2m-batch/a.csv", "inbound/sdk/a.csv"
PATH = f"/{BUCKET}/{SFTP_FILE}"
#: A bucket of a customer of cell 2.
NEIGHBOURS = "example-mft-cell2-h4t9q-west"

_MATCH = """if True:
    import json, sys
    from ministack.services.eventbridge import _test_event_pattern
    asked = json.load(sys.stdin)

    def matches(pattern, event):
        status, _, body = _test_event_pattern({"EventPattern": pattern, "Event": json.dumps(event)})
        assert status == 200, body
        return json.loads(body)["Result"]

    json.dump([[matches(p, e) for p in asked["patterns"]] for e in asked["events"]], sys.stdout)
"""


def example(name: str, kind: str | None = None, **detail: Any) -> dict[str, Any]:
    """Return an example of AWS's with another `detail-type` and other fields in its detail."""
    event = EXAMPLES[name]
    theirs = {"server-id": SERVER} if "server-id" in event["detail"] else {}
    detail = {**event["detail"], **theirs, **detail}
    return {**event, "detail-type": kind or event["detail-type"], "detail": detail}


def created(key: str, reason: str = "PutObject", bucket: str = BUCKET) -> dict[str, Any]:
    """Return the example of an object's creation, with its bucket, key and reason."""
    object = {**EXAMPLES["S3 Object Created"]["detail"]["object"], "key": key}
    event = example("S3 Object Created", bucket={"name": bucket}, object=object, reason=reason)
    return {**event, "resources": [f"arn:{PARTITION}:s3:::{bucket}"]}


# The page says that the fields of FTP servers' events are those of SFTP servers', and of an upload's failure
# those of a download's.
COMPLETED, FAILED = "SFTP Server File Upload Completed", "SFTP Server File Upload Failed"
UPLOAD, DOWNLOAD = "FTP Server File Upload Completed", "SFTP Server File Download Failed"
RENAMED, DELETED = "SFTP Server File Rename Completed", "SFTP Server File Delete Completed"
TRANSFER = {"protocol": "SFTP", "file-path": PATH}

#: Events, and the one rule that takes each, if any.
EVENTS = {
    "put by the SDK": (created(SDK_FILE), "sdk-uploads"),
    "multipart upload by the SDK": (created(SDK_FILE, "CompleteMultipartUpload"), "sdk-uploads"),
    "copied by Transfer Family": (created(SFTP_FILE, "CopyObject"), "sftp-copies"),
    "put by Transfer Family": (created(SFTP_FILE), None),
    "put into another's bucket": (created(SDK_FILE, bucket="amzn-s3-demo-bucket1"), None),
    "put elsewhere in the bucket": (created("example-key"), None),
    "deleted from the bucket": ({**created(SDK_FILE), "detail-type": "Object Deleted"}, None),
    "uploaded": (example(UPLOAD, COMPLETED, **TRANSFER), "sftp-uploads"),
    "partially uploaded": (
        example(DOWNLOAD, FAILED, **TRANSFER, **{"failure-code": "PARTIAL_UPLOAD"}),
        "sftp-uploads",
    ),
    "renamed": (example(RENAMED, **{"renamed-file-path": PATH}), "sftp-renames"),
    "renamed elsewhere": (example(RENAMED), None),
    "uploaded by the canary": (example(UPLOAD, COMPLETED, **TRANSFER, username="canary1"), "sftp-uploads"),
    "delivered to the canary": (example(UPLOAD, COMPLETED, **TRANSFER, username="canary1-partner"), None),
    "renamed there": (
        example(RENAMED, **{"renamed-file-path": PATH, "username": "canary1-partner"}),
        None,
    ),
    "downloaded in part": (example(DOWNLOAD, **TRANSFER), None),
    "deleted": (example(DELETED, **TRANSFER), None),
    "uploaded to another's bucket": (example(UPLOAD, COMPLETED), None),
    "uploaded by FTP": (example(UPLOAD, **TRANSFER), None),
    "put into a bucket of another cell": (created(SDK_FILE, bucket=NEIGHBOURS), None),
    "copied in another cell": (created(SFTP_FILE, "CopyObject", bucket=NEIGHBOURS), None),
    "uploaded to another cell": (
        example(UPLOAD, COMPLETED, **TRANSFER, **{"server-id": OTHERS_SERVER}),
        None,
    ),
}


def matching(patterns: dict[str, str], events: list[dict[str, Any]]) -> list[list[str]]:
    """Return, for each event, the names of the patterns that match it."""
    asked = json.dumps({"patterns": list(patterns.values()), "events": events})
    done = subprocess.run(
        [sys.executable, "-c", _MATCH], input=asked, capture_output=True, text=True, check=True
    )
    return [
        [name for name, is_match in zip(patterns, matches, strict=True) if is_match]
        for matches in json.loads(done.stdout)
    ]


@pytest.fixture(scope="module")
def rules(sample: Graph) -> dict[str, str]:
    """The patterns of the rules, by the rules' names without what all of them have in common."""
    return patterns(sample)


def patterns(graph: Graph) -> dict[str, str]:
    (server,) = graph.of("aws:transfer/server:Server")
    return {
        each.name.partition("-intake-")[2]: each.inputs["eventPattern"].replace(server.id, SERVER)
        for each in graph.of("aws:cloudwatch/eventRule:EventRule")
        if "eventPattern" in each.inputs
    }


def test_a_second_cell_takes_events_about_its_own_files_alone(tmp_path: Path) -> None:
    rules = patterns(record("gov-west-2", root=project(tmp_path), cells=2))
    theirs = f"/{NEIGHBOURS}/{SFTP_FILE}"
    events = {
        "sdk-uploads": created(SDK_FILE, bucket=NEIGHBOURS),
        "sftp-copies": created(SFTP_FILE, "CopyObject", bucket=NEIGHBOURS),
        "sftp-uploads": example(UPLOAD, COMPLETED, **{**TRANSFER, "file-path": theirs}),
        "sftp-renames": example(RENAMED, **{"renamed-file-path": theirs}),
    }
    assert matching(rules, list(events.values())) == [[rule] for rule in events]
    assert matching(rules, [event for event, _ in EVENTS.values() if "cell2" not in json.dumps(event)]) == [
        [] for event, _ in EVENTS.values() if "cell2" not in json.dumps(event)
    ]


def test_each_event_is_taken_by_the_rule_that_is_meant_for_it(rules: dict[str, str]) -> None:
    found = dict(zip(EVENTS, matching(rules, [event for event, _ in EVENTS.values()]), strict=True))
    assert found == {name: [rule] if rule else [] for name, (_, rule) in EVENTS.items()}
    assert {rule for _, rule in EVENTS.values() if rule} == rules.keys()


@pytest.mark.parametrize("name", [name for name, (_, rule) in EVENTS.items() if rule])
def test_ingest_reads_each_event_that_a_rule_takes(name: str) -> None:
    event, rule = EVENTS[name]
    found = arrival(event)
    assert (found.bucket, found.key) == (BUCKET, SDK_FILE if rule == "sdk-uploads" else SFTP_FILE)
    assert bool(found.failure) == (name == "partially uploaded")


def test_the_example_of_a_failed_replication_is_read() -> None:
    """It comes by an event notification of the bucket's, without a rule."""
    (found,) = incidents(EXAMPLES["S3 replication failed"])
    assert found == Incident(
        event=ReplicationEvent.FAILED,
        bucket="amzn-s3-demo-bucket1",
        key="replication-object-put-test.png",
        version_id="abcdeH0Xp66ep__QDjR76LK7Gc9X4wKO",
        to="amzn-s3-demo-bucket2",
        reason="AssumeRoleNotPermitted",
    )


def test_the_bucket_reports_exactly_the_replication_events_that_are_read(sample: Graph) -> None:
    notified = [
        queue["events"]
        for each in sample.of("aws:s3/bucketNotification:BucketNotification")
        for queue in each.inputs.get("queues", ())
    ]
    assert notified
    for events in notified:
        assert set(events) == {f"s3:Replication:{each}" for each in ReplicationEvent}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SFTP Server File Upload Completed", "SFTP File Upload Completed"),
        ("file-path", "filePath"),
        ("aws.transfer", "aws.transferfamily"),
    ],
)
def test_a_pattern_that_takes_no_event_of_aws_is_found(rules: dict[str, str], old: str, new: str) -> None:
    planted = {"sftp-uploads": rules["sftp-uploads"].replace(old, new)}
    assert planted["sftp-uploads"] != rules["sftp-uploads"]
    assert matching(planted, [EVENTS["uploaded"][0]]) == [[]]
