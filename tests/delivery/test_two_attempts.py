"""Two attempts that are at work on one upload at the same time: no file that one removes counts as taken."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from local.sftp.partners import Partner
from runtime.delivery import Delivery, DeliveryUnknownError, TransientDeliveryError
from runtime.delivery.sftp import deliver_now
from tests.delivery.support import QUICK, FailingS3, destination_of, source_of

CONTENT = os.urandom(100_003)
UPLOADED = ".a.bin.try-1.part"
DONE = {"a.bin": CONTENT}


class StoppedError(Exception):
    """Raised where an attempt may not go on, as for a lost lease."""


def stopped() -> None:
    raise StoppedError


def send(partner: Partner, **how: Any) -> Delivery:
    source = how.pop("source", None) or source_of(CONTENT)
    usual = {"name": "a.bin", "attempt": "try-1", "private_key": partner.private_key, "patience": QUICK}
    return deliver_now(source, destination_of(partner), **usual | how)


def once(act: Callable[[], object]) -> Callable[[], None]:
    """Return what is called before the rename, and acts the first time only."""
    acts = [act]

    def before() -> None:
        if acts:
            acts.pop()()

    return before


def test_a_file_that_its_maker_removes_from_under_a_second_attempt_was_not_taken(in_process: Partner) -> None:
    """Its maker has lost the lease to the second attempt, which is about to rename the file."""
    is_whole, goes = threading.Event(), threading.Event()

    def overtaken() -> None:
        is_whole.set()
        assert goes.wait(10)
        raise StoppedError

    with ThreadPoolExecutor() as pool:
        maker = pool.submit(send, in_process, before=overtaken)
        assert is_whole.wait(10)

        def stop_the_maker() -> None:
            goes.set()
            assert isinstance(maker.exception(10), StoppedError)

        with pytest.raises(DeliveryUnknownError, match="whoever began the upload removed it"):
            send(in_process, before=once(stop_the_maker))
    assert in_process.files() == {}
    assert send(in_process, after_unknown=True).path == f"{in_process.directory}/a.bin"
    assert in_process.files() == DONE


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"before": stopped}, StoppedError),
        ({"source": source_of(CONTENT, s3=FailingS3("SlowDown"))}, TransientDeliveryError),
    ],
    ids=["stopped before the rename", "source not read"],
)
def test_a_second_attempt_that_fails_leaves_the_file_to_its_maker(
    in_process: Partner, how: dict[str, Any], error: type[Exception]
) -> None:
    def interrupted() -> None:
        with pytest.raises(error):
            send(in_process, **how)

    done = send(in_process, before=once(interrupted))
    assert done.path == f"{in_process.directory}/a.bin"
    assert in_process.files() == DONE


def test_a_second_attempt_on_a_full_disk_leaves_the_file_to_its_maker(
    in_process: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> int:
        raise asyncssh.SFTPFailure("no space left")

    def interrupted() -> None:
        with monkeypatch.context() as broken:
            broken.setattr(asyncssh.SFTPClientFile, "write", full)
            with pytest.raises(TransientDeliveryError, match="no space left"):
                send(in_process)

    assert send(in_process, before=once(interrupted)).path == f"{in_process.directory}/a.bin"
    assert in_process.files() == DONE


@pytest.mark.parametrize("fails", [False, True])
def test_a_later_execution_removes_an_upload_only_once_it_has_delivered(
    in_process: Partner, fails: bool
) -> None:
    """The earlier execution may have stood still, and be about to rename the file."""
    seen: list[set[str]] = []

    def before() -> None:
        seen.append(set(in_process.files()))
        if fails:
            raise StoppedError

    def overtaken() -> None:
        try:
            send(in_process, attempt="try-2", abandoned=("try-1",), before=before)
        except StoppedError:
            assert fails

    done = send(in_process, before=once(overtaken))
    assert seen == [{UPLOADED, ".a.bin.try-2.part"}]
    assert done.path == f"{in_process.directory}/a.bin"
    assert in_process.files() == DONE


def test_an_upload_that_goes_on_is_the_attempts_own(in_process: Partner) -> None:
    """Whoever began it has run out of time. The partner has taken it, and gets it once."""
    taken = in_process.root / "taken"

    def take() -> None:
        Path(in_process.inbox / UPLOADED).rename(taken)

    (in_process.inbox / UPLOADED).write_bytes(CONTENT[:1000])
    done = send(in_process, goes_on=True, before=once(take))
    assert done.path == f"{in_process.directory}/{UPLOADED}"
    assert taken.read_bytes() == CONTENT
    assert in_process.files() == {}
