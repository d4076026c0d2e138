"""The switch of the peer region, which this cell keeps and publishes, and the takeover that it starts."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components import policy
from components.functions import Functions
from components.publication import Publication
from runtime import contract, timing
from runtime.environment import ENV_STATE_MACHINE, ENV_SWITCH_BUCKET
from runtime.metric_names import SWITCH_NAMESPACE

#: Seconds. A pass stops well before (runtime.transfer_scan.ENOUGH), so that it is over when the next minute's
#: begins, which continues where it stopped.
TAKEOVER_TIMEOUT = timing.SWITCH_MINUTES * 60 + 15


class PeerSwitch(pulumi.ComponentResource):
    """The position of the peer region's switch, and the scheduled functions that act on it."""

    def __init__(
        self,
        name: str,
        *,
        functions: Functions,
        publication: Publication | None,
        state_machine_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:failover:Failover", name, None, opts)
        self._name, self._functions = name, functions
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
        if publication:
            self._scheduled("switch", [read, *publication.write], {ENV_SWITCH_BUCKET: publication.bucket})
        else:
            publish = functions.publish_metrics(SWITCH_NAMESPACE)
            self._scheduled("switch", [read, publish], {})
        self._scheduled(
            "takeover",
            [
                read,
                *functions.read_customers(),
                functions.tracker.look_up(),
                functions.tracker.use("Facts", actions=("dynamodb:Query", "dynamodb:PutItem")),
                policy.allow(
                    "SeeFiles",
                    ["s3:GetObjectVersion"],
                    [f"{functions.inbound_arn}/{contract.INBOUND}*"],
                ),
                policy.allow(
                    "SeeAbsence", ["s3:ListBucket", "s3:ListBucketVersions"], [functions.inbound_arn]
                ),
                policy.allow("StartTransfers", ["states:StartExecution"], [state_machine_arn]),
                policy.allow("SeeTransfers", ["states:DescribeExecution"], [_executions(state_machine_arn)]),
                functions.send_receipts(),
            ],
            {ENV_STATE_MACHINE: state_machine_arn},
            timeout=TAKEOVER_TIMEOUT,
            reserved=1,  # two passes at once would use twice their share of Step Functions' rates
        )
        self.register_outputs({})

    def _scheduled(
        self,
        handler: str,
        statements: list[policy.Statement],
        environment: dict[str, pulumi.Input[str]],
        *,
        timeout: int = 60,
        reserved: int | None = None,
    ) -> None:
        self._functions.make(
            f"{self._name}-{handler}",
            handler,
            statements,
            parent=self,
            environment=environment,
            timeout=timeout,
            reserved=reserved,
        ).every(timing.SWITCH_MINUTES)


def _executions(state_machine_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return the ARN pattern of a state machine's executions."""
    return pulumi.Output.from_input(state_machine_arn).apply(
        lambda arn: arn.replace(":stateMachine:", ":execution:") + ":*"
    )
