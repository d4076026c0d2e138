"""One zone of a region is lost while its health check decides.

A third of the endpoint's addresses is dead, and the zone's probe reaches none. The probes of the other zones
still reach the others, so the region stays in DNS. Operators get the alarms of the zone, and files go on.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import WEST

_ALARMS = ("zone-a-silent", "endpoint-zone-lost")


def play(api: ScenarioApi) -> None:
    """Lose a zone of West, with the endpoint's check in charge of its names."""
    with api.probing(WEST):
        api.calm(WEST, *_ALARMS, "endpoint-silent")
        with api.automatic(WEST, "endpoint"):
            with api.zone_lost(WEST, "a"):
                api.alarmed(WEST, *_ALARMS)
                api.delivered(api.send("during.csv", to=WEST), by=WEST)
                api.canary_arrives(WEST)
                api.expect("no name has changed its answer", api.answers.are_steady)
            api.calm(WEST, *_ALARMS)
    api.expect("no name has changed its answer", api.answers.are_steady)
