"""Makers: for each type of resource that the program registers, the calls that make it in the emulated AWS.

A maker takes clients of the resource's region and the resource's inputs, and returns its id and outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local.aws.resources import compute, data, messaging, network, storage
from local.aws.resources.making import Clients, Made

Maker = Callable[[Clients, Mapping[str, Any]], Made]

MAKERS: dict[str, Maker] = {
    **compute.MAKERS,
    **data.MAKERS,
    **messaging.MAKERS,
    **network.MAKERS,
    **storage.MAKERS,
}

#: Types that are not made here, because they have no effect on one machine.
RECORDED_ONLY = frozenset(network.RECORDED_ONLY)

#: Types whose maker states the whole resource, so that calling it again is an update.
UPDATED_IN_PLACE = frozenset(
    {
        "aws:cloudwatch/eventRule:EventRule",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:kms/key:Key",
        "aws:route53/record:Record",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketNotification:BucketNotification",
        "aws:s3/bucketObjectv2:BucketObjectv2",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        "aws:sqs/queuePolicy:QueuePolicy",
        "aws:ssm/parameter:Parameter",
    }
)
