"""The KMS keys that AWS makes for its services; policies and grants for principals that do not exist.

DescribeKey makes such a key when it is asked for the alias: "If you call the DescribeKey operation on a
predefined AWS alias, [...] AWS KMS creates an AWS managed key", says
https://docs.aws.amazon.com/kms/latest/APIReference/API_DescribeKey.html

Other than S3, KMS names a principal that does not exist by two codes:
https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html
https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from local.aws.ministack.patching import Module, after, original
from local.aws.ministack.principals import all_exist, exists

_CHANGE = "AWS managed keys"
_PREFIX = "alias/aws/"

#: The predefined aliases of the services that are emulated, with the descriptions of their keys.
_DESCRIPTIONS = {
    service: f"Default key that protects my {what} when no other key is defined"
    for service, what in {
        "dynamodb": "DynamoDB data",
        "ebs": "EBS volumes",
        "lambda": "Lambda functions",
        "s3": "S3 objects",
        "secretsmanager": "Secrets Manager data",
        "sns": "SNS data",
        "sqs": "SQS messages",
        "ssm": "SSM parameters",
    }.items()
}


@after("services.kms")
def _managed(kms: Module) -> None:
    resolve, create = original(_CHANGE, kms, "_resolve_key"), original(_CHANGE, kms, "_create_key")
    keys, aliases = original(_CHANGE, kms, "_keys"), original(_CHANGE, kms, "_aliases")
    alias_arn, described = original(_CHANGE, kms, "_alias_arn"), original(_CHANGE, kms, "_key_metadata")

    def resolved(reference: str) -> Any:
        found = resolve(reference)
        service = (reference or "").rpartition(_PREFIX)[2]
        if (
            found
            or service not in _DESCRIPTIONS
            or (reference or "")
            not in (
                _PREFIX + service,
                alias_arn(_PREFIX + service),
            )
        ):
            return found
        made = create({"Description": _DESCRIPTIONS[service]})
        key = keys[json.loads(made[2])["KeyMetadata"]["KeyId"]]
        key["MftService"] = service
        aliases[alias_arn(_PREFIX + service)] = key["KeyId"]
        return key

    def metadata(key: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = described(key)
        return found | ({"KeyManager": "AWS"} if "MftService" in key else {})

    kms._resolve_key, kms._key_metadata = resolved, metadata


@after("services.kms")
def _principals(kms: Module) -> None:
    refuse = original(_CHANGE, kms, "error_response_json")
    grant = original(_CHANGE, kms, "_create_grant")

    def with_principals(answer: Callable[[Mapping[str, Any]], Any]) -> Callable[[Mapping[str, Any]], Any]:
        def answered(request: Mapping[str, Any]) -> Any:
            if "Policy" in request and not all_exist(request["Policy"]):
                message = "Policy contains a statement with one or more invalid principals."
                return refuse("MalformedPolicyDocumentException", message, 400)
            return answer(request)

        return answered

    def granted(request: Mapping[str, Any]) -> Any:
        grantee = request.get("GranteePrincipal", "")
        if not exists(grantee):
            return refuse("InvalidArnException", f"ARN does not refer to a valid principal: {grantee}", 400)
        return grant(request)

    kms._create_key = with_principals(original(_CHANGE, kms, "_create_key"))
    kms._put_key_policy = with_principals(original(_CHANGE, kms, "_put_key_policy"))
    kms._create_grant = granted
