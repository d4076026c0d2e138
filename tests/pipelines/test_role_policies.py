"""The policies on docs/pipelines.md name what exists, and allow and deny what the page says."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from local.program import ROOT
from tests.iam import parsed
from tests.validators import iam_database

PAGE = (ROOT / "docs/pipelines.md").read_text()
NAMES = {
    "ACCOUNT": "123456789012",
    "ORGANIZATION": "agency",
    "REPOSITORY": "mft",
    "ENVIRONMENT": "gov-west",
    "GROUP": "agency",
    "PROJECT": "mft",
    "NAMESPACE": "example-mft",
    "PEER_BUCKET": "agency-state-east",
    "BUCKET": "agency-state-west",
    "REGION": "us-gov-west-1",
    "PIPELINE_ROLES": "pipeline-",
    "CELL": "1",
}


def policies() -> dict[str, dict[str, Any]]:
    """Return the documents of the page by the id of their first statement."""
    found = {}
    for text in re.findall(r"^```json\n(.+?)^```", PAGE, re.DOTALL | re.MULTILINE):
        for word, name in NAMES.items():
            text = re.sub(rf"(?<![A-Z]){word}(?![A-Z])", name, text)
        document = json.loads(text)
        found[parsed(document)[0].sid] = document
    return found


POLICIES = policies()


def test_the_page_has_a_document_for_each_purpose() -> None:
    assert list(POLICIES) == ["GitHub", "GitLab", "Make", "UpToHere", "Read"]


@pytest.mark.parametrize("sid", [each for each in POLICIES if each not in ("GitHub", "GitLab")])
def test_actions_resources_and_conditions_exist(sid: str) -> None:
    document = dict(POLICIES[sid])
    document["Statement"] = [each for each in document["Statement"] if each["Action"] != "*"]
    assert iam_database.complaints(document) == []


@pytest.mark.parametrize("sid", ["GitHub", "GitLab"])
def test_a_role_trusts_one_subject_and_one_audience(sid: str) -> None:
    (statement,) = parsed(POLICIES[sid])
    assert statement.actions == ("sts:AssumeRoleWithWebIdentity",)
    assert statement.conditions.keys() == {"StringEquals"}, "no wildcard"
    (provider,) = statement.principals["Federated"]
    issuer = provider.partition("oidc-provider/")[2]
    subject, audience = (statement.condition(f"{issuer}:{claim}") for claim in ("sub", "aud"))
    assert audience == ("sts.amazonaws.com",)
    assert (
        subject
        == {
            "GitHub": ("repo:agency/mft:environment:gov-west",),
            "GitLab": ("project_path:agency/mft:ref_type:branch:ref:main",),
        }[sid]
    )


def decided(sid: str, action: str, resource: str) -> str:
    """Return what a document decides about an action; conditions are taken to hold."""
    covering = {
        each.effect
        for each in parsed(POLICIES[sid])
        if each.covers(action, resource, {"kms:ResourceAliases": ("alias/pulumi-state",)})
    }
    return "Deny" if "Deny" in covering else "Allow" if covering else "nothing"


S3, IAM = "arn:aws-us-gov:s3:::", "arn:aws-us-gov:iam::123456789012:"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:GetObject", f"{S3}example-mft-c7k2m-west/inbound/sdk/a.csv"),
        ("s3:GetObject", f"{S3}example-mft-cell2-c7k2m-west/inbound/sdk/a.csv"),
        ("s3:DeleteObjectVersion", f"{S3}example-mft-cell1-archive-west/c7k2m/a.csv"),
        ("s3:BypassGovernanceRetention", f"{S3}example-mft-cell1-audit-west/actions/a.json"),
        ("s3:GetObject", f"{S3}agency-state-east/.pulumi/stacks/mft/gov-east.json"),
        ("iam:UpdateAssumeRolePolicy", f"{IAM}role/pipeline-west"),
        ("iam:DeleteRolePermissionsBoundary", f"{IAM}role/pipeline-west"),
        ("iam:CreateAccessKey", f"{IAM}user/somebody"),
        ("iam:CreateOpenIDConnectProvider", f"{IAM}oidc-provider/example.gov"),
    ],
)
def test_the_boundary_denies_what_the_page_says(action: str, resource: str) -> None:
    assert decided("UpToHere", action, resource) == "Deny"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:PutObject", f"{S3}agency-state-west/.pulumi/locks/a.json"),
        ("s3:GetObject", f"{S3}example-mft-cell1-config-west/customers/c7k2m.json"),
        ("s3:CreateBucket", f"{S3}example-mft-n3w0k-west"),
        ("iam:CreateRole", f"{IAM}role/example-mft-cell1-deliver-west"),
        ("kms:Decrypt", "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/1"),
    ],
)
def test_a_deployment_may_do_its_work(action: str, resource: str) -> None:
    assert (decided("Make", action, resource), decided("UpToHere", action, resource)) == ("Allow", "Allow")


def test_a_deployment_makes_no_role_of_another_name() -> None:
    assert decided("Make", "iam:CreateRole", f"{IAM}role/pipeline-west") == "nothing"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:PutObject", f"{S3}agency-state-west/.pulumi/stacks/mft/gov-west.json"),
        ("s3:GetObject", f"{S3}example-mft-c7k2m-west/inbound/sdk/a.csv"),
        (
            "secretsmanager:GetSecretValue",
            "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a",
        ),
        ("dynamodb:Query", "arn:aws-us-gov:dynamodb:us-gov-west-1:123456789012:table/MFT-TransferTracker"),
        ("iam:PutRolePolicy", f"{IAM}role/example-mft-cell1-deliver-west"),
        ("sqs:SendMessage", "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:a"),
    ],
)
def test_the_comparison_changes_nothing_and_reads_no_file(action: str, resource: str) -> None:
    assert decided("Read", action, resource) == "nothing"
