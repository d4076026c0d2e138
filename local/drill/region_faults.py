"""What fate does in a scenario: regions die and return, replication lags, endpoints fall silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.drill.acknowledged_files import AcknowledgedFiles, SentFile
from local.drill.measures import Timeline, unreplicated
from local.drill.observations import Observations
from local.drill.story import SOON, Story, until
from local.program import ProgramError
from local.world import DNS_SPEED_UP, OUTAGE, SPEED_UP, World
from runtime import timing
from runtime.contract import REGION_OF, WEST

_PERIOD = timing.SWITCH_PERIOD / DNS_SPEED_UP

#: Periods for which the alarm on an endpoint wants it silent, and one that has begun before.
_SILENT = 4


class Backstage:
    """The world of one play. `died` and `unreplicated` say when a region was lost, and what with it."""

    def __init__(self, world: World, story: Story, evidence: Observations) -> None:
        self.world, self.story, self.evidence = world, story, evidence
        self.timeline = Timeline(story.say)
        self.ledger = AcknowledgedFiles(evidence)
        self.scale = {"dns": DNS_SPEED_UP, "workflow": SPEED_UP}
        self.died: float | None = None
        self.unreplicated: list[SentFile] | None = None

    def expect(self, what: str, holds: object) -> None:
        """Judge something that is expected."""
        self.story.expect(what, bool(holds))

    def lag(self, seconds: float, *, stands_for: float) -> None:
        """Let replication take so many seconds, which stand for so many of the real platform."""
        self.scale["replication"] = round(stands_for / seconds)
        self.world.aws.replication_lag(s3=seconds, dynamodb=seconds)
        self._happens(f"replication takes {seconds:g} s, which stand for {stands_for / 60:g} minutes")

    def replication_stops(self) -> None:
        """Let nothing that is written from now on arrive in the other region."""
        self.world.aws.replication_lag(s3=OUTAGE, dynamodb=OUTAGE)
        self._happens("nothing replicates any more")

    def lose(self, side: str) -> None:
        """Let a region die; with West, the APIs of Route 53 and IAM."""
        self.world.lose(side)
        self.died = time.time()
        more = ", and the APIs of Route 53 and IAM with it" if side == WEST else ""
        self._happens(f"{REGION_OF[side]} dies{more}")
        pending = [each for each in self.world.aws.replication_pending() if each.source == REGION_OF[side]]
        self.unreplicated = unreplicated(self.ledger.files(), pending)
        told = ", ".join(file.name for file in self.unreplicated) or "none"
        self._happens(f"acknowledged and not replicated: {told}")

    def find_again(self, side: str) -> None:
        """Let a region that died come back, and return when both are alike."""
        self.world.aws.replication_lag(s3=0, dynamodb=0)
        self.world.find_again(side)
        self._happens(f"{REGION_OF[side]} is back")
        self.minute("cell1-canary", side)  # the last one may have flown when it died
        self.expect("what was frozen has gone on", until(self.evidence.is_still, within=SOON))
        self.expect("trackers and archives are the same in both", until(self.evidence.is_alike, within=SOON))

    def take_over(self, side: str) -> None:
        """Let minutes pass until a side has finished what it knows of the lost one's."""
        files = [file for file in self.ledger.files() if file.side != side and file.at < (self.died or 0)]
        known = self.ledger.accounts(side, files)
        files = [each.file for each in known if each.facts and not each.has_ended]

        def done() -> bool:
            self.minute("cell1-failover-takeover", side)
            return all(each.has_ended for each in self.ledger.accounts(side, files))

        done_with = until(done, within=SOON, every=2)
        self._happens(f"{REGION_OF[side]} has taken over {len(files)} files")
        self.expect("each file under way, as the survivor knows, was delivered or is held", done_with)

    def minute(self, function: str, side: str) -> None:
        """Play by hand what a schedule does every minute, which is real even here."""
        name = self._one(side, "aws:lambda/function:Function", function).outputs["name"]
        client = self.world.client("lambda", side)

        def done() -> bool:
            try:
                client.invoke(FunctionName=name, Payload=b"{}")
            except client.exceptions.TooManyRequestsException:  # this machine runs few at once
                return False
            return True

        until(done, within=SOON, every=1)

    @contextmanager
    def probing(self, side: str) -> Iterator[None]:
        """Let the probe of a cell look more often than every minute, as alarms do here."""
        ended = threading.Event()

        def probe() -> None:
            while not ended.wait(_PERIOD / 3):
                self.minute("cell1-probe", side)

        thread = threading.Thread(target=probe, name="probe", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def silence(self, side: str) -> None:
        """Let a cell's SFTP endpoint answer no more, for as long as its alarm wants to see that."""
        self.world.endpoints[side].stop()
        self._happens(f"the SFTP endpoint of {REGION_OF[side]} is silent")
        time.sleep(_SILENT * _PERIOD)

    def speak(self, side: str) -> None:
        """Let a silent endpoint answer again."""
        self.world.endpoints[side].start()
        self._happens(f"the SFTP endpoint of {REGION_OF[side]} answers again")

    @contextmanager
    def automatic(self, side: str, leaf: str) -> Iterator[None]:
        """Let a leaf check of a cell decide, as `mft:automaticFailover` would."""
        check = self._one(side, "aws:route53/healthCheck:HealthCheck", f"cell1-health-{leaf}").id
        self._decides(check, True)
        self._happens(f"the {leaf} check of {REGION_OF[side]} decides")
        yield
        self._decides(check, False)
        self._happens(f"NIS decides again, and not the {leaf} check")

    def frozen(self, side: str) -> None:
        """Expect the program not to run for a stack."""
        try:
            self.world.up(side)
            error = ""
        except (ProgramError, BotoCoreError, ClientError) as refused:
            error = str(refused) or type(refused).__name__
        self.expect(f"the program cannot run for gov-{side}: {error.splitlines()[:1]}", error)

    def _decides(self, check: str, yes: bool) -> None:
        route53 = self.world.client("route53", WEST)
        route53.update_health_check(HealthCheckId=check, Disabled=not yes)

    def _one(self, side: str, type: str, name: str) -> Any:
        return self.world.graphs[side].one(type, name)

    def _happens(self, what: str) -> None:
        self.timeline.note("platform", what)
