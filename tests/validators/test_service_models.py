"""botocore's models of AWS's services refuse planted faults in the requests that make resources."""

from __future__ import annotations

from typing import Any

import pytest

from local.program import Resource
from tests.validators.planting import planted
from tests.validators.service_calls import CALLS, refusals
from tests.validators.service_models import documented
from tests.validators.translation import UnmappedError


@pytest.mark.parametrize(
    ("type", "inputs", "complaint"),
    [
        (
            "aws:ec2/securityGroup:SecurityGroup",
            {"description": "this cell's own probe"},
            'ec2 CreateSecurityGroup .Description: "this cell\'s own probe" has characters that are not',
        ),
        (
            "aws:ec2/securityGroup:SecurityGroup",
            {"description": "d" * 256},
            "ec2 CreateSecurityGroup .Description: 256 characters, at most 255 are allowed",
        ),
        (
            "aws:iam/role:Role",
            {"name": "r" * 65},
            "iam CreateRole .RoleName: 65 characters, 1 to 64 are allowed",
        ),
        ("aws:sqs/queue:Queue", {"name": "in.coming"}, "sqs CreateQueue QueueName: 'in.coming' is not"),
        ("aws:sns/topic:Topic", {"name": "t" * 257}, "sns CreateTopic Name: 'ttt"),
        (
            "aws:ssm/parameter:Parameter",
            {"name": "/ssm-mft/parts"},
            "ssm PutParameter Name: '/ssm-mft/parts' is not",
        ),
        (
            "aws:lambda/function:Function",
            {"memorySize": 64},
            "lambda CreateFunction .MemorySize: 64 , 128 to",
        ),
        (
            "aws:lambda/function:Function",
            {"runtime": "python3.1"},
            "lambda CreateFunction .Runtime: 'python3.1' is not one of",
        ),
        (
            "aws:transfer/user:User",
            {"policy": "p" * 2049},
            "transfer CreateUser .Policy: 2049 characters, 0 to 2048 are allowed",
        ),
        (
            "aws:s3/bucketNotification:BucketNotification",
            {"queues": [{"id": "replication", "queueArn": "queue", "events": ["s3:Replication:Failed"]}]},
            "s3 PutBucketNotificationConfiguration .NotificationConfiguration.QueueConfigurations[].Events[]:"
            " 's3:Replication:Failed' is not one of",
        ),
        (
            "aws:s3/bucket:Bucket",
            {"bucket": "Mft"},
            "s3 CreateBucket Bucket: 'Mft' is not",
        ),
        (
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            {"comparisonOperator": "Above"},
            "cloudwatch PutMetricAlarm .ComparisonOperator: 'Above' is not one of",
        ),
    ],
)
def test_a_planted_fault_is_found(
    resources: list[Resource], type: str, inputs: dict[str, Any], complaint: str
) -> None:
    (said,) = refusals(planted(resources, type, **inputs))
    assert said.startswith(complaint)


def test_an_input_without_a_place_in_the_request_is_found(resources: list[Resource]) -> None:
    group = next(each for each in resources if each.type == "aws:cloudwatch/logGroup:LogGroup")
    with pytest.raises(UnmappedError, match=r"^retention$"):
        CALLS[group.type].requests({**group.inputs, "retention": 30})


def test_character_sets_are_read_from_the_documentation() -> None:
    characters, length = documented(
        "<p>Constraints: Up to 255 characters in length</p>"
        "<p>Valid characters: a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&amp;;{}!$*</p>"
    )
    assert length == 255
    assert characters == r"[a-zA-Z0-9 \._\-:/\(\)\#,@\[\]\+=\&;\{\}!\$\*]*"
    assert documented("<p>The description.</p>") == (None, None)
