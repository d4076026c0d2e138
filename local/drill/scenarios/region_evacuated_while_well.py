"""A region is evacuated while it is well, and restored.

Nothing fails. Clients that look names up arrive in East; those that do not, and sessions that stay, go on in
West, which delivers what it gets, until they read the notice.
"""

from __future__ import annotations

from local.drill.client_kinds import ByName, ByRecord, ForEver, HardCoded, Staying
from local.drill.scenario_api import Stage
from runtime.contract import EAST, WEST


def play(stage: Stage) -> None:
    """Evacuate West for maintenance and restore it."""
    stage.clients(WEST)
    before = stage.send("before.csv", to=WEST)
    stage.nis.evacuate(WEST)
    stage.delivered(before, by=WEST)
    stage.delivered(stage.send("after.csv", to=WEST), by=EAST)
    stage.reached(ByName, ByRecord)
    stage.stuck(ForEver, Staying, HardCoded)
    stage.notify()
    stage.reached()
    stage.clients_end()
    failed = {each.kind: each.failed for each in stage.fared() if each.failed}
    stage.expect(f"no client has failed: {failed or 'none'}", not failed)
    stage.nis.restore(WEST)
