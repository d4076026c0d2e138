"""`python -m ops status`: one screen about both regions, and the exit codes."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from customers import names
from local.aws.emulator import ROOT
from ops.commands.status import _fitting
from ops.environment import Environment
from ops.health import open_files, status
from runtime import contract
from runtime.contract import EAST, REGION_OF, WEST, Kind
from runtime.facts import Fact
from runtime.metric_names import METRICS, cell_dimensions
from runtime.tracker import Tracker
from tests.ops.conftest import EASTERN, NAMESPACE, WESTERN, Place
from tests.ops.customer_zone import Estate, zone  # noqa: F401 - a fixture
from tests.ops.well_cells import WellCell, well  # noqa: F401 - a fixture

_numbers = itertools.count(1)
CONTROL_PLANE = f"{WESTERN} route53"


@pytest.fixture
def both(zone: Estate, well: dict[str, WellCell]) -> dict[str, WellCell]:  # noqa: F811
    """Both cells, well, with two customers, their records, and the zone's name server."""
    zone.registry({"id": "aaa111"}, {"id": "bbb222", "primary": "east"})
    zone.deploy()
    zone.server.refresh()
    for side, cell in well.items():
        bucket = names.cell_bucket(NAMESPACE, cell.place.cell, "config", side)
        s3 = cell.client("s3")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION_OF[side]})
        for id in ("aaa111", "bbb222", contract.canary(cell.place.cell)):
            s3.put_object(Bucket=bucket, Key=contract.config_key(id), Body=b"{}")
    return well


def document(place: Place) -> Mapping[str, Any]:
    code, status = place.json("status")
    assert code == (0 if status["well"] else 1)
    assert status["well"] == (not status["findings"])
    return status


def measure(cell: WellCell, **values: float) -> None:
    dimensions = cell_dimensions(NAMESPACE, cell.place.cell)
    data = [
        {
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            "Value": value,
            "Timestamp": datetime.now(UTC),
        }
        for name, value in values.items()
    ]
    cell.client("cloudwatch").put_metric_data(Namespace=METRICS, MetricData=data)


def test_all_is_well(both, place):
    measure(both[EAST], CanaryDelivered=1, AddressesAnswering=3)
    status = document(place)
    assert status["findings"] == []
    assert list(status["regions"]) == [EASTERN, WESTERN]
    east = dict(status["regions"][EASTERN])
    since = east["switch"].pop("since")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", since)
    assert east == {
        "answers": True,
        "switch": {"kept_in": WESTERN, "position": "in"},
        "shifted_out": [],
        "sftp": "ONLINE",
        "queue": {"waiting": 0, "taken": 0},
        "dead_letters": {"ingest": 0, "replication": 0, "events": 0, "invocations": 0},
        "workflow": {"running": 0, "more": False, "failed": 0},
        "files": {"held": 0, "failed": 0, "retrying": 0},
        "measured": {
            "canary": True,
            "legs": {},
            "addresses": 3,
            "facts_delay": None,
            "copies_lost": 0,
            "copies_late": 0,
        },
        "alarms": [],
    }
    result = place.ops("status")
    assert (result.code, result.err) == (0, "")
    *_, last = result.out.splitlines()
    assert last.strip() == "all is well"
    assert f"in since {since}, kept in {WESTERN}" in result.out
    assert len(result.out.splitlines()) < 24, "one screen"


def test_findings_are_shown_with_the_section_of_the_runbook(both, place):
    east = both[EAST]
    name = east.alarm("facts-delayed", section="facts-delayed", state="ALARM")
    east.send(east.manifest["dead_letters"]["ingest"])
    measure(east, ReplicationFailed=2, ReplicationUntracked=1, ReplicationMissed=5, ReplicationLate=3)
    place.hold(WEST, "lost")
    status = document(place)
    alarm = status["regions"][EASTERN]["alarms"][0]
    assert (alarm["name"], alarm["section"]) == (name, "facts-delayed")
    assert status["regions"][WESTERN]["switch"]["position"] == "lost"
    assert [re.sub(r"since \S+( [^;]*UTC)?", "since THEN", each) for each in status["findings"]] == [
        f"{EASTERN}: 1 dead letters (ingest) wait for an operator; see docs/runbook.md#ingest-dead-letters,"
        f" then: mft-ops redrive {EASTERN} --queue ingest",
        f"{EASTERN}: the alarm {name} is on since THEN Something is wrong. First: look."
        " Runbook: docs/runbook.md#facts-delayed",
        f"{EASTERN}: S3 gave up on 3 copies to {WESTERN} in the last 24 hours;"
        " see docs/runbook.md#replication-failed",
        f"{EASTERN}: 2 files of the last 24 hours were not in {WESTERN} after 15 minutes;"
        " see docs/runbook.md#replication-late",
        f"{WESTERN}: it is lost since THEN; mft-ops restore {WESTERN}",
    ]
    result = place.ops("status")
    assert result.code == 1
    assert "docs/runbook.md#facts-delayed" in result.out


def test_executions_that_run_and_that_failed(both, place):
    workflow = both[EAST].client("stepfunctions")
    machine = {"stateMachineArn": both[EAST].manifest["state_machine"]}

    def start(state: Mapping[str, Any], count: int) -> list[str]:
        definition = {"StartAt": "Only", "States": {"Only": state}}
        workflow.update_state_machine(**machine, definition=json.dumps(definition))
        return [workflow.start_execution(**machine)["executionArn"] for _ in range(count)]

    def assert_executions(**wanted: Any) -> None:
        give_up = time.monotonic() + 60
        while (found := document(place)["regions"][EASTERN]["workflow"]) != wanted:
            assert time.monotonic() < give_up, found
            time.sleep(0.1)

    start({"Type": "Fail"}, 2)
    assert_executions(running=0, more=False, failed=2)
    running = start({"Type": "Wait", "Seconds": 600, "End": True}, 3)
    assert_executions(running=3, more=False, failed=2)
    assert "3 running, 2 failed in 24 h" in place.ops("status").out
    for execution in running:
        workflow.stop_execution(executionArn=execution)
    assert_executions(running=0, more=False, failed=5)


def leave(cell: WellCell, side: str, minutes: int, *kinds: Kind, over: str = "") -> Fact:
    """Record a transfer that a side received minutes ago, and what became of it; return its last fact."""
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    made = None
    number = next(_numbers)
    for kind in (Kind.RECEIVED, *kinds):
        detail: dict[str, Any] = {"destinations": ["partner"], "over": [over]}
        made = Fact(
            file=f"{number}",
            transfer=f"{at:%Y%m%dT%H%M%SZ}-{number:020x}",
            kind=kind,
            customer="aaa111",
            key="inbound/sdk/a.csv",
            side=side,
            writer="w",
            at=at.isoformat(),
            expires=2**32,
            destination="" if kind is Kind.RECEIVED else "partner",
            detail=detail,
        )
        tracker(cell).record(made)
    return made


def tracker(cell: WellCell) -> Tracker:
    table = names.tracker_table(cell.place.cell)
    return Tracker(table=table, side=cell.side, client=cell.client("dynamodb"))


def test_held_and_failed_files_are_found_in_the_tracker_and_those_that_are_tried_are_shown(both, place):
    west = both[WEST]
    leave(west, WEST, 60, Kind.DELIVERED)
    leave(west, WEST, 60, Kind.FAILED)
    leave(west, WEST, 60, Kind.FAILED, Kind.HELD)
    leave(west, WEST, 60)
    leave(west, WEST, 5)  # as young as most that are under way
    leave(west, EAST, 60, Kind.HELD)
    status = document(place)
    counts = {region: its["files"] for region, its in status["regions"].items()}
    assert counts == {
        WESTERN: {"held": 1, "failed": 1, "retrying": 1},
        EASTERN: {"held": 1, "failed": 0, "retrying": 0},
    }
    words = "held until a person decides, and {} failed: mft-ops gaps --window 48h"
    assert status["findings"] == [
        f"{EASTERN}: of the files since yesterday, 1 {words.format(0)}",
        f"{WESTERN}: of the files since yesterday, 1 {words.format(1)}",
    ]
    out = place.ops("status").out
    assert "all is well" not in out
    assert "1 held, 1 failed, 1 tried for long" in out
    place.relay.closed = {f"{WESTERN} "}  # its peer's replica says the same
    counts = {region: its["files"] for region, its in document(place)["regions"].items()}
    assert counts[WESTERN] == {"held": 1, "failed": 1, "retrying": 1}


def test_what_cannot_be_counted_in_time_is_not_known(both, place, monkeypatch):
    leave(both[WEST], WEST, 60, Kind.HELD)
    monkeypatch.setattr(open_files, "_PATIENCE", -1.0)
    status = document(place)
    assert status["regions"][WESTERN]["files"] is None
    assert all("how many files are held or have failed is not known" in each for each in status["findings"])


def test_customers_that_are_shifted_out(both, zone, place):  # noqa: F811
    out = zone.check(WEST, "out")
    for record in _halves(zone, "aaa111", WEST):
        change = {"Action": "UPSERT", "ResourceRecordSet": {**record, "HealthCheckId": out}}
        batch = {"Changes": [change]}
        zone.route53.change_resource_record_sets(HostedZoneId=zone.zone_id, ChangeBatch=batch)
    zone.server.refresh()
    status = document(place)
    back = f"{WESTERN}: aaa111 shifted out; bring back: mft-ops shift aaa111 --back"
    assert status["findings"] == [back]
    assert status["shifts_according_to"] == "Route 53"
    assert [its["shifted_out"] for its in status["regions"].values()] == [[], ["aaa111"]]

    place.relay.closed = {CONTROL_PLANE}
    status = document(place)
    silent = "Route 53's control plane does not answer: DNS says which customers are shifted out"
    assert status["findings"] == [silent, back]
    assert status["shifts_according_to"] == "DNS"
    assert [its["shifted_out"] for its in status["regions"].values()] == [[], ["aaa111"]]

    place.relay.closed = set()
    place.relay.expired = {CONTROL_PLANE: "AccessDenied"}
    denied, found = document(place)["findings"]
    assert denied.startswith("the credentials do not let Route 53's records be read: An error occurred (")
    assert denied.endswith(": DNS says which customers are shifted out")
    assert found == back

    place.relay.expired = {}
    for file in place.root.glob("Pulumi.*.yaml"):
        file.write_text(file.read_text().replace(zone.zone_id, "Z0000000000000WRONG"))
    wrong, found = document(place)["findings"]
    assert wrong.startswith("mft:zoneId: Route 53 has no hosted zone Z0000000000000WRONG in the account of")
    assert found == back


def _halves(zone: Estate, id: str, side: str) -> list[dict[str, Any]]:  # noqa: F811
    pages = zone.route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone.zone_id)
    return [
        each
        for page in pages
        for each in page["ResourceRecordSets"]
        if each.get("SetIdentifier") == side and f".{id}." in each["Name"]
    ]


def test_one_region_dead_and_the_control_plane_with_it(both, place):
    place.relay.closed = {f"{WESTERN} "}
    status = document(place)
    west, east = status["regions"][WESTERN], status["regions"][EASTERN]
    assert (west["answers"], east["answers"]) == (False, True)
    assert west["switch"]["position"] == "in", "which East keeps"
    assert east["switch"] == {"kept_in": WESTERN, "position": None, "since": None}
    first, *others = status["findings"]
    assert first.startswith(f"{WESTERN}: does not answer: ")
    assert others == [
        f"{EASTERN}: where its switch stands is not known: {WESTERN} keeps it, and does not answer;"
        f" if {EASTERN} is out and {WESTERN} does not come back: mft-ops force-in {EASTERN}",
        "Route 53's control plane does not answer: DNS says which customers are shifted out",
    ]
    result = place.ops("status")
    assert result.code == 1
    assert re.search(r"answers +yes +NO", result.out)


def test_with_both_regions_dead_the_findings_say_so(both, place):
    place.relay.closed = {"us-gov-"}
    status = document(place)
    assert [its["answers"] for its in status["regions"].values()] == [False, False]
    assert status["regions"][EASTERN]["shifted_out"] is None
    assert "no region lists its customers" in status["findings"][-1]
    assert "not known" in place.ops("status").out


def test_the_zone_is_not_read_again_at_every_look(both, place):
    now = 0.0
    watch = status.StatusWatch(Environment.read(place.root), clock=lambda: now)
    for at, reads in ((0.0, True), (59.0, False), (60.0, True)):
        now = at
        place.relay.forget()
        watch.look()
        assert any(CONTROL_PLANE in call for call in place.relay.calls) is reads
        assert sum("DescribeAlarms" in call for call in place.relay.calls) == 2


def test_watching_goes_on_until_it_is_interrupted(both, place):
    done = subprocess.Popen(
        [sys.executable, "-m", "ops", "status", "--watch", "--root", str(place.root)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(place.root), **place.credentials},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    give_up = time.monotonic() + 60
    try:
        while sum("DescribeAlarms" in call for call in place.relay.calls) < 4:
            assert time.monotonic() < give_up
            assert done.poll() is None
            time.sleep(0.1)
        done.send_signal(signal.SIGINT)
        out, err = done.communicate(timeout=60)
    finally:
        done.kill()
    assert (done.returncode, err) == (0, "")
    assert "all is well" in out


def test_on_a_small_terminal_findings_come_first_and_the_rest_is_counted(both, place):
    east = both[EAST]
    for count in range(9):
        east.alarm(f"files-held-{count}", section="files-held", state="ALARM")
    place.hold(WEST, "lost")
    found = document(place)
    assert len(found["findings"]) == 10
    console = Console(width=80, height=24, file=io.StringIO(), force_terminal=True, color_system=None)
    screen = console.render_lines(_fitting(found, console), pad=False)
    lines = ["".join(segment.text for segment in line) for line in screen]
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(f"{EASTERN}: the alarm")
    (more,) = (at for at, line in enumerate(lines) if " more: mft-ops status" in line)
    shown = sum(line.startswith((EASTERN, WESTERN)) for line in lines[:more])
    assert lines[more] == f"{10 - shown} more: mft-ops status"
    assert shown >= 2
    assert more < 10, "and the table has room for its first rows"
    wide = Console(width=200, height=60, file=io.StringIO(), force_terminal=True, color_system=None)
    text = "".join(s.text for line in wide.render_lines(_fitting(found, wide), new_lines=True) for s in line)
    assert "more: mft-ops" not in text
    assert all(each in " ".join(text.split()) for each in found["findings"])


def test_watch_and_json_exclude_each_other(place):
    assert place.ops("status", "--watch", "--json").code == 2
