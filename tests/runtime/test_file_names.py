"""No log line and no metric of a function has the name of a customer's file, on any way through the cell.

What a function prints is in its log, and so is the text of an error that it lets pass.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_plus

import pytest
from botocore.exceptions import ClientError
from hypothesis import example, given
from hypothesis import strategies as st

from local.sftp.partners import Partner
from runtime import contract, objects
from runtime.delivery import PermanentDeliveryError
from runtime.file_names import THE_FILE, nameless, without_names
from runtime.handlers import wiring
from tests.runtime.cells import Cell
from tests.runtime.test_handlers import ATTEMPTS, STATES, Functions, message
from tests.runtime.test_replication import notification

#: Words of the name that nothing else contains.
WORDS = ("Vogelsang", "merger", "Übernahme")
KEY = "inbound/sdk/Vogelsang 2026/merger+Übernahme.csv"


class Log:
    """What a cell's functions have logged: lines that they printed, and errors that they let pass."""

    def __init__(
        self, functions: Functions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.functions, self._capsys = functions, capsys
        self._lines, self._passed = io.StringIO(), list[str]()
        monkeypatch.setattr(wiring.logger.registered_handler, "stream", self._lines)

    @contextlib.contextmanager
    def failing(self, kind: str) -> Iterator[None]:
        """Log an error of this class as Lambda does, by the name of the class and the text."""
        with pytest.raises(Exception) as raised:  # by its name below, as the workflow does
            yield
        assert type(raised.value).__name__ == kind
        self._passed.append(f"[ERROR] {kind}: {raised.value}")

    def check(self) -> str:
        """Return everything that was logged; fail if it has a part of the name."""
        caught = self._capsys.readouterr()
        text = "\n".join((self._lines.getvalue(), caught.out, caught.err, *self._passed))
        spellings = [each for word in WORDS for each in (word, json.dumps(word)[1:-1], repr(word)[1:-1])]
        assert not [each for each in spellings if each in text], text
        return text


@pytest.fixture
def log(west: Cell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Log]:
    with contextlib.closing(Functions(west, monkeypatch)) as functions:
        yield Log(functions, capsys, monkeypatch)


def took_in(west: Cell, log: Log, key: str = KEY) -> tuple[str, dict[str, Any]]:
    """Let a file be taken in; return the name and the input of its execution."""
    before = set(west.executions())
    log.functions.call("ingest", {"Records": [message(west.upload(b"abc", key))]})
    (name,) = set(west.executions()) - before
    return name, west.executions()[name]


def test_a_delivered_file_and_its_resend(west: Cell, log: Log) -> None:
    step = log.functions.step
    (first, document), (second, again) = took_in(west, log), took_in(west, log)
    step("claim", STATES["Claim"], first, transfer=document)
    delivered = step("deliver", ATTEMPTS["Attempt"], first, transfer=document, destination="partner")
    step("archive", STATES["Archive"], first, transfer=document)
    step("complete", STATES["Complete"], first, transfer=document, results=[delivered])
    step("claim", STATES["Claim"], second, transfer=again)
    step("compare", STATES["Compare"], second, transfer=again)
    step("complete", STATES["Complete"], second, transfer=again, results=[])
    assert {each["outcome"] for each in west.receipts_published(2)} == {"delivered", "duplicate"}
    assert west.at_partner(f"in/{KEY.removeprefix('inbound/sdk/')}") == b"abc"
    text = log.check()
    assert text.count(document["id"]) > 3
    assert contract.file_id(west.customer, KEY) in text, "`mft-ops trace` finds the file by it"


def test_what_is_refused_or_is_no_file(west: Cell, log: Log) -> None:
    west.register(routes=[{"match": "sdk/other/**", "to": ["partner"], "on_unknown": "deliver"}])
    waiting = f"{contract.INBOUND_SFTP}user/{KEY.removeprefix(contract.INBOUND_SDK)}.filepart"
    keys = (KEY, waiting, "inbound/sdk/Vogelsang/")
    records = [message(west.upload(b"", key), key) for key in keys]
    gone = west.upload(b"x", KEY.replace("Vogelsang", "Vogelsang+merger"))
    where = {"Bucket": west.bucket, "Key": gone["detail"]["object"]["key"]}
    west.client("s3").delete_object(**where, VersionId=gone["detail"]["object"]["version-id"])
    answer = log.functions.call("ingest", {"Records": [*records, message(gone, "gone")]})
    assert answer == {"batchItemFailures": []}
    text = log.check()
    assert all(f'"became":"{each}"' in text for each in ("rejected", "temporary", "folder", "gone"))


@pytest.mark.parametrize("name", ["Vogelsang 2026/merger+Übernahme.csv", 'merger "Übernahme"%0A;\u200b.csv'])
def test_a_partners_bucket_that_refuses(west: Cell, log: Log, name: str) -> None:
    west.register(destinations={"partner": {**west.to_bucket(), "bucket": "partner-that-is-not-there"}})
    first, document = took_in(west, log, contract.INBOUND_SDK + name)
    log.functions.step("claim", STATES["Claim"], first, transfer=document)
    with log.failing("PermanentDeliveryError"):
        log.functions.step("deliver", ATTEMPTS["Attempt"], first, transfer=document, destination="partner")
    assert THE_FILE in log.check()


def test_a_partners_server_on_which_a_folder_is_a_file(west: Cell, log: Log, partner: Partner) -> None:
    west.register(destinations={"partner": west.to_server(partner)})
    (partner.inbox / "Vogelsang 2026").write_text("a file")
    first, document = took_in(west, log)
    log.functions.step("claim", STATES["Claim"], first, transfer=document)
    with log.failing("PermanentDeliveryError"):
        log.functions.step("deliver", ATTEMPTS["Attempt"], first, transfer=document, destination="partner")
    assert f"{THE_FILE} is not a directory" in log.check()


def refused(_: Any, bucket: str, key: str, version_id: str) -> None:
    """Refuse as S3 does, with the resource: the emulated S3 has no policies."""
    text = f'not authorized to perform: s3:GetObject on resource: "arn:aws-us-gov:s3:::{bucket}/{key}"'
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": text}}, "HeadObject")


def test_a_batch_that_fails_as_a_whole(west: Cell, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "head", refused)
    with log.failing("BatchProcessingError"):
        log.functions.call("ingest", {"Records": [message(west.upload(b"abc", KEY))]})
    assert f"{west.bucket}/{THE_FILE}" in log.check()


def test_replication_that_fails(west: Cell, log: Log) -> None:
    archive = notification(key=quote_plus(f"c7k2m/20260102T030405Z-0123/{KEY.removeprefix('inbound/')}"))
    archive["s3"]["bucket"]["name"] = west.archive_bucket
    bodies = [{"Records": [each]} for each in (notification(key=quote_plus(KEY)), archive)]
    records = [message(body, str(number)) for number, body in enumerate(bodies)]
    assert log.functions.call("replication", {"Records": records}) == {"batchItemFailures": []}
    text = log.check()
    assert '"transfer":"20260102T030405Z-0123"' in text
    assert f'"file":"{contract.file_id("c7k2m", KEY)}"' in text


# --- The texts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "left"),
    [
        ("s3://b/in/a.csv: copy: Denied", "inbound/sdk/a.csv", "s3://b/in/(the file): copy: Denied"),
        ("/in/.a.csv.01H.part: failure", "inbound/sdk/a.csv", "/in/.(the file).01H.part: failure"),
        ("/d/x/y is no directory", "inbound/sdk/x/y/z.csv", "/d/(the file)/(the file) is no directory"),
        ("no answer within 30 s", "inbound/sdk/a", "no answer within 30 s"),
        ("in/a: failure", "inbound/sdk/a", "in/(the file): failure"),
        ("GET /b/Q1%20net.csv", "inbound/sftp/u/Q1 net.csv", "GET /b/(the file)"),
        ("s3://b/inbound/sdk/d/a.csv version 1", "inbound/sdk/d/a.csv", "s3://b/(the file) version 1"),
    ],
)
def test_a_text_loses_names_and_nothing_else(text: str, key: str, left: str) -> None:
    assert without_names(text, key) == left


@given(
    st.text(st.characters(codec="utf-8"), min_size=5, max_size=30), st.text(max_size=20), st.text(max_size=20)
)
@example("(the file)", "", "")
def test_no_longer_name_is_left(name: str, before: str, after: str) -> None:
    name = name.replace("/", "_")
    left = without_names(f"{before} {name} {name!r} {after}", contract.INBOUND_SDK + name)
    assert name not in left.replace(THE_FILE, "")


def test_an_error_keeps_its_class_and_what_it_knows() -> None:
    error = PermanentDeliveryError("s3://b/merger.csv", "copy", "refused")
    error.__cause__ = OSError("merger.csv is full")
    with pytest.raises(PermanentDeliveryError) as raised, nameless("inbound/sdk/merger.csv"):
        raise error
    assert str(raised.value) == f"s3://b/{THE_FILE}: copy: refused"
    assert type(raised.value).__name__ == "PermanentDeliveryError"
    assert (raised.value.step, raised.value.__cause__) == ("copy", None)


def test_an_error_without_a_name_is_left_alone() -> None:
    error = OSError(28, "No space left on device")
    with pytest.raises(OSError) as raised, nameless("inbound/sdk/merger.csv"):
        raise error
    assert raised.value is error
