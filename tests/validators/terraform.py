"""A recorded graph as a Terraform configuration, which the AWS provider's own checks can read.

`terraform_schema.json` has, for the types of the program, what the provider's schema calls each argument and
how it nests; `python -m tests.validators.terraform_provider` records it. So an input that the provider does
not have is found where no provider is installed, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pulumi

from local.program import Graph, Resource
from tests.validators.translation import Kind, Node, Renames, translate

RECORDED = Path(__file__).with_name("terraform_schema.json")

#: The types whose name does not follow from Pulumi's.
_TYPES = {
    "aws:s3/bucketObjectv2:BucketObjectv2": "aws_s3_object",
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": "aws_s3_bucket_replication_configuration",
}

#: The inputs whose name does not follow from Pulumi's.
_RENAMES: Mapping[str, Renames] = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": {"name": "alarm_name"},
    "aws:dynamodb/table:Table": {"globalSecondaryIndexes": "global_secondary_index"},
    "aws:lambda/function:Function": {"name": "function_name", "code": "filename"},
    "aws:lambda/permission:Permission": {"function": "function_name"},
    "aws:route53/record:Record": {"failoverRoutingPolicies": "failover_routing_policy"},
    "aws:sns/topicSubscription:TopicSubscription": {"topic": "topic_arn"},
}

#: Types of the program that the recorded provider does not have, with the reason.
ABSENT = {"aws_transfer_host_key": "new in version 6 of the provider, on which Pulumi's is built"}

#: The alias of the provider that stands in the other region.
PEER = "peer"


@dataclass(frozen=True)
class ArgumentNode:
    """A place in the recorded schema that inputs can be translated to.

    A text names the type of a scalar; a list has the schema of its items, `{"*": ...}` that of a map's
    values; every other object is a block or, with `"": "object"`, the value of an attribute, which has to be
    whole.
    """

    schema: Any

    @property
    def kind(self) -> Kind:
        if isinstance(self.schema, list):
            return "list"
        if isinstance(self.schema, dict):
            return "map" if "*" in self.schema else "structure"
        kinds: dict[str, Kind] = {"string": "text", "number": "number"}
        return kinds.get(self.schema, "other")

    @cached_property
    def members(self) -> Mapping[str, Node]:
        return {name: ArgumentNode(each) for name, each in self.schema.items() if name}

    @property
    def item(self) -> Node:
        return ArgumentNode(self.schema[0] if isinstance(self.schema, list) else self.schema["*"])


def type_of(token: str) -> str:
    """Return Terraform's name of a type: `aws_s3_bucket_policy` for `aws:s3/bucketPolicy:BucketPolicy`."""
    if token in _TYPES:
        return _TYPES[token]
    _, module, _ = token.split(":")
    service, _, name = module.partition("/")
    return "_".join(["aws", *([service] if service != "ec2" else []), _snake(name)])


def label(resource: Resource) -> str:
    """Return the name of a resource's block."""
    return "r_" + re.sub(r"[^a-zA-Z0-9_-]", "_", resource.name)


def arguments(resource: Resource, schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource's inputs as Terraform's arguments; UnmappedError for an input that it lacks."""
    schema = schemas[type_of(resource.type)]
    inputs = {name: value for name, value in resource.inputs.items() if name != "region"}
    if indexes := inputs.get("globalSecondaryIndexes"):
        inputs["globalSecondaryIndexes"] = [_keys_by_role(each) for each in indexes]
    found = translate(ArgumentNode(schema), inputs, _RENAMES.get(resource.type, {}))
    return {name: _whole(value, schema[name]) for name, value in found.items()}


def configuration(graph: Graph, region: str, peer_region: str) -> dict[str, Any]:
    """Return a graph as a Terraform configuration in JSON. References are what the recording gave them."""
    schemas = json.loads(RECORDED.read_text())["types"]
    blocks: dict[str, dict[str, Any]] = {}
    for each in graph.resources:
        if each.custom and each.type.startswith("aws:") and type_of(each.type) not in ABSENT:
            place = {"provider": f"aws.{PEER}"} if each.inputs.get("region", region) == peer_region else {}
            block = _literal({**arguments(each, schemas)}) | place
            blocks.setdefault(type_of(each.type), {})[label(each)] = block
    usual = {
        "skip_credentials_validation": True,
        "skip_requesting_account_id": True,
        "skip_metadata_api_check": True,
        "s3_use_path_style": True,
    }
    providers = [{"region": region, **usual}, {"alias": PEER, "region": peer_region, **usual}]
    return {"provider": {"aws": providers}, "resource": blocks}


def _keys_by_role(index: Mapping[str, Any]) -> dict[str, Any]:
    """Return an index with its keys as version 5 of the provider takes them; version 6 has a list of them."""
    keys = {f"{each['keyType'].lower()}Key": each["attributeName"] for each in index["keySchemas"]}
    return {**{name: value for name, value in index.items() if name != "keySchemas"}, **keys}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda found: f"_{found[1].lower()}", name)


def _whole(value: Any, schema: Any) -> Any:
    """Return a value in which every object that an attribute holds has all of its members."""
    if isinstance(schema, list):
        return [_whole(each, schema[0]) for each in value]
    if not isinstance(schema, dict) or "*" in schema:
        return value
    found = {name: _whole(each, schema[name]) for name, each in value.items()}
    return (
        {**dict.fromkeys(name for name in schema if name), **found} if schema.get("") == "object" else found
    )


def _literal(value: Any) -> Any:
    """Return a value in which no text is a template, and an archive is its path."""
    if isinstance(value, Mapping):
        return {key: _literal(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_literal(each) for each in value]
    if isinstance(value, pulumi.FileArchive):
        return value.path
    return re.sub(r"([$%])\{", r"\1\1{", value) if isinstance(value, str) else value
