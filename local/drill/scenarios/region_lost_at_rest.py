"""A region is lost at rest.

us-gov-west-1 dies while nothing is under way: every acknowledged file was delivered and has replicated.
Clients that look names up arrive in East by themselves; those that do not wait for the notice.
"""

from __future__ import annotations

from local.drill.client_kinds import ByName, ByRecord, ForEver, HardCoded, Staying
from local.drill.scenario_api import Stage
from runtime.contract import EAST, WEST


def play(stage: Stage) -> None:
    """Lose West while clients pause, evacuate it, and bring it back."""
    stage.clients(WEST)
    stage.delivered(stage.send("before.csv", to=WEST), by=WEST)
    with stage.quiet():
        stage.lose(WEST)
    stage.expect("nothing was lost: all that was acknowledged had replicated", stage.unreplicated == [])
    stage.nis.evacuate(WEST, lost=True)
    stage.delivered(stage.send("after.csv", to=WEST), by=EAST)
    stage.delivered(stage.put("after.csv", to=WEST), by=EAST)
    stage.reached(ByName, Staying, ByRecord)
    stage.stuck(ForEver, HardCoded)
    stage.notify()
    stage.reached(ForEver, HardCoded)
    stage.returns(WEST)
    stage.nis.restore(WEST)
