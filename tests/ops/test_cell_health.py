"""Whether one cell can carry all customers: what is checked, what is found, and what is ignored."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from ops.finding import Finding
from ops.health.cell_health import ABOUT_PEER, WAITING_LIMIT, judged, problems
from ops.health.cell_report import CellReport, Queue
from runtime import contract
from runtime.canary_legs import Leg
from runtime.contract import EAST
from runtime.metric_names import METRIC_CANARY, METRICS, cell_dimensions, leg_dimensions
from tests.ops.conftest import EASTERN, NAMESPACE
from tests.ops.well_cells import WellCell, well  # noqa: F401 - a fixture


@pytest.fixture
def east(well: dict[str, WellCell]) -> WellCell:  # noqa: F811
    return well[EAST]


def found(east: WellCell) -> str:
    (problem,) = problems(east.cell)
    assert problem.startswith(f"{EASTERN}: ")
    return problem.removeprefix(f"{EASTERN}: ")


def report(east: WellCell, *results: float, leg: Leg | None = None) -> None:
    """Publish results of synthetic transfers, of one leg or of all, a minute apart, the last of them now."""
    dimensions = cell_dimensions(NAMESPACE, east.place.cell)
    if leg:
        dimensions = leg_dimensions(NAMESPACE, east.place.cell, leg)
    start = datetime.now(UTC) - timedelta(minutes=len(results) - 1)
    east.client("cloudwatch").put_metric_data(
        Namespace=METRICS,
        MetricData=[
            {
                "MetricName": METRIC_CANARY,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                "Timestamp": start + timedelta(minutes=number),
                "Value": result,
            }
            for number, result in enumerate(results)
        ],
    )


def test_a_cell_that_is_well_has_no_problem_and_nobody_else_is_asked(east):
    report(east, 0, 0, 1)
    east.place.relay.forget()
    assert problems(east.cell) == []
    calls = east.place.relay.calls
    assert len(calls) == 13, "one for each of its parts"
    assert {call.split()[0] for call in calls} == {EASTERN}
    assert not {call.split()[1] for call in calls} & {"route53", "iam", "s3"}


def test_alarms_of_the_cell_are_its_problems_and_those_about_the_peer_are_not(east, well):  # noqa: F811
    name = east.alarm("canary-failing", section="canary-failing", state="ALARM")
    east.alarm("ingest-delayed", section="ingest-delayed", state="OK")
    east.alarm("other", section="canary-failing", state="ALARM", topic="arn:aws-us-gov:sns:::other")
    for section in ABOUT_PEER:
        east.alarm(section, section=section, state="ALARM")
    problem = found(east)
    assert re.fullmatch(
        rf"the alarm {name} is on since 20..-..-..T..:..:..Z: Something is wrong\. First: look\."
        r" Runbook: docs/runbook\.md#canary-failing",
        problem,
    )


def test_every_alarm_is_found_when_there_are_more_than_a_page_of_them(east):
    for number in range(51):
        east.alarm(f"n{number}", section="executions-failed", state="ALARM")
    assert len(problems(east.cell)) == 51


def test_a_server_that_is_not_online(east):
    east.client("transfer").stop_server(ServerId=east.manifest["server"])
    assert found(east) == f"the SFTP server {east.manifest['server']} is OFFLINE, not ONLINE"


def test_a_server_with_too_few_addresses(east):
    details = {"AddressAllocationIds": ["eipalloc-0"]}
    east.client("transfer").update_server(ServerId=east.manifest["server"], EndpointDetails=details)
    assert found(east) == f"the SFTP server {east.manifest['server']} has 1 of its 3 addresses"


@pytest.mark.parametrize("what", ["ingest", "replication", "events"])
def test_dead_letters_seen_or_taken(east, what):
    url = east.manifest["dead_letters"][what]
    east.send(url, 3)
    east.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=3600)
    see = f"see docs/runbook.md#{what}-dead-letters, then: mft-ops redrive {EASTERN} --queue {what}"
    assert found(east) == f"3 dead letters ({what}) wait for an operator; {see}"


def test_a_scheduled_run_that_failed_keeps_nobody_away(east):
    """The next run does its work, and an alarm says if that fails too."""
    east.send(east.manifest["dead_letters"]["invocations"], 3)
    assert problems(east.cell) == []


def test_the_depth_of_the_queue_counts_above_its_limit(east):
    east.send(east.manifest["queue"], 2)
    assert problems(east.cell) == []
    cell_report = CellReport(region=EASTERN, answers=True, queue=Queue(waiting=WAITING_LIMIT, taken=9))
    assert not list(judged(cell_report))
    cell_report.queue = Queue(waiting=WAITING_LIMIT + 1, taken=0)
    (problem,) = judged(cell_report)
    assert problem == Finding(
        where=EASTERN,
        what="10,001 uploads wait for intake, more than 10,000; see docs/runbook.md#ingest-delayed",
    )


def test_missing_resources_are_reported_and_do_not_hide_the_rest(east):
    east.client("lambda").delete_function(FunctionName=east.manifest["functions"]["switch"])
    east.client("stepfunctions").delete_state_machine(stateMachineArn=east.manifest["state_machine"])
    east.client("sqs").delete_queue(QueueUrl=east.manifest["queue"])
    east.client("transfer").stop_server(ServerId=east.manifest["server"])
    without_error = [each.partition(": An error")[0] for each in problems(east.cell)]
    assert without_error == [
        f"{EASTERN}: the depth of the intake queue is not known",
        f"{EASTERN}: the state of the workflow is not known",
        f"{EASTERN}: the state of the function switch is not known",
        f"{EASTERN}: the SFTP server {east.manifest['server']} is OFFLINE, not ONLINE",
    ]


def test_the_last_synthetic_transfer_decides(east):
    report(east, 1, 1, 0)
    see = "see docs/runbook.md#canary-failing"
    assert found(east) == f"the last synthetic transfer was not delivered; {see}", "of an earlier version"
    report(east, 1, 0, leg=Leg.SFTP)
    report(east, 0, 1, leg=Leg.S3)
    assert found(east) == f"the last synthetic transfer by sftp was not delivered; {see}"
    report(east, 0, leg=Leg.S3)
    assert found(east) == f"the last synthetic transfer by sftp and s3 was not delivered; {see}"


def test_a_region_that_does_not_answer_is_one_problem(east):
    east.place.relay.closed = {EASTERN}
    (problem,) = problems(east.cell)
    assert problem.startswith(f"{EASTERN}: does not answer: ")


def test_a_service_that_does_not_answer_is_one_problem(east):
    east.place.relay.closed = {f"{EASTERN} monitoring DescribeAlarms", f"{EASTERN} transfer"}
    server, alarms = problems(east.cell)
    assert server.startswith(f"{EASTERN}: the state of the SFTP server is not known: ")
    assert alarms.startswith(f"{EASTERN}: which alarms are on is not known: ")


@pytest.mark.parametrize("value", ["", "{}", "[]", '{"server": "s-1"}'])
def test_a_missing_or_malformed_manifest(east, value):
    name = contract.cell_parameter(NAMESPACE, east.place.cell, "parts")
    if value:
        east.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
        message = f"{EASTERN}: the parameter {name} does not list what the cell consists of"
    else:
        east.client("ssm").delete_parameter(Name=name)
        message = f"{EASTERN}: the parameter {name}, which lists what the cell consists of, is missing"
    assert problems(east.cell) == [f"{message}; run `pulumi up --refresh --stack gov-east`"]
