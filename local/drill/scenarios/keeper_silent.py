"""The region that keeps a switch falls silent and lives.

East no longer publishes where the switch of West stands. West stays out by the last word, and does not come
in by itself. It cannot be forced in while East can be heard; `ops restore` publishes by itself and works.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, REGION_OF, WEST


def play(api: ScenarioApi) -> None:
    """Take West out, silence East for longer than Route 53 looks back, and restore West."""
    with api.speaking(WEST):
        api.operators.evacuate(WEST)
        api.operators.names_stay(EAST, 40)
        api.delivered(api.send("moved.csv", to=WEST), by=EAST)
        api.operators.refused("force-in", REGION_OF[WEST], names=f"mft-ops restore {REGION_OF[WEST]}")
        api.operators.restore(WEST)
        api.delivered(api.send("after.csv", to=WEST), by=WEST)
