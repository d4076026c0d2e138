"""Names, sizes and numbers that AWS refuses, and MiniStack takes.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from customers.service_quotas import ADDRESSES
from local.aws.ministack.patching import Module, after, original
from local.aws.ministack.service_quotas import ACCOUNT_QUOTAS

_CHANGE = "limits"

_RESERVED_BEFORE = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_BEHIND = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")

_MACHINE = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]+")
_MACHINE_LENGTH = 80

#: Bytes of a function's resource policy.
_FUNCTION_POLICY = 20_480


@after("services.s3")
def _bucket_names(s3: Module) -> None:
    is_valid = original(_CHANGE, s3, "_validate_bucket_name")

    def valid(name: str) -> bool:
        is_reserved = name.startswith(_RESERVED_BEFORE) or name.endswith(_RESERVED_BEHIND)
        return bool(is_valid(name)) and not is_reserved

    s3._validate_bucket_name = valid


@after("services.stepfunctions")
def _machine_names(states: Module) -> None:
    create, refuse = (
        original(_CHANGE, states, "_create_state_machine"),
        original(_CHANGE, states, "error_response_json"),
    )

    def checked(request: Mapping[str, Any]) -> Any:
        name = request.get("name") or ""
        if len(name) > _MACHINE_LENGTH:
            message = (
                f"1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint:"
                f" Member must have length less than or equal to {_MACHINE_LENGTH}"
            )
            return refuse("ValidationException", message, 400)
        if name and not _MACHINE.fullmatch(name):
            return refuse("InvalidName", f"Invalid Name: '{name}'", 400)
        return create(request)

    states._create_state_machine = checked


@after("services.lambda_svc")
def _function_policies(functions: Module) -> None:
    add, refuse = (
        original(_CHANGE, functions, "_add_permission"),
        original(_CHANGE, functions, "error_response_json"),
    )
    known = original(_CHANGE, functions, "_functions")

    def measured(name: str, *rest: Any) -> Any:
        answer = add(name, *rest)
        if answer[0] != 201:
            return answer
        policy = known[name]["policy"]
        size = len(json.dumps(policy, separators=(",", ":")).encode())
        if size > _FUNCTION_POLICY:
            policy["Statement"].pop()
            message = f"The final policy size ({size}) is bigger than the limit ({_FUNCTION_POLICY})."
            return refuse("PolicyLengthExceededException", message, 400)
        return answer

    functions._add_permission = measured


@after("services.ec2")
def _addresses(ec2: Module) -> None:
    from ministack.core.responses import get_region

    actions, refuse = original(_CHANGE, ec2, "_ACTION_MAP"), original(_CHANGE, ec2, "_error")
    addresses, allocate = original(_CHANGE, ec2, "_addresses"), actions["AllocateAddress"]

    def counted(request: Mapping[str, Any]) -> Any:
        if len(addresses) >= ACCOUNT_QUOTAS.value(get_region(), ADDRESSES):
            return refuse("AddressLimitExceeded", "The maximum number of addresses has been reached.", 400)
        return allocate(request)

    actions["AllocateAddress"] = counted
