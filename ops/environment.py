"""Where the tools act: the stack files' settings, and AWS clients for each region."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from customers import project, stack_files
from customers.stack_files import Config as StackConfig
from customers.stack_files import StackFileError
from ops import chosen_cell
from runtime.contract import REGION_OF, stem
from runtime.metric_names import SwitchKind

#: The folder of the project that the tools were started in; the current folder where that is in none.
ROOT = project.nearest(Path.cwd()) or Path.cwd()

#: Timeouts are short: an operator is waiting, and the region may be dead.
_CLIENT = Config(
    retries={"mode": "standard", "total_max_attempts": 2},
    connect_timeout=3,
    read_timeout=10,
    max_pool_connections=32,
)
_making = threading.Lock()


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
    def read(cls, root: Path = ROOT, cell: str | None = None) -> Environment:
        """Return the environment of the stack files of a cell below `root`; it may be left out of only one.

        Every command and stack that a message names is then this cell's.

        Raises EnvironmentRefusedError if a file cannot be read, if both do not agree, and if no pair or
        several pairs of files are the ones that are meant.
        """
        suffix = _suffix(root, cell)
        configs = _pair(root, suffix)
        found = {field: _agreed(configs, key) for field, key in _KEYS.items()}
        chosen_cell.choose(cell, suffix)
        return cls(**found, switch=_switch(_agreed(configs, _SWITCH)))

    @property
    def stem(self) -> str:
        """What the names of the customers' buckets and topics of the cell begin with."""
        return stem(self.namespace, self.cell)

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


def names_place(root: Path = ROOT) -> tuple[str, str]:
    """Return the namespace and the zone that all stack files below `root` have."""
    configs = _all(root)
    return _agreed(configs, "mft:namespace"), _agreed(configs, "mft:zone")


def health_check_quota(root: Path = ROOT) -> int:
    """Return how many Route 53 health checks the account may have, from all stack files below `root`."""
    return _quota(root, "mft:healthCheckQuota")


def group_rule_quota(root: Path = ROOT) -> int:
    """Return how many inbound rules a security group may have, from all stack files below `root`."""
    return _quota(root, "mft:groupRuleQuota")


def served_cells(root: Path = ROOT) -> frozenset[str]:
    """Return the numbers of the cells that have a stack file in every region, of all files below `root`."""
    with _refusing():
        return stack_files.served_cells(root)


def _switch(text: str) -> SwitchKind:
    try:
        return SwitchKind(text)
    except ValueError as error:
        known = " or ".join(SwitchKind)
        raise EnvironmentRefusedError(f"{_SWITCH}: both stack files have {text!r}; write {known}") from error


def _quota(root: Path, key: str) -> int:
    configs = _all(root)
    text = _agreed(configs, key)
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise EnvironmentRefusedError(
            f"{key}: {_all_of(configs)} stack files have {text!r}; write a number, such as 200"
        )
    return int(text)


def _suffix(root: Path, cell: str | None) -> str:
    """Return the suffix of the pair of stack files that make a cell, or of the only pair."""
    suffixes = _suffixes(root)
    if cell is None and len(suffixes) == 1:
        return suffixes[0]
    cells: dict[str, str] = {}
    for suffix in suffixes:
        number = _agreed(_pair(root, suffix), "mft:cell")
        if number in cells:
            both = " and ".join(
                stack_files.file_of(stack_files.stack("west", s)) for s in (cells[number], suffix)
            )
            raise EnvironmentRefusedError(f"mft:cell: {both} have {number!r}; every pair has its own number")
        cells[number] = suffix
    known = ", ".join(sorted(cells, key=lambda number: (len(number), number)))
    if cell is None:
        raise EnvironmentRefusedError(
            f"there are stack files of several cells ({known}): name one with --cell"
        )
    if cell not in cells:
        raise EnvironmentRefusedError(f"--cell: no stack files make cell {cell!r}; it is one of: {known}")
    return cells[cell]


def _suffixes(root: Path) -> tuple[str, ...]:
    if suffixes := stack_files.suffixes(root):
        return suffixes
    files = ", ".join(stack_files.file_of(stack_files.stack(side)) for side in ("west", "east"))
    raise EnvironmentRefusedError(
        f"{root} holds no stack files ({files});"
        " change to the folder of the project, or name that folder with --root"
    )


def _pair(root: Path, suffix: str) -> Mapping[str, StackConfig]:
    """Return the settings of a pair of stacks, by their names."""
    with _refusing():
        configs = stack_files.pair(root, suffix)
    _refuse_misnamed(configs, suffix)
    return configs


def _refuse_misnamed(configs: Mapping[str, StackConfig], suffix: str) -> None:
    for stack, config in configs.items():
        if suffix and stack_files.text(config.get("mft:cell")) != suffix[1:]:
            raise EnvironmentRefusedError(
                f"{stack_files.file_of(stack)}: mft:cell: {config.get('mft:cell')!r} is not the number in the"
                f" file's name; write {suffix[1:]!r}, or rename both files of the pair"
            )


def _all(root: Path) -> Mapping[str, StackConfig]:
    """Return the settings of the stacks of all pairs, by their names; a pair may still lack one file."""
    found: dict[str, StackConfig] = {}
    for suffix in _suffixes(root):
        with _refusing():
            configs = stack_files.pair(root, suffix, partly=bool(suffix))
        _refuse_misnamed(configs, suffix)
        found |= configs
    return found


def _agreed(configs: Mapping[str, StackConfig], key: str) -> str:
    """Return the value of a key in the stack files; EnvironmentRefusedError unless all have the same."""
    values = {stack: stack_files.text(config.get(key)) for stack, config in configs.items()}
    first = next(iter(values.values()))
    if not first or set(values.values()) != {first}:
        found = ", ".join(f"{stack_files.file_of(stack)} has {value!r}" for stack, value in values.items())
        raise EnvironmentRefusedError(f"{key}: {found}; {_all_of(configs)} must have the same")
    return first


def _all_of(configs: Mapping[str, StackConfig]) -> str:
    return "both" if len(configs) == 2 else "all"


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except StackFileError as error:
        raise EnvironmentRefusedError(str(error)) from error


def with_fips(config: Config) -> Config:
    """Return a client's configuration with FIPS endpoints, unless an endpoint is given by AWS_ENDPOINT_URL.

    botocore refuses to combine the two: https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html
    """
    merged: Config = config.merge(Config(use_fips_endpoint="AWS_ENDPOINT_URL" not in os.environ))
    return merged


@cache
def _client(service: str, region: str) -> Any:
    return make_client(service, region, _CLIENT)


def make_client(service: str, region: str, config: Config) -> Any:
    """Return a new client. Threads may share clients, but boto3 makes only one at a time."""
    with _making:
        return boto3.client(service, region_name=region, config=with_fips(config))
