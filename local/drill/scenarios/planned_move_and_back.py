"""A customer's primary region is moved to the other region as planned, and back.

`ops rehome` changes which half of `primary.` is PRIMARY, and the registry accordingly. The names `east.` and
`west.` stay as they are.
"""

from __future__ import annotations

from local.drill.scenario_api import ScenarioApi
from runtime.contract import PRIMARY, REGION_OF, peer_of


def play(api: ScenarioApi) -> None:
    """Rehome a customer while it sends, and bring it back."""
    customer = api.by_sftp.customer
    here, there = customer.primary, peer_of(customer.primary)
    before = api.send("before.csv", to=PRIMARY)
    api.operators.decide(f"move {customer.id} to {there}", out=here)
    api.operators.ops("rehome", customer.id, "--to", REGION_OF[there])
    api.operators.names_answer(customer.id, PRIMARY, there)
    api.delivered(before, by=here)
    api.delivered(api.send("after.csv", to=PRIMARY), by=there)
    api.delivered(api.send("still.csv", to=here), by=here)
    api.expect("no other customer's names have moved", api.operators.others_are_usual(customer.id))
    api.operators.ops("rehome", customer.id, "--to", REGION_OF[here])
    api.operators.names_are_usual()
    api.delivered(api.send("back.csv", to=PRIMARY), by=here)
