"""Logs: how long they are kept, and log groups that an AWS service writes under its own role."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components import policy
from components.settings import Settings

LOG_DAYS = 365


def written_by(
    service: str,
    name: str,
    *,
    settings: Settings,
    key_arn: pulumi.Input[str],
    parent: pulumi.Resource,
    name_prefix: str | None = None,
) -> tuple[aws.cloudwatch.LogGroup, aws.iam.Role]:
    """Make a log group, and a role with which a service (`transfer.amazonaws.com`) can write only to it.

    The actions are the least that both services document:
    https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
    https://docs.aws.amazon.com/transfer/latest/userguide/cw-structure-logs.html
    """
    child = pulumi.ResourceOptions(parent=parent)
    logs = aws.cloudwatch.LogGroup(
        name, name_prefix=name_prefix, retention_in_days=LOG_DAYS, kms_key_id=key_arn, opts=child
    )
    role = aws.iam.Role(
        name, assume_role_policy=policy.assumed_by(service, account=settings.account), opts=child
    )
    aws.iam.RolePolicy(
        name,
        role=role.name,
        policy=policy.document(
            policy.allow(
                "WriteLogs",
                [
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                    "logs:DescribeLogStreams",
                ],
                [logs.arn, pulumi.Output.concat(logs.arn, ":*")],
            ),
            policy.allow("FindLogs", ["logs:DescribeLogGroups"], ["*"]),  # the action has no resources
        ),
        opts=child,
    )
    return logs, role
