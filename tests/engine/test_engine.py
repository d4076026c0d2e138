"""Both stacks deployed by the real Pulumi CLI to the emulated AWS: faults that only the engine can show.

Needs `pulumi` and `ssh-keygen` on PATH, and the AWS provider: `pulumi-resource-aws` on PATH, or its path in
PULUMI_AWS_PLUGIN.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import bundle
from local.empty_aws import EmptyAws
from local.program import ROOT

STACKS = {"gov-west": "west", "gov-east": "east"}
PLUGIN = os.environ.get("PULUMI_AWS_PLUGIN") or shutil.which("pulumi-resource-aws")
MISSING = [
    what
    for what, found in (
        ("the Pulumi CLI (`pulumi`) is not on PATH", shutil.which("pulumi")),
        ("ssh-keygen is not on PATH", shutil.which("ssh-keygen")),
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

    def __init__(self, folder: Path, aws: EmptyAws) -> None:
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
        assert PLUGIN is not None
        self.commands = aws.commands(folder / "state")
        path = (Path(PLUGIN).parent, Path(sys.executable).parent, os.environ["PATH"])
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join(map(str, path)),
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            **aws.variables(folder / "state"),
        }

    def _use_this_python(self) -> None:
        path = self.folder / "Pulumi.yaml"
        document = yaml.safe_load(path.read_text())
        document["runtime"] = {"name": "python", "options": {"virtualenv": sys.prefix}}
        path.write_text(yaml.safe_dump(document))

    def pulumi(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *words, "--non-interactive"],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, *words: str) -> str:
        """Run a command, which must succeed, and return its output."""
        done = self.pulumi(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, commands: Sequence[str]) -> None:
        """Run commands of the shell, which must succeed."""
        done = subprocess.run(
            ["sh", "-e", "-c", "\n".join(commands)],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

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
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Both stacks, deployed by the commands that `mft-local up --empty` prints: West, East, West again."""
    with EmptyAws() as aws:
        project = Project(tmp_path_factory.mktemp("engine"), aws)
        first_up = next(at for at, each in enumerate(project.commands) if "pulumi up" in each)
        project.run(project.commands[:first_up])
        project.done("config", "set", "mft:peer", "absent", "--stack", "gov-west")
        assert set(project.preview("gov-west")) == {"create"}
        project.run(project.commands[first_up:])
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
    shutil.copy(project.folder / "local" / "drill" / "newcomer.yaml", newcomer)
    # East first, because the buckets that West replicates to must exist.
    for stack in reversed(STACKS):
        before = {each["urn"] for each in project.resources(stack)}
        project.up(stack)
        added = {each["urn"] for each in project.resources(stack)} - before
        assert added
        assert all("n3w0k" in urn for urn in added), "the file adds its own and touches nothing else"


def test_a_vanished_file_takes_no_name_and_a_leaving_customer_gives_its_names_up(project: Project) -> None:
    """The newcomer's file vanishes and the preview is skipped; then it leaves step by step."""
    newcomer = project.folder / "customers" / "newcomer.yaml"
    text = newcomer.read_text()

    def names() -> set[str]:
        kinds = ("aws:route53/record:Record", "aws:route53/healthCheck:HealthCheck")
        found = [each for each in project.resources("gov-west") if each["type"] in kinds]
        return {each["urn"] for each in found if "n3w0k" in each["urn"]}

    before = names()
    assert len(before) == 7
    newcomer.unlink()
    refused = project.pulumi("up", "--yes", "--skip-preview", "--stack", "gov-west")
    assert refused.returncode != 0
    assert names() == before
    newcomer.write_text(text)
    project.up("gov-west")
    newcomer.write_text(text.replace("lifecycle: active", "lifecycle: draining"))
    assert project.pulumi("up", "--yes", "--stack", "gov-west").returncode != 0, "closing was skipped"
    assert names() == before
    for was, now in (("active", "closing"), ("closing", "draining"), ("draining", "retired")):
        text = text.replace(f"lifecycle: {was}", f"lifecycle: {now}")
        newcomer.write_text(text)
        project.up("gov-west")
        assert names() == (before if now == "closing" else set())


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_secret_is_in_the_state_in_clear(project: Project, stack: str) -> None:
    state = project.done("stack", "export", "--stack", stack)
    assert "ciphertext" in state
    for file in ("rsa", "ecdsa"):
        assert (project.folder / file).read_text().splitlines()[1] not in state


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
