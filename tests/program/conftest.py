"""Both stacks' graphs: the real program, with every resource echoed. Assert on plain data only."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components import bundle
from local import program
from local.program import Graph, Resource

STACKS = ("gov-west", "gov-east")
ACCOUNT = "123456789012"
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
SECRETS = {"mft:hostKeyRsa": "the RSA key", "mft:hostKeyEcdsa": "the ECDSA key"}


def echo(resource: Resource) -> tuple[str, Mapping[str, Any]]:
    """Make nothing; answer with what AWS would tell of the resource: an id, an ARN, a name."""
    kind = resource.type.split(":")[1].partition("/")[0]
    name = resource.inputs.get("name", f"{resource.name}-0000000")
    arn = f"arn:aws-us-gov:{kind}:region:{ACCOUNT}:{name}"
    zone = "abc".find(resource.name[-1])
    address = {"publicIp": f"203.0.113.{zone + 1}", "allocationId": f"eipalloc-{resource.name}"}
    return f"{resource.name}-id", {
        "arn": arn,
        "name": name,
        "url": f"https://{name}",
        "keyId": name,
        **address,
    }


def record(stack: str, *, root: Path = program.ROOT, config: Mapping[str, str] | None = None) -> Graph:
    """Run the program of a stack on the registry below `root`, with changes to its configuration."""
    wanted = {**program.stack_config(stack), "mft:lambdaRuntime": RUNTIME, **(config or {})}
    return program.run(stack, make=echo, config=wanted, secrets=SECRETS, root=root)


@pytest.fixture(scope="session", autouse=True)
def dependencies() -> None:
    """The bundle's dependencies are installed, as `python -m components.bundle` does."""
    bundle.install(RUNTIME)


@pytest.fixture(scope="session")
def graphs(dependencies: None) -> dict[str, Graph]:
    """The graphs of both stacks, of the sample registry."""
    return {stack: record(stack) for stack in STACKS}


@pytest.fixture(scope="session")
def west(graphs: dict[str, Graph]) -> Graph:
    return graphs["gov-west"]


def policies(graph: Graph) -> dict[str, dict[str, Any]]:
    """Return every policy document of a graph, by URN and input."""
    found = {}
    for resource in graph.resources:
        for name, value in resource.inputs.items():
            if name in ("policy", "assumeRolePolicy"):
                found[f"{resource.urn} {name}"] = json.loads(value)
    return found
