"""The receipts and notices in a customer's queues."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mft_client.aws_clients import of_credentials
from mft_client.errors import MessageError
from mft_client.settings import Settings

#: Seconds that a queue is asked for more, and seconds until it shows a message again that was left there.
_WAIT, _HIDDEN = 1, 60


@dataclass
class Collected:
    """What came from the queues: how many messages were taken in, which were left there, and which failed.

    `left` are lines about messages that are none of this client's. They stay in the queue, which has a dead
    letter queue or an end of retention for them. `silent` are lines about queues that could not be read.
    """

    taken: int = 0
    left: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


def collect(
    settings: Settings, aws: Callable[[str, str], Any], receive: Callable[[Mapping[str, Any]], None]
) -> Collected:
    """Read the queues of the settings until they are empty; give each message to `receive`.

    A message is deleted after it was received, so a crash in between repeats it. Raises CredentialsError.
    """
    found = Collected()
    for region, queues in settings.queues.items():
        for queue in queues:
            try:
                _drain(aws("sqs", region), queue, receive, found)
            except (BotoCoreError, ClientError) as error:
                if credentials := of_credentials(error):
                    raise credentials from error
                found.silent.append(f"{queue}: cannot be read: {error}")
    return found


def _drain(sqs: Any, queue: str, receive: Callable[[Mapping[str, Any]], None], found: Collected) -> None:
    seen: set[str] = set()
    while True:
        answer = sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=_WAIT, VisibilityTimeout=_HIDDEN
        )
        messages = [each for each in answer.get("Messages", ()) if each["MessageId"] not in seen]
        if not messages:
            return
        for message in messages:
            seen.add(message["MessageId"])
            try:
                receive(_parsed(message["Body"]))
            except MessageError as error:
                found.left.append(f"{queue}: message {message['MessageId']}: {error}")
                continue
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            found.taken += 1


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise MessageError(f"it is not JSON: {error}") from error
