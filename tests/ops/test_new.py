"""`mft-ops new`: the files that it writes, and what it refuses without writing anything."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import ops.__main__
from customers.registry import load
from local.aws.emulator import ROOT
from tests.ops.conftest import CommandResult
from tests.ops.test_check import Project, _alone, project  # noqa: F401 - fixtures

KEY = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNd0NhIYuET0AL2w7HplNUM6T5woZO9"
    "CMoX6BU4vig7L499JSj8cPudPhigH3ZKAeumrxfwytBQzzsWPfll01EA="
)
SDK = ("--principal", "arn:aws-us-gov:iam::345678901234:role/export", "--to", "s3://partner-e-inbox/in/")
FLAGS = ("--name", "Agency E", "--primary", "west", *SDK)


def new(project: Project, *words: str) -> CommandResult:  # noqa: F811
    done = CliRunner().invoke(ops.__main__.app, ["new", *words, "--root", str(project.root)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return CommandResult(code=done.exit_code, out=done.stdout, err=done.stderr)


def names(project: Project) -> list[str]:  # noqa: F811
    return sorted(path.name for path in (project.root / "customers").iterdir())


@pytest.fixture
def key(tmp_path: Path) -> str:
    path = tmp_path / "key.pub"
    path.write_text(f"{KEY} j.doe@agency-e.example\n")
    return str(path)


@pytest.fixture
def refused(project: Project) -> Any:  # noqa: F811
    """Run with words that are refused, and return the lines; nothing may be written."""
    before = names(project)

    def run(*words: str, code: int = 1) -> list[str]:
        result = new(project, *words)
        assert (result.code, result.out) == (code, "")
        assert names(project) == before
        return result.err.splitlines()

    return run


def test_a_sender_by_sftp_and_its_partners_server(project, key):  # noqa: F811
    words = (
        "--name",
        "Agency E: no. 2",
        "--primary",
        "east",
        "--login-key",
        key,
        "--source",
        "192.0.2.240/28",
    )
    to = ("--to", "sftp://agency-e@sftp.partner-e.example:2222//drop", "--host-key", key)
    done = new(project, "agency-e", *words, *to, "--receipt", "mft@agency-e.example", "--json")
    assert (done.code, done.err) == (0, "")
    document = json.loads(done.out)
    id = document["id"]
    assert (document["file"], document["secret"]) == ("customers/agency-e.yaml", f"example-mft/{id}/partner")
    assert document["branches"] == f"none of 1 branch, as last fetched, has the id {id}"
    registry = load(project.root / "customers", namespace="example-mft", zone="mft.example.gov")
    (made,) = [each for each in registry.customers if each.id == id]
    assert (made.name, made.lifecycle, made.primary, made.cell) == (
        "Agency E: no. 2",
        "onboarding",
        "east",
        "1",
    )
    (user,), (route,) = made.sftp.users, made.routes
    assert (user.public_keys, user.source_cidrs) == ((KEY,), ("192.0.2.240/28",))
    assert (route.match, route.to) == (f"sftp/{user.name}/**", ("partner",))
    partner = made.destinations["partner"].model_dump(exclude_unset=True)
    place = {"host": "sftp.partner-e.example", "port": 2222, "user": "agency-e", "directory": "/drop"}
    assert partner == {"kind": "sftp", **place, "host_key": KEY, "secret": "partner"}
    assert made.receipts[0].model_dump() == {"kind": "email", "address": "mft@agency-e.example"}
    text = project.file("agency-e").read_text()
    assert "# never changes" in text
    assert "j.doe" not in text
    checked = project.ops()
    assert checked.code == 0
    assert checked.out.splitlines()[0] == f"touched in cell 1: {id}: is new, as 'onboarding'"


def test_a_sender_by_the_s3_api(project):  # noqa: F811
    done = new(
        project, "agency-e.yaml", *FLAGS, "--receipt", "https://agency-e.example/receipts", "--id", "k1m2n"
    )
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("customers/agency-e.yaml is written, of customer k1m2n; none of 1 branch, ")
    registry = load(project.root / "customers")
    (made,) = [each for each in registry.customers if each.id == "k1m2n"]
    assert made.destinations["partner"].model_dump(exclude_unset=True) == {
        "kind": "s3",
        "bucket": "partner-e-inbox",
        "prefix": "in/",
    }
    assert [each.match for each in made.routes] == ["sdk/**"]
    assert not made.sftp.users


def test_at_a_terminal_what_is_missing_is_asked_for(project, key):  # noqa: F811
    answers = ["", "Agency E", "west", "", key, "192.0.2.240/28", "sftp://e@sftp.partner-e.example", key, ""]
    terminal, side = pty.openpty()
    os.write(terminal, "".join(f"{each}\n" for each in answers).encode())
    command = [sys.executable, "-W", "error", "-m", "ops", "new", "agency-e", "--root", str(project.root)]
    env = {"PATH": os.environ["PATH"], "HOME": str(project.root)}
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdin=side, capture_output=True, text=True, timeout=120, check=False
    )
    os.close(side)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Name of the customer, for people:") == 2, "an empty answer is asked for again"
    assert done.stderr.count("File with that server's public host key:") == 1
    assert load(project.root / "customers").files.keys() > {"c7k2m", "h4t9q", "r2w6d", "x8p3v"}
    assert "# Nobody is told" in project.file("agency-e").read_text()


def test_without_a_terminal_every_missing_option_is_named(refused):
    (*_, line) = refused("agency-e", "--name", "Agency E", code=2)
    assert line == (
        "Error: Invalid value: give --primary, --login-key or --principal, --to: there is no terminal at"
        " which to ask for the answers"
    )


def test_a_file_that_exists_is_refused(refused, project):  # noqa: F811
    before = project.file("agency-a").read_bytes()
    assert refused("agency-a", *FLAGS) == [
        "customers/agency-a.yaml exists; name another file, or edit that one"
    ]
    assert project.file("agency-a").read_bytes() == before


@pytest.mark.parametrize("name", ["../agency-e", "Agency E", ".agency", ""])
def test_a_name_that_the_registry_would_not_read_is_refused(refused, name):
    (line,) = refused(name, *FLAGS)
    assert line.startswith(f"{name!r} is not a name for a customer's file; ")


def test_a_folder_that_is_no_project_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    result = new(Project(tmp_path / "empty"), "agency-e", *FLAGS)
    assert result.code == 1
    assert result.line.startswith(f"{tmp_path / 'empty'} holds no stack files ")


def test_invalid_answers_are_all_named_with_their_lines(refused):
    *lines, last = refused(
        "agency-e", "--name", "E", "--primary", "north", *SDK[:3], "s3://Inbox/in", "--id", "E"
    )
    assert [line.split(":")[2].strip() for line in lines] == [
        "id",
        "primary",
        "destinations.partner.bucket",
        "destinations.partner.prefix",
    ]
    assert all(line.startswith("customers/agency-e.yaml:") for line in lines)
    assert last == "customers/agency-e.yaml was not written"


def test_a_text_cannot_become_more_than_a_value(project):  # noqa: F811
    name = 'E # "primary": east, é'
    assert new(project, "agency-e", "--name", name, *FLAGS[2:], "--id", "k1m2n").code == 0
    registry = load(project.root / "customers")
    assert [each.name for each in registry.customers if each.id == "k1m2n"] == [name]


@pytest.mark.parametrize(
    "url", ["partner-e", "s3://", "sftp://host/x", "ftp://e@host", "sftp://e:secret@host/"]
)
def test_a_destination_that_is_none_is_refused(refused, url, key):
    (line,) = refused("agency-e", *FLAGS[:-1], url, "--host-key", key)
    assert line.startswith(f"{url!r} is not a destination; write sftp://user@host/directory ")


def test_keys_that_cannot_be_used_are_refused_and_not_repeated(refused, tmp_path):
    words = ("--name", "E", "--primary", "west", "--source", "192.0.2.240/28", *SDK[2:], "--login-key")
    path = tmp_path / "k"
    assert refused("agency-e", *words, str(path)) == [
        f"--login-key: {path} cannot be read: No such file or directory"
    ]
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n")
    assert refused("agency-e", *words, str(path)) == [
        f"--login-key: {path} holds a secret; name the file of the public key, `*.pub`"
    ]
    path.write_text("ssh-rsa nonsense")
    (line,) = refused("agency-e", *words, str(path))
    assert line.startswith(f"--login-key: {path}: ")
    assert "nonsense" not in line


# --- Ids that are taken ------------------------------------------------------------------------------


def test_an_id_that_another_file_has_is_refused(refused, project):  # noqa: F811
    project.git("switch", "--quiet", "--orphan", "elsewhere")
    project.git("restore", "--source", "main", ".")
    project.git("branch", "-D", "main")
    lines = refused("agency-e", *FLAGS, "--id", "c7k2m")
    assert any("c7k2m" in line and line.startswith("customers/agency-") for line in lines)


def test_an_id_that_an_open_branch_took_is_refused(refused, project):  # noqa: F811
    project.git("switch", "--quiet", "--create", "agency-f")
    new(project, "agency-f", *FLAGS, "--id", "k1m2n")
    project.commit()
    project.git("update-ref", "refs/remotes/origin/agency-f", "HEAD")
    project.git("switch", "--quiet", "main")
    project.git("branch", "-D", "agency-f")
    assert names(project).count("agency-f.yaml") == 0
    assert refused("agency-e", *FLAGS, "--id", "k1m2n") == [
        "the id 'k1m2n' is taken: origin/agency-f:customers/agency-f.yaml; leave out --id for a free one"
    ]
    done = new(project, "agency-e", *FLAGS, "--id", "k1m2")
    assert (done.code, "none of 2 branches, as last fetched, has the id k1m2" in done.out) == (0, True)


def test_without_git_it_is_said_that_branches_are_not_known(project):  # noqa: F811
    (project.root / ".git").rename(project.root / "away")
    done = new(project, "agency-e", *FLAGS, "--id", "k1m2n")
    assert done.code == 0
    assert "; whether another branch has the id k1m2n is not known: " in done.out.splitlines()[0]


def test_a_file_that_appears_meanwhile_is_not_replaced(refused, project, monkeypatch):  # noqa: F811
    """Another program makes the same file after it was looked for."""
    there = project.file("agency-e")

    def link(path: Path, target: Path) -> None:
        path.write_text("another's")
        os.link(target, path)

    monkeypatch.setattr(Path, "hardlink_to", link)
    result = new(project, "agency-e", *FLAGS)
    assert (result.code, result.line) == (
        1,
        "customers/agency-e.yaml exists; name another file, or edit that one",
    )
    assert there.read_text() == "another's"
    assert ".agency-e.yaml.new" not in names(project)
