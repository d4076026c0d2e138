"""One customer is shifted out of a region, and back.

Only its names move, all of them. Everybody else stays where they are.
"""

from __future__ import annotations

from local.drill.scenario_api import Stage
from runtime.contract import EAST, REGION_OF, WEST


def play(stage: Stage) -> None:
    """Shift a customer out of West and bring it back."""
    customer = stage.by_sftp.customer.id
    stage.nis.decide(f"shift {customer} out of {REGION_OF[WEST]}", out=WEST)
    stage.nis.ops("shift", customer, "--region", REGION_OF[WEST])
    stage.nis.names_leave(WEST, [customer])
    stage.expect("nobody else's names have moved", stage.nis.others_are_usual(customer))
    stage.delivered(stage.send("shifted.csv", to=WEST), by=EAST)
    stage.delivered(stage.send("stays.csv", to=WEST, by=stage.newcomer), by=WEST)
    stage.nis.ops("shift", customer, "--back")
    stage.nis.names_are_usual()
    stage.delivered(stage.send("back.csv", to=WEST), by=WEST)
