"""What the entry points share: settings from the environment, AWS clients, and the objects of the core.

Objects are made on first use and kept while the function is warm.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from runtime import contract
from runtime.brief_errors import brief
from runtime.decision import Decision
from runtime.environment import (
    ENV_CELL,
    ENV_CONFIG_BUCKET,
    ENV_NAMESPACE,
    ENV_SIDE,
    ENV_STATE_MACHINE,
    ENV_SWITCH_BUCKET,
    ENV_TRACKER,
)
from runtime.facts import submitted
from runtime.file_names import nameless
from runtime.force import Force
from runtime.intake import Intake
from runtime.metric_names import cell_dimensions
from runtime.metrics import Metrics
from runtime.receipts import Receipts
from runtime.routing import Directory
from runtime.switch import ObjectSwitch, Switch
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from runtime.workflow import Workflow

logger = Logger(service="mft")

_TIMEOUTS = Config(connect_timeout=5, read_timeout=60)
_BRIEF = Config(connect_timeout=3, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 1})
_CLIENT = _TIMEOUTS.merge(Config(retries={"mode": "standard", "max_attempts": 5}))
_ONCE = _TIMEOUTS.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


def env(name: str) -> str:
    """Return a variable of the environment, which the program sets on every function that reads it."""
    return os.environ[name]


@cache
def client(service: str, region: str | None = None) -> Any:
    """Return the client of an AWS service in a region, which is this function's own by default."""
    return boto3.client(service, region_name=region, config=_CLIENT)


@cache
def client_once(service: str, region: str) -> Any:
    """Return a client that repeats no request by itself, for effects that must not happen twice."""
    return boto3.client(service, region_name=region, config=_ONCE)


@cache
def _peer_parameters() -> Any:
    """Return a client for parameters of the peer region, which may be dead: it gives up soon."""
    region = contract.REGION_OF[contract.peer_of(env(ENV_SIDE))]
    return boto3.client("ssm", region_name=region, config=_BRIEF)


@cache
def tracker() -> Tracker:
    """Return this region's tracker."""
    return Tracker(table=env(ENV_TRACKER), side=env(ENV_SIDE), client=client("dynamodb"))


def stem() -> str:
    """Return what the names of this cell's customers' buckets begin with."""
    return contract.stem(env(ENV_NAMESPACE), env(ENV_CELL))


@cache
def directory() -> Directory:
    """Return the customers of this cell."""
    return Directory(bucket=env(ENV_CONFIG_BUCKET), client=client("s3"))


@cache
def intake() -> Intake:
    """Return the intake of this cell."""
    return Intake(
        stem=stem(),
        state_machine=env(ENV_STATE_MACHINE),
        tracker=tracker(),
        directory=directory(),
        client=client,
    )


@cache
def workflow() -> Workflow:
    """Return the workflow steps that decide and close."""
    receipts = Receipts(tracker=tracker(), topics=client("sns"), side=env(ENV_SIDE))
    return Workflow(side=env(ENV_SIDE), tracker=tracker(), directory=directory(), receipts=receipts)


def dimensions() -> dict[str, str]:
    """Return the dimensions of this cell's metrics."""
    return cell_dimensions(env(ENV_NAMESPACE), env(ENV_CELL))


@cache
def metrics() -> Metrics:
    """Return the metrics of this cell."""
    return Metrics(dimensions=dimensions())


def _of(side: str) -> dict[str, Any]:
    return {"namespace": env(ENV_NAMESPACE), "cell": env(ENV_CELL), "side": side}


def own_force() -> Force:
    """Return this region's own word that it is in."""
    return Force(**_of(env(ENV_SIDE)), parameters=client("ssm"), metrics=client("cloudwatch"))


def own_switch() -> Switch:
    """Return this region's switch, which the peer keeps: only to read it."""
    return Switch(**_of(env(ENV_SIDE)), parameters=_peer_parameters(), metrics=None)


def peer_switch() -> Switch:
    """Return the peer region's switch, which is kept in this region."""
    peer = _of(contract.peer_of(env(ENV_SIDE)))
    force = Force(**peer, parameters=_peer_parameters())
    here = client("ssm")
    if bucket := os.environ.get(ENV_SWITCH_BUCKET):
        return ObjectSwitch(**peer, parameters=here, force=force, objects=client("s3"), bucket=bucket)
    return Switch(**peer, parameters=here, force=force, metrics=client("cloudwatch"))


@contextmanager
def step(event: dict[str, Any]) -> Iterator[tuple[Transfer, str]]:
    """Yield the transfer and the execution's name from the event of a workflow step, and log with both.

    Errors pass without the file's name, and short enough for the state machine.
    """
    transfer, owner = Transfer.parse(event["transfer"]), event["execution"]
    logger.append_keys(transfer=transfer.id, file=transfer.file, customer=transfer.customer, execution=owner)
    with brief(), nameless(transfer.key):
        yield transfer, owner


def answer(transfer: Transfer, decision: Decision) -> dict[str, Any]:
    """Return what the state machine reads of a decision, and `at`, when it was made.

    The other transfers that led to it are left out: there may be any number of them.
    The next claim of the same execution is told that time, and so sees how long the execution stood still. If
    it has stood still before, it is told the time of submission: it waits, and has no lease that remembers.
    """
    at = submitted(transfer.id) if decision.thawed else datetime.now(UTC)
    return {
        "action": decision.action,
        "destinations": decision.destinations,
        "wait": decision.wait,
        "at": at.isoformat(timespec="milliseconds"),
    }
