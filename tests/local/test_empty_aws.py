"""`mft-local up --empty`: an AWS in which there is only the zone, and the way to deploy to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from typer.testing import CliRunner

from components.settings import PRIVATE_KEYS
from local.__main__ import app
from local.empty_aws import EmptyAws
from local.program import stack_config
from tests.local.conftest import LIMIT, WEST, start

#: Stands in for the CLI: it writes down how it was called, and the first line of what it reads.
RECORDER = """#!/bin/sh
echo "$PULUMI_BACKEND_URL $AWS_ENDPOINT_URL $*" >> "$CALLS"
case "$*" in *--secret*) head -1 >> "$CALLS";; esac
"""


def test_up_empty_makes_the_zone_and_nothing_else(tmp_path: Path) -> None:
    up = start("up", "--empty", "--json", folder=tmp_path / "up")
    text = ""
    while not text.endswith("\n}\n") and up.stdout and (line := up.stdout.readline()):
        text += line
    ways = json.loads(text)
    how = {
        "endpoint_url": ways["environment"]["AWS_ENDPOINT_URL"],
        "aws_access_key_id": ways["environment"]["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": ways["environment"]["AWS_SECRET_ACCESS_KEY"],
        "region_name": WEST,
    }
    zone = boto3.client("route53", **how).get_hosted_zone(Id=ways["settings"]["mft:zoneId"])["HostedZone"]
    assert zone["Name"] == stack_config("gov-west")["mft:zone"] + "."
    assert (
        boto3.client("sts", **how).get_caller_identity()["Account"]
        == (stack_config("gov-west")["mft:accountId"])
    )
    assert boto3.client("s3", **how).list_buckets()["Buckets"] == []
    up.send_signal(signal.SIGINT)
    _, errors = up.communicate(timeout=LIMIT)
    assert (up.returncode, errors) == (0, "")
    assert [*(tmp_path / "up").iterdir()] == []


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed")
def test_the_commands_that_it_prints_deploy_west_then_east_then_west_again(tmp_path: Path) -> None:
    tools, clone, calls = tmp_path / "bin", tmp_path / "clone", tmp_path / "calls"
    tools.mkdir()
    (tools / "pulumi").write_text(RECORDER)
    (tools / "pulumi").chmod(0o755)
    (tools / "python").symlink_to(sys.executable)
    clone.mkdir()
    with EmptyAws() as aws:
        state = tmp_path / "state"
        script = "\n".join(
            command
            for command in aws.commands(state)
            if not command.startswith("python -m components.bundle")
        )
        path = f"{tools}{os.pathsep}{os.environ['PATH']}"
        run = ["sh", "-e", "-c", script]
        subprocess.run(run, cwd=clone, env={"PATH": path, "CALLS": str(calls)}, check=True)
        where = f"file://{state} {aws.endpoint} "
        said = calls.read_text().splitlines()
        ran = [each.removeprefix(where) for each in said if each.startswith(where)]
        sides = [f"--stack gov-{side}" for side in ("west", "east")]
        for stack in sides:
            assert f"config set mft:zoneId {aws.settings['mft:zoneId']} {stack}" in ran
            for key in PRIVATE_KEYS:
                assert f"config set --secret mft:{key} {stack}" in ran
    assert state.is_dir()
    assert [each for each in said if each.startswith("-----BEGIN")] == [
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----",
    ] * 2
    assert [each for each in ran if "mft:peer" in each or each.startswith("up")] == [
        "config set mft:peer absent --stack gov-west",
        "up --yes --stack gov-west",
        "up --yes --stack gov-east",
        "config set mft:peer present --stack gov-west",
        "up --yes --stack gov-west",
    ]


def test_empty_takes_no_registry() -> None:
    refused = CliRunner().invoke(app, ["up", "--empty", "--sftp-port", "2222"])
    assert refused.exit_code == 2
    assert "--empty excludes" in refused.output
