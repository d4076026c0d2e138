"""A region is evacuated while it is well, and restored.

No upload fails. Clients that look names up arrive in East. Those that do not, and sessions that stay open, go
on in West, which delivers what it receives, until they read the notice.
"""

from __future__ import annotations

from local.drill.client_kinds import ByName, ByRecord, ForEver, HardCoded, Staying
from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, WEST


def play(api: ScenarioApi) -> None:
    """Evacuate West for maintenance and restore it."""
    api.clients(WEST)
    before = api.send("before.csv", to=WEST)
    api.operators.evacuate(WEST)
    api.delivered(before, by=WEST)
    api.delivered(api.send("after.csv", to=WEST), by=EAST)
    api.reached(ByName, ByRecord)
    api.stuck(ForEver, Staying, HardCoded)
    api.notify()
    api.reached()
    api.clients_end()
    failed = {each.kind: each.failed for each in api.counts() if each.failed}
    api.expect(f"no client has failed: {failed or 'none'}", not failed)
    api.operators.restore(WEST)
