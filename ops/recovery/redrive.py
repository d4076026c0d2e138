"""Redriving: what fell into a region's dead-letter queues goes back to where it was meant to go.

SQS's own StartMessageMoveTask takes queues alone for sources of dead letters, and EventBridge and Lambda are
the sources of two of the four. So each message is received, sent, and then deleted: when that is cut off, the
message reappears, and is sent again. That is safe, because whatever reads it is safe to repeat.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops.cell import DeployedCell
from ops.cell_manifest import CellManifest
from ops.plan import RefusedError, digest

#: Seconds for which a received message stays hidden. One that is not deleted by then reappears.
_HIDDEN = 300
#: Seconds for which an empty queue is asked: with 0, SQS asks only some of its servers.
_WAIT = 1
_BATCH = 10


class UnknownMessageError(ValueError):
    """It is not known what a message was meant for; the text says what it lacks."""


@dataclass(kw_only=True)
class Redriven:
    """What became of one queue: messages that were sent on, and a text for each that was left."""

    sent: int = 0
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class RedrivePlan:
    """The queues of a region that are to be redriven, by name: their URLs, and how many messages wait.

    SQS's counts are approximate, so the digest does not depend on them.
    """

    region: str
    urls: Mapping[str, str]
    waiting: dict[str, int]

    @property
    def document(self) -> dict[str, dict[str, Any]]:
        """The plan by queue, of which the digest is made."""
        return {name: {"region": self.region, "url": url} for name, url in self.urls.items()}

    @property
    def digest(self) -> str:
        """The digest of the plan."""
        return digest(self.document)


class Redrive:
    """Redrives the dead letters of one cell, through its own region."""

    def __init__(self, cell: DeployedCell) -> None:
        """RefusedError if the cell does not say what it consists of."""
        where = cell.environment
        self._region, self._sqs = cell.region, cell.client("sqs")
        self._functions = cell.client("lambda")
        self._parts = CellManifest.read(
            namespace=where.namespace, cell=where.cell, side=cell.side, parameters=cell.client("ssm")
        )

    def plan(self, names: Iterable[str]) -> RedrivePlan:
        """Return the plan for these queues, or for all; RefusedError, which names those there are."""
        known = self._parts.dead_letters
        wanted = list(dict.fromkeys(names)) or list(known)
        for name in wanted:
            if name not in known:
                raise RefusedError(
                    f"{name!r} is no dead-letter queue of {self._region}; there are: {', '.join(known)}"
                )
        urls = {name: known[name] for name in wanted}
        waiting = {name: self._waiting(url) for name, url in urls.items()}
        return RedrivePlan(region=self._region, urls=urls, waiting=waiting)

    def apply(self, plan: RedrivePlan, done: Callable[[], None]) -> dict[str, Redriven]:
        """Redrive as many messages of each queue as wait in it now; `done` is called after each.

        What fails again may be back meanwhile, and is not redriven a second time.
        """
        results = {}
        for name, url in plan.urls.items():
            result = results[name] = Redriven()
            for message in self._messages(url, self._waiting(url)):
                try:
                    self._send(name, message)
                except UnknownMessageError as error:
                    result.left.append(f"{message['MessageId']}: {error}")
                else:
                    self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    result.sent += 1
                done()
        return results

    def _waiting(self, url: str) -> int:
        name = "ApproximateNumberOfMessages"
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return int(found["Attributes"][name])

    def _messages(self, url: str, most: int) -> Iterator[dict[str, Any]]:
        count = 0
        while count < most:
            got = self._sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=min(_BATCH, most - count),
                VisibilityTimeout=_HIDDEN,
                WaitTimeSeconds=_WAIT,
                AttributeNames=["DeadLetterQueueSourceArn"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if not got:
                return
            count += len(got)
            yield from got

    def _send(self, name: str, message: Mapping[str, Any]) -> None:
        """Send a message to what it was meant for; UnknownMessageError if that is nothing of this cell."""
        body = message["Body"]
        source = message.get("Attributes", {}).get("DeadLetterQueueSourceArn")
        target = message.get("MessageAttributes", {}).get("TARGET_ARN", {}).get("StringValue")
        if source is not None:
            self._to_queue(source, body)
        elif target is not None and ":sqs:" in target:
            if target.rpartition(":")[2] != self._parts.queue.rpartition("/")[2]:
                raise UnknownMessageError(f"its target, {target}, is not the ingest queue of this cell")
            self._sqs.send_message(QueueUrl=self._parts.queue, MessageBody=body)
        elif target is not None:
            self._invoke(target, body)
        else:
            self._invoke_again(body)

    def _to_queue(self, arn: str, body: str) -> None:
        url = self._sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        self._sqs.send_message(QueueUrl=url, MessageBody=body)

    def _invoke_again(self, body: str) -> None:
        """Invoke a function as the record of its failed invocation says.

        https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
        """
        try:
            record = json.loads(body)
            function, payload = record["requestContext"]["functionArn"], record["requestPayload"]
        except (ValueError, KeyError, TypeError) as error:
            raise UnknownMessageError(
                "it has neither a source, a target, nor the record of an invocation"
            ) from error
        self._invoke(function, json.dumps(payload))

    def _invoke(self, arn: str, payload: str) -> None:
        # arn:<partition>:lambda:<region>:<account>:function:<name>, perhaps with a version
        name = (arn.split(":") + [""] * 7)[6]
        if name not in self._parts.functions.values():
            raise UnknownMessageError(f"{arn} is no function of this cell")
        self._functions.invoke(FunctionName=name, InvocationType="Event", Payload=payload.encode())
