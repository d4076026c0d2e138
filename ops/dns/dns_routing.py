"""Where customers' names point, as the zone's name servers tell: known without Route 53's API.

A customer's halves of one region carry one health check. So what `east.` answers says whether the customer
is in East at all: with West, the customer was shifted out of East, or East is out for everybody.
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

#: Customers that a sentence names.
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class NameRouting:
    """By customer in service, the side that one of the three names points at; None where nobody can tell.

    `servers` is None when none can be asked. `warnings` say what is not known, and why.
    """

    servers: NameServers | None = None
    sides: Mapping[str, str | None] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def at(self, side: str) -> list[str]:
        """Return the customers whose name points at a side, sorted."""
        return sorted(name for name, its in self.sides.items() if its == side)


def look(cell: DeployedCell, endpoint: str) -> NameRouting:
    """Return where the endpoint's names point of all customers whose routing documents a cell holds.

    Those that have no records (draining ones) are left out. Never raises for what does not answer.
    """
    environment = cell.environment
    try:
        customers = [name for name in cell.directory.names() if not is_canary(name)]
    except (ClientError, BotoCoreError) as error:
        if blames_credentials(error):
            raise
        return NameRouting(
            warnings=[f"{cell.region} does not tell who its customers are, so no DNS is looked at: {error}"]
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
    warnings = [f"the name server {each}, and is not asked any more" for each in servers.silent]
    warnings += strange[:_NAMED]
    if len(strange) > _NAMED:
        warnings.append(f"and {len(strange) - _NAMED:,} names more that make no sense")
    return NameRouting(servers=servers, sides=sides, warnings=warnings)


def halves(environment: Environment, customer: str, endpoint: str, side: str) -> tuple[Record, Record]:
    """Return the CNAME and the TXT of one of a customer's names as they answer while it points at a side."""
    zone = environment.zone
    host, found = dns.values(
        customer, side, cell=environment.cell, namespace=environment.namespace, zone=zone
    )
    return (
        Record(name=names.endpoint_host(endpoint, customer, zone), type="CNAME", values=(host,)),
        Record(name=names.bucket_record(endpoint, customer, zone), type="TXT", values=(quoted(found),)),
    )
