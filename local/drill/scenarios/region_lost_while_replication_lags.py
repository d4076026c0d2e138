"""A region is lost while replication lags.

What West writes takes ten minutes, scaled to ten seconds, to arrive in East. us-gov-west-1 dies after more
than that: East has the older files, and not the last ones, which are delivered when West is back.
"""

from __future__ import annotations

import time

from local.drill.scenario_api import Stage
from runtime.contract import EAST, WEST

LAG = 10.0


def play(stage: Stage) -> None:
    """Send for longer than the lag, lose West, count what East lacks, and account for it in the end."""
    stage.lag(LAG, stands_for=600)
    stage.clients(WEST)
    first = stage.send("first.csv", to=WEST)
    stage.replicated(first, to=EAST)
    files = []
    for number in range(5):
        files.append(stage.send(f"{number}.csv", to=WEST))
        time.sleep(1)
    stage.lose(WEST)
    lost = stage.unreplicated or []
    stage.expect("what was sent before the lag is in East", first not in lost)
    stage.expect("what was sent at the end is not", files[-1] in lost)
    stage.nis.evacuate(WEST, lost=True)
    stage.delivered(stage.send("after.csv", to=WEST), by=EAST)
    stage.take_over(EAST)
    stage.notify()
    stage.reached()
    stage.returns(WEST)
    stage.nis.restore(WEST)
