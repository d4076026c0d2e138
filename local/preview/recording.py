"""Runs the program of one revision for its stacks, and records what it registers.

`python -m local.preview.recording FOLDER RECORD PLACEHOLDERS [STACK ...]` runs in a process of its own: the
revision's packages are imported from its folder, while this module, and the code that runs programs, are
those of the working tree. PLACEHOLDERS is a JSON file with the values of secret settings. The process prints
the name of each stack when that is done. If the program refuses, it ends with 1 and prints the program's
message on standard error.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import yaml

from local import private_keys, program
from local.preview.recording_aws import echo, place
from local.program import Graph, ProgramError, Resource


def stacks_of(folder: Path) -> list[str]:
    """Return the stacks that have a file in a project's folder, sorted."""
    return sorted(path.name[7:-5] for path in folder.glob("Pulumi.?*.yaml"))


def secrets_of(folder: Path, stack: str) -> list[str]:
    """Return the private keys, and what else a stack's project or its own file makes secret, sorted."""
    declared = _mapping(folder / "Pulumi.yaml").get("config") or {}
    given = _mapping(folder / f"Pulumi.{stack}.yaml").get("config") or {}
    secret = {key for key, each in declared.items() if isinstance(each, dict) and each.get("secret")}
    secret |= {key for key, value in given.items() if isinstance(value, dict) and "secure" in value}
    return sorted(secret | {f"mft:{key}" for key in private_keys.SETTINGS})


#: The graphs of one revision, by stack.
Graphs = Mapping[str, Graph]


def load(path: Path) -> Graphs:
    """Return the graphs that a process of this module recorded, by stack."""
    return {
        stack: Graph(stack=stack, exports={}, resources=tuple(_resource(each) for each in resources))
        for stack, resources in json.loads(path.read_text()).items()
    }


def _record(folder: Path, stack: str, placeholders: Mapping[str, str]) -> list[dict[str, Any]]:
    secrets = {key: placeholders[key] for key in secrets_of(folder, stack)}
    config = {
        key: value for key, value in program.stack_config(stack, root=folder).items() if key not in secrets
    }
    with tempfile.TemporaryDirectory() as build:
        _bundle_without_dependencies(Path(build), config)
        gc.disable()  # it takes two thirds of the time, and the process ends soon
        graph = program.run(
            stack,
            make=echo,
            ask=place(config),
            config=config,
            secrets=secrets,
            root=folder,
            main=folder / "__main__.py",
        )
        return [_plain(vars(each)) for each in graph.resources]


def _bundle_without_dependencies(build: Path, config: Mapping[str, str]) -> None:
    """Let the revision's bundle contain only its own code, which needs neither the network nor much time.

    The bundle's name still changes with the pinned dependencies.
    """
    bundle: Any = importlib.import_module("components.bundle")  # the revision's own, whatever it has
    bundle.BUILD = build
    if "mft:lambdaRuntime" in config:
        bundle.dependencies(config["mft:lambdaRuntime"]).mkdir()


def _plain(value: Any) -> Any:
    """Return a value as plain data for JSON; a file becomes its name and the hash of its content."""
    match value:
        case pulumi.FileArchive() | pulumi.FileAsset():
            path = Path(value.path)
            return f"{path.name} (SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]})"
        case pulumi.AssetArchive():
            return {"archive": _plain(value.assets)}
        case pulumi.StringAsset():
            return value.text
        case Mapping():
            return {key: _plain(each) for key, each in value.items()}
        case float() if value.is_integer():
            return int(value)
        case str() | int() | float() | None:
            return value
        case _:
            return [_plain(each) for each in value]


def _resource(written: Mapping[str, Any]) -> Resource:
    lists = {name: tuple(value) for name, value in written.items() if isinstance(value, list)}
    return Resource(**{**written, **lists, "secrets": frozenset(written["secrets"])})


def _mapping(path: Path) -> Mapping[str, Any]:
    """Return the content of a YAML file of the project; ProgramError if it is not a mapping."""
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProgramError(f"{path.name} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict) or not isinstance(document.get("config", {}), dict):
        raise ProgramError(f"{path.name}: config: is not a mapping")
    return document


def main(folder: Path, record: Path, placeholders: Mapping[str, str], stacks: Sequence[str]) -> None:
    """Write the record, or exit with 1 and the reason."""
    sys.path[:] = [str(folder), *(each for each in sys.path if not Path(each, "Pulumi.yaml").is_file())]
    os.chdir(folder)  # messages name files as seen from the project
    graphs = {}
    try:
        for stack in stacks or stacks_of(folder):
            graphs[stack] = _record(folder, stack, placeholders)
            print(stack, flush=True)
    except ProgramError as error:
        sys.exit(str(error))
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)] or frames
        where = f"{ours[-1].filename.removeprefix(f'{folder}/')}:{ours[-1].lineno}"
        sys.exit(f"the program failed at {where}: {type(error).__name__}: {error}")
    record.write_text(json.dumps(graphs))


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[3]).read_text())
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]), given, sys.argv[4:])
