"""One cell of two is lost.

Cell 2 dies in us-gov-west-1, and then in us-gov-east-1 too, while cell 1 of both regions lives. Only the
customer of cell 2 notices: its names alone move, and no client of another customer fails.
"""

from __future__ import annotations

from local.drill.neighbour_api import neighbour
from local.drill.scenario_api import ScenarioApi
from local.sftp.clients import UploadError
from runtime.contract import EAST, WEST


def play(api: ScenarioApi) -> None:
    """Lose cell 2 in West, evacuate it, lose it in East too, and bring both back."""
    with neighbour(api) as other:
        api.clients(WEST)
        other.delivered(other.send("before.csv", to=WEST), by=WEST)
        other.delivered(other.put("before.csv", to=EAST), by=EAST)
        other.lose_cell(WEST)
        _cannot_send(other, WEST)
        waits = other.put("waits.csv", to=WEST)  # S3 is not the cell's: the bucket takes it
        api.delivered(api.send("undisturbed.csv", to=WEST), by=WEST)
        other.operators.evacuate(WEST)
        api.expect("no name of another customer has moved", api.answers.are_steady)
        other.delivered(other.send("after.csv", to=WEST), by=EAST)
        other.delivered(other.put("after.csv", to=WEST), by=EAST)
        api.delivered(api.send("still-west.csv", to=WEST), by=WEST)
        other.lose_cell(EAST)
        for side in (WEST, EAST):
            _cannot_send(other, side)
            api.delivered(api.send(f"both-lost-{side}.csv", to=side), by=side)
        other.find_cell(EAST)
        other.find_cell(WEST)
        other.delivered(waits, by=WEST)
        other.restore(WEST)
        other.delivered(other.send("back.csv", to=WEST), by=WEST)
        api.expect("no name of another customer has ever moved", api.answers.are_steady)
        api.clients_end()
        failed = {each.kind: each.failed for each in api.counts() if each.failed}
        api.expect(f"no client of another customer has failed; these have: {failed or 'none'}", not failed)


def _cannot_send(other: ScenarioApi, side: str) -> None:
    try:
        other.send(f"refused-{side}.csv", to=side)
        said = ""
    except (UploadError, OSError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
    other.expect(f"the customer of cell 2 cannot send by SFTP to {side}.: {said[:60]}", said)
