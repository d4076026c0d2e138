"""The approved renderings of both stacks' graphs: every resource with all of its options and inputs.

`python -m tests.program.approved_graphs` (`make approve`) writes them anew. They show what Pulumi would be
asked for, so each line of their difference is a change of what is deployed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components import bundle
from local.program import ROOT, Graph, Resource
from tests.program.conftest import RUNTIME, STACKS, record

FOLDER = Path(__file__).with_name("approved")

_PUBLIC_KEY = re.compile(r"(?:ssh-rsa|ecdsa-sha2-nistp[0-9]{3}) (AAAA[A-Za-z0-9+/=]+)")
_REGISTRY = "".join(path.read_text() for path in sorted((ROOT / "customers").glob("*.yaml")))

#: The code of the functions changes with every line of theirs.
LEFT_OUT = "code"

_HEAD = "# Every resource of {stack}, recorded from the sample registry. `make approve` writes this file.\n"


def rendering(graph: Graph) -> str:
    """Return a graph as YAML: resources by type and name, then exports; JSON texts are written as YAML, too.

    A reference is the name that the recording gives the resource. Secrets and the public keys that belong to
    them, the functions' code and the version of Python that runs the tests are not shown.
    """
    resources = {_name(each.urn): _resource(each) for each in graph.resources}
    if len(resources) != len(graph.resources):
        raise ValueError(f"two resources of {graph.stack} have one type and one name")
    document = {"resources": resources, "exports": _value(graph.exports)}
    text = yaml.safe_dump(document, sort_keys=True, width=1_000_000, allow_unicode=True)
    text = _PUBLIC_KEY.sub(_of_this_run, text)
    return _HEAD.format(stack=graph.stack) + text.replace(RUNTIME, "python3.X")


def _of_this_run(key: re.Match[str]) -> str:
    """Return a public key of the registry, or words for one that was made for this recording."""
    return key[0] if key[1] in _REGISTRY else "(public key of a secret setting)"


def path_of(stack: str) -> Path:
    """Return the file of a stack's approved rendering."""
    return FOLDER / f"{stack}.yaml"


def _resource(resource: Resource) -> dict[str, Any]:
    options: dict[str, Any] = {
        "parent": _name(resource.parent),
        "protect": resource.protect,
        "retain on delete": resource.retain_on_delete,
        "ignore changes": list(resource.ignore_changes),
        "replace on changes": list(resource.replace_on_changes),
        "former": sorted(map(_name, resource.former_urns)),
        "after": sorted(map(_name, resource.depends_on)),
        "secret outputs": sorted(resource.secret_outputs),
    }
    inputs = {
        name: "(secret)" if name in resource.secrets else _value(value)
        for name, value in resource.inputs.items()
        if name != LEFT_OUT
    }
    return {
        **{name: value for name, value in options.items() if value},
        **({"inputs": inputs} if inputs else {}),
    }


def _name(urn: str) -> str:
    """Return the type and name in a URN."""
    *_, kind, name = urn.split("::")
    kind = kind.rpartition("$")[2]
    return f"{kind.rpartition(':')[0] if '/' in kind else kind} {name}"


def _value(value: Any) -> Any:
    """Return a value with JSON texts parsed, whole numbers without a fraction, and plain containers."""
    if isinstance(value, Mapping):
        return {str(key): _value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_value(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.match(r"\s*[\[{]", value):
        return {"(JSON)": _value(json.loads(value))}
    return value


if __name__ == "__main__":
    bundle.install(RUNTIME)
    FOLDER.mkdir(exist_ok=True)
    for stack in STACKS:
        path_of(stack).write_text(rendering(record(stack)))
