"""The pipelines' files: their lines exist, both forges run the same, and each job may do what it needs."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from local.program import ROOT
from tests.pipelines.workflows import (
    ACTIONS,
    DEPLOY,
    DRIFT,
    GITLAB,
    PULL_REQUEST,
    SCRIPTS,
    WORKFLOWS,
    gitlab_lines,
    read,
    steps,
)

PAGE = (ROOT / "docs/pipelines.md").read_text()


def lines() -> list[str]:
    """Return all lines that the pipelines run, of both forges."""
    found = [step["run"] for path in (*WORKFLOWS, *ACTIONS) for step in steps(read(path)) if "run" in step]
    return found + [
        line for job in read(GITLAB).values() if isinstance(job, dict) for line in gitlab_lines(job)
    ]


def test_every_line_is_shell_and_names_scripts_and_targets_that_exist() -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in lines():
        assert subprocess.run(["bash", "-n", "-c", line], check=False).returncode == 0, line
        for script in re.findall(r"\.ci/([\w-]+)", line):
            assert os.access(ROOT / ".ci" / script, os.X_OK), line
        for target in re.findall(r"^make (\S+)", line):
            assert target in targets, line


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_every_script_is_shell_and_is_called(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    callers = "\n".join([*lines(), *(path.read_text() for path in SCRIPTS if path != script)])
    assert f".ci/{script.name}" in callers


def test_both_forges_run_the_same_lines_of_the_project() -> None:
    of_gitlab, of_github = set(), set()
    for job in read(GITLAB).values():
        of_gitlab |= (
            {word for line in gitlab_lines(job) for word in calls(line)} if isinstance(job, dict) else set()
        )
    for path in (*WORKFLOWS, *ACTIONS):
        of_github |= {word for step in steps(read(path)) for word in calls(step.get("run", ""))}
    assert of_github == of_gitlab
    assert ".ci/drift east" in of_github


def calls(line: str) -> list[str]:
    """Return the calls of the project in a line, without what each forge names in its own way."""
    found = re.findall(
        r"\.ci/(?:deploy|drift|ready|accept|plan|audit)(?: (?:west|east))?|^make \w+", line, re.MULTILINE
    )
    return [each.strip() for each in found]


# -- what they may -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=lambda path: f"{path.parent.name}-{path.name}")
def test_every_action_is_pinned_to_a_commit_and_named_with_its_release(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text())
    assert used
    for each in used:
        assert each.startswith("./") or re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each


def test_an_action_has_one_pin_and_the_page_lists_it() -> None:
    pins = {
        each for path in (*WORKFLOWS, *ACTIONS) for each in re.findall(r"uses: ([^.].+)", path.read_text())
    }
    assert len({each.partition("@")[0] for each in pins}) == len(pins)
    for each in pins:
        action, commit, release = re.split(r"@| # ", each)
        assert f"| `{action}` | {release} | `{commit}` |" in PAGE


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_nothing_and_each_job_what_it_needs(path: Path) -> None:
    document = read(path)
    assert document["permissions"] == {}
    assert document["concurrency"]["group"]
    for job in document["jobs"].values():
        assert job["timeout-minutes"] <= 180
        with_role = any("configure-aws-credentials" in step.get("uses", "") for step in job["steps"])
        wanted = {"contents": "read", "id-token": "write"} if with_role else {"contents": "read"}
        if any("gh api" in step.get("run", "") for step in job["steps"]):
            wanted = {"pull-requests": "write"}
            assert not any(
                ".ci/" in step.get("run", "") or "checkout" in step.get("uses", "") for step in job["steps"]
            )
        assert job["permissions"] == wanted
        assert ("environment" in job) == with_role, "the trust of a role is in an environment"


def test_no_pipeline_holds_a_key_and_a_pull_request_has_no_role() -> None:
    for path in (*WORKFLOWS, *ACTIONS, GITLAB):
        assert not re.search(r"secrets\.|ACCESS_KEY", path.read_text()), path
    assert "id-token" not in PULL_REQUEST.read_text()
    assert read(PULL_REQUEST)[True] == {"pull_request": {"branches": ["main"]}}, "never pull_request_target"


def test_no_text_of_others_becomes_part_of_a_command() -> None:
    assert not [line for line in lines() if "${{" in line]


def test_deployments_and_drift_exclude_each_other() -> None:
    assert (
        read(DEPLOY)["concurrency"]
        == read(DRIFT)["concurrency"]
        == {"group": "deploy", "cancel-in-progress": False}
    )
    jobs = {name: job for name, job in read(GITLAB).items() if isinstance(job, dict)}
    for name, job in jobs.items():
        if "AWS_ROLE_ARN" in job.get("variables", {}):
            assert jobs[job["extends"]]["resource_group"] == "deploy", name


def test_every_variable_is_checked_before_it_is_used_and_is_on_the_page() -> None:
    for path in (DEPLOY, DRIFT):
        text = path.read_text()
        used = set(re.findall(r"vars\.(MFT_\w+)", text)) - {"MFT_RUNNER"}
        assert used == {name for line in re.findall(r"\.ci/preflight (.+)", text) for name in line.split()}
    named = re.compile(r"\bMFT_[A-Z_]+")
    used = {each for path in (*WORKFLOWS, GITLAB) for each in named.findall(path.read_text())}
    assert used == set(re.findall(r"^\| `(MFT_[A-Z_]+)`", PAGE, re.MULTILINE))


def test_the_pulumi_cli_is_that_of_the_program() -> None:
    (action,) = ACTIONS
    (version,) = [
        step["with"]["pulumi-version"] for step in steps(read(action)) if "pulumi/" in step.get("uses", "")
    ]
    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"pulumi=={version}" in pinned
