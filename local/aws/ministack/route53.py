"""Lets the emulated Route 53 refuse what Route 53 refuses, with the same messages."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree  # only to write: what comes in is read by MiniStack's own parser

from customers import route53 as rules
from customers.route53.batch import HEALTH_CHECK_LIMIT
from customers.route53.zone import ZONE_LIMIT
from local.aws.ministack.patching import Module, after, original

#: Statuses of the API's errors; the others are 400.
_STATUS = {"NoSuchHealthCheck": 404}
#: The fields of a record set that choose another routing policy than failover.
_POLICIES = (
    "Weight",
    "Region",
    "GeoLocation",
    "GeoProximityLocation",
    "MultiValueAnswer",
    "CidrRoutingConfig",
)
#: The names in MiniStack's module that are replaced or called, without their underscore.
_USED = (
    *("change_resource_record_sets", "create_health_check", "update_health_check"),
    *("parse_body", "parse_record_set", "find", "findall", "text", "error_response"),
    *("zones", "records", "health_checks", "hc_caller_refs"),
)

Answer = tuple[int, dict[str, str], bytes]

#: What health checkers have reported last, by the ids of checks: whether each is healthy.
HEALTH_REPORTS: dict[str, bool] = {}


def record(fields: dict[str, Any]) -> rules.Record:
    """Convert MiniStack's dictionary of a record set to the record that the rules take."""
    alias = fields.get("AliasTarget")
    return rules.Record(
        name=fields["Name"],
        type=fields["Type"],
        ttl=int(fields["TTL"]) if "TTL" in fields else None,
        values=tuple(fields.get("ResourceRecords", ())),
        set_identifier=fields.get("SetIdentifier"),
        failover=fields.get("Failover"),
        health_check=fields.get("HealthCheckId"),
        alias=json.dumps(alias, sort_keys=True) if alias else False,
        policy=next((policy for policy in _POLICIES if policy in fields), None),
    )


@after("services.route53")
def _judged(route53: Module) -> None:
    change = "Route 53's refusals"
    use = SimpleNamespace(**{name: original(change, route53, f"_{name}") for name in _USED})
    change_records: Callable[[str, bytes], Answer] = use.change_resource_record_sets
    make_check: Callable[[bytes], Answer] = use.create_health_check
    edit_check: Callable[[str, bytes], Answer] = use.update_health_check
    error_response: Callable[[str, str, int], Answer] = use.error_response
    lock = threading.RLock()  # held from judging to applying; MiniStack's own lock is taken within

    def refusing(handle: Callable[..., Answer]) -> Callable[..., Answer]:
        def handled(*given: Any) -> Answer:
            with lock:
                try:
                    return handle(*given)
                except rules.BatchRefusedError as refused:
                    # As seen on the wire: https://github.com/AnalogJ/lexicon/issues/179. With the other form
                    # in the API reference, a root named InvalidChangeBatch, botocore finds no code and text.
                    return error_response(refused.code, refused.message, _STATUS.get(refused.code, 400))

        return handled

    def change_resource_record_sets(zone_id: str, body: bytes) -> Answer:
        root, zone = use.parse_body(body), use.zones.get(zone_id)
        if root is None or zone is None:
            return change_records(zone_id, body)
        changes = []
        for one in _all(root, "Change"):
            fields = use.find(one, "ResourceRecordSet")
            action = use.text(one, "Action")
            if fields is None or action not in ("CREATE", "DELETE", "UPSERT"):
                return change_records(zone_id, body)
            for name in use.findall(fields, "Name"):
                name.text = rules.absolute(name.text or "")  # Route 53 keeps names in lower case
            changes.append(rules.RecordChange(action, record(use.parse_record_set(fields))))
        existing = [record(fields) for fields in use.records[zone_id]]
        rules.apply(changes, existing, zone["name"], set(use.health_checks), zone_id=zone_id)
        return change_records(zone_id, ElementTree.tostring(root))

    def children(root: Any) -> list[str]:
        return [child.text or "" for child in _all(root, "ChildHealthCheck")]

    def create_health_check(body: bytes) -> Answer:
        root = use.parse_body(body)
        # A reference that is in use returns the existing health check and makes none.
        if root is not None and use.text(root, "CallerReference") not in use.hc_caller_refs:
            rules.check_new_health_check(children(root), set(use.health_checks))
        return make_check(body)

    def update_health_check(id: str, body: bytes) -> Answer:
        root = use.parse_body(body)
        if root is not None:
            rules.check_children(children(root), set(use.health_checks))
        return edit_check(id, body)

    handle = original(change, route53, "handle_request")

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        if found := _LIMIT.fullmatch(path):
            counted = len(use.records[found["zone"]]) if found["zone"] else len(use.health_checks)
            return _limit(found["answer"], found["type"], counted)
        if found := _STATUS_OF.fullmatch(path):
            return _status(found["id"], use.health_checks, error_response)
        response: Answer = await handle(method, path, headers, body, query)
        return response

    route53.handle_request = handle_request
    route53._change_resource_record_sets = refusing(change_resource_record_sets)
    route53._create_health_check = refusing(create_health_check)
    route53._update_health_check = refusing(update_health_check)


#: `/accountlimit/MAX_HEALTH_CHECKS_BY_OWNER`, `/hostedzonelimit/<zone>/MAX_RRSETS_BY_ZONE`.
_LIMIT = re.compile(
    r"/2013-04-01/(?P<answer>account|hostedzone)limit/(?:(?P<zone>[A-Z0-9]+)/)?(?P<type>[A-Z_]+)"
)
#: The default quotas of an account.
_LIMITS = {"MAX_HEALTH_CHECKS_BY_OWNER": HEALTH_CHECK_LIMIT, "MAX_RRSETS_BY_ZONE": ZONE_LIMIT}


def _limit(answer: str, type: str, counted: int) -> Answer:
    """Return the answer to GetAccountLimit or GetHostedZoneLimit, which MiniStack lacks."""
    name = {"account": "GetAccountLimitResponse", "hostedzone": "GetHostedZoneLimitResponse"}[answer]
    root = ElementTree.Element(name, xmlns="https://route53.amazonaws.com/doc/2013-04-01/")
    limit = ElementTree.SubElement(root, "Limit")
    ElementTree.SubElement(limit, "Type").text = type
    ElementTree.SubElement(limit, "Value").text = str(_LIMITS[type])
    ElementTree.SubElement(root, "Count").text = str(counted)
    return 200, {"Content-Type": "text/xml"}, ElementTree.tostring(root)


#: `/healthcheck/<id>/status`.
_STATUS_OF = re.compile(r"/2013-04-01/healthcheck/(?P<id>[0-9a-f-]+)/status")
#: Of the regions with health checkers, one; the others report the same here.
_CHECKER = {"Region": "us-west-2", "IPAddress": "15.177.2.10"}


def _status(id: str, checks: Mapping[str, Any], refuse: Callable[[str, str, int], Answer]) -> Answer:
    """Return the answer to GetHealthCheckStatus, which MiniStack lacks: what the DNS server has reported.

    It does not take calculated checks:
    https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetHealthCheckStatus.html
    """
    if id not in checks:
        return refuse("NoSuchHealthCheck", f"No health check exists with the specified ID: {id}", 404)
    if checks[id]["config"]["Type"] == "CALCULATED":
        return refuse("InvalidInput", "The status of a calculated health check is not available.", 400)
    root = ElementTree.Element(
        "GetHealthCheckStatusResponse", xmlns="https://route53.amazonaws.com/doc/2013-04-01/"
    )
    seen = ElementTree.SubElement(root, "HealthCheckObservations")
    if id in HEALTH_REPORTS:
        one = ElementTree.SubElement(seen, "HealthCheckObservation")
        for name, value in _CHECKER.items():
            ElementTree.SubElement(one, name).text = value
        report = ElementTree.SubElement(one, "StatusReport")
        words = "Success: it is healthy" if HEALTH_REPORTS[id] else "Failure: it is unhealthy"
        ElementTree.SubElement(report, "Status").text = words
        ElementTree.SubElement(report, "CheckedTime").text = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return 200, {"Content-Type": "text/xml"}, ElementTree.tostring(root)


def _all(root: Any, tag: str) -> list[Any]:
    """Return all elements of this name, whatever their namespace and depth."""
    return [each for each in root.iter() if each.tag.rpartition("}")[2] == tag]
