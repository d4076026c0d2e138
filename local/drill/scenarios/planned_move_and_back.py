"""A customer's primary moves to the other region, as planned, and back.

`ops rehome` changes which half of `primary.` is PRIMARY, and the registry with it. East. and west. stay.
"""

from __future__ import annotations

from local.drill.scenario_api import Stage
from runtime.contract import PRIMARY, REGION_OF, peer_of


def play(stage: Stage) -> None:
    """Rehome a customer while it sends, and bring it back."""
    customer = stage.by_sftp.customer
    here, there = customer.primary, peer_of(customer.primary)
    before = stage.send("before.csv", to=PRIMARY)
    stage.nis.decide(f"move {customer.id} to {there}", out=here)
    stage.nis.ops("rehome", customer.id, "--to", REGION_OF[there])
    stage.nis.names_answer(customer.id, PRIMARY, there)
    stage.delivered(before, by=here)
    stage.delivered(stage.send("after.csv", to=PRIMARY), by=there)
    stage.delivered(stage.send("still.csv", to=here), by=here)
    stage.expect("nobody else's names have moved", stage.nis.others_are_usual(customer.id))
    stage.nis.ops("rehome", customer.id, "--to", REGION_OF[here])
    stage.nis.names_are_usual()
    stage.delivered(stage.send("back.csv", to=PRIMARY), by=here)
