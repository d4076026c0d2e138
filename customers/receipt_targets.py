"""Where a customer's receipts are sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from customers import fields
from customers.value import Value


class SqsReceipt(Value):
    """Receipts sent to a queue."""

    kind: Literal["sqs"]
    """A queue."""
    arn: fields.Queue


class HttpsReceipt(Value):
    """Receipts posted to a web address."""

    kind: Literal["https"]
    """A web address."""
    url: fields.Url


class EmailReceipt(Value):
    """Receipts sent by e-mail."""

    kind: Literal["email"]
    """A mailbox."""
    address: fields.Address


Receipt = Annotated[SqsReceipt | HttpsReceipt | EmailReceipt, Field(discriminator="kind")]
