"""Requests to Route 53: their size, their pace and their retries, with stubbed answers and simulated time."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as some

from customers.route53 import Record, RecordChange, refusals
from ops.dns.dns_changes import HostedZone, WrongZoneError, batches
from ops.plan import RefusedError

ZONE = "mft.example.gov"


def half(number: int, text: str = "x", role: str = "PRIMARY") -> Record:
    return Record(
        name=f"primary.c{number}.{ZONE}.",
        type="TXT",
        ttl=60,
        values=(f'"{text}"',),
        set_identifier=role,
        failover=role,
        health_check="check",
    )


class Time:
    """A clock that moves only by sleeping."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, []

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def route53():
    """A zone, the stub that returns Route 53's answers in order, and the clock."""
    client = boto3.client(
        "route53", region_name="us-gov-west-1", aws_access_key_id="1", aws_secret_access_key="local"
    )
    time = Time()
    place = SimpleNamespace(client=lambda *_: client, zone_id="Z1", zone=ZONE)
    with Stubber(client) as stub:
        yield HostedZone(place, clock=lambda: time.now, sleep=time.sleep), stub, time
    stub.assert_no_pending_responses()
    client.close()


def change_info(status: str) -> dict[str, Any]:
    return {"ChangeInfo": {"Id": "/change/C1", "Status": status, "SubmittedAt": "2026-01-01T00:00:00Z"}}


@given(
    some.lists(
        some.tuples(some.integers(1, 8), some.integers(1, 250), some.sampled_from(["UPSERT", "CREATE"])),
        max_size=300,
    )
)
def test_batches_fit_the_limits_of_route_53_and_split_no_customer(sizes):
    groups = [
        [RecordChange(action, half(1000 * n + m, "x" * length)) for m in range(count)]
        for n, (count, length, action) in enumerate(sizes)
    ]
    found = list(batches(groups))
    assert [change for batch in found for change in batch] == [each for group in groups for each in group]
    ends = {id(group[-1]) for group in groups}
    for batch in found:
        assert id(batch[-1]) in ends, "a customer is in one batch"
        assert refusals(batch, (), ZONE) == []
    for batch, after in pairwise(found):
        first = next(group for group in groups if group[0] is after[0])
        assert refusals([*batch, *first], (), ZONE), "there was no room for the next customer"


@pytest.mark.parametrize("length", [4, 90])
def test_an_upsert_counts_twice(length):
    groups = [[RecordChange("UPSERT", half(6 * n + m, "x" * length)) for m in range(6)] for n in range(200)]
    found = list(batches(groups))
    assert all(refusals(batch, (), ZONE) == [] for batch in found)
    assert all(len(batch) % 6 == 0 for batch in found)
    assert refusals([*found[0], *found[1][:6]], (), ZONE), "it is full"


@pytest.mark.parametrize("code", ["PriorRequestNotComplete", "Throttling", "ThrottlingException"])
def test_a_busy_route_53_is_asked_again_after_growing_pauses(route53, code):
    zone, stub, time = route53
    for _ in range(6):
        stub.add_client_error("change_resource_record_sets", code, "busy", 400)
    stub.add_response("change_resource_record_sets", change_info("PENDING"))
    assert zone.change([RecordChange("CREATE", half(1))], "why") == "/change/C1"
    assert len(time.slept) == 6
    assert len(set(time.slept)) == 6, "two that collide do not wait for the same time"
    assert sum(time.slept) < 60


def test_a_route_53_that_stays_busy_is_given_up(route53):
    zone, stub, _ = route53
    for _ in range(10):
        stub.add_client_error("list_health_checks", "Throttling", "busy", 400)
    with pytest.raises(ClientError, match="busy"):
        list(zone.checks())


def test_a_refused_request_is_not_repeated(route53):
    zone, stub, time = route53
    stub.add_client_error("change_resource_record_sets", "AccessDenied", "not yours", 403)
    with pytest.raises(RefusedError, match="not yours"):
        zone.change([RecordChange("CREATE", half(1))], "why")
    assert not time.slept


def test_a_request_that_would_be_refused_is_not_sent(route53):
    zone, *_ = route53
    with pytest.raises(RefusedError, match="but it was not found"):
        zone.change([RecordChange("DELETE", half(1))], "why")


def test_changes_are_awaited_until_all_servers_have_them(route53):
    zone, stub, time = route53
    for status in ("PENDING", "PENDING", "INSYNC"):
        stub.add_response("get_change", change_info(status), {"Id": "/change/C1"})
    zone.wait(["/change/C1"])
    assert time.now > 0


def test_a_change_that_never_arrives_is_given_up(route53):
    zone, stub, time = route53
    for _ in range(200):
        stub.add_response("get_change", change_info("PENDING"))
    with pytest.raises(RefusedError, match="Route 53 has accepted all changes"):
        zone.wait(["/change/C1"])
    stub._queue.clear()
    assert time.now > 60


def test_forty_requests_are_made_at_once_and_then_five_a_second(route53):
    zone, stub, time = route53
    page = {"HealthChecks": [], "IsTruncated": True, "Marker": "m", "NextMarker": "m", "MaxItems": "100"}
    for number in range(140):
        stub.add_response("list_health_checks", page | {"IsTruncated": number < 139})
    list(zone.checks())
    assert time.now == pytest.approx((140 - 40) / 5)


def test_a_zone_that_is_not_there_is_not_silence(route53):
    zone, stub, _ = route53
    stub.add_client_error("list_resource_record_sets", "NoSuchHostedZone", "No hosted zone found", 404)
    with pytest.raises(
        WrongZoneError, match=r"^mft:zoneId: Route 53 has no hosted zone Z1 in the account of"
    ):
        zone.records()


def test_a_zone_of_another_name_is_refused(route53):
    zone, stub, _ = route53
    soa = {
        "Name": "other.example.",
        "Type": "SOA",
        "TTL": 900,
        "ResourceRecords": [{"Value": "ns. me. 1 2 3 4 5"}],
    }
    page = {"ResourceRecordSets": [soa], "IsTruncated": False, "MaxItems": "300"}
    stub.add_response("list_resource_record_sets", page)
    with pytest.raises(
        WrongZoneError, match=r"^mft:zoneId: Z1 is the zone other\.example\., not mft\.example\.gov\.; "
    ):
        zone.records()
