"""What `accept` refuses before anything is done, and how it reports what it has seen."""

from __future__ import annotations

import fnmatch
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import asyncssh
import pytest
import yaml
from botocore.exceptions import ClientError, NoCredentialsError

from local.program import ROOT
from ops.acceptance import acceptance_report
from ops.acceptance.observation import Check, Observation, Observations, Patience
from ops.plan import RefusedError
from runtime.contract import EAST, WEST
from tests.ops import acceptance
from tests.ops.acceptance import CUSTOMER, USER
from tests.ops.conftest import Place
from tests.ops.test_command_lines import place_with_registry  # noqa: F401
from tests.runtime.cells import NAMESPACE


@pytest.fixture
def key(place_with_registry: Place) -> Path:  # noqa: F811
    """The key of the customer for acceptances, which the registry now has."""
    registry = place_with_registry.root / "customers"
    acceptance.add_to(registry)
    made = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    file = place_with_registry.root / "accept.key"
    made.write_private_key(str(file))
    path = registry / "acceptance.yaml"
    document = yaml.safe_load(path.read_text()) | {"cell": place_with_registry.cell}
    document["sftp"]["users"][0]["public_keys"] = [made.export_public_key().decode().strip()]
    path.write_text(yaml.safe_dump(document))
    return file


def change(place: Place, **instead: object) -> None:
    """Change the customer's file."""
    path = place.root / "customers/acceptance.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | instead))


# --- Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("t3s7q", f"'t3s7q' is not a customer of this cell; did you mean {CUSTOMER}?"),
        ("nobody", "'nobody' is not a customer of this cell"),
    ],
)
def test_an_unknown_customer(place, key, name, line):
    said = place.ops("accept", name, "--key", str(key))
    assert (said.code, said.line) == (1, line)
    assert place.relay.calls == []


def test_a_customer_that_is_not_in_service(place, key):
    change(place, lifecycle="onboarding")
    said = place.ops("accept", CUSTOMER, "--key", str(key))
    assert said.code == 1
    assert said.line.startswith(f"{CUSTOMER} is onboarding, and nothing that it sends is delivered; make it")


def test_a_key_that_is_missing_is_no_key_or_has_a_passphrase(place, key, tmp_path):
    missing, words, locked = (tmp_path / name for name in ("missing", "words", "locked"))
    words.write_text("not a key\n")
    asyncssh.read_private_key(key).write_private_key(str(locked), "pkcs8-pem", passphrase="secret")
    for file, problem in (
        (missing, "No such file or directory"),
        (words, "is not a private key without a passphrase"),
        (locked, "is not a private key without a passphrase"),
    ):
        said = place.ops("accept", CUSTOMER, "--key", str(file))
        assert said.code == 1
        assert said.line.startswith(f"--key: {file}")
        assert said.line.endswith(problem)


def test_a_key_that_nobody_logs_in_with(place, key, tmp_path):
    other = tmp_path / "other.key"
    asyncssh.generate_private_key("ssh-rsa", key_size=2048).write_private_key(str(other))
    said = place.ops("accept", CUSTOMER, "--key", str(other))
    assert said.code == 1
    assert said.line.startswith(
        f"{CUSTOMER}: none of its SFTP users ({USER}) logs in with the key in {other}; see docs/deploy.md#"
    )


def test_a_command_line_without_a_key_is_a_mistake_of_usage(place):
    assert place.ops("accept", CUSTOMER).code == 2


def test_without_credentials(place, key, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    said = place.ops("accept", CUSTOMER, "--key", str(key))
    assert said.code == 1
    assert said.line.startswith("there are no usable AWS credentials: ")


def test_a_region_that_does_not_answer(place, key):
    place.relay.closed = {"us-gov"}
    said = place.ops("accept", CUSTOMER, "--key", str(key))
    assert said.code == 1
    assert said.line.startswith("no region can be looked at: us-gov-east-1: it does not answer: ")


def test_one_region_that_does_not_answer(estate, key):
    place = estate.place
    change(place, cell=place.cell)
    for side in (WEST, EAST):
        place.write(side, namespace=NAMESPACE, healthCheckQuota=200)
    estate.lose(EAST)
    said = place.ops("accept", CUSTOMER, "--key", str(key))
    assert said.code == 1
    assert said.line.startswith(
        "an acceptance needs both regions: us-gov-east-1 is not looked at, it does not"
    )


def test_a_customer_that_is_not_deployed_and_credentials_of_another_account(estate, key, monkeypatch):
    place = estate.place
    change(place, cell=place.cell)
    for side in (WEST, EAST):
        place.write(side, namespace=NAMESPACE, healthCheckQuota=200)
    said = place.ops("accept", CUSTOMER, "--key", str(key))
    assert (said.code, said.line) == (
        1,
        f"us-gov-east-1 does not serve {CUSTOMER} yet: run `pulumi up --refresh --stack gov-east`",
    )
    for side in (WEST, EAST):
        place.write(side, namespace=NAMESPACE, healthCheckQuota=200, accountId="210987654321")
    said = place.ops("accept", CUSTOMER, "--key", str(key))
    assert (said.code, said.line) == (
        1,
        "the credentials are of account 123456789012, and mft:accountId is 210987654321:"
        " use credentials of that account",
    )


# --- Observations ------------------------------------------------------------------------------------


def test_what_fails_is_an_observation_and_the_rest_goes_on():
    observed = Observations()
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "HeadObject")
    for error in (denied, RefusedError("it will not"), OSError("no route"), asyncssh.SFTPFailure("full")):
        with observed.attempt(Check.SFTP, "us-gov-west-1", "a file is put"):
            raise error
    observed.note(Check.S3, "us-gov-west-1", "a file is put", True, "3 bytes", seconds=1.26)
    assert [each.line for each in observed.made] == [
        "NOT SEEN: us-gov-west-1: a file is put: An error occurred (AccessDenied) when calling the HeadObject"
        " operation: no",
        "NOT SEEN: us-gov-west-1: a file is put: it will not",
        "NOT SEEN: us-gov-west-1: a file is put: no route",
        "NOT SEEN: us-gov-west-1: a file is put: full",
        "seen: us-gov-west-1: a file is put: 3 bytes (1.3 s)",
    ]
    assert observed.unseen == observed.made[:4]


@pytest.mark.parametrize(
    "error", [NoCredentialsError(), ClientError({"Error": {"Code": "ExpiredToken"}}, "GetObject")]
)
def test_without_credentials_nothing_more_can_be_observed(error):
    with (
        pytest.raises(type(error)),
        Observations().attempt(Check.SFTP, "us-gov-west-1", "a file is put"),
    ):
        raise error


def test_patience_ends():
    looks = iter([False, False, True])
    patience = Patience(pause=0)
    assert patience.until(lambda: next(looks), within=60)
    assert not patience.until(lambda: False, within=0)


# --- The report --------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script> | a\nb `c` *d* \\"


def observation(**instead: object) -> Observation:
    usual = {"check": Check.SFTP, "where": "us-gov-west-1", "what": "a file is put", "seen": True}
    return Observation(**(usual | instead))


class Cells(HTMLParser):
    """The texts of a page's table cells, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells and self.tags[-1] == "td":
            self.cells[-1] += data


def test_the_report_says_what_was_seen_and_nothing_in_it_is_markup(tmp_path):
    made = [
        observation(check=Check.HEALTH, where="Route 53", seen=False, found=HOSTILE, seconds=1234.5),
        observation(found="1,000 bytes"),
    ]
    page, text = acceptance_report.write(tmp_path / "new", {"customer": HOSTILE}, made)
    assert [page.name, text.name] == ["accept.html", "accept.md"]
    assert sorted(each.name for each in page.parent.iterdir()) == ["accept.html", "accept.md"]
    cells = Cells()
    cells.feed(page.read_text())
    assert "script" not in cells.tags
    found = [" ".join(each.split()) for each in cells.cells]
    assert found[:5] == ["seen", "us-gov-west-1", "a file is put", "1,000 bytes", ""]
    assert found[5:] == ["NOT SEEN", "Route 53", "a file is put", " ".join(HOSTILE.split()), "1,234.5"]
    assert "NOT ACCEPTED: 1 of 2 were not seen" in page.read_text()
    lines = text.read_text().splitlines()
    assert lines[2] == "**NOT ACCEPTED: 1 of 2 were not seen**"
    (row,) = [line for line in lines if "NOT SEEN" in line]
    escaped = r"\<script\>alert(1)\</script\> \| a b \`c\` \*d\* \\"
    assert row == f"| NOT SEEN | Route 53 | a file is put | {escaped} | 1,234.5 |"


def test_an_acceptance_in_which_everything_was_seen():
    assert acceptance_report.summary([observation(), observation()]) == (
        "accepted: all 2 observations were made"
    )


def test_the_policy_of_the_page_allows_what_the_page_says_that_ready_needs():
    """An acceptance asks what `ready` asks. All calls of a run are compared by an exhaustive test."""
    sentence = (ROOT / "docs/deploy.md").read_text().partition("Reading\nneeds ")[2].partition(".\n")[0]
    needed = re.findall(r"`(\w+:\w+\*?)`", sentence)
    allowed = re.findall(r'"(\w+:\w+)"', acceptance.policy())
    assert {"servicequotas:List*", "lambda:GetFunctionConcurrency"} <= set(needed)
    assert [each for each in needed if not fnmatch.filter(allowed, each)] == []


def test_the_policy_of_the_page_is_a_policy():
    names = {"NAMESPACE": "example-mft", "ACCOUNT": "123456789012", "CUSTOMER": CUSTOMER, "CELL": "1"}
    document = json.loads(acceptance.policy(**names, DESTINATION="example-agency-acceptance"))
    assert len({each["Sid"] for each in document["Statement"]}) == len(document["Statement"])
