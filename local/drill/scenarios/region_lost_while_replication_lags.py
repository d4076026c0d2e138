"""A region is lost while replication lags.

What West writes takes ten minutes, scaled to ten seconds, to arrive in East. us-gov-west-1 dies later than
that: East has the older files but not the last ones, which are delivered when West is back.
"""

from __future__ import annotations

import time

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, WEST

LAG = 10.0


def play(api: ScenarioApi) -> None:
    """Send for longer than the lag, lose West, count what East lacks, and account for it in the end."""
    api.lag(LAG, stands_for=600)
    api.clients(WEST)
    first = api.send("first.csv", to=WEST)
    api.replicated(first, to=EAST)
    files = []
    for number in range(5):
        files.append(api.send(f"{number}.csv", to=WEST))
        time.sleep(1)
    api.lose(WEST)
    lost = api.unreplicated or []
    api.expect("the file that was sent before the lag is in East", first not in lost)
    api.expect("the file that was sent last is not", files[-1] in lost)
    api.operators.evacuate(WEST, lost=True)
    api.delivered(api.send("after.csv", to=WEST), by=EAST)
    api.take_over(EAST)
    api.notify()
    api.reached()
    api.returns(WEST)
    api.operators.restore(WEST)
