"""IAM policy documents as plain data. Nothing here depends on a partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components import jsontext

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
    return jsontext.render({"Version": "2012-10-17", "Statement": list(statements)})


def assumed_by(service: str, *, account: str | None = None) -> pulumi.Input[str]:
    """Return a trust policy for an AWS service principal, e.g. `lambda.amazonaws.com`.

    With `account`, the service may act only on behalf of that account (the confused deputy problem:
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
