"""The calls that the emulated AWS notes of callers who identify themselves."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws.emulator import Emulator
from tests.local.conftest import EAST, WEST, World

BUCKET = "called-bucket"


@pytest.fixture
def caller(aws: World, request: pytest.FixtureRequest) -> str:
    """A name of this test's own, as a function's or a command's."""
    return str(request.node.name)[:50]


def made(aws: World, caller: str) -> list[tuple[str, str, int, dict[str, str]]]:
    """Return a caller's calls: service, operation, status, and what identifies the resource."""
    return [
        (each["service"], each["operation"], each["status"], each["given"])
        for each in aws.emulator.calls()
        if each["caller"] == caller
    ]


def client(aws: World, service: str, caller: str) -> Any:
    return aws.emulator.new_client(service, WEST, user_agent_appid=caller)


def test_operations_on_an_object_are_distinguished(aws: World, caller: str) -> None:
    aws.bucket(BUCKET, WEST)
    s3, place = client(aws, "s3", caller), {"Bucket": BUCKET, "Key": "inbound/a b/ü"}
    version = s3.put_object(**place, Body=b"content")["VersionId"]
    s3.get_object(**place)["Body"].read()
    s3.head_object(**place, VersionId=version)
    s3.get_object_tagging(**place)
    s3.copy_object(
        Bucket=BUCKET, Key="copy", CopySource={**place, "VersionId": version}, TaggingDirective="REPLACE"
    )
    s3.list_object_versions(Bucket=BUCKET)
    s3.list_objects_v2(Bucket=BUCKET)
    with pytest.raises(ClientError):
        s3.get_object(Bucket=BUCKET, Key="nothing")
    named = {"Bucket": BUCKET, "Key": "inbound/a b/ü"}
    source = f"{BUCKET}/inbound/a%20b/%C3%BC?versionId={version}"
    assert made(aws, caller) == [
        ("s3", "PutObject", 200, named),
        ("s3", "GetObject", 200, named),
        ("s3", "HeadObject", 200, {**named, "VersionId": version}),
        ("s3", "GetObjectTagging", 200, named),
        (
            "s3",
            "CopyObject",
            200,
            {"Bucket": BUCKET, "Key": "copy", "CopySource": source, "TaggingDirective": "REPLACE"},
        ),
        ("s3", "ListObjectVersions", 200, {"Bucket": BUCKET}),
        ("s3", "ListObjectsV2", 200, {"Bucket": BUCKET}),
        ("s3", "GetObject", 404, {"Bucket": BUCKET, "Key": "nothing"}),
    ]


def test_operations_on_parts_are_distinguished_from_those_on_whole_objects(aws: World, caller: str) -> None:
    s3, place = client(aws, "s3", caller), {"Bucket": "called-parts", "Key": "large"}
    aws.bucket("called-parts", WEST)
    upload = s3.create_multipart_upload(**place)["UploadId"]
    s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"part")
    s3.abort_multipart_upload(**place, UploadId=upload)
    assert [each[:2] for each in made(aws, caller)] == [
        ("s3", "CreateMultipartUpload"),
        ("s3", "UploadPart"),
        ("s3", "AbortMultipartUpload"),
    ]


def test_services_with_the_operation_in_the_body_are_named_as_iam_names_them(aws: World, caller: str) -> None:
    client(aws, "ssm", caller).put_parameter(Name="/called/switch", Value="in", Type="String")
    client(aws, "cloudwatch", caller).put_metric_data(Namespace="called", MetricData=[{"MetricName": "a"}])
    topic = client(aws, "sns", caller).create_topic(Name="called")["TopicArn"]
    client(aws, "sns", caller).publish(TopicArn=topic, Message="said")
    client(aws, "stepfunctions", caller).list_state_machines()
    assert made(aws, caller) == [
        ("ssm", "PutParameter", 200, {"Name": "/called/switch"}),
        ("cloudwatch", "PutMetricData", 200, {"Namespace": "called"}),
        ("sns", "CreateTopic", 200, {"Name": "called"}),
        ("sns", "Publish", 200, {"TopicArn": topic}),
        ("states", "ListStateMachines", 200, {}),
    ]


def test_an_item_is_noted_with_the_partition_key_that_policies_refer_to(aws: World, caller: str) -> None:
    table = client(aws, "dynamodb", caller)
    aws("dynamodb").create_table(
        TableName="called",
        KeySchema=[{"AttributeName": "file", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "file", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table.put_item(TableName="called", Item={"file": {"S": "audit#one"}, "secret": {"S": "not noted"}})
    table.get_item(TableName="called", Key={"file": {"S": "audit#one"}})
    expected = {"TableName": "called", "file": "audit#one"}
    assert made(aws, caller) == [
        ("dynamodb", "PutItem", 200, expected),
        ("dynamodb", "GetItem", 200, expected),
    ]


def test_a_caller_without_a_name_is_not_noted(aws: World) -> None:
    before = aws.emulator.calls()
    aws("ssm").describe_parameters()
    assert aws.emulator.calls() == before


def test_a_call_to_a_dead_region_had_no_answer() -> None:
    with Emulator() as emulator:
        emulator.region_down(EAST)
        ssm = emulator.new_client("ssm", EAST, user_agent_appid="ops-try", retries={"total_max_attempts": 1})
        with pytest.raises(Exception, match="Connection was closed"):
            ssm.get_parameter(Name="/called/switch")
        (call,) = emulator.calls()
    assert (call["region"], call["operation"], call["status"], call["count"]) == (EAST, "GetParameter", 0, 1)
