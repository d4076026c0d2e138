"""Deliveries over SFTP that fail: their errors, what they leave behind, and the attempts after them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

import asyncssh
import pytest

from local.sftp.partners import Partner
from runtime.delivery import (
    Delivery,
    DeliveryError,
    DeliveryUnknownError,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from runtime.delivery.sftp import Patience, SftpTarget, deliver, deliver_now
from tests.delivery.support import QUICK, FailingS3, MemoryS3, destination_of, source_of

CONTENT = os.urandom(3_000_017)


def send(partner: Partner, *, to: SftpTarget | None = None, **how: Any) -> Delivery:
    source = how.pop("source", None) or source_of(CONTENT)
    usual = {"name": "a.bin", "attempt": "try-1", "private_key": partner.private_key, "patience": QUICK}
    return deliver_now(source, to or destination_of(partner), **usual | how)


def fingerprint(public_key: str) -> str:
    return asyncssh.import_public_key(public_key).get_fingerprint()


# --- Not reached ---------------------------------------------------------------------------------


def test_a_refused_port_is_transient(partner: Partner) -> None:
    partner.faults.refuse()
    with pytest.raises(
        TransientDeliveryError, match=rf"^127\.0\.0\.1:{partner.port}: connect: ConnectionRefused"
    ):
        send(partner)
    partner.faults.clear()
    assert send(partner).sent


def test_a_name_that_does_not_resolve_is_transient(in_process: Partner) -> None:
    with pytest.raises(TransientDeliveryError, match=r"^partner\.invalid:\d+: look up: "):
        send(in_process, to=destination_of(in_process, host="partner.invalid"))


def test_a_server_that_says_nothing_is_transient(partner: Partner) -> None:
    partner.faults.stall(after=0)
    with pytest.raises(TransientDeliveryError, match="connect: timed out"):
        send(partner, patience=Patience(connect=1.5))


def test_a_connection_dropped_at_log_in_is_transient(partner: Partner) -> None:
    partner.faults.drop(after=1_000)
    with pytest.raises(TransientDeliveryError, match="connect: "):
        send(partner)


# --- Keys ----------------------------------------------------------------------------------------


def test_another_host_key_is_permanent_and_both_are_named(partner: Partner) -> None:
    partner.faults.wrong_host_key()
    other = partner.other_host_keypair.get_fingerprint()
    with pytest.raises(PermanentDeliveryError, match="host key: ") as failure:
        send(partner)
    assert other in failure.value.reason
    assert fingerprint(partner.host_key) in failure.value.reason
    assert partner.files() == {}


def test_a_host_key_of_another_type_is_permanent(partner: Partner) -> None:
    pinned = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    with pytest.raises(PermanentDeliveryError, match="host key: ") as failure:
        send(partner, to=destination_of(partner, host_key=pinned))
    assert f"ecdsa-sha2-nistp256 {fingerprint(partner.host_key)}" in failure.value.reason
    assert f"ssh-ed25519 {fingerprint(pinned)}" in failure.value.reason


@pytest.mark.parametrize("after", [100, 700, 1_000])
def test_a_drop_while_keys_are_agreed_is_transient_whatever_other_keys_there_are(
    make_partner: Callable[..., Partner], after: int
) -> None:
    partner = make_partner(more_key_types=["ssh-ed25519"])
    partner.faults.drop(after=after)
    with pytest.raises(TransientDeliveryError, match="connect: "):
        send(partner)
    assert send(partner).sent


@pytest.mark.parametrize("host_key", ["", "ssh-rsa nonsense", "-----BEGIN PUBLIC KEY-----"])
def test_an_unreadable_pinned_key_is_permanent(in_process: Partner, host_key: str) -> None:
    with pytest.raises(PermanentDeliveryError, match="the pinned key is unreadable"):
        send(in_process, to=destination_of(in_process, host_key=host_key))


def test_a_refused_client_key_is_permanent(partner: Partner) -> None:
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_private_key().decode()
    with pytest.raises(PermanentDeliveryError, match="log in: the server refused the key of user"):
        send(partner, private_key=other)


def test_a_refused_user_is_permanent(partner: Partner) -> None:
    with pytest.raises(PermanentDeliveryError, match="refused the key of user 'nobody-here'"):
        send(partner, to=destination_of(partner, user="nobody-here"))


def test_an_unreadable_client_key_is_permanent_and_not_repeated(in_process: Partner) -> None:
    with pytest.raises(PermanentDeliveryError) as failure:
        send(in_process, private_key="-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n")
    assert str(failure.value).endswith("log in: the client's private key is unreadable")
    assert failure.value.__context__ is None


# --- In the middle -------------------------------------------------------------------------------


def test_a_full_disk_is_transient_and_leaves_nothing(partner: Partner) -> None:
    partner.faults.disk_full(after=1_000_000)
    with pytest.raises(TransientDeliveryError, match=r"write: \S*\.a\.bin\.try-1\.part: SFTPFailure"):
        send(partner)
    assert partner.files() == {}


def test_a_drop_in_the_middle_is_transient_and_the_next_attempt_tidies_up(partner: Partner) -> None:
    partner.faults.drop(after=1_000_000)
    with pytest.raises(TransientDeliveryError, match="write: "):
        send(partner)
    assert set(partner.files()) == {".a.bin.try-1.part"}
    assert send(partner, attempt="try-2", abandoned=("try-1",)).sent
    assert partner.files() == {"a.bin": CONTENT}


def test_a_drop_keeps_the_file_that_had_the_name(partner: Partner) -> None:
    (partner.inbox / "a.bin").write_bytes(b"old")
    partner.faults.drop(after=1_000_000)
    with pytest.raises(TransientDeliveryError):
        send(partner)
    assert partner.files()["a.bin"] == b"old"


def test_a_stall_is_transient_and_noticed_in_time(partner: Partner) -> None:
    partner.faults.stall(after=1_000_000)
    started = time.monotonic()
    with pytest.raises(TransientDeliveryError, match="write: "):
        send(partner)
    # Keepalives end it after 1.5 s, the step after 1.5 s; tidying up may ask twice.
    assert time.monotonic() - started < 8
    assert "a.bin" not in partner.files()


def test_a_server_that_lives_and_does_not_answer_is_transient(in_process: Partner) -> None:
    in_process.faults.freeze()
    with pytest.raises(TransientDeliveryError, match=r"write: no answer within 0\.5 s"):
        send(in_process, patience=Patience(step=0.5))


def test_a_cancelled_delivery_leaves_nothing(partner: Partner) -> None:
    async def run() -> None:
        reading = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(at: int) -> None:
            if at > 1_000_000:
                loop.call_soon_threadsafe(reading.set)
                time.sleep(0.3)

        source = source_of(CONTENT, on_read=slow)
        how = {"name": "a.bin", "attempt": "try-1", "private_key": partner.private_key}
        delivery = asyncio.create_task(deliver(source, destination_of(partner), **how))
        await reading.wait()
        assert set(partner.files()) == {".a.bin.try-1.part"}
        delivery.cancel()
        await asyncio.wait([delivery])
        assert delivery.cancelled()

    asyncio.run(run())
    assert partner.files() == {}


# --- Refused -------------------------------------------------------------------------------------


def test_a_missing_directory_is_permanent(partner: Partner) -> None:
    to = destination_of(partner, directory=f"{partner.directory}/missing")
    with pytest.raises(
        PermanentDeliveryError, match=r"open: \S*/missing/\S+: SFTPNoSuchFile: .* folder exists"
    ):
        send(partner, to=to, name="a.bin")
    with pytest.raises(PermanentDeliveryError, match=r"make directory: \S*/missing/2026: SFTPNoSuchFile: "):
        send(partner, to=to, name="2026/a.bin")
    assert list(partner.inbox.iterdir()) == []


@pytest.mark.parametrize(
    ("denied", "step"),
    [
        ("mkdir", r"make directory: \S*/inbox/2026"),
        ("open", r"open: \S*/inbox/\.a\.bin\.try-1\.part"),
        ("write", r"write: \S*/inbox/\.a\.bin\.try-1\.part"),
        ("stat", r"verify: \S*/inbox/\.a\.bin\.try-1\.part"),
    ],
)
def test_a_refused_step_is_permanent_and_leaves_nothing(
    make_partner: Callable[..., Partner], denied: str, step: str
) -> None:
    partner = make_partner(denied=(denied,))
    name = "2026/a.bin" if denied == "mkdir" else "a.bin"
    with pytest.raises(PermanentDeliveryError, match=f"{step}: SFTPPermissionDenied"):
        send(partner, name=name)
    assert partner.files() == {}


def test_a_refused_rename_is_permanent_and_leaves_nothing(make_partner: Callable[..., Partner]) -> None:
    partner = make_partner(denied=("posix-rename", "rename"))
    with pytest.raises(
        PermanentDeliveryError,
        match=r"rename: \S*/inbox/a\.bin: SFTPPermissionDenied: .*let this login rename files",
    ):
        send(partner)
    assert partner.files() == {}


def test_a_file_in_the_place_of_a_directory_is_permanent(partner: Partner) -> None:
    (partner.inbox / "2026").write_bytes(b"a file")
    with pytest.raises(PermanentDeliveryError, match="2026 is not a directory"):
        send(partner, name="2026/a.bin")


@pytest.mark.parametrize("name", ["../a.bin", "/etc/a.bin", "x//a.bin", "a\nb", "x" * 256])
def test_a_dangerous_name_is_permanent_before_anything_is_sent(in_process: Partner, name: str) -> None:
    with pytest.raises(PermanentDeliveryError, match="name: "):
        send(in_process, name=name)
    assert in_process.files() == {}


# --- The source ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["NoSuchVersion", "NoSuchKey", "AccessDenied"])
def test_a_source_that_is_gone_or_refused_is_permanent(in_process: Partner, code: str) -> None:
    with pytest.raises(PermanentDeliveryError, match=f"^s3://.* version v1: read: {code}"):
        send(in_process, source=source_of(CONTENT, s3=FailingS3(code)))
    assert in_process.files() == {}


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "503"])
def test_a_source_that_is_throttled_is_transient(in_process: Partner, code: str) -> None:
    with pytest.raises(TransientDeliveryError, match=f"read: {code}"):
        send(in_process, source=source_of(CONTENT, s3=FailingS3(code)))
    assert in_process.files() == {}


def test_a_source_that_ends_early_is_transient(in_process: Partner) -> None:
    s3 = MemoryS3(CONTENT)
    whole = s3.get_object

    def cut_short(**how: Any) -> dict[str, Any]:
        answer = whole(**how)
        answer["Body"]._raw_stream.truncate(2_000_000)
        return answer

    s3.get_object = cut_short  # type: ignore[method-assign]
    with pytest.raises(TransientDeliveryError, match="read: IncompleteReadError"):
        send(in_process, source=source_of(CONTENT, s3=s3))
    assert in_process.files() == {}


def test_a_source_of_another_size_is_permanent(in_process: Partner) -> None:
    with pytest.raises(PermanentDeliveryError, match="has 3000017 bytes, not 3000000"):
        send(in_process, source=source_of(CONTENT, size=3_000_000))
    assert in_process.files() == {}


# --- The answer that never came ------------------------------------------------------------------


@pytest.mark.parametrize("denied", [(), ("posix-rename",)])
def test_a_lost_answer_to_the_rename_is_unknown_and_found_afterwards(
    make_partner: Callable[..., Partner], denied: tuple[str, ...]
) -> None:
    partner = make_partner(denied=denied)
    partner.faults.lose_answer(lambda: (partner.inbox / "a.bin").exists())
    with pytest.raises(
        DeliveryUnknownError, match=r"rename: \S*/inbox/a\.bin: requested, and no response came back"
    ):
        send(partner)
    partner.faults.clear()
    assert partner.files() == {"a.bin": CONTENT}
    assert not send(partner, attempt="try-2", after_unknown=True).sent


def test_a_lost_answer_before_the_rename_is_not_unknown(partner: Partner) -> None:
    partner.faults.lose_answer(lambda: any(len(c) == len(CONTENT) for c in partner.files().values()))
    with pytest.raises(TransientDeliveryError):
        send(partner)
    assert set(partner.files()) == {".a.bin.try-1.part"}


def test_every_message_names_the_place_and_the_step() -> None:
    error = TransientDeliveryError("partner.example:22", "write", "no answer within 60 s")
    assert str(error) == "partner.example:22: write: no answer within 60 s"
    assert isinstance(error, DeliveryError)
