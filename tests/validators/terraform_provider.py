"""Terraform's AWS provider, where it is installed: its checks of a configuration, and its schema.

MFT_TERRAFORM_AWS names the provider's executable, `terraform-provider-aws...`; `terraform` or `tofu` is on
PATH. Neither is downloaded, and nothing is asked of AWS.

`python -m tests.validators.terraform_provider` records the schema of the program's types again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components import bundle
from tests.program.conftest import RUNTIME
from tests.validators import terraform
from tests.validators.recordings import CONFIGURATIONS, distinct, recorded

PROVIDER = os.environ.get("MFT_TERRAFORM_AWS")
COMMAND = shutil.which("terraform") or shutil.which("tofu")

MISSING = [
    what
    for what, found in (
        ("MFT_TERRAFORM_AWS does not name the executable of Terraform's AWS provider", PROVIDER),
        ("neither terraform nor tofu is on PATH", COMMAND),
    )
    if not found
]


class TerraformError(RuntimeError):
    """Terraform did not run; the message is what it said."""


def complaints(configuration: Mapping[str, Any], folder: Path, endpoint: str) -> list[str]:
    """Return what the provider refuses in a configuration, at `validate` and at `plan`; `folder` is empty.

    What the provider asks of AWS while it plans, it asks at `endpoint`.
    """
    (folder / "main.tf.json").write_text(json.dumps(configuration))
    found = []
    for words in (["validate", "-json"], ["plan", "-json", "-input=false", "-lock=false", "-refresh=false"]):
        done = _run(words, folder, endpoint)
        lines = [done.stdout] if words[0] == "validate" else done.stdout.splitlines()
        documents = [json.loads(line) for line in lines if line.strip().startswith("{")]
        if not documents:
            raise TerraformError(done.stdout + done.stderr)
        diagnostics = [one for each in documents for one in each.get("diagnostics", ())]
        diagnostics += [each["diagnostic"] for each in documents if "diagnostic" in each]
        found += [_line(each) for each in diagnostics if each["severity"] == "error"]
        if found:
            return found
        if done.returncode:
            raise TerraformError(done.stdout + done.stderr)
    return found


def _line(diagnostic: Mapping[str, Any]) -> str:
    where = diagnostic.get("address") or (diagnostic.get("snippet") or {}).get("context") or ""
    return f"{where}: {diagnostic['summary']}: {diagnostic.get('detail', '')}"


def _run(words: list[str], folder: Path, endpoint: str = "") -> subprocess.CompletedProcess[str]:
    """Run Terraform in a folder, with the provider that is installed and no other."""
    assert PROVIDER is not None
    assert COMMAND is not None
    settings = folder / "terraform.rc"
    settings.write_text(
        'provider_installation {\n  dev_overrides {\n    "hashicorp/aws" = '
        f"{json.dumps(str(Path(PROVIDER).resolve().parent))}\n  }}\n  direct {{}}\n}}\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    environment |= {
        "TF_CLI_CONFIG_FILE": str(settings),
        "CHECKPOINT_DISABLE": "1",
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_EC2_METADATA_DISABLED": "true",
        **({"AWS_ENDPOINT_URL": endpoint} if endpoint else {}),
    }
    return subprocess.run(
        [COMMAND, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def schema() -> dict[str, Any]:
    """Return the provider's version, and the arguments of the types in all recorded graphs."""
    types = {terraform.type_of(each.type) for each in distinct([recorded(*one) for one in CONFIGURATIONS])}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "main.tf.json").write_text('{"provider": {"aws": {"region": "us-gov-west-1"}}}')
        done = _run(["providers", "schema", "-json"], folder)
    if done.returncode:
        raise TerraformError(done.stderr)
    (provider,) = json.loads(done.stdout)["provider_schemas"].values()
    found = provider["resource_schemas"]
    version = re.search(r"_v([0-9.]+)", Path(str(PROVIDER)).name)
    return {
        "provider": f"hashicorp/aws {version[1] if version else ''}".strip(),
        "types": {type: _block(found[type]["block"]) for type in sorted(types - terraform.ABSENT.keys())},
    }


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    settable = {
        name: _attribute(each["type"])
        for name, each in block.get("attributes", {}).items()
        if each.get("required") or each.get("optional")
    }
    nested: dict[str, Any] = {}
    for name, each in block.get("block_types", {}).items():
        inner = _block(each["block"])
        is_one = each["nesting_mode"] == "single" or each.get("max_items") == 1
        nested[name] = inner if is_one else [inner]
    return {**settable, **nested}


def _attribute(type: Any) -> Any:
    match type:
        case str():
            return type
        case ["list" | "set", inner]:
            return [_attribute(inner)]
        case ["map", inner]:
            return {"*": _attribute(inner)}
        case ["object", members]:
            return {"": "object", **{name: _attribute(each) for name, each in members.items()}}
    raise TerraformError(f"an attribute of type {type}")


if __name__ == "__main__":
    if MISSING:
        raise SystemExit("; ".join(MISSING))
    bundle.install(RUNTIME)
    terraform.RECORDED.write_text(json.dumps(schema(), indent=1, sort_keys=True) + "\n")
