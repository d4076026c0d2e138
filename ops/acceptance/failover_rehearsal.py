"""A rehearsal of failover: each region is taken out of DNS, timed, and put back, as operators do it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ops.acceptance.observation import Check, Observations, Patience
from ops.cell import DeployedCell
from ops.environment import Environment
from ops.failover.evacuation import EVACUATE, SwitchPlan, evacuation
from ops.failover.restoration import restoration
from ops.failover.switching import Act
from ops.logbook import Logbook
from ops.plan import RefusedError, command
from ops.switches import standing_of
from runtime.contract import REGION_OF, SIDES, Position, peer_of
from runtime.switch import Standing

#: What the recorded reason of each move ends with: by it a later run knows whose move it was.
_MARK = " (rehearsed by mft-ops accept)"


class FailoverRehearsal:
    """Takes the regions of an environment out of DNS, one after the other, and puts each back."""

    def __init__(
        self, environment: Environment, root: Path, why: str, observed: Observations, patience: Patience
    ) -> None:
        self._environment, self._root, self._why = environment, root, why
        self._observed, self._patience = observed, patience

    def play(self) -> None:
        """Rehearse both regions; a region is only taken out after the one before it is back."""
        for side in SIDES:
            region = REGION_OF[side]
            what = f"{region} is taken out, and every name answers with {REGION_OF[peer_of(side)]}"
            with self._observed.attempt(Check.FAILOVER, region, what):
                self._move(what, self._planned(partial(evacuation, self._environment, region, Position.OUT)))
            if standing_of(self._environment, side).position.is_out and not self.restore(side):
                return

    def restore(self, side: str) -> bool:
        """Put a region back, if it was a rehearsal that took it out; return whether it is in DNS."""
        region = REGION_OF[side]
        what = f"{region} is put back, and every name answers as usual"
        with self._observed.attempt(Check.FAILOVER, region, what):
            standing = standing_of(self._environment, side)
            if not _is_rehearsed(self._environment, side, standing):
                raise RefusedError(
                    f"it is {standing.position.value}, and no rehearsal took it out, so it is left as it is;"
                    f" to restore it: {command('restore', region)}"
                )
            try:
                plan = self._planned(partial(restoration, self._environment, self._root, region))
            except RefusedError as error:
                way = command("restore", region)
                raise RefusedError(f"it is still out of DNS; restore it: {way}; refused: {error}") from error
            self._move(what, plan)
        return not standing_of(self._environment, side).position.is_out

    def _planned(self, plan: Callable[[], SwitchPlan]) -> SwitchPlan:
        """Return a plan once it is not refused any more: alarms take minutes to go off."""
        made: list[SwitchPlan] = []
        refusals: list[RefusedError] = []

        def is_made() -> bool:
            try:
                made.append(plan())
            except RefusedError as error:
                refusals.append(error)
            return bool(made)

        if not self._patience.until(is_made, within=self._patience.delivery):
            raise refusals[-1]
        return made[0]

    def _move(self, what: str, plan: SwitchPlan) -> None:
        act = Act(environment=self._environment, plan=plan)
        with act.recorded(f"{self._why}{_MARK}"):
            act.move()
            act.watch(lambda count: None)
        asked = len(plan.servers.servers) if plan.servers else 0
        if not (asked and plan.wanted):
            self._observed.note(Check.FAILOVER, plan.region, what, False, "no name server could be asked")
            return
        found = "; ".join(act.left) or f"{act.questions} answers of {asked} name servers"
        self._observed.note(Check.FAILOVER, plan.region, what, not act.left, found, seconds=act.moved_seconds)


def left_out(environment: Environment) -> list[str]:
    """Return the sides that an interrupted rehearsal has left out of DNS.

    Raises RefusedError if a region is out for another reason: an acceptance needs both in DNS.
    """
    found = []
    for side in SIDES:
        standing, region = standing_of(environment, side), REGION_OF[side]
        if not standing.position.is_out:
            continue
        if not _is_rehearsed(environment, side, standing):
            raise RefusedError(
                f"{region} is {standing.position.value}, and an acceptance needs both regions in DNS;"
                f" restore it first: {command('restore', region)}"
            )
        found.append(side)
    return found


def _is_rehearsed(environment: Environment, side: str, standing: Standing) -> bool:
    """Return whether the last move of a switch is that by which a rehearsal took the region out."""
    entry = Logbook(DeployedCell(environment=environment, side=peer_of(side)), EVACUATE).last()
    if entry is None or not entry.intent["why"].endswith(_MARK):
        return False
    moved = entry.intent["plan"].get(REGION_OF[side], {}).get("version")
    return standing.position.is_out and moved == standing.version - 1
