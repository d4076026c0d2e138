"""One region of an environment, as an acceptance uses it: its clients, and the names of what it looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ops.acceptance.synthetic_customer import ENDING, PAGE, SyntheticCustomer
from ops.cell import DeployedCell
from ops.cell_manifest import CellManifest
from ops.environment import Environment
from ops.finding import deploy
from ops.plan import RefusedError
from ops.recovery.regions import Regions
from runtime.contract import INBOUND, REGION_OF, SIDES, peer_of
from runtime.delivery.names import name_for
from runtime.routing import DestinationKind, RoutingDocument, RoutingRule
from runtime.tracker import Tracker


@dataclass(frozen=True, kw_only=True)
class AcceptedCell:
    """A cell with the customer that sends to it."""

    environment: Environment
    side: str
    regions: Regions
    customer: SyntheticCustomer

    @property
    def region(self) -> str:
        """The cell's region."""
        return REGION_OF[self.side]

    @property
    def deployed(self) -> DeployedCell:
        """The cell as other verbs see it."""
        return DeployedCell(environment=self.environment, side=self.side)

    def client(self, service: str) -> Any:
        """Return a client for a service in this region."""
        return self.regions.client(service, self.side)

    @property
    def inbound(self) -> str:
        """The name of the customer's bucket in this region."""
        return self.customer.buckets[self.side]

    def bucket(self, role: str) -> str:
        """Return the name of one of the cell's own buckets."""
        return self.deployed.bucket(role)

    @cached_property
    def manifest(self) -> CellManifest:
        """What the cell consists of; ManifestError if that is not known."""
        return self.regions.manifest(self.side)

    @cached_property
    def tracker(self) -> Tracker:
        """This region's replica of the tracker."""
        return self.regions.tracker(self.side)

    @cached_property
    def routing(self) -> RoutingDocument:
        """The customer's routes, destinations and topic, as they are deployed in this region."""
        return self.regions.directory(self.side).customer(self.customer.id)

    @property
    def destinations(self) -> tuple[str, ...]:
        """The names of the destinations that the customer's files go to."""
        rules = (self.rule(f"{folder}{ENDING}") for folder in self.customer.folders)
        return tuple(dict.fromkeys(name for rule in rules for name in rule.to))

    def rule(self, key: str) -> RoutingRule:
        """Return the route of a key; RefusedError if it has none."""
        found = self.routing.route(key)
        if found is None:
            raise RefusedError(
                f"{self.customer.id} has no route for a file such as {key}: it would be rejected; see {PAGE}"
            )
        return found

    def name_at_destination(self, key: str) -> str:
        """Return the name under which a key is delivered."""
        return name_for(self.rule(key).match, key.removeprefix(INBOUND))

    def refuse_unfit(self) -> None:
        """Raise RefusedError unless the customer's files go to a server and to a bucket."""
        kinds = {self.routing.destinations[name]["kind"] for name in self.destinations}
        if missing := [kind.value for kind in DestinationKind if kind not in kinds]:
            found = ", ".join(self.destinations)
            raise RefusedError(
                f"{self.customer.id}: its files go to {found}, and none of these is of the kind"
                f" {' or '.join(missing)}: an acceptance shows both; see {PAGE}"
            )


def accepted_cells(environment: Environment, customer: SyntheticCustomer) -> dict[str, AcceptedCell]:
    """Return both cells by side.

    Raises RefusedError if a region does not answer or does not serve the customer, if the customer's files do
    not go where an acceptance looks, and if the credentials are those of another account.
    """
    regions = Regions.find(environment)
    if regions.silent:
        raise RefusedError(f"an acceptance needs both regions: {' '.join(regions.unknowns)}")
    _refuse_other_account(environment, regions)
    found = {
        side: AcceptedCell(environment=environment, side=side, regions=regions, customer=customer)
        for side in SIDES
    }
    for side, cell in found.items():
        if customer.id not in regions.directory(side).names():
            raise RefusedError(f"{cell.region} does not serve {customer.id} yet: {deploy(side)}")
        cell.refuse_unfit()
    return found


def _refuse_other_account(environment: Environment, regions: Regions) -> None:
    account = regions.client("sts", SIDES[0]).get_caller_identity()["Account"]
    if account != environment.account:
        raise RefusedError(
            f"the credentials are of account {account}, and mft:accountId is {environment.account}:"
            " use credentials of that account"
        )


def peer_cell(cells: dict[str, AcceptedCell], cell: AcceptedCell) -> AcceptedCell:
    """Return the other of two cells."""
    return cells[peer_of(cell.side)]
