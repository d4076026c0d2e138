"""Health checks flap.

The SFTP endpoint of West stops answering and comes back. Operators decide, so nothing moves. If its health
check decided, it would move every customer there and back, which is why it does not. The switch moves them
when operators say so.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, WEST


def play(api: ScenarioApi) -> None:
    """Silence an endpoint, first while operators decide, then while its check does; then evacuate."""
    with api.probing(WEST):
        api.silence(WEST)
        api.expect("no name has changed its answer", api.answers.are_steady)
        with api.automatic(WEST, "endpoint"):
            api.operators.names_leave(WEST)
            api.speak(WEST)
            api.operators.names_are_usual()
    api.operators.evacuate(WEST)
    api.delivered(api.send("after.csv", to=WEST), by=EAST)
    api.operators.restore(WEST)
