"""Whether one cell can carry all customers, as its own region says: what `evacuate` looks at beforehand.

Nothing of the peer, of Route 53 or of IAM is asked, so that it can be told while the peer is dead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ops.cell import DeployedCell
from ops.finding import Finding
from ops.health import cell_report
from ops.health.cell_report import ActiveAlarm, CellReport

#: Uploads that may wait to be taken in; 20 functions at once take these in within minutes.
WAITING_LIMIT = 10_000

#: Sections of the runbook whose alarms are about the other region. They go off because that one is dead, and
#: must not keep customers from being brought here.
ABOUT_PEER = frozenset({"peer-out", "replication-failed", "replication-late", "facts-delayed"})


def problems(cell: DeployedCell) -> list[str]:
    """Return a sentence for each problem of a cell, also for what its region does not tell; [] when well.

    Some thirty requests at once, whatever the number of customers. Raises nothing that AWS causes. Alarms
    that are about the other region are none of its problems.
    """
    return [problem.line for problem in judged(cell_report.read(cell))]


def judged(found: CellReport) -> Iterator[Finding]:
    """Yield the problems that a region's answers show."""
    for what in _said(found):
        yield Finding(where=found.region, what=what)


def is_about_peer(alarm: ActiveAlarm) -> bool:
    """Return whether an alarm is about the other region."""
    return alarm.section in ABOUT_PEER


def on(alarm: ActiveAlarm) -> str:
    """Return the sentence about an alarm that is on."""
    return f"the alarm {alarm.name} is on since {alarm.since}: {alarm.description}"


def _said(found: CellReport) -> Iterator[str]:
    yield from found.unknowns
    if found.server is not None and found.parts is not None:
        yield from _server(found.server, len(found.parts.addresses))
    if found.queue is not None and found.queue.waiting > WAITING_LIMIT:
        yield (
            f"{found.queue.waiting:,} uploads wait to be taken in, more than {WAITING_LIMIT:,};"
            " see docs/runbook.md#ingest-delayed"
        )
    for of, queue in found.dead_letters.items():
        if dead := queue.waiting + queue.taken:
            yield (
                f"{dead:,} dead letters of the function {of} wait for a person;"
                f" see docs/runbook.md#{of}-dead-letters"
            )
    if found.state_machine not in (None, "ACTIVE"):
        yield f"the workflow is {found.state_machine}, not ACTIVE"
    for handler, state in found.functions.items():
        if state != "Active":
            yield f"the function {handler} is {state}"
    if found.table is not None and found.table["TableStatus"] not in ("ACTIVE", "UPDATING"):
        yield f"the tracker is {found.table['TableStatus']}, not ACTIVE"
    if found.measures and found.measures.canary is False:
        yield "the last synthetic transfer was not delivered; see docs/runbook.md#canary-failing"
    yield from (on(alarm) for alarm in found.alarms or () if not is_about_peer(alarm))


def _server(server: Mapping[str, Any], addresses: int) -> Iterator[str]:
    """Yield what is wrong with the SFTP server; it shall have as many addresses as were made for it."""
    if server["State"] != "ONLINE":
        yield f"the SFTP server {server['ServerId']} is {server['State']}, not ONLINE"
    details = server.get("EndpointDetails", {})
    allocated = len(details.get("AddressAllocationIds", ()))
    if allocated != addresses:
        yield f"the SFTP server {server['ServerId']} has {allocated} of its {addresses} addresses"
