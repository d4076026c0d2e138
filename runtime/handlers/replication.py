"""Log and count each object that was not copied to the peer as promised, from the events on the queue."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from runtime import contract
from runtime.environment import ENV_SIDE
from runtime.handlers import wiring
from runtime.replication import Incident, incidents

_batch = BatchProcessor(event_type=EventType.SQS)


def _count(record: SQSRecord) -> None:
    for incident in incidents(json.loads(record.body)):
        wiring.logger.warning("replication", extra=_without_name(incident))
        wiring.metrics().replication(incident.event)


def _without_name(incident: Incident) -> dict[str, str]:
    """Return an incident with customer and file, or, in the archive, transfer, in place of the key."""
    about = asdict(incident)
    key = about.pop("key")
    if not key.startswith(contract.INBOUND):
        return {**about, **dict(zip(("customer", "transfer"), key.split("/"), strict=False))}
    customer = contract.customer_of(incident.bucket, wiring.stem(), wiring.env(ENV_SIDE))
    return {**about, "customer": customer, "file": contract.file_id(customer, key)}


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Take in a batch of notifications; return those that the queue has to deliver again."""
    return process_partial_response(event=event, record_handler=_count, processor=_batch, context=context)
