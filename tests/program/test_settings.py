"""A missing or malformed stack setting is reported in one clear line, before any resource is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from components import settings
from local import program
from local.program import ProgramError
from tests.program.conftest import RUNTIME, SECRETS, STACKS, ask


def refusal(
    config: dict[str, str | None],
    secrets: dict[str, str] = SECRETS,
    ask: program.Ask = ask,
    organization: str = "organization",
) -> list[str]:
    """Run gov-west with changes to its configuration; return the lines of the refusal."""
    made: list[str] = []

    def make(resource: program.Resource) -> tuple[str, dict]:
        if resource.type.startswith("aws:"):  # the provider itself makes nothing
            made.append(resource.urn)
        return "id", {}

    wanted = {**program.stack_config("gov-west"), "mft:lambdaRuntime": RUNTIME, **config}
    given = {key: value for key, value in wanted.items() if value is not None}
    with pytest.raises(ProgramError) as refused:
        program.run("gov-west", make=make, ask=ask, config=given, secrets=secrets, organization=organization)
    assert made == [], "half of a stack was made"
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("region", "us-east-1", "'us-east-1' is not a GovCloud region"),
        ("partition", "aws", "'aws' is not the partition aws-us-gov"),
        ("accountId", "12345", "'12345' is not an account id of 12 digits"),
        ("namespace", "Acme", "'Acme' is not 3 to 20 lower-case letters, digits and hyphens"),
        (
            "namespace",
            "xn--acme",
            "'xn--acme' makes bucket names begin with 'xn--', which S3 reserves; use another",
        ),
        (
            "namespace",
            "acme",
            "'acme' does not end in the word 'mft', or contains it before; policies could then match names of"
            " another environment; use another, such as 'acme-mft'",
        ),
        (
            "namespace",
            "acme-mft-test",
            "'acme-mft-test' does not end in the word 'mft', or contains it before; policies could then match"
            " names of another environment; use another, such as 'acme-test-mft'",
        ),
        ("namespace", "aws-mft", "'aws-mft' begins with 'aws', which Systems Manager reserves; use another"),
        ("namespace", "ssmft", "'ssmft' begins with 'ssm', which Systems Manager reserves; use another"),
        ("cell", "0", "'0' is not a cell number from 1 to 999"),
        ("zone", "mft.example.gov.", "'mft.example.gov.' is not a DNS zone without a final dot"),
        ("zoneId", "/hostedzone/Z1", "'/hostedzone/Z1' is not a Route 53 hosted zone id"),
        ("peer", "yes", "'yes' is not 'absent' or 'present': whether the other region's stack exists"),
        (
            "automaticFailover",
            "maybe",
            "'maybe' is not 'true' or 'false': whether failed checks",
        ),
        (
            "switch",
            "off",
            "'off' is not 'alarm' or 'endpoint': what shows health checkers",
        ),
        ("healthCheckQuota", "many", "'many' is not a number of health checks that the account may have"),
        (
            "groupRuleQuota",
            "201",
            "'201' is not a number of rules, from 60 to 200, that a security group may",
        ),
        ("auditDays", "0", "'0' is not a number of days, from 1 to 3650, for which nobody can remove"),
        ("auditDays", "3651", "'3651' is not a number of days, from 1 to 3650, for which nobody can remove"),
        ("lambdaRuntime", "nodejs22.x", "'nodejs22.x' is not a Lambda Python runtime"),
    ],
)
def test_a_malformed_setting(key: str, value: str, said: str) -> None:
    (line,) = refusal({f"mft:{key}": value})
    assert line.startswith(f"Pulumi.gov-west.yaml: mft:{key}: {said}")
    assert "pulumi config set" in line or "use another" in line


def test_a_stack_of_one_region_named_for_the_other() -> None:
    (line,) = refusal({"mft:region": "us-gov-east-1"})
    assert line == (
        "Pulumi.gov-west.yaml: mft:region: us-gov-east-1 is not for a stack named 'gov-west'; "
        "run: pulumi config set mft:region us-gov-west-1 --stack gov-west"
    )


REMEDY = "run: export PULUMI_BACKEND_URL='s3://BUCKET?region=us-gov-west-1&awssdk=v2'"


def test_state_in_pulumi_cloud_is_refused() -> None:
    assert refusal({}, organization="agency") == [
        f"gov-west: the state is in Pulumi Cloud (organization 'agency'), outside of GovCloud; {REMEDY}"
    ]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "s3://state?region=us-gov-east-1&awssdk=v2",
            "s3://state is in us-gov-east-1, but gov-west is in us-gov-west-1 and keeps its state there, "
            "so that it outlives the loss of the other region",
        ),
        (
            "s3://state/folder?awssdk=v2",
            "s3://state names no region, but gov-west is in us-gov-west-1 and keeps its state there, "
            "so that it outlives the loss of the other region",
        ),
        ("https://user:token@api.example.gov", "https:// is not S3 in us-gov-west-1"),
        ("azblob://state?region=us-gov-west-1", "azblob:// is not S3 in us-gov-west-1"),
    ],
)
def test_a_backend_elsewhere_is_refused(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", url)
    assert refusal({}) == [f"PULUMI_BACKEND_URL: {said}; {REMEDY}"]


@pytest.mark.parametrize("url", ["s3://state/a?awssdk=v2&region=us-gov-west-1", "file:///state", None])
def test_a_backend_in_the_stacks_region_or_in_a_folder_is_taken(
    url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    if url:
        monkeypatch.setenv("PULUMI_BACKEND_URL", url)
    lines = refusal({"mft:healthCheckQuota": "21"})
    assert [line.partition(":")[0] for line in lines] == ["customers"], "the next check refused, not this one"


def nowhere(function: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
    raise RuntimeError(f"reading Route 53 Hosted Zone ({args['zoneId']}): couldn't find resource")


def private(function: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": "mft.example.gov", "privateZone": True}


def another(function: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": "agency.gov."}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (nowhere, "cannot be read in account 123456789012: "),
        (private, "is a private zone, which customers' resolvers do not see"),
        (another, "is the zone 'agency.gov.', not 'mft.example.gov'"),
    ],
)
def test_a_zone_that_is_not_there(answer: program.Ask, said: str) -> None:
    (line,) = refusal({}, ask=answer)
    assert line.startswith(f"Pulumi.gov-west.yaml: mft:zoneId: Z0123456789EXAMPLE {said}")
    assert line.endswith("run: pulumi config set mft:zoneId ID --stack gov-west")


def test_the_credentials_of_another_account() -> None:
    def ask(function: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        raise RuntimeError("AWS account ID not allowed: 999999999999")  # the provider's words

    (line,) = refusal({}, ask=ask)
    assert line == (
        "Pulumi.gov-west.yaml: mft:accountId: 123456789012 is not the account of the credentials: invoke of"
        " aws:route53/getZone:getZone failed: AWS account ID not allowed: 999999999999 (); use credentials of"
        " that account, or run: pulumi config set mft:accountId ID --stack gov-west"
    )


def test_no_credentials() -> None:
    def ask(function: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        raise RuntimeError("No valid credential sources found. See the provider's documentation")

    (line,) = refusal({}, ask=ask)
    assert line.startswith("there are no usable AWS credentials: ")
    assert line.endswith("; give some of account 123456789012")


def test_a_quota_that_the_registry_breaks() -> None:
    (line,) = refusal({"mft:healthCheckQuota": "21"})
    assert line.startswith("customers: 22 health checks are needed"), "18 of the cells, four of customers"
    assert "set failover.health_check: cell for these (1): " in line


def test_all_missing_settings_are_reported_at_once() -> None:
    lines = refusal(
        {"mft:region": None, "mft:zoneId": None}, secrets={"mft:hostKeyRsa": SECRETS["mft:hostKeyRsa"]}
    )
    assert [line.partition(" is not set")[0] for line in lines] == [
        "Pulumi.gov-west.yaml: mft:region",
        "Pulumi.gov-west.yaml: mft:zoneId",
        "Pulumi.gov-west.yaml: mft:hostKeyEcdsa",
        "Pulumi.gov-west.yaml: mft:canaryKey",
    ]
    assert "pulumi config set --secret mft:hostKeyEcdsa --stack gov-west" in lines[2]


def test_a_runtime_without_bundle_says_how_to_make_it() -> None:
    lines = refusal({"mft:lambdaRuntime": "python3.99"})
    assert lines == [
        "the Lambda dependencies for python3.99 are not installed; "
        "run: python -m components.bundle python3.99"
    ]


def test_the_cli_leaves_a_missing_setting_to_the_program() -> None:
    project = yaml.safe_load((program.ROOT / "Pulumi.yaml").read_text())
    assert "config" not in project, "the CLI stops at a declared key without a default, and gives no advice"


def test_every_setting_is_described_and_the_stack_files_have_all_that_are_not_secret() -> None:
    page = (program.ROOT / "docs" / "deploy.md").read_text()
    page = page.partition("\n## Settings\n")[2].partition("\n## ")[0]
    described = re.findall(r"^\| `(\w+)` \| \S.* \|$", page, re.MULTILINE)
    assert described == [*settings.KEYS, *settings.PRIVATE_KEYS]
    for stack in STACKS:
        given = {key for key in program.stack_config(stack) if key.startswith("mft:")}
        assert given == {f"mft:{key}" for key in settings.KEYS}


def test_a_host_key_that_is_kept_in_clear_is_refused() -> None:
    others = {key: value for key, value in SECRETS.items() if key != "mft:hostKeyRsa"}
    (line,) = refusal(dict(SECRETS), secrets=others)
    assert line.startswith(
        "Pulumi.gov-west.yaml: mft:hostKeyRsa is not stored as a secret; make a key once, for both stacks: "
    )


def test_both_stacks_have_the_same_settings() -> None:
    configs = {stack: program.stack_config(stack) for stack in STACKS}
    assert configs["gov-west"].keys() == configs["gov-east"].keys()
    different = {key for key in configs["gov-west"] if configs["gov-west"][key] != configs["gov-east"][key]}
    assert different == {"mft:region"}
