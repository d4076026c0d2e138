"""What the role that delivers may do in partners' buckets and with partners' keys."""

from __future__ import annotations

from collections.abc import Iterable

from components import policy
from components.settings import Settings
from customers.model import Customer, S3Destination
from runtime.contract import REGION_OF

#: Characters of all ARNs of buckets; the policy has each of them twice. With the keys that `customers.quota`
#: allows, the role's policies then have fewer than the 10,240 characters that IAM allows.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_BUDGET = 2_000


def of(customers: Iterable[Customer]) -> list[S3Destination]:
    """Return the partners' buckets to which these customers' files are delivered."""
    return [
        destination
        for customer in customers
        for destination in customer.destinations.values()
        if isinstance(destination, S3Destination)
    ]


def statements(
    destinations: Iterable[S3Destination], *, own: str, settings: Settings
) -> list[policy.Statement]:
    """Return the statements of the role. `own` is the bucket of the canary, which is its own destination.

    The statements name the buckets. If there are too many for IAM, all buckets are allowed: each owner of a
    bucket has to grant access too, and the role's other statements exclude our own buckets.
    """
    destinations = list(destinations)
    names = sorted({own, *(each.bucket for each in destinations)})
    buckets = [settings.bucket_arn(each) for each in names]
    if sum(len(each) for each in buckets) > _BUDGET:
        buckets = [settings.bucket_arn("*")]
    found = [
        policy.allow("SeeDestinations", ["s3:ListBucket"], buckets),
        policy.allow(
            "WriteDestinations",
            ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"],
            [f"{each}/*" for each in buckets],
        ),
    ]
    if keys := sorted({each.kms_key for each in destinations if each.kms_key}):
        # https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html
        services = [f"s3.{region}.amazonaws.com" for region in REGION_OF.values()]
        found.append(
            policy.allow(
                "UsePartnersKeys",
                ["kms:GenerateDataKey", "kms:Decrypt"],  # S3 decrypts when it completes a multipart upload
                keys,
                conditions={"StringEquals": {"kms:ViaService": services}},
            )
        )
    return found
