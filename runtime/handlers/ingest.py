"""SQS -> a running workflow per file. One bad event in a batch does not hold back the others."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from runtime.arrival import arrival
from runtime.handlers import wiring

_batch = BatchProcessor(event_type=EventType.SQS)


def _accept(record: SQSRecord) -> None:
    arrived = arrival(json.loads(record.body))
    result = wiring.intake().accept(arrived)
    wiring.logger.info("intake", bucket=arrived.bucket, key=arrived.key, became=result)
    wiring.metrics().taken_in(arrived, result)


def handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    """Take in a batch of intake events; return which of them the queue must bring again."""
    return process_partial_response(event=event, record_handler=_accept, processor=_batch, context=context)
