"""S3 Batch Operations, which MiniStack lacks: jobs that replicate the versions of a list again.

A job is done when it is made. Like S3's, it needs its role, a list that is as it was when the job was asked
for and under no key of KMS, and a replication rule for each version; replicas keep their versions' ids, and
one token makes one job. https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-batch-replication-batch.html
"""

from __future__ import annotations

import csv
import itertools
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from local.aws.ministack import replication
from local.aws.ministack.patching import Module, after, original
from local.aws.ministack.regions import REGIONS

_CHANGE = "S3 Batch Operations"
_PATH = "/v20180820/jobs"
Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A job that has ended, and the request that made it."""

    id: str
    request: bytes
    status: str
    succeeded: int = 0
    failed: int = 0

    def described(self) -> bytes:
        total = self.succeeded + self.failed
        summary = "".join(
            f"<{name}>{number}</{name}>"
            for name, number in (
                ("TotalNumberOfTasks", total),
                ("NumberOfTasksSucceeded", self.succeeded),
                ("NumberOfTasksFailed", self.failed),
            )
        )
        job = f"<JobId>{self.id}</JobId><Status>{self.status}</Status>"
        return (
            f"<DescribeJobResult><Job>{job}<ProgressSummary>{summary}</ProgressSummary></Job>"
            "</DescribeJobResult>"
        ).encode()


class _Jobs:
    """The jobs of each account and region."""

    def __init__(self, s3: Module) -> None:
        self._s3 = s3
        self._jobs: dict[str, _Job] = {}
        self._tokens: dict[tuple[str, str, str], str] = {}
        self._numbers = itertools.count(1)
        for used in ("_buckets", "_object_versions", "_read_body", "_replication_rule_for"):
            original(_CHANGE, s3, used)

    def answer(self, method: str, path: str, body: bytes, account: str, region: str) -> Answer:
        """Answer CreateJob or DescribeJob."""
        if method == "POST" and path == _PATH:
            return self._create(body, account, region)
        job = self._jobs.get(path.removeprefix(f"{_PATH}/"))
        if method == "GET" and job is not None:
            return _answer(200, job.described())
        return _error(404, "NoSuchJob", "The specified job does not exist.")

    def _create(self, body: bytes, account: str, region: str) -> Answer:
        request = _Request(ET.fromstring(body))  # noqa: S314 - from this machine's own tools
        token = (account, region, request.text("ClientRequestToken"))
        if known := self._tokens.get(token):
            if self._jobs[known].request != body:
                return _error(400, "IdempotencyException", "The token was used with other parameters.")
            return _answer(200, _made(known))
        if not request.has("S3ReplicateObject"):
            return _error(400, "InvalidRequest", "Only S3ReplicateObject is emulated.")
        if not _role_exists(request.text("RoleArn")):
            return _error(400, "InvalidRequest", "The role does not exist.")
        id = f"00000000-0000-4000-8000-{next(self._numbers):012}"
        self._jobs[id] = self._run(id, body, request)
        self._tokens[token] = id
        return _answer(200, _made(id))

    def _run(self, id: str, body: bytes, request: _Request) -> _Job:
        bucket, _, key = request.text("ObjectArn").partition(":::")[2].partition("/")
        record = (self._s3._buckets.get(bucket) or {"objects": {}})["objects"].get(key)
        under_key = record and record["preserved_headers"].get("x-amz-server-side-encryption") == "aws:kms"
        if record is None or under_key or record["etag"].strip('"') != request.text("ETag").strip('"'):
            return _Job(id=id, request=body, status="Failed")
        text = self._s3._read_body(bucket, key, record).decode()
        done = [
            self._replicate(name, unquote(key), version)
            for name, key, version in csv.reader(text.splitlines())
        ]
        return _Job(id=id, request=body, status="Complete", succeeded=sum(done), failed=len(done) - sum(done))

    def _replicate(self, bucket: str, key: str, version: str) -> bool:
        """Replicate a version, whatever live replication's lag is; return whether its replica is there."""
        s3 = self._s3
        rule, role = s3._replication_rule_for(bucket, key, None)
        entries = s3._object_versions.get((bucket, key)) or ()
        entry = next((each for each in entries if each["version_id"] == version), None)
        if rule is None or entry is None:
            return False
        if REGIONS.is_down(s3._replication_destination_region(rule["Destination"]["Bucket"])):
            return False
        current = s3._buckets[bucket]["objects"].get(key)
        is_current = current is not None and current.get("version_id") == version
        record: dict[str, Any] = current if is_current else {**entry}
        was = entry["replication_status"]
        item = replication.ReplicaCopy(
            s3=s3,
            bucket=bucket,
            key=key,
            version=version,
            record=record,
            entry=entry,
            data=entry["data"],
            rule=rule,
            role=role,
        )
        replication.arrive(item)
        if was == "REPLICA":
            item.finish(was)  # what is itself a replica stays one
            return replication.is_there(item)
        return bool(entry["replication_status"] == "COMPLETED")


class _Request:
    """A request's document, whose elements are found by their names."""

    def __init__(self, root: ET.Element) -> None:
        self._found = {each.tag.rpartition("}")[2]: each.text or "" for each in root.iter()}

    def has(self, name: str) -> bool:
        return name in self._found

    def text(self, name: str) -> str:
        return self._found.get(name, "")


def _role_exists(arn: str) -> bool:
    from ministack.services import iam  # it is not loaded yet when this module is

    account, name = arn.split(":")[4], arn.rpartition("/")[2]
    return original(_CHANGE, iam, "_roles").get_scoped(account, None, name) is not None


def _made(id: str) -> bytes:
    return f"<CreateJobResult><JobId>{id}</JobId></CreateJobResult>".encode()


def _answer(status: int, body: bytes) -> Answer:
    return status, {"Content-Type": "application/xml"}, body  # MiniStack adds to the headers


def _error(status: int, code: str, message: str) -> Answer:
    text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return _answer(status, text.encode())


@after("app")
def _served(app: Module) -> None:
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import s3

    control = original(_CHANGE, app, "_handle_s3_control_request")
    jobs = _Jobs(s3)

    async def handle(path: str, method: str, body: bytes, *rest: Any) -> Any:
        if path == _PATH or path.startswith(f"{_PATH}/"):
            return jobs.answer(method, path, body, get_account_id(), get_region())
        return await control(path, method, body, *rest)

    app._handle_s3_control_request = handle
