"""Partners that answer nonsense, never, late, or differently the second time: how each delivery ends."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncssh
import pytest

from local.sftp.partners.inprocess import AsyncsshPartner, Files
from runtime.delivery import Delivery, DeliveryUnknownError, PermanentDeliveryError, TransientDeliveryError
from runtime.delivery.sftp import Patience, Way, deliver_now
from tests.delivery.support import destination_of, source_of

CONTENT = os.urandom(100_003)

#: Long enough for a busy machine, and for those requests that are never answered.
PATIENT, BRIEF = Patience(connect=30, step=30), Patience(connect=30, step=3)


def send(partner: AsyncsshPartner, attempt: str = "try-1", **how: Any) -> Delivery:
    usual = {"name": "a.bin", "attempt": attempt, "private_key": partner.private_key, "patience": PATIENT}
    return deliver_now(source_of(CONTENT), destination_of(partner), **usual | how)


@contextmanager
def serving(**requests: Callable[..., Any]) -> Iterator[AsyncsshPartner]:
    """A partner whose server answers these requests in its own way."""
    partner = AsyncsshPartner(files=type("Odd", (Files,), requests))
    with partner:
        yield partner


# --- Never, and late -------------------------------------------------------------------------------


async def never(*_: Any) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("request_name", ["open", "stat"])
def test_a_request_that_is_never_answered_is_transient_and_leaves_nothing(request_name: str) -> None:
    with serving(**{request_name: never}) as partner:
        with pytest.raises(TransientDeliveryError, match="no answer within 3 s"):
            send(partner, patience=BRIEF)
        assert "a.bin" not in partner.files()


def test_a_rename_that_is_never_answered_is_unknown_and_then_sent_again() -> None:
    with serving(posix_rename=never) as partner:
        with pytest.raises(DeliveryUnknownError, match="requested, and no response came back"):
            send(partner, patience=BRIEF)
        assert "a.bin" not in partner.files()
        partner._files = Files
        assert send(partner, after_unknown=True).sent
        assert partner.files() == {"a.bin": CONTENT}


def test_a_rename_whose_answer_comes_late_is_found_the_next_time() -> None:
    async def late(files: Files, old: bytes, new: bytes) -> None:
        Files.posix_rename(files, old, new)
        await asyncio.sleep(60)

    with serving(posix_rename=late) as partner:
        with pytest.raises(DeliveryUnknownError):
            send(partner, patience=BRIEF)
        assert not send(partner, "try-2", after_unknown=True, abandoned=("try-1",)).sent
        assert partner.files() == {"a.bin": CONTENT}


# --- Nonsense --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", TransientDeliveryError),
        (b"SSH-1.5-old\r\n", PermanentDeliveryError),
        (b"SSH-2.0-x\r\n" + b"\xff" * 4096, TransientDeliveryError),
        (b"\0" * 100_000, TransientDeliveryError),
    ],
    ids=["HTTP", "SSH 1", "no packets", "zeros"],
)
def test_a_server_that_does_not_speak_ssh_is_an_error_of_the_connection(
    said: bytes, error: type[Exception]
) -> None:
    def talk(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(said)
                connection.shutdown(socket.SHUT_WR)

    partner = AsyncsshPartner()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk, args=(listener,))
        thread.start()
        to = destination_of(partner, port=listener.getsockname()[1])
        how = {"private_key": partner.private_key, "name": "a", "attempt": "1"}
        with pytest.raises(error):
            deliver_now(source_of(b"x"), to, patience=BRIEF, **how)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    partner.close()


@pytest.mark.parametrize("size", [0, 2**63 - 1, 2**64 - 1])
def test_a_size_that_cannot_be_is_transient(size: int) -> None:
    with serving(stat=lambda files, path: asyncssh.SFTPAttrs(size=size)) as partner:
        with pytest.raises(TransientDeliveryError, match=f"the server has {size} of {len(CONTENT)} bytes"):
            send(partner)
        assert partner.files() == {}


def test_a_server_that_tells_no_size_is_asked_to() -> None:
    with serving(stat=lambda files, path: asyncssh.SFTPAttrs(permissions=0o100644)) as partner:
        with pytest.raises(PermanentDeliveryError, match="set `verify: none`"):
            send(partner)
        assert partner.files() == {}


def test_an_answer_to_the_rename_that_cannot_be_read_is_looked_behind() -> None:
    class DamagedError(asyncssh.SFTPError):
        def __init__(self) -> None:
            super().__init__(asyncssh.FX_FAILURE, "damaged")

        def encode(self, version: int) -> bytes:
            return asyncssh.FX_FAILURE.to_bytes(4, "big") + b"\0\0\0\1x\0\0\0\0more"

    def damaged(files: Files, old: bytes, new: bytes) -> None:
        Files.posix_rename(files, old, new)
        raise DamagedError

    with serving(posix_rename=damaged) as partner:
        assert send(partner).path == "/inbox/a.bin"
        assert partner.files() == {"a.bin": CONTENT}


# --- Differently the second time -------------------------------------------------------------------


def refuses(*_: Any) -> None:
    raise asyncssh.SFTPPermissionDenied("not today")


@pytest.mark.parametrize("first", ["posix_rename", "rename"])
def test_a_way_that_has_worked_and_is_refused_later_is_not_the_only_one(first: str) -> None:
    """What a warm function remembers of the server is where it begins, and no more."""
    second = {"posix_rename": "rename", "rename": "posix_rename"}[first]
    with serving(**{second: refuses}) as partner:
        ways: dict[str, Way] = {}
        assert send(partner, ways=ways).sent
        assert [way.name.lower() for way in ways.values()] == [first]
        partner._files = type("Changed", (Files,), {first: refuses})
        assert send(partner, "try-2", ways=ways).sent
        assert partner.files() == {"a.bin": CONTENT}
        assert [way.name.lower() for way in ways.values()] == [second]


def test_a_size_that_is_wrong_once_is_right_the_next_time() -> None:
    with serving(stat=lambda files, path: asyncssh.SFTPAttrs(size=1)) as partner:
        with pytest.raises(TransientDeliveryError, match="has 1 of"):
            send(partner)
        partner._files = Files
        assert send(partner).sent
        assert partner.files() == {"a.bin": CONTENT}


def test_a_file_that_was_there_and_is_gone_when_it_is_asked_for_again_is_sent_again() -> None:
    """After an unknown result the partner is believed as to what it has now."""
    with serving() as partner:
        assert send(partner).sent
        (partner.inbox / "a.bin").unlink()
        assert send(partner, "try-2", after_unknown=True).sent
        assert partner.files() == {"a.bin": CONTENT}
