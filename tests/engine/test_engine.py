"""Both stacks deployed by the real Pulumi CLI to the emulated AWS: faults that only the engine can show.

Needs `pulumi` on PATH, and the AWS provider: `pulumi-resource-aws` on PATH, or its path in PULUMI_AWS_PLUGIN.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import yaml

from components import bundle
from local.aws.emulator import Emulator
from local.program import ROOT
from runtime.contract import REGION_OF
from tests.program.conftest import RUNTIME

STACKS = {"gov-west": "west", "gov-east": "east"}
PLUGIN = os.environ.get("PULUMI_AWS_PLUGIN") or shutil.which("pulumi-resource-aws")
MISSING = [
    what
    for what, found in (
        ("the Pulumi CLI (`pulumi`) is not on PATH", shutil.which("pulumi")),
        ("the AWS provider is not on PATH and PULUMI_AWS_PLUGIN does not name it", PLUGIN),
    )
    if not found
]
pytestmark = [pytest.mark.engine, pytest.mark.skipif(bool(MISSING), reason="; ".join(MISSING))]


#: What every protected bucket has beside it, under the same logical name.
SAFEGUARDS = (
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketPolicy:BucketPolicy",
)


class Project:
    """A copy of the project with its own state, deployed to an emulated AWS."""

    def __init__(self, folder: Path, aws: Emulator) -> None:
        self.folder = folder / "project"
        tracked = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for name in tracked:
            if (ROOT / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.folder / name)
        (self.folder / ".build").symlink_to(bundle.BUILD)
        self._use_this_python()
        zone = aws.client("route53", REGION_OF["west"]).create_hosted_zone(
            Name="mft.example.gov", CallerReference="engine"
        )["HostedZone"]["Id"]
        for stack in STACKS:
            path = self.folder / f"Pulumi.{stack}.yaml"
            document = yaml.safe_load(path.read_text())
            document["config"] |= {
                "mft:zoneId": zone.rpartition("/")[2],
                "mft:accountId": aws.account,
                "mft:lambdaRuntime": RUNTIME,
            }
            path.write_text(yaml.safe_dump(document))
        (folder / "state").mkdir()
        assert PLUGIN is not None
        self._environment = {
            **os.environ,
            "PATH": f"{Path(PLUGIN).parent}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "of a state that lives as long as this test",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "AWS_ENDPOINT_URL": aws.endpoint,
            "AWS_ACCESS_KEY_ID": aws.account,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _use_this_python(self) -> None:
        path = self.folder / "Pulumi.yaml"
        document = yaml.safe_load(path.read_text())
        document["runtime"] = {"name": "python", "options": {"virtualenv": sys.prefix}}
        path.write_text(yaml.safe_dump(document))

    def pulumi(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *words, "--non-interactive"],
            cwd=self.folder,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, *words: str, stdin: str | None = None) -> str:
        """Run a command, which must succeed, and return its output."""
        done = self.pulumi(*words, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def make(self, keys: dict[str, str]) -> None:
        """Make both stacks, with the same private keys as secrets."""
        for stack in STACKS:
            self.done("stack", "init", stack)
            for name, key in keys.items():
                self.done("config", "set", "--secret", f"mft:{name}", "--stack", stack, stdin=key)

    def up(self, stack: str, *words: str) -> dict[str, int]:
        """Update a stack; return how many resources were created, updated and unchanged."""
        self.done("up", "--yes", "--stack", stack, *words)
        history = json.loads(self.done("stack", "history", "--json", "--page-size", "1", "--stack", stack))
        return history[0]["resourceChanges"]

    def preview(self, stack: str) -> dict[str, int]:
        return json.loads(self.done("preview", "--json", "--stack", stack))["changeSummary"]

    def resources(self, stack: str) -> list[dict[str, Any]]:
        exported = json.loads(self.done("stack", "export", "--stack", stack))
        return exported["deployment"]["resources"]


@pytest.fixture(scope="module")
def keys() -> dict[str, str]:
    ecdsa = ("ecdsa-sha2-nistp256", {})
    kinds = {"hostKeyRsa": ("ssh-rsa", {"key_size": 3072}), "hostKeyEcdsa": ecdsa, "canaryKey": ecdsa}
    return {
        name: asyncssh.generate_private_key(kind, **size).export_private_key().decode()
        for name, (kind, size) in kinds.items()
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]) -> Iterator[Project]:
    """Both stacks, deployed like a new environment: West, East, West again."""
    bundle.install(RUNTIME)
    with Emulator() as aws:
        project = Project(tmp_path_factory.mktemp("engine"), aws)
        project.make(keys)
        project.done("config", "set", "mft:peer", "absent", "--stack", "gov-west")
        assert set(project.preview("gov-west")) == {"create"}
        project.up("gov-west")
        project.up("gov-east")
        project.done("config", "set", "mft:peer", "present", "--stack", "gov-west")
        project.up("gov-west")
        yield project


@pytest.mark.parametrize("stack", STACKS)
def test_a_second_run_changes_nothing(project: Project, stack: str) -> None:
    assert set(project.up(stack)) == {"same"}


@pytest.mark.parametrize("stack", STACKS)
def test_a_refresh_finds_no_difference(project: Project, stack: str) -> None:
    project.done("refresh", "--yes", "--stack", stack)
    assert set(project.up(stack)) == {"same"}


def test_a_customer_is_onboarded_by_a_file(project: Project) -> None:
    newcomer = project.folder / "customers" / "newcomer.yaml"
    shutil.copy(project.folder / "local" / "newcomer.yaml", newcomer)
    # East first, because the buckets that West replicates to must exist.
    for stack in reversed(STACKS):
        before = {each["urn"] for each in project.resources(stack)}
        project.up(stack)
        added = {each["urn"] for each in project.resources(stack)} - before
        assert added
        assert all("n3w0k" in urn for urn in added), "the file adds its own and touches nothing else"


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_secret_is_in_the_state_in_clear(project: Project, keys: dict[str, str], stack: str) -> None:
    state = project.done("stack", "export", "--stack", stack)
    assert "ciphertext" in state
    for key in keys.values():
        assert key.splitlines()[1] not in state


@pytest.mark.parametrize("stack", STACKS)
def test_a_destroy_is_refused_by_protected_resources(project: Project, stack: str) -> None:
    before = {each["urn"] for each in project.resources(stack)}
    refused = project.pulumi("destroy", "--yes", "--stack", stack)
    assert refused.returncode != 0
    assert "protect" in refused.stdout + refused.stderr
    assert {each["urn"] for each in project.resources(stack)} == before


def test_a_missing_setting_is_explained_by_the_program(project: Project) -> None:
    project.done("config", "rm", "mft:zone", "--stack", "gov-west")
    try:
        refused = project.pulumi("preview", "--stack", "gov-west")
    finally:
        project.done("config", "set", "mft:zone", "mft.example.gov", "--stack", "gov-west")
    assert refused.returncode != 0
    assert "run: pulumi config set mft:zone mft.example.gov --stack gov-west" in (
        refused.stdout + refused.stderr
    )


@pytest.mark.parametrize("stack", STACKS)
def test_a_destroy_without_preview_leaves_data_and_its_guards(project: Project, stack: str) -> None:
    """It comes last: the engine carries on past what is protected, and little else is left."""
    protected = {each["urn"] for each in project.resources(stack) if each.get("protect")}
    refused = project.pulumi("destroy", "--yes", "--skip-preview", "--stack", stack)
    assert refused.returncode != 0
    left = {each["urn"] for each in project.resources(stack)}
    assert protected <= left
    buckets = {urn for urn in protected if urn.split("::")[2].endswith("aws:s3/bucket:Bucket")}
    for guard in SAFEGUARDS:
        guarded = {urn for urn in left if urn.split("::")[2].endswith(guard)}
        assert {urn.rpartition("::")[2] for urn in buckets} <= {urn.rpartition("::")[2] for urn in guarded}
