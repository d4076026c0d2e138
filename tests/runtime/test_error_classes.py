"""Whatever fails at whichever step of a delivery: the class that the attempt ends in says what is known.

TransientDeliveryError and PermanentDeliveryError mean that the file does not have its final name, and only a
file that was requested to have it can end in DeliveryUnknownError. PlatformUnavailableError means that the
platform's own AWS failed, and never that the destination did. Nothing else is raised.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncssh
import botocore.exceptions as aws_errors
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from local.sftp.partners import Partner
from runtime.breaker import Breaker
from runtime.contract import Kind
from runtime.delivery import (
    DeliveryUnknownError,
    PermanentDeliveryError,
    PlatformUnavailableError,
    TransientDeliveryError,
)
from tests.runtime.cells import CONTENT, Cell, owner

_numbers = itertools.count()
_KNOWN = (TransientDeliveryError, PermanentDeliveryError, PlatformUnavailableError)
#: Operations of the tracker, which no destination has a part in.
_TRACKER = {"query", "get_item", "update_item", "put_item"}
_URL = "https://example.invalid"


def answered(code: str, status: int) -> ClientError:
    error = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(error, "Any")  # type: ignore[arg-type]


#: AWS refused these, so the request has had no effect.
REFUSED = [
    *(answered(code, 400) for code in ("ThrottlingException", "ValidationException", "RequestTimeout")),
    *(answered(code, 400) for code in ("ProvisionedThroughputExceededException", "ExpiredToken")),
    *(answered(code, 403) for code in ("AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId")),
    *(answered(code, 404) for code in ("NoSuchKey", "NoSuchBucket", "ResourceNotFoundException", "404")),
    *(answered(code, 412) for code in ("PreconditionFailed", "412")),
    *(answered(code, 503) for code in ("SlowDown", "ServiceUnavailable")),
    aws_errors.EndpointConnectionError(endpoint_url=_URL),
    aws_errors.ConnectTimeoutError(endpoint_url=_URL),
]
#: After these, nobody knows.
UNCLEAR = [
    *(answered(code, 500) for code in ("InternalError", "InternalServerError", "500", "SomethingNew")),
    aws_errors.ReadTimeoutError(endpoint_url=_URL),
    aws_errors.ConnectionClosedError(endpoint_url=_URL),
    aws_errors.HTTPClientError(error="broken"),
    aws_errors.ResponseStreamingError(error="broken"),
    aws_errors.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    *(OSError(5, "Input/output error"), ConnectionResetError(), TimeoutError(), BrokenPipeError()),
    *(MemoryError(), ValueError("odd"), KeyError("odd"), RuntimeError("odd"), AssertionError()),
    *(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"), RecursionError(), EOFError(), Exception("odd")),
]
#: What an SFTP server answers. It may have done what was asked all the same.
OF_SFTP = [
    asyncssh.SFTPError(code, "no")
    for code in (asyncssh.FX_FAILURE, asyncssh.FX_BAD_MESSAGE, asyncssh.FX_QUOTA_EXCEEDED, 99)
] + [
    kind("no")
    for kind in (
        *(asyncssh.SFTPNoSuchFile, asyncssh.SFTPPermissionDenied, asyncssh.SFTPFailure),
        *(asyncssh.SFTPOpUnsupported, asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPEOFError),
        *(asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.SFTPBadMessage),
        *(asyncssh.SFTPFileAlreadyExists, asyncssh.SFTPInvalidFilename, asyncssh.SFTPLockConflict),
        *(asyncssh.ConnectionLost, asyncssh.ProtocolError, asyncssh.PermissionDenied),
    )
]


@dataclass
class Fault:
    """Raises `error` at one of the calls, before or after its effect, and notes what was called."""

    at: int = -1
    error: Exception = field(default_factory=Exception)
    after: bool = False
    called: list[str] = field(default_factory=list)

    def is_next(self, name: str) -> bool:
        self.called.append(name)
        return len(self.called) - 1 == self.at


class Client:
    """A client of AWS with a fault."""

    def __init__(self, client: Any, fault: Fault) -> None:
        self._client, self._fault = client, fault
        self.exceptions = client.exceptions

    def __getattr__(self, name: str) -> Any:
        return self._faulty(name, getattr(self._client, name))

    def get_paginator(self, operation: str) -> Any:
        pages = self._client.get_paginator(operation)

        class Pages:
            def paginate(its, **request: Any) -> Iterator[Any]:
                yield from self._faulty(operation, lambda: list(pages.paginate(**request)))()

        return Pages()

    def _faulty(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(*given: Any, **request: Any) -> Any:
            fails = self._fault.is_next(name)
            if fails and not self._fault.after:
                raise self._fault.error
            answer = call(*given, **request)
            if fails:
                if isinstance(answer, dict) and "Body" in answer:
                    answer["Body"].close()  # otherwise its socket is left open, and a later test fails
                raise self._fault.error
            return answer

        return faulty


def attempt(cell: Cell, fault: Fault) -> tuple[str | type[Exception], str]:
    """Make one attempt to deliver a new file; return what it ended in, and the file's name."""
    name = f"{next(_numbers)}.csv"
    transfer = cell.receive(CONTENT, f"inbound/sdk/{name}")
    cell.workflow.claim(transfer, owner=owner(transfer))
    for service in ("dynamodb", "s3", "secretsmanager"):
        cell = cell.with_client(service, Client(cell.client(service), fault))
    try:
        return cell.attempt(transfer), name
    except Exception as error:
        return type(error), name


def check(ended: Any, *, requested: bool, is_there: bool, said: object) -> None:
    """Check that what an attempt ended in is true."""
    assert ended in (Kind.DELIVERED, DeliveryUnknownError, *_KNOWN), said
    if ended is Kind.DELIVERED:
        assert is_there, said
    if ended in _KNOWN:
        assert not is_there, said
    if ended is DeliveryUnknownError:
        assert requested, said


def faults(errors_before: list[Exception], errors_after: list[Exception]) -> st.SearchStrategy[Fault]:
    step = st.integers(0, 14)
    before = st.builds(lambda at, error: Fault(at, error), step, st.sampled_from(errors_before))
    after = st.builds(lambda at, error: Fault(at, error, after=True), step, st.sampled_from(errors_after))
    return before | after


def drawn(examples: int) -> Callable[..., Any]:
    return settings(
        max_examples=examples,
        phases=[Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


TO_BUCKET = faults(REFUSED + UNCLEAR, UNCLEAR)


def to_bucket(west: Cell, fault: Fault) -> None:
    ended, name = attempt(west, fault)
    requested = "copy_object" in fault.called
    said = (fault.called[fault.at : fault.at + 1], repr(fault.error), fault.after, ended)
    check(ended, requested=requested, is_there=west.at_partner(f"in/{name}") == CONTENT, said=said)
    if _TRACKER & set(said[0]) and isinstance(fault.error, ClientError | BotoCoreError):
        assert ended is not TransientDeliveryError, said


COPY = "copy_object"


@given(fault=TO_BUCKET)
@drawn(25)
def test_an_error_at_any_step_to_a_bucket_ends_in_its_class(west, fault):
    to_bucket(west, Fault(fault.at, fault.error, fault.after))


@pytest.mark.exhaustive
@given(fault=TO_BUCKET)
@drawn(150)
def test_every_error_at_every_step_to_a_bucket_ends_in_its_class(west, fault):
    to_bucket(west, Fault(fault.at, fault.error, fault.after))


@pytest.mark.parametrize("error", UNCLEAR, ids=repr)
def test_a_copy_whose_response_is_lost_is_unknown_whatever_the_error(west, error):
    clean = Fault()
    attempt(west, clean)
    ended, name = attempt(west, Fault(clean.called.index(COPY), error, after=True))
    assert west.at_partner(f"in/{name}") == CONTENT
    assert ended is DeliveryUnknownError


# --- To a server -------------------------------------------------------------------------------------

CALLS = {
    asyncssh.SFTPClient: ("open", "stat", "mkdir", "isdir", "exists", "posix_rename", "rename", "remove"),
    asyncssh.SFTPClientFile: ("write", "fsync", "close", "read"),
    asyncssh.SSHClientConnection: ("start_sftp_client",),
}
RENAMES = {"posix_rename", "rename"}


@pytest.fixture
def faulty_server(west: Cell, partner: Partner, monkeypatch) -> Callable[[Fault], None]:
    """Return a function that delivers to a server of which one request fails, and checks the result."""
    west.register(destinations={"partner": west.to_server(partner)})
    breaker, now = Breaker(tracker=west.tracker), [Fault()]

    def faulty(name: str, original: Any) -> Any:
        async def call(*given: Any, **how: Any) -> Any:
            fault = now[0]
            fails = fault.is_next(name)
            if fails and not fault.after:
                raise fault.error
            answer = await original(*given, **how)
            if fails:
                raise fault.error
            return answer

        return call

    for kind, names in CALLS.items():
        for name in names:
            monkeypatch.setattr(kind, name, faulty(name, getattr(kind, name)))
    connect = asyncssh.connect
    monkeypatch.setattr(asyncssh, "connect", faulty("connect", connect))

    def run(fault: Fault) -> None:
        now[0] = fault
        breaker.worked(west.customer, "partner")  # otherwise the files wait for one another
        ended, name = attempt(west, Fault())
        said = (fault.called[fault.at : fault.at + 1], repr(fault.error), fault.after, ended)
        requested = bool(RENAMES & set(fault.called))
        check(ended, requested=requested, is_there=partner.files().get(name) == CONTENT, said=said)
        assert ended is not PlatformUnavailableError, said

    return run


TO_SERVER = faults(OF_SFTP + UNCLEAR, OF_SFTP + UNCLEAR)


@given(fault=TO_SERVER)
@drawn(25)
def test_an_error_at_any_step_to_a_server_ends_in_its_class(faulty_server, fault):
    faulty_server(Fault(fault.at, fault.error, fault.after))


@pytest.mark.exhaustive
@given(fault=TO_SERVER)
@drawn(150)
def test_every_error_at_every_step_to_a_server_ends_in_its_class(faulty_server, fault):
    faulty_server(Fault(fault.at, fault.error, fault.after))
