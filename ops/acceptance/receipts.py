"""Receipts as a subscriber gets them: a queue that one acceptance subscribes to the customer's topic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ops.acceptance.accepted_cell import AcceptedCell
from ops.acceptance_names import ACCEPTANCE
from ops.plan import RefusedError

#: The most messages of a request, and the seconds for which it waits for one.
_MESSAGES, _WAIT = 10, 1
_HOUR = 3600


def prefix(cell: AcceptedCell) -> str:
    """Return the beginning of the names of an environment's queues for receipts."""
    where = cell.environment
    return f"{where.namespace}-cell{where.cell}-{ACCEPTANCE}"


@dataclass(kw_only=True)
class ReceiptQueue:
    """A queue for the receipts of one run in one region, which exists from `open` to its removal."""

    cell: AcceptedCell
    run: str
    url: str = ""
    _taken: list[dict[str, Any]] = field(default_factory=list)

    def open(self) -> None:
        """Make the queue and subscribe it; only this topic may send to it.

        The queue has its own encryption: SNS would need a right to the cell's key for another one.
        https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html
        """
        sqs, sns = self.cell.client("sqs"), self.cell.client("sns")
        attributes = {"SqsManagedSseEnabled": "true", "MessageRetentionPeriod": str(_HOUR)}
        made = sqs.create_queue(QueueName=f"{prefix(self.cell)}{self.run}", Attributes=attributes)
        self.url = made["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        arn = found["Attributes"]["QueueArn"]
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.cell.routing.receipts_topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": policy})
        sns.subscribe(
            TopicArn=self.cell.routing.receipts_topic,
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
            ReturnSubscriptionArn=True,
        )

    def has(self, transfer: str) -> bool:
        """Return whether the receipt of a transfer has come."""
        return self.outcome(transfer) is not None

    def outcome(self, transfer: str) -> str | None:
        """Return the outcome in the receipt of a transfer, None while there is no receipt."""
        if not self.url:
            raise RefusedError("no queue could be subscribed to the receipts")
        sqs = self.cell.client("sqs")
        while found := sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=_MESSAGES, WaitTimeSeconds=_WAIT
        ).get("Messages"):
            for message in found:
                self._taken.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return next((each["outcome"] for each in self._taken if each.get("transfer") == transfer), None)


def queues(cell: AcceptedCell) -> list[str]:
    """Return the URLs of the queues that acceptances have left in a region."""
    pages = cell.client("sqs").get_paginator("list_queues").paginate(QueueNamePrefix=prefix(cell))
    return [url for page in pages for url in page.get("QueueUrls", ())]


def subscriptions(cell: AcceptedCell) -> Iterator[str]:
    """Yield the ARNs of the subscriptions that acceptances have left on the customer's topic."""
    pages = (
        cell.client("sns")
        .get_paginator("list_subscriptions_by_topic")
        .paginate(TopicArn=cell.routing.receipts_topic)
    )
    for page in pages:
        for each in page["Subscriptions"]:
            if each["Endpoint"].rpartition(":")[2].startswith(prefix(cell)):
                yield each["SubscriptionArn"]
