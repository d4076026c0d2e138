"""The word of a region that it is in: what it takes, how long it holds, and which of two words counts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from local.aws.emulator import Emulator
from runtime.contract import FORCED, REGION_OF, UNFORCED, WEST, Position, force_parameter, peer_of
from runtime.force import Force, ForceStanding, outdates
from runtime.metric_names import FORCE_METRIC, SWITCH_METRIC, SWITCH_NAMESPACE, switch_dimensions
from runtime.switch import ObjectSwitch, Standing, Switch
from tests.runtime.cells import NAMESPACE, CrashError, Dying
from tests.runtime.test_handlers import Functions
from tests.runtime.test_switch import Failover, calls, number, statistics

_cells = itertools.count(200_000)


class Down:
    """A client of a region that is down."""

    def __getattr__(self, name: str) -> Any:
        raise EndpointConnectionError(endpoint_url="http://down")


@dataclass
class Levers:
    """West's switch, which East keeps, and West's own word."""

    aws: Emulator
    cell: str
    side: str = WEST

    def client(self, service: str, *, own: bool) -> Any:
        return self.aws.client(service, REGION_OF[self.side if own else peer_of(self.side)])

    @property
    def which(self) -> dict[str, str]:
        return {"namespace": NAMESPACE, "cell": self.cell, "side": self.side}

    def force(self, *, parameters: Any = None, metrics: Any = None) -> Force:
        parameters = parameters or self.client("ssm", own=True)
        return Force(
            **self.which, parameters=parameters, metrics=metrics or self.client("cloudwatch", own=True)
        )

    def switch(self, *, parameters: Any = None, force: Force | None = None) -> Switch:
        parameters = parameters or self.client("ssm", own=False)
        metrics = self.client("cloudwatch", own=False)
        return Switch(**self.which, parameters=parameters, metrics=metrics, force=force)

    def said(self, metric: str) -> float:
        """Return how often a metric was published: the word in West, or the position in East."""
        dimensions = switch_dimensions(NAMESPACE, self.cell, self.side)
        found = statistics(
            self.client("cloudwatch", own=metric == FORCE_METRIC),
            Namespace=SWITCH_NAMESPACE,
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        )
        return sum(count for count, _, _ in found)


@pytest.fixture
def levers(aws: Emulator) -> Levers:
    return Levers(aws, str(next(_cells)))


def test_the_word_is_one_parameter_and_one_datapoint_in_the_regions_own_data_plane(levers):
    force = levers.force()
    assert force.standing().is_on is False, "a stack that has none yet"
    clients = [levers.client(service, own=True) for service in ("ssm", "cloudwatch")]
    with calls(*clients) as counted:
        force.move(is_on=True)
    assert counted == {(REGION_OF[WEST], name): 1 for name in ("PutParameter", "PutMetricData")}
    assert (force.standing().is_on, levers.said(FORCE_METRIC)) == (True, 1)
    force.move(is_on=False)
    assert (force.standing().is_on, levers.said(FORCE_METRIC)) == (False, 1), "silence takes it back"


def test_a_crash_before_the_datapoint_leaves_the_word_which_the_next_minute_publishes(levers):
    dying = Dying(levers.client("cloudwatch", own=True), "put_metric_data")
    with pytest.raises(CrashError):
        levers.force(metrics=dying).move(is_on=True)
    assert levers.said(FORCE_METRIC) == 0
    assert levers.force().repeat(levers.switch(parameters=Down())) is True
    assert levers.said(FORCE_METRIC) == 1


def test_a_parameter_that_holds_anything_else_is_an_error_that_names_it(levers):
    name = force_parameter(NAMESPACE, levers.cell)
    levers.client("ssm", own=True).put_parameter(Name=name, Value="maybe", Type="String")
    with pytest.raises(ValueError, match=f"parameter {name} holds 'maybe', none of 'no', 'yes'"):
        levers.force().standing()


def test_a_keeper_leaves_an_older_out_unsaid(levers):
    """It was dead when the region was forced in; now it is back, with what it said before."""
    levers.switch().move(Position.LOST)
    assert levers.said(SWITCH_METRIC) == 1
    levers.force().move(is_on=True)
    returned = levers.switch(force=levers.force())
    assert returned.position() is Position.IN, "and takes nothing over any more"
    assert (returned.publish(), levers.said(SWITCH_METRIC)) == (Position.IN, 1)
    assert levers.switch().standing().position is Position.LOST, "until somebody moves it"


def test_a_keeper_that_speaks_later_wins_and_the_word_is_withdrawn(levers):
    levers.force().move(is_on=True)
    levers.switch().move(Position.OUT)
    keeper = levers.switch(force=levers.force())
    assert (keeper.position(), keeper.publish(), levers.said(SWITCH_METRIC)) == (
        Position.OUT,
        Position.OUT,
        2,
    )
    assert levers.force().repeat(levers.switch()) is False
    assert (levers.force().standing().is_on, levers.said(FORCE_METRIC)) == (False, 1)


def test_a_word_outlives_a_keeper_that_is_silent_and_ends_when_it_restores(levers):
    levers.switch().move(Position.OUT)
    levers.force().move(is_on=True)
    for minutes in (2, 3):
        assert levers.force().repeat(levers.switch(parameters=Down())) is True
        assert levers.said(FORCE_METRIC) == minutes
    assert levers.force().repeat(levers.switch()) is True, "its keeper answers, with the older word"
    levers.switch().move(Position.IN)
    assert levers.force().repeat(levers.switch()) is False


@pytest.mark.parametrize("dead", [True, False])
def test_a_region_that_is_dead_or_not_forced_overrules_nothing(levers, dead):
    levers.switch().move(Position.OUT)
    force = levers.force(parameters=Down()) if dead else levers.force()
    keeper = levers.switch(force=force)
    assert (keeper.position(), keeper.publish()) == (Position.OUT, Position.OUT)


def test_a_region_is_not_asked_while_its_switch_is_in(levers):
    levers.switch().move(Position.IN)
    assert levers.switch(force=levers.force(parameters=Down())).publish() is Position.IN
    assert levers.force().repeat(levers.switch(parameters=Down())) is False, "nor its keeper"


@pytest.fixture
def published(levers: Levers) -> tuple[Callable[[], ObjectSwitch], Any]:
    """West's switch where it is an object, made anew by each call, and what lists the objects."""
    s3, bucket = levers.client("s3", own=False), f"switch-{levers.cell}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION_OF["east"]})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    parameters = levers.client("ssm", own=False)
    return (
        lambda: ObjectSwitch(
            **levers.which, parameters=parameters, objects=s3, bucket=bucket, force=levers.force()
        ),
        lambda of="objects_v2": getattr(s3, f"list_{of}")(Bucket=bucket),
    )


def test_an_object_that_says_an_older_out_is_removed(levers, published):
    which, listed = published
    which().move(Position.OUT)
    assert listed()["KeyCount"] == 1
    levers.force().move(is_on=True)
    assert which().publish() is Position.IN
    assert listed()["KeyCount"] == 0
    levers.force().move(is_on=False)
    assert which().publish() is Position.OUT
    assert listed()["KeyCount"] == 1


def test_an_object_is_written_and_removed_once_however_often_it_is_published(published):
    which, listed = published
    for position in (Position.OUT, Position.LOST, Position.IN):
        which().move(position)
        which().publish()
    found = listed("object_versions")
    assert (len(found["Versions"]), len(found["DeleteMarkers"])) == (1, 1)


@pytest.mark.parametrize(("later", "counts"), [(-1, False), (0, False), (1, True)])
def test_of_two_words_the_later_counts_and_of_the_same_moment_the_keepers(later, counts):
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    word = ForceStanding(is_on=True, version=1, since=at + timedelta(milliseconds=later))
    assert outdates(word, Standing(position=Position.OUT, version=1, since=at)) is counts


def test_the_function_repeats_the_word_of_its_own_region(aws, west, monkeypatch):
    levers = Levers(aws, number(west))
    ssm = levers.client("ssm", own=True)
    ssm.put_parameter(
        Name=f"/{NAMESPACE}/cell{levers.cell}/switch/east", Type="String", Value="in", Overwrite=True
    )
    ssm.put_parameter(
        Name=force_parameter(NAMESPACE, levers.cell), Type="String", Value=FORCED, Overwrite=True
    )
    functions: Functions = Failover(west, monkeypatch)
    try:
        assert functions.call("switch", {}) == {"position": "in", "forced": True}
        assert levers.said(FORCE_METRIC) == 1
        levers.switch().move(Position.OUT)
        assert functions.call("switch", {}) == {"position": "in", "forced": False}
    finally:
        functions.close()
    assert ssm.get_parameter(Name=force_parameter(NAMESPACE, levers.cell))["Parameter"]["Value"] == UNFORCED
