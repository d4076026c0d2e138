"""West dies with the control planes while East, which was out for maintenance, is not restored yet.

The switch of East is kept in West, and nothing can be changed in Route 53. `ops force-in` puts East in
through East's data plane alone.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, REGION_OF, WEST

FORCE_IN = f"mft-ops force-in {REGION_OF[EAST]}"


def play(api: ScenarioApi) -> None:
    """Take East out, lose West with the control planes, put East in, and bring both back."""
    customer = api.by_sftp.customer.id
    with api.speaking():
        api.operators.evacuate(EAST)
        api.delivered(api.send("moved.csv", to=EAST), by=WEST)
        api.lose(WEST)
        api.operators.refused("evacuate", REGION_OF[WEST], names=FORCE_IN)
        api.operators.refused("restore", REGION_OF[EAST], names=FORCE_IN)
        api.operators.refused("shift", customer, "--back", names="control plane")
        api.operators.force_in(EAST)
        api.operators.evacuate(WEST, lost=True)
        api.delivered(api.send("forced.csv", to=WEST), by=EAST)
        api.returns(WEST)
        api.operators.names_stay(EAST, 40)
        api.operators.ops("restore", REGION_OF[EAST])
        api.operators.restore(WEST)
