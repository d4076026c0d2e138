"""Start a workflow for each event on the ingest queue. A bad event does not hold up the rest of its batch."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from runtime import contract
from runtime.arrival import arrival
from runtime.environment import ENV_SIDE
from runtime.file_names import nameless
from runtime.handlers import wiring

_batch = BatchProcessor(event_type=EventType.SQS)


def _accept(record: SQSRecord) -> None:
    arrived = arrival(json.loads(record.body))
    with nameless(arrived.key):
        result = wiring.intake().accept(arrived)
        customer = contract.customer_of(arrived.bucket, wiring.stem(), wiring.env(ENV_SIDE))
        file = contract.file_id(customer, arrived.key)
        wiring.logger.info(
            "intake", customer=customer, file=file, version_id=arrived.version_id, became=result
        )
    if not contract.is_canary(customer):
        wiring.metrics().taken_in(arrived, result)


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Take in a batch of intake events; return those that the queue has to deliver again."""
    return process_partial_response(event=event, record_handler=_accept, processor=_batch, context=context)
