"""The emulated Transfer Family endpoint, over real sockets and a real emulated S3."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import inspect
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import boto3
import pytest
from asyncssh.constants import FXP_CLOSE, FXP_WRITE
from asyncssh.packet import String, UInt64
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from local.aws.ministack.controls import TRANSFER_AGENT
from local.sftp import files
from local.sftp.endpoint import POLICIES, TransferEndpoint
from local.sftp.sessions import Login, _Service
from local.sftp.streams import PART, WINDOW, MiB
from runtime.contract import sftp_home

REGION = "us-gov-west-1"
ACCOUNT = "123456789012"
WEST, EAST = "127.0.0.2", "127.0.0.3"
BUCKET, OTHER_BUCKET = "inbox-west", "outbox-west"
BIG = random.Random(7).randbytes(20 * MiB)


def test_async(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a coroutine test, with a limit, in a loop of its own."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(function(*args, **kwargs), 20))

    return run


test_async.__test__ = False  # type: ignore[attr-defined]


# --- The emulated AWS ----------------------------------------------------------------------------


class Aws:
    """A running emulator and its clients."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._clients: list[Any] = []
        self.s3 = self.client("s3", config=Config(s3={"addressing_style": "path"}))
        self.transfer = self.client("transfer")

    def client(self, service: str, **kwargs: Any) -> Any:
        made = boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self._url,
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="local",
            **kwargs,
        )
        self._clients.append(made)
        return made

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def keys(self, prefix: str = "") -> list[str]:
        page = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for each in page.get("Contents", [])]

    def get(self, name: str, user: str = "acme") -> bytes:
        answer = self.s3.get_object(Bucket=BUCKET, Key=sftp_home(user) + name)
        with answer["Body"] as body:
            return body.read()

    def put(self, name: str, body: bytes, user: str = "acme") -> None:
        self.s3.put_object(Bucket=BUCKET, Key=sftp_home(user) + name, Body=body)

    def etag(self, name: str) -> str:
        return self.s3.head_object(Bucket=BUCKET, Key=sftp_home("acme") + name)["ETag"].strip('"')

    def unfinished(self) -> list[str]:
        uploads = self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [upload["Key"] for upload in uploads]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    folder = tmp_path_factory.mktemp("aws")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = os.environ | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
    }
    for name in ("STATE_DIR", "S3_DATA_DIR", "TMPDIR"):
        (folder / name).mkdir()
        env[name] = str(folder / name)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "ministack"], env=env, stdout=log, stderr=log)
    try:
        until(lambda: _answers(port))
        found = Aws(f"http://127.0.0.1:{port}")
        yield found
        found.close()
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def until(true: Callable[[], Any], seconds: float = 10) -> None:
    """Wait for something that happens in another thread or process."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


# --- A server, its users and its endpoint --------------------------------------------------------

HOST_KEY_TYPES = ("ecdsa-sha2-nistp384", "ssh-ed25519", "ssh-rsa")
HOST_KEYS = [asyncssh.generate_private_key(kind) for kind in HOST_KEY_TYPES]
HOST_KEY_TEXTS = [key.export_private_key().decode() for key in HOST_KEYS]
USERS = ("acme", "globex", "multi", "nested")
USER_KEYS = {user: asyncssh.generate_private_key("ecdsa-sha2-nistp256") for user in USERS}


@pytest.fixture(scope="module")
def server_id(aws: Aws) -> str:
    for bucket in (BUCKET, OTHER_BUCKET):
        aws.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    server = aws.transfer.create_server(Protocols=["SFTP"])["ServerId"]
    mappings = {user: [("/", f"/{BUCKET}/{sftp_home(user).rstrip('/')}")] for user in ("acme", "globex")}
    mappings["multi"] = [("/in", f"/{BUCKET}/inbound/multi"), ("/out/files", f"/{OTHER_BUCKET}")]
    mappings["nested"] = [("/", f"/{BUCKET}/nested"), ("/shared", f"/{OTHER_BUCKET}/shared")]
    for user, pairs in mappings.items():
        aws.transfer.create_user(
            ServerId=server,
            UserName=user,
            Role="arn:aws-us-gov:iam::123456789012:role/sftp",
            HomeDirectoryType="LOGICAL",
            HomeDirectoryMappings=[{"Entry": entry, "Target": target} for entry, target in pairs],
            SshPublicKeyBody=USER_KEYS[user].export_public_key().decode(),
        )
    return server


class Recorder:
    """An events client that keeps what it is given."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.entries.extend(Entries)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in Entries]}

    def types(self) -> list[str]:
        return [entry["DetailType"] for entry in self.entries]

    def one(self, detail_type: str) -> dict[str, Any]:
        """Wait for an event; return its detail; fail if there are several."""
        until(lambda: self.entries)
        assert self.types() == [f"SFTP Server File {detail_type}"]
        return json.loads(self.entries[0]["Detail"])


@pytest.fixture
def events() -> Recorder:
    return Recorder()


@pytest.fixture
def make(aws: Aws, server_id: str, events: Recorder) -> Iterator[Callable[..., TransferEndpoint]]:
    """Make a started endpoint of the one server; the test's end stops it."""
    with contextlib.ExitStack() as stack:

        def make(**changes: Any) -> TransferEndpoint:
            arguments = {
                "server_id": server_id,
                "region": REGION,
                "address": WEST,
                "host_keys": HOST_KEY_TEXTS,
                "s3": aws.s3,
                "transfer": aws.transfer,
                "events": events,
            }
            return stack.enter_context(TransferEndpoint(**arguments | changes))

        yield make


@pytest.fixture
def endpoint(make: Callable[..., TransferEndpoint]) -> TransferEndpoint:
    return make()


def connect(endpoint: TransferEndpoint, user: str = "acme", **options: Any) -> Any:
    trusted = [key.convert_to_public() for key in HOST_KEYS]
    usual = {"client_keys": [USER_KEYS.get(user, USER_KEYS["acme"])], "known_hosts": (trusted, [], [])}
    return asyncssh.connect(
        endpoint.address, endpoint.port, username=user, config=None, agent_path=None, **usual | options
    )


@contextlib.asynccontextmanager
async def session(
    endpoint: TransferEndpoint, user: str = "acme", **options: Any
) -> AsyncIterator[asyncssh.SFTPClient]:
    async with connect(endpoint, user, **options) as connection, connection.start_sftp_client() as sftp:
        yield sftp


async def write(sftp: asyncssh.SFTPClient, name: str, data: bytes) -> None:
    async with sftp.open(name, "wb") as file:
        await file.write(data)


async def read(sftp: asyncssh.SFTPClient, name: str) -> bytes:
    async with sftp.open(name, "rb") as file:
        return await file.read()


# --- Uploads and their events --------------------------------------------------------------------


@test_async
async def test_a_small_upload_is_one_object_and_one_documented_event(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws
) -> None:
    async with session(endpoint) as sftp:
        await write(sftp, "small.csv", b"a,b\n1,2\n")
    assert aws.get("small.csv") == b"a,b\n1,2\n"

    detail = events.one("Upload Completed")
    start, end = (datetime.fromisoformat(detail.pop(f"{name}-timestamp")) for name in ("start", "end"))
    assert start < end
    assert start.utcoffset().total_seconds() == 0
    assert detail.pop("session-id")
    assert detail == {
        "status-code": "COMPLETED",
        "protocol": "SFTP",
        "bytes": 8,
        "client-ip": "127.0.0.1",
        "etag": hashlib.md5(b"a,b\n1,2\n").hexdigest(),
        "file-path": "/inbox-west/inbound/sftp/acme/small.csv",
        "server-id": endpoint.server_id,
        "username": "acme",
    }
    entry = events.entries[0]
    assert entry["Source"] == "aws.transfer"
    assert entry["Resources"] == [f"arn:aws-us-gov:transfer:{REGION}:{ACCOUNT}:server/{endpoint.server_id}"]
    assert "EventBusName" not in entry


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1])
@test_async
async def test_an_upload_of_any_size_arrives(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws, size: int
) -> None:
    async with session(endpoint) as sftp:
        await write(sftp, "sized", BIG[:size])
    assert aws.get("sized") == BIG[:size]
    detail = events.one("Upload Completed")
    assert (detail["bytes"], detail["etag"]) == (size, aws.etag("sized"))
    assert ("-" in detail["etag"]) == (size > PART), "only what is larger than a part is multipart"


@test_async
async def test_a_large_upload_goes_to_s3_while_it_arrives(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws
) -> None:
    async with session(endpoint) as sftp, sftp.open("big", "wb") as file:
        await file.write(BIG[: 17 * MiB])
        (upload,) = aws.s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
        parts = aws.s3.list_parts(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])["Parts"]
        assert [part["Size"] for part in parts] == [PART, PART]
        assert events.entries == []
        await file.write(BIG[17 * MiB :])
    assert aws.get("big") == BIG
    detail = events.one("Upload Completed")
    assert (detail["bytes"], detail["etag"]) == (len(BIG), aws.etag("big"))
    assert aws.unfinished() == []


@test_async
async def test_an_upload_replaces_the_file(endpoint: TransferEndpoint, aws: Aws) -> None:
    aws.put("again", b"the older and longer content")
    async with session(endpoint) as sftp:
        await write(sftp, "again", b"new")
        with pytest.raises(asyncssh.SFTPError, match="exists"):
            await sftp.open("again", "xb")
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await sftp.open("not yet", asyncssh.FXF_WRITE)
    assert aws.get("again") == b"new"


@test_async
async def test_writes_out_of_order_within_the_window_are_put_in_order(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws
) -> None:
    blocks = [(offset, BIG[offset : offset + MiB]) for offset in range(0, len(BIG), MiB)]
    async with session(endpoint) as sftp, sftp.open("shuffled", "wb") as file:
        for start in range(0, len(blocks), 5):
            for offset, data in reversed(blocks[start : start + 5]):
                await file.write(data, offset)
        await file.write(BIG[-10:], len(BIG) - 10)  # a client may repeat what is still in memory
    assert aws.get("shuffled") == BIG
    assert events.one("Upload Completed")["bytes"] == len(BIG)


@pytest.mark.parametrize(
    ("writes", "why"),
    [
        ([(WINDOW + 1, b"far")], "too far ahead"),
        ([(10, b"x" * 3 * MiB)] * 3, "too far ahead"),
        ([(0, BIG[: PART + 1]), (5, b"again")], "already stored"),
        ([(3, b"gap")], "0 to 2 never arrived"),
    ],
)
@test_async
async def test_a_file_that_cannot_be_put_together_fails_and_leaves_nothing(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws, writes: list[tuple[int, bytes]], why: str
) -> None:
    async def upload(sftp: asyncssh.SFTPClient) -> None:
        async with sftp.open("broken", "wb") as file:  # a client closes its file whatever happened
            for offset, data in writes:
                await file.write(data, offset)

    async with session(endpoint) as sftp:
        with pytest.raises(asyncssh.SFTPFailure, match=why):
            await upload(sftp)
    detail = events.one("Upload Failed")
    assert (detail["status-code"], detail["failure-code"]) == ("FAILED", "UNKNOWN_ERROR")
    assert why in detail["failure-message"]
    assert "etag" not in detail
    assert aws.keys(sftp_home("acme") + "broken") == []
    assert aws.unfinished() == []


@test_async
async def test_an_upload_that_s3_refuses_fails(make: Any, events: Recorder, aws: Aws) -> None:
    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(aws.s3, name)

        def put_object(self, **_arguments: Any) -> None:
            answer = {"Error": {"Code": "SlowDown"}, "ResponseMetadata": {"HTTPStatusCode": 503}}
            raise ClientError(answer, "PutObject")

    async with session(make(s3=Refusing())) as sftp:
        with pytest.raises(asyncssh.SFTPFailure, match="SlowDown"):
            await write(sftp, "refused", b"data")
    assert events.one("Upload Failed")["failure-code"] == "UNKNOWN_ERROR"


@test_async
async def test_a_slow_s3_holds_up_only_its_own_session(make: Any, events: Recorder, aws: Aws) -> None:
    release = threading.Event()

    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(aws.s3, name)

        def put_object(self, **arguments: Any) -> Any:
            release.wait(10)
            return aws.s3.put_object(**arguments)

    endpoint = make(s3=Slow())
    async with session(endpoint) as slow, session(endpoint, "globex") as other:
        writing = asyncio.create_task(write(slow, "slow", b"data"))
        await asyncio.sleep(0.1)
        await asyncio.wait_for(other.listdir("/"), 3)
        assert not writing.done()
        release.set()
        await writing
    assert aws.get("slow") == b"data"


@test_async
async def test_an_event_that_the_bus_refuses_is_logged_and_the_file_is_kept(
    make: Any, aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    events = aws.client("events", config=Config(user_agent_extra=TRANSFER_AGENT))
    async with session(make(events=events)) as sftp:  # the plain emulator refuses every aws.* source
        await write(sftp, "kept", b"data")
    assert aws.get("kept") == b"data"
    assert [r.levelname for r in caplog.records if "lost the event Upload Completed" in r.message] == [
        "ERROR"
    ]


# --- Sessions that end in the middle -------------------------------------------------------------


@pytest.mark.parametrize("size", [3 * MiB, 17 * MiB])
@test_async
async def test_a_connection_lost_in_an_upload_leaves_the_partial_object_and_one_event(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws, size: int
) -> None:
    async with connect(endpoint) as connection:
        sftp = await connection.start_sftp_client()
        file = await sftp.open("partial", "wb")
        await file.write(BIG[:size])
        await file.write(b"beyond a gap", size + 100)
        connection.abort()
    detail = await asyncio.to_thread(events.one, "Upload Failed")
    assert aws.get("partial") == BIG[:size]
    assert (detail["status-code"], detail["failure-code"]) == ("FAILED", "PARTIAL_UPLOAD")
    assert detail["failure-message"]
    assert (detail["bytes"], detail["etag"]) == (size, aws.etag("partial"))
    assert detail["file-path"] == "/inbox-west/inbound/sftp/acme/partial"
    await asyncio.to_thread(endpoint.stop)
    assert len(events.entries) == 1


@test_async
async def test_a_channel_closed_without_closing_the_file_is_a_partial_upload(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws
) -> None:
    async with connect(endpoint) as connection:
        sftp = await connection.start_sftp_client()
        file = await sftp.open("channel", "wb")
        await file.write(b"some")
        sftp.exit()
        await sftp.wait_closed()
        detail = await asyncio.to_thread(events.one, "Upload Failed")
    assert (detail["failure-code"], aws.get("channel")) == ("PARTIAL_UPLOAD", b"some")


@test_async
async def test_a_connection_lost_before_the_first_byte_leaves_no_object(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws
) -> None:
    async with connect(endpoint) as connection:
        sftp = await connection.start_sftp_client()
        await sftp.open("nothing", "wb")
        connection.abort()
    detail = await asyncio.to_thread(events.one, "Upload Failed")
    assert (detail["failure-code"], detail["bytes"]) == ("PARTIAL_UPLOAD", 0)
    assert "etag" not in detail
    assert aws.keys(sftp_home("acme") + "nothing") == []


@test_async
async def test_a_file_closed_just_before_the_connection_ends_is_complete(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws
) -> None:
    async with connect(endpoint) as connection:
        sftp = await connection.start_sftp_client()
        file = await sftp.open("hasty", "wb")
        await file.write(b"all of it")
        handle = file.handle
        sftp._handler.send_packet(FXP_CLOSE, 99, asyncssh.packet.UInt32(99), asyncssh.packet.String(handle))
        connection.close()  # without waiting for the answer
    detail = await asyncio.to_thread(events.one, "Upload Completed")
    assert (detail["bytes"], aws.get("hasty")) == (9, b"all of it")


@test_async
async def test_stop_drops_sessions_at_once_and_stores_and_reports_nothing(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws
) -> None:
    async with connect(endpoint) as connection:
        sftp = await connection.start_sftp_client()
        file = await sftp.open("doomed", "wb")
        await file.write(b"x" * 3 * MiB)
        began = time.monotonic()
        await asyncio.to_thread(endpoint.stop)
        with pytest.raises((asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.ConnectionLost)):
            await file.write(b"more")
        assert time.monotonic() - began < 5
    with pytest.raises(ConnectionRefusedError):
        await connect(endpoint)
    assert events.entries == []
    assert aws.keys(sftp_home("acme") + "doomed") == []
    assert not [thread for thread in threading.enumerate() if endpoint.server_id in thread.name]

    endpoint.stop()
    port = endpoint.port
    endpoint.start()
    assert endpoint.port == port
    async with session(endpoint) as sftp:
        assert await sftp.exists("/")


@test_async
async def test_a_session_lost_while_the_endpoint_stops_stores_and_reports_nothing(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws
) -> None:
    async with connect(endpoint) as connection:
        sftp = await connection.start_sftp_client()
        file = await sftp.open("doomed", "wb")
        await file.write(b"x" * 3 * MiB)
        endpoint.stopping = True  # as `stop` sets it before the loop gets to dropping anybody
        connection.abort()
    await asyncio.to_thread(until, lambda: not endpoint.connections)
    await asyncio.sleep(0.1)
    await asyncio.to_thread(endpoint.stop)
    assert events.entries == []
    assert aws.keys(sftp_home("acme") + "doomed") == []


# --- Downloads, names and directories ------------------------------------------------------------


@test_async
async def test_a_download_is_byte_for_byte(endpoint: TransferEndpoint, aws: Aws, tmp_path: Path) -> None:
    aws.put("down", BIG)
    aws.put("empty", b"")
    async with session(endpoint) as sftp:
        await sftp.get("down", tmp_path / "down")
        assert await read(sftp, "empty") == b""
        async with sftp.open("down", "rb") as file:
            assert await file.read(10, 12 * MiB) == BIG[12 * MiB : 12 * MiB + 10]
            assert await file.read(10, 1) == BIG[1:11]
            assert await file.read(10, len(BIG) - 3) == BIG[-3:]
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await file.write(b"x")
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await read(sftp, "absent")
    assert (tmp_path / "down").read_bytes() == BIG


@test_async
async def test_a_file_replaced_while_it_is_read_fails_instead_of_mixing(
    endpoint: TransferEndpoint, aws: Aws
) -> None:
    aws.put("moving", BIG)
    async with session(endpoint) as sftp, sftp.open("moving", "rb") as file:
        assert await file.read(10, 0) == BIG[:10]
        aws.put("moving", BIG[::-1])
        with pytest.raises(asyncssh.SFTPFailure):
            await file.read(10, 2 * PART)


@test_async
async def test_stat_and_listing(endpoint: TransferEndpoint, aws: Aws) -> None:
    aws.put("dir/one", b"1")
    aws.put("dir/sub/two", b"22")
    async with session(endpoint) as sftp:
        names = {name.filename: name.attrs.type for name in await sftp.readdir("dir")}
        regular, directory = asyncssh.FILEXFER_TYPE_REGULAR, asyncssh.FILEXFER_TYPE_DIRECTORY
        assert names == {".": directory, "..": directory, "one": regular, "sub": directory}
        attrs = await sftp.stat("dir/sub/two")
        assert attrs.size == 2
        assert abs(attrs.mtime - time.time()) < 60
        assert await sftp.isdir("dir/sub")
        assert await sftp.isdir("/")
        assert await sftp.realpath("dir/../dir/./sub/") == "/dir/sub"
        for missing in (sftp.stat("dir/absent"), sftp.listdir("absent"), sftp.stat("di")):
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await missing


@test_async
async def test_a_listing_of_several_pages_is_whole(make: Any, aws: Aws) -> None:
    class Paged:
        def __getattr__(self, name: str) -> Any:
            return getattr(aws.s3, name)

        def get_paginator(self, operation: str) -> Any:
            paginate = aws.s3.get_paginator(operation).paginate
            return SimpleNamespace(paginate=functools.partial(paginate, PaginationConfig={"PageSize": 2}))

    for name in "abcde":
        aws.put(f"many/{name}", b"")
    aws.put("many/sub/file", b"")
    async with session(make(s3=Paged())) as sftp:
        assert await sftp.listdir("many") == [".", "..", "a", "b", "c", "d", "e", "sub"]


@test_async
async def test_directories_are_made_and_removed(endpoint: TransferEndpoint, aws: Aws) -> None:
    made = sftp_home("acme") + "made/"
    async with session(endpoint) as sftp:
        await sftp.mkdir("made")
        assert aws.keys(made) == [made]
        assert await sftp.listdir("made") == [".", ".."]
        with pytest.raises(asyncssh.SFTPFailure, match="already exists"):
            await sftp.mkdir("made")
        await write(sftp, "made/file", b"x")
        with pytest.raises(asyncssh.SFTPFailure, match="not empty"):
            await sftp.rmdir("made")
        await sftp.remove("made/file")
        await sftp.rmdir("made")
        for gone in (sftp.rmdir("made"), sftp.remove("made/file")):
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await gone
    assert aws.keys(made) == []


@test_async
async def test_two_sessions_that_write_one_name_at_once_leave_two_whole_versions(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws
) -> None:
    """The one that is closed last is the file, and each is told apart by its own event."""
    contents = {"first": BIG[: 2 * MiB], "last": BIG[MiB : 4 * MiB]}
    async with session(endpoint) as one, session(endpoint) as other:
        first, last = await one.open("both", "wb"), await other.open("both", "wb")
        for at in range(0, 3 * MiB, MiB):
            for file, content in ((first, contents["first"]), (last, contents["last"])):
                if part := content[at : at + MiB]:
                    await file.write(part, at)
        await first.close()
        await last.close()
    assert aws.get("both") == contents["last"]
    assert events.types() == ["SFTP Server File Upload Completed"] * 2
    told = {json.loads(entry["Detail"])["etag"] for entry in events.entries}
    assert told == {hashlib.md5(content).hexdigest() for content in contents.values()}


@test_async
async def test_renames_in_a_circle_leave_the_file_under_its_first_name(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws
) -> None:
    aws.put("circle-a", b"content")
    async with session(endpoint) as sftp:
        for before, after in (("a", "b"), ("b", "c"), ("c", "a")):
            await sftp.rename(f"circle-{before}", f"circle-{after}")
    assert aws.keys(sftp_home("acme") + "circle-") == [sftp_home("acme") + "circle-a"]
    assert aws.get("circle-a") == b"content"
    assert events.types() == ["SFTP Server File Rename Completed"] * 3


@pytest.mark.parametrize("method", ["rename", "posix_rename"])
@test_async
async def test_a_rename_moves_the_object_and_raises_its_event(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws, method: str
) -> None:
    aws.put("f.tmp", b"content")
    aws.put("f.csv", b"replaced")
    async with session(endpoint) as sftp:
        await getattr(sftp, method)("f.tmp", "f.csv")
        with pytest.raises(asyncssh.SFTPNoSuchFile):
            await sftp.rename("f.tmp", "f.csv")
    assert aws.get("f.csv") == b"content"
    assert aws.keys(sftp_home("acme") + "f.tmp") == []
    detail = events.one("Rename Completed")
    for name in ("start-timestamp", "end-timestamp", "session-id"):
        assert detail.pop(name)
    assert detail == {
        "status-code": "COMPLETED",
        "protocol": "SFTP",
        "client-ip": "127.0.0.1",
        "original-file-path": "/inbox-west/inbound/sftp/acme/f.tmp",
        "renamed-file-path": "/inbox-west/inbound/sftp/acme/f.csv",
        "server-id": endpoint.server_id,
        "username": "acme",
    }


@test_async
async def test_a_rename_to_itself_keeps_the_file_and_a_directory_stays(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws
) -> None:
    aws.put("same", b"content")
    aws.put("tree/leaf", b"content")
    async with session(endpoint) as sftp:
        await sftp.posix_rename("same", "./same")
        with pytest.raises(asyncssh.SFTPOpUnsupported, match="directory"):
            await sftp.rename("tree", "forest")
    assert aws.get("same") == aws.get("tree/leaf") == b"content"
    assert events.entries == []


@test_async
async def test_a_rename_above_the_limit_of_copy_object_is_a_multipart_copy(
    endpoint: TransferEndpoint, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert files.COPY.multipart_threshold <= 5 * 10**9
    small = TransferConfig(multipart_threshold=6 * MiB, multipart_chunksize=6 * MiB, use_threads=False)
    monkeypatch.setattr(files, "COPY", small)
    aws.put("long.tmp", BIG)
    async with session(endpoint) as sftp:
        await sftp.rename("long.tmp", "long")
    assert aws.get("long") == BIG
    assert aws.etag("long").endswith("-4")


# --- Whose files ---------------------------------------------------------------------------------


@test_async
async def test_two_users_have_two_homes(endpoint: TransferEndpoint, aws: Aws) -> None:
    async with session(endpoint, "acme") as acme, session(endpoint, "globex") as globex:
        await write(acme, "mine", b"acme")
        await write(globex, "mine", b"globex")
        assert await read(acme, "mine") == b"acme"
    assert (aws.get("mine"), aws.get("mine", "globex")) == (b"acme", b"globex")


@pytest.mark.parametrize(
    "path", ["../../other", "/../../other", "//../other", "a/../../../other", "/a/b/../../../../other"]
)
@test_async
async def test_no_path_leaves_the_home(endpoint: TransferEndpoint, aws: Aws, path: str) -> None:
    aws.put("secret", b"globex", "globex")
    before = set(aws.keys()) | {sftp_home("acme") + "other"}
    async with session(endpoint) as sftp:
        await write(sftp, path, b"escape")
        await sftp.mkdir(path.replace("other", "otherdir"))
        await sftp.rename(path, path)
        for secret in ("../globex/secret", "/../globex/secret", "//inbox-west/inbound/sftp/globex/secret"):
            for attempt in (
                read(sftp, secret),
                sftp.stat(secret),
                sftp.remove(secret),
                sftp.rename(secret, "x"),
            ):
                with pytest.raises(asyncssh.SFTPNoSuchFile):
                    await attempt
        await sftp.rmdir("/otherdir")
    assert set(aws.keys()) == before
    assert aws.get("secret", "globex") == b"globex"


@test_async
async def test_several_mappings_make_one_tree(endpoint: TransferEndpoint, aws: Aws) -> None:
    async with session(endpoint, "multi") as sftp:
        assert await sftp.listdir("/") == [".", "..", "in", "out"]
        assert await sftp.listdir("/out") == [".", "..", "files"]
        assert await sftp.isdir("/out")
        await write(sftp, "/in/f", b"data")
        await sftp.rename("/in/f", "/out/files/g")
        assert await sftp.listdir("/out/files") == [".", "..", "g"]
        for fixed in (sftp.remove("/in"), sftp.rmdir("/out"), write(sftp, "/out/files", b"")):
            with pytest.raises(asyncssh.SFTPPermissionDenied):
                await fixed
        for outside in (write(sftp, "/f", b""), write(sftp, "/inbound", b""), sftp.listdir("/etc")):
            with pytest.raises(asyncssh.SFTPNoSuchFile):
                await outside
    assert [each["Key"] for each in aws.s3.list_objects_v2(Bucket=OTHER_BUCKET)["Contents"]] == ["g"]
    assert aws.keys("inbound/multi") == []


@test_async
async def test_the_longest_mapping_decides(endpoint: TransferEndpoint, aws: Aws) -> None:
    async with session(endpoint, "nested") as sftp:
        await write(sftp, "/shared/f", b"shared")
        await write(sftp, "/sharedish", b"own")
        assert await sftp.listdir("/") == [".", "..", "shared", "sharedish"]
    aws.s3.delete_object(Bucket=OTHER_BUCKET, Key="shared/f")
    assert aws.keys("nested") == ["nested/sharedish"]


def test_every_library_operation_that_reaches_this_machine_is_overridden() -> None:
    harmless = {"convert_attrs", "format_user", "format_group", "format_longname", "exit"}
    base = {
        name
        for name, value in vars(asyncssh.SFTPServer).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }
    assert len(base) > 25
    assert base - harmless <= set(vars(_Service))


@test_async
async def test_operations_without_a_counterpart_in_s3_are_refused(
    endpoint: TransferEndpoint, make: Any, aws: Aws
) -> None:
    aws.put("plain", b"data")
    async with session(endpoint) as sftp:
        for refused in (
            sftp.symlink("/etc/passwd", "link"),
            sftp.readlink("plain"),
            sftp.link("plain", "hard"),
            sftp.statvfs("/"),
            sftp.chmod("plain", 0o600),
            sftp.open("plain", "ab"),
            sftp.open("plain", "r+b"),
        ):
            with pytest.raises(asyncssh.SFTPOpUnsupported):
                await refused
    async with session(make(address=EAST, set_stat_option="ENABLE_NO_OP")) as sftp:
        await sftp.chmod("plain", 0o600)
    assert aws.get("plain") == b"data"


# --- Logins, keys and algorithms -----------------------------------------------------------------


@test_async
async def test_logins_are_refused_without_the_users_own_key(
    endpoint: TransferEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="local.sftp.endpoint")
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(endpoint, "acme", client_keys=[USER_KEYS["globex"]])
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(endpoint, "nobody")
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(endpoint, "acme", client_keys=[], password="secret")
    await asyncio.sleep(0.1)
    refused = [r.message for r in caplog.records if "login refused" in r.message]
    assert len(refused) == 3
    assert "user=nobody ip=127.0.0.1" in refused[1]


@test_async
async def test_a_second_name_on_one_connection_does_not_inherit_the_keys_of_the_first(
    endpoint: TransferEndpoint,
) -> None:
    async def names() -> tuple[bool, bool, bool]:
        login = Login(endpoint)
        await login.begin_auth("acme")
        first = login.validate_public_key("acme", USER_KEYS["acme"])
        await login.begin_auth("globex")
        second = login.validate_public_key("globex", USER_KEYS["acme"])
        await login.begin_auth("nobody")
        return first, second, login.files is not None

    future = asyncio.run_coroutine_threadsafe(names(), endpoint._loop)
    assert await asyncio.wrap_future(future) == (True, False, False)


@test_async
async def test_keys_are_looked_up_at_each_login(endpoint: TransferEndpoint, aws: Aws) -> None:
    extra = asyncssh.generate_private_key("ssh-ed25519")
    with pytest.raises(asyncssh.PermissionDenied):
        await connect(endpoint, "globex", client_keys=[extra])
    body = extra.export_public_key().decode()
    aws.transfer.import_ssh_public_key(ServerId=endpoint.server_id, UserName="globex", SshPublicKeyBody=body)
    async with session(endpoint, "globex", client_keys=[extra]) as sftp:
        assert await sftp.exists("/")


@test_async
async def test_no_shell_command_or_forwarding(endpoint: TransferEndpoint) -> None:
    async with connect(endpoint) as connection:
        for wish in (connection.run("id"), connection.run(), connection.open_connection("127.0.0.1", 22)):
            with pytest.raises(asyncssh.ChannelOpenError):
                await wish


@pytest.mark.parametrize(
    "offer",
    [
        {"encryption_algs": ["chacha20-poly1305@openssh.com"]},
        {"encryption_algs": ["aes256-cbc"]},
        {"kex_algs": ["curve25519-sha256"]},
        {"kex_algs": ["diffie-hellman-group14-sha256"]},
        {"encryption_algs": ["aes256-ctr"], "mac_algs": ["hmac-sha2-256"]},
    ],
    ids=str,
)
@test_async
async def test_algorithms_outside_the_policy_are_refused(endpoint: TransferEndpoint, offer: Any) -> None:
    # Each side finds out by itself; the server's end of the connection may reach the client first.
    with pytest.raises((asyncssh.KeyExchangeFailed, asyncssh.ConnectionLost)):
        await connect(endpoint, **offer)


@pytest.mark.filterwarnings("ignore:Diffie-Hellman over finite fields")  # the policies want it nevertheless
@pytest.mark.parametrize("policy", POLICIES)
@test_async
async def test_algorithms_of_the_policy_are_accepted(make: Any, policy: str) -> None:
    endpoint = make(security_policy=policy)
    for cipher in POLICIES[policy].ciphers:
        mac = "hmac-sha2-256-etm@openssh.com"
        async with connect(endpoint, encryption_algs=[cipher], mac_algs=[mac]) as connection:
            assert connection.get_extra_info("recv_cipher") == cipher
    for kex in ("ecdh-sha2-nistp256", "ecdh-sha2-nistp521", "diffie-hellman-group16-sha512"):
        async with connect(endpoint, kex_algs=[kex]):
            pass


def test_an_unknown_policy_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="TransferSecurityPolicy-2018-11"):
        make(security_policy="TransferSecurityPolicy-2018-11")


@test_async
async def test_two_endpoints_with_the_same_keys_show_the_same_fingerprints(make: Any) -> None:
    west, east = make(address=WEST), make(address=EAST)
    assert west.fingerprints() == east.fingerprints()
    for endpoint in (west, east):
        served = []
        for algorithm in ("ecdsa-sha2-nistp384", "ssh-ed25519", "rsa-sha2-512"):
            async with connect(endpoint, server_host_key_algs=[algorithm]) as connection:
                served.append(connection.get_server_host_key().get_fingerprint())
        assert served == endpoint.fingerprints()
        assert all(each.startswith("SHA256:") for each in served)


def test_a_busy_port_names_the_address_and_the_port(endpoint: TransferEndpoint, make: Any) -> None:
    with pytest.raises(OSError, match=rf"cannot listen on {WEST} port {endpoint.port}"):
        make(port=endpoint.port)
    make(port=endpoint.port, address=EAST)


@test_async
async def test_logins_and_uploads_are_logged_in_a_line_each(
    endpoint: TransferEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="local.sftp.endpoint")
    async with session(endpoint) as sftp:
        await write(sftp, "logged", b"data")
    lines = [record.message for record in caplog.records if record.name == "local.sftp.endpoint"]
    server = endpoint.server_id
    assert lines[0].startswith(f"{server} login user=acme ip=127.0.0.1 session=")
    assert lines[1:] == [f"{server} upload user=acme /inbox-west/inbound/sftp/acme/logged bytes=4"]


# --- The OpenSSH client --------------------------------------------------------------------------

openssh = pytest.mark.skipif(not shutil.which("sftp"), reason="no OpenSSH client on this machine")


def command(endpoint: TransferEndpoint, folder: Path, *options: str) -> list[str]:
    key, known = folder / "key", folder / "known"
    USER_KEYS["acme"].write_private_key(key, "pkcs1-pem")  # as the local world does
    key.chmod(0o600)
    texts = [host_key.export_public_key().decode() for host_key in HOST_KEYS]
    known.write_text("".join(f"[{endpoint.address}]:{endpoint.port} {text}" for text in texts))
    settings = {
        "IdentityFile": key,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": known,
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "LogLevel": "ERROR",
    }
    flags = [flag for name, value in settings.items() for flag in ("-o", f"{name}={value}")]
    target = f"acme@{endpoint.address}"
    return ["sftp", "-F", "none", "-b", "-", "-P", str(endpoint.port), *options, *flags, target]


@openssh
def test_the_openssh_client_does_its_daily_work(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws, tmp_path: Path
) -> None:
    (tmp_path / "big.bin").write_bytes(BIG)
    batch = f"""
        mkdir cli
        cd cli
        put {tmp_path}/big.bin up.part
        rename up.part up.bin
        ls -l
        get up.bin {tmp_path}/back.bin
        put {tmp_path}/known note
        rm note
        -rmdir /cli
        pwd
    """
    done = subprocess.run(
        command(endpoint, tmp_path), input=batch, text=True, capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    (row,) = (line for line in done.stdout.splitlines() if line.endswith("up.bin") and line.startswith("-rw"))
    assert str(len(BIG)) in row
    assert "Remote working directory: /cli" in done.stdout
    assert (tmp_path / "back.bin").read_bytes() == aws.get("cli/up.bin") == BIG
    assert aws.keys(sftp_home("acme") + "cli/") == [
        sftp_home("acme") + "cli/",
        sftp_home("acme") + "cli/up.bin",
    ]
    kinds = [kind.removeprefix("SFTP Server File ") for kind in events.types()]
    assert kinds == ["Upload Completed", "Rename Completed", "Upload Completed"]


def ran(*words: object) -> None:
    done = subprocess.run(
        [str(each) for each in words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.skipif(not shutil.which("scp"), reason="no scp on this machine")
def test_scp_ends_with_0(endpoint: TransferEndpoint, aws: Aws, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    source.write_bytes(BIG)
    _, *options, target = command(endpoint, tmp_path)
    options = [each for each in options if each not in ("-b", "-")]
    ran("scp", "-s", *options, source, f"{target}:scp.bin")
    assert aws.get("scp.bin") == BIG


@pytest.mark.skipif(not shutil.which("rclone"), reason="no rclone on this machine")
def test_rclone_sends_files_of_several_packets(make: Any, aws: Aws, tmp_path: Path) -> None:
    endpoint = make(set_stat_option="ENABLE_NO_OP")  # as the program sets it: rclone sets times
    command(endpoint, tmp_path)
    source = tmp_path / "big.bin"
    source.write_bytes(BIG)
    place = f":sftp,host={endpoint.address},port={endpoint.port},user=acme,key_file={tmp_path / 'key'}"
    place += f",known_hosts_file={tmp_path / 'known'},shell_type=none:rclone.bin"
    ran("rclone", "--config", tmp_path / "none", "--retries", "1", "copyto", source, place)
    assert aws.get("rclone.bin") == BIG


@pytest.mark.skipif(not shutil.which("lftp"), reason="no lftp on this machine")
def test_lftp_sends_a_file(endpoint: TransferEndpoint, aws: Aws, tmp_path: Path) -> None:
    _, *options, _ = command(endpoint, tmp_path)
    options = [each for each in options if each not in ("-b", "-", "-P", str(endpoint.port))]
    (tmp_path / "big.bin").write_bytes(BIG)
    connect = f"set sftp:connect-program 'ssh -a -x {' '.join(options)}'"
    to = f"open -p {endpoint.port} sftp://acme:x@{endpoint.address}"
    ran("lftp", "--norc", "-c", f"{connect}; {to}; put {tmp_path / 'big.bin'} -o lftp.bin")
    assert aws.get("lftp.bin") == BIG


@pytest.mark.skipif(not shutil.which("psftp"), reason="no psftp and puttygen on this machine")
def test_psftp_and_pscp_send_a_file(endpoint: TransferEndpoint, aws: Aws, tmp_path: Path) -> None:
    command(endpoint, tmp_path)
    (tmp_path / "big.bin").write_bytes(BIG)
    (tmp_path / "batch").write_text(f"put {tmp_path / 'big.bin'} psftp.bin\n")
    ran("puttygen", tmp_path / "key", "-O", "private", "-o", tmp_path / "key.ppk")
    hosts = [word for key in HOST_KEYS for word in ("-hostkey", key.get_fingerprint())]
    options = ("-batch", "-i", tmp_path / "key.ppk", "-P", endpoint.port, *hosts)
    ran("psftp", *options, "-b", tmp_path / "batch", f"acme@{endpoint.address}")
    ran("pscp", "-q", *options, tmp_path / "big.bin", f"acme@{endpoint.address}:pscp.bin")
    assert aws.get("psftp.bin") == aws.get("pscp.bin") == BIG


#: Clients that contain libssh2, by the words that send a file; `URL` and so on are replaced.
LIBSSH2 = {
    "curl": (
        *("curl", "--silent", "--show-error", "--insecure", "--key", "KEY", "--pubkey", "KEY.pub"),
        *("--user", "acme:", "--upload-file", "FILE", "sftp://ADDRESS:PORT/~/curl.bin"),
    ),
    "php": (
        *("php", "-d", "display_errors=stderr", "-r"),
        "$c = ssh2_connect('ADDRESS', PORT); $ok = $c && ssh2_auth_pubkey_file($c, 'acme', 'KEY.pub', 'KEY');"
        "$s = $ok ? ssh2_sftp($c) : null; $to = 'ssh2.sftp://' . intval($s) . '/php.bin';"
        "exit($s && file_put_contents($to, file_get_contents('FILE')) ? 0 : 1);",
    ),
}


@pytest.mark.parametrize("client", LIBSSH2)
def test_clients_with_libssh2_send_a_file_from_1_11_on(
    endpoint: TransferEndpoint, aws: Aws, tmp_path: Path, client: str
) -> None:
    version = libssh2_of(client)
    if version is None:
        pytest.skip(f"no {client} with libssh2 on this machine")
    command(endpoint, tmp_path)
    (tmp_path / "big.bin").write_bytes(BIG)
    (tmp_path / "key.pub").write_bytes(USER_KEYS["acme"].export_public_key())
    spelled = {"KEY": tmp_path / "key", "FILE": tmp_path / "big.bin"}
    spelled |= {"ADDRESS": endpoint.address, "PORT": endpoint.port}
    words = [
        functools.reduce(lambda w, n: w.replace(n, str(spelled[n])), spelled, w) for w in LIBSSH2[client]
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if version >= (1, 11):
        assert done.returncode == 0, done.stderr
        assert aws.get(f"{client}.bin") == BIG
    else:
        assert done.returncode
        assert re.search("(?i)key exchange|encryption keys", done.stderr)
        assert aws.keys(sftp_home("acme") + f"{client}.bin") == []


def libssh2_of(client: str) -> tuple[int, int] | None:
    """Return the version of libssh2 in a client of this machine, None if there is none."""
    about = {"curl": ("curl", "--version"), "php": ("php", "--ri", "ssh2")}[client]
    if not shutil.which(client):
        return None
    told = subprocess.run(about, capture_output=True, text=True, timeout=60, check=False).stdout
    found = re.search(r"libssh2(?: version =>|/)\s*(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else None


def test_paramiko_sends_a_file(endpoint: TransferEndpoint, aws: Aws, tmp_path: Path) -> None:
    paramiko = pytest.importorskip("paramiko", reason="no paramiko in this environment")
    command(endpoint, tmp_path)
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(tmp_path / "known"))
        where = {"port": endpoint.port, "username": "acme", "key_filename": str(tmp_path / "key")}
        client.connect(endpoint.address, **where, allow_agent=False, look_for_keys=False)
        with client.open_sftp() as sftp, sftp.open("paramiko.bin", "wb") as file:
            file.write(BIG)
    assert aws.get("paramiko.bin") == BIG


@test_async
async def test_bytes_behind_the_data_of_a_write_are_ignored(endpoint: TransferEndpoint, aws: Aws) -> None:
    """Go's client sends a whole buffer behind the end of a file's data, and OpenSSH's server takes it."""
    async with session(endpoint) as sftp, sftp.open("go.bin", "wb") as file:
        handle, data = file._handle, b"the data"
        packet = (String(handle), UInt64(0), String(data), b"of an earlier read")
        await sftp._handler._make_request(FXP_WRITE, *packet)
    assert aws.get("go.bin") == b"the data"


@openssh
def test_an_openssh_client_that_is_killed_leaves_a_partial_object(
    endpoint: TransferEndpoint, events: Recorder, aws: Aws, tmp_path: Path
) -> None:
    (tmp_path / "big.bin").write_bytes(BIG)
    client = subprocess.Popen(
        command(endpoint, tmp_path, "-l", "40000"),  # 40 Mbit/s: about 4 seconds
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with client:
        client.stdin.write(f"put {tmp_path}/big.bin killed\n".encode())
        client.stdin.flush()
        until(aws.unfinished)  # the first part is in S3
        client.kill()
    detail = events.one("Upload Failed")
    assert detail["failure-code"] == "PARTIAL_UPLOAD"
    assert PART < detail["bytes"] < len(BIG)
    assert aws.get("killed") == BIG[: detail["bytes"]]
