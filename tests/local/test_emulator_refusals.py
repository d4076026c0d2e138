"""What SNS, S3 and EC2 refuse, or leave pending, in a program's first deployment."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from components import policy, uploads
from tests.local.conftest import WEST, World

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


@pytest.mark.parametrize("who", ["AROAEXAMPLEOFADELETED", f"arn:aws-us-gov:iam::{OTHER}:role/gone"])
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


def test_a_group_takes_sixty_rules(aws: World) -> None:
    ec2 = aws("ec2", WEST)
    group = ec2.create_security_group(GroupName="full", Description="rules")["GroupId"]

    def rule(*numbers: int) -> list[dict[str, Any]]:
        ranges = [{"CidrIp": f"192.0.2.{number}/32"} for number in numbers]
        return [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}]

    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule(*range(60)))
    with pytest.raises(ClientError) as refused:
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule(60))
    error = refused.value.response["Error"]
    assert error["Code"] == "RulesPerSecurityGroupLimitExceeded"
    assert error["Message"] == "The maximum number of rules per security group has been reached."
