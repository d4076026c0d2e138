"""Each function may do what its code calls, and nothing else: the drill's calls compared with its policies.

The emulated AWS asks nobody for permission. It notes who called what, though, and every function says who it
is, so what was called is compared with what the rendered policies of that world allow, both ways.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from local import program
from runtime.contract import PARTITION, TRACKER_PK
from tests.iam import Statement, granting, matches, parsed

ACCOUNT = program.stack_config("gov-west")["mft:accountId"]

_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg/"

#: What AWS does in a function's name, by statement and action; its code never calls it.
BY_AWS = {
    ("*", "WriteLogs", "logs:CreateLogStream"): f"{_LAMBDA}monitoring-cloudwatchlogs.html",
    ("*", "WriteLogs", "logs:PutLogEvents"): f"{_LAMBDA}monitoring-cloudwatchlogs.html",
    ("*", "Trace", "xray:PutTraceSegments"): f"{_LAMBDA}services-xray.html",
    ("*", "Trace", "xray:PutTelemetryRecords"): f"{_LAMBDA}services-xray.html",
    ("*", "UseDataKey", "kms:Decrypt"): f"{_LAMBDA}configuration-envvars-encryption.html",
    **{
        ("cell1-workflow-deliver", "UsePartnersKeys", action): (
            "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"
        )
        for action in ("kms:GenerateDataKey", "kms:Decrypt")
    },
    ("*", "TakeMessages", "sqs:ReceiveMessage"): f"{_LAMBDA}services-sqs-configure.html",
    ("*", "TakeMessages", "sqs:DeleteMessage"): f"{_LAMBDA}services-sqs-configure.html",
    ("*", "TakeMessages", "sqs:GetQueueAttributes"): f"{_LAMBDA}services-sqs-configure.html",
    ("*", "ReportFailures", "sqs:SendMessage"): f"{_LAMBDA}invocation-async-retain-records.html",
    ("*", "JoinNetwork", "ec2:CreateNetworkInterface"): f"{_LAMBDA}configuration-vpc.html",
    ("*", "JoinNetwork", "ec2:DescribeNetworkInterfaces"): f"{_LAMBDA}configuration-vpc.html",
    ("*", "JoinNetwork", "ec2:DescribeSubnets"): f"{_LAMBDA}configuration-vpc.html",
    ("*", "JoinNetwork", "ec2:DeleteNetworkInterface"): f"{_LAMBDA}configuration-vpc.html",
    ("*", "JoinNetwork", "ec2:AssignPrivateIpAddresses"): f"{_LAMBDA}configuration-vpc.html",
    ("*", "JoinNetwork", "ec2:UnassignPrivateIpAddresses"): f"{_LAMBDA}configuration-vpc.html",
}

#: Statements that allow the same for each partner. The drill delivers to some of them.
FOR_EACH_PARTNER = {"SeeDestinations", "WriteDestinations"}

#: What the drill does not come by: the code that takes it, and when.
RARE = {
    ("cell1-workflow-claim", "Claim", "dynamodb:PutItem"): (
        "runtime.workflow:Workflow._mark",
        "an older submission is sent after a newer one was delivered",
    ),
    ("cell1-workflow-archive", "WriteArchive", "s3:AbortMultipartUpload"): (
        "runtime.archive:Archive.store",
        "a copy in parts fails: of more than 5 GB",
    ),
    ("cell1-workflow-deliver", "WriteDestinations", "s3:AbortMultipartUpload"): (
        "runtime.delivery.s3:_Copy._copy_in_parts",
        "a copy in parts fails: of more than 5 GB",
    ),
    ("cell1-intake-ingest", "FindVersions", "s3:ListBucket"): (
        "runtime.uploaded_versions:UploadedVersions._head",
        "the object of an event is gone",
    ),
    **{
        (function, "SeeCustomers", "s3:ListBucket"): (
            "runtime.routing:Directory.customer",
            "a customer has left whose files are still under way",
        )
        for function in (
            "cell1-intake-ingest",
            "cell1-workflow-claim",
            "cell1-workflow-compare",
            "cell1-workflow-deliver",
            "cell1-workflow-complete",
        )
    },
    ("cell1-failover-takeover", "SeeTransfers", "states:DescribeExecution"): (
        "runtime.executions:Executions.start",
        "a name of an execution is taken by another input",
    ),
    ("cell1-failover-takeover", "SeeAbsence", "s3:ListBucket"): (
        "runtime.takeover:Takeover._has_arrived",
        "a fact of the lost region has replicated, and its object has not",
    ),
    **{
        ("cell1-failover-takeover", sid, action): (
            "runtime.intake:Intake.adopt",
            "an object of the lost region has replicated, and no fact about it",
        )
        for sid, action in (
            ("Facts", "dynamodb:PutItem"),
            ("SendReceipts", "sns:Publish"),
            ("UseDataKey", "kms:GenerateDataKey"),
        )
    },
    ("cell1-failover-switch", "OwnForce", "ssm:PutParameter"): (
        "runtime.force:Force.repeat",
        "the region was forced in, and its keeper has spoken since",
    ),
    ("cell1-failover-switch", "ReadOwnSwitch", "ssm:GetParameter"): (
        "runtime.force:Force.repeat",
        "the region is forced in",
    ),
    **{
        (function, "ReadPeersForce", "ssm:GetParameter"): (
            "runtime.force:Force.overrules",
            "the peer is out, and answers",
        )
        for function in ("cell1-failover-switch", "cell1-failover-takeover")
    },
    ("cell1-audit-export", "Links", "s3:GetObject"): (
        "runtime.audit:Audit._stands",
        "a pass that died, or one at the same time, has written the next link",
    ),
    ("cell1-audit-export", "SeeAbsence", "s3:ListBucket"): (
        "runtime.audit:Audit._stands",
        "the next link is being written at this moment",
    ),
    **{
        ("cell1-sweep", sid, action): (
            "runtime.unknown_uploads:UnknownUploads._take_in",
            "an upload that no event has brought within a quarter of an hour",
        )
        for sid, action in (
            ("Notes", "dynamodb:DeleteItem"),
            ("ReadHeads", "s3:GetObjectVersion"),
            ("FindVersions", "s3:ListBucket"),
            ("ReadSessions", "logs:FilterLogEvents"),
            ("StartTransfers", "states:StartExecution"),
            ("SendReceipts", "sns:Publish"),
            ("UseDataKey", "kms:GenerateDataKey"),
        )
    },
    **{
        ("cell1-sweep", sid, action): (
            "runtime.restarts:Restarts.run",
            "a transfer that has been unfinished for ten minutes",
        )
        for sid, action in (
            ("StartTransfers", "states:ListExecutions"),
            ("SeeTransfers", "states:DescribeExecution"),
        )
    },
    ("cell1-canary", "SeeAbsence", "s3:ListBucket"): (
        "runtime.canary:Canary._send",
        "a delivery was recorded, and its copy is not there",
    ),
}


@dataclass(frozen=True)
class Need:
    """What IAM has to allow for one call."""

    action: str
    resource: str
    context: Mapping[str, str]


def needs(call: Mapping[str, Any], key_arn: str) -> Iterator[Need]:
    """Yield what IAM requires for a call, by the Service Authorization Reference and the operations' pages.

    https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
    """
    given, service, operation = call["given"], call["service"], call["operation"]
    action, arn = f"{service}:{operation}", f"arn:{PARTITION}:{service}:{call['region']}:{ACCOUNT}:"
    match service:
        case "s3":
            yield from _of_objects(call, key_arn)
        case "dynamodb":
            index = f"/index/{given['IndexName']}" if "IndexName" in given else ""
            context = {"dynamodb:LeadingKeys": given[TRACKER_PK]} if TRACKER_PK in given else {}
            yield Need(action, f"{arn}table/{given['TableName']}{index}", context)
        case "cloudwatch":
            yield Need(action, "*", {"cloudwatch:namespace": given["Namespace"]})
        case "secretsmanager":
            yield Need(action, f"{arn}secret:{given['SecretId']}-AbCdEf", {})
        case "sns":  # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
            yield Need(action, given["TopicArn"], {})
            yield Need("kms:GenerateDataKey", key_arn, {})
            yield Need("kms:Decrypt", key_arn, {})
        case "ssm":
            yield Need(action, f"{arn}parameter{given['Name']}", {})
        case "states":
            yield Need(action, given.get("stateMachineArn") or given["executionArn"], {})
        case _:
            raise AssertionError(f"{call['caller']} calls {action}: say here what IAM asks for it")


def _of_objects(call: Mapping[str, Any], key_arn: str) -> Iterator[Need]:
    """Yield what S3 requires: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html."""
    given, operation = call["given"], call["operation"]
    bucket = f"arn:{PARTITION}:s3:::{given['Bucket']}"
    thing = f"{bucket}/{given.get('Key', '')}"
    of_version = "Version" if "VersionId" in given else ""
    match operation:
        case "GetObject" | "HeadObject":
            yield Need(f"s3:GetObject{of_version}", thing, {})
            if call["status"] == 404:  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
                yield Need("s3:ListBucket", bucket, {})
            else:
                yield Need("kms:Decrypt", key_arn, {})
        case "ListObjectsV2":
            yield Need("s3:ListBucket", bucket, {})
        case "ListMultipartUploads":
            yield Need("s3:ListBucketMultipartUploads", bucket, {})
        case "ListObjectVersions":
            yield Need("s3:ListBucketVersions", bucket, {})
        case "DeleteObject" | "AbortMultipartUpload":
            yield Need(f"s3:{operation}{of_version}", thing, {})
        case "PutObject" | "CopyObject":
            yield Need("s3:PutObject", thing, {})
            yield Need("kms:GenerateDataKey", key_arn, {})
        case _:
            raise AssertionError(f"{call['caller']} calls S3's {operation}: say here what IAM asks for it")
    if operation == "CopyObject":  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
        path, _, version = unquote(given["CopySource"]).lstrip("/").partition("?versionId=")
        source, kind = f"arn:{PARTITION}:s3:::{path}", "Version" if version else ""
        yield Need(f"s3:GetObject{kind}", source, {})
        if given.get("TaggingDirective", "COPY") == "COPY":
            yield Need(f"s3:GetObject{kind}Tagging", source, {})
            yield Need("s3:PutObjectTagging", thing, {})


@dataclass(frozen=True)
class Grant:
    """One action on one resource of one statement. In both regions it is the same, spelled for each."""

    function: str
    sid: str
    action: str
    position: int

    @property
    def place(self) -> tuple[str, str, str]:
        """The function, the statement and the action, whatever the resource."""
        return self.function, self.sid, self.action

    def fits(self, place: tuple[str, str, str]) -> bool:
        """Return whether an entry of a table matches this grant."""
        function, sid, action = place
        return function in ("*", self.function) and (sid, action) == (self.sid, self.action)


def grants(caller: str, statements: Iterable[Statement]) -> dict[Grant, str]:
    """Return what statements allow a function, each with the resource it is allowed on."""
    function = caller.rpartition("-")[0]  # its side is at the end
    return {
        Grant(function, each.sid, action, position): resource
        for each in statements
        if each.allows
        for action in each.actions
        for position, resource in enumerate(each.resources)
    }


@dataclass(frozen=True)
class Compared:
    """A drill's calls compared with the policies of its world: `lacking` contains sentences."""

    lacking: set[str]
    allowed: dict[Grant, str]
    used: set[Grant]


def compare(story: Mapping[str, Any]) -> Compared:
    """Compare each call with the policy of its caller. Of several grants that fit, the narrowest is used."""
    lacking: set[str] = set()
    allowed: dict[Grant, str] = {}
    used: set[Grant] = set()
    policies = {name: parsed(document) for name, document in story["policies"].items()}
    for name, statements in policies.items():
        allowed |= grants(name, statements)
    for call in story["calls"]:
        if call["caller"] not in policies or not call["status"]:  # of an operator, or never answered
            continue
        statements = policies[call["caller"]]
        (key,) = {text for each in statements if each.sid == "UseDataKey" for text in each.resources}
        for need in needs(call, key):
            by = granting(statements, need.action, need.resource, need.context)
            fitting = {
                grant: resource
                for grant, resource in grants(call["caller"], by).items()
                if grant.action == need.action and matches(resource, need.resource)
            }
            if fitting:
                used.add(max(fitting, key=lambda each: len(fitting[each])))
            else:
                lacking.add(
                    f"{call['caller']} may not {need.action} on {need.resource}, "
                    f"which {call['operation']} takes"
                )
    return Compared(lacking, allowed, used)
