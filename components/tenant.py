"""A customer in a cell: a bucket, SFTP users, a receipts topic, a routing document, and its DNS records.

Its lifecycle decides which of these exist. `onboarding` has bucket, users, keys and topic; `active` also has
routing, replication, records and their health check; `draining` finishes files in flight with bucket, topic,
routing and replication; `retired` is only a bucket, which is not protected and which remains in AWS when the
program no longer declares it.
"""

from __future__ import annotations

from typing import assert_never

import pulumi
import pulumi_aws as aws

from components import dns, jsontext, policy
from components.bucket import Keep, bucket, expiry
from components.cell import Cell
from customers import names
from customers.document import routing_document
from customers.model import Customer, EmailReceipt, HttpsReceipt, Receipt, SqsReceipt
from runtime import contract


class Tenant(pulumi.ComponentResource):
    """One customer in one cell, with the resources of its stage of the lifecycle."""

    customer: Customer
    bucket: str

    def __init__(self, customer: Customer, *, cell: Cell, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mft:tenant:Tenant", customer.id, None, opts)
        self.customer, self._cell = customer, cell
        self._child = pulumi.ResourceOptions(parent=self)
        settings = cell.settings
        self.bucket = names.bucket(settings.namespace, customer.id, settings.side)
        topic = None if customer.is_retired else self._receipts()
        self._bucket(self._routing(topic) if topic and customer.is_routed else None)
        if customer.takes_files:
            for user in customer.sftp.users:
                cell.endpoint.add_user(user, customer, bucket=self.bucket, parent=self)
        if customer.is_in_service:
            check = cell.health.check_for(customer, parent=self)
            dns.records(customer, settings=settings, health_check_id=check, parent=self)
        self.register_outputs({"bucket": self.bucket})

    def _receipts(self) -> aws.sns.Topic:
        customer = self.customer
        topic = aws.sns.Topic(
            f"{customer.id}-receipts",
            name_prefix=f"{self._cell.settings.namespace}-{customer.id}-",
            kms_master_key_id=self._cell.storage.key_arn,
            opts=self._child,
        )
        for number, target in enumerate(customer.receipts, start=1):
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
            opts=pulumi.ResourceOptions(parent=self, depends_on=[self._cell.storage.config]),
        )

    def _bucket(self, document: aws.s3.BucketObjectv2 | None) -> None:
        customer, settings, cell_storage = self.customer, self._cell.settings, self._cell.storage
        made = bucket(
            f"{customer.id}-inbound",
            bucket_name=self.bucket,
            settings=settings,
            key_arn=cell_storage.key_arn,
            lifecycle=[expiry("inbound", prefix=contract.INBOUND, days=customer.retention.inbound_days)],
            statements=self._sdk_statements(),
            replication=cell_storage.replication_to(
                names.bucket(settings.namespace, customer.id, settings.peer_side)
            )
            if customer.is_routed
            else None,
            keep=Keep.RETAIN if customer.is_retired else Keep.PROTECT,
            keep_copying=customer.is_in_service,  # a draining customer's go when it is retired
            events_after=document,
            parent=self,
        )
        for number, principal in enumerate(self._principals(), start=1):
            aws.kms.Grant(
                f"{customer.id}-sdk-{number}",
                key_id=cell_storage.key_arn,
                grantee_principal=principal,
                operations=["GenerateDataKey", "Decrypt"],  # S3 decrypts when it completes a multipart upload
                constraints=[aws.kms.GrantConstraintArgs(encryption_context_subset={"aws:s3:arn": made.arn})],
                opts=self._child,
            )

    def _principals(self) -> list[str]:
        return list(self.customer.sdk.principals) if self.customer.takes_files else []

    def _sdk_statements(self) -> list[policy.Statement]:
        principals = self._principals()
        if not principals:
            return []
        arn = self._cell.settings.bucket_arn(self.bucket)
        return [
            policy.allow(
                "SdkUploads",
                ["s3:PutObject", "s3:AbortMultipartUpload"],
                [f"{arn}/{contract.INBOUND_SDK}*"],
                principals={"AWS": principals},
            )
        ]


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
