"""Whether a client sees the same host keys at the SFTP endpoints of both cells: as served, and as stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from customers import names
from ops.dns.dns_answers import DNS
from ops.dns.name_servers import NameServers, NoAnswerError
from ops.environment import Environment
from ops.finding import Finding, deploy
from ops.health.served_keys import Served, served
from runtime.contract import REGION_OF, SIDES

#: The types of stored keys that the FIPS security policies let a server present.
#: https://docs.aws.amazon.com/transfer/latest/userguide/security-policies.html
_IN_USE = ("ssh-rsa", "ecdsa-")


def look(
    environment: Environment,
    kept: Mapping[str, Mapping[str, str]],
    servers: NameServers | None,
    port: int,
) -> Iterator[Finding]:
    """Yield how host keys differ: as served on this port where DNS points, and as stored.

    `kept` are the stored keys' fingerprints, by side and type. Without `servers` no address is asked.
    """
    addresses: dict[str, list[str]] = {side: [] for side in SIDES}
    for side in SIDES:
        if servers is None:
            break
        host = names.cell_host(side, environment.cell, environment.zone)
        try:
            addresses[side] = sorted(servers.values(host, "A"))
        except NoAnswerError as error:
            yield Finding(where=DNS, what=f"{host} A: {error}")
            continue
        if not addresses[side]:
            yield Finding(where=DNS, what=f"{host} has no address", remedy=deploy(side))
    asked = [address for some in addresses.values() for address in some]
    found = {each.address: each for each in served(asked, port)}
    yield from differences({side: [found[each] for each in addresses[side]] for side in SIDES}, kept)


def differences(
    found: Mapping[str, Sequence[Served]], kept: Mapping[str, Mapping[str, str]]
) -> Iterator[Finding]:
    """Yield what differs. `found` is what each address serves, and `kept` the fingerprints that AWS stores.

    Where no address of a side could be reached, the stored keys stand in for it.
    """
    known: dict[str, Mapping[str, str]] = {}
    for side, addresses in found.items():
        region = REGION_OF[side]
        for each in addresses:
            if each.problem:
                yield Finding(
                    where=region,
                    what=f"the SFTP endpoint serves no host key at {each.address}, {each.problem}",
                    remedy="try from a network that customers' files name in source_cidrs; if there is no"
                    " answer there either, see docs/runbook.md#endpoint-silent",
                )
        reached = [each for each in addresses if not each.problem]
        if reached:
            known[side] = reached[0].keys
            for other in reached[1:]:
                yield from _compared(
                    {f"{region} at {each.address}": each.keys for each in (reached[0], other)}
                )
            if side in kept:
                in_use = {type: key for type, key in known[side].items() if type.startswith(_IN_USE)}
                yield from _compared({f"{region} as served": in_use, f"{region} as stored": kept[side]})
        elif side in kept:
            known[side] = kept[side]
    yield from _compared({REGION_OF[side]: keys for side, keys in known.items()})


def _compared(keys: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    """Yield each type of key that differs between two places."""
    if len(keys) < 2:
        return
    (one, ones), (other, others) = keys.items()
    for type in sorted(ones.keys() | others.keys()):
        if ones.get(type) != others.get(type):
            both = f"{ones.get(type, 'none')} and {others.get(type, 'none')}"
            yield Finding(
                where=f"{one} and {other}", what=f"the {type} host keys differ: {both}", remedy=_same_keys()
            )


def by_type(host_keys: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the fingerprint of each type in use, from the answer of ListHostKeys.

    If there are several keys of a type, the oldest is served: https://docs.aws.amazon.com/transfer/latest/userguide/server-host-key-add.html.
    """
    oldest_last = sorted(host_keys, key=lambda key: key["DateImported"], reverse=True)
    return {
        key["Type"]: key["Fingerprint"].rstrip("=") for key in oldest_last if key["Type"].startswith(_IN_USE)
    }


def _same_keys() -> str:
    return (
        "clients would refuse to connect after a failover: set mft:hostKeyRsa and mft:hostKeyEcdsa to the"
        f" same keys in both stacks, and {deploy(*SIDES)}"
    )
