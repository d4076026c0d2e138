"""A region is well again and replication does not catch up.

While us-gov-west-1 is out, no object that East receives reaches it. `ops restore` waits for replication, for
as long as S3 says that it is still to come. `ops gaps --repair` has S3 replicate the files again, with their
identity, and then nothing holds the region back. Fifteen minutes are scaled to five seconds.
"""

from __future__ import annotations

import time

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, REGION_OF, WEST

GRACE = 5.0


def play(api: ScenarioApi) -> None:
    """Stop the replication of objects, try to restore, repair, and restore."""
    api.operators.scale_grace(GRACE)
    api.operators.evacuate(WEST)
    api.objects_stop()
    file = api.send("stuck.csv", to=WEST)
    api.delivered(file, by=EAST)
    time.sleep(GRACE)
    api.operators.refused(
        "restore", REGION_OF[WEST], names="inbound missing (replication may still bring it)"
    )
    api.operators.repair()
    api.replicated(file, to=WEST)
    api.operators.restore(WEST)
    api.objects_go_on()
