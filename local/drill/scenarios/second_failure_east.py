"""East dies while West, which was lost, is not restored yet.

West was lost with the control planes of Route 53 and IAM, and evacuated; it is well again, and not yet
restored. Its switch is kept in East. `ops evacuate` and `ops restore` refuse and name `ops force-in`, which
puts West in from its own side. When East is back, its older word that West is lost is left unsaid.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, REGION_OF, WEST

FORCE_IN = f"mft-ops force-in {REGION_OF[WEST]}"


def play(api: ScenarioApi) -> None:
    """Lose West, bring it back, lose East before West is restored, and account for everything."""
    with api.speaking():
        api.lose(WEST)
        api.operators.evacuate(WEST, lost=True)
        api.delivered(api.send("moved.csv", to=WEST), by=EAST)
        api.returns(WEST)
        api.operators.names_stay(EAST, 15)
        api.lose(EAST)
        api.operators.refused("evacuate", REGION_OF[EAST], names=FORCE_IN)
        api.operators.refused("restore", REGION_OF[WEST], names=FORCE_IN)
        api.operators.force_in(WEST)
        api.operators.evacuate(EAST, lost=True)
        api.delivered(api.send("forced.csv", to=EAST), by=WEST)
        api.take_over(WEST)
        api.returns(EAST)
        api.operators.names_stay(WEST, 40)
        api.delivered(api.send("after.csv", to=EAST), by=WEST)
        api.operators.ops("restore", REGION_OF[WEST])
        api.operators.restore(EAST)
