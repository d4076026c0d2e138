"""The audit: the function that exports this region's facts to the cell's Object-Lock bucket."""

from __future__ import annotations

import pulumi

from components import policy
from components.functions import Functions
from runtime.environment import ENV_AUDIT_BUCKET
from runtime.timing import AUDIT_MINUTES

#: Seconds. A run usually takes one second, and longer after days without an export.
_TIMEOUT = 900


class Audit(pulumi.ComponentResource):
    """The scheduled function that adds this region's facts to hash chains in the audit bucket."""

    def __init__(
        self, name: str, *, functions: Functions, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("mft:audit:Audit", name, None, opts)
        bucket = functions.settings.bucket_arn(functions.storage.audit_bucket)
        functions.make(
            f"{name}-export",
            "audit",
            [
                *functions.read_customers(),
                functions.tracker.look_up(),
                functions.tracker.use("Facts", actions=("dynamodb:Query", "dynamodb:GetItem")),
                # It records what it has exported, and cannot write a fact.
                # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
                functions.tracker.use(
                    "Notes",
                    actions=("dynamodb:PutItem",),
                    conditions={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["audit#*"]}},
                ),
                # Without permission to list, S3 answers "denied" for a link that does not exist.
                policy.allow("SeeAbsence", ["s3:ListBucket"], [bucket]),
                policy.allow("Links", ["s3:GetObject", "s3:PutObject"], [f"{bucket}/audit/*"]),
            ],
            parent=self,
            timeout=_TIMEOUT,
            environment={ENV_AUDIT_BUCKET: functions.storage.audit_bucket},
            every=AUDIT_MINUTES,
        )
        self.register_outputs({})
