"""`python -m ops ready`: both cells as the program makes them, and the differences that it reports."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest
from botocore.exceptions import ClientError

from customers import service_quotas
from customers.quota import Needs
from customers.service_quotas import BUCKETS, CONCURRENCY, INTERFACE_ENDPOINTS, ServiceQuota
from local.aws.ministack.service_quotas import code_of
from ops.dns import account_quotas
from ops.dns.dns_changes import Limit
from ops.dns.name_servers import ENV_NAME_SERVERS
from ops.health.served_keys import ENV_SFTP_PORT
from runtime.contract import EAST, ENDPOINTS, REGION_OF, SIDES, WEST, Position, config_key
from tests.ops.twins import ADDRESSES, ZONE, Twins, twin_cells, twins  # noqa: F401 - fixtures
from tests.runtime.cells import ROLE

EASTERN, WESTERN = REGION_OF[EAST], REGION_OF[WEST]
UP = {side: f"run `pulumi up --refresh --stack gov-{side}`" for side in SIDES}


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    """Its callbacks are called when the test ends."""
    with ExitStack() as stack:
        yield stack


def test_cells_that_are_alike_and_well(twins):  # noqa: F811
    result = twins.ops("ready")
    assert (result.code, result.err) == (0, "")
    about = r"\(4 customers, registry [0-9a-f]{12}, no certificates\)"
    assert re.fullmatch(rf"ready: both cells are alike and well {about}\n", result.out)
    assert {name for _, name in twins.calls if not name.startswith(("Get", "List", "Describe"))} == set()
    assert "iam" not in {service for service, _ in twins.calls}

    result = twins.ops("ready", "r2w6d", "--json")
    assert (result.code, result.err) == (0, "")
    document = json.loads(result.out)
    assert document.pop("registry")
    assert document == {"ready": True, "customers": 1, "silent": [], "certificates": 0, "differences": []}


def test_unknown_customers_are_refused(twins):  # noqa: F811
    result = twins.ops("ready", "c7k2n", "zzzzz", "h4t9q")
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines() == [
        "'c7k2n' is not a customer of this cell; did you mean c7k2m?",
        "'zzzzz' is not a customer of this cell",
    ]
    assert twins.calls == []


# --- Host keys, as served ----------------------------------------------------------------------------


def test_an_endpoint_that_serves_another_key(twins, cleanup):  # noqa: F811
    rsa, _ = twins.keys
    new = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    more = asyncssh.generate_private_key("ssh-ed25519")
    exported = [key.export_private_key().decode() for key in (new, more)]
    cleanup.callback(twins.ssh.serve, ADDRESSES[EAST], twins.keys)
    twins.ssh.serve(ADDRESSES[EAST], [rsa, *exported])
    before = asyncssh.import_private_key(twins.keys[1]).get_fingerprint()
    remedy = (
        "clients would refuse to connect after a failover: set mft:hostKeyRsa and mft:hostKeyEcdsa to the"
        " same keys in both stacks, and run `pulumi up --refresh --stack gov-east`"
        " and `pulumi up --refresh --stack gov-west`"
    )
    assert sorted(twins.differences()) == [
        f"{EASTERN} and {WESTERN}: the ecdsa-sha2-nistp256 host keys differ:"
        f" {new.get_fingerprint()} and {before}; {remedy}",
        f"{EASTERN} and {WESTERN}: the ssh-ed25519 host keys differ:"
        f" {more.get_fingerprint()} and none; {remedy}",
        f"{EASTERN} as served and {EASTERN} as stored: the ecdsa-sha2-nistp256 host keys differ:"
        f" {new.get_fingerprint()} and {before}; {remedy}",
    ]


def test_an_endpoint_that_is_silent(twins, cleanup):  # noqa: F811
    cleanup.callback(twins.ssh.serve, ADDRESSES[WEST], twins.keys)
    twins.ssh.stop(ADDRESSES[WEST])
    (line,) = twins.differences()
    start = f"{WESTERN}: the SFTP endpoint serves no host key at 127.0.0.2, port {twins.ssh.port}: "
    assert line.startswith(start)
    assert "source_cidrs" in line


@pytest.mark.parametrize("port", ["", "ssh", "0", "65536", "-1", "٢٢"])
def test_a_malformed_port_is_refused(twins, monkeypatch, port):  # noqa: F811
    monkeypatch.setenv(ENV_SFTP_PORT, port)
    result = twins.ops("ready")
    assert (result.code, result.out) == (1, "")
    expected = f"MFT_SFTP_PORT: {port!r} is not a port; write a number such as 22, or unset it\n"
    assert result.err == expected
    assert twins.calls == []


# --- Customers, in either region ---------------------------------------------------------------------


def test_missing_resources_of_customers_in_one_region(twins, cleanup):  # noqa: F811
    s3, transfer, sns = (twins.client(service, EAST) for service in ("s3", "transfer", "sns"))
    server = twins.one(EAST, "aws:transfer/server:Server", "cell1-endpoint-server").id
    user = {"ServerId": server, "UserName": "c7k2m-batch"}
    was = transfer.describe_user(**user)["User"]
    bucket = twins.bucket("c7k2m", EAST)

    _without_replication(s3, bucket, cleanup)
    versioning = partial(s3.put_bucket_versioning, Bucket=bucket)
    cleanup.callback(versioning, VersioningConfiguration={"Status": "Enabled"})
    versioning(VersioningConfiguration={"Status": "Suspended"})
    _encrypted_otherwise(s3, bucket, cleanup)
    _documented_otherwise(s3, f"{twins.namespace}-cell1-config-east", cleanup)
    home = [{"Entry": "/", "Target": f"/{bucket}/inbound"}]
    cleanup.callback(transfer.update_user, **user, HomeDirectoryMappings=was["HomeDirectoryMappings"])
    transfer.update_user(**user, HomeDirectoryMappings=home)
    for key in was["SshPublicKeys"]:
        cleanup.callback(transfer.import_ssh_public_key, **user, SshPublicKeyBody=key["SshPublicKeyBody"])
        transfer.delete_ssh_public_key(**user, SshPublicKeyId=key["SshPublicKeyId"])
    stray = {"ServerId": server, "UserName": "nobody-any-more"}
    cleanup.callback(transfer.delete_user, **stray)
    transfer.create_user(**stray, Role=was["Role"], HomeDirectoryType="LOGICAL", HomeDirectoryMappings=home)
    topic = twins.one(EAST, "aws:sns/topic:Topic", "r2w6d-receipts").outputs["arn"]
    cleanup.callback(sns.create_topic, Name=topic.rpartition(":")[2])
    sns.delete_topic(TopicArn=topic)

    c7k2m, r2w6d = f"{EASTERN}: c7k2m: ", f"{EASTERN}: r2w6d: "
    keys = len(was["SshPublicKeys"])
    assert twins.differences() == [
        f"{EASTERN}: the SFTP user nobody-any-more exists, and no customer that sends has such a user;"
        f" {UP[EAST]}",
        f"{c7k2m}the bucket {bucket} keeps no versions; {UP[EAST]}",
        f"{c7k2m}the bucket {bucket} is encrypted by AES256, not by aws:kms; {UP[EAST]}",
        f"{c7k2m}the replication of the bucket {bucket} does not exist; {UP[EAST]}",
        f"{c7k2m}the routing document is not this registry's: lifecycle, routes differ; {UP[EAST]}",
        f"{c7k2m}the SFTP user c7k2m-batch has other keys than the registry: {keys} missing; {UP[EAST]}",
        f"{c7k2m}the SFTP user c7k2m-batch sees /{bucket}/inbound,"
        f" not /{bucket}/inbound/sftp/c7k2m-batch; {UP[EAST]}",
        f"{r2w6d}the topic of its receipts does not exist; {UP[EAST]}",
    ]
    assert len(twins.differences("h4t9q")) == 1, "other customers' are not looked at, the cell is"


def _without_replication(s3: Any, bucket: str, cleanup: ExitStack) -> None:
    rules = s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]
    cleanup.callback(s3.put_bucket_replication, Bucket=bucket, ReplicationConfiguration=rules)
    s3.delete_bucket_replication(Bucket=bucket)


def _encrypted_otherwise(s3: Any, bucket: str, cleanup: ExitStack) -> None:
    encrypt = partial(s3.put_bucket_encryption, Bucket=bucket)
    was = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    cleanup.callback(encrypt, ServerSideEncryptionConfiguration=was)
    plain = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    encrypt(ServerSideEncryptionConfiguration=plain)


def _documented_otherwise(s3: Any, config: str, cleanup: ExitStack) -> None:
    where = {"Bucket": config, "Key": config_key("c7k2m")}
    body = s3.get_object(**where)["Body"].read()
    cleanup.callback(s3.put_object, **where, Body=body)
    s3.put_object(**where, Body=json.dumps(json.loads(body) | {"routes": [], "lifecycle": "draining"}))


def test_a_registry_that_is_not_deployed(twins, cleanup):  # noqa: F811
    file = twins.root / "customers" / "agency-c.yaml"
    cleanup.callback(shutil.copy, file.with_suffix(".was"), file)
    shutil.copy(file, file.with_suffix(".was"))
    file.write_text(file.read_text().replace("lifecycle: onboarding", "lifecycle: active"))
    lines = twins.differences("r2w6d")
    for side in SIDES:
        region, bucket = REGION_OF[side], twins.bucket("r2w6d", side)
        differences = [each.removeprefix(f"{region}: ") for each in lines if each.startswith(f"{region}: ")]
        revision, *of_customer = differences
        assert re.fullmatch(
            r"revision [0-9a-f]{12} of the registry is deployed, and this is [0-9a-f]{12};"
            rf" {UP[side]}, or look from the checkout that is deployed",
            revision,
        )
        assert of_customer == [
            f"r2w6d: the replication of the bucket {bucket} does not exist; {UP[side]}",
            f"r2w6d: the routing document does not exist; {UP[side]}",
        ]
    held = [each for each in lines if each.startswith("Route 53: r2w6d: ")]
    assert (
        len([each for each in held if each.startswith("Route 53: r2w6d: there are 0 health checks `")]) == 2
    )
    assert len([each for each in held if " does not exist; " in each]) == 12
    assert len(held) == 2 + 12
    assert len([each for each in lines if each.startswith("DNS: r2w6d: ")]) == 6


# --- Copies ------------------------------------------------------------------------------------------


def test_copies_that_are_late(twins):  # noqa: F811
    """The last of three minutes counts, and it is well; published datapoints stay."""
    cloudwatch = twins.client("cloudwatch", EAST)
    source, copy = (twins.bucket("x8p3v", side) for side in (WEST, EAST))
    dimensions = {"SourceBucket": source, "DestinationBucket": copy, "RuleId": "to-peer"}
    datum = {
        "MetricName": "ReplicationLatency",
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
    }
    late = f"{EASTERN}: x8p3v: files arrive 1,234 s late from {WESTERN}; see docs/runbook.md#replication-late"
    for minutes, seconds, lines in ((10, 900, []), (9, 1234.4, [late]), (8, 899, [])):
        at = datetime.now(UTC) - timedelta(minutes=minutes)
        data = [{**datum, "Value": seconds, "Timestamp": at}]
        cloudwatch.put_metric_data(Namespace="AWS/S3", MetricData=data)
        assert twins.differences("x8p3v") == lines


# --- Route 53 and the name servers -------------------------------------------------------------------


def test_records_and_checks_that_differ_from_the_registry(twins, cleanup):  # noqa: F811
    east = twins.record(f"east.c7k2m.{ZONE}", "CNAME", EAST)
    west = twins.record(f"_bucket.primary.c7k2m.{ZONE}", "TXT", WEST)
    slow, gone = {**east, "TTL": 30}, twins.record(f"_bucket.west.x8p3v.{ZONE}", "TXT", EAST)
    own = twins.one(WEST, "aws:route53/healthCheck:HealthCheck", "x8p3v").id
    other = {**west, "HealthCheckId": own}
    stranger = {**gone, "Name": f"_bucket.west.zzzzz.{ZONE}.", "Failover": "SECONDARY"}
    host = twins.record(f"sftp.east1.{ZONE}", "A", None)
    fewer = {**host, "ResourceRecords": host["ResourceRecords"][1:]}
    cleanup.callback(
        twins.change,
        *(("UPSERT", each) for each in (east, west, gone, host)),
        ("DELETE", stranger),
    )
    twins.change(
        *(("UPSERT", each) for each in (slow, other, stranger, fewer)),
        ("DELETE", gone),
    )
    left = ", ".join(sorted(each["Value"] for each in fewer["ResourceRecords"]))
    every = ", ".join(sorted(each["Value"] for each in host["ResourceRecords"]))
    assert twins.differences() == [
        f"Route 53: sftp.east1.{ZONE} A is {left}, and the cell's addresses are {every}; {UP[EAST]}",
        f"Route 53: c7k2m: east.c7k2m.{ZONE} CNAME of east has TTL 30, not 60; {UP[EAST]}",
        f"Route 53: c7k2m: _bucket.primary.c7k2m.{ZONE} TXT of west has health check {own},"
        f" not that of `customer/c7k2m`; {UP[WEST]}",
        f"Route 53: x8p3v: _bucket.west.x8p3v.{ZONE} TXT of east does not exist; {UP[EAST]}",
        "Route 53: zzzzz: it has records, but is not in the registry;"
        " run `pulumi up --refresh --stack gov-east` and `pulumi up --refresh --stack gov-west`",
    ]


def test_a_customer_that_is_shifted_out_answers_with_the_other_region(twins, cleanup):  # noqa: F811
    out = twins.one(WEST, "aws:route53/healthCheck:HealthCheck", "cell1-health-out").id
    was = [
        twins.record(f"{name}.c7k2m.{ZONE}", type, WEST)
        for endpoint in ENDPOINTS
        for name, type in ((endpoint, "CNAME"), (f"_bucket.{endpoint}", "TXT"))
    ]
    cleanup.callback(twins.change, *(("UPSERT", each) for each in was))
    twins.change(*(("UPSERT", {**each, "HealthCheckId": out}) for each in was))
    (line,) = twins.differences()
    assert line == (f"Route 53: c7k2m: it is shifted out of {WESTERN}; mft-ops shift c7k2m --back"), (
        "and every answer is as it has to be then"
    )


def test_misconfigured_health_checks(twins, cleanup):  # noqa: F811
    route53 = twins.client("route53")
    out = twins.one(WEST, "aws:route53/healthCheck:HealthCheck", "cell1-health-out").id
    cell = twins.one(EAST, "aws:route53/healthCheck:HealthCheck", "cell1-health-cell").id
    for check, usual, broken in ((out, 2, 1), (cell, 6, 1)):
        threshold = partial(route53.update_health_check, HealthCheckId=check)
        cleanup.callback(threshold, HealthThreshold=usual)
        threshold(HealthThreshold=broken)
    lines = twins.differences("h4t9q")
    assert [each for each in lines if each.startswith("Route 53: ")] == [
        f"Route 53: {EASTERN}: the check `cell` requires 1 of 7 leaves to be healthy, not 6; {UP[EAST]}",
        f"Route 53: {WESTERN}: the check `out` can be healthy: a shift would move nobody; {UP[WEST]}",
    ]


def test_a_region_that_is_out_and_whose_names_still_answer(twins, cleanup):  # noqa: F811
    """The switch was moved but not published, so the names still answer, and that is reported."""
    cleanup.callback(twins.switch, WEST, Position.IN)
    twins.switch(WEST, Position.OUT)
    first, *answers = twins.differences("c7k2m")
    assert re.fullmatch(rf"{WESTERN}: it is out since .* UTC; mft-ops restore {WESTERN}", first)
    west = [f"{each}.c7k2m.{ZONE}" for each in ("_bucket.primary", "_bucket.west", "primary", "west")]
    assert sorted(each.split()[2].rstrip(".") for each in answers) == sorted(west)
    assert all(each.startswith("DNS: c7k2m: ") for each in answers)


@pytest.mark.parametrize("servers", ["127.0.0.1:9", "localhost"])
def test_unreachable_name_servers_are_one_difference(twins, monkeypatch, servers):  # noqa: F811
    monkeypatch.setenv(ENV_NAME_SERVERS, servers)
    (line,) = twins.differences("c7k2m")
    assert line.startswith("DNS: ")


# --- What is dead ------------------------------------------------------------------------------------


def test_with_west_dead_and_the_control_planes_with_it(twins):  # noqa: F811
    with twins.dead(WEST):
        lines = twins.differences()
    silent, switch, endpoint, control = lines
    assert silent.startswith(f"{WESTERN}: does not answer: ")
    assert switch == (
        f"{EASTERN}: where its switch stands is not known: {WESTERN} keeps it, and does not answer;"
        f" if {EASTERN} is out and {WESTERN} does not come back: mft-ops force-in {EASTERN}"
    )
    assert endpoint.startswith(f"{WESTERN}: the SFTP endpoint serves no host key at 127.0.0.2, ")
    assert control.startswith(f"Route 53: its control plane, in {WESTERN}, does not answer: ")


def test_with_east_dead_everything_else_is_compared(twins, cleanup):  # noqa: F811
    s3, bucket = twins.client("s3", WEST), twins.bucket("c7k2m", WEST)
    _encrypted_otherwise(s3, bucket, cleanup)
    with twins.dead(EAST):
        result = twins.ops("ready")
    *lines, summary = result.out.splitlines()
    assert result.code == 1
    assert [each.partition(": ")[0] for each in lines] == [EASTERN, WESTERN, WESTERN, EASTERN]
    assert lines[2] == (
        f"{WESTERN}: c7k2m: the bucket {bucket} is encrypted by AES256, not by aws:kms; {UP[WEST]}"
    )
    assert f"; {EASTERN} not looked at (" in summary


def test_with_both_regions_dead_there_is_nothing_to_compare(twins):  # noqa: F811
    with twins.dead(WEST), twins.dead(EAST):
        result = twins.ops("ready")
    assert (result.code, result.out) == (1, "")
    first, *regions = result.err.splitlines()
    assert first == "neither region answers, so nothing can be compared:"
    assert [each.partition(": does not answer: ")[0] for each in regions] == [EASTERN, WESTERN]


# --- Steps of the lifecycle ----------------------------------------------------------------------------


@pytest.fixture
def file(twins, cleanup) -> Callable[[str], Path]:  # noqa: F811
    """Return a customer's file, which is put back when the test ends."""

    def of(name: str) -> Path:
        path = twins.root / "customers" / f"{name}.yaml"
        cleanup.callback(path.write_bytes, path.read_bytes())
        return path

    return of


@pytest.mark.parametrize(
    ("verb", "id", "name", "was", "now"),
    [
        ("promote", "r2w6d", "agency-c", "onboarding", "active"),
        ("drain", "c7k2m", "agency-a", "active", "closing"),
        ("retire", "r2w6d", "agency-c", "onboarding", "retired"),
    ],
)
def test_a_step_is_written_when_both_cells_are_alike(twins, file, verb, id, name, was, now):  # noqa: F811
    path = file(name)
    before = path.read_bytes()
    assert before.count(f"lifecycle: {was}".encode()) == 1
    done = twins.ops(verb, id)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        f"customers/{name}.yaml: {id} was {was!r}, and is now {now!r}",
        "commit this; before the pull request: mft-ops check --base origin/main",
    ]
    assert path.read_bytes() == before.replace(f"lifecycle: {was}".encode(), f"lifecycle: {now}".encode())
    after = path.read_bytes()
    again = twins.ops("drain" if now == "active" else "promote", id, "--json")
    document = json.loads(again.out)
    assert (again.code, document["done"]) == (1, False)
    deployed = [each for each in document["missing"] if "of the registry is deployed, and this is" in each]
    assert [each.partition(":")[0] for each in deployed] == [EASTERN, WESTERN], "it is not deployed yet"
    assert path.read_bytes() == after


def test_several_customers_take_a_step_together_or_not_at_all(twins, file):  # noqa: F811
    paths = [file("agency-a"), file("agency-d")]
    before = [path.read_bytes() for path in paths]
    result = twins.ops("drain", "c7k2m", "r2w6d", "x8p3v")
    assert (result.code, result.out) == (1, "")
    assert "'r2w6d' is 'onboarding', from where no step leads in this direction" in result.err
    assert [path.read_bytes() for path in paths] == before
    assert twins.ops("drain", "c7k2m", "x8p3v").code == 0
    assert [path.read_bytes() != was for path, was in zip(paths, before, strict=True)] == [True, True]


def test_no_step_is_written_while_a_region_is_dead(twins, file):  # noqa: F811
    path = file("agency-c")
    before = path.read_bytes()
    with twins.dead(EAST):
        result = twins.ops("promote", "r2w6d")
    assert (result.code, path.read_bytes()) == (1, before)
    *lines, last = result.out.splitlines()
    assert any(line.startswith(f"{EASTERN}: does not answer: ") for line in lines)
    assert last == f"refused: {len(lines)} proofs are missing, and no file was changed"


# --- Quotas ------------------------------------------------------------------------------------------


def of_route53(needed: int, *, checks: Limit, quota: int = 200) -> list[str]:
    found = account_quotas.of_route53(
        Needs(health_checks=needed, records=100, buckets=10),
        checks=checks,
        records=Limit(allowed=10_000, used=100),
        health_check_quota=quota,
    )
    return [each.line for each in found]


REQUEST = "run `aws service-quotas request-service-quota-increase --service-code"


def test_quotas_of_route53():
    assert of_route53(200, checks=Limit(allowed=200, used=199)) == []
    assert of_route53(201, checks=Limit(allowed=200, used=0)) == [
        "Route 53: the registry needs 201 health checks, but quota L-ACB674F3 allows 200;"
        f" {REQUEST} route53 --quota-code L-ACB674F3 --desired-value 201 --region us-gov-west-1`"
    ]
    assert of_route53(1, checks=Limit(allowed=200, used=200)) == [
        "Route 53: all 200 health checks that quota L-ACB674F3 allows exist: none can be added;"
        " ask AWS for more, or remove those that nobody uses"
    ]
    assert of_route53(1, checks=Limit(allowed=200, used=0), quota=500) == [
        "Route 53: mft:healthCheckQuota is 500, and AWS allows 200;"
        f" {REQUEST} route53 --quota-code L-ACB674F3 --desired-value 500 --region us-gov-west-1`,"
        " or set it to 200 in both stack files"
    ]


def test_quotas_of_servers():
    assert list(account_quotas.of_servers({WESTERN: account_quotas.USERS_LIMIT - 1})) == []
    (full,) = account_quotas.of_servers({WESTERN: account_quotas.USERS_LIMIT, EASTERN: 3})
    assert full.line.startswith(f"{WESTERN}: the SFTP server has 10,000 users, and 10,000 are allowed;")


@pytest.fixture
def quota(twins, cleanup) -> Callable[[str, ServiceQuota, float], None]:  # noqa: F811
    def set(region: str, which: ServiceQuota, value: float) -> None:
        cleanup.callback(twins.aws.service_quota, region, code_of(which), None)
        twins.aws.service_quota(region, code_of(which), value)

    return set


def test_quotas_that_are_too_small_in_either_region(twins, quota):  # noqa: F811
    quota(EASTERN, service_quotas.ADDRESSES, 5)
    quota(WESTERN, CONCURRENCY, 10)
    quota(WESTERN, BUCKETS, 17)
    quota(EASTERN, INTERFACE_ENDPOINTS, 1)
    quota(EASTERN, service_quotas.STARTS, 100)
    assert sorted(twins.differences()) == [
        f"{EASTERN}: the registry needs 2 interface endpoints in a VPC, but quota L-29B6F2EB allows 1;"
        f" {REQUEST} vpc --quota-code L-29B6F2EB --desired-value 2 --region {EASTERN}`",
        f"{EASTERN}: the registry needs 6 Elastic IP addresses, but quota L-0263D0A3 allows 5;"
        f" {REQUEST} ec2 --quota-code L-0263D0A3 --desired-value 6 --region {EASTERN}`",
        f"{EASTERN}: the registry needs 800 executions started at once besides what others in the account"
        " use, but quota 'StartExecution throttle token bucket size' allows 100;"
        f" {REQUEST} states --quota-code {code_of(service_quotas.STARTS)} --desired-value 800"
        f" --region {EASTERN}`",
        f"{WESTERN}: the registry needs 18 buckets, but quota L-DC2B2D3D allows 17;"
        f" {REQUEST} s3 --quota-code L-DC2B2D3D --desired-value 18 --region {WESTERN}`",
        f"{WESTERN}: the registry needs 512 concurrent executions of functions,"
        " but quota L-B99A9384 allows 10;"
        f" {REQUEST} lambda --quota-code L-B99A9384 --desired-value 512 --region {WESTERN}`",
    ]


#: The end of an archive that holds nothing.
EMPTY_ZIP = b"PK\5\6" + bytes(18)


def test_what_others_in_the_account_use_counts(twins, cleanup, quota):  # noqa: F811
    ec2, s3 = twins.client("ec2", WEST), twins.client("s3", WEST)
    tags = [{"ResourceType": "elastic-ip", "Tags": [{"Key": "mft:cell", "Value": "1"}]}]
    for given in ({}, {"TagSpecifications": tags}):
        address = ec2.allocate_address(Domain="vpc", **given)
        cleanup.callback(ec2.release_address, AllocationId=address["AllocationId"])
    s3.create_bucket(Bucket="somebody-elses", CreateBucketConfiguration={"LocationConstraint": WESTERN})
    cleanup.callback(s3.delete_bucket, Bucket="somebody-elses")
    functions = twins.client("lambda", WEST)
    functions.create_function(
        FunctionName="somebody-elses",
        Runtime="python3.13",
        Role=ROLE,
        Handler="a.b",
        Code={"ZipFile": EMPTY_ZIP},
    )
    cleanup.callback(functions.delete_function, FunctionName="somebody-elses")
    functions.put_function_concurrency(FunctionName="somebody-elses", ReservedConcurrentExecutions=2)
    quota(WESTERN, BUCKETS, 18)
    quota(WESTERN, CONCURRENCY, 513)
    assert sorted(twins.differences()) == [
        f"{WESTERN}: the registry needs 18 buckets and others use 1, but quota L-DC2B2D3D allows 18;"
        f" {REQUEST} s3 --quota-code L-DC2B2D3D --desired-value 19 --region {WESTERN}`",
        f"{WESTERN}: the registry needs 512 concurrent executions of functions and others use 2,"
        f" but quota L-B99A9384 allows 513;"
        f" {REQUEST} lambda --quota-code L-B99A9384 --desired-value 514 --region {WESTERN}`",
        f"{WESTERN}: the registry needs 6 Elastic IP addresses and others use 1,"
        " but quota L-0263D0A3 allows 6;"
        f" {REQUEST} ec2 --quota-code L-0263D0A3 --desired-value 7 --region {WESTERN}`",
    ]


class _Denied:
    """A client of a service of which nothing may be read."""

    exceptions = SimpleNamespace(NoSuchResourceException=KeyError)

    def __getattr__(self, operation: str) -> Callable[..., None]:
        def denied(*given: Any, **request: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)

        return denied


def test_what_cannot_be_read_is_a_finding_and_no_shortage():
    needed = service_quotas.needed([], group_rules=60)
    quotas = account_quotas.of_region(
        needed, region=EASTERN, namespace="n", cells={"1"}, client=lambda service: _Denied()
    )
    (finding,) = quotas
    assert finding.line.startswith(
        f"{EASTERN}: whether the account may have 0 Elastic IP addresses (L-0263D0A3), "
    )
    assert "(L-C7B9AAAB) is not known: An error occurred (AccessDeniedException)" in finding.what
    assert "('StartExecution throttle token bucket size')" in finding.what
    assert "servicequotas:Get*" in finding.remedy


def test_a_quota_whose_value_aws_does_not_state_is_the_default():
    class Quotas:
        class exceptions:
            class NoSuchResourceException(Exception):
                pass

        def get_service_quota(self, **which: str) -> None:
            raise self.exceptions.NoSuchResourceException

        def get_aws_default_service_quota(self, **which: str) -> dict[str, Any]:
            return {
                "Quota": {
                    "Value": 5.0 if which["QuotaCode"] == service_quotas.ADDRESSES.code else 1_000.0,
                    "QuotaCode": which["QuotaCode"],
                }
            }

        def get_paginator(self, listing: str) -> Any:
            defaults = [
                {"QuotaName": each.name, "QuotaCode": "L-1", "Value": 800.0} for each in service_quotas.QUOTAS
            ]
            listed = defaults if listing == "list_aws_default_service_quotas" else []
            return SimpleNamespace(paginate=lambda ServiceCode: [{"Quotas": listed}])

    def client(service: str) -> Any:
        return Quotas() if service == "service-quotas" else _Denied()

    needed = {**service_quotas.needed([], group_rules=60), service_quotas.ADDRESSES: 6}
    found = account_quotas.of_region(needed, region=EASTERN, namespace="n", cells={"1"}, client=client)
    assert [each.line for each in found] == [
        f"{EASTERN}: how many Elastic IP addresses (L-0263D0A3) are in use is not known:"
        " An error occurred (AccessDeniedException) when calling the describe_addresses operation: no",
        f"{EASTERN}: the registry needs 6 Elastic IP addresses besides what others in the account use,"
        " but quota L-0263D0A3 allows 5;"
        f" {REQUEST} ec2 --quota-code L-0263D0A3 --desired-value 6 --region {EASTERN}`",
        f"{EASTERN}: how many concurrent executions of functions (L-B99A9384) are in use is not known:"
        " An error occurred (AccessDeniedException) when calling the get_account_settings operation: no",
    ]
