"""Files that are written over several channels of one connection."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncssh
import pytest

from local.sftp.partners import AsyncsshPartner, OpenSshPartner, Partner, openssh_missing
from runtime.delivery import DeliveryUnfinishedError, TransientDeliveryError, partial, sftp
from runtime.delivery.channels import MOST_CHANNELS
from runtime.delivery.content_hash import RESERVE
from runtime.delivery.ssh import Patience
from runtime.delivery.upload import SPAN
from tests.delivery.support import destination_of, source_of

CONTENT = os.urandom(SPAN + 1_000_017)
DONE = {"a.bin": CONTENT}
LEFT = ".a.bin.try-1.part"

needs_openssh = pytest.mark.skipif(bool(openssh_missing()), reason=openssh_missing() or "")


@contextmanager
def openssh(*lines: str) -> Iterator[OpenSshPartner]:
    """Run OpenSSH's server with these lines before its others: of several values it takes the first."""
    partner = OpenSshPartner()
    file = partner.root / "host_key.conf"
    file.write_text("".join(f"{line}\n" for line in lines) + file.read_text())
    with partner:
        yield partner


def send(partner: Partner, **how: Any) -> str:
    usual: dict[str, Any] = {"name": "a.bin", "attempt": "try-1", "patience": Patience(connect=30, step=30)}
    usual["private_key"] = partner.private_key
    return sftp.deliver_now(source_of(CONTENT), destination_of(partner), **usual | how).sha256


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server counts as far away, and every file as large."""
    monkeypatch.setattr(partial, "FAR", 0.0)
    monkeypatch.setattr(partial, "LARGE", 1)


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> dict[asyncssh.SFTPClientFile, list[int]]:
    """The offsets that were written over each channel, in the order of the channels' first writes."""
    offsets: dict[asyncssh.SFTPClientFile, list[int]] = {}
    write = asyncssh.SFTPClientFile.write

    async def noted(self: asyncssh.SFTPClientFile, data: bytes, offset: int) -> int:
        offsets.setdefault(self, []).append(offset)
        await asyncio.sleep(0.002)  # so that the other sessions get ready while there is something to write
        return await write(self, data, offset)

    monkeypatch.setattr(asyncssh.SFTPClientFile, "write", noted)
    return offsets


@needs_openssh
@pytest.mark.usefixtures("far")
@pytest.mark.parametrize(("sessions", "most"), [(10, MOST_CHANNELS), (3, 3), (1, 1)])
def test_openssh_gets_as_many_channels_as_it_takes(writers: Any, sessions: int, most: int) -> None:
    with openssh(f"MaxSessions {sessions}") as partner:
        assert send(partner) == hashlib.sha256(CONTENT).hexdigest()
        assert partner.files() == DONE
    assert (len(writers) > 1) == (most > 1)
    assert len(writers) <= most


@pytest.mark.usefixtures("far")
def test_a_server_that_is_not_known_to_share_files_gets_one_channel(writers: Any) -> None:
    with AsyncsshPartner() as partner:
        send(partner)
        assert partner.files() == DONE
    assert len(writers) == 1


@needs_openssh
def test_a_near_server_gets_one_channel(writers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial, "FAR", 60.0)
    monkeypatch.setattr(partial, "LARGE", 1)
    with openssh() as partner:
        send(partner)
    assert len(writers) == 1


@needs_openssh
@pytest.mark.usefixtures("far")
def test_what_another_session_refuses_is_written_over_the_first(
    writers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = asyncssh.SFTPClientFile.write
    refused = []

    async def refusing(self: asyncssh.SFTPClientFile, data: bytes, offset: int) -> int:
        if writers and self is not next(iter(writers)):
            refused.append(offset)
            raise asyncssh.SFTPFailure("no")
        return await noted(self, data, offset)

    monkeypatch.setattr(asyncssh.SFTPClientFile, "write", refusing)
    with openssh() as partner:
        assert send(partner) == hashlib.sha256(CONTENT).hexdigest()
        assert partner.files() == DONE
    assert refused


@needs_openssh
@pytest.mark.usefixtures("far")
def test_a_session_that_ends_during_an_upload_fails_the_attempt(
    writers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unknown whether it still writes what it was sent, so nothing is renamed."""
    noted = asyncssh.SFTPClientFile.write

    async def ending(self: asyncssh.SFTPClientFile, data: bytes, offset: int) -> int:
        if writers and self is not next(iter(writers)):
            raise asyncssh.SFTPConnectionLost("gone")
        return await noted(self, data, offset)

    monkeypatch.setattr(asyncssh.SFTPClientFile, "write", ending)
    with openssh() as partner:
        with pytest.raises(TransientDeliveryError, match=r"write: \S+: SFTPConnectionLost: gone"):
            send(partner)
        assert "a.bin" not in partner.files()


@needs_openssh
@pytest.mark.usefixtures("far")
def test_unanswered_writes_of_all_channels_are_written_again() -> None:
    """Of the last bytes of a leftover, any may be missing, as many as all channels have on the way."""
    with openssh() as partner:
        answered = len(CONTENT) - SPAN
        (partner.inbox / LEFT).write_bytes(CONTENT[:answered] + bytes(SPAN - 5) + CONTENT[-5:])
        send(partner)
        assert partner.files() == DONE


@needs_openssh
@pytest.mark.usefixtures("far")
def test_an_upload_over_several_channels_that_runs_out_of_time_goes_on(writers: Any) -> None:
    left = iter([1000.0] * 14)
    with openssh() as partner:
        with pytest.raises(DeliveryUnfinishedError):
            send(partner, remaining=lambda: next(left, RESERVE - 1))
        assert set(partner.files()) == {LEFT}
        assert send(partner) == hashlib.sha256(CONTENT).hexdigest()
        assert partner.files() == DONE
