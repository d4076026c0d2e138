"""An operator's command is killed between two effects.

`ops evacuate` dies when the switch is kept and not yet published, `ops rehome` when Route 53 has changed and
the registry has not. Each is run again, and completes it.
"""

from __future__ import annotations

from local.drill.scenario_api import Stage
from runtime.contract import EAST, PRIMARY, REGION_OF, WEST, peer_of


def play(stage: Stage) -> None:
    """Kill both, and run both again."""
    customer = stage.by_sftp.customer
    stage.nis.decide(f"evacuate {REGION_OF[WEST]}", out=WEST)
    stage.nis.ops("evacuate", REGION_OF[WEST], killed_after="PutParameter")
    stage.nis.ops("evacuate", REGION_OF[WEST])
    stage.nis.names_leave(WEST)
    stage.delivered(stage.send("after.csv", to=WEST), by=EAST)
    stage.nis.restore(WEST)

    here, there = customer.primary, peer_of(customer.primary)
    stage.nis.ops("rehome", customer.id, "--to", REGION_OF[there], killed_after=CHANGED)
    stage.expect("Route 53 has moved it, the registry has not", stage.nis.moves(customer.id, there) == HALF)
    stage.nis.ops("rehome", customer.id, "--to", REGION_OF[there])
    stage.expect("Route 53 and the registry have moved it", stage.nis.moves(customer.id, there) == WHOLE)
    stage.nis.names_answer(customer.id, PRIMARY, there)
    stage.nis.ops("rehome", customer.id, "--to", REGION_OF[here])
    stage.nis.names_are_usual()


CHANGED = "ChangeResourceRecordSets"
HALF, WHOLE = ("is there", "is edited"), ("is there", "says so")
