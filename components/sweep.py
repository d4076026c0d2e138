"""The sweep: a function that takes in what no event has brought, and restarts what no execution carries."""

from __future__ import annotations

import pulumi

from components import policy
from components.endpoint import Endpoint
from components.functions import Functions
from runtime import contract
from runtime.environment import ENV_SESSION_LOG, ENV_STATE_MACHINE
from runtime.timing import SWEEP_MINUTES

#: Seconds. A run ends in time, and the next one continues where it stopped.
_TIMEOUT = 900


class Sweep(pulumi.ComponentResource):
    """The function that sweeps this region's inbound buckets, and reads the endpoint's session log."""

    def __init__(
        self,
        name: str,
        *,
        functions: Functions,
        endpoint: Endpoint,
        state_machine_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("mft:sweep:Sweep", name, None, opts)
        inbound = functions.inbound_arn
        executions = pulumi.Output.from_input(state_machine_arn).apply(
            lambda arn: arn.replace(":stateMachine:", ":execution:") + ":*"
        )
        notes = f"{contract.SWEEP_NOTES}*"
        functions.make(
            name,
            "sweep",
            [
                *functions.read_customers(),
                functions.tracker.look_up(),
                functions.tracker.use("Facts", actions=("dynamodb:Query", "dynamodb:PutItem")),
                # It removes its own notes, and cannot remove a fact.
                functions.tracker.use(
                    "Notes",
                    actions=("dynamodb:DeleteItem",),
                    conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [notes]}},
                ),
                policy.allow("ReadHeads", ["s3:GetObjectVersion"], [f"{inbound}/{contract.INBOUND}*"]),
                policy.allow(
                    "FindVersions",
                    ["s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"],
                    [inbound],
                ),
                policy.allow(
                    "ReadSessions",
                    ["logs:FilterLogEvents"],
                    [pulumi.Output.concat(endpoint.session_log_arn, ":*")],
                ),
                policy.allow(
                    "StartTransfers", ["states:StartExecution", "states:ListExecutions"], [state_machine_arn]
                ),
                policy.allow("SeeTransfers", ["states:DescribeExecution"], [executions]),
                functions.send_receipts(),
            ],
            parent=self,
            timeout=_TIMEOUT,
            environment={
                ENV_STATE_MACHINE: state_machine_arn,
                ENV_SESSION_LOG: endpoint.session_log,
            },
            every=SWEEP_MINUTES,
        )
        self.register_outputs({})
