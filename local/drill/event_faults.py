"""Faults of events: they are lost, executions end without a trace, and the sweep makes both good."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from local.drill.acknowledged_files import SentFile
from local.drill.clock_ahead import SweepAhead
from local.drill.region_faults import RegionFaults
from local.drill.story import SOON, until
from runtime.contract import REGION_OF

#: How far the clock of a sweep is ahead: its objects and executions are then old enough.
_AHEAD = timedelta(minutes=20)

_INTAKE = "cell1-intake-"


class EventFaults(RegionFaults):
    """The faults of events in one run."""

    def events_stop(self, side: str) -> None:
        """Let no event of an upload reach a side's ingest queue."""
        for rule in self._rules(side):
            self.world.client("events", side).disable_rule(Name=rule)
        self._happens(f"the events of {REGION_OF[side]} are lost")

    def events_flow(self, side: str) -> None:
        """Let events reach a side's ingest queue again."""
        for rule in self._rules(side):
            self.world.client("events", side).enable_rule(Name=rule)
        self._happens(f"the events of {REGION_OF[side]} flow again")

    def executions_end(self, side: str) -> None:
        """Abort all executions that run in a side, as AWS or an operator might."""
        running = self.observations.executions(side, statusFilter="RUNNING")
        for each in running:
            self.world.client("stepfunctions", side).stop_execution(executionArn=each["executionArn"])
        self._happens(f"{len(running)} executions of {REGION_OF[side]} are aborted")
        self.expect(f"an execution ran in {REGION_OF[side]}", running)

    def copied(self) -> None:
        """Expect everything to arrive in the other region that is on its way there."""
        self.expect("all copies have arrived", until(self.observations.is_still, within=SOON))

    def unknown(self, file: SentFile, *, by: str) -> None:
        """Expect a side's tracker to have no fact about a file."""
        facts = self.observations.facts(file.sender.customer, by, file.key)
        self.expect(f"no fact of {REGION_OF[by]} is about {file}", not facts)

    def sweeps(self, side: str, *, finds: Collection[SentFile]) -> None:
        """Let a quarter of an hour pass, and expect a side's sweep to take in these files and no others."""
        taken = sorted(self.swept(side))
        names = ", ".join(sorted(file.name for file in finds)) or "nothing"
        self.expect(
            f"the sweep of {REGION_OF[side]} takes in {names}", taken == sorted(file.key for file in finds)
        )

    def swept(self, side: str) -> Collection[str]:
        """Let a quarter of an hour pass; return the keys that a side's sweep takes in."""
        return SweepAhead(self.world, side, _AHEAD).sweep().taken

    def restarted(self, side: str) -> Collection[str]:
        """Let a quarter of an hour pass; return the transfers that a side's sweep restarts."""
        return SweepAhead(self.world, side, _AHEAD).restart().started

    def restarts(self, side: str, file: SentFile) -> None:
        """Expect a side's sweep to restart the transfer of a file, and no other."""
        done = self.restarted(side)
        known = {fact.transfer for fact in self.observations.facts(file.sender.customer, side, file.key)}
        self.expect(f"{REGION_OF[side]} restarts {file}", set(done) == known)

    def _rules(self, side: str) -> list[str]:
        rules = self.world.graphs[side].of("aws:cloudwatch/eventRule:EventRule")
        return [each.outputs["name"] for each in rules if each.name.startswith(_INTAKE)]
