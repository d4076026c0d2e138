"""cfn-lint as a validator: resources of the program as a CloudFormation template, linted as in a region."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cfnlint.api import lint
from cfnlint.config import ManualArgs
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from local.program import Resource
from runtime.contract import PARTITION
from tests.validators import nesting
from tests.validators.cloudformation_types import TEMPLATES
from tests.validators.translation import Kind, Node, translate


@dataclass(frozen=True)
class SchemaNode:
    """A place in a resource's schema that inputs can be translated to."""

    schema: Mapping[str, Any]
    definitions: Mapping[str, Any]

    @property
    def kind(self) -> Kind:
        schema = self._resolved()
        types = schema.get("type", ())
        types = {types} if isinstance(types, str) else set(types)
        if "items" in schema:
            return "list"
        if schema.get("properties"):
            return "structure"
        if schema.get("patternProperties"):
            return "map"
        kinds: dict[str, Kind] = {"object": "other", "string": "text", "integer": "number"}
        for type, kind in kinds.items():
            if type in types:
                return kind
        return "other"

    @property
    def members(self) -> Mapping[str, Node]:
        properties = self._resolved()["properties"]
        return {name: SchemaNode(schema, self.definitions) for name, schema in properties.items()}

    @property
    def item(self) -> Node:
        schema = self._resolved()
        if "items" in schema:
            return SchemaNode(schema["items"], self.definitions)
        (pattern,) = schema["patternProperties"].values()
        return SchemaNode(pattern, self.definitions)

    def _resolved(self) -> Mapping[str, Any]:
        schema = self.schema
        while "$ref" in schema:
            schema = self.definitions[schema["$ref"].rpartition("/")[2]]
        for choice in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
            if "properties" not in schema and ("properties" in choice or "$ref" in choice):
                return SchemaNode(choice, self.definitions)._resolved()
        return schema


#: Rules of cfn-lint that are about templates and not about resources, with the reason.
_NOT_ABOUT_RESOURCES = {
    "E3019": "one bucket of ours is several resources, and so several of the template's",
    "W3010": "a stack stands in one region, so its zones are written out",
}


def properties(resource: Resource, region: str) -> dict[str, Any]:
    """Return a resource's properties as CloudFormation has them; UnmappedError for an input that it lacks."""
    template = TEMPLATES[resource.type]
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(region, template.type).schema
    node = SchemaNode(schema, schema.get("definitions", {}))
    return {**translate(node, _prepared(resource), template.renames), **template.beside}


def complaints(resources: Iterable[Resource], region: str) -> list[str]:
    """Return what cfn-lint finds wrong with resources in a region: rule, resource, message."""
    named = {f"R{number}": each for number, each in enumerate(resources)}
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": {
            name: {"Type": TEMPLATES[each.type].type, "Properties": properties(each, region)}
            for name, each in named.items()
        },
    }
    settings = ManualArgs(regions=[region], ignore_checks=list(_NOT_ABOUT_RESOURCES))
    found = []
    for match in lint(json.dumps(template), config=settings):
        whose = named.get(match.path[1]) if len(match.path or ()) > 1 else None
        where = ".".join(str(step) for step in (match.path or ())[3:])
        found.append(f"{match.rule.id} {whose.urn if whose else ''} {where}: {match.message}")
    return found


def _prepared(resource: Resource) -> Mapping[str, Any]:
    """Return inputs with what CloudFormation nests in a way that no renaming expresses."""
    inputs = dict(resource.inputs)
    if resource.type == "aws:ec2/securityGroup:SecurityGroup":
        inputs["ingress"] = [
            {"ipProtocol": rule["protocol"], "cidrIp": cidr}
            | {key: rule[key] for key in ("fromPort", "toPort", "description")}
            for rule in inputs.get("ingress", ())
            for cidr in rule["cidrBlocks"]
        ]
    elif resource.type == "aws:dynamodb/table:Table":
        return nesting.table(inputs)
    elif resource.type == "aws:route53/record:Record":
        return nesting.record(inputs)
    elif resource.type == "aws:route53/healthCheck:HealthCheck":
        return nesting.health_check(inputs)
    elif resource.type == "aws:sfn/stateMachine:StateMachine":
        # cfn-lint knows the ARNs of integrations in the commercial partition only.
        inputs["definition"] = inputs["definition"].replace(
            f"arn:{PARTITION}:states:::", "arn:aws" + ":states:::"
        )
    elif "rules" in inputs and "Lifecycle" in resource.type:
        inputs["rules"] = [
            {
                **rule,
                "prefix": rule["filter"]["prefix"],
                "expirationInDays": rule.get("expiration", {}).get("days"),
                "expiredObjectDeleteMarker": rule.get("expiration", {}).get("expiredObjectDeleteMarker"),
            }
            for rule in inputs["rules"]
        ]
    elif "queues" in inputs:
        one = [{**queue, "events": event} for queue in inputs["queues"] for event in queue["events"]]
        inputs["queues"] = one
    return inputs
