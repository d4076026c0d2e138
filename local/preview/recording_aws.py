"""A make-believe AWS for runs of the program that only record: it makes nothing and answers all the same.

The same resource gets the same answers in every run, so that two runs can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.program import Ask, ProgramError, Resource

_ACCOUNT = "123456789012"


def echo(resource: Resource) -> tuple[str, Mapping[str, Any]]:
    """Make nothing; answer with what AWS would tell of the resource: an id, an ARN, a name."""
    kind = resource.type.split(":")[1].partition("/")[0]
    name = resource.inputs.get("name", f"{resource.name}-0000000")
    number = "abc".find(resource.name[-1]) + (11 if "egress" in resource.name else 1)
    return f"{resource.name}-id", {
        "arn": f"arn:aws-us-gov:{kind}:region:{_ACCOUNT}:{name}",
        "name": name,
        "url": f"https://{name}",
        "keyId": name,
        "prefixListId": f"pl-{resource.name}",
        "publicIp": f"203.0.113.{number}",
        "allocationId": f"eipalloc-{resource.name}",
    }


def place(config: Mapping[str, str]) -> Ask:
    """Return what answers the program's questions of AWS: all is where a stack's configuration says."""

    def ask(function: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        if function != "aws:route53/getZone:getZone":
            raise ProgramError(f"the program asks AWS for {function}, which cannot be known here")
        return {"zoneId": args["zoneId"], "name": config["mft:zone"]}

    return ask
