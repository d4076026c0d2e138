"""A region is lost with files in flight.

Two deliveries are being retried in us-gov-west-1 when it dies, and a third file was acknowledged a moment
before and has not replicated. East finishes the transfers that it knows of: it delivers one file and holds
the other, as their routes say. The third file waits in West, and is delivered when West is back.
"""

from __future__ import annotations

import secrets

from local.drill.client_kinds import ForEver, HardCoded
from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, PRIMARY, WEST


def play(api: ScenarioApi) -> None:
    """Lose West with files in flight, carry on in East, bring West back, account for everything."""
    api.operators.names_are_usual()
    report = secrets.token_bytes(5000)
    api.delivered(api.send("report.csv", to=WEST, content=report), by=WEST)
    api.delivered(api.send("steady.csv", to=EAST), by=EAST)
    api.clients(WEST)
    api.partner_refuses(api.by_sftp, api.newcomer)
    held = api.send("in-flight.csv", to=WEST)
    delivered = api.send("in-flight.csv", to=WEST, by=api.newcomer)
    for file in (held, delivered):
        api.tried(file, by=WEST)
    api.replication_stops()
    unreplicated = api.send("unreplicated.csv", to=WEST)
    api.received(unreplicated, by=WEST)
    api.lose(WEST)
    api.partner_answers(api.by_sftp, api.newcomer)
    api.expect(
        "unreplicated.csv was acknowledged, and has not replicated", unreplicated in (api.unreplicated or ())
    )
    api.operators.evacuate(WEST, lost=True)
    api.delivered(api.send("after.csv", to=PRIMARY), by=EAST)
    api.delivered(api.put("after.csv", to=WEST), by=EAST)
    again = api.send("report.csv", to=WEST, content=report)
    api.receipt_says(again, "duplicate", by=EAST)
    api.take_over(EAST)
    api.delivered(delivered, by=EAST)
    api.receipt_says(held, "held" if held.waits_for_a_person else "delivered", by=EAST)
    api.cannot_send(ForEver, HardCoded)
    api.notify()
    api.reached()
    api.returns(WEST)
    api.arrived(unreplicated)
    api.operators.restore(WEST)
