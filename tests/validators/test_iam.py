"""AWS's service authorization reference and its size limits find planted faults in policies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from local.program import Graph
from runtime.contract import PARTITION
from tests.validators import iam_database, policy_sizes

BUCKET, OBJECTS = f"arn:{PARTITION}:s3:::bucket", f"arn:{PARTITION}:s3:::bucket/*"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({"Action": "s3:PutObjects"}, "s3:PutObjects is no action"),
        ({"Action": "s4:PutObject"}, "s4:PutObject is no action"),
        ({"Action": "sqs:Purge*y"}, "sqs:Purge*y is no action"),
        (
            {"Action": "s3:PutObject", "Resource": BUCKET},
            f"s3:PutObject is for none of {BUCKET}",
        ),
        ({"Action": "s3:ListBucket", "Resource": OBJECTS}, f"s3:ListBucket is for none of {OBJECTS}"),
        (
            {"Action": ["s3:PutObject"], "Resource": [OBJECTS, BUCKET]},
            f"no action is for {BUCKET}",
        ),
        (
            {"Condition": {"StringEquals": {"aws:SourceAcount": "123456789012"}}},
            "s3:PutObject has no condition key aws:SourceAcount",
        ),
        (
            {"Condition": {"StringLike": {"s3:prefix": "inbound/"}}},
            "s3:PutObject has no condition key s3:prefix",
        ),
        (
            {"Condition": {"StringEquals": {"aws:SecureTransport": "false"}}},
            "StringEquals does not compare aws:SecureTransport, which is Bool",
        ),
        (
            {
                "Action": "kms:Decrypt",
                "Resource": "*",
                "Condition": {"StringEquals": {"kms:ResourceAliases": "alias/mft-1"}},
            },
            "StringEquals does not compare kms:ResourceAliases, which is ArrayOfString",
        ),
        (
            {"Condition": {"ForAllValues:StringEquals": {"aws:SourceAccount": "123456789012"}}},
            "ForAllValues:StringEquals does not compare aws:SourceAccount, which is String",
        ),
    ],
)
def test_a_planted_fault_is_found(statement: dict[str, Any], said: str) -> None:
    whole = {"Sid": "Planted", "Effect": "Allow", "Action": "s3:PutObject", "Resource": OBJECTS, **statement}
    assert said in [
        each.removeprefix("Planted: ") for each in iam_database.complaints({"Statement": [whole]})
    ]


@pytest.mark.parametrize("kind", policy_sizes.LIMITS)
def test_a_policy_that_is_too_large_is_found(sample: Graph, kind: str) -> None:
    (type, name), limit = kind.split(), policy_sizes.LIMITS[kind]
    found = next(each for each in sample.resources if each.type == type and name in each.inputs)
    grown = replace(found, inputs={**found.inputs, name: "p" * (limit + 1)})
    (said,) = policy_sizes.complaints([replace(sample, resources=(grown,))])
    assert said.endswith(f": {kind} has {limit + 1} bytes, {limit} are allowed")


def test_the_inline_policies_of_a_role_are_counted_together(sample: Graph) -> None:
    policy = sample.of("aws:iam/rolePolicy:RolePolicy")[0]
    halves = [
        replace(policy, urn=f"{policy.urn}-{n}", inputs={**policy.inputs, "policy": "p" * 6_000})
        for n in range(2)
    ]
    (said,) = policy_sizes.complaints([replace(sample, resources=tuple(halves))])
    assert "has 12000 bytes, 10240 are allowed" in said
