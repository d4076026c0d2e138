"""What acceptances have left in a region: found by its names, and removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from ops.acceptance import receipts
from ops.acceptance.accepted_cell import AcceptedCell
from ops.acceptance.destinations import AcceptanceDestination, destinations
from ops.acceptance_names import is_of_acceptance


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """One thing that an acceptance has left, and what removes it; a repeat does no harm."""

    what: str
    remove: Callable[[], object] = field(repr=False, compare=False)


def of_region(cell: AcceptedCell) -> Iterator[Leftover]:
    """Yield what is left in a region: subscriptions before their queues, versions of files, archived copies.

    Raises botocore's errors.
    """
    sns, sqs = cell.client("sns"), cell.client("sqs")
    for arn in receipts.subscriptions(cell):
        yield Leftover(what=f"subscription {arn}", remove=partial(sns.unsubscribe, SubscriptionArn=arn))
    for url in receipts.queues(cell):
        yield Leftover(what=f"queue {url}", remove=partial(sqs.delete_queue, QueueUrl=url))
    inbound = (_versions(cell, cell.inbound, prefix) for prefix in cell.customer.folders)
    yield from chain.from_iterable(inbound)
    yield from _versions(cell, cell.bucket("archive"), f"{cell.customer.id}/")


def at_destination(to: AcceptanceDestination) -> Iterator[Leftover]:
    """Yield what is left at a destination; raises what its server or AWS answers."""
    for name in to.left():
        yield Leftover(what=f"{name} at {to.place}", remove=partial(to.remove, name))


def places(cells: dict[str, AcceptedCell]) -> Iterator[tuple[str, Callable[[], Iterator[Leftover]]]]:
    """Yield each place, and what looks for what is left there: both regions, then each destination once."""
    for cell in cells.values():
        yield cell.region, partial(of_region, cell)
    for to in destinations(cells):
        yield to.place, partial(at_destination, to)


def _versions(cell: AcceptedCell, bucket: str, prefix: str) -> Iterator[Leftover]:
    """Yield every version and delete marker below a prefix that is of a file of an acceptance."""
    s3 = cell.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            key, version = each["Key"], each["VersionId"]
            if is_of_acceptance(key):
                delete = partial(s3.delete_object, Bucket=bucket, Key=key, VersionId=version)
                yield Leftover(what=f"s3://{bucket}/{key} version {version}", remove=delete)
