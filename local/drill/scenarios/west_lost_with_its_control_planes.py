"""West is lost, and with it the control planes of Route 53 and IAM.

What needs them says so at once and names the lever that does not. gov-east is frozen as it stands: the
program cannot run for it, and every action is an `ops` verb on East's data planes. That lever works.
"""

from __future__ import annotations

from local.drill.scenario_api import Stage
from runtime.contract import EAST, REGION_OF, WEST


def play(stage: Stage) -> None:
    """Try what cannot work while West is dead, then what does."""
    customer = stage.by_sftp.customer.id
    stage.lose(WEST)
    stage.nis.refused("shift", customer, "--region", REGION_OF[WEST], names="mft-ops evacuate")
    stage.nis.refused("rehome", customer, "--to", REGION_OF[EAST], names="mft-ops evacuate")
    stage.frozen(EAST)
    stage.nis.evacuate(WEST, lost=True)
    stage.delivered(stage.send("after.csv", to=WEST), by=EAST)
    stage.returns(WEST)
    stage.nis.restore(WEST)
