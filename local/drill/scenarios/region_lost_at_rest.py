"""A region is lost at rest.

us-gov-west-1 dies while nothing is under way: every acknowledged file was delivered and has replicated.
Clients that look names up arrive in East by themselves; those that do not are stuck until they read the
notice.
"""

from __future__ import annotations

from local.drill.client_kinds import ByName, ByRecord, ForEver, HardCoded, Staying
from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, WEST


def play(api: ScenarioApi) -> None:
    """Lose West while clients pause, evacuate it, and bring it back."""
    api.clients(WEST)
    api.delivered(api.send("before.csv", to=WEST), by=WEST)
    with api.quiet():
        api.lose(WEST)
    api.expect("nothing was lost: all that was acknowledged had replicated", api.unreplicated == [])
    api.operators.evacuate(WEST, lost=True)
    api.delivered(api.send("after.csv", to=WEST), by=EAST)
    api.delivered(api.put("after.csv", to=WEST), by=EAST)
    api.reached(ByName, Staying, ByRecord)
    api.stuck(ForEver, HardCoded)
    api.notify()
    api.reached(ForEver, HardCoded)
    api.returns(WEST)
    api.operators.restore(WEST)
