"""A folder in which the scripts of the pipelines run, with stand-ins for the programs at the edge."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from local.program import ROOT
from ops.finding import Finding

#: What docs/pipelines.md lets one set.
VARIABLES = {
    "MFT_ROLE_WEST": "arn:aws-us-gov:iam::123456789012:role/west",
    "MFT_ROLE_EAST": "arn:aws-us-gov:iam::123456789012:role/east",
    "MFT_ROLE_ACCEPTANCE": "arn:aws-us-gov:iam::123456789012:role/acceptance",
    "MFT_DRIFT_ROLE_WEST": "arn:aws-us-gov:iam::123456789012:role/drift-west",
    "MFT_DRIFT_ROLE_EAST": "arn:aws-us-gov:iam::123456789012:role/drift-east",
    "MFT_STATE_BUCKET_WEST": "state-west",
    "MFT_STATE_BUCKET_EAST": "state-east",
    "MFT_ACCEPTANCE_CUSTOMERS": "t3s7r",
}


STAND_IN = """#!/bin/sh
printf '%s' "$(basename "$0")" >> calls
printf ' %s' "$@" >> calls
printf ' [%s]\\n' "$PULUMI_BACKEND_URL" >> calls
case "$(basename "$0") $*" in
*"-m ops ready"*) cat ready.json; exit "$(cat ready.code)" ;;
*"-m ops accept"*--apply*) exit "$(cat accept.code)" ;;
*"-m ops accept"*) echo '{"digest": "abc123"}' ;;
*"-m ops check"*) echo 'nothing refused' ;;
*"-m local plan"*) cat plan.md ;;
python*) exec PYTHON "$@" ;;
"pulumi "*" $(cat pulumi.fails)") exit 255 ;;
esac
"""


class Place:
    """A folder with the scripts and two stack files, and stand-ins for the programs at the edge."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".venv/bin").mkdir(parents=True)
        (folder / ".ci").symlink_to(ROOT / ".ci")
        for program in ("python", "pulumi", "aws", "make"):
            path = folder / ".venv/bin" / program
            path.write_text(STAND_IN.replace("PYTHON", sys.executable))
            path.chmod(0o755)
        for side in ("west", "east"):
            text = (ROOT / f"Pulumi.gov-{side}.yaml").read_text()
            (folder / f"Pulumi.gov-{side}.yaml").write_text(text)
        self.fails("no command")
        self.ready()
        (folder / "accept.code").write_text("0")
        (folder / "plan.md").write_text("### Plan\n")
        self.environment = {
            "PATH": f"{folder}/.venv/bin:/usr/bin:/bin",
            "GITHUB_SHA": "5ca1ab1e",
            **VARIABLES,
        }

    def ready(self, *differences: Finding) -> None:
        document = {"ready": not differences, "differences": [asdict(each) for each in differences]}
        (self.folder / "ready.json").write_text(json.dumps(document))
        (self.folder / "ready.code").write_text(str(int(bool(differences))))

    def fails(self, ending: str) -> None:
        (self.folder / "pulumi.fails").write_text(ending)

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def calls(self) -> list[str]:
        """The calls of the programs at the edge, but not of an interpreter for its own sake."""
        lines = (self.folder / "calls").read_text().splitlines() if (self.folder / "calls").exists() else []
        return [line for line in lines if not re.match(r"python (-c|- )", line)]

    @property
    def story(self) -> list[str]:
        """The calls in short: the whole commands of Pulumi, the verbs of `mft-ops`, what is asked of AWS."""
        short = []
        for call in self.calls:
            words = re.sub(r" \[.*", "", call).split()
            applied = " --apply" if "--apply" in words else ""
            match words:
                case ["python", "-m", "ops", verb, *_]:
                    short.append(f"{verb}{applied}")
                case ["aws", service, action, *_]:
                    short.append(f"{service} {action}")
                case _:
                    short.append(" ".join(words))
        return short

    def of_pulumi(self) -> list[str]:
        return [re.sub(r" \[.*", "", each) for each in self.calls if each.startswith("pulumi ")]
