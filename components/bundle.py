"""The Lambda bundle: the runtime package and everything that it imports, in one zip file.

`python -m components.bundle` installs the dependencies for the Lambda platform below `.build/`, once per
set of pinned versions and hashes; `pulumi up` then only zips. The same revision gives the same zip, byte for
byte, in every folder and on every machine with the same zlib (docs/upgrade.md).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from customers import project

CODE = Path(__file__).resolve().parent.parent
RUNTIME = CODE / "runtime"
#: In a checkout its own folder; where the code is installed as a package, that of the project.
BUILD = (project.nearest(CODE) or project.nearest(Path.cwd()) or Path.cwd()) / ".build"
REQUIREMENTS = RUNTIME / "requirements.txt"

#: The wheels that Lambda's x86_64 runtimes can load: for glibc up to the version in Amazon Linux 2023.
_PLATFORMS = (
    "manylinux_2_34_x86_64",
    "manylinux_2_28_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_17_x86_64",
)

#: AWS services whose models botocore needs here. The other 400 models are two thirds of its size.
SERVICES = {
    "cloudwatch",
    "dynamodb",
    "logs",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "stepfunctions",
    "sts",
}

#: What pip notes about an installation: by which tool, whether it was asked for, and the hashes of scripts
#: that name the interpreter's folder. Nothing in Lambda reads them, and they differ from machine to machine.
NOTES = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"}

_EPOCH = (1980, 1, 1, 0, 0, 0)


class BundleError(RuntimeError):
    """The bundle cannot be built; the message says what to run."""


def dependencies(runtime: str) -> Path:
    """Return the folder of the installed dependencies for a Lambda runtime, whether it exists or not."""
    pinned = hashlib.sha256(REQUIREMENTS.read_bytes() + repr(sorted(SERVICES)).encode()).hexdigest()[:12]
    return BUILD / f"dependencies-{runtime}-{pinned}"


def install(runtime: str) -> Path:
    """Install the dependencies for a Lambda runtime (`python3.13`) unless they exist; return their folder.

    Raises BundleError with pip's message if that fails.
    """
    folder = dependencies(runtime)
    if folder.is_dir():
        return folder
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}-", suffix=".part", dir=BUILD) as name:
        _install(runtime, folder, Path(name))
    return folder


def _install(runtime: str, folder: Path, place: Path) -> None:
    """Install into the folder by way of a place, in which pip also keeps its temporary files."""
    unfinished, temporary = place / "target", place / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--target", str(unfinished), "--upgrade", "--only-binary=:all:", "--no-compile"]
    command += ["--require-hashes"]
    command += ["--python-version", runtime.removeprefix("python"), "--implementation", "cp"]
    command += [f"--platform={platform}" for platform in _PLATFORMS]
    done = subprocess.run(  # noqa: S603 - our own interpreter, and a fixed list
        [*command, "-r", str(REQUIREMENTS)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    if done.returncode:
        raise BundleError(f"pip could not install {REQUIREMENTS.name} for {runtime}:\n{done.stderr.strip()}")
    try:
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():  # where it is one, another process was faster
            raise


def build(runtime: str) -> Path:
    """Write the bundle for a Lambda runtime unless it exists, and return the path of the zip file.

    Raises BundleError if the dependencies are not installed.
    """
    folder = dependencies(runtime)
    if not folder.is_dir():
        raise BundleError(
            f"the Lambda dependencies for {runtime} are not installed; "
            f"run: python -m components.bundle {runtime}"
        )
    files = {f"runtime/{path.relative_to(RUNTIME)}": path for path in _sources()}
    content = hashlib.sha256(folder.name.encode() + Path(__file__).read_bytes())  # how it is packed, too
    for name, path in sorted(files.items()):
        content.update(f"{name}\n".encode() + path.read_bytes())
    bundle = BUILD / f"runtime-{runtime}-{content.hexdigest()[:12]}.zip"
    if not bundle.is_file():
        files |= {str(path.relative_to(folder)): path for path in _installed(folder)}
        unfinished = bundle.with_suffix(f".{os.getpid()}.part")  # two stacks may build at once
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in sorted(files.items()):
                entry = zipfile.ZipInfo(name, date_time=_EPOCH)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, path.read_bytes())
        unfinished.rename(bundle)
    return bundle


def _sources() -> list[Path]:
    return [path for path in RUNTIME.rglob("*.py") if "__pycache__" not in path.parts]


def _installed(folder: Path) -> list[Path]:
    """Return the installed files without caches, scripts, pip's notes and the models of other services."""
    models = folder / "botocore" / "data"
    kept = []
    for path in folder.rglob("*"):
        if not path.is_file() or path.suffix == ".pyc" or "bin" in path.relative_to(folder).parts[:1]:
            continue
        if path.name in NOTES and path.parent.suffix == ".dist-info":
            continue
        inside = path.relative_to(models).parts if path.is_relative_to(models) else ()
        if len(inside) > 1 and inside[0] not in SERVICES:
            continue
        kept.append(path)
    return kept


def main() -> None:
    """Make the bundle for one Lambda runtime and print its path and SHA-256; exit 1 if that fails."""
    parser = argparse.ArgumentParser(prog="python -m components.bundle", description=__doc__.splitlines()[0])
    parser.add_argument("runtime", help="Lambda runtime, e.g. python3.13")
    try:
        runtime = parser.parse_args().runtime
        install(runtime)
        bundle = build(runtime)
    except BundleError as error:
        sys.exit(str(error))
    print(f"{hashlib.sha256(bundle.read_bytes()).hexdigest()}  {bundle}")


if __name__ == "__main__":
    main()
