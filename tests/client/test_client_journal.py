"""The journal, and clients that are killed between any two effects, or that run at the same time."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mft_client import ClaimedError, Client, JournalError, Outcome, Planned, Sent
from mft_client import queues as queues_module
from mft_client.claims import Claims
from mft_client.journal import Journal, OpenUpload
from tests.client.conftest import CUSTOMER, DISTRIBUTION, EAST, KEY, START, WEST, Place
from tests.client.test_client_resends import receipt
from tests.client.test_client_uploads import small_parts

__all__ = ["small_parts"]  # a fixture
CONTENT = bytes(range(25))


class KilledError(BaseException):
    """The end of a process, as far as one can be ended within another."""


class Life:
    """A process that is killed before or after its effect with a number; afterwards it has no effect."""

    def __init__(self, number: int, *, after: bool) -> None:
        self._left, self._after, self.is_over = number, after, False

    def effect(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **request: Any) -> Any:
            if self.is_over:
                raise KilledError
            self._left -= 1
            self.is_over = self._left < 0
            if self.is_over and not self._after:
                raise KilledError
            answer = real(*given, **request)
            if self.is_over:
                raise KilledError
            return answer

        return call


class Living:
    """A client of AWS, or a journal, whose calls are effects of a process."""

    def __init__(self, real: Any, life: Life) -> None:
        self._real, self._life = real, life

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        return self._life.effect(real) if callable(real) else real


def born(place: Place, life: Life) -> Client:
    """Return the client of a process that will be killed."""

    def aws(service: str, region: str) -> Any:
        return Living(place.estate.aws(service, region), life)

    client = place.client(aws=aws)
    client._journal = client._sender._journal = Living(client._journal, life)  # type: ignore[assignment]
    return client


def parts(place: Place, unfinished: dict[str, Any]) -> int:
    """Return how many parts of a multipart upload there are."""
    which = {"Bucket": place.bucket(WEST), "Key": unfinished["Key"], "UploadId": unfinished["UploadId"]}
    return len(place.estate.aws("s3", WEST).list_parts(**which).get("Parts", ()))


def test_wherever_a_client_is_killed_the_next_one_sends_exactly_what_was_not_acknowledged(
    place: Place, small_parts: int
) -> None:
    place.source.write_bytes(CONTENT)
    killed, number = list[str](), 0
    while not killed or killed[-1]:
        for after in (False, True):
            name, life = f"{number}-{after}.csv", Life(number, after=after)
            key = f"inbound/sdk/{name}"
            client = born(place, life)
            try:
                client.send(place.source, name)
            except KilledError:
                killed.append(name)
            else:
                killed.append("")
            there = place.held(WEST, key)
            reborn = place.client()
            known = reborn.last(name)
            assert (known is None) <= (there == []), "what may have arrived is in the journal"
            again = [each for each in reborn.due().again if each.key == key]
            assert again == ([known] if known and not isinstance(known, Sent) else [])
            for each in again:
                assert reborn.resend(each)
            after_all = place.held(WEST, key)
            assert after_all == [CONTENT] * len(after_all)
            assert len(after_all) == len(there) + len(again)
            assert [
                parts(place, each) for each in place.unfinished(WEST) if again and each["Key"] == key
            ] in (
                [],
                [0],  # begun, and killed before that could be noted: there is nothing of it but a number
            )
            if known:
                last = reborn.last(name)
                assert isinstance(last, Sent)
                reborn.receive(receipt(last.version_id, "delivered", key=key, size=len(CONTENT)))
                assert dict(reborn.files())[last] is Outcome.DELIVERED
        number += 1
    assert number > 7, "plan, begin, note that, three parts, complete, note that"
    assert place.client().due().again == ()


def test_wherever_a_client_is_killed_a_receipt_is_taken_in_once_and_not_lost(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues_module, "_HIDDEN", 0)
    monkeypatch.setattr(queues_module, "_WAIT", 0)
    number, is_over = 0, True
    while is_over:
        for after in (False, True):
            sent = place.client().send(place.source, f"{number}-{after}.csv")
            place.tell(receipt(sent.version_id, "delivered", key=sent.key))
            life = Life(number, after=after)
            client = born(place, life)
            with suppress(KilledError):
                client.collect()
            is_over = life.is_over
            reborn = place.client()
            assert (place.told() == 1) or dict(reborn.files())[sent] is Outcome.DELIVERED
            reborn.collect()
            assert (place.told(), dict(reborn.files())[sent]) == (0, Outcome.DELIVERED)
            assert sum(sent.version_id in json.dumps(each) for _, each in reborn._journal.since(0)) == 2
        number += 1
    assert number > 3, "read, note, delete, read again"


# --- One journal, several processes ------------------------------------------------------------------


def process(place: Place, *words: str, endpoint: str = "") -> subprocess.Popen[str]:
    """Start the command `mft`, with the settings of a place."""
    changed = {"AWS_ENDPOINT_URL": endpoint} if endpoint else {}
    return subprocess.Popen(
        [sys.executable, "-m", "mft_client", *words],
        cwd=place.folder,
        env={**os.environ, **place.environment(), **changed, "PYTHONPATH": str(DISTRIBUTION)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_process_that_is_killed_leaves_its_file_to_the_next_one(place: Place) -> None:
    place.settings_file()
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        silent.settimeout(120)
        first = process(place, "send", "report.csv", endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}")
        connection, _ = silent.accept()  # the file is in the journal, and on its way
        with connection:
            with pytest.raises(ClaimedError, match="another process is sending it"):
                place.client().send(place.source, "report.csv")
            (due,) = place.client().due().again
            with pytest.raises(ClaimedError):
                place.client().resend(due)
            first.send_signal(signal.SIGKILL)
            first.communicate()
    sent = place.client().resend(due)
    assert sent
    assert place.held(WEST, sent.key) == [place.source.read_bytes()]
    assert [*place.folder.glob("*.claims/*")] == []


def test_two_processes_that_send_again_what_is_due_send_each_file_once(place: Place) -> None:
    place.settings_file(receipts={"queues": {EAST: place.queue}, "window_hours": 99_999})
    client = place.client()
    for number in range(8):
        path = place.folder / f"{number}.csv"
        path.write_bytes(str(number).encode())
        client.send(path, path.name)
    both = [process(place, "resend", "--json") for _ in range(2)]
    done = [each.communicate(timeout=300) for each in both]
    assert [each.returncode for each in both] == [0, 0], done
    reports = [json.loads(out) for out, _ in done]
    assert sum(len(each["sent"]) for each in reports) == 8
    assert {len(place.held(WEST, f"inbound/sdk/{number}.csv")) for number in range(8)} == {2}


@pytest.mark.parametrize("threads", [2, pytest.param(8, marks=pytest.mark.exhaustive)])
def test_clients_that_use_one_journal_send_each_due_file_once(place: Place, threads: int) -> None:
    client = place.client()
    for number in range(10):
        client.send(place.source, f"{number}.csv")
    place.now += timedelta(hours=1)

    def work(_: int) -> int:
        done, mine = 0, place.client()
        for each in mine.due().again:
            try:
                done += mine.resend(each) is not None
            except ClaimedError:
                continue
        mine.close()
        return done

    with ThreadPoolExecutor(threads) as pool:
        assert sum(pool.map(work, range(threads))) == 10
    assert {len(place.held(WEST, f"inbound/sdk/{number}.csv")) for number in range(10)} == {2}


def test_a_claim_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    claims = Claims(tmp_path / "j")
    code = (
        "import sys, os; from pathlib import Path; from mft_client.claims import Claims\n"
        "with Claims(Path(sys.argv[1])).claim('k'):\n"
        "    print('held', flush=True); sys.stdin.read(1); os.kill(os.getpid(), 9)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "j")],
        env={**os.environ, "PYTHONPATH": str(DISTRIBUTION)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(ClaimedError), claims.claim("k"):
        pass
    with claims.claim("other"):
        pass
    holder.communicate(b"x")
    with claims.claim("k"), pytest.raises(ClaimedError), claims.claim("k"):
        pass
    assert [*(tmp_path / "j.claims").iterdir()] == []


def test_a_claim_is_on_a_file_that_others_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever held a claim removes its file, perhaps after somebody else has opened it."""
    claims, real, locked = Claims(tmp_path / "j"), fcntl.flock, list[int]()

    def flock(descriptor: int, how: int) -> None:
        if not locked:
            for path in (tmp_path / "j.claims").iterdir():
                path.unlink()
        locked.append(descriptor)
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with claims.claim("k"):
        assert len(locked) == 2
        with pytest.raises(ClaimedError), claims.claim("k"):
            pass


# --- The file ----------------------------------------------------------------------------------------

PLANNED = Planned(key=KEY, source="/report.csv", sha256="0" * 64, size=8, at=START)


def test_what_one_client_has_written_another_reads(tmp_path: Path) -> None:
    one, other = (Journal(tmp_path / "j", CUSTOMER) for _ in range(2))
    one.plan(PLANNED)
    upload = OpenUpload(upload_id="u", region=WEST, bucket="b", key=KEY)
    one.opened(upload)
    assert other.uploads(KEY) == [upload]
    ((number, document),) = other.since(0)
    assert Planned.parse(document["planned"]) == PLANNED
    other.receive({"outcome": "delivered"}, START)
    other.receive({"outcome": "delivered"}, START + timedelta(hours=1))
    assert [each["at"] for _, each in one.since(number)] == [START.isoformat()]
    one.close()
    other.close()


def test_what_was_written_is_on_the_disk_and_in_one_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j", CUSTOMER)
    journal.plan(PLANNED)
    asked = {
        name: journal._database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("synchronous", "journal_mode")
    }
    assert asked == {"synchronous": 3, "journal_mode": "delete"}
    assert [each.name for each in tmp_path.iterdir()] == ["j"]
    journal.close()


def test_another_customers_journal_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "j", "other").close()
    with pytest.raises(JournalError, match=r"/j: is the journal of other, not of c7k2m; name another file"):
        Journal(tmp_path / "j", CUSTOMER)


def test_what_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    lines, newer, folder = (tmp_path / name for name in ("sent.jsonl", "newer", "folder"))
    lines.write_text('{"sent": {}}\n' * 100)
    Journal(newer, CUSTOMER).close()
    with closing(sqlite3.connect(newer)) as database:
        database.execute("PRAGMA user_version = 2")
    folder.mkdir()
    for path, why in (
        (lines, "the journal cannot be used: file is not a database"),
        (newer, "is not a journal that this version of mft reads"),
        (folder, "the journal cannot be used: unable to open database file"),
        (tmp_path / "no" / "folder", "the journal cannot be used: unable to open database file"),
    ):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(JournalError, match=why) as raised:
            Journal(path, CUSTOMER)
        assert str(path) in str(raised.value)
        assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_torn_write_is_undone(tmp_path: Path) -> None:
    """A process that dies within a transaction leaves SQLite's rollback journal, which the next one plays."""
    code = (
        "import os, sys; from pathlib import Path; from mft_client.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]), 'c7k2m')\n"
        "journal._append({'first': 1})\n"
        "journal._database.execute('PRAGMA cache_size = 1'); journal._database.execute('BEGIN IMMEDIATE')\n"
        "for _ in range(200): journal._insert({'second': 'x' * 5000})\n"
        "os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(DISTRIBUTION)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "j")], env=environment, check=False)
    assert (tmp_path / "j-journal").exists()
    journal = Journal(tmp_path / "j", CUSTOMER)
    assert [document for _, document in journal.since(0)] == [{"first": 1}]
    journal.close()
