"""Checks of a world at rest: the audit chains and the gap report, read by the project's own code."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ops.recovery.reconcile import Gap, GapKind, Seen, Stored, gaps
from runtime import chain
from runtime.contract import REGION_OF, SIDES, TRACKER_PK, TRACKER_SK, config_key, file_id, transfer_id
from runtime.facts import Fact, submitted
from runtime.routing import RoutingDocument
from runtime.tracker_items import _read
from runtime.tracker_items import fact as as_fact
from tests.simulation.place import own_bucket
from tests.simulation.schedule import Expiry, Export, Sender

if TYPE_CHECKING:
    from tests.simulation.world import World

#: Days of submission that every pass of the audit looks at, of runtime/audit.py; older ones take turns.
_EVERY_PASS = timedelta(days=1)


def check(world: World, *, unknown: Collection[str]) -> None:
    """Report the rules that are broken according to the chains or the gap report.

    `unknown` are transfers that the tracker is known to lack.
    """
    actions = world.schedule.actions
    if any(isinstance(each, Export) for each in actions):
        for sender in world.schedule.senders:
            for side in SIDES:
                _chain(world, sender, side)
    if not any(isinstance(each, Expiry) for each in actions):
        for sender in world.schedule.senders:
            for seen, found in gaps_of(world, sender.id):
                if seen.transfer not in unknown:
                    place = f"{seen.key} {seen.transfer}: {found[0].where}"
                    world.broken("gap", f"{found[0].finding}: {place}")


def _chain(world: World, sender: Sender, side: str) -> None:
    """Read a chain from its first link: unbroken, and every fact of this side is in it once."""
    bucket = world.storage.buckets[own_bucket("audit", side)]
    head, found = chain.Head(), list[tuple[str, ...]]()
    for number in range(1, 1_000):
        version = bucket.find(chain.key(sender.id, number))
        if version is None:
            break
        link = chain.whole(version.body)
        for problem in chain.breaks(head, link, customer=sender.id, region=REGION_OF[side], number=number):
            world.broken("chain broken", f"{sender.id} {side} {number}: {problem}")
        parts = ("transfer", "kind", "destination", "side", "writer")
        found += [tuple(fact[part] for part in parts) for fact in link.facts]
        head = link.head
    world.outcome.count("facts in audit chains", len(found))
    if len(found) != len(set(found)):
        world.broken("chain broken", f"{sender.id} {side}: a fact is in it twice")
    today = datetime.fromtimestamp(world.clock.now, UTC).date()
    for (_, sort_key), written in world.table.facts.items():
        is_its = written.side == side and written.item["customer"]["S"] == sender.id
        is_recent = today - submitted(sort_key.partition("#")[0]).date() <= _EVERY_PASS
        if is_its and is_recent and tuple(sort_key.split("#")) not in found:
            world.broken("chain broken", f"{sort_key} is not in it")


def customer_of(world: World, name: str) -> RoutingDocument:
    """Return a customer as its routing document says it."""
    document = world.storage.buckets[own_bucket("config", SIDES[0])].find(config_key(name))
    assert document is not None
    return RoutingDocument.parse(json.loads(document.body))


def gaps_of(world: World, name: str) -> list[tuple[Seen, list[Gap]]]:
    """Return the gaps of a customer by transfer: not what is held because something newer was delivered."""
    customer = customer_of(world, name)
    now = datetime.fromtimestamp(world.clock.now, UTC) + timedelta(hours=1)
    found = []
    for seen in _seen(world, name):
        if not customer.is_temporary(seen.key):
            open_ = gaps(seen, customer=customer, sides=SIDES, now=now)
            if wrong := [gap for gap in open_ if not _is_held(gap)]:
                found.append((seen, wrong))
    return found


def _is_held(gap: Gap) -> bool:
    return gap.finding is GapKind.UNDELIVERED and gap.where.startswith("held")


def _seen(world: World, customer: str) -> list[Seen]:
    facts: dict[str, dict[str, dict[str, Fact]]] = {}
    inbound: dict[str, dict[str, Stored]] = {}
    archived: dict[str, dict[str, int]] = {}
    keys: dict[str, str] = {}
    for side in SIDES:
        for (file, sort_key), item in world.table.live(side).items():
            if sort_key.count("#") == 4 and item["customer"]["S"] == customer:
                fact = as_fact({name: _read(value) for name, value in item.items()})
                assert (item[TRACKER_PK]["S"], item[TRACKER_SK]["S"]) == (file, sort_key)
                facts.setdefault(fact.transfer, {}).setdefault(side, {})[sort_key] = fact
                keys[fact.transfer] = fact.key
        for key, versions in world.storage.buckets[f"mft-{customer}-{side}"].versions.items():
            for version in versions:
                if not version.is_marker:
                    name = transfer_id(file_id(customer, key), version.id, version.modified)
                    stored = Stored(version_id=version.id, size=len(version.body))
                    inbound.setdefault(name, {})[side] = stored
                    keys[name] = key
        for key in world.storage.buckets[own_bucket("archive", side)].versions:
            owner, name, _ = key.split("/", 2)
            copy = world.storage.buckets[own_bucket("archive", side)].find(key)
            if owner == customer and copy:
                archived.setdefault(name, {})[side] = len(copy.body)
    return [
        _together(name, key, facts.get(name, {}), inbound.get(name, {}), archived.get(name, {}))
        for name, key in sorted(keys.items())
    ]


def _together(
    transfer: str,
    key: str,
    facts: dict[str, dict[str, Fact]],
    inbound: dict[str, Stored],
    archived: dict[str, int],
) -> Seen:
    union = {name: fact for its in facts.values() for name, fact in its.items()}
    unrecorded = {
        side: missing
        for side in SIDES
        if (missing := tuple(fact for name, fact in union.items() if name not in facts.get(side, {})))
    }
    return Seen(
        transfer=transfer,
        key=key,
        facts=tuple(union.values()),
        unrecorded=unrecorded,
        inbound=inbound,
        archived=archived,
    )
