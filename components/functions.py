"""Lambda functions: each with a role and a log group of its own, all from one bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import policy
from components.settings import Settings
from components.storage import Storage
from components.tracker import Tracker
from runtime import contract

LOG_DAYS = 365


class Function(pulumi.ComponentResource):
    """One function of the cell: its code, the role that can do what it calls and no more, its logs."""

    arn: pulumi.Output[str]
    function: aws.lambda_.Function

    def __init__(
        self,
        name: str,
        *,
        settings: Settings,
        code: pulumi.Archive,
        handler: str,
        key_arn: pulumi.Input[str],
        environment: Mapping[str, pulumi.Input[str]],
        statements: Sequence[policy.Statement],
        timeout: int,
        memory: int,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`handler` names a module of `runtime.handlers`; `timeout` is in seconds, `memory` in MiB."""
        super().__init__("mft:functions:Function", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            assume_role_policy=policy.assumed_by("lambda.amazonaws.com", account=settings.account),
            opts=child,
        )
        logs = aws.cloudwatch.LogGroup(name, retention_in_days=LOG_DAYS, opts=child)
        allowed = aws.iam.RolePolicy(
            name,
            role=role.name,
            policy=policy.document(
                policy.allow(
                    "WriteLogs",
                    ["logs:CreateLogStream", "logs:PutLogEvents"],
                    [pulumi.Output.concat(logs.arn, ":*")],
                ),
                policy.allow("UseDataKey", ["kms:Decrypt", "kms:GenerateDataKey"], [key_arn]),
                *statements,
            ),
            opts=child,
        )
        self.function = aws.lambda_.Function(
            name,
            role=role.arn,
            runtime=settings.lambda_runtime,
            architectures=["x86_64"],
            code=code,
            handler=f"runtime.handlers.{handler}.handler",
            timeout=timeout,
            memory_size=memory,
            kms_key_arn=key_arn,
            environment=aws.lambda_.FunctionEnvironmentArgs(variables=dict(environment)),
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="Text", log_group=logs.name),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[allowed]),  # or the first call is denied
        )
        self.arn = self.function.arn
        self.register_outputs({"arn": self.arn})


@dataclass(frozen=True, kw_only=True)
class Functions:
    """What all functions of a cell have in common."""

    settings: Settings
    storage: Storage
    tracker: Tracker
    code: pulumi.Archive

    def make(
        self,
        name: str,
        handler: str,
        statements: Sequence[policy.Statement],
        *,
        parent: pulumi.Resource,
        timeout: int = 60,
        memory: int = 512,
        environment: Mapping[str, pulumi.Input[str]] | None = None,
    ) -> Function:
        """Make a function that can read the customers' routing documents, and what `statements` allow."""
        config = self.settings.bucket_arn(self.storage.config_bucket)
        return Function(
            name,
            settings=self.settings,
            code=self.code,
            handler=handler,
            key_arn=self.storage.key_arn,
            environment={
                contract.ENV_SIDE: self.settings.side,
                contract.ENV_NAMESPACE: self.settings.namespace,
                contract.ENV_TRACKER: self.tracker.table,
                contract.ENV_CONFIG_BUCKET: self.storage.config_bucket,
                **(environment or {}),
            },
            statements=[
                # Without the right to list, S3 answers "denied" for a document that does not exist.
                policy.allow("SeeCustomers", ["s3:ListBucket"], [config]),
                policy.allow("ReadCustomers", ["s3:GetObject"], [f"{config}/*"]),
                *statements,
            ],
            timeout=timeout,
            memory=memory,
            opts=pulumi.ResourceOptions(parent=parent),
        )

    def send_receipts(self) -> policy.Statement:
        """Return the statement that lets a function publish to the customers' topics."""
        topics = self.settings.arn("sns", f"{self.settings.namespace}-*")
        return policy.allow("SendReceipts", ["sns:Publish"], [topics])

    @property
    def inbound_arn(self) -> str:
        """Return the ARN pattern of the customers' buckets in this region."""
        return self.settings.bucket_arn(f"{self.settings.namespace}-*-{self.settings.side}")
