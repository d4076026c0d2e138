"""A deployment while a region is dead.

East is dead. What a refresh of gov-west reads there cannot be read, so the program runs without one. An SFTP
user that was added to a customer's file can send in West then, and in East when it is back and deployed.
"""

from __future__ import annotations

from local.drill.deployments import Deployments
from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, WEST


def play(api: ScenarioApi) -> None:
    """Change a customer's file, lose East, deploy the change to West, bring East back, deploy it there."""
    deployments = Deployments(api, api.newcomer.customer.id)
    sender = deployments.add_a_user(like="feed")
    api.lose(EAST)
    api.operators.evacuate(EAST, lost=True)
    deployments.cannot_refresh(WEST)
    deployments.up(WEST)
    api.delivered(api.send("during.csv", to=WEST, by=sender), by=WEST)
    api.delivered(api.send("usual.csv", to=WEST), by=WEST)
    api.returns(EAST)
    deployments.up(EAST)
    api.operators.restore(EAST)
    api.delivered(api.send("afterwards.csv", to=EAST, by=sender), by=EAST)
