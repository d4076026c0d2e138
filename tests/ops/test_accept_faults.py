"""An acceptance of the local world, whole; and its checks on planted faults, which are then mended."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from typer.testing import CliRunner

import ops.__main__
from local.aws.ministack.controls import TRANSFER_AGENT
from local.loopback import ADDRESSES
from local.sftp.endpoint import TransferEndpoint
from local.world import World
from ops import environment
from ops.acceptance import aws_deliveries, host_keys, leftovers, replication, route53_health, sent_files
from ops.acceptance.acceptance import Acceptance
from ops.acceptance.acceptance_plan import AcceptancePlan, plan
from ops.acceptance.accepted_cell import AcceptedCell, accepted_cells
from ops.acceptance.failover_rehearsal import FailoverRehearsal
from ops.acceptance.observation import Check, Observations, Patience
from ops.acceptance.receipts import ReceiptQueue
from ops.acceptance.sent_files import SentFile
from ops.acceptance.synthetic_customer import SyntheticCustomer, file_name
from ops.environment import Environment
from ops.failover import switching
from ops.logbook import Logbook
from ops.registry import read_registry
from runtime.contract import EAST, REGION_OF, SIDES, WEST, check_reference
from runtime.metric_names import METRIC_CANARY, METRICS, cell_dimensions
from tests.iam import granting, parsed
from tests.ops import acceptance
from tests.ops.acceptance import CUSTOMER, USER

pytestmark = pytest.mark.exhaustive

#: Long enough for a loaded machine, and short where something is not going to come.
WHOLE = Patience(delivery=120, replication=120, schedule=60, pause=0.2)
SHORT = Patience(delivery=3, replication=2, schedule=1, pause=0.2)


@dataclass
class AcceptedWorld:
    """The local world, with the customer for acceptances alone, and what an operator does there."""

    world: World
    calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.world.project

    @property
    def key(self) -> Path:
        return self.world.external_parties.keys[USER]

    def client(self, service: str, side: str = WEST) -> Any:
        return self.world.client(service, side)

    def one(self, side: str, type: str, name: str) -> Any:
        return self.world.graphs[side].one(type, name)

    def ops(self, *words: str) -> tuple[int, Any]:
        """Run a verb with `--json`; return its exit code and its document."""
        done = CliRunner().invoke(ops.__main__.app, [*words, "--json", "--root", str(self.root)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, json.loads(done.stdout.splitlines()[-1])

    def environment(self) -> Environment:
        return Environment.read(self.root)

    def customer(self) -> SyntheticCustomer:
        where = self.environment()
        return SyntheticCustomer.of(read_registry(where, self.root), where, CUSTOMER, self.key)

    def cells(self) -> dict[str, AcceptedCell]:
        return accepted_cells(self.environment(), self.customer())

    def planned(self, *, with_failover: bool = False) -> AcceptancePlan:
        return plan(self.environment(), self.customer(), self.cells(), with_failover=with_failover)

    def acceptance(self, observed: Observations, *, with_failover: bool = False, **more: Any) -> Acceptance:
        return Acceptance(
            environment=self.environment(),
            root=self.root,
            plan=self.planned(with_failover=with_failover),
            cells=self.cells(),
            observed=observed,
            patience=WHOLE,
            **more,
        )

    def left(self) -> list[str]:
        """Return everything that acceptances have left anywhere."""
        return [each.what for _, look in leftovers.places(self.cells()) for each in look()]

    def metric(self, side: str, namespace: str, name: str, value: float, **dimensions: str) -> None:
        named = [{"Name": each, "Value": its} for each, its in dimensions.items()]
        datum = {"MetricName": name, "Value": value, "Dimensions": named}
        self.client("cloudwatch", side).put_metric_data(Namespace=namespace, MetricData=[datum])

    def fly(self) -> None:
        """Run the canary and the probe, which are due every few minutes only."""
        for side in SIDES:
            for function in self.world.graphs[side].of("aws:lambda/function:Function"):
                if function.name.startswith(("cell1-canary", "cell1-probe")):
                    self.client("lambda", side).invoke(FunctionName=function.outputs["name"])


@pytest.fixture(scope="module")
def made_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AcceptedWorld]:
    registry = tmp_path_factory.mktemp("registry")
    acceptance.add_to(registry)
    with World(registry) as world:
        for _ in world.deploy():
            pass
        world.serve_names()
        made = AcceptedWorld(world)
        made.fly()
        yield made


@pytest.fixture
def accepted(made_world: AcceptedWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[AcceptedWorld]:
    """The world, with the environment of an operator's shell."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MFT_"))]:
        monkeypatch.delenv(name)
    for name, value in made_world.world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials that it saw first
    environment._client.cache_clear()
    yield made_world
    environment._client.cache_clear()


# --- The whole of it ---------------------------------------------------------------------------------


def test_a_whole_acceptance_with_failover(accepted, monkeypatch):
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "ops-accept")
    words = ["accept", CUSTOMER, "--key", str(accepted.key), "--with-failover"]
    code, planned = accepted.ops(*words)
    assert (code, planned["applied"], accepted.left()) == (0, False, [])
    approved = ["--apply", "--reason", "a test", "--digest", planned["digest"]]
    code, done = accepted.ops(*words, *approved)
    unseen = [each for each in done["observations"] if not each["seen"]]
    assert (code, unseen, done["result"]) == (
        0,
        [],
        f"accepted: all {len(done['observations'])} observations were made",
    )
    assert {each["check"] for each in done["observations"]} == {each.value for each in Check}
    rehearsed = [each for each in done["observations"] if each["check"] == Check.FAILOVER]
    assert len(rehearsed) == 4
    assert all(each["seconds"] is not None for each in rehearsed)
    assert all(Path(page).read_text() for page in done["report"])
    assert accepted.left() == []
    code, gaps = accepted.ops("gaps", "--window", "1h")
    assert code == 0, gaps
    accepted.calls += [each for each in accepted.world.aws.calls() if each["caller"] == "ops-accept"]


#: The actions that IAM asks for, where they are not named like the operation:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
ACTIONS = {
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
}
#: What is allowed and is not called in the local world: default quotas are read where AWS states no value,
#: S3 and Secrets Manager use the keys in the operator's name, and a permission to list says what is absent.
NOT_CALLED = {
    "servicequotas:GetAWSDefaultServiceQuota",
    "servicequotas:ListAWSDefaultServiceQuotas",
    "kms:Decrypt",
    "kms:GenerateDataKey",
}


def needed(call: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    """Return the action, the resource and the context of a call."""
    given, service = call["given"], call["service"]
    arn = f"arn:aws-us-gov:{service}:{call['region']}:123456789012:"
    action = ACTIONS.get(f"{service}:{call['operation']}", f"{service}:{call['operation']}")
    match service:
        case "s3" if "Key" in given:
            action += "Version" if "VersionId" in given else ""
            return action, f"arn:aws-us-gov:s3:::{given['Bucket']}/{given['Key']}", {}
        case "s3":
            return action, f"arn:aws-us-gov:s3:::{given['Bucket']}" if "Bucket" in given else "*", {}
        case "dynamodb":
            return action, f"{arn}table/{given['TableName']}", {}
        case "ssm":
            return action, f"{arn}parameter{given['Name']}", {}
        case "secretsmanager":
            return action, f"{arn}secret:{given['SecretId']}-AbCdEf", {}
        case "sqs" if "QueueUrl" in given:
            return action, f"{arn}{given['QueueUrl'].rpartition('/')[2]}", {}
        case "sqs" if call["operation"] == "CreateQueue":
            return action, f"{arn}example-mft-cell1-mft-acceptance-1", {}  # its name is not recorded
        case "sns" if "TopicArn" in given:
            return action, given["TopicArn"], {}
        case "cloudwatch" if "Namespace" in given:
            return action, "*", {"cloudwatch:namespace": given["Namespace"]}
        case _:
            return action, "*", {}


def test_the_policy_of_the_page_allows_what_is_called_and_nothing_else(accepted):
    """It follows the test of the whole acceptance, whose calls it takes."""
    assert accepted.calls
    names = {"NAMESPACE": "example-mft", "ACCOUNT": "123456789012", "CUSTOMER": CUSTOMER, "CELL": "1"}
    text = acceptance.policy(DESTINATION="example-agency-acceptance", **names)
    statements = parsed(json.loads(text))
    used: set[tuple[str, str]] = set()
    refused: set[str] = set()
    for call in accepted.calls:
        action, resource, context = needed(call)
        if action == "sts:GetCallerIdentity":  # it needs no permission
            continue
        by = granting(statements, action, resource, context)
        refused |= set() if by else {f"{action} on {resource}"}
        used |= {(each.sid, action) for each in by}
    assert refused == set()
    allowed = {(each.sid, action) for each in statements for action in each.actions}
    assert {pair for pair in allowed - used if pair[1] not in NOT_CALLED} == set()


# --- Interrupted -------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


@contextlib.contextmanager
def dying_after(operation: str, times: int) -> Iterator[None]:
    """Let the process end when AWS has done this operation so many times, before the answer is heard."""
    made = boto3.client
    count = iter(range(times))

    def die(**_: Any) -> None:
        if next(count, None) is None:
            raise Killed

    def client(*args: Any, **how: Any) -> Any:
        one = made(*args, **how)
        one.meta.events.register(f"after-call.{operation}", die)
        return one

    boto3.client = client
    environment._client.cache_clear()
    try:
        yield
    finally:
        boto3.client = made
        environment._client.cache_clear()


#: Each effect of an acceptance, and how often it happens before the process ends.
EFFECTS = [
    ("s3.PutObject", 0),  # the record of the first region
    ("s3.PutObject", 1),
    ("sqs.CreateQueue", 0),
    ("sqs.SetQueueAttributes", 0),
    ("sns.Subscribe", 0),
    ("sns.Subscribe", 1),
    ("s3.PutObject", 2),  # the file that is sent by S3
    ("sqs.DeleteMessage", 3),
    ("sns.Unsubscribe", 0),
    ("sqs.DeleteQueue", 0),
    ("s3.DeleteObject", 0),
    ("s3.DeleteObject", 40),
    ("ssm.PutParameter", 0),  # out
    ("ssm.PutParameter", 1),  # and back
    ("cloudwatch.PutMetricData", 0),
]


def test_an_acceptance_that_is_killed_at_any_effect_is_cleaned_up_by_the_next(accepted):
    for effect, times in EFFECTS:
        with dying_after(effect, times), pytest.raises(Killed):
            accepted.acceptance(Observations(), with_failover=True).carry_out("a test")
    accepted.fly()
    observed = Observations()
    accepted.acceptance(observed).carry_out("a test")
    assert [each.line for each in observed.unseen] == []
    assert accepted.left() == []
    assert {side: accepted.planned().out for side in SIDES} == {WEST: [], EAST: []}


def test_a_region_that_a_person_took_out_is_not_put_back(accepted):
    code, planned = accepted.ops("evacuate", REGION_OF[WEST])
    digest = planned["digest"]
    words = ("--apply", "--reason", "maintenance", "--digest", digest)
    assert accepted.ops("evacuate", REGION_OF[WEST], *words)[0] == 0
    code, refused = accepted.ops("accept", CUSTOMER, "--key", str(accepted.key))
    code_back, planned = accepted.ops("restore", REGION_OF[WEST])
    words = ("--apply", "--reason", "done", "--digest", planned["digest"])
    assert accepted.ops("restore", REGION_OF[WEST], *words)[0] == 0
    assert (code, refused["refused"]) == (
        1,
        "us-gov-west-1 is out, and an acceptance needs both regions in DNS; restore it first:"
        " mft-ops restore us-gov-west-1",
    )
    assert code_back == 0


def test_an_acceptance_whose_outcome_is_not_recorded_has_failed(accepted, monkeypatch):
    write, words = Logbook._write, ["accept", CUSTOMER, "--key", str(accepted.key)]

    def refuse(book: Logbook, key: str, document: Any) -> None:
        if key.endswith("outcome.json"):
            raise EndpointConnectionError(endpoint_url="https://s3")
        write(book, key, document)

    accepted.fly()
    monkeypatch.setattr(Logbook, "_write", refuse)
    digest = accepted.ops(*words)[1]["digest"]
    code, done = accepted.ops(*words, "--apply", "--reason", "a test", "--digest", digest)
    assert (code, done["unseen"], len(done["warnings"])) == (1, 0, 2)


def test_a_plan_that_was_reviewed_before_something_was_left(accepted):
    words = ["accept", CUSTOMER, "--key", str(accepted.key)]
    _, planned = accepted.ops(*words)
    cell = accepted.cells()[WEST]
    key = f"{cell.customer.s3_folder}{file_name('old', WEST, 's3')}"
    put = cell.client("s3").put_object(Bucket=cell.inbound, Key=key, Body=b"left")
    code, refused = accepted.ops(*words, "--apply", "--reason", "a test", "--digest", planned["digest"])
    assert code == 1
    assert refused["refused"].startswith(f"plan {planned['digest']} no longer holds: ")
    assert put["VersionId"] in refused["refused"]
    observed = Observations()
    sent_files.await_ends([SentFile.found(cell, "s3", key, b"left")], WHOLE)
    accepted.acceptance(observed)._remove()
    assert accepted.left() == []


# --- Planted faults ----------------------------------------------------------------------------------


def look(check: Callable[[Observations], object]) -> dict[str, str]:
    """Return what a check does not see: what was found, by where and what."""
    observed = Observations()
    check(observed)
    assert observed.made
    return {f"{each.where}: {each.what}": each.found for each in observed.unseen}


def test_nothing_is_wrong_without_a_fault(accepted):
    cells, since = accepted.cells(), datetime.now(UTC) - timedelta(minutes=1)
    assert look(lambda observed: host_keys.look(cells, observed)) == {}
    assert look(lambda observed: aws_deliveries.look(cells[WEST], observed, since=since)) == {}
    customer = accepted.customer().customer
    assert look(lambda observed: route53_health.look(accepted.environment(), customer, observed)) == {}


def new_key(type: str, **how: Any) -> str:
    """Return a new private key as Transfer Family takes it."""
    return asyncssh.generate_private_key(type, **how).export_private_key("pkcs1-pem").decode()


@contextlib.contextmanager
def other_endpoint(accepted: AcceptedWorld, side: str) -> Iterator[None]:
    """Let an endpoint present a host key that is not the stack's."""
    usual = accepted.world.endpoints[side]
    usual.stop()
    keys = [new_key("ssh-rsa", key_size=2048), new_key("ecdsa-sha2-nistp256")]
    other = TransferEndpoint(
        server_id=usual.server_id,
        region=REGION_OF[side],
        address=ADDRESSES[side],
        port=accepted.world.sftp_port,
        host_keys=keys,
        s3=usual.s3,
        transfer=usual.transfer,
        events=accepted.world.aws.new_client("events", REGION_OF[side], user_agent_extra=TRANSFER_AGENT),
    )
    try:
        with other:
            yield
    finally:
        usual.start()


def test_another_host_key(accepted):
    with other_endpoint(accepted, EAST):
        found = look(lambda observed: host_keys.look(accepted.cells(), observed))
        assert list(found) == ["us-gov-east-1: 127.0.0.3 presents the stored host keys and no others"]
        observed = Observations()
        run = accepted.acceptance(observed)
        run._by_sftp(run.cells[EAST], host_keys.look(run.cells, Observations()).get(EAST), lambda *_: None)
        assert [each.found for each in observed.unseen] == [
            "no address presents the host keys that it should"
        ]


def test_an_endpoint_that_is_silent(accepted):
    accepted.world.endpoints[WEST].stop()
    try:
        found = look(lambda observed: host_keys.look(accepted.cells(), observed))
    finally:
        accepted.world.endpoints[WEST].start()
    assert list(found) == ["us-gov-west-1: 127.0.0.2 presents the stored host keys and no others"]


def test_a_host_key_too_many(accepted):
    transfer, server = accepted.client("transfer", EAST), accepted.world.endpoints[EAST].server_id
    made = transfer.import_host_key(ServerId=server, HostKeyBody=new_key("ecdsa-sha2-nistp256"))
    try:
        found = look(lambda observed: host_keys.look(accepted.cells(), observed))
    finally:
        transfer.delete_host_key(ServerId=server, HostKeyId=made["HostKeyId"])
    assert "us-gov-east-1: the server has the two host keys of the stack and no others" in found


def test_a_login_that_is_refused(accepted):
    transfer, server = accepted.client("transfer", WEST), accepted.world.endpoints[WEST].server_id
    user = transfer.describe_user(ServerId=server, UserName=USER)["User"]
    (key,) = user["SshPublicKeys"]
    transfer.delete_ssh_public_key(ServerId=server, UserName=USER, SshPublicKeyId=key["SshPublicKeyId"])
    observed = Observations()
    run = accepted.acceptance(observed)
    endpoints = host_keys.look(run.cells, Observations())
    try:
        run._by_sftp(run.cells[WEST], endpoints[WEST], lambda session, content: session.send(content))
    finally:
        body = key["SshPublicKeyBody"]
        transfer.import_ssh_public_key(ServerId=server, UserName=USER, SshPublicKeyBody=body)
    assert [each.line for each in observed.unseen] == [
        f"NOT SEEN: us-gov-west-1: a session of {USER}: Permission denied for user {USER} on host 127.0.0.2"
    ]


@pytest.fixture
def sent(accepted: AcceptedWorld) -> Iterator[Callable[..., list[SentFile]]]:
    """Sends files by S3, or by SFTP too, from one side; what was sent is removed afterwards."""

    def send(side: str, *, by_sftp: bool = False) -> list[SentFile]:
        run = accepted.acceptance(Observations())
        if by_sftp:
            endpoint = host_keys.look(run.cells, Observations())[side]
            run._by_sftp(run.cells[side], endpoint, lambda session, content: session.send(content))
        run._by_s3(run.cells[side])
        return run.files

    yield send
    observed = Observations()
    accepted.acceptance(observed)._remove()
    assert observed.unseen == []


def test_a_destination_that_refuses(accepted, sent):
    partner = accepted.world.external_parties.partners[CUSTOMER, "server"]
    cells = accepted.cells()
    run = accepted.acceptance(Observations())
    endpoint = host_keys.look(run.cells, Observations())[WEST]
    partner.faults.refuse()
    try:
        run._by_sftp(cells[WEST], endpoint, lambda session, content: session.send(content))
        sent_files.await_ends(run.files, SHORT)
        found = look(lambda observed: [sent_files.judge(each, observed) for each in run.files])
        what = "us-gov-west-1: the file `put` is delivered to server"
        assert found[what].startswith("it is under way after ")
        run.observed = Observations()
        run._remove()
        assert [f"@{partner.host}:{partner.port}:" in each.where for each in run.observed.unseen] == [True]
    finally:
        partner.faults.clear()


def test_a_destination_that_has_other_content_or_nothing(accepted, sent):
    (file,) = sent(EAST)
    sent_files.await_ends([file], WHOLE)
    assert look(lambda observed: sent_files.judge(file, observed)) == {}
    s3 = accepted.client("s3")
    name = {"Bucket": "example-agency-acceptance", "Key": file.cell.name_at_destination(file.key)}
    what = "us-gov-east-1: the file `s3` at bucket is the file, byte for byte"
    s3.put_object(**name, Body=b"other")
    found = look(lambda observed: sent_files.judge(file, observed))
    assert list(found) == [what]
    other = dataclasses.replace(file, content=bytes(len(file.content)))
    found = look(lambda observed: sent_files.judge(other, observed))
    assert set(found) == {what, "us-gov-east-1: the file `s3` is delivered to bucket"}
    s3.delete_object(**name)
    assert look(lambda observed: sent_files.judge(file, observed)) == {what: "nothing there"}


def test_an_archive_without_the_copy(accepted, sent):
    (file,) = sent(WEST)
    sent_files.await_ends([file], WHOLE)
    where = {"Bucket": file.cell.bucket("archive"), "Key": file.archive_key}
    for each in accepted.client("s3").list_object_versions(Bucket=where["Bucket"], Prefix=where["Key"])[
        "Versions"
    ]:
        accepted.client("s3").delete_object(**where, VersionId=each["VersionId"])
    found = look(lambda observed: sent_files.judge(file, observed))
    assert found == {"us-gov-west-1: the file `s3` is archived": "the archive has no such copy"}


def test_receipts_that_do_not_come(accepted, sent):
    queues = {side: ReceiptQueue(cell=cell, run="t1") for side, cell in accepted.cells().items()}
    for queue in queues.values():
        queue.open()
    sns = accepted.client("sns", WEST)
    (arn,) = list(receipts_of(accepted, WEST))
    sns.unsubscribe(SubscriptionArn=arn)
    files = [*sent(WEST), *sent(EAST)]
    sent_files.await_ends(files, WHOLE)
    found = look(lambda observed: sent_files.receipts(files, queues, observed, SHORT))
    assert found == {
        "us-gov-west-1: the receipt of the file `s3` says delivered": "none has come 2 s after its workflow"
    }


def receipts_of(accepted: AcceptedWorld, side: str) -> Iterator[str]:
    from ops.acceptance import receipts

    return receipts.subscriptions(accepted.cells()[side])


@pytest.mark.parametrize("kind", ["s3", "dynamodb"])
def test_replication_that_has_stopped(accepted, sent, kind):
    accepted.world.aws.replication_lag(**{kind: 4.0})
    try:
        (file,) = sent(WEST)
        sent_files.await_ends([file], WHOLE)
        short = Patience(delivery=0, replication=0, pause=0.2)
        found = look(lambda observed: replication.look([file], accepted.cells(), observed, short))
    finally:
        accepted.world.aws.replication_lag()
    what = "us-gov-west-1: the file `s3`: "
    if kind == "s3":
        assert found[f"{what}the version in us-gov-east-1 is a replica of it"].startswith(
            "PENDING and absent"
        )
        assert found[f"{what}so is the copy in the archive"].startswith("PENDING and absent")
    else:
        assert set(found) == {f"{what}every fact about it is in us-gov-east-1"}
    observed = Observations()
    replication.look([file], accepted.cells(), observed, WHOLE)
    assert observed.unseen == []


def test_replication_without_time_control_or_events(accepted):
    s3, bucket = accepted.client("s3", EAST), accepted.cells()[EAST].inbound
    usual = s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]
    notified = s3.get_bucket_notification_configuration(Bucket=bucket)
    changed = json.loads(json.dumps(usual))
    for name in ("ReplicationTime", "Metrics"):
        changed["Rules"][0]["Destination"].pop(name)
    what = f"us-gov-east-1: {bucket} replicates to us-gov-west-1 under time control, and reports late copies"

    def found() -> dict[str, str]:
        return look(lambda observed: replication.look([], accepted.cells(), observed, SHORT))

    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=changed)
    assert found() == {what: "no minutes, 4 kinds of events"}
    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=usual)
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    assert found() == {what: "15 minutes, 0 kinds of events"}
    notified.pop("ResponseMetadata")
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=notified)
    assert found() == {}


def test_an_audit_record_that_can_be_removed(accepted):
    cell = accepted.cells()[WEST]
    bucket = cell.bucket("config")
    accepted.client("s3").put_object(Bucket=bucket, Key="actions/intent.json", Body=b"{}")
    found = look(lambda observed: aws_deliveries.audit(cell, f"s3://{bucket}/actions/", observed))
    assert list(found.values()) == ["it has no retention"]


def aws(accepted: AcceptedWorld, side: str = WEST) -> dict[str, str]:
    since = datetime.now(UTC) - timedelta(minutes=15)
    return look(lambda observed: aws_deliveries.look(accepted.cells()[side], observed, since=since))


def test_an_event_that_did_not_reach_its_target(accepted):
    rule = accepted.one(WEST, "aws:cloudwatch/eventRule:EventRule", "cell1-intake-sdk-uploads").outputs[
        "name"
    ]
    accepted.metric(WEST, "AWS/Events", "FailedInvocations", 2, RuleName=rule)
    found = aws(accepted)
    accepted.metric(WEST, "AWS/Events", "FailedInvocations", -2, RuleName=rule)
    what = "us-gov-west-1: EventBridge has reached every target"
    assert found == {what: f"2 failed: {rule}"}


def test_a_notification_that_did_not_reach_its_subscriber(accepted):
    topic = accepted.cells()[EAST].manifest.alerts.rpartition(":")[2]
    accepted.metric(EAST, "AWS/SNS", "NumberOfNotificationsFailed", 1, TopicName=topic)
    found = aws(accepted, EAST)
    accepted.metric(EAST, "AWS/SNS", "NumberOfNotificationsFailed", -1, TopicName=topic)
    assert found == {"us-gov-east-1: SNS has reached every subscriber": f"1 failed: {topic}"}


def test_alarms_that_nobody_gets_and_subscriptions_that_wait(accepted):
    sns, alerts = accepted.client("sns"), accepted.cells()[WEST].manifest.alerts
    what = "us-gov-west-1: somebody is told of alarms, and all subscriptions are confirmed"
    other = "arn:aws-us-gov:sqs:us-gov-west-1:210987654321:theirs"
    made = sns.subscribe(TopicArn=alerts, Protocol="sqs", Endpoint=other, ReturnSubscriptionArn=True)
    assert aws(accepted) == {what: f"2 subscribed to the alarms; not confirmed: sqs {other}"}
    sns.unsubscribe(SubscriptionArn=made["SubscriptionArn"])
    (usual,) = sns.list_subscriptions_by_topic(TopicArn=alerts)["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=usual["SubscriptionArn"])
    assert aws(accepted) == {what: "nobody is subscribed to the alarms"}
    sns.subscribe(TopicArn=alerts, Protocol="sqs", Endpoint=usual["Endpoint"])
    assert aws(accepted) == {}


def test_dead_letters(accepted):
    url = accepted.cells()[EAST].manifest.dead_letters["ingest"]
    sqs = accepted.client("sqs", EAST)
    sqs.send_message(QueueUrl=url, MessageBody="dead")
    found = aws(accepted, EAST)
    sqs.purge_queue(QueueUrl=url)
    (words,) = found.values()
    assert list(found) == ["us-gov-east-1: no dead letters wait"]
    assert "ingest: 1" in words


def test_an_intake_that_is_off(accepted):
    functions, name = accepted.client("lambda"), accepted.cells()[WEST].manifest.functions["ingest"]
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    found = aws(accepted)
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert found == {"us-gov-west-1: the intake queue feeds its function": "Disabled, at most 20 at once"}


def test_a_vpc_without_its_flow_log(accepted):
    ec2 = accepted.client("ec2", EAST)
    (log,) = ec2.describe_flow_logs()["FlowLogs"]
    ec2.delete_flow_logs(FlowLogIds=[log["FlowLogId"]])
    found = aws(accepted, EAST)
    ec2.create_flow_logs(
        ResourceIds=[log["ResourceId"]],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestination=log["LogDestination"],
    )
    assert found == {"us-gov-east-1: the VPC's flow log is active": f"{log['ResourceId']} has none"}
    assert aws(accepted, EAST) == {}


def test_a_health_check_that_is_unhealthy_and_names_that_have_moved(accepted):
    customer, names_answer = accepted.customer().customer, f"DNS: the names of {CUSTOMER} answer as usual"
    dimensions = {"Namespace": accepted.world.namespace, "Cell": "1", "Region": REGION_OF[EAST]}
    server = accepted.world.dns
    assert server is not None

    def publish(value: float) -> None:
        accepted.metric(WEST, "mft/switch", "Out", value, **dimensions)
        server.refresh()

    publish(1)
    try:
        found = look(lambda observed: route53_health.look(accepted.environment(), customer, observed))
    finally:
        WHOLE.until(lambda: (publish(0), all(server.health().values()) or _only_outs(server))[1], within=60)
    assert set(found) == {
        "Route 53: the check `cell` of us-gov-east-1 is healthy",
        f"Route 53: the check `customer/{CUSTOMER}` of us-gov-east-1 is healthy",
        names_answer,
    }
    assert "Failure: it is unhealthy" in found["Route 53: the check `cell` of us-gov-east-1 is healthy"]


def _only_outs(server: Any) -> bool:
    return sum(not well for well in server.health().values()) == 2  # the two checks that never are healthy


def test_names_that_do_not_move(accepted, monkeypatch):
    monkeypatch.setattr(switching, "GIVE_UP", 5.0)
    observed = Observations()
    rehearsal = FailoverRehearsal(accepted.environment(), accepted.root, "a test", observed, WHOLE)
    route53 = accepted.client("route53")
    reference = check_reference(accepted.world.namespace, "1", EAST, "cell")
    (cell,) = [
        each
        for page in route53.get_paginator("list_health_checks").paginate()
        for each in page["HealthChecks"]
        if each["CallerReference"].startswith(reference)
    ]
    for child in cell["HealthCheckConfig"]["ChildHealthChecks"]:
        config = route53.get_health_check(HealthCheckId=child)["HealthCheck"]["HealthCheckConfig"]
        if not config.get("Disabled"):
            watched = child
            route53.update_health_check(HealthCheckId=child, Disabled=True)
    try:
        rehearsal.play()
    finally:
        route53.update_health_check(HealthCheckId=watched, Disabled=False)
    out = "us-gov-east-1 is taken out, and every name answers with us-gov-west-1"
    (first, *_) = observed.unseen  # on a slow machine others, that West is late
    assert (first.where, first.what) == ("us-gov-east-1", out)
    assert f"east.{CUSTOMER}" in first.found
    assert accepted.planned().out == []


def test_a_difference_that_ready_finds(accepted):
    ssm, name = accepted.client("ssm"), "/example-mft/cell1/registry"
    value = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    ssm.put_parameter(Name=name, Value="another", Type="String", Overwrite=True)
    observed = Observations()
    run = accepted.acceptance(observed)
    try:
        run._ready()
    finally:
        ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
    assert any("revision another of the registry is deployed" in each.found for each in observed.unseen)


def test_a_canary_that_fails_and_a_probe_that_reaches_too_few(accepted):
    """It is the last test here: a metric cannot be taken back."""
    cell = accepted.cells()[WEST]
    accepted.metric(WEST, METRICS, METRIC_CANARY, 0, **cell_dimensions(accepted.world.namespace, "1"))
    addresses = [*cell.manifest.addresses, "203.0.113.250"]
    cell.__dict__["manifest"] = dataclasses.replace(cell.manifest, addresses=addresses)
    found = look(lambda observed: aws_deliveries.schedules(cell, observed, SHORT))
    assert found == {
        "us-gov-west-1: the canary's last file was delivered": "not delivered",
        "us-gov-west-1: the probe reaches every address of the endpoint, through NAT": "3 of 4",
    }
