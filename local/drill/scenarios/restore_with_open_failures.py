"""A region is restored while a file has failed at its partner.

us-gov-west-1 is out for planned work. Meanwhile a partner's host key is not the registered one, so a file
fails for good, and its customer is told so. That is no reason to keep the region out.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, WEST


def play(api: ScenarioApi) -> None:
    """Let a file fail while West is out, restore West all the same, and deliver the file afterwards."""
    api.operators.evacuate(WEST)
    api.partner_is_another(api.newcomer)
    file = api.send("refused.csv", to=WEST, by=api.newcomer)
    api.receipt_says(file, "failed", by=EAST)
    found = api.operators.gaps()
    api.expect("ops gaps shows the file", [gap["finding"] for gap in found] == ["undelivered"])
    api.operators.restore(WEST)
    api.partner_answers(api.newcomer)
    api.operators.repair()
    api.delivered(file, by=EAST)
