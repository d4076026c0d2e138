"""The stack's settings: facts about its environment, read once and checked together, without defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import pulumi
from pulumi.runtime.config import is_config_secret

from components.private_keys import COMMANDS, PrivateKeyError, normalized, public
from customers import names
from runtime.contract import PARTITION, REGION_OF, SIDE_OF, peer_of, stem
from runtime.metric_names import SwitchKind


class SettingsError(ValueError):
    """The stack configuration is incomplete or invalid. The message lists all problems."""


class Peer(StrEnum):
    """Whether the other region's stack exists."""

    ABSENT = "absent"
    PRESENT = "present"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The environment of this stack's cell. `host_keys` are its SFTP host keys, the main one first.

    `canary_key` is the private key of the canary's logins; `public_keys` are the public halves of all private
    keys, as OpenSSH writes them, by setting.
    """

    stack: str
    region: str
    partition: str
    account: str
    namespace: str
    cell: str
    zone: str
    zone_id: str
    peer: Peer
    automatic_failover: bool
    switch: SwitchKind
    health_check_quota: int
    group_rule_quota: int
    audit_days: int
    lambda_runtime: str
    host_keys: tuple[pulumi.Output[str], ...]
    canary_key: pulumi.Output[str]
    public_keys: Mapping[str, str]

    @property
    def side(self) -> str:
        """Return `east` or `west`."""
        return SIDE_OF[self.region]

    @property
    def peer_present(self) -> bool:
        """Return whether the other region's stack exists."""
        match self.peer:
            case Peer.PRESENT:
                return True
            case Peer.ABSENT:
                return False
            case _:
                assert_never(self.peer)

    @property
    def peer_side(self) -> str:
        """Return the other side."""
        return peer_of(self.side)

    @property
    def peer_region(self) -> str:
        """Return the other region's name."""
        return REGION_OF[self.peer_side]

    @property
    def stem(self) -> str:
        """Return what the names of the customers' buckets and topics of this cell begin with."""
        return stem(self.namespace, self.cell)

    def arn(
        self, service: str, resource: str, *, region: str | None = None, account: str | None = None
    ) -> str:
        """Return an ARN of this partition; `region=""` or `account=""` for services that omit it."""
        region = self.region if region is None else region
        account = self.account if account is None else account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    def bucket_arn(self, bucket: str) -> str:
        """Return a bucket's ARN; with `*` in the name it is a pattern."""
        return self.arn("s3", bucket, region="", account="")

    @classmethod
    def from_config(cls) -> Settings:
        """Return the settings of the running stack; SettingsError with one line per problem."""
        config, stack = pulumi.Config("mft"), pulumi.get_stack()
        problems: list[str] = []
        found: dict[str, str] = {}
        for key, (pattern, meaning, example) in KEYS.items():
            value = config.get(key)
            command = f"pulumi config set mft:{key} {example} --stack {stack}"
            if value is None:
                problems.append(f"Pulumi.{stack}.yaml: mft:{key} is not set ({meaning}); run: {command}")
            elif not re.fullmatch(pattern, value):
                problems.append(f"Pulumi.{stack}.yaml: mft:{key}: {value!r} is not {meaning}; run: {command}")
            elif refused := _refused_name(key, value):
                problems.append(f"Pulumi.{stack}.yaml: mft:{key}: {refused}")
            else:
                found[key] = value
        side = SIDE_OF.get(found.get("region", ""))
        if side and peer_of(side) in re.split(r"[^a-z]+", stack):
            problems.append(
                f"Pulumi.{stack}.yaml: mft:region: {found['region']} is not for a stack named {stack!r}; "
                f"run: pulumi config set mft:region {REGION_OF[peer_of(side)]} --stack {stack}"
            )
        number = stack.rpartition("-")[2]
        if number.isdecimal() and found.get("cell", number) != number:
            problems.append(
                f"Pulumi.{stack}.yaml: mft:cell: {found['cell']!r} is not for a stack named {stack!r}; "
                f"run: pulumi config set mft:cell {number} --stack {stack}"
            )
        private_keys: dict[str, str] = {}
        for key, make in COMMANDS.items():
            try:
                private_keys[key] = _private_key(key, config.get(key))
            except PrivateKeyError as error:
                problems.append(
                    f"Pulumi.{stack}.yaml: mft:{key} {error}; make a key once, for both stacks: {make}; "
                    f"then run: pulumi config set --secret mft:{key} --stack {stack} < {make.split()[-1]}"
                )
        if problems:
            raise SettingsError("\n".join(problems))
        return cls(
            stack=stack,
            region=found["region"],
            partition=found["partition"],
            account=found["accountId"],
            namespace=found["namespace"],
            cell=found["cell"],
            zone=found["zone"],
            zone_id=found["zoneId"],
            peer=Peer(found["peer"]),
            automatic_failover=found["automaticFailover"] == "true",
            switch=SwitchKind(found["switch"]),
            health_check_quota=int(found["healthCheckQuota"]),
            group_rule_quota=int(found["groupRuleQuota"]),
            audit_days=int(found["auditDays"]),
            lambda_runtime=found["lambdaRuntime"],
            host_keys=tuple(pulumi.Output.secret(private_keys[key]) for key in HOST_KEYS),
            canary_key=pulumi.Output.secret(private_keys[CANARY_KEY]),
            public_keys={key: public(private_keys[key]) for key in COMMANDS},
        )


#: Host keys of the types that the FIPS security policies allow, RSA and ECDSA. Both regions must have the
#: same key of each type, or clients report a changed host key at failover.
HOST_KEYS = ("hostKeyRsa", "hostKeyEcdsa")

#: The private key of the canary's SFTP logins.
CANARY_KEY = "canaryKey"

#: Every setting that is a private key.
PRIVATE_KEYS = tuple(COMMANDS)

#: Every other setting: the pattern of its value, the meaning in words, and an example.
KEYS = {
    "region": ("|".join(REGION_OF.values()), "a GovCloud region", REGION_OF["west"]),
    "partition": (PARTITION, f"the partition {PARTITION}", PARTITION),
    "accountId": (r"[0-9]{12}", "an account id of 12 digits", "123456789012"),
    "namespace": (
        r"[a-z][a-z0-9-]{1,18}[a-z0-9]",
        "3 to 20 lower-case letters, digits and hyphens",
        "acme-mft",
    ),
    "cell": (names.CELL, "a cell number from 1 to 999", "1"),
    "zone": (
        r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}",
        "a DNS zone without a final dot",
        "mft.example.gov",
    ),
    "zoneId": (r"Z[A-Z0-9]{1,31}", "a Route 53 hosted zone id", "Z0123456789EXAMPLE"),
    "peer": ("|".join(Peer), "'absent' or 'present': whether the other region's stack exists", "present"),
    "automaticFailover": ("true|false", "'true' or 'false': whether failed checks move traffic", "false"),
    "switch": (
        "|".join(SwitchKind),
        "'alarm' or 'endpoint': what shows health checkers that a region is out",
        "alarm",
    ),
    "healthCheckQuota": (r"[1-9][0-9]{0,5}", "a number of health checks that the account may have", "200"),
    # AWS allows 1,000 rules an interface: with the five groups of the endpoint, 200 a group.
    "groupRuleQuota": (
        "[6-9][0-9]|1[0-9]{2}|200",
        "a number of rules, from 60 to 200, that a security group may have (quota L-0EA8095F)",
        "60",
    ),
    # In production 12 months at hand and 18 more, as OMB memorandum M-21-31 asks of logs. In a trial, 1 day:
    # until the days are over, nobody can delete the bucket, nor close the account without losing it.
    "auditDays": (
        "[1-9][0-9]{0,2}|[12][0-9]{3}|3[0-5][0-9]{2}|36[0-4][0-9]|3650",
        "a number of days, from 1 to 3650, for which nobody can remove an audit record",
        "913",
    ),
    "lambdaRuntime": (r"python3\.[0-9]+", "a Lambda Python runtime", "python3.13"),
}


def _refused_name(key: str, value: str) -> str | None:
    """Return why no names can be made with a namespace or zone, or None."""
    checks = {"namespace": (names.check_namespace, names.check_last_word), "zone": (names.check_zone,)}
    try:
        for check in checks.get(key, ()):
            check(value)
    except names.NameRefusedError as error:
        return str(error)
    return None


def _private_key(key: str, value: str | None) -> str:
    """Return a private key in the form that AWS takes; PrivateKeyError if the setting has none.

    The CLI decrypts a secret setting for the program, so it can be checked before any resource is made.
    """
    if value is None:
        raise PrivateKeyError("is not set (a private key, the same in both stacks)")
    if not is_config_secret(f"mft:{key}"):
        raise PrivateKeyError("is not stored as a secret")
    return normalized(key, value)
