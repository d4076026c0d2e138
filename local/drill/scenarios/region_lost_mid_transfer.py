"""A region is lost with files in flight.

Two files are being tried in us-gov-west-1 when it dies, and one was acknowledged a moment before and has
not replicated. East finishes what it knows of: it delivers one, and holds the other, as their routes say.
What it does not know of waits in West, and goes on when that is back.
"""

from __future__ import annotations

import secrets

from local.drill.client_kinds import ForEver, HardCoded
from local.drill.scenario_api import Stage
from runtime.contract import EAST, PRIMARY, WEST


def play(stage: Stage) -> None:
    """Lose West with files in flight, carry on in East, bring West back, account for everything."""
    stage.nis.names_are_usual()
    report = secrets.token_bytes(5000)
    stage.delivered(stage.send("report.csv", to=WEST, content=report), by=WEST)
    stage.delivered(stage.send("steady.csv", to=EAST), by=EAST)
    stage.clients(WEST)
    stage.partner_refuses(stage.by_sftp, stage.newcomer)
    held = stage.send("in-flight.csv", to=WEST)
    delivered = stage.send("in-flight.csv", to=WEST, by=stage.newcomer)
    for file in (held, delivered):
        stage.tried(file, by=WEST)
    stage.replication_stops()
    unseen = stage.send("unseen.csv", to=WEST)
    stage.received(unseen, by=WEST)
    stage.lose(WEST)
    stage.partner_answers(stage.by_sftp, stage.newcomer)
    stage.expect("unseen.csv was acknowledged, and has not replicated", unseen in (stage.unreplicated or ()))
    stage.nis.evacuate(WEST, lost=True)
    stage.delivered(stage.send("after.csv", to=PRIMARY), by=EAST)
    stage.delivered(stage.put("after.csv", to=WEST), by=EAST)
    again = stage.send("report.csv", to=WEST, content=report)
    stage.told(again, "duplicate", by=EAST)
    stage.take_over(EAST)
    stage.delivered(delivered, by=EAST)
    stage.told(held, "held" if held.waits_for_a_person else "delivered", by=EAST)
    stage.cannot_send(ForEver, HardCoded)
    stage.notify()
    stage.reached()
    stage.returns(WEST)
    stage.arrived(unseen)
    stage.nis.restore(WEST)
