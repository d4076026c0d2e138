"""`.ci/audit`: what it makes of each answer of pip-audit, for which a stand-in speaks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from local.program import ROOT

LISTS = ("runtime/requirements.txt", "constraints.txt")

FOUND = """Found 2 known vulnerabilities in 1 package
Name Version ID             Fix Versions
---- ------- -------------- ------------
six  1.17.0  PYSEC-2026-1   1.18.0
six  1.17.0  PYSEC-2026-2   1.18.0
"""
CLEAN = "WARNING:pip_audit._cli:--no-deps is supported\nNo known vulnerabilities found\n"
SKIPPED = (
    "No known vulnerabilities found\nName Skip Reason\n---- -----------\n"
    "six  Dependency not found on PyPI and could not be audited: six (1.17.0)\n"
)
SILENT = "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed\n"


@pytest.mark.parametrize(
    ("answer", "code", "result", "said"),
    [
        (CLEAN, 0, 0, [f"{each}: no known vulnerabilities" for each in LISTS]),
        (FOUND, 1, 1, [f"{each} has known vulnerabilities:" for each in LISTS]),
        # pip-audit itself ends with 0 here, and calls this an all-clear.
        (SKIPPED, 0, 0, ["does not know these packages of constraints.txt", "  six (1.17.0)"]),
        (SKIPPED.replace("No known vulnerabilities found", "Found 1 known vulnerability"), 1, 1, ["six"]),
        (
            SILENT,
            1,
            0,
            [f"NOT AUDITED: {each}: the vulnerability service cannot be reached" for each in LISTS],
        ),
    ],
)
def test_only_an_answer_is_an_all_clear(
    tmp_path: Path, answer: str, code: int, result: int, said: list[str]
) -> None:
    program = tmp_path / ".venv/bin/pip-audit"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\necho "$@" >>calls\ncat <<"END"\n{answer}END\nexit {code}\n')
    program.chmod(0o755)
    (tmp_path / ".ci").symlink_to(ROOT / ".ci")
    done = subprocess.run([tmp_path / ".ci/audit"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (result, "")
    for words in said:
        assert words in done.stdout
    assert ("no known vulnerabilities" in done.stdout) == (answer == CLEAN)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[1] for call in calls] == list(LISTS)
