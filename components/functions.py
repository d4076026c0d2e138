"""Lambda functions, each with its own role and log group, all from one bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from components import policy, services
from components.dead_letters import DeadLetters
from components.log import LOG_DAYS
from components.network import Placement
from components.settings import Settings
from components.storage import Storage
from components.tracker import Tracker
from customers.concurrency import RESERVED
from runtime.environment import ENV_CELL, ENV_CONFIG_BUCKET, ENV_NAMESPACE, ENV_SIDE, ENV_TRACKER

#: How often EventBridge repeats the start of a scheduled run at most.
_TICK_RETRIES = 3


class Function(pulumi.ComponentResource):
    """One function of the cell: its code, a role with only the permissions that it needs, its logs."""

    arn: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    version_arn: pulumi.Output[str]
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
        at_once: int,
        placement: Placement | None = None,
        publish: bool = False,
        role_name: str | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`handler` names a module of `runtime.handlers`; `timeout` is in seconds, `memory` in MiB.

        `at_once` is how many of its runs have room at any time, and the most that there are.
        With a `placement` it runs in the cell's private subnets; without one, in no VPC. With `publish`, each
        change of code or configuration becomes a new version, and `version_arn` names the newest one
        (docs/adr/0030-published-versions.md); without, `version_arn` is that of `$LATEST`. Without a
        `role_name`, Pulumi makes up the role's name.
        """
        super().__init__("mft:functions:Function", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            name=role_name,
            assume_role_policy=policy.assumed_by("lambda.amazonaws.com", account=settings.account),
            opts=child,
        )
        logs = aws.cloudwatch.LogGroup(name, retention_in_days=LOG_DAYS, kms_key_id=key_arn, opts=child)
        allowed = aws.iam.RolePolicy(
            name,
            role=role.name,
            policy=policy.document(
                policy.allow(
                    "WriteLogs",
                    ["logs:CreateLogStream", "logs:PutLogEvents"],
                    [pulumi.Output.concat(logs.arn, ":*")],
                ),
                policy.allow("UseDataKey", _key_actions(statements), [key_arn]),
                # https://docs.aws.amazon.com/xray/latest/devguide/security_iam_id-based-policy-examples.html
                policy.allow("Trace", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], ["*"]),
                *(_join_network(settings) if placement else ()),
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
            reserved_concurrent_executions=at_once,
            publish=publish or None,
            kms_key_arn=key_arn,
            environment=aws.lambda_.FunctionEnvironmentArgs(
                # With this, CloudTrail shows which function made a call, in any region.
                # https://docs.aws.amazon.com/sdkref/latest/guide/feature-appid.html
                variables={
                    **environment,
                    "AWS_SDK_UA_APP_ID": f"{name}-{settings.side}",
                    **(services.hosts(settings) if placement else {"AWS_USE_FIPS_ENDPOINT": "true"}),
                }
            ),
            tracing_config=aws.lambda_.FunctionTracingConfigArgs(mode="Active"),
            vpc_config=aws.lambda_.FunctionVpcConfigArgs(
                subnet_ids=placement.subnet_ids, security_group_ids=[placement.group_id]
            )
            if placement
            else None,
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="Text", log_group=logs.name),
            # Otherwise its first calls could be denied.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[allowed]),
        )
        self.arn, self.version_arn = self.function.arn, self.function.qualified_arn
        self.role_arn = role.arn
        self._name, self._child = name, child
        self.register_outputs({"arn": self.arn})

    def every(self, minutes: int, dead_letters: DeadLetters) -> aws.cloudwatch.EventRule:
        """Schedule the function at this rate, and return the rule.

        A run that fails is not repeated, because the next one does the same work; it is reported to the
        dead letters. So is one that could not be started by the time that the next one was due.
        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-configuring.html
        """
        queue = dead_letters.invocations.queue
        aws.lambda_.FunctionEventInvokeConfig(
            self._name,
            function_name=self.function.name,
            maximum_event_age_in_seconds=60 * minutes,
            maximum_retry_attempts=0,
            destination_config=aws.lambda_.FunctionEventInvokeConfigDestinationConfigArgs(
                on_failure=aws.lambda_.FunctionEventInvokeConfigDestinationConfigOnFailureArgs(
                    destination=queue.arn
                )
            ),
            opts=self._child,
        )
        schedule = f"rate({minutes} minute{'' if minutes == 1 else 's'})"  # EventBridge refuses `1 minutes`
        rule = aws.cloudwatch.EventRule(self._name, schedule_expression=schedule, opts=self._child)
        invoked = aws.lambda_.Permission(
            self._name,
            action="lambda:InvokeFunction",
            function=self.arn,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=self._child,
        )
        aws.cloudwatch.EventTarget(
            self._name,
            rule=rule.name,
            arn=self.arn,
            retry_policy=aws.cloudwatch.EventTargetRetryPolicyArgs(
                maximum_event_age_in_seconds=60 * minutes, maximum_retry_attempts=_TICK_RETRIES
            ),
            dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=queue.arn),
            opts=pulumi.ResourceOptions.merge(
                self._child,
                pulumi.ResourceOptions(depends_on=[invoked, dead_letters.invocations.allowed]),
            ),
        )
        return rule


def _key_actions(statements: Sequence[policy.Statement]) -> list[str]:
    """Return the actions on the data key that services perform under a function's role.

    Lambda decrypts the function's environment, S3 and SQS decrypt what it reads; S3 and SNS encrypt what it
    writes.
    """
    allowed = {action for each in statements if each["Effect"] == "Allow" for action in each["Action"]}
    writes = not allowed.isdisjoint({"s3:PutObject", "sns:Publish"})
    return ["kms:Decrypt", "kms:GenerateDataKey"] if writes else ["kms:Decrypt"]


#: The actions that Lambda performs under a function's role to connect it to subnets. Lambda creates the
#: interfaces, so the resources are unknown: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
_NETWORK_ACTIONS = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)


def _join_network(settings: Settings) -> tuple[policy.Statement, ...]:
    """Return statements that allow Lambda to connect a function, but deny the function's code the same."""
    code = {"ArnLike": {"lambda:SourceFunctionArn": settings.arn("lambda", "function:*")}}
    return (
        policy.allow("JoinNetwork", _NETWORK_ACTIONS, ["*"]),
        policy.deny("NotTheCode", _NETWORK_ACTIONS, ["*"], conditions=code),
    )


@dataclass(frozen=True, kw_only=True)
class Functions:
    """What all functions of a cell have in common.

    `made` are the functions made so far, and `rules` those that schedule them, by role.
    """

    settings: Settings
    storage: Storage
    tracker: Tracker
    code: pulumi.Archive
    dead_letters: DeadLetters
    made: dict[str, Function] = field(default_factory=dict)
    rules: dict[str, aws.cloudwatch.EventRule] = field(default_factory=dict)

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
        placement: Placement | None = None,
        publish: bool = False,
        role: str | None = None,
        role_name: str | None = None,
        every: int | None = None,
    ) -> Function:
        """Make a function with permission for these `statements`, and schedule it `every` so many minutes.

        `role` says what it is for in the cell, if there are several functions with its handler.
        """
        reported = [] if every is None else [self._report_failures()]
        made = self.made[role or handler] = Function(
            name,
            settings=self.settings,
            code=self.code,
            handler=handler,
            key_arn=self.storage.key_arn,
            environment={
                ENV_SIDE: self.settings.side,
                ENV_NAMESPACE: self.settings.namespace,
                ENV_CELL: self.settings.cell,
                ENV_TRACKER: self.tracker.table,
                ENV_CONFIG_BUCKET: self.storage.config_bucket,
                **(environment or {}),
            },
            statements=[*statements, *reported],
            timeout=timeout,
            memory=memory,
            at_once=RESERVED[handler],
            placement=placement,
            publish=publish,
            role_name=role_name,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        if every is not None:
            self.rules[role or handler] = made.every(every, self.dead_letters)
        return made

    def _report_failures(self) -> policy.Statement:
        """Return the statement that allows Lambda to report a function's failed runs, under its role.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
        """
        queue = self.dead_letters.invocations.queue
        return policy.allow("ReportFailures", ["sqs:SendMessage"], [queue.arn])

    def read_customers(self) -> list[policy.Statement]:
        """Return the statements that allow a function to list and read the customers' routing documents."""
        config = self.settings.bucket_arn(self.storage.config_bucket)
        return [
            # Without permission to list, S3 answers "denied" for a document that does not exist.
            policy.allow("SeeCustomers", ["s3:ListBucket"], [config]),
            policy.allow("ReadCustomers", ["s3:GetObject"], [f"{config}/*"]),
        ]

    def publish_metrics(self, namespace: str) -> policy.Statement:
        """Return the statement that allows a function to publish metrics in a CloudWatch namespace."""
        return policy.allow(
            "PublishMetrics",
            ["cloudwatch:PutMetricData"],
            ["*"],  # the action has no resources; the condition restricts it
            conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
        )

    def send_receipts(self) -> policy.Statement:
        """Return the statement that allows a function to publish to the customers' topics."""
        topics = self.settings.arn("sns", f"{self.settings.stem}-*")
        return policy.allow("SendReceipts", ["sns:Publish"], [topics])

    @property
    def inbound_arn(self) -> str:
        """Return the ARN pattern of the customers' buckets in this region."""
        return self.settings.bucket_arn(f"{self.settings.stem}-*-{self.settings.side}")
