"""S3 refuses bucket policies with principals that do not exist, puts that a policy denies, and wrong owners.

Of a policy's statements, those that deny s3:PutObject by the headers of the request are applied. Nothing else
of a policy is: the emulated AWS asks nobody for permission.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from local.aws.ministack.patching import Module, after, original
from local.aws.ministack.principals import all_exist

_CHANGE = "bucket policies"

Conditions = Mapping[str, Mapping[str, Any]]


@after("services.s3")
def _policies(s3: Module) -> None:
    error = original(_CHANGE, s3, "_error")
    policies = original(_CHANGE, s3, "_bucket_policies")
    put_policy = original(_CHANGE, s3, "_put_bucket_policy")

    def checked(name: str, body: bytes) -> Any:
        if not all_exist(body):
            return error("MalformedPolicy", "Invalid principal in policy", 400)
        return put_policy(name, body)

    def refusing(put: Callable[..., Any], headers_at: int) -> Callable[..., Any]:
        def answered(bucket: str, key: str, *rest: Any) -> Any:
            if _is_denied(policies.get(bucket) or "", rest[headers_at]):
                arn = f"arn:aws-us-gov:s3:::{bucket}/{key}"
                message = (
                    f'User is not authorized to perform: s3:PutObject on resource: "{arn}" with an explicit'
                    " deny in a resource-based policy"
                )
                return error("AccessDenied", message, 403)
            return put(bucket, key, *rest)

        return answered

    s3._put_bucket_policy = checked
    s3._put_object = refusing(original(_CHANGE, s3, "_put_object"), 1)
    s3._create_multipart_upload = refusing(original(_CHANGE, s3, "_create_multipart_upload"), 0)


@after("services.s3")
def _owners(s3: Module) -> None:
    answer = original(_CHANGE, s3, "handle_request")
    error = original(_CHANGE, s3, "_error")
    account = original(_CHANGE, s3, "get_account_id")

    async def of_the_expected_owner(
        method: str, path: str, headers: Mapping[str, str], *rest: Any, **more: Any
    ) -> Any:
        if headers.get("x-amz-expected-bucket-owner", account()) != account():
            return error("AccessDenied", "Access Denied", 403)
        return await answer(method, path, headers, *rest, **more)

    s3.handle_request = of_the_expected_owner


def _is_denied(policy: str, headers: Mapping[str, str]) -> bool:
    """Return whether a policy denies a put with these headers."""
    statements = json.loads(policy)["Statement"] if policy else []
    given = {name.lower(): value for name, value in headers.items()}
    return any(
        statement["Effect"] == "Deny"
        and "s3:PutObject" in statement["Action"]
        and all(key.startswith("s3:x-amz-") for keys in statement["Condition"].values() for key in keys)
        and _holds(statement["Condition"], given)
        for statement in statements
    )


def _holds(conditions: Conditions, headers: Mapping[str, str]) -> bool:
    for operator, keys in conditions.items():
        for key, wanted in keys.items():
            value = headers.get(key.removeprefix("s3:"))
            if operator == "Null" and (value is None) != (wanted == "true"):
                return False
            values = [wanted] if isinstance(wanted, str) else wanted
            if operator == "StringNotEquals" and value in values:
                return False
    return True
