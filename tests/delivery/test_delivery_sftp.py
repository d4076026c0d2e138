"""Deliveries over SFTP that end well, to real servers over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncssh
import pytest

from local.sftp.partners import Partner
from runtime.delivery import Delivery, PermanentDeliveryError, TransientDeliveryError
from runtime.delivery.sftp import SftpSession, deliver_now, session
from tests.delivery.support import QUICK, destination_of, source_of

CONTENT = os.urandom(3_000_017)


def send(partner: Partner, content: bytes = CONTENT, **how: Any) -> Delivery:
    usual = {"name": "a.bin", "attempt": "try-1", "private_key": partner.private_key}
    return deliver_now(source_of(content), destination_of(partner), **usual | how)


@pytest.mark.parametrize("size", [0, 1, 261_120, 4 * 261_120 + 1, 3_000_017])
def test_arrives_byte_for_byte(partner: Partner, size: int) -> None:
    content = CONTENT[:size]
    delivery = send(partner, content)
    assert partner.files() == {"a.bin": content}
    assert delivery == Delivery(
        sha256=hashlib.sha256(content).hexdigest(), size=size, path=f"{partner.directory}/a.bin", sent=True
    )


def test_the_final_name_appears_only_when_complete(partner: Partner) -> None:
    seen: list[set[str]] = []
    source = source_of(CONTENT, on_read=lambda _: seen.append(set(partner.files())))
    deliver_now(
        source, destination_of(partner), private_key=partner.private_key, name="a.bin", attempt="try-1"
    )
    assert set().union(*seen) == {".a.bin.try-1.part"}
    assert set(partner.files()) == {"a.bin"}


def test_directories_of_the_name_are_made(partner: Partner) -> None:
    for name in ("2026/11/a.bin", "2026/11/b.bin", "2026/c.bin"):
        send(partner, b"x", name=name)
    assert set(partner.files()) == {"2026/11/a.bin", "2026/11/b.bin", "2026/c.bin"}


def test_names_beyond_ascii(partner: Partner) -> None:
    name = "März/" + "ü" * 127
    send(partner, b"x", name=name)
    assert partner.files() == {name: b"x"}


@pytest.mark.parametrize("denied", [(), ("posix-rename",), ("posix-rename", "fsync")])
def test_an_existing_file_is_replaced(make_partner: Callable[..., Partner], denied: tuple[str, ...]) -> None:
    partner = make_partner(denied=denied)
    for content in (b"old", b"new"):
        send(partner, content)
        assert partner.files() == {"a.bin": content}


def test_an_existing_file_comes_back_when_it_cannot_be_replaced(partner: Partner) -> None:
    """Without posix-rename the old file is set aside; a rename that fails after that puts it back."""

    async def run() -> None:
        async with session(destination_of(partner), private_key=partner.private_key) as opened:
            sftp = opened._sftp
            sftp.posix_rename, rename = _unsupported, sftp.rename

            async def rename_all_but_the_new(old: str, new: str) -> None:
                if old.endswith(".part"):
                    raise asyncssh.SFTPFailure("Failure")
                await rename(old, new)

            sftp.rename = rename_all_but_the_new
            await opened.deliver(source_of(b"new"), name="a.bin", attempt="try-1")

    (partner.inbox / "a.bin").write_bytes(b"old")
    with pytest.raises(TransientDeliveryError, match=r"rename: \S+/a\.bin: SFTPFailure"):
        asyncio.run(run())
    assert partner.files() == {"a.bin": b"old"}


def test_an_existing_file_that_is_taken_away_while_it_is_set_aside_is_no_failure(partner: Partner) -> None:
    """Partners may collect files at any moment, also between two requests."""

    async def run() -> None:
        async with session(destination_of(partner), private_key=partner.private_key) as opened:
            sftp = opened._sftp
            sftp.posix_rename, rename = _unsupported, sftp.rename

            async def rename_after_the_partner_came(old: str, new: str) -> None:
                if old.endswith("/a.bin"):
                    (partner.inbox / "a.bin").unlink()
                await rename(old, new)

            sftp.rename = rename_after_the_partner_came
            await opened.deliver(source_of(b"new"), name="a.bin", attempt="try-1")

    (partner.inbox / "a.bin").write_bytes(b"old")
    asyncio.run(run())
    assert partner.files() == {"a.bin": b"new"}


async def _unsupported(*_: Any) -> None:
    raise asyncssh.SFTPOpUnsupported("no posix-rename")


@pytest.mark.parametrize("denied", [(), ("posix-rename",)])
def test_a_directory_of_that_name_is_never_touched(
    make_partner: Callable[..., Partner], denied: tuple[str, ...]
) -> None:
    partner = make_partner(denied=denied)
    send(partner, b"theirs", name="a.bin/kept")
    with pytest.raises(PermanentDeliveryError, match=r"a\.bin is a directory"):
        send(partner, b"x")
    assert partner.files() == {"a.bin/kept": b"theirs"}


@pytest.mark.parametrize("key_type", ["ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp384"])
def test_every_approved_type_of_host_key(make_partner: Callable[..., Partner], key_type: str) -> None:
    partner = make_partner(key_type=key_type)
    send(partner, b"x")
    assert partner.files() == {"a.bin": b"x"}


# --- After an attempt whose end nobody knows -----------------------------------------------------


def test_after_an_unknown_outcome_a_file_that_is_there_is_not_sent_again(partner: Partner) -> None:
    first = send(partner)
    before = (partner.inbox / "a.bin").stat()
    again = send(partner, attempt="try-2", after_unknown=True)
    assert again == Delivery(sha256=first.sha256, size=first.size, path=first.path, sent=False)
    after = (partner.inbox / "a.bin").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_without_an_unknown_outcome_a_file_that_is_there_is_sent_again(partner: Partner) -> None:
    assert send(partner, b"x").sent
    assert send(partner, b"x", attempt="try-2").sent


@pytest.mark.parametrize("there", [None, b"y" * 1000, b"x" * 999, b"x" * 1001, b""])
def test_after_an_unknown_outcome_any_other_content_is_replaced(
    partner: Partner, there: bytes | None
) -> None:
    if there is not None:
        (partner.inbox / "a.bin").write_bytes(there)
    assert send(partner, b"x" * 1000, after_unknown=True).sent
    assert partner.files() == {"a.bin": b"x" * 1000}


def test_after_an_unknown_outcome_a_file_that_may_not_be_read_is_sent_again(
    make_partner: Callable[..., Partner],
) -> None:
    partner = make_partner(denied=("read",))
    (partner.inbox / "a.bin").write_bytes(b"x")
    assert send(partner, b"x", after_unknown=True).sent


def test_an_empty_file_is_found_too(partner: Partner) -> None:
    (partner.inbox / "a.bin").write_bytes(b"")
    assert not send(partner, b"", after_unknown=True).sent


def test_leftovers_of_abandoned_attempts_are_removed(partner: Partner) -> None:
    for name in (".a.bin.try-1.part", ".a.bin.try-2.old", ".a.bin.try-3.part", ".b.bin.try-1.part"):
        (partner.inbox / name).write_bytes(b"left over")
    send(partner, b"x", attempt="try-4", abandoned=("try-1", "try-2"))
    assert set(partner.files()) == {"a.bin", ".a.bin.try-3.part", ".b.bin.try-1.part"}
    (partner.inbox / ".a.bin.try-5.old").write_bytes(b"left over")
    send(partner, b"x", attempt="try-6", abandoned=("try-3", "try-5"), after_unknown=True)
    assert set(partner.files()) == {"a.bin", ".b.bin.try-1.part"}


# --- Many at a time ------------------------------------------------------------------------------


def test_many_deliveries_share_a_connection(partner: Partner) -> None:
    contents = {f"d{n % 3}/{n}.bin": CONTENT[n : n * 40_000] for n in range(24)}

    async def run() -> list[Delivery]:
        async with session(destination_of(partner), private_key=partner.private_key) as opened:
            return await asyncio.gather(*(one(opened, name) for name in contents))

    async def one(opened: SftpSession, name: str) -> Delivery:
        return await opened.deliver(source_of(contents[name]), name=name, attempt="try-1")

    deliveries = asyncio.run(run())
    assert partner.files() == contents
    assert [d.sha256 for d in deliveries] == [hashlib.sha256(c).hexdigest() for c in contents.values()]


def test_many_connections_at_a_time(partner: Partner) -> None:
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: send(partner, CONTENT[n:], name=f"{n}.bin", attempt=f"try-{n}"), range(6)))
    assert partner.files() == {f"{n}.bin": CONTENT[n:] for n in range(6)}


def test_two_attempts_at_one_name_leave_one_complete_file(partner: Partner) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: send(partner, attempt=f"try-{n}"), range(4)))
    assert partner.files() == {"a.bin": CONTENT}


def test_a_slow_read_of_s3_holds_up_nothing_else(partner: Partner) -> None:
    """While S3 is silent the connection has to show signs of life, so the loop must go on turning."""
    gaps: list[float] = []

    async def heart() -> None:
        while True:
            started = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - started)

    async def run() -> None:
        beating = asyncio.create_task(heart())
        source = source_of(CONTENT, on_read=lambda at: time.sleep(1.0 if at == 0 else 0))
        async with session(
            destination_of(partner), private_key=partner.private_key, patience=QUICK
        ) as opened:
            gaps.clear()
            await opened.deliver(source, name="a.bin", attempt="try-1")
        beating.cancel()

    asyncio.run(run())
    assert max(gaps) < 0.8
    assert partner.files() == {"a.bin": CONTENT}
