"""Deliveries over SFTP that are cut off or run out of time, and the attempts that go on where they ended."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

import asyncssh
import pytest

from local.sftp.partners import Partner
from runtime.delivery import (
    Delivery,
    DeliveryUnfinishedError,
    PermanentDeliveryError,
    TransientDeliveryError,
    upload,
)
from runtime.delivery.content_hash import RESERVE
from runtime.delivery.sftp import deliver_now
from runtime.delivery.upload import WINDOW_BYTES
from tests.delivery.support import QUICK, destination_of, source_of

CONTENT = os.urandom(3 * WINDOW_BYTES + 17)
DONE = {"a.bin": CONTENT}
LEFT = ".a.bin.try-1.part"


def send(partner: Partner, **how: Any) -> Delivery:
    source = how.pop("source", None) or source_of(CONTENT)
    usual = {"name": "a.bin", "attempt": "try-1", "private_key": partner.private_key, "patience": QUICK}
    return deliver_now(source, destination_of(partner), **usual | how)


def after(reads: int) -> Callable[[], float]:
    """Return a clock that is about to run out after a number of chunks (of almost 1 MiB each)."""
    left = iter([1000.0] * reads)
    return lambda: next(left, RESERVE - 1)


@pytest.fixture(autouse=True)
def one_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may be missing before the end of a leftover is one channel's window, so that small files do."""
    monkeypatch.setattr(upload, "SPAN", WINDOW_BYTES)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list to which the offset of every further write is added."""
    offsets: list[int] = []
    write = asyncssh.SFTPClientFile.write

    def noted(self: asyncssh.SFTPClientFile, data: bytes, offset: int) -> Any:
        offsets.append(offset)
        return write(self, data, offset)

    monkeypatch.setattr(asyncssh.SFTPClientFile, "write", noted)
    return offsets


def test_an_attempt_that_runs_out_of_time_leaves_what_it_sent_and_the_next_goes_on(
    partner: Partner, sent: list[int]
) -> None:
    with pytest.raises(
        DeliveryUnfinishedError, match=r"write: \S+: the time ran out after \d+ of 12582929 bytes"
    ):
        send(partner, remaining=after(8))
    there = len(partner.files()[LEFT])
    assert partner.files() == {LEFT: CONTENT[:there]}
    assert WINDOW_BYTES < there < len(CONTENT)
    sent.clear()
    delivery = send(partner)
    assert partner.files() == DONE
    assert delivery.sha256 == hashlib.sha256(CONTENT).hexdigest()
    # No more than the window is sent again, and not what is before it.
    assert there - WINDOW_BYTES - 2**20 < min(sent) <= there - WINDOW_BYTES


def test_a_file_may_take_many_attempts(partner: Partner) -> None:
    for reads in (5, 8, 11):
        with pytest.raises(DeliveryUnfinishedError):
            send(partner, remaining=after(reads))
        assert set(partner.files()) == {LEFT}
    assert send(partner).sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert partner.files() == DONE


@pytest.mark.parametrize("folder", ["", "2026/"])
def test_an_attempt_that_was_cut_off_is_continued(partner: Partner, sent: list[int], folder: str) -> None:
    partner.faults.drop(after=10_000_000)
    with pytest.raises(TransientDeliveryError, match="write: "):
        send(partner, name=f"{folder}a.bin")
    assert set(partner.files()) == {folder + LEFT}
    sent.clear()
    assert send(partner, name=f"{folder}a.bin").sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert partner.files() == {f"{folder}a.bin": CONTENT}
    assert min(sent) > 0


def test_unanswered_writes_that_arrived_out_of_order_are_written_again(partner: Partner) -> None:
    """A server may write the last request of a window first, and then die: there is a hole before it."""
    answered, window = CONTENT[: 2 * WINDOW_BYTES], CONTENT[2 * WINDOW_BYTES : 3 * WINDOW_BYTES]
    holed = answered + bytes(WINDOW_BYTES - 5) + window[-5:]
    (partner.inbox / LEFT).write_bytes(holed)
    send(partner)
    assert partner.files() == DONE


@pytest.mark.parametrize("size", [0, 1, WINDOW_BYTES, len(CONTENT) - 1, len(CONTENT)])
def test_a_leftover_of_any_size_is_continued(partner: Partner, size: int) -> None:
    (partner.inbox / LEFT).write_bytes(CONTENT[:size])
    assert send(partner).size == len(CONTENT)
    assert partner.files() == DONE


def test_an_empty_file_is_continued_too(partner: Partner) -> None:
    (partner.inbox / LEFT).write_bytes(b"")
    send(partner, source=source_of(b""))
    assert partner.files() == {"a.bin": b""}


def test_an_attempt_of_another_name_begins_anew_and_removes_leftovers_of_abandoned_attempts(
    partner: Partner,
) -> None:
    (partner.inbox / LEFT).write_bytes(bytes(len(CONTENT)))
    send(partner, attempt="try-2", abandoned=("try-1",))
    assert partner.files() == DONE


def test_a_file_that_was_found_leaves_no_leftover(partner: Partner) -> None:
    (partner.inbox / "a.bin").write_bytes(CONTENT)
    (partner.inbox / LEFT).write_bytes(CONTENT[:5])
    assert not send(partner, after_unknown=True).sent
    assert partner.files() == DONE


def test_the_old_file_is_kept_until_a_continued_file_is_complete(partner: Partner) -> None:
    (partner.inbox / "a.bin").write_bytes(b"old")
    with pytest.raises(DeliveryUnfinishedError):
        send(partner, remaining=after(3))
    assert partner.files()["a.bin"] == b"old"
    send(partner)
    assert partner.files() == DONE


@pytest.mark.parametrize(("there", "reads"), [(0, 0), (3_000_000, 2), (10_000_000, 7), (10_000_000, 9)])
def test_an_attempt_that_makes_no_progress_has_failed(partner: Partner, there: int, reads: int) -> None:
    """Otherwise an attempt that only reads again, or sends one window, would be repeated for ever."""
    if there:
        (partner.inbox / LEFT).write_bytes(CONTENT[:there])
    with pytest.raises(TransientDeliveryError, match="the time ran out after"):
        send(partner, remaining=after(reads))
    assert partner.files() == {}


def test_a_server_that_cannot_append_gets_a_new_file(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some keep their files in an object store, where only a new object can be written."""
    (partner.inbox / LEFT).write_bytes(CONTENT[:WINDOW_BYTES])
    opening = asyncssh.SFTPClient.open

    async def refusing(self: Any, path: Any, mode: Any = "r", *args: Any, **how: Any) -> Any:
        if mode == asyncssh.FXF_WRITE:
            raise asyncssh.SFTPPermissionDenied("cannot append")
        return await opening(self, path, mode, *args, **how)

    monkeypatch.setattr(asyncssh.SFTPClient, "open", refusing)
    with pytest.raises(TransientDeliveryError, match=r"open: \S+: SFTPPermissionDenied: cannot append"):
        send(partner)
    assert partner.files() == {}
    send(partner)
    assert partner.files() == DONE


def test_a_continued_file_whose_writes_are_refused_is_begun_anew(
    make_partner: Callable[..., Partner],
) -> None:
    partner = make_partner(denied=("write",))
    (partner.inbox / LEFT).write_bytes(CONTENT[:WINDOW_BYTES])
    with pytest.raises(TransientDeliveryError, match=r"write: \S+: SFTPPermissionDenied"):
        send(partner)
    assert partner.files() == {}
    with pytest.raises(PermanentDeliveryError, match=r"write: \S+: SFTPPermissionDenied"):
        send(partner)


class GoneError(Exception):
    """Raised by the callback before the rename."""


def test_the_callback_before_the_rename_can_prevent_it(partner: Partner) -> None:
    seen: list[set[str]] = []

    def before() -> None:
        seen.append(set(partner.files()))
        raise GoneError

    with pytest.raises(GoneError):
        send(partner, before=before)
    assert seen == [{LEFT}]
    assert partner.files() == {}


@pytest.mark.parametrize("renames", [True, False])
def test_where_the_callback_prevents_it_the_partners_file_stays_as_it_was(
    in_process: Partner, renames: bool
) -> None:
    """Another execution has the lease, and may have delivered what is there."""

    def before() -> None:
        raise GoneError

    (in_process.inbox / "a.bin").write_bytes(b"theirs")
    with pytest.raises(GoneError):
        deliver_now(
            source_of(CONTENT),
            destination_of(in_process, renames=renames),
            name="a.bin",
            attempt="try-1",
            private_key=in_process.private_key,
            patience=QUICK,
            before=before,
        )
    assert in_process.files() == {"a.bin": b"theirs"}


def test_old_content_that_a_cut_off_attempt_set_aside_is_removed_when_the_next_one_is_done(
    make_partner: Callable[..., Partner],
) -> None:
    partner = make_partner(denied=("posix-rename",))
    (partner.inbox / LEFT).write_bytes(CONTENT)
    (partner.inbox / ".a.bin.try-1.old").write_bytes(b"old")
    send(partner)
    assert partner.files() == DONE


def test_old_content_that_a_cut_off_attempt_set_aside_does_not_block_a_file_that_came_meanwhile(
    make_partner: Callable[..., Partner],
) -> None:
    """The other region delivered a file of that name between the two renames and the next attempt."""
    partner = make_partner(denied=("posix-rename",))
    (partner.inbox / LEFT).write_bytes(CONTENT)
    (partner.inbox / ".a.bin.try-1.old").write_bytes(b"old")
    (partner.inbox / "a.bin").write_bytes(b"theirs")
    send(partner, after_unknown=True)
    assert partner.files() == DONE


def test_old_content_that_was_set_aside_is_removed_when_the_new_content_is_found_in_place(
    make_partner: Callable[..., Partner],
) -> None:
    """The answer to the second rename was lost."""
    partner = make_partner(denied=("posix-rename",))
    (partner.inbox / ".a.bin.try-1.old").write_bytes(b"old")
    (partner.inbox / "a.bin").write_bytes(CONTENT)
    send(partner, after_unknown=True)
    assert partner.files() == DONE
