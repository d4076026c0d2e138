"""The switch: one parameter and one datapoint in the peer region, where the program's alarm looks."""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from components import bundle
from local.aws.emulator import Emulator
from local.program import ROOT, Graph
from runtime.contract import EAST, REGION_OF, SIDES, WEST, Position, peer_of, switch_parameter
from runtime.environment import ENV_CELL, ENV_STATE_MACHINE
from runtime.metric_names import SWITCH_METRIC, SWITCH_NAMESPACE, switch_dimensions
from runtime.switch import Switch
from tests.program.conftest import RUNTIME, STACKS, record
from tests.runtime.cells import NAMESPACE, Cell, CrashError, Dying
from tests.runtime.test_handlers import Functions

MOVE = {"PutParameter": 1, "PutMetricData": 1}
PUBLISH = {"GetParameter": 1, "PutMetricData": 1}
_cells = itertools.count(100_000)  # beyond the numbers of the cells that have functions


class Failover(Functions):
    """The functions that read the peer's switch, each with its environment and nothing more."""

    def _environment(self, function: str) -> dict[str, str]:
        environment = super()._environment(function) | {ENV_CELL: number(self._cell)}
        if function == "takeover":
            environment[ENV_STATE_MACHINE] = self._cell.state_machine
        return environment


def number(cell: Cell) -> str:
    """Return a cell's number: all cells of the tests are in one account."""
    return str(100 + int(cell.customer.removeprefix("c")))


@contextmanager
def calls(*clients: Any) -> Iterator[Counter[tuple[str, str]]]:
    """Count the calls to AWS, by the region that a request is signed for and the operation."""
    counted: Counter[tuple[str, str]] = Counter()

    def count(region_name: str, operation_name: str, **_: Any) -> None:
        counted[region_name, operation_name] += 1

    for client in clients:
        client.meta.events.register("before-sign", count, unique_id="count")
    yield counted
    for client in clients:
        client.meta.events.unregister("before-sign", count, unique_id="count")


class Estate:
    """One cell's number, and its switches."""

    def __init__(self, aws: Emulator, cell: str = "") -> None:
        self._aws, self.cell = aws, cell or str(next(_cells))
        self.clients = [
            aws.client(service, region) for service in ("ssm", "cloudwatch") for region in REGION_OF.values()
        ]

    def switch(self, side: str, *, metrics: Any = None) -> Switch:
        at = REGION_OF[peer_of(side)]
        parameters = self._aws.client("ssm", at)
        metrics = metrics or self._aws.client("cloudwatch", at)
        return Switch(namespace=NAMESPACE, cell=self.cell, side=side, parameters=parameters, metrics=metrics)

    def hold(self, side: str, value: str) -> None:
        """Write the parameter without using the switch."""
        name = switch_parameter(NAMESPACE, self.cell, side)
        ssm = self._aws.client("ssm", REGION_OF[peer_of(side)])
        ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    def published(self, side: str) -> list[tuple[float, float, float]]:
        """Return count, minimum and maximum of the datapoints that the peer region has; empty for none."""
        dimensions = switch_dimensions(NAMESPACE, self.cell, side)
        return statistics(
            self._aws.client("cloudwatch", REGION_OF[peer_of(side)]),
            Namespace=SWITCH_NAMESPACE,
            MetricName=SWITCH_METRIC,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        )


def statistics(metrics: Any, **which: Any) -> list[tuple[float, float, float]]:
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    datapoints = metrics.get_metric_statistics(
        StartTime=day - timedelta(days=1),
        EndTime=day + timedelta(days=2),
        Period=int(timedelta(days=365).total_seconds()),
        Statistics=["SampleCount", "Minimum", "Maximum"],
        **which,
    )["Datapoints"]
    return [(each["SampleCount"], each["Minimum"], each["Maximum"]) for each in datapoints]


@pytest.fixture
def estate(aws: Emulator) -> Estate:
    return Estate(aws)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Graph]:
    """The program's graph of each stack, with one customer."""
    bundle.install(RUNTIME)
    root = tmp_path_factory.mktemp("project")
    (root / "customers").mkdir()
    shutil.copy(next(Path(ROOT, "customers").glob("*.yaml")), root / "customers")
    return {stack: record(stack, root=root) for stack in STACKS}


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_move_is_one_parameter_and_one_datapoint_in_the_peer_region(estate, side):
    switch, value = estate.switch(side), {Position.OUT: 1.0, Position.IN: 0.0}
    for moves, position in enumerate((Position.OUT, Position.IN), start=1):
        with calls(*estate.clients) as counted:
            switch.move(position)
        assert counted == {(REGION_OF[peer_of(side)], name): 1 for name in MOVE}
        assert switch.position() is position
        ((count, minimum, maximum),) = estate.published(side)
        assert (count, minimum, maximum) == (moves, value[position], 1.0)


@pytest.mark.parametrize(("position", "value"), [(Position.OUT, 1.0), (Position.IN, 0.0)])
def test_a_publication_repeats_the_position_and_moves_nothing(estate, side, position, value):
    estate.hold(side, position.value)
    with calls(*estate.clients) as counted:
        assert [estate.switch(side).publish() for _ in range(3)] == [position] * 3
    at = REGION_OF[peer_of(side)]
    assert counted == {(at, name): 3 for name in PUBLISH}
    assert estate.published(side) == [(3, value, value)]


def test_a_region_and_a_cell_have_a_switch_of_their_own(aws, estate):
    other = Estate(aws)
    for its in (estate, other):
        for side in SIDES:
            its.hold(side, "in")
    estate.switch(WEST).move(Position.OUT)
    assert [estate.switch(side).position() for side in (WEST, EAST)] == [Position.OUT, Position.IN]
    assert other.switch(WEST).position() is Position.IN
    assert estate.published(EAST) == other.published(WEST) == []


@pytest.mark.parametrize("garbage", ["OUT", "out\n", "1", "true"])
def test_a_parameter_that_holds_anything_else_is_an_error_that_names_it(estate, garbage):
    estate.hold(WEST, garbage)
    name = switch_parameter(NAMESPACE, estate.cell, WEST)
    for ask in (estate.switch(WEST).position, estate.switch(WEST).publish):
        with pytest.raises(ValueError) as raised:
            ask()
        assert str(raised.value) == f"parameter {name} holds {garbage!r}, none of 'in', 'out', 'lost'"
    assert estate.published(WEST) == []
    estate.switch(WEST).move(Position.OUT)
    assert estate.switch(WEST).position() is Position.OUT


def test_a_switch_that_was_never_made_publishes_nothing(estate):
    with pytest.raises(ClientError, match="ParameterNotFound"):
        estate.switch(WEST).publish()
    assert estate.published(WEST) == []


def test_a_crash_before_the_datapoint_leaves_the_position_which_the_next_minute_publishes(aws, estate):
    """The other order would publish `out`, and take it back a minute later."""
    estate.hold(WEST, "in")
    dying = Dying(aws.client("cloudwatch", REGION_OF[EAST]), "put_metric_data")
    with pytest.raises(CrashError):
        estate.switch(WEST, metrics=dying).move(Position.OUT)
    assert estate.published(WEST) == []
    assert estate.switch(WEST).publish() is Position.OUT
    assert estate.published(WEST) == [(1, 1.0, 1.0)]


def compared(value: float, operator: str, threshold: float) -> bool:
    comparisons: dict[str, Callable[[], bool]] = {
        "GreaterThanOrEqualToThreshold": lambda: value >= threshold,
        "GreaterThanThreshold": lambda: value > threshold,
    }
    return comparisons[operator]()


@pytest.mark.parametrize("stack", STACKS)
def test_the_programs_alarm_sees_what_its_parameter_says(aws, graphs, stack):
    """Each stack's alarm is in its peer region, where the peer's stack keeps the parameter."""
    alarm = graphs[stack].one("aws:cloudwatch/metricAlarm:MetricAlarm", "cell1-health-switch").inputs
    keeper = next(name for name in STACKS if name != stack)
    parameter = graphs[keeper].one("aws:ssm/parameter:Parameter", "cell1-failover-switch").inputs
    namespace, side = "example-mft", stack.removeprefix("gov-")
    assert parameter["name"] == switch_parameter(namespace, "1", side)
    assert alarm["region"] == REGION_OF[peer_of(side)]
    ssm, metrics = (aws.client(service, alarm["region"]) for service in ("ssm", "cloudwatch"))
    ssm.put_parameter(Name=parameter["name"], Type=parameter["type"], Value=parameter["value"])
    switch = Switch(namespace=namespace, cell="1", side=side, parameters=ssm, metrics=metrics)

    def in_alarm() -> bool:
        ((_, minimum, maximum),) = statistics(
            metrics,
            Namespace=alarm["namespace"],
            MetricName=alarm["metricName"],
            Dimensions=[{"Name": name, "Value": value} for name, value in alarm["dimensions"].items()],
        )
        seen = {"Minimum": minimum, "Maximum": maximum}[alarm["statistic"]]
        return compared(seen, alarm["comparisonOperator"], alarm["threshold"])

    assert switch.publish() is Position.IN
    assert not in_alarm()
    switch.move(Position.OUT)
    assert in_alarm()


@pytest.mark.parametrize("function", ["switch", "takeover"])
def test_the_program_gives_a_function_the_environment_that_it_is_tested_with(
    west, monkeypatch, graphs, function
):
    made = graphs["gov-west"].one("aws:lambda/function:Function", f"cell1-failover-{function}").inputs
    assert made["handler"] == f"runtime.handlers.{function}.handler"
    read_by_boto3 = {"AWS_SDK_UA_APP_ID", "AWS_USE_FIPS_ENDPOINT"}
    read_by_the_code = set(made["environment"]["variables"]) - read_by_boto3
    assert set(Failover(west, monkeypatch)._environment(function)) == read_by_the_code


def test_the_function_publishes_the_position_of_the_peer(aws, west, monkeypatch):
    name = switch_parameter(NAMESPACE, number(west), EAST)
    aws.client("ssm", west.region).put_parameter(Name=name, Type="String", Value="out")
    functions = Failover(west, monkeypatch)
    try:
        assert functions.call("switch", {"source": "aws.events"}) == {"position": "out", "forced": False}
    finally:
        functions.close()
    assert Estate(aws, number(west)).published(EAST) == [(1, 1.0, 1.0)]


def test_out_since_is_when_the_switch_last_left_in_even_if_declared_lost_later():
    client = boto3.client(
        "ssm", region_name="us-gov-east-1", aws_access_key_id="1", aws_secret_access_key="2"
    )
    began = datetime(2026, 1, 1, tzinfo=UTC)

    def out_since(*values: str) -> datetime | None:
        with Stubber(client) as stub:
            written = [
                {"Value": value, "Version": number, "LastModifiedDate": began + timedelta(hours=number)}
                for number, value in enumerate(values, start=1)
            ]
            stub.add_response("get_parameter_history", {"Parameters": written[::-1]})
            return Switch(namespace="n", cell="1", side=WEST, parameters=client, metrics=None).out_since()

    assert out_since("in", "out", "in", "out", "lost") == began + timedelta(hours=4)
    assert out_since("in", "lost") == began + timedelta(hours=2)
    assert out_since("in", "out", "in") is None
    client.close()
