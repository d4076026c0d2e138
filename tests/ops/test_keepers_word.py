"""Whether Route 53 can hear the keeper of a switch, by alarm and by object, and what `force-in` does then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from customers import names
from ops.dns.dns_routing import NameRouting
from ops.environment import Environment
from ops.failover import force_in
from ops.plan import RefusedError
from ops.switches import is_heard
from runtime.contract import EAST, SIDES, WEST
from runtime.metric_names import SWITCH_METRIC, SWITCH_NAMESPACE, switch_dimensions
from tests.ops.conftest import EASTERN, NAMESPACE, WESTERN, Place

SILENT = f"{EASTERN} is silent"


@pytest.fixture
def by_object(west_out: Place) -> Place:
    """West is out, and its switch is an object in East."""
    for side in SIDES:
        west_out.write(side, switch="endpoint")
    bucket = names.cell_bucket(NAMESPACE, west_out.cell, "switch", EAST)
    where = {"LocationConstraint": EASTERN}
    west_out.aws.client("s3", EASTERN).create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    return west_out


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """All names answer with West, whose cell is ready."""
    monkeypatch.setattr(force_in, "look", lambda *_: NameRouting(sides={"c7k2m": WEST}))
    monkeypatch.setattr("ops.health.cell_health.problems", lambda cell: [])


@pytest.mark.parametrize(("minutes", "heard"), [(1, True), (4, True), (7, False), (300, False)])
def test_a_keeper_is_heard_for_five_minutes(west_out: Place, minutes: int, heard: bool) -> None:
    named = switch_dimensions(NAMESPACE, west_out.cell, WEST).items()
    datum = {
        "MetricName": SWITCH_METRIC,
        "Dimensions": [{"Name": name, "Value": value} for name, value in named],
        "Value": 1.0,
        "Timestamp": datetime.now(UTC) - timedelta(minutes=minutes),
    }
    metrics = west_out.keeper(WEST, "cloudwatch")
    metrics.put_metric_data(Namespace=SWITCH_NAMESPACE, MetricData=[datum])
    assert is_heard(Environment.read(west_out.root), WEST) is heard


def test_a_keeper_whose_objects_can_be_read_is_heard(by_object: Place) -> None:
    """It publishes no metric, and nothing while the region is in."""
    environment = Environment.read(by_object.root)
    assert is_heard(environment, WEST)
    with pytest.raises(RefusedError, match=f"{EASTERN} keeps the switch of {WESTERN}, answers, and says"):
        force_in.forcing(environment, WESTERN, is_on=True, override=SILENT)


def test_a_keeper_whose_objects_cannot_be_read_is_silent_and_dns_says_nothing(by_object: Place) -> None:
    """A region whose object cannot be read is in DNS by itself, so that is no doubt to type."""
    by_object.relay.closed = {f"{EASTERN} s3"}
    environment = Environment.read(by_object.root)
    assert not is_heard(environment, WEST)
    with pytest.raises(RefusedError, match=f"--override '{SILENT}'"):
        force_in.forcing(environment, WESTERN, is_on=True)
    plan = force_in.forcing(environment, WESTERN, is_on=True, override=SILENT)
    assert (plan.override, plan.forces) == (SILENT, True)


def test_by_alarm_a_region_that_dns_answers_with_is_one_more_thing_to_type(west_out: Place) -> None:
    environment = Environment.read(west_out.root)
    with pytest.raises(RefusedError, match=f"--override '{SILENT}, and {WESTERN} is in DNS already'"):
        force_in.forcing(environment, WESTERN, is_on=True, override=SILENT)
