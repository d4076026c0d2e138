"""How large AWS lets a policy become, by the input that holds it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from local.program import Graph

#: Bytes, and the page that says so; IAM does not count white space.
LIMITS = {
    # A role's trust policy, and all of its inline policies together.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    "aws:iam/role:Role assumeRolePolicy": 2_048,
    "aws:iam/rolePolicy:RolePolicy policy": 10_240,
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html
    "aws:s3/bucketPolicy:BucketPolicy policy": 20 * 1024,
    # https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html
    "aws:kms/key:Key policy": 32 * 1024,
    # https://docs.aws.amazon.com/transfer/latest/APIReference/API_CreateUser.html
    "aws:transfer/user:User policy": 2_048,
    # https://docs.aws.amazon.com/general/latest/gr/sns.html
    "aws:sns/topicPolicy:TopicPolicy policy": 30 * 1024,
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-policies.html
    "aws:sqs/queuePolicy:QueuePolicy policy": 8 * 1024,
    # https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-limits-endpoints.html
    "aws:ec2/vpcEndpoint:VpcEndpoint policy": 20_480,
}


def sizes(graph: Graph) -> dict[tuple[str, str], int]:
    """Return the bytes of every policy of a graph, by its input and what it belongs to.

    The inline policies of a role are counted together, and JSON as the program renders it, except for IAM.
    """
    found: dict[tuple[str, str], int] = defaultdict(int)
    for resource in graph.resources:
        for name in ("policy", "assumeRolePolicy"):
            if text := resource.inputs.get(name):
                is_iam = resource.type.startswith("aws:iam/")
                owner = resource.inputs["role"] if resource.type.endswith(":RolePolicy") else resource.urn
                counted = re.sub(r"\s", "", text) if is_iam else text
                found[f"{resource.type} {name}", owner] += len(counted.encode())
    return found


def complaints(graphs: Iterable[Graph]) -> list[str]:
    """Return every policy that is too large, or of a kind whose limit is not known."""
    found = []
    for graph in graphs:
        for (kind, owner), size in sizes(graph).items():
            limit = LIMITS.get(kind, 0)
            if size > limit:
                found.append(f"{owner}: {kind} has {size} bytes, {limit} are allowed")
    return found
