"""Whether both cells and every customer in them are alike and well: each difference is a finding.

Nothing is changed. Whatever does not answer (a region, Route 53's control plane, the name servers) is one
finding, and the rest is compared all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from customers import service_quotas
from customers.registry import revision
from ops import switches
from ops.cell import DeployedCell, cells, known_customers
from ops.dns import account_quotas, dns_answers, route53_check
from ops.dns.dns_changes import HostedZone
from ops.dns.name_servers import NameServers
from ops.environment import Environment, group_rule_quota, health_check_quota
from ops.finding import Finding
from ops.health import cell_findings, cell_report, customer_resources, endpoints, replication_lag, served_keys
from ops.health.cell_report import CellReport
from ops.health.customer_resources import RegionServices
from ops.plan import RefusedError
from ops.recovery.regions import Regions
from ops.registry import read_registry
from runtime.contract import REGION_OF

_AT_ONCE = 32


@dataclass(frozen=True, kw_only=True)
class ReadyReport:
    """The findings. `silent` are the regions that do not answer, `revision` is the checkout's registry's."""

    customers: int
    revision: str
    silent: tuple[str, ...]
    differences: tuple[Finding, ...]


class Readiness:
    """Compares both cells of an environment with each other and with the registry below `root`."""

    def __init__(self, environment: Environment, root: Path, ids: Iterable[str]) -> None:
        """Compare these customers, or all; RefusedError for unknown ids and for a registry with problems."""
        self._environment, self._quota = environment, health_check_quota(root)
        self._group_rules = group_rule_quota(root)
        self._registry = read_registry(environment, root)
        self._port = served_keys.port()
        self._everybody = self._registry.of_cell(environment.cell)
        wanted = known_customers(ids, [each.id for each in self._everybody])
        self._customers = [each for each in self._everybody if not wanted or each.id in wanted]
        self._cells = {cell.side: cell for cell in cells(environment)}

    @property
    def steps(self) -> int:
        """How many steps `look` takes: one for each customer in each region, and in DNS."""
        return 3 * len(self._customers)

    def look(self, stepped: Callable[[int], None]) -> ReadyReport:
        """Return the report; RefusedError if neither region answers. `stepped` is called with steps done."""
        found = dict(zip(self._cells, cell_report.of_cells(list(self._cells.values())), strict=True))
        answering = [side for side, its in found.items() if its.answers]
        if not answering:
            reasons = "\n".join(f"{its.region}: {each}" for its in found.values() for each in its.unknowns)
            raise RefusedError(f"neither region answers, so nothing can be compared:\n{reasons}")
        stepped((len(found) - len(answering)) * len(self._customers))
        differences = [each for side, its in found.items() for each in cell_findings.of_cell(side, its)]
        standing = switches.kept(self._environment, answering)
        differences += switches.differences(standing)
        zone = HostedZone(self._environment)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            asked = pool.submit(
                route53_check.look,
                *(self._environment, zone, self._registry, self._customers),
                manifests={side: its.manifest for side, its in found.items() if its.manifest},
                health_check_quota=self._quota,
            )
            finding = pool.submit(self._servers)
            regions: dict[str, RegionServices] = {}
            clients = Regions(self._environment, dict.fromkeys(answering, ()), {})
            for side in answering:
                differences += self._region(side, found[side], clients, regions)
            for region in regions.values():
                differences += self._of_region(pool, region, clients, stepped)
            servers, problems = finding.result()
            differences += problems
            of_zone, shifted = asked.result()
        differences += account_quotas.of_servers(
            {each.cell.region: len(each.users) for each in regions.values()}
        )
        differences += self._endpoints(regions, servers)
        differences += of_zone
        if servers:
            out = {each.side for each in standing if each.is_out}
            active = [each for each in self._customers if each.is_in_service]
            gone = {id: out | sides for id, sides in shifted.items()}
            differences += dns_answers.differences(servers, self._environment, active, gone)
        stepped(len(self._customers))
        return ReadyReport(
            customers=len(self._customers),
            revision=revision(self._everybody),
            silent=tuple(self._cells[side].region for side in found if side not in answering),
            differences=tuple(differences),
        )

    def _region(
        self, side: str, found: CellReport, clients: Regions, regions: dict[str, RegionServices]
    ) -> Iterator[Finding]:
        """Add a region to `regions`, or yield why it cannot be compared."""
        cell = self._cells[side]
        if found.manifest is None:
            return  # a finding of the report says why
        try:
            regions[side] = RegionServices.read(cell, found.manifest.server, clients)
        except (ClientError, BotoCoreError) as error:
            what = f"users and topics cannot be listed, so customers are not compared: {error}"
            yield Finding(where=cell.region, what=what)

    def _of_region(
        self, pool: Executor, region: RegionServices, clients: Regions, stepped: Callable[[int], None]
    ) -> Iterator[Finding]:
        """Yield what differs in a region: in its cell, in its customers' resources, in the lag of copies."""
        cell, cloudwatch = region.cell, clients.client("cloudwatch", region.cell.side)
        late = pool.submit(
            _known, cell.region, replication_lag.of_customers, cell, self._customers, cloudwatch
        )
        of_customers = [
            pool.submit(_known, cell.region, customer_resources.of_customer, region, customer)
            for customer in self._customers
        ]
        yield from _known(cell.region, customer_resources.of_cell, region, self._everybody)
        for each in of_customers:
            yield from each.result()
            stepped(1)
        yield from late.result()
        yield from _known(cell.region, self._account, cell, clients)

    def _account(self, cell: DeployedCell, clients: Regions) -> Iterator[Finding]:
        customers = self._registry.placed
        yield from account_quotas.of_region(
            service_quotas.needed(customers, group_rules=self._group_rules),
            region=cell.region,
            namespace=self._environment.namespace,
            cells={each.cell for each in customers},
            client=lambda service: clients.client(service, cell.side),
        )

    def _endpoints(
        self, regions: Mapping[str, RegionServices], servers: NameServers | None
    ) -> Iterator[Finding]:
        kept = {}
        for side, region in regions.items():
            try:
                answer = region.transfer.list_host_keys(ServerId=region.server)
                kept[side] = endpoints.by_type(answer["HostKeys"])
            except (ClientError, BotoCoreError) as error:
                what = f"the SFTP server's host keys cannot be listed: {error}"
                yield Finding(where=REGION_OF[side], what=what)
        yield from endpoints.look(self._environment, kept, servers, self._port)

    def _servers(self) -> tuple[NameServers | None, list[Finding]]:
        try:
            return NameServers.of(self._environment.zone), []
        except RefusedError as error:
            return None, [Finding(where=dns_answers.DNS, what=str(error))]


def _known(where: str, look: Callable[..., Iterable[Finding]], *args: object) -> list[Finding]:
    """Return the findings, or, where AWS does not answer, the one that not everything is known."""
    try:
        return list(look(*args))
    except (ClientError, BotoCoreError) as error:
        return [Finding(where=where, what=f"not everything is known: {error}")]
