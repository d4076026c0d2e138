"""The emulated Route 53 refuses what Route 53 refuses, as boto3 shows it, and then changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.local.conftest import WEST, World

_numbers = itertools.count()


class Place:
    """One hosted zone and two health checks in an account of their own."""

    def __init__(self, aws: World) -> None:
        number = next(_numbers)
        self.route53 = boto3.client(
            "route53",
            region_name=WEST,
            endpoint_url=aws.emulator.endpoint,
            aws_access_key_id=f"{900_000_000_000 + number}",  # the emulator takes the account from it
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}),
        )
        self.name = f"zone{number}.example.gov."
        made = self.route53.create_hosted_zone(Name=self.name, CallerReference=self.name)
        self.id = made["HostedZone"]["Id"].rpartition("/")[2]
        self.checks = [self.check() for _ in range(2)]

    def check(self, **config: Any) -> str:
        config = config or {"Type": "TCP", "IPAddress": "203.0.113.9", "Port": 22}
        made = self.route53.create_health_check(
            CallerReference=f"check-{next(_numbers)}", HealthCheckConfig=config
        )
        return made["HealthCheck"]["Id"]

    def half(self, role: str, **other: Any) -> dict[str, Any]:
        number = ("PRIMARY", "SECONDARY").index(role)
        side = ("west", "east")[number]
        return {
            "Name": f"primary.{self.name}",
            "Type": "CNAME",
            "TTL": 60,
            "ResourceRecords": [{"Value": f"sftp.{side}.example.gov"}],
            "SetIdentifier": side,
            "Failover": role,
            "HealthCheckId": self.checks[number],
        } | other

    def host(self, label: str, **other: Any) -> dict[str, Any]:
        values = [{"Value": "203.0.113.1"}]
        return {"Name": f"{label}.{self.name}", "Type": "A", "TTL": 60, "ResourceRecords": values} | other

    def change(self, *changes: tuple[str, dict[str, Any]]) -> None:
        batch = [{"Action": action, "ResourceRecordSet": record} for action, record in changes]
        self.route53.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch={"Changes": batch})

    def refused(self, *changes: tuple[str, dict[str, Any]]) -> tuple[str, str, int]:
        """Return code, message and status of the refusal; the zone must be as it was."""
        before = self.listed()
        with pytest.raises(ClientError) as problem:
            self.change(*changes)
        assert self.listed() == before
        answer = problem.value.response
        return (
            answer["Error"]["Code"],
            answer["Error"]["Message"],
            answer["ResponseMetadata"]["HTTPStatusCode"],
        )

    def listed(self) -> list[dict[str, Any]]:
        pages = self.route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=self.id)
        records = [record for page in pages for record in page["ResourceRecordSets"]]
        return [record for record in records if record["Type"] not in ("NS", "SOA")]


@pytest.fixture
def place(aws: World) -> Iterator[Place]:
    place = Place(aws)
    yield place
    place.route53.close()


def test_the_halves_of_two_stacks_are_accepted_one_after_the_other(place: Place) -> None:
    primary, secondary = place.half("PRIMARY"), place.half("SECONDARY")
    place.change(("UPSERT", secondary))
    place.change(("UPSERT", primary))
    place.change(("UPSERT", primary))
    assert place.listed() == [secondary, primary]


def test_a_refusal_is_shown_by_boto3_in_the_words_of_route_53(place: Place) -> None:
    place.change(("CREATE", place.half("PRIMARY")), ("CREATE", place.host("a")))
    code, message, status = place.refused(
        ("CREATE", place.half("SECONDARY")),
        ("CREATE", place.host("a")),
        ("DELETE", place.host("b")),
    )
    assert (code, status) == ("InvalidChangeBatch", 400)
    assert message == (
        f"[Tried to create resource record set [name='a.{place.name}', type='A'] but it already exists,"
        f" Tried to delete resource record set [name='b.{place.name}', type='A'] but it was not found]"
    )
    exceptions = place.route53.exceptions
    with pytest.raises(exceptions.InvalidChangeBatch, match="No changes made"):
        place.change(("UPSERT", {k: v for k, v in place.half("PRIMARY").items() if k != "HealthCheckId"}))


@pytest.mark.parametrize("type", ["CNAME", "TXT"])
def test_every_primary_needs_a_health_check(place: Place, type: str) -> None:
    value = '"x"' if type == "TXT" else "sftp.example.gov"
    primary = place.half("PRIMARY", Type=type, ResourceRecords=[{"Value": value}])
    del primary["HealthCheckId"]
    text = "A non-alias primary ResourceRecordSet must have an associated health check. No changes made."
    assert place.refused(("CREATE", primary)) == ("InvalidChangeBatch", f"[{text}]", 400)


def test_a_health_check_must_exist(place: Place) -> None:
    unknown = place.half("PRIMARY", HealthCheckId="00000000-0000-0000-0000-000000000000")
    text = "No health check exists with the specified ID."
    assert place.refused(("CREATE", unknown)) == ("NoSuchHealthCheck", text, 404)
    place.change(("CREATE", place.half("PRIMARY")))
    place.route53.delete_health_check(HealthCheckId=place.checks[0])
    place.change(("DELETE", place.half("PRIMARY")))
    assert place.listed() == []


def test_a_malformed_record_is_invalid_input(place: Place) -> None:
    lone = {k: v for k, v in place.host("a").items() if k != "TTL"}
    assert place.refused(("CREATE", place.host("b")), ("CREATE", lone)) == (
        "InvalidInput",
        "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or"
        f" TrafficPolicyInstanceId], but found none in Change with [Action=CREATE, Name=a.{place.name},"
        " Type=A, SetIdentifier=null]",
        400,
    )


def test_roles_are_exchanged_in_one_batch_that_deletes_first(place: Place) -> None:
    old = [place.half("PRIMARY"), place.half("SECONDARY")]
    new = [
        place.half("PRIMARY", Failover="SECONDARY"),
        place.half("SECONDARY", Failover="PRIMARY"),
    ]
    place.change(*(("CREATE", half) for half in old))
    assert place.refused(*(("UPSERT", half) for half in new))[0] == "InvalidChangeBatch"
    assert place.refused(("DELETE", old[0]), ("CREATE", new[0]))[0] == "InvalidChangeBatch"
    place.change(*(("DELETE", half) for half in old), *(("CREATE", half) for half in new))
    assert place.listed() == [new[1], new[0]]


def test_names_are_kept_in_lower_case(place: Place) -> None:
    place.change(("CREATE", place.host("MiXed")))
    assert place.listed() == [place.host("mixed")]
    assert "already exists" in place.refused(("CREATE", place.host("mixed")))[1]
    place.change(("DELETE", place.host("MIXED")))
    assert place.listed() == []


def test_other_records_are_accepted_as_before(place: Place) -> None:
    target = {"HostedZoneId": "Z1", "DNSName": "x.example.gov.", "EvaluateTargetHealth": True}
    alias = {"Name": f"alias.{place.name}", "Type": "A", "AliasTarget": target}
    weighted = [place.host("w", SetIdentifier=str(n), Weight=n) for n in range(2)]
    place.change(("CREATE", alias), *(("CREATE", each) for each in weighted))
    assert place.listed() == [alias, *weighted]
    other = {"AliasTarget": target | {"EvaluateTargetHealth": False}}
    assert place.refused(("DELETE", alias | other))[1] == (
        f"[Tried to delete resource record set [name='alias.{place.name}', type='A'] but the values provided"
        " do not match the current values]"
    )
    place.change(("DELETE", alias))
    assert place.listed() == weighted


def test_a_batch_that_is_too_large_is_refused(place: Place) -> None:
    many = [("UPSERT", place.host(f"h{n}")) for n in range(501)]
    assert place.refused(*many) == (
        "InvalidChangeBatch",
        "[Number of records limit of 1000 exceeded.]",
        400,
    )
    place.change(*many[:500])
    assert len(place.listed()) == 500


def test_requests_that_ministack_judges_itself_still_reach_it(place: Place) -> None:
    with pytest.raises(place.route53.exceptions.NoSuchHostedZone):
        place.route53.change_resource_record_sets(
            HostedZoneId="Z404",
            ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": place.host("a")}]},
        )
    assert place.refused(("REPLACE", place.host("a")))[0] == "InvalidInput"


def test_an_account_has_two_hundred_health_checks(place: Place) -> None:
    place.check(Type="CALCULATED", HealthThreshold=2, ChildHealthChecks=place.checks)
    last = [place.check() for _ in range(197)][-1]
    with pytest.raises(place.route53.exceptions.TooManyHealthChecks):
        place.check()
    place.route53.delete_health_check(HealthCheckId=last)
    place.check()
    again = {"Type": "TCP", "IPAddress": "203.0.113.9", "Port": 22}
    one = place.route53.get_health_check(HealthCheckId=place.checks[0])["HealthCheck"]
    answer = place.route53.create_health_check(
        CallerReference=one["CallerReference"], HealthCheckConfig=again
    )
    assert answer["HealthCheck"]["Id"] == one["Id"], "a repeated request makes none"


def test_children_of_a_health_check_exist_and_are_at_most_255(place: Place) -> None:
    def code(**config: Any) -> str:
        with pytest.raises(ClientError) as problem:
            place.check(Type="CALCULATED", HealthThreshold=1, **config)
        return problem.value.response["Error"]["Code"]

    assert code(ChildHealthChecks=[*place.checks, "gone"]) == "InvalidInput"
    assert code(ChildHealthChecks=place.checks[:1] * 256) == "InvalidInput"
    made = place.check(Type="CALCULATED", HealthThreshold=1, ChildHealthChecks=place.checks)
    with pytest.raises(place.route53.exceptions.InvalidInput, match="gone"):
        place.route53.update_health_check(HealthCheckId=made, ChildHealthChecks=["gone"])
    config = place.route53.get_health_check(HealthCheckId=made)["HealthCheck"]["HealthCheckConfig"]
    assert config["ChildHealthChecks"] == place.checks
    assert len(place.route53.list_health_checks()["HealthChecks"]) == 3


def test_the_status_of_a_check_is_what_health_checkers_report(aws: World):
    place = Place(aws)
    leaf, other = place.checks
    over = place.check(Type="CALCULATED", ChildHealthChecks=[leaf], HealthThreshold=1)

    def status(id: str) -> list[str]:
        found = place.route53.get_health_check_status(HealthCheckId=id)["HealthCheckObservations"]
        return [each["StatusReport"]["Status"].partition(":")[0] for each in found]

    aws.emulator.report_health({leaf: True})
    assert (status(leaf), status(other)) == (["Success"], [])
    aws.emulator.report_health({leaf: False})
    assert status(leaf) == ["Failure"]
    with pytest.raises(ClientError, match="InvalidInput"):
        status(over)
    with pytest.raises(ClientError, match="NoSuchHealthCheck"):
        status("00000000-0000-0000-0000-000000000000")
