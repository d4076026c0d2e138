"""One customer is shifted out of a region, and back.

All of its names move, and no other customer's.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, REGION_OF, WEST


def play(api: ScenarioApi) -> None:
    """Shift a customer out of West and bring it back."""
    customer = api.by_sftp.customer.id
    api.operators.decide(f"shift {customer} out of {REGION_OF[WEST]}", out=WEST)
    api.operators.ops("shift", customer, "--region", REGION_OF[WEST])
    api.operators.names_leave(WEST, [customer])
    api.expect("no other customer's names have moved", api.operators.others_are_usual(customer))
    api.delivered(api.send("shifted.csv", to=WEST), by=EAST)
    api.delivered(api.send("stays.csv", to=WEST, by=api.newcomer), by=WEST)
    api.operators.ops("shift", customer, "--back")
    api.operators.names_are_usual()
    api.delivered(api.send("back.csv", to=WEST), by=WEST)
