"""A customer in a cell: a bucket, SFTP users, a receipts topic, a routing document, and its DNS records.

Its lifecycle decides which of these exist. `onboarding` has bucket, users, keys and topic, but refuses
uploads, because nothing would process them; `active` also has routing, replication, records and their health
check; `closing` has the same; `draining` finishes files in flight with bucket, topic, routing and
replication; `retired` is only a bucket, which is not protected and which remains in AWS when the program no
longer declares it. A customer that moves to another cell is in two: there, it goes from `onboarding` over
`joining`, which is like `active` without records, to `active`, and meanwhile it leaves this cell
(docs/cells.md).

Pulumi refuses to delete what its state protects. So each stage releases what the next one takes: `closing`
the records and their check, `draining` the routing, the topic and the replication, `retired` the bucket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

import pulumi
import pulumi_aws as aws

from components import dns, jsontext, policy, uploads
from components.bucket import Keep, bucket, expiry
from components.cell import Cell
from customers import names
from customers.document import routing_document
from customers.model import Customer
from customers.receipt_targets import EmailReceipt, HttpsReceipt, Receipt, SqsReceipt
from runtime import contract


class Tenant(pulumi.ComponentResource):
    """One customer in one cell, with the resources of its stage of the lifecycle."""

    customer: Customer
    bucket: str
    #: The ARN of the topic of its receipts, None if it is retired.
    receipts: pulumi.Output[str] | None

    def __init__(self, customer: Customer, *, cell: Cell, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mft:tenant:Tenant", customer.id, None, opts)
        self.customer, self._cell = customer, cell
        self._child = pulumi.ResourceOptions(parent=self)
        settings = cell.settings
        self.bucket = names.bucket(settings.stem, customer.id, settings.side)
        topic = None if customer.is_retired else self._receipts()
        self.receipts = topic.arn if topic else None
        self._bucket(self._routing(topic) if topic and customer.is_routed else None)
        if customer.takes_files:
            for user in customer.sftp.users:
                cell.endpoint.add_user(
                    f"{customer.id}-{user.name}",
                    login=user.name,
                    public_keys=user.public_keys,
                    bucket=self.bucket,
                    folder=contract.sftp_home(user.name),
                    parent=self,
                )
        if customer.is_checked:
            check = cell.health.check_for(customer, parent=self)
            if customer.is_in_service:
                dns.records(customer, settings=settings, health_check_id=check, parent=self)
        self.register_outputs({"bucket": self.bucket})

    def _receipts(self) -> aws.sns.Topic:
        customer, settings = self.customer, self._cell.settings
        topic = aws.sns.Topic(
            f"{customer.id}-receipts",
            name=names.receipts_topic(settings.stem, customer.id),  # others subscribe by this name
            kms_master_key_id=self._cell.storage.key_arn,
            signature_version=2,  # SHA-256: what is posted to a web address is signed, by default with SHA-1
            opts=pulumi.ResourceOptions(parent=self, protect=customer.is_in_service),
        )
        others = [each for each in customer.receipts if _account(each) not in (None, settings.account)]
        if others:
            aws.sns.TopicPolicy(
                f"{customer.id}-receipts",
                arn=topic.arn,
                policy=policy.document(*self._subscribers(topic.arn, others)),
                opts=self._child,
            )
        for number, target in enumerate(customer.receipts, start=1):
            if target in others:
                continue  # SNS would wait for the queue's owner to confirm, so the owner subscribes it
            endpoint, is_raw = _subscribed(target)
            aws.sns.TopicSubscription(
                f"{customer.id}-receipts-{number}",
                topic=topic.arn,
                protocol=target.kind,
                endpoint=endpoint,
                raw_message_delivery=is_raw,
                opts=self._child,
            )
        return topic

    def _routing(self, topic: aws.sns.Topic) -> aws.s3.BucketObjectv2:
        document = {**routing_document(self.customer), "receipts_topic": topic.arn}
        return aws.s3.BucketObjectv2(
            f"{self.customer.id}-routing",
            bucket=self._cell.storage.config_bucket,
            key=contract.config_key(self.customer.id),
            content_type="application/json",
            content=jsontext.render(document, sort_keys=True),
            # A bucket's name alone is not a dependency on it.
            opts=pulumi.ResourceOptions(
                parent=self, protect=self.customer.is_in_service, depends_on=[self._cell.storage.config]
            ),
        )

    def _bucket(self, document: aws.s3.BucketObjectv2 | None) -> None:
        customer, settings, cell_storage = self.customer, self._cell.settings, self._cell.storage
        arn = settings.bucket_arn(self.bucket)
        bucket(
            f"{customer.id}-inbound",
            bucket_name=self.bucket,
            settings=settings,
            key_arn=cell_storage.key_arn,
            lifecycle=[expiry("inbound", prefix=contract.INBOUND, days=customer.retention.inbound_days)],
            statements=[
                *uploads.unreadable(arn, cell_storage.key_arn),
                *uploads.by_sdk(customer, arn, settings),
                *uploads.not_yet(customer, arn),
            ],
            replication=cell_storage.replication_to(
                names.bucket(settings.stem, customer.id, settings.peer_side)
            )
            if customer.is_routed
            else None,
            keep=Keep.RETAIN if customer.is_retired else Keep.PROTECT,
            keep_copying=customer.is_in_service,  # a draining customer's go when it is retired
            events_after=[document, *self._cell.intake.targets] if document else (),
            parent=self,
        )

    def _subscribers(
        self, topic_arn: pulumi.Output[str], queues: Sequence[Receipt]
    ) -> Iterator[policy.Statement]:
        """Yield the statements that let the owners of these queues subscribe them, and nothing else.

        https://docs.aws.amazon.com/sns/latest/dg/sns-send-message-to-sqs-cross-account.html
        """
        settings = self._cell.settings
        by_account: dict[str, list[str]] = {}
        for each in queues:
            by_account.setdefault(str(_account(each)), []).append(_subscribed(each)[0])
        for account, arns in sorted(by_account.items()):
            yield policy.allow(
                f"Subscribe{account}",
                ["sns:Subscribe"],
                [topic_arn],
                principals={"AWS": settings.arn("iam", "root", region="", account=account)},
                conditions={"StringEquals": {"sns:Protocol": "sqs", "sns:Endpoint": arns}},
            )


def _account(target: Receipt) -> str | None:
    """Return the account of a target, or None if it has none."""
    return target.arn.split(":")[4] if isinstance(target, SqsReceipt) else None


def _subscribed(target: Receipt) -> tuple[str, bool | None]:
    """Return the endpoint of a subscription, and whether its messages come without SNS's envelope."""
    match target:
        case SqsReceipt():
            return target.arn, True
        case HttpsReceipt():
            return target.url, None
        case EmailReceipt():
            return target.address, None
        case _:
            assert_never(target)
