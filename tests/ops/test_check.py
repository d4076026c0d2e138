"""`python -m ops check` in git repositories of its own: comparisons, messages and exit codes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

import ops.__main__
from local.aws.emulator import ROOT
from tests.ops.conftest import CommandResult

FACTS = {
    "mft:namespace": "example-mft",
    "mft:cell": "1",
    "mft:zone": "mft.example.gov",
    "mft:zoneId": "Z0123456789EXAMPLE",
    "mft:accountId": "123456789012",
    "mft:healthCheckQuota": "200",
    "mft:groupRuleQuota": "60",
    "mft:switch": "alarm",
}
SAMPLES = sorted((ROOT / "customers").glob("*.yaml"))
FINE = "4 customers, 22 health checks of 200, nothing refused"


@dataclass
class Project:
    """A registry with its stack files, in a git repository, and what an operator types there."""

    root: Path

    def git(self, *words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a change")
        return self.git("rev-parse", "HEAD")

    def stack(self, name: str, **instead: Any) -> None:
        region = {"mft:region": f"us-{name}-1"}
        config = FACTS | region | {f"mft:{key}": value for key, value in instead.items()}
        config = {key: value for key, value in config.items() if value is not None}
        (self.root / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": config}))

    def stacks(self, **instead: Any) -> None:
        for name in ("gov-west", "gov-east"):
            self.stack(name, **instead)

    def file(self, name: str) -> Path:
        return self.root / "customers" / f"{name}.yaml"

    def edit(self, name: str, old: str, new: str) -> int:
        """Change a line of a customer's file, and return its number."""
        lines = self.file(name).read_text().splitlines()
        assert lines.count(old) == 1
        number = lines.index(old)
        lines[number] = new
        self.file(name).write_text("\n".join(lines) + "\n")
        return number + 1

    def record(self, id: str, *moves: dict[str, Any]) -> Path:
        path = self.root / "rehomes" / f"{id}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(moves))
        return path

    def ops(self, *words: str) -> CommandResult:
        done = CliRunner().invoke(ops.__main__.app, ["check", *words, "--root", str(self.root)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return CommandResult(code=done.exit_code, out=done.stdout, err=done.stderr)

    def refused(self, *words: str) -> list[str]:
        """Return the refusals, after comparing the text with the JSON."""
        result, document = self.ops(*words), self.ops(*words, "--json")
        assert (result.code, document.code, result.err, document.err) == (1, 1, "", "")
        *lines, summary = result.out.splitlines()
        document = json.loads(document.out)
        touched = document["touched"]
        assert document["refusals"] + touched == lines
        lines = document["refusals"]
        assert summary.endswith(f", {len(lines)} refused")
        return lines


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS, no credentials, no network, and none of the user's git settings."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "GIT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "J. Doe")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "j.doe@example.gov")

    def connect(*_: object) -> None:
        raise AssertionError("nothing outside is needed to compare two registries")

    monkeypatch.setattr(socket.socket, "connect", connect)


def fill(root: Path) -> Project:
    (root / "customers").mkdir(parents=True)
    for sample in SAMPLES:
        (root / "customers" / sample.name).write_bytes(sample.read_bytes())
    project = Project(root)
    project.stacks()
    return project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The sample registry, committed."""
    made = fill(tmp_path / "project")
    made.git("init", "--quiet", "--initial-branch", "main")
    made.commit()
    return made


# --- As a process of its own -------------------------------------------------------------------------


def test_an_unchanged_registry_passes(project):
    command = [sys.executable, "-W", "error", "-m", "ops", "check", "--root", str(project.root)]
    env = {"PATH": os.environ["PATH"], "HOME": str(project.root)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{FINE}\n", "")


def test_the_result_as_one_json_document(project):
    result = project.ops("--json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {
        "base": project.git("rev-parse", "HEAD"),
        "deployed": 4,
        "customers": 4,
        "health_checks": 22,
        "health_check_quota": 200,
        "leaving": [],
        "touched": [],
        "refusals": [],
    }


@pytest.mark.parametrize("words", [("--retiring", "0"), ("--retiring", "some"), ("--retired", "1"), ("now",)])
def test_a_usage_error_exits_2(project, words):
    assert project.ops(*words).code == 2


# --- What is compared --------------------------------------------------------------------------------


def test_files_that_are_not_committed_count(project):
    line = project.edit("agency-a", "lifecycle: active", "lifecycle: retired")
    assert project.refused("--retiring", "1") == [
        f"customers/agency-a.yaml:{line}: lifecycle: goes from 'active' to 'retired' and skips 'closing',"
        " 'draining'; first set 'closing' and apply it in both stacks"
    ]
    project.git("add", "--all")
    assert len(project.refused("--retiring", "1")) == 1
    project.commit()
    assert project.ops().code == 0
    assert len(project.refused("--base", "HEAD~1", "--retiring", "1")) == 1


def test_a_new_file_that_git_does_not_know_counts(project):
    text = project.file("agency-b").read_text().replace("id: h4t9q", "id: k1m2n")
    text = text.replace("partner-b-landing", "partner-e-landing")
    project.file("agency-e").write_text(text.replace("Example agency B", "Example agency E"))
    (line,) = project.refused()
    assert line.startswith("customers/agency-e.yaml:5: lifecycle: 'k1m2n' is new and starts as 'active'; ")
    project.edit("agency-e", "lifecycle: active", "lifecycle: onboarding")
    assert project.ops().out.splitlines() == [
        "touched in cell 1: k1m2n: is new, as 'onboarding'",
        FINE.replace("4 customers", "5 customers"),
    ]


@pytest.mark.parametrize("name", ["main", "HEAD", "release", "v1"])
def test_a_base_has_any_name_that_git_knows(project, name):
    project.git("branch", "release")
    project.git("tag", "--annotate", "v1", "--message", "deployed")
    base = project.git("rev-parse", "HEAD")
    project.file("agency-b").unlink()
    assert json.loads(project.ops("--base", name, "--json").out)["base"] == base
    (line,) = project.refused("--base", name)
    assert line.startswith(
        "customers/agency-b.yaml:5: lifecycle: 'h4t9q' was removed, but it is deployed as 'active'"
    )


@pytest.mark.parametrize("elsewhere", ["customers", "others"])
def test_a_project_below_the_repositorys_root(tmp_path, elsewhere):
    whole = Project(tmp_path)
    project = fill(tmp_path / "platform" / "mft")
    (tmp_path / elsewhere).mkdir()
    (tmp_path / elsewhere / "stray.yaml").write_text("not a customer")
    whole.git("init", "--quiet")
    whole.commit()
    assert project.ops().out == f"{FINE}\n"
    project.file("agency-b").unlink()
    assert len(project.refused()) == 1


def test_a_first_registry_is_compared_with_nothing(tmp_path):
    project = fill(tmp_path / "project")
    project.git("init", "--quiet")
    for name in ("README.md", "customers/README.md"):
        (project.root / name).write_text("nothing is deployed")
        project.git("add", name)
        project.git("commit", "--quiet", "--message", "a beginning")
        result = project.ops()
        base = project.git("rev-parse", "HEAD")[:12]
        assert (result.code, result.out) == (0, f"{FINE}; {base} has none to compare them with\n")


def test_files_of_other_kinds_are_ignored(project):
    (project.root / "customers" / "notes").mkdir()
    (project.root / "customers" / "notes" / "old.txt").write_text("id: [")
    (project.root / "customers" / "model.py").write_text("")
    (project.root / "rehomes").mkdir()
    (project.root / "rehomes" / "README.md").write_text("")
    project.commit()
    assert project.ops().out == f"{FINE}\n"


def test_a_cell_without_stacks_serves_nobody(project):
    """A customer of such a cell would be deployed by no stack, and nobody would notice."""
    line = project.edit("agency-a", "primary: west", 'primary: west\ncell: "2"')
    problem = (
        f"customers/agency-a.yaml:{line + 1}: cell: no stack serves cell 2; name a cell that has a stack"
    )
    remedy = " file in every region (1), or add its stack files"
    assert project.refused()[-1] == problem + remedy
    project.stack("gov-west-2", cell="2", region="us-gov-west-1")
    assert project.refused()[-1] == problem + remedy
    project.stack("gov-east-2", cell="2", region="us-gov-east-1")
    assert all("no stack serves" not in each for each in project.refused())


# --- The records of moves ----------------------------------------------------------------------------

MOVE = {
    "customer": "c7k2m",
    "from": "west",
    "to": "east",
    "who": "J. Doe",
    "why": "ticket 42",
    "when": "2026-11-22T21:00:00Z",
    "digest": "0123456789ab",
}
BACK = MOVE | {"from": "east", "to": "west", "when": "2026-11-23T21:00:00Z"}


def test_a_primary_changes_with_the_record_of_a_rehoming(project):
    line = project.edit("agency-a", "primary: west", "primary: east")
    (unrecorded,) = project.refused()
    assert unrecorded.startswith(
        f"customers/agency-a.yaml:{line}: primary: goes from 'west' to 'east' without"
    )
    assert unrecorded.endswith("mft-ops rehome c7k2m --to us-gov-east-1")
    project.record("c7k2m", MOVE)
    assert project.ops().out == f"touched in cell 1: c7k2m: changes primary\n{FINE}\n"
    project.commit()
    # The same record says nothing of a second move.
    project.edit("agency-a", "primary: east", "primary: west")
    assert "without a new record" in project.refused()[0]
    project.record("c7k2m", MOVE, BACK)
    assert project.ops().code == 0
    project.record("c7k2m", BACK)
    (line,) = project.refused()
    assert line.startswith("rehomes/c7k2m.json: a record was changed or removed; ")


def test_a_move_that_the_registry_does_not_show_is_refused(project):
    project.record("c7k2m", MOVE)
    (line,) = project.refused()
    assert "primary: is 'west', but J. Doe moved it to 'east'" in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"to": "north"}, "[0].to: Input should be 'east' or 'west'"),
        ({"to": "west"}, "[0]: moves from 'west' to 'west'"),
        ({"who": "  "}, "[0].who: String should have at least 1 character"),
        ({"when": "2026-11-22T21:00:00"}, "[0].when: Input should have timezone info"),
        ({"digest": "abc"}, "[0].digest: String should match pattern '^[0-9a-f]{12}$'"),
        ({"approved": "yes"}, "[0].approved: Extra inputs are not permitted"),
        ({"customer": "h4t9q"}, "contains a move of 'h4t9q', which belongs in rehomes/h4t9q.json"),
    ],
)
def test_a_malformed_record_is_refused(project, change, message):
    project.record("c7k2m", MOVE | change)
    assert project.refused() == [f"rehomes/c7k2m.json: {message}"]


def test_records_that_cannot_be_read_are_named_with_all_else_that_is_broken(project):
    project.edit("agency-a", "primary: west", "primary: wst")
    project.record("h4t9q").write_text("[")
    (project.root / "rehomes" / "x8p3v.json").mkdir()
    first, second, third = project.refused()
    assert first.endswith(": primary: 'wst' is not one of east, west")
    assert second.startswith("rehomes/h4t9q.json: Invalid JSON: ")
    assert third == "rehomes/x8p3v.json: cannot be read: Is a directory"


# --- Retiring ----------------------------------------------------------------------------------------


def test_a_retirement_from_its_first_step_to_its_last(project):
    """One of four is more than a fifth: every step has to be typed, and then the file may be removed."""
    project.edit("agency-d", "lifecycle: active", "lifecycle: closing")
    assert json.loads(project.ops("--json").out)["leaving"] == []
    project.commit()
    for was, now in (("closing", "draining"), ("draining", "retired")):
        project.edit("agency-d", f"lifecycle: {was}", f"lifecycle: {now}")
        (line,) = project.refused()
        assert line == (
            "customers: 1 of 4 go out of service at once, more than 10 or 20 %; if that is intended, add"
            " --retiring 1: x8p3v"
        )
        assert project.refused("--retiring", "2") == [
            "customers: --retiring 2 was given, but 1 go out of service: x8p3v"
        ]
        document = json.loads(project.ops("--retiring", "1", "--json").out)
        assert (document["leaving"], document["refusals"]) == (["x8p3v"], [])
        project.commit()
    project.file("agency-d").unlink()
    touched = "touched in cell 1: x8p3v: is removed\n"
    assert project.ops().out == f"{touched}3 customers, 20 health checks of 200, nothing refused\n"


# --- Quotas ------------------------------------------------------------------------------------------


def test_a_quota_that_the_registry_would_break(project):
    project.stacks(healthCheckQuota=21)
    assert project.refused() == [
        "customers: 22 health checks are needed (18 for cells, 4 for customers), but mft:healthCheckQuota"
        " is 21; ask AWS for 22 (quota L-ACB674F3) and set it to that, or set"
        " failover.health_check: cell for these (1): x8p3v"
    ]
    project.edit("agency-d", "lifecycle: active", "lifecycle: closing")
    project.commit()
    text = project.file("agency-d").read_text().replace("lifecycle: closing", "lifecycle: draining")
    project.file("agency-d").write_text(text + "  health_check: cell\n")
    result = project.ops("--retiring", "1")
    assert result.out.splitlines() == [
        "touched in cell 1: x8p3v: changes failover, lifecycle ('closing' to 'draining')",
        "4 customers, 20 health checks of 21, nothing refused",
    ]


def test_a_quota_is_exceeded_by_customers_who_come_into_service_and_not_by_those_in_it(project):
    project.stacks(healthCheckQuota=23)
    project.edit("agency-c", "lifecycle: onboarding", "lifecycle: active")
    (line,) = project.refused()
    assert line.endswith("for these (1): r2w6d")


def test_a_quota_that_six_hundred_customers_would_break(tmp_path):
    project = fill(tmp_path / "project")
    text = re.sub(r"failover:\n.*", "", project.file("agency-b").read_text(), flags=re.S)
    for number in range(600):
        own = text.replace("h4t9q", f"c{number:04}").replace("partner-b", f"partner-{number}")
        project.file(f"c{number:04}").write_text(own)
    project.git("init", "--quiet")
    project.git("commit", "--quiet", "--allow-empty", "--message", "nothing is deployed")
    result = project.ops()
    needed, new, summary = result.out.splitlines()
    assert needed.startswith(
        "customers: 1,222 health checks are needed (18 for cells, 1,204 for customers), but"
        " mft:healthCheckQuota is 200; ask AWS for 1,222 (quota L-ACB674F3) and set it to that, or set"
        " failover.health_check:"
        " cell for these (511): c0091, c0092, "
    )
    assert needed.endswith(", c0599, c7k2m, x8p3v")
    assert new == (
        "customers: 1,222 health checks are new, but Route 53 creates 1,000 a day; deploy what is new in 2"
        " steps, cells first and then customers by id: day 1 up to c0490, day 2 up to x8p3v"
    )
    assert summary.startswith("604 customers, 1,222 health checks of 200, 2 refused")
    assert result.code == 1


# --- What cannot be checked --------------------------------------------------------------------------


def stopped(project: Project, *words: str) -> str:
    """Return why nothing was checked, after comparing the text with the JSON."""
    result, document = project.ops(*words), project.ops(*words, "--json")
    assert (result.code, document.code, result.out, document.err) == (1, 1, "", "")
    assert json.loads(document.out) == {"refused": result.err.rstrip("\n")}
    return result.err.rstrip("\n")


def test_a_broken_registry_is_reported_with_its_own_messages(project):
    number = project.edit("agency-a", "primary: west", "primary: wst")
    project.file("agency-b").unlink()
    result = project.ops()
    assert (result.code, result.out.splitlines()) == (
        1,
        [
            f"customers/agency-a.yaml:{number}: primary: 'wst' is not one of east, west",
            "the registry is broken and was not compared, 1 refused",
        ],
    )
    document = json.loads(project.ops("--json").out)
    assert (document["customers"], document["health_checks"]) == (None, None)


def test_a_registry_that_this_environment_cannot_hold_is_broken(project):
    project.edit("agency-a", "    host: sftp.partner-a.example", "    host: sftp.mft.example.gov")
    (line,) = project.refused()
    assert "'sftp.mft.example.gov' belongs to this platform" in line


def test_a_registry_that_is_gone_removes_everybody(project):
    for sample in SAMPLES:
        project.file(sample.stem).unlink()
    assert project.refused() == [
        "customers:1: the registry is empty, which would remove every customer; add a .yaml file"
    ]


def test_a_base_that_this_code_cannot_read(project):
    sound = project.file("agency-a").read_text()
    project.edit("agency-a", "primary: west", "region: west")
    project.commit()
    project.file("agency-a").write_text(sound)
    line, *problems, remedy = stopped(project).splitlines()
    assert line == "the registry of HEAD cannot be read by this code, so nothing was compared:"
    assert [each.split(": ")[:2] for each in problems] == [
        ["customers/agency-a.yaml:3", "primary"],
        ["customers/agency-a.yaml:6", "region"],
    ]
    assert remedy == "with --base, name a revision whose registry can be read"
    assert project.ops("--base", "HEAD~1").code == 0


@pytest.mark.parametrize(
    "base", ["nope", "", "--help", "HEAD~9", "HEAD:customers", "0" * 40, "main..HEAD", "$(id)"]
)
def test_an_unknown_base_is_refused(project, base):
    assert stopped(project, f"--base={base}") == (
        f"--base: {base!r} is not a revision of this repository; fetch it, or name another, such as"
        " origin/main"
    )


def test_a_repository_without_a_commit(tmp_path):
    project = fill(tmp_path / "project")
    project.git("init", "--quiet")
    assert stopped(project).startswith("--base: 'HEAD' is not a revision of this repository; ")


def test_no_repository(tmp_path):
    project = fill(tmp_path / "project")
    line = stopped(project)
    assert line.startswith(
        f"{project.root}: git finds no repository here that it may read: fatal: not a git rep"
    )


def test_no_git(project, monkeypatch):
    monkeypatch.setenv("PATH", str(project.root))
    assert stopped(project) == "git is not installed, and what is deployed is read from it; install git"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"healthCheckQuota": "250"},
            "mft:healthCheckQuota: Pulumi.gov-west.yaml has '250', Pulumi.gov-east.yaml",
        ),
        (
            {"healthCheckQuota": None},
            "mft:healthCheckQuota: Pulumi.gov-west.yaml has None, Pulumi.gov-east.yaml",
        ),
        (
            {"zone": "other.example.gov"},
            "mft:zone: Pulumi.gov-west.yaml has 'other.example.gov', Pulumi.gov-e",
        ),
    ],
)
def test_stack_files_that_disagree(project, change, message):
    project.stack("gov-west", **change)
    assert stopped(project).startswith(message)


@pytest.mark.parametrize("quota", ["many", "0", "-1", "2e2", "²00", "1234567"])
def test_a_quota_that_is_not_a_number_is_refused(project, quota):
    project.stacks(healthCheckQuota=quota)
    assert stopped(project) == (
        f"mft:healthCheckQuota: both stack files have {quota!r}; write a number, such as 200"
    )


@pytest.mark.parametrize(("key", "value"), [("namespace", "Example"), ("zone", "mft..gov")])
def test_an_environment_that_cannot_be_named(project, key, value):
    project.stacks(**{key: value})
    assert stopped(project).startswith(
        f"mft:namespace and mft:zone of the stack files: '{value}' is not a {key}"
    )


def test_the_projects_own_registry_and_stack_files_are_sound():
    done = CliRunner().invoke(ops.__main__.app, ["check", "--json"])
    assert json.loads(done.stdout)["customers"] == len(SAMPLES)
