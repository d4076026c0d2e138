"""The peer's switch, which this cell keeps and publishes, and the takeover that it starts."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components import policy
from components.functions import Functions
from runtime import contract


class Failover(pulumi.ComponentResource):
    """The position of the peer region's switch, and what looks at it every minute."""

    def __init__(
        self,
        name: str,
        *,
        functions: Functions,
        state_machine_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:failover:Failover", name, None, opts)
        self._name, self._functions = name, functions
        self._child = pulumi.ResourceOptions(parent=self)
        settings = functions.settings
        parameter = contract.switch_parameter(settings.namespace, settings.cell, settings.peer_side)
        aws.ssm.Parameter(
            f"{name}-switch",
            name=parameter,
            type="String",
            value=contract.Position.IN.value,
            description=f"Whether {settings.peer_region} is in DNS or out of it; `ops evacuate` moves it",
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=["value"],  # operators move it
            ),
        )
        read = policy.allow(
            "ReadSwitch", ["ssm:GetParameter"], [settings.arn("ssm", f"parameter{parameter}")]
        )
        publish = policy.allow(
            "PublishSwitch",
            ["cloudwatch:PutMetricData"],
            ["*"],  # the action knows no resources; the condition is its bound
            conditions={"StringEquals": {"cloudwatch:namespace": contract.SWITCH_NAMESPACE}},
        )
        self._every_minute("switch", [read, publish], {})
        self._every_minute(
            "takeover",
            [
                read,
                functions.tracker.use("Facts", actions=("dynamodb:Query",)),
                policy.allow(
                    "SeeFiles",
                    ["s3:GetObjectVersion"],
                    [f"{functions.inbound_arn}/{contract.INBOUND}*"],
                ),
                policy.allow("SeeAbsence", ["s3:ListBucket"], [functions.inbound_arn]),
                policy.allow("StartTransfers", ["states:StartExecution"], [state_machine_arn]),
            ],
            {contract.ENV_STATE_MACHINE: state_machine_arn},
        )
        self.register_outputs({})

    def _every_minute(
        self, handler: str, statements: list[policy.Statement], environment: dict[str, pulumi.Input[str]]
    ) -> None:
        name = f"{self._name}-{handler}"
        function = self._functions.make(
            name,
            handler,
            statements,
            parent=self,
            environment={contract.ENV_CELL: self._functions.settings.cell, **environment},
        )
        rule = aws.cloudwatch.EventRule(name, schedule_expression="rate(1 minute)", opts=self._child)
        aws.cloudwatch.EventTarget(name, rule=rule.name, arn=function.arn, opts=self._child)
        aws.lambda_.Permission(
            name,
            action="lambda:InvokeFunction",
            function=function.arn,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=self._child,
        )
