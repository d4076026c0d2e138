"""The host keys of the SFTP endpoints: by handshake on every address, and as the stacks have stored them."""

from __future__ import annotations

from collections.abc import Mapping

from customers import names
from ops.acceptance.accepted_cell import AcceptedCell
from ops.acceptance.observation import Check, Observations
from ops.acceptance.sftp_session import SftpEndpoint
from ops.dns.name_servers import NameServers
from ops.health import endpoints, served_keys
from ops.health.served_keys import Served


def look(cells: Mapping[str, AcceptedCell], observed: Observations) -> dict[str, SftpEndpoint]:
    """Note what each address serves; return, by side, an endpoint that can be logged in at."""
    port = served_keys.port()
    found: dict[str, SftpEndpoint] = {}
    stored: dict[str, Mapping[str, str]] = {}
    for side, cell in cells.items():
        what = "its addresses and stored host keys are known"
        with observed.attempt(Check.HOST_KEYS, cell.region, what):
            stored[side] = _stored(cell, observed)
            host = names.cell_host(side, cell.environment.cell, cell.environment.zone)
            addresses = sorted(NameServers.of(cell.environment.zone).values(host, "A"))
            if not addresses:
                observed.note(Check.HOST_KEYS, cell.region, what, False, f"{host} has no address")
            for each in served_keys.served(addresses, port):
                if _served(cell, each, stored[side], observed):
                    found.setdefault(
                        side,
                        SftpEndpoint(
                            side=side,
                            address=each.address,
                            port=port,
                            fingerprints=frozenset(stored[side].values()),
                        ),
                    )
    if len(stored) == len(cells):
        one, other = stored.values()
        where = " and ".join(cell.region for cell in cells.values())
        words = ", ".join(f"{type} {key}" for type, key in sorted(one.items()))
        found_words = words if one == other else "they differ"
        observed.note(Check.HOST_KEYS, where, "both have the same host keys", one == other, found_words)
    return found


def _stored(cell: AcceptedCell, observed: Observations) -> dict[str, str]:
    """Return the stored keys by type; note that the server has these two and no others."""
    keys = cell.client("transfer").list_host_keys(ServerId=cell.manifest.server)["HostKeys"]
    types = sorted(each["Type"] for each in keys)
    what = "the server has the two host keys of the stack and no others"
    seen = len(types) == len(set(types)) == 2
    observed.note(Check.HOST_KEYS, cell.region, what, seen, ", ".join(types))
    return endpoints.by_type(keys)


def _served(cell: AcceptedCell, found: Served, stored: Mapping[str, str], observed: Observations) -> bool:
    what = f"{found.address} presents the stored host keys and no others"
    if found.problem:
        return observed.note(Check.HOST_KEYS, cell.region, what, False, found.problem)
    words = ", ".join(f"{type} {key}" for type, key in sorted(found.keys.items()))
    return observed.note(Check.HOST_KEYS, cell.region, what, dict(found.keys) == dict(stored), words)
