"""An operator's command is killed between two effects.

`ops evacuate` is killed when the switch is stored but not yet published, `ops rehome` when Route 53 has
changed but the registry has not. Each is run again and completes the work.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import EAST, PRIMARY, REGION_OF, WEST, peer_of


def play(api: ScenarioApi) -> None:
    """Kill both commands, and run both again."""
    customer = api.by_sftp.customer
    api.operators.decide(f"evacuate {REGION_OF[WEST]}", out=WEST)
    api.operators.ops("evacuate", REGION_OF[WEST], killed_after="PutParameter")
    api.operators.ops("evacuate", REGION_OF[WEST])
    api.operators.names_leave(WEST)
    api.delivered(api.send("after.csv", to=WEST), by=EAST)
    api.operators.restore(WEST)

    here, there = customer.primary, peer_of(customer.primary)
    api.operators.ops("rehome", customer.id, "--to", REGION_OF[there], killed_after=CHANGED)
    moved = api.operators.moves(customer.id, there)
    api.expect("the customer has moved in Route 53, but not in the registry", moved == HALF)
    api.operators.ops("rehome", customer.id, "--to", REGION_OF[there])
    moved = api.operators.moves(customer.id, there)
    api.expect("the customer has moved in Route 53 and in the registry", moved == WHOLE)
    api.operators.names_answer(customer.id, PRIMARY, there)
    api.operators.ops("rehome", customer.id, "--to", REGION_OF[here])
    api.operators.names_are_usual()


CHANGED = "ChangeResourceRecordSets"
HALF, WHOLE = ("is there", "is edited"), ("is there", "says so")
