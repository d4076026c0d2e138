"""The front of the emulated AWS: it drops requests for a region that is down, and takes commands to do so.

A request for a region that is down ends without an answer, as one to a dead host does: a connection error in
every SDK, after its retries. A request that is under way when its region dies ends in the same way. Requests
below `/_mft/` are the commands; `controls` makes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from local.aws.ministack.asgi import App, Message, Receive, Send
from local.aws.ministack.calls import Calls
from local.aws.ministack.controls import ADMIN, DNS_AGENT
from local.aws.ministack.lag import QUEUE
from local.aws.ministack.outage import end_workers, let_pass
from local.aws.ministack.regions import REGIONS
from local.aws.ministack.route53 import HEALTH_REPORTS
from local.aws.ministack.service_errors import SERVICE_ERRORS, Strike
from local.aws.ministack.service_quotas import ACCOUNT_QUOTAS
from runtime.contract import SIDE_OF

#: The services that are not bound to a region here. In GovCloud, the APIs of IAM and Route 53 are in
#: us-gov-west-1 for all callers; STS is regional, but answers for a dead region unless control planes died.
_GLOBAL = ("iam", "route53", "sts")
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request")
#: Returns the region of a bucket, None when there is no such bucket.
BucketRegion = Callable[[str], str | None]

_COPY_REFUSED = (
    b"<Error><Code>ServiceUnavailable</Code><Message>Its source's region is down</Message></Error>"
)


def region_of(
    scope: Message, headers: Mapping[bytes, bytes], bucket_region: BucketRegion
) -> tuple[str | None, str]:
    """Return the region and service that a request is signed for; if it is unsigned, those of its bucket."""
    signed = headers.get(b"authorization", b"").decode("latin-1") or unquote(scope["query_string"].decode())
    if found := _SCOPE.search(signed):
        return found[1], found[2]
    return bucket_region(scope["path"].split("/")[1]), "s3"


def refused(region: str | None, service: str, agent: str) -> bool:
    """Return whether a request gets no answer at present."""
    if service not in _GLOBAL:
        return REGIONS.is_down(region)
    if not REGIONS.control_planes_down or (service == "route53" and DNS_AGENT in agent):
        return False
    return service != "sts" or REGIONS.is_down(region)


async def drop(receive: Receive, send: Any) -> None:
    """Close the connection without an answer, and read what was still coming in."""
    from hypercorn.events import Closed

    # ASGI cannot do this, so the event goes to the connection of the stream that `send` belongs to.
    await send.__self__.send.__self__.send(Closed())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            while (await receive())["type"] != "http.disconnect":
                pass


async def answer(send: Send, status: int, body: bytes, kind: bytes = b"application/json") -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _unheard(_message: Message) -> None:
    """Take an answer that its caller never gets."""


class Front:
    """An ASGI application in front of another."""

    def __init__(self, inner: App, bucket_region: BucketRegion) -> None:
        self.inner = inner
        self.bucket_region = bucket_region
        self.calls = Calls()
        self.under_way: defaultdict[str | None, set[asyncio.Task[Any]]] = defaultdict(set)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
        elif scope["path"].startswith(ADMIN):
            await self.admin(scope["path"].removeprefix(ADMIN), receive, send)
        else:
            await self.guard(scope, receive, send)

    async def guard(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        region, service = region_of(scope, headers, self.bucket_region)
        with self.calls.watch(scope, headers, region, service) as heard:
            if REGIONS.down:
                if refused(region, service, headers.get(b"user-agent", b"").decode("latin-1")):
                    await drop(receive, send)
                    return
                source = unquote(headers.get(b"x-amz-copy-source", b"").decode("latin-1")).lstrip("/")
                if source and REGIONS.is_down(self.bucket_region(source.split("/")[0])):
                    await answer(send, 503, _COPY_REFUSED, b"application/xml")
                    return
            strike = SERVICE_ERRORS.strike(region, headers)
            if strike is Strike.NOT_DONE:
                await answer(send, 500, b"")
                return
            task = asyncio.current_task()
            assert task is not None
            mine, life = self.under_way[None if service in _GLOBAL else region], REGIONS.life(region)
            mine.add(task)
            try:
                await self.inner(scope, *heard(receive, _unheard if strike else send))
                if strike:
                    await answer(send, 500, b"")
            except asyncio.CancelledError:
                if REGIONS.life(region) == life:
                    raise  # the server itself stops
                task.uncancel()
                await drop(receive, send)
            finally:
                mine.discard(task)

    async def admin(self, verb: str, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        given = json.loads(body or b"{}")
        actions: dict[str, Callable[..., Awaitable[Any]]] = {
            "calls": self.recorded_calls,
            "catch-up": self.catch_up,
            "down": self.down,
            "errors": self.errors,
            "health": self.health,
            "lag": self.lag,
            "pending": self.pending,
            "quota": self.quota,
            "up": self.up,
        }
        if verb in actions:
            await answer(send, 200, json.dumps(await actions[verb](**given)).encode())
        else:
            await answer(send, 404, b"{}")

    async def down(self, region: str = "", control_planes: bool = False) -> list[str]:
        """Kill a region, if one is given, and return those that are down."""
        if region:
            REGIONS.kill(region, control_planes=control_planes)
            for task in tuple(self.under_way[region]):
                task.cancel()
            await asyncio.to_thread(end_workers, region)
            await asyncio.to_thread(REGIONS.settle, region)
        return sorted(REGIONS.down)

    async def up(self, region: str, passed: float = 0) -> list[str]:
        if REGIONS.is_down(region):
            let_pass(region, passed)
            REGIONS.revive(region, first=partial(QUEUE.deliver, region))
        return sorted(REGIONS.down)

    async def lag(self, **seconds: float) -> dict[str, float]:
        QUEUE.lag.update(seconds)
        return QUEUE.lag

    async def catch_up(self) -> None:
        """Deliver at once what is on its way between regions that are up."""
        for region in SIDE_OF:
            QUEUE.deliver(region)

    async def errors(self, region: str, share: float, seed: int) -> None:
        SERVICE_ERRORS.set(region, share, seed)

    async def recorded_calls(self) -> list[dict[str, Any]]:
        return self.calls.documents()

    async def quota(self, region: str, code: str, value: float | None) -> None:
        ACCOUNT_QUOTAS.set(region, code, value)

    async def health(self, healthy: dict[str, bool]) -> None:
        HEALTH_REPORTS.clear()
        HEALTH_REPORTS.update(healthy)

    async def pending(self) -> list[dict[str, Any]]:
        return QUEUE.pending()
