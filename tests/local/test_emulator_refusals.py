"""What AWS's services refuse, or leave pending, in a program's first deployment, in AWS's words."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from components import policy, uploads
from customers.service_quotas import ADDRESSES_OF_CELL, GROUP_RULES
from tests.local.conftest import EAST, ROLE, WEST, World

OTHER = "210987654321"
KEY = "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/ours"


def of_account(aws: World, service: str, account: str) -> Any:
    """Return a client of another account: the emulated AWS takes the account from the access key."""
    return boto3.client(
        service,
        region_name=WEST,
        endpoint_url=aws("sns", WEST).meta.endpoint_url,
        aws_access_key_id=account,
        aws_secret_access_key="local",
    )


def said(refused: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    """Return the code and the message of a refusal."""
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_queue_of_another_account_is_pending_unless_its_owner_subscribes_it(aws: World) -> None:
    sns = aws("sns", WEST)
    topic = sns.create_topic(Name="receipts-of-another")["TopicArn"]
    queues = [f"arn:aws-us-gov:sqs:{WEST}:{OTHER}:{name}" for name in ("by-us", "by-its-owner")]

    def pending(client: Any, queue: str) -> str:
        found = client.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, ReturnSubscriptionArn=True)
        attributes = client.get_subscription_attributes(SubscriptionArn=found["SubscriptionArn"])
        return attributes["Attributes"]["PendingConfirmation"]

    answer = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queues[0])
    assert answer["SubscriptionArn"] == "pending confirmation"
    assert pending(sns, queues[0]) == "true"
    assert pending(of_account(aws, "sns", OTHER), queues[1]) == "false"


GONE = f"arn:aws-us-gov:iam::{OTHER}:role/gone"


@pytest.mark.parametrize("who", ["AROAEXAMPLEOFADELETED", GONE])
def test_a_deleted_role_in_a_key_policy_or_a_grant_is_refused(aws: World, who: str) -> None:
    kms = aws("kms", WEST)

    def stated(*principals: str) -> str:
        return json.dumps(
            {"Statement": [policy.allow("Use", ["kms:*"], ["*"], principals={"AWS": [*principals]})]}
        )

    ours = f"arn:aws-us-gov:iam::{OTHER}:root"
    key = kms.create_key(Policy=stated(ours))["KeyMetadata"]["KeyId"]
    for verb, more in ((kms.create_key, {}), (kms.put_key_policy, {"KeyId": key, "PolicyName": "default"})):
        with pytest.raises(ClientError) as refused:
            verb(Policy=stated(ours, who), **more)
        assert said(refused) == (
            "MalformedPolicyDocumentException",
            "Policy contains a statement with one or more invalid principals.",
        )
    with pytest.raises(ClientError) as refused:
        kms.create_grant(KeyId=key, GranteePrincipal=who, Operations=["Encrypt"])
    assert said(refused) == ("InvalidArnException", f"ARN does not refer to a valid principal: {who}")
    kms.create_grant(KeyId=key, GranteePrincipal=ours, Operations=["Encrypt"])


@pytest.mark.parametrize("who", ["AROAEXAMPLEOFADELETED", GONE])
def test_a_deleted_role_in_a_bucket_policy_is_refused(aws: World, who: str) -> None:
    s3 = aws("s3", WEST)
    name = f"principals-{who[:4].lower()}".replace(":", "")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": WEST})
    statement = policy.allow(
        "Put", ["s3:PutObject"], [f"arn:aws-us-gov:s3:::{name}/*"], principals={"AWS": [who]}
    )
    with pytest.raises(ClientError) as refused:
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Statement": [statement]}))
    error = refused.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("MalformedPolicy", "Invalid principal in policy")
    statement["Principal"] = {"AWS": f"arn:aws-us-gov:iam::{OTHER}:root"}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Statement": [statement]}))


@pytest.fixture(scope="module")
def guarded(aws: World) -> str:
    """A bucket with the statements of a customer's bucket that deny."""
    s3, name = aws("s3", WEST), "guarded-uploads"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": WEST})
    statements = uploads.unreadable(f"arn:aws-us-gov:s3:::{name}", KEY)
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Statement": statements}))
    return name


@pytest.mark.parametrize(
    "how",
    [
        {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY.replace("ours", "theirs")},
        {"ServerSideEncryption": "aws:kms"},
        {"ServerSideEncryption": "AES256"},
        {"StorageClass": "DEEP_ARCHIVE"},
    ],
)
@pytest.mark.parametrize("verb", ["put_object", "create_multipart_upload"])
def test_an_upload_that_the_cell_could_not_read_is_refused(
    aws: World, guarded: str, verb: str, how: dict[str, str]
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(aws("s3", WEST), verb)(Bucket=guarded, Key="inbound/sdk/file", **how)
    error = refused.value.response["Error"]
    assert error["Code"] == "AccessDenied"
    assert error["Message"].endswith("with an explicit deny in a resource-based policy")


@pytest.mark.parametrize(
    "how",
    [{}, {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}, {"StorageClass": "INTELLIGENT_TIERING"}],
)
def test_an_upload_that_the_cell_can_read_is_taken(aws: World, guarded: str, how: dict[str, str]) -> None:
    aws("s3", WEST).put_object(Bucket=guarded, Key="inbound/sdk/file", Body=b"x", **how)


# --- EC2 -----------------------------------------------------------------------------------------


def networks(*numbers: int) -> list[dict[str, Any]]:
    ranges = [{"CidrIp": f"192.0.2.{number}/32"} for number in numbers]
    return [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}]


@pytest.mark.parametrize(("direction", "own"), [("ingress", 0), ("egress", 1)])
def test_a_group_takes_as_many_rules_as_the_quota_allows(aws: World, direction: str, own: int) -> None:
    ec2 = aws("ec2", EAST)
    group = ec2.create_security_group(GroupName=f"full-{direction}", Description="rules")["GroupId"]
    authorize = getattr(ec2, f"authorize_security_group_{direction}")
    authorize(GroupId=group, IpPermissions=networks(*range(60 - own)))
    authorize(GroupId=group, IpPermissions=networks(0))  # a rule that it has is not another one
    with pytest.raises(ClientError) as refused:
        authorize(GroupId=group, IpPermissions=networks(60))
    assert said(refused) == (
        "RulesPerSecurityGroupLimitExceeded",
        "The maximum number of rules per security group has been reached.",
    )
    aws.emulator.service_quota(EAST, GROUP_RULES.code, 61)
    try:
        authorize(GroupId=group, IpPermissions=networks(60))
    finally:
        aws.emulator.service_quota(EAST, GROUP_RULES.code, None)


def test_a_region_has_as_many_addresses_as_the_quota_allows(aws: World) -> None:
    ec2 = of_account(aws, "ec2", OTHER)
    made = [ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(ADDRESSES_OF_CELL)]
    with pytest.raises(ClientError) as refused:
        ec2.allocate_address(Domain="vpc")
    assert said(refused) == ("AddressLimitExceeded", "The maximum number of addresses has been reached.")
    ec2.release_address(AllocationId=made[0])
    ec2.allocate_address(Domain="vpc")


# --- names and sizes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("/aws-agency-mft/cell1/parts", "AccessDeniedException"),
        ("/ssm-agency-mft/cell1/parts", "ValidationException"),
        ("/SSM-agency/parts", "ValidationException"),
        ("aws-agency", "ValidationException"),
    ],
)
def test_a_parameter_that_begins_as_awss_own_do(aws: World, name: str, code: str) -> None:
    with pytest.raises(ClientError) as refused:
        aws("ssm", WEST).put_parameter(Name=name, Value="v", Type="String")
    found, message = said(refused)
    assert found == code
    if code == "AccessDeniedException":
        assert message == f"No access to reserved parameter name: {name[1:]}."
    else:
        assert "ssm" in message.lower()


@pytest.mark.parametrize(
    "name",
    [
        "Upper",
        "under_score",
        "two..dots",
        "192.0.2.1",
        "xn--b",
        "sthree-b",
        "b-s3alias",
        "b--ol-s3",
        "b.mrap",
    ],
)
def test_a_bucket_name_that_s3_does_not_take(aws: World, name: str) -> None:
    s3 = aws("s3", WEST)
    with pytest.raises(ClientError) as refused:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": WEST})
    assert said(refused) == ("InvalidBucketName", "The specified bucket is not valid.")


DEFINITION = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'


@pytest.mark.parametrize("name", ["two words", "a/b", "a:b", "a,b", "a#b", "a&b", "tab\there"])
def test_a_state_machines_name_that_step_functions_does_not_take(aws: World, name: str) -> None:
    with pytest.raises(ClientError) as refused:
        aws("stepfunctions").create_state_machine(name=name, roleArn=ROLE, definition=DEFINITION)
    assert said(refused) == ("InvalidName", f"Invalid Name: '{name}'")


def test_a_state_machines_name_has_eighty_characters_at_most(aws: World) -> None:
    states = aws("stepfunctions")
    states.create_state_machine(name="n" * 80, roleArn=ROLE, definition=DEFINITION)
    with pytest.raises(ClientError) as refused:
        states.create_state_machine(name="n" * 81, roleArn=ROLE, definition=DEFINITION)
    code, message = said(refused)
    assert code == "ValidationException"
    assert message.endswith("Member must have length less than or equal to 80")


def test_a_functions_policy_has_a_size(aws: World) -> None:
    functions, name = aws("lambda"), "policy-size"
    aws.function(name)

    def allow_all() -> None:
        for number in range(100):
            functions.add_permission(
                FunctionName=name,
                StatementId=f"{number:0100}",
                Action="lambda:InvokeFunction",
                Principal="events.amazonaws.com",
                SourceArn=f"arn:aws-us-gov:events:{WEST}:123456789012:rule/{'r' * 64}",
            )

    with pytest.raises(ClientError) as refused:
        allow_all()
    code, message = said(refused)
    assert code == "PolicyLengthExceededException"
    size = int(
        re.fullmatch(r"The final policy size \((\d+)\) is bigger than the limit \(20480\)\.", message)[1]
    )
    assert 20_480 < size < 20_480 + 500
    left = functions.get_policy(FunctionName=name)["Policy"]
    assert 20_480 - 500 < len(json.dumps(json.loads(left), separators=(",", ":"))) <= 20_480


# --- deletion ------------------------------------------------------------------------------------


def test_a_bucket_that_is_not_empty_stays(aws: World) -> None:
    s3, name = aws("s3", WEST), "not-empty"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": WEST})
    s3.put_object(Bucket=name, Key="file", Body=b"x")

    def refusal() -> str:
        with pytest.raises(ClientError) as refused:
            s3.delete_bucket(Bucket=name)
        code, message = said(refused)
        assert code == "BucketNotEmpty"
        return message

    assert refusal() == "The bucket you tried to delete is not empty"
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_object(Bucket=name, Key="file")
    words = "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
    assert refusal() == words
    versions = s3.list_object_versions(Bucket=name)
    for version in versions["Versions"]:
        s3.delete_object(Bucket=name, Key="file", VersionId=version["VersionId"])
    assert refusal() == words, "a delete marker is left"
    for marker in versions["DeleteMarkers"]:
        s3.delete_object(Bucket=name, Key="file", VersionId=marker["VersionId"])
    s3.delete_bucket(Bucket=name)
