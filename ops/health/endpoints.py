"""Whether the SFTP endpoints of both cells are the same to a client: host keys, as served and as kept."""

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

#: What the FIPS security policies serve of what a server keeps.
#: https://docs.aws.amazon.com/transfer/latest/userguide/security-policies.html
_IN_USE = ("ssh-rsa", "ecdsa-")
_REMEDY = (
    "clients would raise an alarm at a failover: set mft:hostKeyRsa and mft:hostKeyEcdsa to the same keys in"
    " both stacks, and run `pulumi up` on both"
)


def look(
    environment: Environment,
    kept: Mapping[str, Mapping[str, str]],
    servers: NameServers | None,
    port: int,
) -> Iterator[Finding]:
    """Yield how host keys differ: as served where DNS points, on this port; as kept, by side and type."""
    addresses: dict[str, list[str]] = {side: [] for side in SIDES}
    for side in SIDES if servers else ():
        host = names.cell_host(side, environment.cell, environment.zone)
        try:
            addresses[side] = sorted(servers.values(host, "A"))
        except NoAnswerError as error:
            yield Finding(where=DNS, what=f"{host} A: {error}")
            continue
        if not addresses[side]:
            yield Finding(where=DNS, what=f"{host} has no address", remedy=deploy(side))
    told = {each.address: each for each in served([a for some in addresses.values() for a in some], port)}
    yield from differences({side: [told[each] for each in addresses[side]] for side in SIDES}, kept)


def differences(
    found: Mapping[str, Sequence[Served]], kept: Mapping[str, Mapping[str, str]]
) -> Iterator[Finding]:
    """Yield what differs. By side: what each address serves; and the fingerprints, by type, that AWS keeps.

    Where no address of a side could be reached, what AWS keeps there stands in for it.
    """
    known: dict[str, Mapping[str, str]] = {}
    for side, addresses in found.items():
        region = REGION_OF[side]
        for each in addresses:
            if each.problem:
                yield Finding(
                    where=region,
                    what=f"the SFTP endpoint serves no host key at {each.address}, {each.problem}",
                    remedy="ask from a network that customers' files name in source_cidrs; if it is silent"
                    " there too, see docs/runbook.md#endpoint-silent",
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
                yield from _compared({f"{region} as served": in_use, f"{region} as kept": kept[side]})
        elif side in kept:
            known[side] = kept[side]
    yield from _compared({REGION_OF[side]: keys for side, keys in known.items()})


def _compared(keys: Mapping[str, Mapping[str, str]]) -> Iterator[Finding]:
    """Yield each type of which two places have not the same key."""
    if len(keys) < 2:
        return
    (one, ones), (other, others) = keys.items()
    for type in sorted(ones.keys() | others.keys()):
        if ones.get(type) != others.get(type):
            told = f"{ones.get(type, 'none')} and {others.get(type, 'none')}"
            yield Finding(
                where=f"{one} and {other}", what=f"the {type} host keys differ: {told}", remedy=_REMEDY
            )


def by_type(host_keys: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the fingerprint of each type in use among the keys that ListHostKeys tells.

    Of two keys of a type the oldest is served: https://docs.aws.amazon.com/transfer/latest/userguide/server-host-key-add.html.
    """
    oldest_last = sorted(host_keys, key=lambda key: key["DateImported"], reverse=True)
    return {
        key["Type"]: key["Fingerprint"].rstrip("=") for key in oldest_last if key["Type"].startswith(_IN_USE)
    }
