"""Lets the emulated EC2 refuse descriptions of security groups and rules with characters that EC2 refuses.

It also refuses more rules of a group than the quota allows in one direction. Each network, prefix list and
group that a request names is a rule with an id of its own, which can be described and revoked alone.
https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from customers.service_quotas import GROUP_RULES
from local.aws.ministack.patching import Module, after, original
from local.aws.ministack.service_quotas import ACCOUNT_QUOTAS

_CHANGE = "descriptions of security groups"

_DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")
_ALLOWED = "strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
_OF_RULE = re.compile(r"IpPermissions\.\d+\.\w+\.\d+\.Description")

#: Each of these that a permission names is a rule, and counts.
_TARGETS = ("IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs")

Answer = Callable[[Mapping[str, Any]], Any]
Rule = Mapping[str, Any]


@after("services.ec2")
def _one_rule_per_target(ec2: Module) -> None:
    parse, value = original(_CHANGE, ec2, "_parse_ip_permissions"), original(_CHANGE, ec2, "_p")
    describe = original(_CHANGE, ec2, "_sg_rule_xml")

    def prefix_lists(request: Mapping[str, Any], permission: str) -> Iterator[dict[str, str]]:
        for number in itertools.count(1):
            name = f"{permission}.PrefixListIds.{number}"
            if not (id := value(request, f"{name}.PrefixListId")):
                return
            description = value(request, f"{name}.Description")
            yield {"PrefixListId": id} | ({"Description": description} if description else {})

    def parsed(request: Mapping[str, Any], prefix: str) -> list[Rule]:
        rules = parse(request, prefix)
        for number, rule in enumerate(rules, 1):
            rule["PrefixListIds"] += prefix_lists(request, f"{prefix}.{number}")
        return [alone for rule in rules for alone in _alone(rule)]

    def described(group: str, rule: Rule, is_egress: bool = False) -> str:
        before, end, after_it = describe(group, rule, is_egress=is_egress).rpartition("</item>")
        lists = "".join(
            f"<prefixListId>{each['PrefixListId']}</prefixListId>" for each in rule["PrefixListIds"]
        )
        return f"{before}{lists}{end}{after_it}"

    ec2._parse_ip_permissions, ec2._sg_rule_xml = parsed, described


@after("services.ec2")
def _one_permission_per_port(ec2: Module) -> None:
    describe = original(_CHANGE, ec2, "_sg_xml")

    def together(rules: Iterable[Rule]) -> list[Rule]:
        """Return rules as the permissions of a group: those of one protocol and port are one."""
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for rule in rules:
            ports = (rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"))
            whole = found.setdefault(ports, {**rule, **{kind: [] for kind in _TARGETS}})
            for kind in _TARGETS:
                whole[kind] = [*whole[kind], *rule[kind]]
        return list(found.values())

    def described(group: Mapping[str, Any]) -> str:
        directions = ("IpPermissions", "IpPermissionsEgress")
        text: str = describe({**group, **{each: together(group[each]) for each in directions}})
        return text

    ec2._sg_xml = described


def _alone(rule: Rule) -> list[Rule]:
    """Return a rule for each target of a rule."""
    return [
        {**rule, **{other: [] for other in _TARGETS}, kind: [target]}
        for kind in _TARGETS
        for target in rule[kind]
    ] or [rule]


@after("services.ec2")
def _descriptions(ec2: Module) -> None:
    actions: dict[str, Answer] = original(_CHANGE, ec2, "_ACTION_MAP")
    value, refuse = original(_CHANGE, ec2, "_p"), original(_CHANGE, ec2, "_error")

    def checked(answer: Answer, what: str, names: Callable[[Mapping[str, Any]], list[str]]) -> Answer:
        def answered(request: Mapping[str, Any]) -> Any:
            if all(_DESCRIPTION.fullmatch(value(request, name) or "") for name in names(request)):
                return answer(request)
            message = f"Invalid {what} description. Valid descriptions are {_ALLOWED}"
            return refuse("InvalidParameterValue", escape(message), 400)

        return answered

    create = "CreateSecurityGroup"
    actions[create] = checked(actions[create], "security group", lambda request: ["GroupDescription"])
    for action in ("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"):
        actions[action] = checked(
            actions[action], "rule", lambda request: [*filter(_OF_RULE.fullmatch, request)]
        )


@after("services.ec2")
def _rules(ec2: Module) -> None:
    from ministack.core.responses import get_region

    actions: dict[str, Answer] = original(_CHANGE, ec2, "_ACTION_MAP")
    value, refuse = original(_CHANGE, ec2, "_p"), original(_CHANGE, ec2, "_error")
    groups, parsed = (
        original(_CHANGE, ec2, "_security_groups"),
        original(_CHANGE, ec2, "_parse_ip_permissions"),
    )

    is_same = original(_CHANGE, ec2, "_rules_match")

    def limited(authorize: Answer, direction: str) -> Answer:
        def answered(request: Mapping[str, Any]) -> Any:
            rules = (groups.get(value(request, "GroupId")) or {direction: []})[direction]
            asked = parsed(request, "IpPermissions")
            new = [each for each in asked if not any(is_same(each, rule) for rule in rules)]
            if len(rules) + len(new) > ACCOUNT_QUOTAS.value(get_region(), GROUP_RULES):
                message = "The maximum number of rules per security group has been reached."
                return refuse("RulesPerSecurityGroupLimitExceeded", message, 400)
            return authorize(request)

        return answered

    for action, direction in (
        ("AuthorizeSecurityGroupIngress", "IpPermissions"),
        ("AuthorizeSecurityGroupEgress", "IpPermissionsEgress"),
    ):
        actions[action] = limited(actions[action], direction)
