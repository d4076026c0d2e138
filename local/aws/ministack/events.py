"""Lets the local SFTP endpoint put the events that Transfer Family puts on AWS."""

from __future__ import annotations

import contextvars
from typing import Any

from local.aws.ministack.controls import TRANSFER_AGENT
from local.aws.ministack.patching import Module, after, original

TRANSFER_SOURCE = "aws.transfer"

_from_endpoint: contextvars.ContextVar[bool] = contextvars.ContextVar("from_endpoint", default=False)


@after("services.eventbridge")
def _transfer_events(events: Module) -> None:
    change = "events of the SFTP endpoint"
    handle, put = original(change, events, "handle_request"), original(change, events, "_put_events")

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        token = _from_endpoint.set(TRANSFER_AGENT in headers.get("user-agent", ""))
        try:
            return await handle(method, path, headers, body, query)
        finally:
            _from_endpoint.reset(token)

    def put_events(data: dict[str, Any], allow_aws_source: bool = False) -> Any:
        entries = data.get("Entries", [])
        ours = _from_endpoint.get() and all(e.get("Source") == TRANSFER_SOURCE for e in entries)
        return put(data, allow_aws_source=allow_aws_source or ours)

    events.handle_request = handle_request
    events._put_events = put_events
