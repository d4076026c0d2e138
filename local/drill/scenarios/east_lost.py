"""East is lost: the other direction.

us-gov-east-1 dies with a file in flight, and us-gov-west-1 carries on. The control planes live, the switch of
East is kept in West, and everything else is as when West is lost.
"""

from __future__ import annotations

from local.drill.client_kinds import ByName, ByRecord, ForEver, HardCoded, Staying
from local.drill.scenario_api import Stage
from runtime.contract import EAST, WEST


def play(stage: Stage) -> None:
    """Lose East with a file in flight, evacuate it, let West finish, and bring it back."""
    stage.clients(EAST)
    stage.partner_refuses(stage.by_sftp)
    file = stage.send("in-flight.csv", to=EAST)
    stage.tried(file, by=EAST)
    stage.lose(EAST)
    stage.partner_answers(stage.by_sftp)
    stage.nis.evacuate(EAST, lost=True)
    stage.delivered(stage.send("after.csv", to=EAST), by=WEST)
    stage.reached(ByName, Staying, ByRecord)
    stage.stuck(ForEver, HardCoded)
    stage.take_over(WEST)
    stage.told(file, "held" if file.waits_for_a_person else "delivered", by=WEST)
    stage.notify()
    stage.reached(ForEver, HardCoded)
    stage.returns(EAST)
    stage.nis.restore(EAST)
