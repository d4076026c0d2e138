"""An acceptance, carried out: a deployed environment proves itself."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops.acceptance import aws_deliveries, host_keys, leftovers, replication, route53_health, sent_files
from ops.acceptance.acceptance_plan import FAILOVER, AcceptancePlan
from ops.acceptance.accepted_cell import AcceptedCell
from ops.acceptance.failover_rehearsal import FailoverRehearsal
from ops.acceptance.observation import Check, Observations, Patience
from ops.acceptance.receipts import ReceiptQueue
from ops.acceptance.sent_files import SentFile, content_of
from ops.acceptance.sftp_session import SftpEndpoint, SftpSession
from ops.acceptance.synthetic_customer import file_name
from ops.environment import Environment
from ops.health.ready import Readiness
from ops.logbook import Logbook, Recording

#: The verb under which the logbook has acceptances.
ACCEPT = "accept"
#: How long before an acceptance AWS's metrics are looked at: what has failed in this time fails now.
_BEFORE = timedelta(minutes=15)


@dataclass(kw_only=True)
class Acceptance:
    """One run of a plan. `stepped` is called with the name of each part when it begins."""

    environment: Environment
    root: Path
    plan: AcceptancePlan
    cells: dict[str, AcceptedCell]
    observed: Observations
    patience: Patience = field(default_factory=Patience)
    stepped: Callable[[str], None] = lambda name: None
    run: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}")
    files: list[SentFile] = field(default_factory=list)

    def carry_out(self, why: str) -> list[Recording]:
        """Do all of it, and record it in both regions; return both recordings.

        Raises RefusedError, before anything is done, if that cannot be recorded.
        """
        since = datetime.now(UTC) - _BEFORE
        plan, recordings = self.plan, []
        with ExitStack() as books:
            for cell in self.cells.values():
                book = Logbook(cell.deployed, ACCEPT)
                entry = book.recorded(digest=plan.digest, plan=plan.document, why=why)
                recordings.append(books.enter_context(entry))
            rehearsal = FailoverRehearsal(self.environment, self.root, why, self.observed, self.patience)
            self._tidy(rehearsal)
            self._ready()
            for cell, recording in zip(self.cells.values(), recordings, strict=True):
                aws_deliveries.audit(cell, recording.folder, self.observed)
            self._send_and_follow()
            self._aws(since)
            self._remove()
            if self.plan.document.get(FAILOVER, {}).get("regions"):
                self.stepped("failover")
                with self.observed.attempt(Check.FAILOVER, "both regions", "they are rehearsed"):
                    rehearsal.play()
            unseen = [each.line for each in self.observed.unseen]
            for recording in recordings:
                recording.outcome = {"run": self.run, "seen": len(self.observed.made) - len(unseen)}
                recording.outcome |= {"unseen": unseen}
        return recordings

    def _tidy(self, rehearsal: FailoverRehearsal) -> None:
        """Put back and remove what an earlier acceptance has left."""
        self.stepped("what was left")
        for side in self.plan.out:
            with self.observed.attempt(Check.FAILOVER, self.cells[side].region, "it is put back"):
                rehearsal.restore(side)
        if self.plan.left:
            self._remove_all("what an earlier acceptance left is removed")

    def _ready(self) -> None:
        self.stepped("both cells")
        where = "both regions"
        with self.observed.attempt(Check.READY, where, "mft-ops ready finds no difference"):
            report = Readiness(self.environment, self.root, ()).look(lambda count: None)
            for each in report.differences:
                self.observed.note(
                    Check.READY, each.where, "mft-ops ready finds no difference", False, each.line
                )
            if not report.differences:
                found = f"{report.customers} customers, registry {report.revision}"
                self.observed.note(Check.READY, where, "mft-ops ready finds no difference", True, found)

    def _send_and_follow(self) -> None:
        self.stepped("host keys")
        endpoints = host_keys.look(self.cells, self.observed)
        queues = {side: ReceiptQueue(cell=cell, run=self.run) for side, cell in self.cells.items()}
        for queue in queues.values():
            with self.observed.attempt(
                Check.RECEIPTS, queue.cell.region, "a queue is subscribed to receipts"
            ):
                queue.open()
        for side, cell in self.cells.items():
            self.stepped(f"sending to {cell.region}")
            begun = len(self.files)
            self._by_sftp(cell, endpoints.get(side), SftpSession.send)
            self._by_s3(cell)
            self._follow(self.files[begun:])
            # Only now: while the first content is on its way, the second would wait for it.
            begun = len(self.files)
            self._by_sftp(cell, endpoints.get(side), SftpSession.overwrite)
            self._follow(self.files[begun:])
        sent_files.receipts(self.files, queues, self.observed, self.patience)
        self.stepped("replication")
        replication.look(self.files, self.cells, self.observed, self.patience)

    def _by_sftp(
        self,
        cell: AcceptedCell,
        endpoint: SftpEndpoint | None,
        act: Callable[[SftpSession, Callable[[str], bytes]], None],
    ) -> None:
        what = f"a session of {cell.customer.user}"
        if endpoint is None:
            found = "no address presents the host keys that it should"
            self.observed.note(Check.SFTP, cell.region, what, False, found)
            return

        def stored(shows: str, name: str, content: bytes) -> None:
            key = f"{cell.customer.sftp_folder}{name}"
            self.files.append(SentFile.found(cell, shows, key, content))

        session = SftpSession(
            endpoint=endpoint,
            user=cell.customer.user,
            key=cell.customer.key,
            run=self.run,
            observed=self.observed,
            stored=stored,
        )
        with self.observed.attempt(Check.SFTP, cell.region, what):
            act(session, content_of)

    def _by_s3(self, cell: AcceptedCell) -> None:
        content, what = content_of("s3"), "a file is put into the bucket"
        with self.observed.attempt(Check.S3, cell.region, what):
            key = f"{cell.customer.s3_folder}{file_name(self.run, cell.side, 's3')}"
            cell.client("s3").put_object(Bucket=cell.inbound, Key=key, Body=content)
            self.files.append(SentFile.found(cell, "s3", key, content))
            self.observed.note(Check.S3, cell.region, what, True, f"{len(content)} bytes")

    def _follow(self, files: list[SentFile]) -> None:
        sent_files.await_ends(files, self.patience)
        for each in files:
            with self.observed.attempt(Check.DELIVERY, each.cell.region, f"{each.name} is delivered"):
                sent_files.judge(each, self.observed)

    def _aws(self, since: datetime) -> None:
        self.stepped("what AWS has delivered")
        for cell in self.cells.values():
            aws_deliveries.look(cell, self.observed, since=since)
            with self.observed.attempt(Check.SCHEDULES, cell.region, "canary and probe are measured"):
                aws_deliveries.schedules(cell, self.observed, self.patience)
        self.stepped("health checks and names")
        route53_health.look(self.environment, self.plan.customer.customer, self.observed)

    def _remove(self) -> None:
        self.stepped("removing")
        self._remove_all("everything that was put is removed")

    def _remove_all(self, what: str) -> None:
        """Remove what all acceptances have left in each place, and note whether nothing is there any more."""
        for place, look in leftovers.places(self.cells):
            with self.observed.attempt(Check.REMOVED, place, what):
                found = list(look())
                for each in found:
                    each.remove()
                left = [each.what for each in look()]
                words = f"still there: {'; '.join(left)}" if left else f"{len(found)} removed"
                self.observed.note(Check.REMOVED, place, what, not left, words)
