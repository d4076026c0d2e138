"""A region is lost while a partner is down.

West tries in vain when it dies, East takes over and tries in vain too, and delivers once the partner is back.
"""

from __future__ import annotations

from local.drill.scenario_api import Stage
from runtime.contract import EAST, WEST


def play(stage: Stage) -> None:
    """Keep a partner down while its file changes hands."""
    stage.partner_refuses(stage.newcomer)
    file = stage.send("patient.csv", to=WEST, by=stage.newcomer)
    stage.tried(file, by=WEST)
    stage.lose(WEST)
    stage.nis.evacuate(WEST, lost=True)
    stage.minute("cell1-failover-takeover", EAST)
    stage.tried(file, by=EAST)
    stage.partner_answers(stage.newcomer)
    stage.delivered(file, by=EAST)
    stage.returns(WEST)
    stage.nis.restore(WEST)
