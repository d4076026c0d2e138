"""Makes the program's resources in the emulated AWS, and remembers them, so that the program can run again.

There is no diff engine here. A resource that did not change is left alone. One whose maker states all of it
is made again, which updates it. Any other change is refused, because it needs a fresh world.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pulumi

from local.aws.emulator import Emulator
from local.aws.resources import MAKERS, RECORDED_ONLY, UPDATED_IN_PLACE
from local.aws.resources.making import Clients
from local.program import Resource


class CannotMakeError(RuntimeError):
    """The local world cannot make or change a resource; the message says which, and what to do."""


class Provisioner:
    """Makes the resources of one stack; `made` and `recorded` count them by type, `known` has them by URN."""

    def __init__(self, aws: Emulator, *, region: str, tell: Callable[[Resource], None] | None = None) -> None:
        self._aws, self._region, self._tell = aws, region, tell
        self.known: dict[str, tuple[str, str, Mapping[str, Any]]] = {}
        self.made: Counter[str] = Counter()
        self.recorded: Counter[str] = Counter()

    def make(self, resource: Resource) -> tuple[str, Mapping[str, Any]]:
        """Make a resource unless it is unchanged; return its id and outputs.

        Raises CannotMakeError, or the ClientError with which the emulated AWS refuses.
        """
        wanted = _fingerprint(resource.inputs)
        known, id, outputs = self.known.get(resource.urn, ("", "", {}))
        if known == wanted:
            return id, outputs
        if known and resource.type not in UPDATED_IN_PLACE | RECORDED_ONLY:
            raise CannotMakeError(
                f"{resource.type} {resource.name}: cannot be changed in the running world; start a fresh one"
            )
        name = outputs.get("name") or resource.inputs.get("name") or _autoname(resource)
        inputs = {**resource.inputs, "name": name, **({"id": id} if known else {})}
        id, outputs = self._make(resource, inputs)
        self.known[resource.urn] = wanted, id, outputs
        if not known:
            (self.recorded if resource.type in RECORDED_ONLY else self.made)[resource.type] += 1
            if self._tell:
                self._tell(resource)
        return id, outputs

    def ask(self, function: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer an invoke of the program from the emulated AWS.

        Raises CannotMakeError for any other function than `getZone` and `getServiceQuota`, or the ClientError
        of the emulated AWS.
        """
        match function:
            case "aws:route53/getZone:getZone":
                route53 = self._aws.client("route53", self._region)
                zone = route53.get_hosted_zone(Id=args["zoneId"])["HostedZone"]
                is_private = zone["Config"]["PrivateZone"]
                return {
                    "zoneId": args["zoneId"],
                    "name": zone["Name"].rstrip("."),
                    "privateZone": is_private,
                }
            case "aws:servicequotas/getServiceQuota:getServiceQuota":
                quotas = self._aws.client("service-quotas", self._region)
                listed = quotas.list_service_quotas(ServiceCode=args["serviceCode"])["Quotas"]
                wanted = {("QuotaCode", args.get("quotaCode")), ("QuotaName", args.get("quotaName"))}
                found = next(each for each in listed if wanted & each.items())
                return {"value": found["Value"], "quotaCode": found["QuotaCode"]}
        raise CannotMakeError(f"{function}: the local world has no answer for this function")

    def _make(self, resource: Resource, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        if resource.type.startswith("pulumi:providers:"):
            return resource.name, {}
        if resource.type in RECORDED_ONLY:
            return f"recorded-{resource.name}", {}
        if resource.type not in MAKERS:
            raise CannotMakeError(
                f"{resource.type} {resource.name}: the local world has no maker for this type"
            )
        region = inputs.get("region") or self._region
        clients = Clients(region=region, account=self._aws.account, make=self._aws.client)
        return MAKERS[resource.type](clients, inputs)


def _autoname(resource: Resource) -> str:
    """Return a name like those that Pulumi gives to resources without a physical name."""
    stem = resource.inputs.get("namePrefix", f"{resource.name}-")
    return f"{stem}{secrets.token_hex(4)[:7]}"


def _fingerprint(inputs: Mapping[str, Any]) -> str:
    def plain(value: Any) -> Any:
        if isinstance(value, pulumi.FileArchive):
            return value.path
        raise TypeError(f"{type(value).__name__} in a resource's inputs")

    return json.dumps(inputs, sort_keys=True, default=plain)
