"""The Lambda bundle: deterministic, complete, and able to run by itself."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from components import bundle
from local import program
from tests.program.conftest import RUNTIME, record

HANDLERS = sorted(
    path.stem
    for path in (program.ROOT / "runtime/handlers").glob("*.py")
    if path.stem not in ("__init__", "wiring")
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(bundle.build(RUNTIME)) as archive:
        archive.extractall(folder)
    return folder


REQUIREMENTS = bundle.REQUIREMENTS.read_text()

#: What no handler loads, and what only those load that speak SFTP: each module costs time at a cold start.
NEVER = {"pydantic", "rich", "typer", "click", "yaml", "pulumi", "customers", "components", "ops", "local"}
SFTP_ONLY, SPEAK_SFTP = {"asyncssh", "cryptography", "_cffi_backend"}, {"deliver", "canary"}


@pytest.mark.parametrize("handler", HANDLERS)
def test_each_handler_imports_with_nothing_but_the_bundle(unpacked: Path, handler: str) -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(unpacked)!r}]; import runtime.handlers.{handler} as h; h.handler;"
        "files = [getattr(module, '__file__', '') or '' for module in sys.modules.values()];"
        "outside = [file for file in files if 'site-packages' in file];"
        "assert not outside, outside;"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    # -I: no user site, no PYTHONPATH; -S: no site-packages of this interpreter.
    alone = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(alone, capture_output=True, text=True, env={"PATH": ""}, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert loaded & NEVER == set()
    assert (loaded & SFTP_ONLY == set()) == (handler not in SPEAK_SFTP)


def test_the_program_points_at_handlers_that_exist() -> None:
    pointed = {each.inputs["handler"] for each in record("gov-west").of("aws:lambda/function:Function")}
    assert pointed == {f"runtime.handlers.{name}.handler" for name in HANDLERS}


def built_elsewhere(folder: Path, *, python: Path = Path(sys.executable)) -> str:
    """Return the hash of the bundle that a copy of the code in this folder makes, by its own command."""
    command = [str(python), "-m", "components.bundle", RUNTIME]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, place = done.stdout.split()
    assert Path(place).is_relative_to(folder)
    return found


def copied(source: Path, to: Path) -> None:
    """Copy a tree with another umask, in another order and with other times."""
    to.mkdir(parents=True, mode=0o700)
    for each in sorted(source.iterdir(), reverse=True):
        if each.is_dir() and each.name != "__pycache__":
            copied(each, to / each.name)
        elif each.is_file():
            copy = to / each.name
            copy.write_bytes(each.read_bytes())
            copy.chmod(0o600)
            os.utime(copy, (10_000_000, 10_000_000))


def copy_of_the_code(folder: Path) -> Path:
    """Return a folder with what makes the bundle, and nothing else of the project."""
    copied(program.ROOT / "runtime", folder / "runtime")
    for name in ("Pulumi.yaml", *(f"{each}.py" for each in SHARED)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((program.ROOT / name).read_bytes())
    return folder


#: What `components.bundle` itself consists of.
SHARED = ("components/__init__", "components/bundle", "customers/__init__", "customers/project")


def test_two_folders_give_the_same_bytes(tmp_path: Path) -> None:
    """In the other one files have other times, permissions and places in their folders, and another pip."""
    folder = copy_of_the_code(tmp_path / "elsewhere")
    dependencies = folder / ".build" / bundle.dependencies(RUNTIME).name
    copied(bundle.dependencies(RUNTIME), dependencies)
    for listed in dependencies.glob("*.dist-info/RECORD"):  # a script names its interpreter
        listed.write_text(re.sub(r"(bin/.*,sha256=)[^,]+", r"\1another", listed.read_text()))
    for installer in dependencies.glob("*.dist-info/INSTALLER"):
        installer.write_text("uv\n")
    ours = hashlib.sha256(bundle.build(RUNTIME).read_bytes()).hexdigest()
    assert built_elsewhere(folder) == ours


@pytest.mark.exhaustive
def test_an_installation_from_the_index_by_another_interpreter_gives_the_same_bytes(tmp_path: Path) -> None:
    venv.create(tmp_path / "python", with_pip=True)
    folder = copy_of_the_code(tmp_path / "elsewhere")
    ours = hashlib.sha256(bundle.build(RUNTIME).read_bytes()).hexdigest()
    assert built_elsewhere(folder, python=tmp_path / "python/bin/python") == ours


def test_every_dependency_is_pinned_to_a_version_of_the_constraints_and_to_hashes() -> None:
    pins = re.findall(r"^(\S+)==(\S+)((?: \\\n +--hash=sha256:[0-9a-f]{64})+)$", REQUIREMENTS, re.MULTILINE)
    unpinned = [line for line in REQUIREMENTS.splitlines() if not re.match(r"#| |\S+==\S+ \\$", line)]
    assert not unpinned
    assert len(pins) == len(re.findall("==", REQUIREMENTS))
    constraints = dict(
        line.partition(" ")[0].split("==")
        for line in (program.ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    tested = {name.lower().replace("_", "-"): version for name, version in constraints.items()}
    assert {name: version for name, version, _ in pins} == {name: tested[name] for name, _, _ in pins}


@pytest.mark.exhaustive
def test_a_dependency_without_a_hash_is_not_installed(tmp_path: Path) -> None:
    folder = copy_of_the_code(tmp_path / "elsewhere")
    (folder / "runtime/requirements.txt").write_text("strange==1\n")
    with zipfile.ZipFile(tmp_path / "strange-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("strange.py", "")
        wheel.writestr("strange-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: strange\nVersion: 1\n")
        wheel.writestr("strange-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("strange-1.dist-info/RECORD", "")
    command = [sys.executable, "-m", "components.bundle", RUNTIME]
    index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    environment = {**os.environ, "PYTHONPATH": str(folder), **index}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip could not install requirements.txt" in done.stderr
    assert "Hashes are required in --require-hashes mode" in done.stderr
    assert not [*(folder / ".build").glob("*")]


@pytest.mark.parametrize("changed", ["__init__.py", "handlers/deliver.py"])
def test_a_change_of_any_file_makes_another_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    sources = tmp_path / "runtime"
    for name in ("__init__.py", "handlers/deliver.py"):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_text("number = 1\n")
    monkeypatch.setattr(bundle, "RUNTIME", sources)
    monkeypatch.setattr(bundle, "BUILD", tmp_path)
    bundle.dependencies(RUNTIME).mkdir()
    before = bundle.build(RUNTIME)
    (sources / changed).write_text("number = 2\n")
    after = bundle.build(RUNTIME)
    assert after != before
    with zipfile.ZipFile(after) as archive:
        assert archive.read(f"runtime/{changed}") == b"number = 2\n"
    (sources / changed).write_text("number = 1\n")
    assert bundle.build(RUNTIME) == before


def test_only_what_the_functions_need_is_inside() -> None:
    with zipfile.ZipFile(bundle.build(RUNTIME)) as archive:
        names = set(archive.namelist())
    assert not [name for name in names if name.endswith(".pyc") or Path(name).name in bundle.NOTES]
    assert {name.split("/")[0] for name in names}.isdisjoint(
        {"customers", "components", "local", "pulumi", "yaml"}
    )
    assert not [name for name in names if name.startswith(("mft_client", "dns/"))]
    models = [name.split("/") for name in names if name.startswith("botocore/data/")]
    services = {parts[2] for parts in models if len(parts) > 3}
    assert services == bundle.SERVICES
