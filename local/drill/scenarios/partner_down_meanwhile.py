"""A region is lost while a partner is down.

West dies while it retries a delivery. East takes the transfer over, retries it as well, and delivers it once
the partner is back.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, WEST


def play(api: ScenarioApi) -> None:
    """Keep a partner down while its file changes hands."""
    api.partner_refuses(api.newcomer)
    file = api.send("patient.csv", to=WEST, by=api.newcomer)
    api.tried(file, by=WEST)
    api.lose(WEST)
    api.operators.evacuate(WEST, lost=True)
    api.minute("cell1-failover-takeover", EAST)
    api.tried(file, by=EAST)
    api.partner_answers(api.newcomer)
    api.delivered(file, by=EAST)
    api.returns(WEST)
    api.operators.restore(WEST)
