"""Whether one cell can serve all customers, from its own region's report: the check before `evacuate`.

Neither the peer nor Route 53 nor IAM is asked, so the check works while the peer is dead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ops.cell import DeployedCell
from ops.finding import Finding
from ops.health import cell_report
from ops.health.cell_report import ActiveAlarm, CellReport
from ops.plan import command
from runtime.contract import INVOCATIONS

#: Uploads that may wait for intake; 20 concurrent functions process as many within minutes.
WAITING_LIMIT = 10_000

#: Sections of the runbook whose alarms are about the other region. They go off because that region is dead,
#: and must not keep customers from being moved here.
ABOUT_PEER = frozenset({"peer-out", "forced-in", "replication-failed", "replication-late", "facts-delayed"})


def problems(cell: DeployedCell) -> list[str]:
    """Return a sentence for each problem of a cell, and for everything its region did not answer; [] if well.

    Makes some thirty requests at once, whatever the number of customers. Never raises an error from AWS.
    Alarms about the other region do not count as problems.
    """
    return [problem.line for problem in judged(cell_report.read(cell))]


def judged(found: CellReport) -> Iterator[Finding]:
    """Yield the problems in a region's report."""
    for what in _problems(found):
        yield Finding(where=found.region, what=what)


def is_about_peer(alarm: ActiveAlarm) -> bool:
    """Return whether an alarm is about the other region."""
    return alarm.section in ABOUT_PEER


def on(alarm: ActiveAlarm) -> str:
    """Return the sentence about an active alarm."""
    return f"the alarm {alarm.name} is on since {alarm.since}: {alarm.description}"


def _problems(found: CellReport) -> Iterator[str]:
    yield from found.unknowns
    if found.server is not None and found.manifest is not None:
        yield from _server(found.server, len(found.manifest.addresses))
    if found.queue is not None and found.queue.waiting > WAITING_LIMIT:
        yield (
            f"{found.queue.waiting:,} uploads wait for intake, more than {WAITING_LIMIT:,};"
            " see docs/runbook.md#ingest-delayed"
        )
    for of, queue in found.dead_letters.items():
        # A scheduled run that failed is made good by the next one. An alarm says if it goes on.
        if of != INVOCATIONS and (dead := queue.waiting + queue.taken):
            yield (
                f"{dead:,} dead letters ({of}) wait for an operator; see docs/runbook.md#{of}-dead-letters,"
                f" then: {command('redrive', found.region, '--queue', of)}"
            )
    if found.state_machine not in (None, "ACTIVE"):
        yield f"the workflow is {found.state_machine}, not ACTIVE"
    for handler, state in found.functions.items():
        if state != "Active":
            yield f"the function {handler} is {state}"
    if found.table is not None and found.table["TableStatus"] not in ("ACTIVE", "UPDATING"):
        yield f"the tracker is {found.table['TableStatus']}, not ACTIVE"
    if found.measures and found.measures.canary is False:
        failed = " and ".join(leg for leg, delivered in found.measures.legs.items() if not delivered)
        by = f" by {failed}" if failed else ""
        yield f"the last synthetic transfer{by} was not delivered; see docs/runbook.md#canary-failing"
    yield from (on(alarm) for alarm in found.alarms or () if not is_about_peer(alarm))


def _server(server: Mapping[str, Any], addresses: int) -> Iterator[str]:
    """Yield what is wrong with the SFTP server, which must have all the addresses allocated to it."""
    if server["State"] != "ONLINE":
        yield f"the SFTP server {server['ServerId']} is {server['State']}, not ONLINE"
    details = server.get("EndpointDetails", {})
    allocated = len(details.get("AddressAllocationIds", ()))
    if allocated != addresses:
        yield f"the SFTP server {server['ServerId']} has {allocated} of its {addresses} addresses"
