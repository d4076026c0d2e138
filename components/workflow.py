"""The cell's workflow: the state machine that processes a transfer, and the functions that are its steps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from components import destinations, policy
from components.functions import Function, Functions
from components.log import LOG_DAYS
from components.network import Placement
from components.statemachine import DELIVERY_TIMEOUT, STEP_TIMEOUT, definition
from customers import names
from customers.model import S3Destination
from runtime import contract
from runtime.environment import ENV_ARCHIVE_BUCKET

#: The actions that Step Functions performs under the workflow's role to log and trace. None has resources.
#: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
_OBSERVED = (
    policy.allow(
        "Log",
        [
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
        ],
        ["*"],
    ),
    # https://docs.aws.amazon.com/xray/latest/devguide/xray-services-stepfunctions.html
    policy.allow(
        "Trace",
        [
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
        ],
        ["*"],
    ),
)

_ADD_FACTS = ("dynamodb:Query", "dynamodb:PutItem")
_CLAIM = (*_ADD_FACTS, "dynamodb:UpdateItem")


class Workflow(pulumi.ComponentResource):
    """One state machine and its five steps: claim, compare, deliver, complete, archive."""

    state_machine_arn: pulumi.Output[str]
    deliver_role_arn: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        functions: Functions,
        delivery: Placement,
        buckets: Sequence[S3Destination],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`delivery` is the placement of the function that delivers, `buckets` where it writes."""
        super().__init__("mft:workflow:Workflow", name, None, opts)
        self._name, self._functions, self._placement = name, functions, delivery
        self._buckets = buckets
        child = pulumi.ResourceOptions(parent=self)
        settings = functions.settings
        steps = self._steps()
        self.deliver_role_arn = steps["deliver"].role_arn
        arns = [each.arn for each in steps.values()]
        # Executions go on with the versions, and the definition, that they started with.
        versions = {step: each.version_arn for step, each in steps.items()}
        role = aws.iam.Role(
            f"{name}-transfers",
            assume_role_policy=policy.assumed_by("states.amazonaws.com", account=settings.account),
            opts=child,
        )
        allowed = aws.iam.RolePolicy(
            f"{name}-transfers",
            role=role.name,
            policy=policy.document(
                # Executions that began before there were versions call the functions themselves.
                policy.allow(
                    "Steps",
                    ["lambda:InvokeFunction"],
                    [*arns, *(pulumi.Output.concat(arn, ":*") for arn in arns)],
                ),
                *_OBSERVED,
            ),
            opts=child,
        )
        # Vended logs need a name of this form: https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
        logs = aws.cloudwatch.LogGroup(
            f"{name}-transfers",
            name_prefix="/aws/vendedlogs/states/",
            retention_in_days=LOG_DAYS,
            kms_key_id=functions.storage.key_arn,
            opts=child,
        )
        machine = aws.sfn.StateMachine(
            f"{name}-transfers",
            type="STANDARD",
            role_arn=role.arn,
            definition=pulumi.Output.all(**versions).apply(
                lambda known: json.dumps(definition(known, partition=settings.partition))
            ),
            logging_configuration=aws.sfn.StateMachineLoggingConfigurationArgs(
                level="ERROR",
                include_execution_data=False,
                log_destination=pulumi.Output.concat(logs.arn, ":*"),
            ),
            tracing_configuration=aws.sfn.StateMachineTracingConfigurationArgs(enabled=True),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[allowed]),  # AWS checks the role at creation
        )
        self.state_machine_arn = machine.arn
        self.register_outputs({"state_machine_arn": self.state_machine_arn})

    def _steps(self) -> dict[str, Function]:
        functions = self._functions
        settings, storage, tracker = functions.settings, functions.storage, functions.tracker
        files = [f"{functions.inbound_arn}/{contract.INBOUND}*"]
        archive = settings.bucket_arn(storage.archive_bucket)
        read = policy.allow("ReadFiles", ["s3:GetObjectVersion"], files)
        return {
            "claim": self._step("claim", [*functions.read_customers(), tracker.use("Claim", actions=_CLAIM)]),
            "compare": self._step(
                "compare",
                [*functions.read_customers(), tracker.use("Facts", actions=_ADD_FACTS), read],
                timeout=DELIVERY_TIMEOUT,
                memory=1024,
            ),
            "deliver": self._step(
                "deliver",
                [
                    *functions.read_customers(),
                    tracker.use("Claim", actions=(*_CLAIM, "dynamodb:GetItem")),
                    read,
                    policy.allow(
                        "ReadPartnerKeys",
                        ["secretsmanager:GetSecretValue"],
                        [settings.arn("secretsmanager", f"secret:{settings.namespace}/*")],
                    ),
                    *destinations.statements(
                        self._buckets,
                        own=names.canary_bucket(settings.namespace, settings.cell, settings.side),
                        settings=settings,
                    ),
                    policy.deny(
                        "NeverOurOwn",
                        ["s3:PutObject", "s3:AbortMultipartUpload"],
                        # Deliveries to `delivered/` of the canary's bucket remain allowed.
                        [
                            settings.bucket_arn(f"{settings.namespace}-*/{contract.INBOUND}*"),
                            *(
                                settings.bucket_arn(f"{settings.namespace}-cell*-{role}-*/*")
                                for role in names.ROLES
                            ),
                        ],
                    ),
                    policy.deny(
                        "NeverOurRecords",
                        ["s3:GetObject"],
                        [
                            settings.bucket_arn(f"{settings.namespace}-cell*-{role}-*/*")
                            for role in ("archive", "audit")
                        ],
                    ),
                ],
                timeout=DELIVERY_TIMEOUT,
                memory=1769,  # one whole vCPU
                placement=self._placement,  # partners let in the addresses of the cell's NAT gateways
                role_name=names.deliver_role(settings.namespace, settings.cell, settings.side),
            ),
            "archive": self._step(
                "archive",
                [
                    tracker.use("Facts", actions=("dynamodb:PutItem",)),
                    policy.allow("ReadFiles", ["s3:GetObjectVersion", "s3:GetObjectVersionTagging"], files),
                    policy.allow("SeeArchive", ["s3:ListBucket"], [archive]),
                    policy.allow(
                        "WriteArchive",
                        ["s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload"],
                        [f"{archive}/*"],
                    ),
                ],
                timeout=DELIVERY_TIMEOUT,
                environment={ENV_ARCHIVE_BUCKET: storage.archive_bucket},
            ),
            "complete": self._step(
                "complete",
                [
                    *functions.read_customers(),
                    tracker.use("Facts", actions=_CLAIM),  # a failed file releases its destination's breaker
                    functions.send_receipts(),
                ],
            ),
        }

    def _step(
        self,
        step: str,
        statements: list[policy.Statement],
        *,
        timeout: int = STEP_TIMEOUT,
        memory: int = 512,
        environment: Mapping[str, pulumi.Input[str]] | None = None,
        placement: Placement | None = None,
        role_name: str | None = None,
    ) -> Function:
        return self._functions.make(
            f"{self._name}-{step}",
            step,
            statements,
            parent=self,
            timeout=timeout,
            memory=memory,
            environment=environment,
            placement=placement,
            publish=True,
            role_name=role_name,
        )
