"""Jobs of S3 Batch Replication, which replicate versions again that live replication has not.

Only replication keeps a version's id and time, and with them the transfer's identity
(docs/adr/0036-restoring.md). A job is made of a list of versions in the config bucket of the region that has
them. Everything may be repeated: the list and the job's token follow from the plan, and S3 makes one job of a
token (https://docs.aws.amazon.com/AmazonS3/latest/API/API_control_CreateJob.html).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from customers import names
from ops.cell import DeployedCell
from ops.logbook import Logbook
from ops.plan import digest
from runtime.contract import PARTITION, REPAIRS

#: Seconds for which a job is watched, and between two looks.
GIVE_UP, _EVERY = 1800.0, 2.0

#: The most jobs of one plan, of which all but the last ended badly.
_TRIES = 5

#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-job-status.html
_ENDED = ("Complete", "Failed", "Cancelled")


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """A job's id and its last known status: Complete, Failed, Cancelled, or that of one that still runs."""

    id: str
    status: str


@dataclass(frozen=True, kw_only=True)
class ReplicationJobs:
    """The jobs that replicate from one region. `s3` and `control` are its clients of S3 and S3 Control."""

    cell: DeployedCell
    s3: Any
    control: Any

    def run(
        self,
        bucket: str,
        versions: Sequence[tuple[str, str]],
        *,
        plan: str,
        why: str,
        looked: Callable[[], None] = lambda: None,
    ) -> JobResult:
        """Replicate versions (key, version id) of a bucket again, and wait for the job's end.

        `plan` is the digest of the reviewed plan. `looked` is called after each look at the job. What is done
        is recorded in the region's audit bucket; RefusedError, before anything is done, when it cannot be.
        """
        what = {bucket: {"plan": plan, "versions": [version for _, version in versions]}}
        with Logbook(self.cell, "gaps").recorded(digest=digest(what), plan=what, why=why) as recording:
            result = self._run(bucket, versions, plan=plan, why=why, looked=looked)
            recording.outcome = {"job": result.id, "status": result.status}
        return result

    def _run(
        self,
        bucket: str,
        versions: Sequence[tuple[str, str]],
        *,
        plan: str,
        why: str,
        looked: Callable[[], None],
    ) -> JobResult:
        where = self.cell.bucket("config")
        key = f"{REPAIRS}{plan}/{bucket}.csv"
        lines = (f"{bucket},{quote(name)},{version}\n" for name, version in versions)
        # Lists under a key of KMS are not supported:
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-create-job.html
        put = self.s3.put_object(
            Bucket=where, Key=key, Body="".join(lines).encode(), ServerSideEncryption="AES256"
        )
        for number in range(1, _TRIES + 1):
            id = self._make(where, key, put["ETag"].strip('"'), token=_token(plan, bucket, number), why=why)
            status = self._status(id)
            # The token of a job that ended badly, in an earlier command, would only bring that job back.
            if status not in _ENDED or status == "Complete":
                break
        return JobResult(id=id, status=self._watched(id, status, looked))

    def _make(self, where: str, key: str, etag: str, *, token: str, why: str) -> str:
        environment = self.cell.environment
        role = names.replication_job_role(environment.namespace, environment.cell, self.cell.side)
        made = self.control.create_job(
            AccountId=environment.account,
            ConfirmationRequired=False,
            Operation={"S3ReplicateObject": {}},
            Manifest={
                "Spec": {
                    "Format": "S3BatchOperations_CSV_20180820",
                    "Fields": ["Bucket", "Key", "VersionId"],
                },
                "Location": {"ObjectArn": f"arn:{PARTITION}:s3:::{where}/{key}", "ETag": etag},
            },
            Report={
                "Enabled": True,
                "Bucket": f"arn:{PARTITION}:s3:::{where}",
                "Prefix": f"{key.rpartition('/')[0]}/reports",
                "Format": "Report_CSV_20180820",
                "ReportScope": "FailedTasksOnly",
            },
            ClientRequestToken=token,
            Description=why[:256],
            Priority=1,
            RoleArn=f"arn:{PARTITION}:iam::{environment.account}:role/{role}",
        )
        return str(made["JobId"])

    def _watched(self, id: str, status: str, looked: Callable[[], None]) -> str:
        give_up = time.monotonic() + GIVE_UP
        while status not in _ENDED and time.monotonic() < give_up:
            looked()
            time.sleep(_EVERY)
            status = self._status(id)
        return status

    def _status(self, id: str) -> str:
        job = self.control.describe_job(AccountId=self.cell.environment.account, JobId=id)["Job"]
        return str(job["Status"])


def _token(plan: str, bucket: str, number: int) -> str:
    """Return the token of one job: S3 takes 64 characters."""
    return hashlib.sha256(f"{plan}/{bucket}/{number}".encode()).hexdigest()
