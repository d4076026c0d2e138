"""Nests inputs as AWS does where Terraform, and so Pulumi, has them flat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Inputs = Mapping[str, Any]


def security_group(inputs: Inputs) -> Inputs:
    """Return a security group with its rules as EC2 groups them."""
    permissions = [
        {
            "ipProtocol": rule["protocol"],
            "fromPort": rule["fromPort"],
            "toPort": rule["toPort"],
            "ipRanges": [{"cidrIp": each, "description": rule["description"]} for each in rule["cidrBlocks"]],
        }
        for rule in inputs.get("ingress", ())
    ]
    return {**_without(inputs, "ingress"), "ipPermissions": permissions or None}


def security_group_rule(inputs: Inputs) -> Inputs:
    """Return a rule below the group that it is of."""
    permission = _without(inputs, "securityGroupId", "cidrIpv4", "prefixListId", "referencedSecurityGroupId")
    for input, group, member in (
        ("cidrIpv4", "ipRanges", "cidrIp"),
        ("prefixListId", "prefixListIds", "prefixListId"),
        ("referencedSecurityGroupId", "userIdGroupPairs", "groupId"),
    ):
        if input in inputs:
            permission[group] = [{member: inputs[input]}]
    return {"groupId": inputs["securityGroupId"], "ipPermissions": [permission]}


def table(inputs: Inputs) -> Inputs:
    """Return a table with its keys in a schema, and with the type of its encryption."""
    kinds = {"HASH": "hashKey", "RANGE": "rangeKey"}
    keys = [{"attributeName": inputs[key], "keyType": kind} for kind, key in kinds.items() if key in inputs]
    encryption = {**inputs["serverSideEncryption"], "sseType": "KMS"}
    return {
        **_without(inputs, "hashKey", "rangeKey"),
        "keySchema": keys,
        "serverSideEncryption": encryption,
    }


def health_check(inputs: Inputs) -> Inputs:
    """Return a health check with a caller reference, and its configuration apart."""
    return {
        "callerReference": inputs.get("referenceName", "terraform"),
        "healthCheckConfig": _without(inputs, "referenceName"),
    }


def record(inputs: Inputs) -> Inputs:
    """Return a record with its failover as a word, and with texts in quotation marks."""
    quote = '"{}"' if inputs["type"] == "TXT" else "{}"
    failover = next((each["type"] for each in inputs.get("failoverRoutingPolicies") or ()), None)
    return {
        **_without(inputs, "failoverRoutingPolicies"),
        "records": [quote.format(each) for each in inputs["records"]],
        "failover": failover,
    }


def record_change(inputs: Inputs) -> Inputs:
    """Return a record as a change of its zone."""
    whole = _without(record(inputs), "zoneId", "records")
    values = [{"value": each} for each in record(inputs)["records"]]
    change = {"action": "CREATE", "resourceRecordSet": {**whole, "resourceRecords": values}}
    return {"hostedZoneId": inputs["zoneId"], "changeBatch": {"changes": [change]}}


def _without(inputs: Inputs, *names: str) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name not in names}
