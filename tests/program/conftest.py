"""Both stacks' graphs: the real program, with every resource echoed. Assert on plain data only."""

from __future__ import annotations

import gc
import json
import re
import sys
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from components import bundle
from customers.service_quotas import ADDRESSES, ADDRESSES_OF_CELL, QUOTAS, ServiceQuota
from local import program
from local.preview.recording_aws import echo
from local.program import Graph
from runtime.contract import PARTITION
from tests.program.graph_store import recorded_once
from tests.program.secret_settings import SECRETS

STACKS = ("gov-west", "gov-east")
#: What this AWS says the code of a quota is that is found by its name.
CODE_OF_NAMED = "L-0A1B2C3D"
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"


def ask(function: str, args: Mapping[str, Any], cells: int = 1) -> Mapping[str, Any]:
    """Answer as AWS does if the zone in the stack files exists and the account has room for so many cells."""
    if function == "aws:servicequotas/getServiceQuota:getServiceQuota":
        quota = quota_of(args)
        value = cells * (ADDRESSES_OF_CELL if quota is ADDRESSES else quota.default)
        return {"value": value, "quotaCode": quota.code or CODE_OF_NAMED}
    assert function == "aws:route53/getZone:getZone"
    return {"zoneId": args["zoneId"], "name": "mft.example.gov"}


def quota_of(args: Mapping[str, Any]) -> ServiceQuota:
    """Return the quota that the program asks for, by code or by name."""
    asked = (args["serviceCode"], args.get("quotaCode") or "", args.get("quotaName") or "")
    return next(each for each in QUOTAS if (each.service, each.code, each.name) == asked)


def record(
    stack: str,
    *,
    root: Path = program.ROOT,
    config: Mapping[str, str] | None = None,
    make: program.Make | None = None,
    cells: int = 1,
) -> Graph:
    """Return the graph of a stack's program on the registry below `root`, with a changed configuration.

    The account has room for so many `cells`.

    ARNs are as AWS writes them. What the sample registry makes is recorded once: change nothing in a graph.
    """
    place = program.ROOT if stack in STACKS else root
    wanted = {**program.stack_config(stack, root=place), "mft:lambdaRuntime": RUNTIME, **(config or {})}
    if root == program.ROOT and make is None:
        return _of_samples(stack, tuple(sorted(wanted.items())))
    return _run(stack, root, wanted, make or spelled(stack), cells)


@cache
def _of_samples(stack: str, config: tuple[tuple[str, str], ...]) -> Graph:
    return recorded_once(
        ("spelled", stack, config), lambda: _run(stack, program.ROOT, dict(config), spelled(stack))
    )


def _run(stack: str, root: Path, config: Mapping[str, str], make: program.Make, cells: int = 1) -> Graph:
    room = partial(ask, cells=cells)
    return program.run(stack, make=make, ask=room, config=config, secrets=SECRETS, root=root)


#: The ARNs of the resources that policies name, without their beginning.
_ARNS = {
    "aws:cloudwatch/eventRule:EventRule": "events:{region}:{account}:rule/{name}",
    "aws:cloudwatch/logGroup:LogGroup": "logs:{region}:{account}:log-group:{name}",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "cloudwatch:{region}:{account}:alarm:{name}",
    "aws:dynamodb/table:Table": "dynamodb:{region}:{account}:table/{name}",
    "aws:iam/role:Role": "iam::{account}:role/{name}",
    "aws:kms/key:Key": "kms:{region}:{account}:key/{name}",
    "aws:lambda/function:Function": "lambda:{region}:{account}:function:{name}",
    "aws:s3/bucket:Bucket": "s3:::{name}",
    "aws:sfn/stateMachine:StateMachine": "states:{region}:{account}:stateMachine:{name}",
    "aws:sns/topic:Topic": "sns:{region}:{account}:{name}",
    "aws:sqs/queue:Queue": "sqs:{region}:{account}:{name}",
}


def spelled(stack: str, partition: str = PARTITION) -> program.Make:
    """Return an echo whose ARNs are as AWS writes them in the stack's region; other types have none."""
    config = program.stack_config(stack.removesuffix("-2"))  # which is in the same place
    place = {"region": config["mft:region"], "account": config["mft:accountId"]}

    def make(resource: program.Resource) -> tuple[str, Mapping[str, Any]]:
        id, outputs = echo(resource)
        inputs = resource.inputs
        name = inputs.get("bucket") or inputs.get("name")
        name = name or f"{inputs.get('namePrefix', resource.name + '-')}0000000"
        returned = {key: value for key, value in outputs.items() if key != "arn"} | {"name": name}
        if form := _ARNS.get(resource.type):
            here = {**place, "region": inputs.get("region", place["region"])}
            returned["arn"] = f"arn:{partition}:" + form.format(name=name, **here)
        if resource.type == "aws:lambda/function:Function":
            returned["qualifiedArn"] = f"{returned['arn']}:{'7' if inputs.get('publish') else '$LATEST'}"
        return id, returned

    return make


def with_lifecycle(lifecycle: str, *, id: str, to: Path) -> Path:
    """Copy the sample registry below `to`, with another lifecycle of one customer; return `to`."""
    (to / "customers").mkdir(exist_ok=True)
    for sample in (program.ROOT / "customers").glob("*.yaml"):
        path = to / "customers" / sample.name
        text = (path if path.exists() else sample).read_text()
        if re.search(rf"^id: {id}\b", text, re.MULTILINE):
            text, changed = re.subn(r"^lifecycle: \w+", f"lifecycle: {lifecycle}", text, flags=re.MULTILINE)
            assert changed == 1
        path.write_text(text)
    return to


def recorded(stack: str, *, peer: str, switch: str) -> Graph:
    """Return the graph of a stack under a configuration. A refusal is recorded only once, too."""
    found = _recorded(stack, peer, switch)
    if isinstance(found, str):
        pytest.fail(found, pytrace=False)
    return found


@cache
def _recorded(stack: str, peer: str, switch: str) -> Graph | str:
    try:
        return record(stack, config={"mft:peer": peer, "mft:switch": switch})
    except program.ProgramError as error:
        refused = f"{stack}: {error}"
    gc.collect()  # objects of the interrupted run must not be finalised during another test
    return refused


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
