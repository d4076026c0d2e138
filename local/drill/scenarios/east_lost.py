"""East is lost: failover in the other direction.

us-gov-east-1 dies with a file in flight, and us-gov-west-1 carries on. The control planes stay up, the switch
of East is kept in West, and everything else is as in the loss of West.
"""

from __future__ import annotations

from local.drill.client_kinds import ByName, ByRecord, ForEver, HardCoded, Staying
from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, WEST


def play(api: ScenarioApi) -> None:
    """Lose East with a file in flight, evacuate it, let West finish, and bring East back."""
    api.clients(EAST)
    api.partner_refuses(api.by_sftp)
    file = api.send("in-flight.csv", to=EAST)
    api.tried(file, by=EAST)
    api.lose(EAST)
    api.partner_answers(api.by_sftp)
    api.operators.evacuate(EAST, lost=True)
    api.delivered(api.send("after.csv", to=EAST), by=WEST)
    api.reached(ByName, Staying, ByRecord)
    api.stuck(ForEver, HardCoded)
    api.take_over(WEST)
    api.receipt_says(file, "held" if file.waits_for_a_person else "delivered", by=WEST)
    api.notify()
    api.reached(ForEver, HardCoded)
    api.returns(EAST)
    api.operators.restore(EAST)
