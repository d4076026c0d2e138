"""The pipelines' files as a forge reads them, and a runner that does what GitHub would do with a workflow."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from local.program import ROOT

FOLDER = ROOT / ".github"
WORKFLOWS = sorted((FOLDER / "workflows").glob("*.yml"))
DEPLOY, DRIFT, PULL_REQUEST = WORKFLOWS
ACTIONS = sorted((FOLDER / "actions").rglob("action.yml"))
GITLAB = ROOT / ".gitlab-ci.yml"
SCRIPTS = sorted(path for path in (ROOT / ".ci").iterdir() if path.name != "run")


class _Loader(yaml.SafeLoader):
    """Leaves a `!reference` of GitLab as the list that it is."""


_Loader.add_constructor("!reference", lambda loader, node: loader.construct_sequence(node))


def read(path: Path) -> dict[str, Any]:
    """Return a file's content. YAML 1.1 reads `on` as True, so that is the key of a workflow's events."""
    document = yaml.load(path.read_text(), _Loader)
    assert isinstance(document, dict)
    return document


def steps(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the steps of a workflow's jobs, or of an action."""
    for job in [*document.get("jobs", {}).values(), document.get("runs", {})]:
        yield from job.get("steps", [])


def gitlab_lines(job: Mapping[str, Any]) -> list[str]:
    """Return the lines that a job of GitLab runs itself."""
    return [line for part in ("before_script", "script", "after_script") for line in job.get(part, [])]


class Run:
    """A run of a workflow: the jobs in their order, each under its condition, and what became of each."""

    def __init__(self, workflow: Path, folder: Path, environment: Mapping[str, str], **inputs: str) -> None:
        """Run the project's own lines in a folder; actions of others are taken to have succeeded."""
        self.results: dict[str, str] = {}
        self.said = ""
        document = read(workflow)
        for name, job in document["jobs"].items():
            needs = job.get("needs", [])
            needs = [needs] if isinstance(needs, str) else needs
            if self._wanted(str(job.get("if", "success()")), needs, inputs):
                self.results[name] = self._play(job, folder, environment, inputs)
            else:
                self.results[name] = "skipped"

    def _wanted(self, condition: str, needs: list[str], inputs: Mapping[str, str]) -> bool:
        """Evaluate a condition: one that asks for no state is false where a job before did not succeed."""
        if "cancelled()" not in condition and any(self.results[each] != "success" for each in needs):
            return False
        text = condition.removeprefix("${{").removesuffix("}}").replace("!cancelled()", "True")
        text = text.replace("success()", "True").replace("github.ref", "'refs/heads/main'")
        text = text.replace("inputs.peer", repr(inputs.get("peer", "")))
        text = re.sub(r"needs\.([\w-]+)\.result", lambda found: repr(self.results[found[1]]), text)
        return bool(eval(text.strip().replace("&&", "and").replace("||", "or")))

    def _play(
        self, job: Mapping[str, Any], folder: Path, environment: Mapping[str, str], inputs: Mapping[str, str]
    ) -> str:
        for step in job["steps"]:
            if "run" not in step:
                continue
            own = {"PEER": inputs.get("peer") or "present"} if "PEER" in step.get("env", {}) else {}
            done = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
                cwd=folder,
                env={**environment, **own},
                capture_output=True,
                text=True,
                timeout=120,
            )
            self.said += done.stdout + done.stderr
            if done.returncode:
                return "failure"
        return "success"
