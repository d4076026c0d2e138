"""The Lambda bundle: deterministic, complete, and able to run by itself."""

from __future__ import annotations

import subprocess
import sys
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


def test_the_same_files_give_the_same_bytes() -> None:
    first = bundle.build(RUNTIME)
    content = first.read_bytes()
    first.unlink()
    assert bundle.build(RUNTIME) == first
    assert first.read_bytes() == content


def test_only_what_the_functions_need_is_inside() -> None:
    with zipfile.ZipFile(bundle.build(RUNTIME)) as archive:
        names = set(archive.namelist())
    assert not [name for name in names if name.endswith(".pyc")]
    assert {name.split("/")[0] for name in names}.isdisjoint(
        {"customers", "components", "local", "pulumi", "yaml"}
    )
    assert not [name for name in names if name.startswith(("mft_client", "dns/"))]
    models = [name.split("/") for name in names if name.startswith("botocore/data/")]
    services = {parts[2] for parts in models if len(parts) > 3}
    assert services == bundle.SERVICES
