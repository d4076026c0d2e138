"""West is lost, and with it the control planes of Route 53 and IAM.

Verbs that need the control planes say so at once and name the one that does not. The stack gov-east is
frozen: the program cannot run for it. `ops evacuate` uses data planes in East only, and works.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, REGION_OF, WEST


def play(api: ScenarioApi) -> None:
    """Try what cannot work while West is dead, then what can."""
    customer = api.by_sftp.customer.id
    api.lose(WEST)
    api.operators.refused("shift", customer, "--region", REGION_OF[WEST], names="mft-ops evacuate")
    api.operators.refused("rehome", customer, "--to", REGION_OF[EAST], names="mft-ops evacuate")
    api.frozen(EAST)
    api.operators.evacuate(WEST, lost=True)
    api.delivered(api.send("after.csv", to=WEST), by=EAST)
    api.returns(WEST)
    api.operators.restore(WEST)
