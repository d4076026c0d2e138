"""Where the tools act: the stack files' settings, and AWS clients for each region."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config

from customers import project
from runtime.contract import REGION_OF
from runtime.metric_names import SwitchKind

#: The folder of the project that the tools were started in; the current folder where that is in none.
ROOT = project.nearest(Path.cwd()) or Path.cwd()
STACKS = {"west": "gov-west", "east": "gov-east"}

#: Timeouts are short: an operator is waiting, and the region may be dead.
_CLIENT = Config(
    retries={"mode": "standard", "total_max_attempts": 2},
    connect_timeout=3,
    read_timeout=10,
    max_pool_connections=32,
)


class EnvironmentRefusedError(ValueError):
    """The stack files cannot be used; the message names the file, the key and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One pair of stacks."""

    namespace: str
    cell: str
    zone: str
    zone_id: str
    account: str
    switch: SwitchKind = SwitchKind.ALARM

    @classmethod
    def read(cls, root: Path = ROOT) -> Environment:
        """Return the environment of the stack files below `root`.

        Raises EnvironmentRefusedError if a file cannot be read, or both do not agree.
        """
        configs = _configs(root)
        found = {field: _agreed(configs, key) for field, key in _KEYS.items()}
        return cls(**found, switch=_switch(_agreed(configs, _SWITCH)))

    def client(self, service: str, side: str) -> Any:
        """Return a client for a service in the region of a side."""
        return _client(service, REGION_OF[side])


_KEYS = {
    "namespace": "mft:namespace",
    "cell": "mft:cell",
    "zone": "mft:zone",
    "zone_id": "mft:zoneId",
    "account": "mft:accountId",
}


_SWITCH = "mft:switch"


def health_check_quota(root: Path = ROOT) -> int:
    """Return how many Route 53 health checks the account may have, from both stack files below `root`."""
    return _quota(root, "mft:healthCheckQuota")


def group_rule_quota(root: Path = ROOT) -> int:
    """Return how many inbound rules a security group may have, from both stack files below `root`."""
    return _quota(root, "mft:groupRuleQuota")


def _switch(text: str) -> SwitchKind:
    try:
        return SwitchKind(text)
    except ValueError as error:
        known = " or ".join(SwitchKind)
        raise EnvironmentRefusedError(f"{_SWITCH}: both stack files have {text!r}; write {known}") from error


def served_cells(root: Path = ROOT) -> frozenset[str]:
    """Return the numbers of the cells that have a stack file in every region, of all files below `root`.

    Raises EnvironmentRefusedError if a stack file cannot be read.
    """
    configs = [_config(file) for file in sorted(root.glob("Pulumi.?*.yaml"))]
    stacks = {(_text(config.get("mft:cell")), config.get("mft:region")) for config in configs}
    cells = {cell for cell, _ in stacks if cell}
    return frozenset(cell for cell in cells if all((cell, region) in stacks for region in REGION_OF.values()))


def _quota(root: Path, key: str) -> int:
    text = _agreed(_configs(root), key)
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise EnvironmentRefusedError(f"{key}: both stack files have {text!r}; write a number, such as 200")
    return int(text)


def _configs(root: Path) -> Mapping[str, Mapping[str, Any]]:
    files = {stack: root / f"Pulumi.{stack}.yaml" for stack in STACKS.values()}
    if not any(file.exists() for file in files.values()):
        raise EnvironmentRefusedError(
            f"{root} holds no stack files ({', '.join(file.name for file in files.values())});"
            " change to the folder of the project, or name that folder with --root"
        )
    return {stack: _config(file) for stack, file in files.items()}


def _agreed(configs: Mapping[str, Mapping[str, Any]], key: str) -> str:
    """Return the value of a key in the stack files; EnvironmentRefusedError unless all have the same."""
    values = {stack: _text(config.get(key)) for stack, config in configs.items()}
    west, east = values.values()
    if not west or west != east:
        found = ", ".join(f"Pulumi.{stack}.yaml has {value!r}" for stack, value in values.items())
        raise EnvironmentRefusedError(f"{key}: {found}; both must have the same")
    return west


def _config(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise EnvironmentRefusedError(f"{path.name}: cannot be read as a stack file: {reason}") from error
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict):
        raise EnvironmentRefusedError(f"{path.name}: config: is not a mapping; is this a stack file?")
    return config


def _text(value: object) -> str | None:
    """Return a value as text, as Pulumi reads it (a number needs no quotes); None for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def with_fips(config: Config) -> Config:
    """Return a client's configuration with FIPS endpoints, unless an endpoint is given by AWS_ENDPOINT_URL.

    botocore refuses to combine the two: https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html
    """
    merged: Config = config.merge(Config(use_fips_endpoint="AWS_ENDPOINT_URL" not in os.environ))
    return merged


@cache
def _client(service: str, region: str) -> Any:
    return boto3.client(service, region_name=region, config=with_fips(_CLIENT))
