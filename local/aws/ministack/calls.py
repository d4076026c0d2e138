"""A record of the calls to the emulated AWS from callers that identify themselves, and of their results.

A caller identifies itself with `AWS_SDK_UA_APP_ID` in its environment, which every SDK puts into its requests
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-appid.html). Requests are read with botocore's
service models, so an operation has the name that its caller used.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import botocore.session

from local.aws.ministack.asgi import Message, Receive, Send
from local.aws.ministack.controls import Call
from runtime.contract import TRACKER_PK

_CALLER = re.compile(r"\bapp/(\S+)")

#: Services whose name in botocore, or in IAM, differs from the name that requests are signed for.
_MODELS = {"states": "stepfunctions", "monitoring": "cloudwatch", "servicequotas": "service-quotas"}
_PREFIXES = {"monitoring": "cloudwatch"}

#: The parameters of a request that say which resource it is about and which permissions it needs.
_RECORDED = frozenset(
    {
        *("Bucket", "Key", "VersionId", "CopySource", "TaggingDirective"),
        *("TableName", "IndexName", TRACKER_PK),
        *("FunctionName", "Id", "Name", "Namespace", "QueueUrl", "SecretId", "TopicArn"),
        *("executionArn", "stateMachineArn"),
    }
)


@dataclass(frozen=True, kw_only=True)
class _Route:
    """The request of a REST operation; of several that fit a request, the most specific one is meant."""

    operation: str
    method: str
    path: re.Pattern[str]
    query: frozenset[tuple[str, str]]
    needed: frozenset[tuple[str, str]]  # location and name
    members: Mapping[tuple[str, str], str]

    def fits(self, method: str, path: str, query: Mapping[str, str], given: set[tuple[str, str]]) -> bool:
        return (
            method == self.method
            and bool(self.path.fullmatch(path))
            and self.query <= set(query.items())
            and self.needed <= given
        )


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(_MODELS.get(service, service))


@cache
def _routes(service: str) -> tuple[_Route, ...]:
    model, routes = _model(service), []
    for name in model.operation_names:
        operation = model.operation_model(name)
        template, _, query = operation.http["requestUri"].partition("?")
        shape = operation.input_shape
        located = {
            member: (each.serialization["location"], each.serialization["name"].lower())
            for member, each in (shape.members.items() if shape else ())
            if each.serialization.get("location") in ("querystring", "header")
        }
        routes.append(
            _Route(
                operation=name,
                method=operation.http["method"],
                path=re.compile(
                    re.sub(r"\\{(\w+)(\\\+)?\\}", _label, re.escape(template.rstrip("/"))) + "/?", re.DOTALL
                ),
                query=frozenset((k, v[0]) for k, v in parse_qs(query, keep_blank_values=True).items()),
                needed=frozenset(at for member, at in located.items() if member in shape.required_members),
                members={at: member for member, at in located.items()},
            )
        )
    return tuple(routes)


def _label(found: re.Match[str]) -> str:
    return f"(?P<{found[1]}>.+)" if found[2] else f"(?P<{found[1]}>[^/]+)"


def _rest(scope: Message, headers: Mapping[bytes, bytes], service: str) -> tuple[str, dict[str, str]]:
    """Return the operation and the parameters of a REST request."""
    text = scope["query_string"].decode()
    query = {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}
    given = {("querystring", name.lower()): value for name, value in query.items()}
    given |= {("header", k.decode("latin-1").lower()): v.decode("latin-1") for k, v in headers.items()}
    method, path = scope["method"], scope["path"]
    fitting = [each for each in _routes(service) if each.fits(method, path, query, set(given))]
    if not fitting:
        return f"{method} {path}", {}
    route = max(fitting, key=lambda each: len(each.query) + len(each.needed))
    found = route.path.fullmatch(path)
    assert found is not None
    parameters = {member: given[at] for at, member in route.members.items() if at in given}
    return route.operation, {**parameters, **found.groupdict()}


def _rpc(headers: Mapping[bytes, bytes], body: bytes) -> tuple[str, dict[str, str]]:
    """Return the operation and the parameters of a request that has both in its body."""
    if target := headers.get(b"x-amz-target"):
        given = json.loads(body or b"{}")
        parameters = {name: value for name, value in given.items() if isinstance(value, str)}
        item = given.get("Item") or given.get("Key") or {}
        if isinstance(item, dict) and TRACKER_PK in item:
            parameters[TRACKER_PK] = item[TRACKER_PK]["S"]
        return target.decode().rpartition(".")[2], parameters
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    return form.get("Action", "?"), form


class Calls:
    """The calls so far, each with the number of times that it was made."""

    def __init__(self) -> None:
        self._made: Counter[Call] = Counter()

    @contextmanager
    def watch(
        self, scope: Message, headers: Mapping[bytes, bytes], region: str | None, service: str
    ) -> Iterator[Callable[[Receive, Send], tuple[Receive, Send]]]:
        """Record a request if its caller identifies itself; its status is 0 if no answer began.

        Yields a function that wraps the request's `receive` and `send`, to observe them.
        """
        agent = headers.get(b"user-agent", b"").decode("latin-1")
        if not (caller := _CALLER.search(agent)):
            yield lambda receive, send: (receive, send)
            return
        is_rest = _model(service).resolved_protocol.startswith("rest")
        body, statuses = bytearray(), []

        def note(status: int) -> None:
            statuses.append(status)
            operation, given = _rest(scope, headers, service) if is_rest else _rpc(headers, bytes(body))
            call = Call(
                caller=caller[1],
                region=region or "",
                service=_PREFIXES.get(service, service),
                operation=operation,
                status=status,
                given=tuple(sorted((name, value) for name, value in given.items() if name in _RECORDED)),
            )
            self._made[call] += 1

        def heard(receive: Receive, send: Send) -> tuple[Receive, Send]:
            async def receiving() -> Message:
                message = await receive()
                body.extend(message.get("body", b""))
                return message

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    note(message["status"])
                await send(message)

            return (receive if is_rest else receiving), sending

        yield heard
        if not statuses:
            note(0)

    def documents(self) -> list[dict[str, Any]]:
        """Return every distinct call as a document, with its `count`."""
        return [{**vars(call), "given": dict(call.given), "count": n} for call, n in self._made.items()]
