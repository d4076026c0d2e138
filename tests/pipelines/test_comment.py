"""The comment of a pull request, written by `.ci/plan` in a clone of the project as it is now."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local.program import ROOT
from tests.test_house import tracked

BLOCK = re.compile(r"<!-- comment -->\n(.*)\n<!-- end of comment -->", re.DOTALL)


class Proposal:
    """A project of which a change is proposed, with its own `.venv` that has this interpreter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for path in tracked():
            if path.relative_to(ROOT).parts[0] in ("tests", "docs"):
                continue
            copy = folder / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        (folder / ".venv/bin").mkdir(parents=True)
        python = folder / ".venv/bin/python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "what is deployed")

    def git(self, *words: str) -> None:
        who = ("-c", "user.name=test", "-c", "user.email=test@example.com")
        subprocess.run(["git", *who, *words], cwd=self.folder, check=True)

    def comment(self) -> tuple[int, str]:
        """Return the exit code of the job and the comment."""
        done = subprocess.run(
            [".ci/plan", "main", ".build/plan.md"],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        comment = (self.folder / ".build/plan.md").read_text()
        assert comment.startswith("<!-- mft: plan -->\n"), done.stderr
        return done.returncode, comment


@pytest.fixture
def proposal(tmp_path: Path) -> Proposal:
    return Proposal(tmp_path)


@pytest.mark.exhaustive
def test_the_page_shows_the_comment_for_a_new_customer(proposal: Proposal) -> None:
    """To renew it, write the comment that the failure prints onto the page."""
    text = (ROOT / "local/drill/newcomer.yaml").read_text()
    text = text.replace("lifecycle: active", "lifecycle: onboarding")
    (proposal.folder / "customers/agency-n.yaml").write_text(text)
    code, comment = proposal.comment()
    assert code == 0, comment
    shown = BLOCK.findall((ROOT / "docs/pipelines.md").read_text())
    revision = re.compile(r"\([0-9a-f]{10}\)")
    assert [revision.sub("(REVISION)", comment).strip()] == shown


def test_a_mistake_in_a_new_file_is_in_the_comment_and_fails_the_job(proposal: Proposal) -> None:
    text = (ROOT / "local/drill/newcomer.yaml").read_text().replace("primary: east", "primary: est")
    (proposal.folder / "customers/agency-n.yaml").write_text(text)
    code, comment = proposal.comment()
    assert code == 1
    assert comment.count("customers/agency-n.yaml:5: primary: ") == 2, "of the check, and of the plan"
