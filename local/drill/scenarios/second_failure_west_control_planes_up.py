"""West dies while East is out, and the control planes of Route 53 and IAM survive.

The verbs act and refuse as they do without the control planes, because none of them asks.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, REGION_OF, WEST


def play(api: ScenarioApi) -> None:
    """Take East out, lose West alone, put East in and bring both back."""
    with api.speaking():
        api.operators.evacuate(EAST)
        api.lose(WEST, control_planes=False)
        api.operators.refused("evacuate", REGION_OF[WEST], names=f"mft-ops force-in {REGION_OF[EAST]}")
        api.operators.force_in(EAST)
        api.operators.evacuate(WEST, lost=True)
        api.delivered(api.send("forced.csv", to=WEST), by=EAST)
        api.returns(WEST)
        api.operators.ops("restore", REGION_OF[EAST])
        api.operators.restore(WEST)
