"""IAM policy documents, as plain data with resource names inside; nothing here knows a partition."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

Resource = pulumi.Input[str]
Statement = dict[str, Any]


def allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[Resource],
    *,
    principals: Mapping[str, Any] | None = None,
    conditions: Mapping[str, Any] | None = None,
) -> Statement:
    """Return an Allow statement; `principals` only for resource policies."""
    return _statement("Allow", sid, actions, resources, principals, conditions)


def deny(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[Resource],
    *,
    principals: Mapping[str, Any] | None = None,
    conditions: Mapping[str, Any] | None = None,
) -> Statement:
    """Return a Deny statement; `principals` only for resource policies."""
    return _statement("Deny", sid, actions, resources, principals, conditions)


def document(*statements: Statement) -> pulumi.Input[str]:
    """Return the policy document of these statements, as JSON."""
    policy = {"Version": "2012-10-17", "Statement": list(statements)}
    # An output for each of its hundred strings is what most of a customer's cost would be.
    return pulumi.Output.json_dumps(policy) if _has_outputs(policy) else json.dumps(policy)


def assumed_by(service: str, *, account: str | None = None) -> pulumi.Input[str]:
    """Return a trust policy for an AWS service principal, e.g. `lambda.amazonaws.com`.

    With `account`, only for work of that account (the confused deputy problem:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html).
    """
    statement: Statement = {
        "Sid": "AssumedBy",
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
    }
    if account is not None:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    return document(statement)


def _has_outputs(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_outputs(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_has_outputs(inner) for inner in value)
    return isinstance(value, pulumi.Output)


def _statement(
    effect: str,
    sid: str,
    actions: Sequence[str],
    resources: Sequence[Resource],
    principals: Mapping[str, Any] | None,
    conditions: Mapping[str, Any] | None,
) -> Statement:
    statement: Statement = {
        "Sid": sid,
        "Effect": effect,
        "Action": list(actions),
        "Resource": list(resources),
    }
    if principals is not None:
        statement["Principal"] = dict(principals)
    if conditions is not None:
        statement["Condition"] = dict(conditions)
    return statement
