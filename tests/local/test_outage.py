"""A region that dies in the emulated AWS: what stops, what is held, and what goes on afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from local.aws.emulator import ROOT, Emulator
from local.aws.ministack.controls import DNS_AGENT
from local.aws.ministack.regions import DownRegions
from tests.local.conftest import EAST, WEST, World, eventually, zipped
from tests.local.test_emulator import group
from tests.local.test_emulator_replication import rules

WEST_FILES, EAST_FILES = "outage-west", "outage-east"
SHORT = {"retries": {"total_max_attempts": 1}}

#: Writes an object to the other region every 50 ms: what runs can be seen from where the region lives.
BEATING = """
import time, boto3

def handler(event, context):
    s3 = boto3.client("s3", region_name="us-gov-east-1")
    for beat in range(event.get("beats", 1)):
        s3.put_object(Bucket="beats", Key=f"{event['name']}/{time.time()}", Body=b"")
        time.sleep(0.05)
    return event
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[World]:
    with Emulator(wait_scale=0.01, lambdas=6) as emulator:
        world = World(emulator)
        world.bucket(WEST_FILES, WEST)
        world.bucket(EAST_FILES, EAST)
        world.bucket("beats", EAST)
        marker = {"DeleteMarkerReplication": {"Status": "Enabled"}}
        for region, bucket, peer in ((WEST, WEST_FILES, EAST_FILES), (EAST, EAST_FILES, WEST_FILES)):
            world("s3", region).put_bucket_replication(
                Bucket=bucket, ReplicationConfiguration=rules(peer, None, **marker)
            )
        string = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")]
        keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        world("dynamodb").create_table(
            TableName="facts",
            AttributeDefinitions=string,
            KeySchema=keys,
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        world("dynamodb").update_table(TableName="facts", ReplicaUpdates=[{"Create": {"RegionName": EAST}}])
        world.function("beat", code=zipped(index=BEATING), timeout=30)
        world("lambda").invoke(FunctionName="beat", Payload='{"name": "warm"}')
        yield world


@pytest.fixture(autouse=True)
def _back_to_normal(aws: World) -> Iterator[None]:
    yield
    aws.emulator.region_up(WEST)
    aws.emulator.region_up(EAST)
    aws.emulator.replication_lag()


@pytest.fixture
def short(aws: World) -> Iterator[Any]:
    """Return a maker of clients that try once."""
    made = []

    def client(service: str, region: str = WEST, **config: Any) -> Any:
        made.append(aws.emulator.new_client(service, region, **SHORT | config))
        return made[-1]

    yield client
    for one in made:
        one.close()


def beats(aws: World, name: str) -> int:
    return aws("s3", EAST).list_objects_v2(Bucket="beats", Prefix=f"{name}/")["KeyCount"]


def versions(aws: World, region: str, key: str) -> list[tuple[str, bool]]:
    """Return the ids of the versions and markers of a key, newest first, and whether each is the latest."""
    bucket = WEST_FILES if region == WEST else EAST_FILES
    got = aws("s3", region).list_object_versions(Bucket=bucket, Prefix=key)
    both = [*got.get("Versions", []), *got.get("DeleteMarkers", [])]
    both.sort(key=lambda v: (v["LastModified"], v["VersionId"]), reverse=True)
    return [(v["VersionId"], v["IsLatest"]) for v in both]


def put(aws: World, region: str, key: str, body: str = "") -> str:
    bucket = WEST_FILES if region == WEST else EAST_FILES
    return aws("s3", region).put_object(Bucket=bucket, Key=key, Body=body.encode())["VersionId"]


def body(aws: World, region: str, key: str) -> str:
    bucket = WEST_FILES if region == WEST else EAST_FILES
    return aws("s3", region).get_object(Bucket=bucket, Key=key)["Body"].read().decode()


def fact(aws: World, region: str, name: str, value: str | None) -> None:
    """Write an item, or delete it for None."""
    key = {"pk": {"S": name}, "sk": {"S": "-"}}
    if value is None:
        aws("dynamodb", region).delete_item(TableName="facts", Key=key)
    else:
        aws("dynamodb", region).put_item(TableName="facts", Item=key | {"v": {"S": value}})


def facts(aws: World, name: str) -> list[str | None]:
    """Return an item's value in West and in East."""
    key = {"pk": {"S": name}, "sk": {"S": "-"}}
    got = [aws("dynamodb", r).get_item(TableName="facts", Key=key).get("Item") for r in (WEST, EAST)]
    return [item and item["v"]["S"] for item in got]


# --- Requests ------------------------------------------------------------------------------------


def test_every_request_for_a_dead_region_ends_without_an_answer_and_the_other_lives(
    aws: World, short: Any
) -> None:
    operations = {
        "s3": "list_buckets",
        "dynamodb": "list_tables",
        "sqs": "list_queues",
        "lambda": "list_functions",
        "stepfunctions": "list_state_machines",
        "events": "list_rules",
        "kms": "list_keys",
        "cloudwatch": "describe_alarms",
    }
    aws.emulator.region_down(WEST)
    for service, verb in operations.items():
        with pytest.raises(ConnectionClosedError):  # a request that hangs would be a ReadTimeoutError
            getattr(short(service), verb)()
        getattr(short(service, EAST), verb)()
    aws.emulator.region_up(WEST)
    for service, verb in operations.items():
        getattr(short(service), verb)()


def test_an_ordinary_client_gives_up_within_seconds(aws: World) -> None:
    aws.emulator.region_down(WEST)
    started = time.monotonic()
    with pytest.raises(ConnectionClosedError):
        aws("s3").put_object(Bucket=WEST_FILES, Key="large", Body=bytes(5 << 20))
    assert time.monotonic() - started < 5


def test_a_request_that_is_under_way_ends_with_its_region(aws: World, short: Any) -> None:
    url, _ = aws.queue("polled")
    client, ended = short("sqs"), []

    def poll() -> None:
        try:
            client.receive_message(QueueUrl=url, WaitTimeSeconds=20)
        except ConnectionClosedError:
            ended.append(time.monotonic())

    thread = threading.Thread(target=poll)
    thread.start()
    time.sleep(0.3)
    aws.emulator.region_down(WEST)
    died = time.monotonic()
    thread.join()
    assert ended[0] - died < 10, "the poll would have gone on for 20 s"


def test_no_other_way_leads_to_a_bucket_of_a_dead_region(aws: World, short: Any) -> None:
    put(aws, WEST, "elsewhere/a", "x")
    url = f"{aws.emulator.endpoint}/{WEST_FILES}/elsewhere/a"
    signed = aws("s3").generate_presigned_url("get_object", {"Bucket": WEST_FILES, "Key": "elsewhere/a"})
    for way in (url, signed):
        with urllib.request.urlopen(way) as answer:
            assert answer.read() == b"x"
    aws.emulator.region_down(WEST)
    for way in (url, signed):
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            urllib.request.urlopen(way)
    with pytest.raises(ConnectionClosedError):  # East answers 301, and there is nobody there
        short("s3", EAST).get_object(Bucket=WEST_FILES, Key="elsewhere/a")
    copy = {"Bucket": EAST_FILES, "Key": "b", "CopySource": {"Bucket": WEST_FILES, "Key": "elsewhere/a"}}
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        short("s3", EAST).copy_object(**copy)


@pytest.mark.parametrize("home", [WEST, EAST])
def test_route_53_and_iam_die_with_west_only_in_that_mode_and_dns_goes_on(
    aws: World, short: Any, home: str
) -> None:
    operations = [(short("route53", home), "list_hosted_zones"), (short("iam", home), "list_roles")]
    aws.emulator.region_down(WEST)
    for client, verb in operations:
        getattr(client, verb)()
    short("sts").get_caller_identity()
    aws.emulator.region_down(WEST, control_planes=True)
    for client, verb in operations:
        with pytest.raises(ConnectionClosedError):
            getattr(client, verb)()
    short("route53", home, user_agent_extra=DNS_AGENT).list_hosted_zones()
    with pytest.raises(ConnectionClosedError):
        short("iam", home, user_agent_extra=DNS_AGENT).list_roles()
    with pytest.raises(ConnectionClosedError):
        short("sts", WEST).get_caller_identity()
    short("sts", EAST).get_caller_identity()
    aws.emulator.region_up(WEST)
    for client, verb in operations:
        getattr(client, verb)()


def test_regions_go_down_and_up_in_any_order_and_wrong_arguments_are_refused(aws: World, short: Any) -> None:
    emulator = aws.emulator
    emulator.region_up(WEST)
    assert emulator.regions_down == set()
    for _ in range(2):
        emulator.region_down(WEST)
        emulator.region_down(WEST)
        assert emulator.regions_down == {WEST}
        emulator.region_down(EAST)
        assert emulator.regions_down == {WEST, EAST}
        with pytest.raises(ConnectionClosedError):
            short("s3", EAST).list_buckets()
        short("iam", EAST).list_roles()
        emulator.region_up(WEST)
        emulator.region_up(EAST)
        assert emulator.regions_down == set()
    short("s3", EAST).list_buckets()
    with pytest.raises(ValueError, match="us-gov-west-2"):
        emulator.region_down("us-gov-west-2")
    with pytest.raises(ValueError, match="control planes are in us-gov-west-1"):
        emulator.region_down(EAST, control_planes=True)
    with pytest.raises(ValueError, match="negative"):
        emulator.replication_lag(s3=-1)
    assert emulator.regions_down == set()


def test_a_death_waits_for_what_has_begun_and_nothing_begins_until_the_return() -> None:
    regions, begun, finish, done = DownRegions(), threading.Event(), threading.Event(), []

    def work(name: str) -> None:
        with regions.working(WEST):
            begun.set()
            finish.wait(5)
            done.append(name)

    before = regions.life(WEST)
    first = threading.Thread(target=work, args=["first"])
    first.start()
    begun.wait(5)
    regions.kill(WEST, control_planes=False)
    assert regions.life(WEST) is None
    second = threading.Thread(target=work, args=["second"])
    second.start()
    settling = threading.Thread(target=lambda: (regions.settle(WEST), done.append("settled")))
    settling.start()
    with regions.working(EAST):
        time.sleep(0.1)
    assert done == []
    finish.set()
    first.join()
    settling.join()
    assert done == ["first", "settled"]
    regions.revive(WEST, first=lambda: done.append("back"))
    second.join()
    assert done == ["first", "settled", "back", "second"]
    assert regions.life(WEST) not in (None, before)


# --- Functions, queues, executions ---------------------------------------------------------------


def test_a_running_function_dies_with_its_process_and_an_event_runs_again(aws: World, short: Any) -> None:
    client, failed = short("lambda"), []

    def invoke() -> None:
        try:
            client.invoke(FunctionName="beat", Payload=json.dumps({"name": "sync", "beats": 200}))
        except ConnectionClosedError:
            failed.append("sync")

    thread = threading.Thread(target=invoke)
    thread.start()
    event = json.dumps({"name": "event", "beats": 20})
    aws("lambda").invoke(FunctionName="beat", InvocationType="Event", Payload=event)
    eventually(lambda: beats(aws, "sync") > 2 and 2 < beats(aws, "event") < 15)
    aws.emulator.region_down(WEST)
    seen = [beats(aws, "sync"), beats(aws, "event")]
    assert group(aws.emulator.pid) == [aws.emulator.pid]
    time.sleep(0.5)
    assert [beats(aws, "sync"), beats(aws, "event")] == seen
    thread.join()
    assert failed == ["sync"]
    aws.emulator.region_up(WEST)
    eventually(lambda: beats(aws, "event") == seen[1] + 20)
    assert beats(aws, "sync") == seen[0]  # its caller got the error; nothing repeats the call


def test_a_message_waits_in_its_queue_and_a_batch_returns_to_it(aws: World) -> None:
    """The first run of the one lasts until its region dies, and the other waits for it meanwhile."""
    code = """
    record = event["Records"][0]
    event = {"name": record["body"] + record["attributes"]["ApproximateReceiveCount"]}
    event["beats"] = {"long1": 10**6, "long2": 20}.get(event["name"], 1)
"""
    code = BEATING.replace("event, context):\n", "event, context):" + code)
    function = aws.function("consumer", code=zipped(index=code), timeout=900)
    aws("lambda").put_function_concurrency(FunctionName="consumer", ReservedConcurrentExecutions=1)
    # AWS takes no queue that hides messages for less time than the function may run.
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    url, source = aws.queue("work", VisibilityTimeout="900")
    aws("lambda").create_event_source_mapping(EventSourceArn=source, FunctionName=function, BatchSize=1)
    send = aws("sqs").send_message
    send(QueueUrl=url, MessageBody="long")
    eventually(lambda: beats(aws, "long1"))
    send(QueueUrl=url, MessageBody="waiting")
    aws.emulator.region_down(WEST)
    seen = beats(aws, "long1")
    time.sleep(2.1)  # a second after the failed batch, and one of the pollers
    assert (beats(aws, "long1"), beats(aws, "waiting1")) == (seen, 0)
    aws.emulator.region_up(WEST, passed=900)
    eventually(lambda: beats(aws, "waiting1") == 1)  # nobody received it meanwhile
    eventually(lambda: beats(aws, "long2") == 20)


def test_a_hidden_message_returns_when_the_outage_stands_for_a_longer_time(aws: World) -> None:
    url, _ = aws.queue("hiding", VisibilityTimeout="600")

    def receives() -> bool:
        return bool(aws("sqs").receive_message(QueueUrl=url).get("Messages"))

    aws("sqs").send_message(QueueUrl=url, MessageBody="m")
    assert receives()
    aws.emulator.region_down(WEST)
    aws.emulator.region_up(WEST, passed=300)
    assert not receives()
    aws.emulator.region_down(WEST)
    aws.emulator.region_up(WEST, passed=301)
    assert receives()


def test_executions_freeze_where_they_are_and_go_on_when_the_region_is_back(aws: World) -> None:
    url, _ = aws.queue("steps")
    retry = [{"ErrorEquals": ["Lambda.ServiceException"], "IntervalSeconds": 1, "MaxAttempts": 1}]

    def beat(name: str, count: int, **more: object) -> dict[str, object]:
        payload = {"name": name, "beats": count}
        return {
            "Type": "Task",
            "Resource": "arn:aws-us-gov:states:::lambda:invoke",
            "Parameters": {"FunctionName": "beat", "Payload": payload},
        } | more

    def wait(seconds: int, then: str) -> dict[str, object]:
        return {"Type": "Wait", "Seconds": seconds, "Next": then}

    send = {
        "Type": "Task",
        "Resource": "arn:aws-us-gov:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": url, "MessageBody": "{}"},
        "Next": "Pause",
    }
    items = {"StartAt": "A", "States": {"A": wait(100, "B"), "B": beat("map", 1, End=True)}}
    catch = [{"ErrorEquals": ["States.Timeout"], "Next": "Late"}]
    machines = {
        "running": {"A": beat("ran", 20, Retry=retry, Next="B"), "B": beat("after", 1, End=True)},
        "late": {
            "A": beat("timed", 99, TimeoutSeconds=2, Catch=catch, End=True),
            "Late": {"Type": "Succeed"},
        },
        "waiting": {"A": wait(100, "B"), "B": beat("waited", 1, End=True)},
        "mapped": {"A": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": items, "End": True}},
        "looping": {"Send": send, "Pause": wait(1, "Send")},
    }
    states = aws("stepfunctions")
    arns = {}
    names = ("ran", "after", "waited", "map", "timed")
    for name, definition in machines.items():
        if name != "running":
            eventually(lambda: beats(aws, "ran") > 1)
        machine = aws.machine(f"frozen-{name}", definition)
        start = states.start_execution(stateMachineArn=machine, input='{"items": [1, 2]}')
        arns[name] = start["executionArn"]
    time.sleep(0.3)
    aws.emulator.region_down(WEST)
    died, seen = time.time(), [beats(aws, name) for name in names]
    time.sleep(1.9)  # longer than any Wait and than the task's TimeoutSeconds
    assert [beats(aws, name) for name in names] == seen
    assert seen[1:4] == [0, 0, 0]
    back = time.time()
    aws.emulator.region_up(WEST)

    def status(name: str) -> str:
        return states.describe_execution(executionArn=arns[name])["status"]

    ends = ("waiting", "running", "late", "mapped")
    eventually(lambda: [status(name) for name in ends] == ["SUCCEEDED"] * 4)
    assert [beats(aws, name) for name in names] == [seen[0] + 20, 1, 1, 2, seen[4]]

    def events(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in states.get_paginator("get_execution_history").paginate(executionArn=arns[name]):
            found += page["events"]
        return found

    errors = {
        name: [e["taskFailedEventDetails"]["error"] for e in events(name) if "Failed" in e["type"]]
        for name in ("running", "late")
    }
    assert errors == {"running": ["Lambda.ServiceException"], "late": ["States.Timeout"]}
    assert status("looping") == "RUNNING"
    states.stop_execution(executionArn=arns["looping"])
    for name in arns:
        at = [event["timestamp"].timestamp() for event in events(name)]
        # What was being written when the region died may still be written; nothing after it is.
        assert [t for t in at if died + 0.3 < t < back] == [], name
        assert max(at) > back


def test_nothing_is_scheduled_in_a_dead_region_and_a_missed_time_comes_once() -> None:
    """In a process of its own, where the sweeps can be called: they are ten seconds apart."""
    code = """
import time
from local.aws.ministack import __main__ as child, patching
from local.aws.ministack.regions import REGIONS
patching.install(child.EDITS)
from ministack.core.responses import request_scope
from ministack.services import eventbridge, scheduler
fired = []
def fire(target, event, rule, view=None):
    fired.append((event["Region"], target["Id"]))
eventbridge._invoke_target = fire
for region in ("us-gov-west-1", "us-gov-east-1"):
    with request_scope("123456789012", region):
        arn = f"arn:aws-us-gov:sqs:{region}:123456789012:q"
        eventbridge._ensure_default_bus()
        eventbridge._put_rule({"Name": "r", "ScheduleExpression": "rate(1 minute)"})
        eventbridge._put_targets({"Rule": "r", "Targets": [{"Id": "rule", "Arn": arn}]})
        for rule in eventbridge._rules.values():
            rule["CreationTime"] -= 600
        scheduler._schedules["default/s"] = {
            "State": "ENABLED", "ScheduleExpression": "at(2020-01-01T00:00:00)",
            "Target": {"Arn": arn, "Id": "schedule"}}
def sweep():
    fired.clear()
    eventbridge._tick_scheduled_rules()
    scheduler._tick_schedules()
    return sorted(fired)
REGIONS.kill("us-gov-west-1", control_planes=False)
print(sweep())
print(sweep())
REGIONS.revive("us-gov-west-1", first=lambda: None)
print(sweep())
print(sweep())
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    one, other = (str([(region, "rule"), (region, "schedule")]) for region in (EAST, WEST))
    assert ended.stdout.splitlines() == [one, "[]", other, "[]"]


# --- Deliveries ----------------------------------------------------------------------------------


def test_an_event_that_was_on_its_way_arrives_and_none_does_meanwhile(aws: World) -> None:
    url = aws.listen("created", WEST, {"source": ["aws.s3"], "detail": {"bucket": {"name": [WEST_FILES]}}})
    topic = aws("sns", EAST).create_topic(Name="abroad")["TopicArn"]
    notified, arn = aws.queue("notified")
    aws("sns", EAST).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sent = {put(aws, WEST, f"events/{n}") for n in range(20)}
    aws.emulator.region_down(WEST)
    died = time.time()
    aws("sns", EAST).publish(TopicArn=topic, Message="{}")
    time.sleep(0.5)
    back = time.time()
    aws.emulator.region_up(WEST)
    got = aws.bodies(url, 20)
    assert {event["detail"]["object"]["version-id"] for event in got} == sent
    message = aws("sqs").receive_message(
        QueueUrl=notified, WaitTimeSeconds=5, MessageSystemAttributeNames=["SentTimestamp"]
    )["Messages"][0]
    assert died < back - 0.4 < back - 0.01 < int(message["Attributes"]["SentTimestamp"]) / 1000


# --- Replication ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dead", [WEST, EAST])
def test_copies_for_a_dead_region_are_held_and_arrive_in_order(aws: World, dead: str) -> None:
    alive = EAST if dead == WEST else WEST
    key, bucket = f"inbound/held-{dead}", EAST_FILES if dead == WEST else WEST_FILES
    pattern = {"source": ["aws.s3"], "detail": {"object": {"key": [key]}}}
    url = aws.listen(f"held-{dead}", dead, pattern)
    aws.emulator.region_down(dead)
    ids = [put(aws, alive, key, str(n)) for n in range(3)]
    head = {"Bucket": bucket, "Key": key}
    assert aws("s3", alive).head_object(**head)["ReplicationStatus"] == "PENDING"
    pending = aws.emulator.replication_pending()
    shown = [(p.kind, p.source, p.target, p.name, p.key, p.version) for p in pending]
    assert shown == [("s3", alive, dead, bucket, key, version) for version in ids]
    assert abs(pending[0].sent - time.time()) < 5
    assert pending[0].sent <= pending[2].sent
    aws.emulator.region_up(dead)
    assert aws.emulator.replication_pending() == []
    assert versions(aws, dead, key) == versions(aws, alive, key)
    assert [version for version, _ in versions(aws, dead, key)] == ids[::-1]
    assert body(aws, dead, key) == "2"
    for version in ids:
        status = aws("s3", alive).head_object(**head, VersionId=version)["ReplicationStatus"]
        assert status == "COMPLETED"
    events = aws.bodies(url, 3, dead)
    assert {event["detail"]["object"]["version-id"] for event in events} == set(ids)


@pytest.mark.parametrize("first", [WEST, EAST])
def test_of_two_writers_of_a_key_the_later_wins_in_both_regions_and_none_is_lost(
    aws: World, first: str
) -> None:
    second = EAST if first == WEST else WEST
    key = f"inbound/both-{first}"
    aws.emulator.replication_lag(s3=60)
    older = put(aws, first, key, "older")
    time.sleep(0.01)
    if first == EAST:  # West writes, and dies before its copy has left it
        newer = put(aws, second, key, "newer")
        aws.emulator.region_down(WEST)
    else:  # West dies first; East goes on
        aws.emulator.region_down(WEST)
        newer = put(aws, second, key, "newer")
    assert body(aws, EAST, key) == ("older" if first == EAST else "newer")
    aws.emulator.region_up(WEST)
    for region in (WEST, EAST):
        assert body(aws, region, key) == "newer", region
        assert versions(aws, region, key) == [(newer, True), (older, False)]
    bucket = WEST_FILES if second == WEST else EAST_FILES
    got = aws("s3", second).get_object(Bucket=bucket, Key=key, VersionId=older)
    assert (got["Body"].read(), got["ReplicationStatus"]) == (b"older", "REPLICA")


def test_a_delete_marker_hides_only_what_is_older_and_a_version_deleted_for_good_is_not_copied(
    aws: World,
) -> None:
    hidden, kept, gone = (f"inbound/{name}" for name in ("hidden", "kept", "gone"))
    for key in (hidden, kept):
        put(aws, WEST, key, "1")
    aws.emulator.replication_lag(s3=60)
    markers = {
        key: aws("s3").delete_object(Bucket=WEST_FILES, Key=key)["VersionId"] for key in (hidden, kept)
    }
    version = put(aws, WEST, gone)
    aws("s3").delete_object(Bucket=WEST_FILES, Key=gone, VersionId=version)
    aws.emulator.region_down(WEST)
    assert {p.version for p in aws.emulator.replication_pending()} == {*markers.values(), version}
    time.sleep(0.01)
    newer = put(aws, EAST, kept, "2")
    aws.emulator.region_up(WEST)
    assert body(aws, WEST, kept) == body(aws, EAST, kept) == "2"
    for region, bucket in ((WEST, WEST_FILES), (EAST, EAST_FILES)):
        with pytest.raises(ClientError, match="NoSuchKey"):
            aws("s3", region).get_object(Bucket=bucket, Key=hidden)
        assert versions(aws, region, hidden)[0] == (markers[hidden], True)
        assert versions(aws, region, kept)[:2] == [(newer, True), (markers[kept], False)]
        assert versions(aws, region, gone) == []


def test_writes_to_a_global_table_are_held_and_the_later_one_of_an_item_wins(aws: World) -> None:
    for name in ("deleted", "revived", "outlived"):
        fact(aws, WEST, name, "0")
        assert facts(aws, name) == ["0", "0"]
    aws.emulator.replication_lag(dynamodb=60)
    fact(aws, WEST, "west-first", "west")
    fact(aws, WEST, "deleted", "west")
    fact(aws, WEST, "revived", None)
    fact(aws, EAST, "east-first", "east")
    fact(aws, WEST, "east-first", "west")
    fact(aws, EAST, "outlived", "east")
    fact(aws, WEST, "outlived", None)
    aws.emulator.region_down(WEST)
    fact(aws, EAST, "west-first", "east")
    fact(aws, EAST, "deleted", None)
    fact(aws, EAST, "revived", "east")
    fact(aws, EAST, "alone", "1")
    fact(aws, EAST, "alone", "2")
    pending = aws.emulator.replication_pending()
    assert len(pending) == 12
    first = pending[0]
    assert (first.kind, first.source, first.target) == ("dynamodb", WEST, EAST)
    assert (first.name, first.version) == ("facts", None)
    assert first.key == {"pk": {"S": "west-first"}, "sk": {"S": "-"}}
    assert sum(p.source == EAST for p in pending) == 7
    aws.emulator.region_up(WEST)
    assert aws.emulator.replication_pending() == []
    assert facts(aws, "west-first") == ["east", "east"]
    assert facts(aws, "deleted") == [None, None]
    assert facts(aws, "revived") == ["east", "east"]
    assert facts(aws, "east-first") == ["west", "west"]
    assert facts(aws, "outlived") == [None, None]
    assert facts(aws, "alone") == ["2", "2"]


def test_replication_lags_and_copies_under_way_from_a_region_that_dies_do_not_arrive(
    aws: World,
) -> None:
    key = "inbound/lagging"
    aws.emulator.replication_lag(s3=0.6, dynamodb=0.3)
    started = time.monotonic()
    version = put(aws, WEST, key)
    fact(aws, WEST, "lagging", "1")
    assert (facts(aws, "lagging"), versions(aws, EAST, key)) == (["1", None], [])
    assert aws("s3").head_object(Bucket=WEST_FILES, Key=key)["ReplicationStatus"] == "PENDING"
    aws.emulator.region_up(WEST)  # it is up
    assert len(aws.emulator.replication_pending()) == 2
    eventually(lambda: facts(aws, "lagging") == ["1", "1"], 2)
    assert time.monotonic() - started >= 0.3
    eventually(lambda: versions(aws, EAST, key) == [(version, True)], 2)
    assert time.monotonic() - started >= 0.6
    assert aws("s3").head_object(Bucket=WEST_FILES, Key=key)["ReplicationStatus"] == "COMPLETED"

    lost = put(aws, WEST, key)
    fact(aws, WEST, "lagging", "2")
    aws.emulator.region_down(WEST)
    time.sleep(0.8)
    assert versions(aws, EAST, key) == [(version, True)]
    assert {p.kind for p in aws.emulator.replication_pending()} == {"s3", "dynamodb"}
    aws.emulator.region_up(WEST)
    assert versions(aws, EAST, key) == [(lost, True), (version, False)]
    assert facts(aws, "lagging") == ["2", "2"]
    aws.emulator.replication_lag()
    fact(aws, WEST, "lagging", "3")
    assert facts(aws, "lagging") == ["3", "3"]
