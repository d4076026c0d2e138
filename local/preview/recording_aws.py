"""A stand-in for AWS in runs of the program that are only recorded: nothing is made.

The same resource gets the same outputs in every run, so that two runs can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.program import Ask, ProgramError, Resource

_ACCOUNT = "123456789012"
#: Without AWS, the quotas of the account are not known, and not judged.
_AMPLE_QUOTA = 1_000_000


def echo(resource: Resource) -> tuple[str, Mapping[str, Any]]:
    """Return an id and outputs such as AWS would assign to a resource, without making it."""
    kind = resource.type.split(":")[1].partition("/")[0]
    name = resource.inputs.get("name", f"{resource.name}-0000000")
    number = "abc".find(resource.name[-1]) + (11 if "egress" in resource.name else 1)
    arn = f"arn:aws-us-gov:{kind}:region:{_ACCOUNT}:{name}"
    return f"{resource.name}-id", {
        "arn": arn,
        "qualifiedArn": f"{arn}:1",
        "name": name,
        "url": f"https://{name}",
        "keyId": name,
        "prefixListId": f"pl-{resource.name}",
        "publicIp": f"203.0.113.{number}",
        "allocationId": f"eipalloc-{resource.name}",
    }


def place(config: Mapping[str, str]) -> Ask:
    """Return a function that answers the program's invokes from a stack's configuration."""

    def ask(function: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        match function:
            case "aws:route53/getZone:getZone":
                return {"zoneId": args["zoneId"], "name": config["mft:zone"]}
            case "aws:servicequotas/getServiceQuota:getServiceQuota":
                return {"value": _AMPLE_QUOTA, "quotaCode": args.get("quotaCode")}
        raise ProgramError(f"the program invokes {function}, which cannot be answered without AWS")

    return ask
