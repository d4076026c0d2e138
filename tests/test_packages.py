"""Both wheels: installed away from any checkout, their scripts work on the project around them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from components import bundle
from customers import project
from tests.test_house import CLIENT, PACKAGES, ROOT, home_of, tracked

IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.gov")


@dataclass(frozen=True)
class Installed:
    """The packages in a folder of their own, and beside it a project that has no code but the program."""

    site: Path
    project: Path

    def run(self, *command: str, folder: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a script, or with `python` an interpreter, in a folder."""
        known = {"python": sys.executable}
        program = known.get(command[0], str(self.site / "bin" / command[0]))
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.site), "COLUMNS": "200"}
        done = subprocess.run(
            [program, *command[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    source, wheels, site, place = (folder / name for name in ("source", "wheels", "site", "project"))
    for path in tracked():
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    alone = ["--no-index", "--no-deps"]
    both = [str(source), str(source / "client")]
    subprocess.run([*pip, "wheel", *alone, "--no-build-isolation", "-w", str(wheels), *both], check=True)
    made = [str(wheel) for wheel in wheels.iterdir()]
    subprocess.run([*pip, "install", *alone, "--no-compile", "--target", str(site), *made], check=True)
    (place / "customers").mkdir(parents=True)
    (place / "below").mkdir()
    for path in (ROOT / "__main__.py", *ROOT.glob("Pulumi*.yaml"), *ROOT.glob("customers/*.yaml")):
        shutil.copy2(path, place / path.relative_to(ROOT))
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "the project"]):
        git(place, *command)
    return Installed(site, place)


def git(folder: Path, *command: str) -> str:
    done = subprocess.run(
        ["git", *IDENTITY, *command], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_wheel_holds_every_file_of_the_packages_but_the_registry(installed: Installed) -> None:
    ours = {str(path.relative_to(ROOT)) for path in tracked() if path.relative_to(ROOT).parts[0] in PACKAGES}
    registry = {name for name in ours if Path(name).match("customers/*.yaml")}
    held = {
        str(path.relative_to(installed.site))
        for package in PACKAGES
        for path in (installed.site / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == ours - registry
    assert registry


def test_the_wheel_of_the_senders_holds_every_file_of_its_package(installed: Installed) -> None:
    folder = home_of(CLIENT)
    ours = {str(path.relative_to(folder)) for path in tracked() if (folder / CLIENT) in path.parents}
    held = {
        str(path.relative_to(installed.site))
        for path in (installed.site / CLIENT).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == ours
    assert f"{CLIENT}/py.typed" in held


def test_both_distributions_have_the_same_licence() -> None:
    assert (home_of(CLIENT) / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("script", ["mft-ops", "mft-local", "mft"])
def test_help_needs_no_project(installed: Installed, tmp_path: Path, script: str) -> None:
    assert f"Usage: {script}" in installed.run(script, "--help", folder=tmp_path).stdout


def test_check_reads_the_project_around_the_current_folder(installed: Installed, tmp_path: Path) -> None:
    checked = installed.run("mft-ops", "check", "--json", folder=installed.project / "below").stdout
    assert json.loads(checked)["customers"] == len(list(ROOT.glob("customers/*.yaml")))
    named = installed.run("mft-ops", "check", "--json", "--root", str(installed.project), folder=tmp_path)
    assert named.stdout == checked


def test_a_plan_runs_the_program_of_the_project_around_the_current_folder(installed: Installed) -> None:
    newcomer = installed.project / "customers" / "agency-n.yaml"
    shutil.copy(ROOT / "local/drill/newcomer.yaml", newcomer)
    try:
        command = ("mft-local", "plan", "--stack", "gov-west", "--json")
        planned = json.loads(installed.run(*command, folder=installed.project / "below").stdout)
    finally:
        newcomer.unlink()
    assert set(planned["stacks"]) == {"gov-west"}
    assert set(planned["stacks"]["gov-west"]["customers"]) == {"n3w0k"}
    assert planned["commit"] == git(installed.project, "rev-parse", "HEAD").strip()


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        (("mft-ops", "check"), "change to the folder of the project, or name that folder with --root"),
        (("mft-local", "plan"), "change to the folder of the project, or to one below it"),
        (("mft-local", "up"), "change to the folder of the project, or to one below it"),
    ],
)
def test_without_a_project_one_line_says_what_to_do(
    installed: Installed, tmp_path: Path, command: tuple[str, ...], remedy: str
) -> None:
    refused = installed.run(*command, folder=tmp_path, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert line.endswith(remedy)
    assert str(tmp_path) in line


def test_the_bundle_is_made_of_the_installed_runtime_in_the_projects_folder(installed: Installed) -> None:
    code = (
        "import json; from components import bundle as b;"
        "print(json.dumps([str(b.BUILD), str(b.RUNTIME), b.REQUIREMENTS.read_text(),"
        " sorted(str(each.relative_to(b.RUNTIME)) for each in b._sources())]))"
    )
    shown = json.loads(installed.run("python", "-c", code, folder=installed.project / "below").stdout)
    assert shown == [
        str(installed.project / ".build"),
        str(installed.site / "runtime"),
        bundle.REQUIREMENTS.read_text(),
        sorted(str(each.relative_to(bundle.RUNTIME)) for each in bundle._sources()),
    ]


def test_the_nearest_project_is_the_one(tmp_path: Path) -> None:
    below = tmp_path / "outer" / "inner" / "below"
    below.mkdir(parents=True)
    assert project.nearest(below) is None
    (tmp_path / "outer" / project.MARK).touch()
    assert project.nearest(below) == tmp_path / "outer"
    (tmp_path / "outer" / "inner" / project.MARK).touch()
    assert project.nearest(below) == tmp_path / "outer" / "inner"
    assert project.nearest(tmp_path / "outer") == tmp_path / "outer"
