"""What has to be proven before the steps of a move: a sentence for each proof that is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, assert_never

from customers import names
from customers.model import Customer
from customers.receipt_targets import EmailReceipt, HttpsReceipt, Receipt, SqsReceipt
from ops.cell import cells
from ops.cell_manifest import CellManifest
from ops.environment import Environment
from ops.failover.interlocks import Doubt
from ops.health import endpoints
from ops.health.ready import Readiness
from runtime.contract import PARTITION, REGION_OF, SIDES


def alike(root: Path, id: str, cell: str, stepped: Callable[[int], None]) -> list[str]:
    """Return what differs in a cell, and of a customer there, from the registry of the checkout."""
    return [
        each.line for each in Readiness(Environment.read(root, cell), root, [id]).look(stepped).differences
    ]


def subscribed(customer: Customer, environment: Environment) -> Iterator[str]:
    """Yield which targets of a customer's receipts have not confirmed that they take those of a cell.

    SNS sends nothing to a target that has not: https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html
    """
    topic = names.receipts_topic(environment.stem, customer.id)
    for side in SIDES if customer.receipts else ():
        region = REGION_OF[side]
        arn = f"arn:{PARTITION}:sns:{region}:{environment.account}:{topic}"
        pages = environment.client("sns", side).get_paginator("list_subscriptions_by_topic")
        confirmed = {
            each["Endpoint"]
            for page in pages.paginate(TopicArn=arn)
            for each in page["Subscriptions"]
            if each["SubscriptionArn"].startswith("arn:")
        }
        for target in customer.receipts:
            if (endpoint := _endpoint(target)) not in confirmed:
                yield (
                    f"{region}: {customer.id}: {endpoint} has not confirmed that it takes receipts of"
                    f" {topic}; ask its owner"
                )


def other_host_keys(customer: Customer, here: Environment, there: Environment) -> list[Doubt]:
    """Return the doubt that the customer's SFTP clients see other host keys after the move."""
    if not customer.sftp.users:
        return []
    problems = []
    for side in SIDES:
        known, others = _host_keys(here, side), _host_keys(there, side)
        problems += [
            f"{REGION_OF[side]}: the {type} key is {others.get(type, 'none')}, was {known.get(type, 'none')}"
            for type in sorted(known.keys() | others.keys())
            if known.get(type) != others.get(type)
        ]
    sentence = f"clients of {customer.id} will see other host keys"
    return [Doubt(sentence=sentence, problems=problems)] if problems else []


def _host_keys(environment: Environment, side: str) -> dict[str, str]:
    (cell,) = (each for each in cells(environment) if each.side == side)
    manifest = CellManifest.read(
        namespace=environment.namespace, cell=environment.cell, side=side, parameters=cell.client("ssm")
    )
    keys: Any = cell.client("transfer").list_host_keys(ServerId=manifest.server)["HostKeys"]
    return endpoints.by_type(keys)


def _endpoint(target: Receipt) -> str:
    match target:
        case SqsReceipt():
            return target.arn
        case HttpsReceipt():
            return target.url
        case EmailReceipt():
            return target.address
        case _:
            assert_never(target)
