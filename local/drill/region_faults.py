"""The faults of a scenario: regions die and return, replication lags, endpoints stop answering."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from components.network import ZONES
from local.drill.acknowledged_files import AcknowledgedFiles, SentFile
from local.drill.measures import Timeline, unreplicated
from local.drill.observations import Observations
from local.drill.scheduled_functions import ScheduledFunctions
from local.drill.story import SOON, Story, until
from local.drill.zone_faults import ZoneFaults
from local.program import ProgramError
from local.world import DNS_SPEED_UP, OUTAGE, SPEED_UP, World
from runtime import timing
from runtime.contract import REGION_OF, SIDES, WEST

_PERIOD = timing.SWITCH_PERIOD / DNS_SPEED_UP

#: Periods without an answer after which the alarm on an endpoint goes off, and one that is already running.
_SILENT = 4


class RegionFaults:
    """The faults of one run, and what is known of it.

    `died` is when a region died, in seconds since the epoch; `unreplicated` are the acknowledged files that
    had not replicated then. Both are None until a region dies.
    """

    def __init__(
        self, world: World, story: Story, observations: Observations, timeline: Timeline | None = None
    ) -> None:
        self.world, self.story, self.observations = world, story, observations
        self.timeline = timeline or Timeline(story.say)
        self.acknowledged_files = AcknowledgedFiles(observations)
        self.scale = {"dns": DNS_SPEED_UP, "workflow": SPEED_UP}
        self.died: float | None = None
        self.unreplicated: list[SentFile] | None = None

    def expect(self, what: str, holds: object) -> None:
        """Note whether something expected holds."""
        self.story.expect(what, bool(holds))

    def lag(self, seconds: float, *, stands_for: float) -> None:
        """Let replication take `seconds`, which stand for `stands_for` seconds of the real platform."""
        self.scale["replication"] = round(stands_for / seconds)
        self.world.aws.replication_lag(s3=seconds, dynamodb=seconds)
        self._happens(f"replication takes {seconds:g} s, which stand for {stands_for / 60:g} minutes")

    def replication_stops(self) -> None:
        """Let nothing that is written from now on reach the other region."""
        self.world.aws.replication_lag(s3=OUTAGE, dynamodb=OUTAGE)
        self._happens("nothing replicates any more")

    def objects_stop(self) -> None:
        """Let no object that is written from now on reach the other region; facts do."""
        self.world.aws.replication_lag(s3=OUTAGE, dynamodb=0)
        self._happens("no object replicates any more")

    def objects_go_on(self) -> None:
        """Let objects replicate again, those that wait first."""
        self.world.aws.replication_lag(s3=0, dynamodb=0)
        self.world.aws.replication_catches_up()
        self._happens("objects replicate again")

    def lose(self, side: str, *, control_planes: bool = True) -> None:
        """Let a region die; with West, and `control_planes`, the APIs of Route 53 and IAM die too."""
        self.world.lose(side, control_planes=control_planes)
        self.died = time.time()
        more = ", and the APIs of Route 53 and IAM with it" if control_planes and side == WEST else ""
        self._happens(f"{REGION_OF[side]} dies{more}")
        pending = [each for each in self.world.aws.replication_pending() if each.source == REGION_OF[side]]
        self.unreplicated = unreplicated(self.acknowledged_files.files(), pending)
        names = ", ".join(file.name for file in self.unreplicated) or "none"
        self._happens(f"acknowledged but not replicated: {names}")

    def find_again(self, side: str) -> None:
        """Bring a region back that died, and wait until both regions hold the same."""
        self.world.aws.replication_lag(s3=0, dynamodb=0)
        self.world.find_again(side)
        self._happens(f"{REGION_OF[side]} is back")
        # The last one may have been under way when the region died.
        self.minute(f"{self.world.prefix}canary", side)
        settled = until(self.observations.is_still, within=SOON)
        self.expect("everything that was frozen has run to its end", settled)
        alike = until(self.observations.is_alike, within=SOON)
        self.expect("trackers and archives are the same in both regions", alike)

    def take_over(self, side: str) -> None:
        """Let minutes pass until `side` has finished the transfers that it knows of the lost region."""
        sent = self.acknowledged_files.files()
        files = [file for file in sent if file.side != side and file.at < (self.died or 0)]
        known = self.acknowledged_files.accounts(side, files)
        files = [each.file for each in known if each.facts and not each.has_ended]

        def done() -> bool:
            self.minute(f"{self.world.prefix}failover-takeover", side)
            return all(each.has_ended for each in self.acknowledged_files.accounts(side, files))

        done_with = until(done, within=SOON, every=2)
        self._happens(f"{REGION_OF[side]} has taken over {len(files)} files")
        self.expect("each unfinished file that the survivor knew of was delivered or is held", done_with)

    def minute(self, function: str, side: str) -> None:
        """Invoke a function that a schedule invokes every minute; schedules run in real time even here."""
        name = self._one(side, "aws:lambda/function:Function", function).outputs["name"]
        client = self.world.client("lambda", side)

        def done() -> bool:
            try:
                client.invoke(FunctionName=name, Payload=b"{}")
            except client.exceptions.TooManyRequestsException:  # few functions run at once on this machine
                return False
            return True

        until(done, within=SOON, every=1)

    @contextmanager
    def probing(self, side: str) -> Iterator[None]:
        """Run a cell's probes more often than every minute, to match the scaled periods of alarms."""
        with contextlib.ExitStack() as running:
            for zone in ZONES:
                running.enter_context(self._often(f"{self.world.prefix}probe-{zone}", side))
            yield

    @contextmanager
    def speaking(self, *sides: str) -> Iterator[None]:
        """Let these regions, or both, publish what they keep as often as alarms are evaluated."""
        with self._often(f"{self.world.prefix}failover-switch", *(sides or SIDES)):
            yield

    @contextmanager
    def _often(self, function: str, *sides: str) -> Iterator[None]:
        ended = threading.Event()

        def call() -> None:
            while not ended.wait(_PERIOD / 2):
                for side in sides:
                    if REGION_OF[side] not in self.world.aws.regions_down:
                        with contextlib.suppress(BotoCoreError, ClientError):  # it dies at this moment
                            self.minute(function, side)

        thread = threading.Thread(target=call, name=function, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    @contextmanager
    def zone_lost(self, side: str, zone: str) -> Iterator[None]:
        """Let one zone of a region be lost."""
        with ZoneFaults(self.world, side).lost(zone):
            self._happens(f"zone {zone} of {REGION_OF[side]} is lost")
            yield
        self._happens(f"zone {zone} of {REGION_OF[side]} is back")

    def alarmed(self, side: str, *alarms: str) -> None:
        """Expect alarms of a cell to go off, which notify operators."""
        zones = ZoneFaults(self.world, side)
        for alarm in alarms:
            went_off = until(partial(zones.is_on, f"{self.world.prefix}monitoring-{alarm}"), within=SOON)
            self.expect(f"the alarm {alarm} of {REGION_OF[side]} goes off", went_off)

    def calm(self, side: str, *alarms: str) -> None:
        """Expect alarms of a cell to be over."""
        zones = ZoneFaults(self.world, side)
        for alarm in alarms:
            is_over = until(partial(zones.is_off, f"{self.world.prefix}monitoring-{alarm}"), within=SOON)
            self.expect(f"the alarm {alarm} of {REGION_OF[side]} is over", is_over)

    def canary_arrives(self, side: str) -> None:
        """Expect the synthetic transfers of a cell to be delivered on every leg."""
        ScheduledFunctions(self.world, self.story).fly(side)

    def silence(self, side: str) -> None:
        """Stop a cell's SFTP endpoint and wait until its alarm has gone off."""
        self.world.endpoints[side].stop()
        self._happens(f"the SFTP endpoint of {REGION_OF[side]} stops answering")
        time.sleep(_SILENT * _PERIOD)

    def speak(self, side: str) -> None:
        """Start an endpoint again that was stopped."""
        self.world.endpoints[side].start()
        self._happens(f"the SFTP endpoint of {REGION_OF[side]} answers again")

    @contextmanager
    def automatic(self, side: str, leaf: str) -> Iterator[None]:
        """Let a leaf health check of a cell decide, as `mft:automaticFailover` would."""
        check = self._one(side, "aws:route53/healthCheck:HealthCheck", f"{self.world.prefix}health-{leaf}").id
        self._decides(check, True)
        self._happens(f"the {leaf} check of {REGION_OF[side]} decides now")
        yield
        self._decides(check, False)
        self._happens(f"the operators decide again, not the {leaf} check")

    def frozen(self, side: str) -> None:
        """Expect the program to fail for the stack of a side."""
        try:
            self.world.up(side)
            error = ""
        except (ProgramError, BotoCoreError, ClientError) as refused:
            error = str(refused) or type(refused).__name__
        self.expect(f"the program cannot run for {self.world.stack(side)}: {error.splitlines()[:1]}", error)

    def _decides(self, check: str, yes: bool) -> None:
        route53 = self.world.client("route53", WEST)
        route53.update_health_check(HealthCheckId=check, Disabled=not yes)

    def _one(self, side: str, type: str, name: str) -> Any:
        return self.world.graphs[side].one(type, name)

    def _happens(self, what: str) -> None:
        self.timeline.note("platform", what)
