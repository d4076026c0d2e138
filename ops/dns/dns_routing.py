"""Where customers' names point, according to the zone's name servers. This needs no Route 53 API.

All of a customer's records for one region carry the same health check. So the answer for `east.` shows
whether the customer is in East at all: if it names West, the customer was shifted out of East, or East is out
for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from customers import dns, names
from customers.route53 import Record, absolute, quoted
from ops.aws_errors import blames_credentials
from ops.cell import DeployedCell
from ops.dns.name_servers import NameServers, NoAnswerError
from ops.environment import Environment
from ops.plan import RefusedError
from runtime.contract import SIDES, is_canary

#: How many names are listed in warnings.
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class NameRouting:
    """The side that one of the three names points at, by customer in service; None where it is not known.

    `servers` is None if no name server can be asked. `warnings` say what is not known, and why.
    """

    servers: NameServers | None = None
    sides: Mapping[str, str | None] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def at(self, side: str) -> list[str]:
        """Return the customers whose name points at this side, sorted."""
        return sorted(name for name, its in self.sides.items() if its == side)


def look(cell: DeployedCell, endpoint: str) -> NameRouting:
    """Return where the names for an endpoint point, for all customers with a routing document in a cell.

    Customers without records (draining ones) are left out. What does not answer becomes a warning; only
    botocore's error about expired credentials is raised.
    """
    environment = cell.environment
    try:
        customers = [name for name in cell.directory.names() if not is_canary(name)]
    except (ClientError, BotoCoreError) as error:
        if blames_credentials(error):
            raise
        return NameRouting(
            warnings=[f"{cell.region} does not list its customers, so DNS is not looked at: {error}"]
        )
    try:
        servers = NameServers.of(environment.zone)
    except RefusedError as error:
        return NameRouting(warnings=[f"DNS cannot be looked at: {error}"])
    hosts = {absolute(names.cell_host(side, environment.cell, environment.zone)): side for side in SIDES}
    questions = [(names.endpoint_host(endpoint, name, environment.zone), "CNAME") for name in customers]
    sides: dict[str, str | None] = {}
    strange = []
    for name, (host, _), answer in zip(customers, questions, servers.all_values(questions), strict=True):
        if isinstance(answer, NoAnswerError):
            sides[name] = None
            strange.append(f"{host}: {answer}")
        elif answer:
            sides[name] = hosts.get(" ".join(answer))
            if sides[name] is None:
                strange.append(f"{host} points at {', '.join(sorted(answer))}, which is neither region")
    warnings = [f"the name server {each}, and is not asked again" for each in servers.silent]
    warnings += strange[:_NAMED]
    if len(strange) > _NAMED:
        warnings.append(f"and {len(strange) - _NAMED:,} more names with unusable answers")
    return NameRouting(servers=servers, sides=sides, warnings=warnings)


def halves(environment: Environment, customer: str, endpoint: str, side: str) -> tuple[Record, Record]:
    """Return the CNAME and the TXT record that answer while one of a customer's names points at a side."""
    zone = environment.zone
    host, found = dns.values(
        customer, side, cell=environment.cell, namespace=environment.namespace, zone=zone
    )
    return (
        Record(name=names.endpoint_host(endpoint, customer, zone), type="CNAME", values=(host,)),
        Record(name=names.bucket_record(endpoint, customer, zone), type="TXT", values=(quoted(found),)),
    )
