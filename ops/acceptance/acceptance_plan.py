"""What an acceptance will do, put and remove, as an operator reviews it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from customers.registry import revision
from ops.acceptance import leftovers, receipts
from ops.acceptance.accepted_cell import AcceptedCell
from ops.acceptance.destinations import destinations
from ops.acceptance.failover_rehearsal import left_out
from ops.acceptance.synthetic_customer import SyntheticCustomer
from ops.environment import Environment
from ops.plan import digest
from runtime.contract import REGION_OF

#: The key of the failover in a plan's document; all others are regions and destinations.
FAILOVER = "failover"


@dataclass(frozen=True, kw_only=True)
class AcceptancePlan:
    """The plan of an acceptance. The digest stands for `document`.

    `left` has, by region or destination, what earlier acceptances have left there, and `out` the sides that
    an earlier one has left out of DNS.
    """

    customer: SyntheticCustomer
    document: dict[str, dict[str, Any]]
    left: dict[str, list[str]]
    out: Sequence[str]

    @property
    def digest(self) -> str:
        """The digest of the plan."""
        return digest(self.document)

    def lines(self) -> list[str]:
        """Return the plan in sentences."""
        found = [
            f"earlier acceptance: {what}: is removed first" for its in self.left.values() for what in its
        ]
        found += [
            f"earlier acceptance: {REGION_OF[side]} is out of DNS: is put back first" for side in self.out
        ]
        for name, its in self.document.items():
            if name == FAILOVER:
                found += [
                    f"{region} is taken out of DNS for minutes and put back" for region in its["regions"]
                ]
                continue
            if "sftp" not in its:
                found.append(f"{name}: gets these files, which are then removed")
                continue
            found.append(
                f"{name}: as {self.customer.user}, SFTP puts {its['sftp']}* (3 files, one of them twice)"
            )
            found.append(f"{name}: S3 puts {its['s3']}* (1 file)")
            found.append(
                f"{name}: a queue {its['queue']}* is subscribed to {its['topic']}, and is then removed"
            )
            found.append(f"{name}: all versions of these files and of their archived copies are removed")
            found.append(f"{name}: facts about them stay, and so do two records in {its['audit']}")
        return found


def plan(
    environment: Environment,
    customer: SyntheticCustomer,
    cells: dict[str, AcceptedCell],
    *,
    with_failover: bool,
) -> AcceptancePlan:
    """Return the plan; raises RefusedError, DeliveryError and botocore's errors."""
    document: dict[str, dict[str, Any]] = {}
    for cell in cells.values():
        sftp, s3 = (f"s3://{cell.inbound}/{prefix}" for prefix in customer.folders)
        document[cell.region] = {
            "registry": revision([customer.customer]),
            "user": customer.user,
            "sftp": sftp,
            "s3": s3,
            "queue": receipts.prefix(cell),
            "topic": cell.routing.receipts_topic,
            "audit": cell.bucket("audit"),
        }
    for to in destinations(cells):
        document[to.place] = {"gets": "the files"}
    out = left_out(environment)
    left = {
        place: found
        for place, look in leftovers.places(cells)
        if (found := sorted(each.what for each in look()))
    }
    for place, found in left.items():
        document[place]["left"] = found
    if with_failover or out:
        regions = [cell.region for cell in cells.values()] if with_failover else []
        document[FAILOVER] = {"regions": regions, "out": out}
    return AcceptancePlan(customer=customer, document=document, left=left, out=out)
