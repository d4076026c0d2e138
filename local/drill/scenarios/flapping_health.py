"""Health checks flap.

The SFTP endpoint of West falls silent and comes back. NIS decides, so nothing moves. Were its check let
decide, it would move everybody there and back, which is why it is not. The switch moves them when NIS says.
"""

from __future__ import annotations

from local.drill.scenario_api import Stage
from runtime.contract import EAST, WEST


def play(stage: Stage) -> None:
    """Let an endpoint fall silent, first with its check out of the game, then with it in; then evacuate."""
    with stage.probing(WEST):
        stage.silence(WEST)
        stage.expect("no name has changed its answer", stage.answers.are_steady)
        with stage.automatic(WEST, "endpoint"):
            stage.nis.names_leave(WEST)
            stage.speak(WEST)
            stage.nis.names_are_usual()
    stage.nis.evacuate(WEST)
    stage.delivered(stage.send("after.csv", to=WEST), by=EAST)
    stage.nis.restore(WEST)
