"""Who may put objects into a customer's bucket, and which objects the cell could not read."""

from __future__ import annotations

import pulumi

from components import policy
from components.settings import Settings
from customers.model import Customer
from runtime.contract import INBOUND_SDK

#: The storage classes whose objects can be read at once.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
READABLE = (
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "REDUCED_REDUNDANCY",
)

_ENCRYPTION = "s3:x-amz-server-side-encryption"
_KEY = f"{_ENCRYPTION}-aws-kms-key-id"
_CUSTOMER_KEY = f"{_ENCRYPTION}-customer-algorithm"
_CLASS = "s3:x-amz-storage-class"


def by_sdk(customer: Customer, bucket_arn: str, settings: Settings) -> list[policy.Statement]:
    """Return the statements that let a customer's principals put objects below `inbound/sdk/`.

    The statements name accounts and compare the principal's ARN. A statement that named a role would be
    refused by S3 as soon as somebody deleted the role, and would not mean a new role of the same name.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    if not customer.takes_files or not customer.sdk.principals:
        return []
    sdk = customer.sdk
    places: dict[str, dict[str, dict[str, list[str]]]] = {}
    if sdk.source_cidrs:
        places["FromNetworks"] = {"IpAddress": {"aws:SourceIp": list(sdk.source_cidrs)}}
    if sdk.vpc_endpoints:
        places["FromVpcEndpoints"] = {"StringEquals": {"aws:SourceVpce": list(sdk.vpc_endpoints)}}
    accounts = [
        settings.arn("iam", "root", region="", account=each) for each in sorted(customer.sender_accounts)
    ]
    return [
        policy.allow(
            f"SdkUploads{where}",
            ["s3:PutObject", "s3:AbortMultipartUpload"],
            [f"{bucket_arn}/{INBOUND_SDK}*"],
            principals={"AWS": accounts},
            conditions={"ArnEquals": {"aws:PrincipalArn": list(sdk.principals)}, **place},
        )
        for where, place in (places or {"": {}}).items()
    ]


def not_yet(customer: Customer, bucket_arn: str) -> list[policy.Statement]:
    """Return the statement that refuses all uploads while a customer is being onboarded.

    Nothing would process them: there is neither a routing document nor an event. Replicas, which S3 makes by
    another action, are not refused: the other region's stack may be ahead.
    """
    if not customer.is_refused:
        return []
    return [policy.deny("NotYet", ["s3:PutObject"], [f"{bucket_arn}/*"], principals={"AWS": "*"})]


def unreadable(bucket_arn: str, key_arn: pulumi.Input[str]) -> list[policy.Statement]:
    """Return the statements that refuse objects which the cell could not read or replicate.

    An upload without headers for encryption or storage class is encrypted under the cell's key, and passes.
    """

    def refuse(sid: str, conditions: dict[str, dict[str, object]]) -> policy.Statement:
        return policy.deny(
            sid, ["s3:PutObject"], [f"{bucket_arn}/*"], principals={"AWS": "*"}, conditions=conditions
        )

    return [
        refuse("NoOtherKey", {"Null": {_KEY: "false"}, "StringNotEquals": {_KEY: key_arn}}),
        # `aws:kms` without a key is the account's AWS managed key, which replication cannot use.
        refuse("NoOtherEncryption", {"Null": {_ENCRYPTION: "false", _KEY: "true"}}),
        refuse("NoCustomerKey", {"Null": {_CUSTOMER_KEY: "false"}}),
        refuse("NoArchive", {"Null": {_CLASS: "false"}, "StringNotEquals": {_CLASS: list(READABLE)}}),
    ]
