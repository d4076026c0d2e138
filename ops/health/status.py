"""The present state of both regions, for an operator to watch during an incident.

The registry is not read. If a region or Route 53's control plane is down, the rest is reported all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from ops import switches
from ops.aws_errors import blames_credentials, is_denied
from ops.cell import DeployedCell, cells
from ops.dns import dns_routing
from ops.dns.dns_changes import ControlPlaneError, HostedZone, WrongZoneError
from ops.dns.health_checks import ROUTE53, Checks
from ops.environment import Environment
from ops.health import cell_findings, cell_report, open_files
from ops.health.cell_report import CellReport
from ops.health.open_files import OpenFiles
from ops.plan import command
from ops.switches import Kept
from runtime.contract import REGION_OF, SIDES, peer_of

#: The most executions that are counted, and how far back failed ones are.
COUNTED, FAILED_WITHIN = 1_000, timedelta(hours=24)
_ENDED_BADLY = ("FAILED", "TIMED_OUT", "ABORTED")

#: Seconds for which the counted files and the list of shifted customers are kept. Both take many requests.
#: Route 53 accepts 5 a second from a whole account:
#: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
_FRESH = 60.0
_SILENT, _UNREAD = "Route 53's control plane does not answer", "Route 53's records cannot be read"


@dataclass(frozen=True, kw_only=True)
class Workload:
    """How many executions run, whether there are `more` than were counted, and how many failed in 24 h."""

    running: int
    more: bool
    failed: int


@dataclass(frozen=True, kw_only=True)
class Shifts:
    """The customers shifted out of each side, according to `source`; `problem` if that is not known."""

    source: str
    out_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class StatusReport:
    """The state of both sides. `workloads` has the regions that answered; `findings` are sentences.

    `files` are by the side that received them, where that is known.
    """

    at: datetime
    reports: Mapping[str, CellReport]
    switches: Mapping[str, Kept]
    workloads: Mapping[str, Workload]
    files: Mapping[str, OpenFiles]
    shifts: Shifts
    findings: Sequence[str]


class StatusWatch:
    """Reports on an environment, as often as it is asked."""

    def __init__(self, environment: Environment, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._environment, self._clock = environment, clock
        self._cells = {cell.side: cell for cell in cells(environment)}
        self._shifts: tuple[float, Shifts] | None = None
        self._counted: tuple[float, tuple[dict[str, OpenFiles], list[str]]] | None = None

    def look(self) -> StatusReport:
        """Return the present state; raises botocore's errors only for missing or expired credentials."""
        found = dict(zip(self._cells, cell_report.of_cells(list(self._cells.values())), strict=True))
        answering = [side for side, its in found.items() if its.answers]
        kept = {each.side: each for each in switches.kept(self._environment, answering)}
        findings = [each.line for side, its in found.items() for each in cell_findings.of_cell(side, its)]
        findings += [each.line for each in switches.differences(list(kept.values()))]
        shifts = self._shifted(answering, [side for side, its in kept.items() if its.is_out])
        workloads, problems = _workloads([self._cells[side] for side in answering], found)
        findings += problems
        files, problems = self._files([self._cells[side] for side in answering])
        findings += problems
        findings += [shifts.problem] if shifts.problem else []
        findings += [
            f"{REGION_OF[side]}: {', '.join(customers)} shifted out; bring back:"
            f" {command('shift', *customers, '--back')}"
            for side, customers in shifts.out_of.items()
            if customers
        ]
        return StatusReport(
            at=datetime.now(UTC),
            reports=found,
            switches=kept,
            workloads=workloads,
            files=files,
            shifts=shifts,
            findings=findings,
        )

    def _files(self, answering: Sequence[DeployedCell]) -> tuple[dict[str, OpenFiles], list[str]]:
        if self._counted is None or self._clock() - self._counted[0] >= _FRESH:
            self._counted = self._clock(), open_files.count(answering)
        return self._counted[1]

    def _shifted(self, answering: Sequence[str], out: Sequence[str]) -> Shifts:
        if self._shifts and self._clock() - self._shifts[0] < _FRESH:
            return self._shifts[1]
        try:
            found = self._by_records()
        except ControlPlaneError:
            found = self._by_answers(answering, out, _SILENT)
        except WrongZoneError as error:
            found = self._by_answers(answering, out, str(error))
        except (ClientError, BotoCoreError) as error:
            if blames_credentials(error):
                raise
            what = "the credentials do not let Route 53's records be read" if is_denied(error) else _UNREAD
            found = self._by_answers(answering, out, f"{what}: {error}")
        self._shifts = self._clock(), found
        return found

    def _by_records(self) -> Shifts:
        """Return the customers with a record that carries the health check which is never healthy."""
        zone = HostedZone(self._environment)
        checks = Checks(self._environment, zone.checks())
        outs = {checks.id(side, "out"): side for side in SIDES}
        tail = f".{self._environment.zone}."
        out_of: dict[str, set[str]] = {side: set() for side in SIDES}
        for record in zone.records():
            if record.health_check in outs and record.set_identifier == outs[record.health_check]:
                out_of[record.set_identifier].add(record.host.removesuffix(tail).rpartition(".")[2])
        return Shifts(source=ROUTE53, out_of={side: sorted(ids) for side, ids in out_of.items()})

    def _by_answers(self, answering: Sequence[str], out: Sequence[str], why: str) -> Shifts:
        """Return the customers whose name for a side that is in service points at the other side.

        `why` is the reason for asking name servers and not Route 53.
        """
        if not answering:
            return Shifts(source="DNS", problem=f"{why}, and no region lists its customers")
        problems: list[str] = []
        out_of = {}
        for side in (side for side in SIDES if side not in out):
            seen = dns_routing.look(self._cells[answering[0]], side)
            problems += seen.warnings
            out_of[side] = seen.at(peer_of(side))
        problem = "; ".join([f"{why}: DNS says which customers are shifted out", *problems])
        return Shifts(source="DNS", out_of=out_of, problem=problem)


def _workloads(
    answering: Sequence[DeployedCell], found: Mapping[str, CellReport]
) -> tuple[dict[str, Workload], list[str]]:
    """Return the workloads by side, and a sentence for each that is not known."""
    since = datetime.now(UTC) - FAILED_WITHIN

    def count(cell: DeployedCell, status: str) -> int:
        manifest = found[cell.side].manifest
        assert manifest is not None
        asked = {"stateMachineArn": manifest.state_machine, "statusFilter": status, "maxResults": COUNTED}
        executions = cell.client("stepfunctions").list_executions(**asked)["executions"]
        return sum(status == "RUNNING" or each["stopDate"] > since for each in executions)

    def workload(cell: DeployedCell) -> Workload:
        failed = sum(count(cell, status) for status in _ENDED_BADLY)
        running = count(cell, "RUNNING")
        return Workload(running=running, more=running >= COUNTED, failed=failed)

    workloads, problems = {}, []
    with ThreadPoolExecutor(len(SIDES)) as pool:
        known = [cell for cell in answering if found[cell.side].manifest]
        for cell, coming in [(cell, pool.submit(workload, cell)) for cell in known]:
            try:
                workloads[cell.side] = coming.result()
            except (ClientError, BotoCoreError) as error:
                problems.append(f"{cell.region}: how many executions run is not known: {error}")
    return workloads, problems
