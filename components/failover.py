"""The switch of the peer region, which this cell keeps and publishes, and the takeover that it starts."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from components import policy
from components.functions import Functions
from components.publication import Publication
from components.settings import Settings
from runtime import contract, timing
from runtime.environment import ENV_STATE_MACHINE, ENV_SWITCH_BUCKET
from runtime.metric_names import SWITCH_NAMESPACE

#: Seconds. A pass stops well before (runtime.transfer_scan.ENOUGH), so that it is over when the next minute's
#: begins, which continues where it stopped.
TAKEOVER_TIMEOUT = timing.SWITCH_MINUTES * 60 + 15


class PeerSwitch(pulumi.ComponentResource):
    """The position of the peer region's switch, this region's own word that it is in, and the scheduled
    functions that act on both.
    """

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
        force = contract.force_parameter(settings.namespace, settings.cell)
        aws.ssm.Parameter(
            f"{name}-force",
            name=force,
            type="String",
            value=contract.UNFORCED,
            description=f"Whether {settings.region} is forced into DNS by itself; `ops force-in` says so",
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["value"]),
        )
        own_switch = contract.switch_parameter(settings.namespace, settings.cell, settings.side)
        # Of the peer, one parameter is read, by its word against this region's or this region's against it:
        # only while one of the two regions is out. A peer that does not answer says nothing.
        ask_peer = [
            policy.allow(sid, ["ssm:GetParameter"], [_parameter(settings, name, settings.peer_region)])
            for sid, name in (("ReadPeersForce", force), ("ReadOwnSwitch", own_switch))
        ]
        read = policy.allow("ReadSwitch", ["ssm:GetParameter"], [_parameter(settings, parameter)])
        ours = policy.allow(
            "OwnForce", ["ssm:GetParameter", "ssm:PutParameter"], [_parameter(settings, force)]
        )
        publish = functions.publish_metrics(SWITCH_NAMESPACE)
        self._scheduled(
            "switch",
            [read, ours, *ask_peer, publish, *(publication.write if publication else ())],
            {ENV_SWITCH_BUCKET: publication.bucket} if publication else {},
        )
        self._scheduled(
            "takeover",
            [
                read,
                ask_peer[0],
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
        )
        self.register_outputs({})

    def _scheduled(
        self,
        handler: str,
        statements: list[policy.Statement],
        environment: dict[str, pulumi.Input[str]],
        *,
        timeout: int = 60,
    ) -> None:
        self._functions.make(
            f"{self._name}-{handler}",
            handler,
            statements,
            parent=self,
            environment=environment,
            timeout=timeout,
            every=timing.SWITCH_MINUTES,
        )


def _parameter(settings: Settings, name: str, region: str | None = None) -> str:
    """Return the ARN of a parameter, here unless a region is given."""
    return settings.arn("ssm", f"parameter{name}", region=region)


def _executions(state_machine_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return the ARN pattern of a state machine's executions."""
    return pulumi.Output.from_input(state_machine_arn).apply(
        lambda arn: arn.replace(":stateMachine:", ":execution:") + ":*"
    )
