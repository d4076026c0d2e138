"""A connection to an emulated Transfer Family server: the login, then SFTP over S3."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, NoReturn, Protocol, TypeVar, cast

import asyncssh
from asyncssh.channel import SSHChannel
from asyncssh.constants import FXP_WRITE
from asyncssh.packet import SSHPacket, String, UInt64
from asyncssh.sftp import SFTPServerHandler
from asyncssh.stream import SSHReader, SSHServerStreamSession, SSHWriter

from local.sftp.files import Files, Home
from local.sftp.streams import Download, Upload

_T = TypeVar("_T")

log = logging.getLogger("local.sftp.endpoint")


def now() -> str:
    """Return the current time in the format of the service's events."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Server(Protocol):
    """What a connection needs from its server.

    `s3` and `transfer` are boto3 clients, `connections` are all open ones, and `stopping` is True while the
    server drops them: then nothing is stored and no event is sent any more.
    """

    server_id: str
    ignores_setstat: bool
    stopping: bool
    connections: set[asyncssh.SSHServerConnection]
    s3: Any
    transfer: Any

    async def call(self, function: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
        """Run a blocking function in a thread; errors of AWS become errors of SFTP."""

    async def emit(self, login: Login, event: str, started: str, **detail: Any) -> None:
        """Put an event on the default bus."""


class Login(asyncssh.SSHServer):
    """One connection, with its user as the Transfer API describes it."""

    def __init__(self, endpoint: Server) -> None:
        self.endpoint = endpoint
        self.session_id = secrets.token_hex(8)
        self.user = self.account = self.client_ip = ""
        self.files: Files | None = None
        self._keys: set[bytes] = set()
        self._accepted = False

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self.client_ip = conn.get_extra_info("peername")[0]
        self.endpoint.connections.add(conn)
        if self.endpoint.stopping:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.endpoint.connections.discard(self._connection)
        if self.user and not self._accepted:
            log.info("%s login refused user=%s ip=%s", self.endpoint.server_id, self.user, self.client_ip)

    async def begin_auth(self, username: str) -> bool:
        # A client may try several users on one connection: nothing of an earlier one may remain.
        self.user, self.files, self._keys = username, None, set()
        try:
            found = await self.endpoint.call(
                self.endpoint.transfer.describe_user, ServerId=self.endpoint.server_id, UserName=username
            )
        except asyncssh.SFTPError as exc:
            log.info("%s cannot look up user=%s: %s", self.endpoint.server_id, username, exc)
            return True
        user = found["User"]
        self.account = user["Arn"].split(":")[4]
        if user.get("HomeDirectoryType") != "LOGICAL":
            log.error("%s user=%s has no LOGICAL home directory", self.endpoint.server_id, username)
            return True
        self.files = Files(self.endpoint.s3, Home(user["HomeDirectoryMappings"]))
        for key in user.get("SshPublicKeys", []):
            with contextlib.suppress(asyncssh.KeyImportError):
                self._keys.add(asyncssh.import_public_key(key["SshPublicKeyBody"]).public_data)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.public_data in self._keys

    def auth_completed(self) -> None:
        self._accepted = True
        log.info(
            "%s login user=%s ip=%s session=%s",
            self.endpoint.server_id,
            self.user,
            self.client_ip,
            self.session_id,
        )

    def session_requested(self) -> _Session:
        return _Session(None, lambda channel: _Service(channel, self), sftp_version=3)


class _Session(SSHServerStreamSession[bytes]):
    """A channel that offers SFTP and nothing else: no shell, no commands, no SCP."""

    def session_started(self) -> None:
        service = self._init_sftp_server()
        assert isinstance(service, _Service)
        assert self._chan is not None
        assert self._conn is not None
        reader, writer = SSHReader[bytes](self, self._chan), SSHWriter[bytes](self, self._chan)
        handler = _Handler(service, reader, writer, self._sftp_version)
        handler.channel = cast("asyncssh.SSHServerChannel[bytes]", self._chan)
        self._conn.create_task(handler.run(), reader.logger)


class _Handler(SFTPServerHandler):
    """Marks the service of a lost session, whose files asyncssh closes as if the client had closed them.

    A session that its client ends has an exit status, which `scp` asks for.
    """

    _extensions = [(b"posix-rename@openssh.com", b"1"), (b"limits@openssh.com", b"1")]  # noqa: RUF012
    channel: asyncssh.SSHServerChannel[bytes]

    async def _cleanup(self, exc: Exception | None) -> None:
        assert isinstance(self._server, _Service)
        self._server.dropped = True
        if exc is None:
            self.channel.exit(0)
        await super()._cleanup(exc)

    async def _write(self, packet: SSHPacket) -> int:
        # Go's SFTP client, and so rclone 1.60, sends a whole buffer behind the end of a file's data. OpenSSH
        # ignores such bytes, and asyncssh ends the session.
        fields = String(packet.get_string()) + UInt64(packet.get_uint64()) + String(packet.get_string())
        return await self._process_write(SSHPacket(fields))

    _packet_handlers = SFTPServerHandler._packet_handlers | {FXP_WRITE: cast("Any", _write)}


def _unsupported(*_args: Any, **_named: Any) -> NoReturn:
    raise asyncssh.SFTPOpUnsupported("not supported on Amazon S3")


class _Service(asyncssh.SFTPServer):
    """SFTP over a user's files. Every method of the base class that would touch this machine is replaced."""

    def __init__(self, channel: SSHChannel[bytes], login: Login) -> None:
        # asyncssh puts its line editor in front of a server's channel; the base takes either.
        super().__init__(cast("asyncssh.SSHServerChannel[bytes]", channel))
        assert login.files
        self.dropped = False
        self._login = login
        self._files = login.files
        self._endpoint = login.endpoint
        self._call = login.endpoint.call
        self._opened: dict[Upload, str] = {}

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Upload | Download:
        if not pflags & asyncssh.FXF_WRITE:
            return await self._call(self._files.download, path)
        if pflags & (asyncssh.FXF_READ | asyncssh.FXF_APPEND):
            raise asyncssh.SFTPOpUnsupported("a file on Amazon S3 is written whole: no append, no update")
        create, exclusive = bool(pflags & asyncssh.FXF_CREAT), bool(pflags & asyncssh.FXF_EXCL)
        upload = await self._call(self._files.upload, path, create=create, exclusive=exclusive)
        self._opened[upload] = now()
        return upload

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        if not isinstance(file_obj, Download):
            raise asyncssh.SFTPPermissionDenied("the file is open for writing")
        return await self._call(file_obj.read, offset, size)

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if not isinstance(file_obj, Upload):
            raise asyncssh.SFTPPermissionDenied("the file is open for reading")
        if file_obj.write(offset, data):
            try:
                await self._call(file_obj.send_parts)
            except asyncssh.SFTPError as exc:
                file_obj.broken = exc.reason
                raise
        return len(data)

    async def close(self, file_obj: object) -> None:
        if not isinstance(file_obj, Upload) or self._endpoint.stopping:
            return
        started = self._opened.pop(file_obj)
        facts: dict[str, Any] = {"bytes": file_obj.size, "file_path": file_obj.path}
        try:
            etag = await self._call(file_obj.finish, partial=self.dropped)
        except asyncssh.SFTPError as exc:
            with contextlib.suppress(asyncssh.SFTPError):
                await self._call(file_obj.abort)
            await self._failed(started, facts, "UNKNOWN_ERROR", exc.reason)
            if not self.dropped:
                raise
            return
        facts |= {"etag": etag} if etag else {}
        if self.dropped:
            await self._failed(started, facts, "PARTIAL_UPLOAD", "File was partially uploaded.")
            return
        self._log("upload", facts)
        await self._emit("Upload Completed", started, status_code="COMPLETED", **facts)

    async def _failed(self, started: str, facts: dict[str, Any], code: str, message: str) -> None:
        failure = {"failure_code": code, "failure_message": message}
        self._log(f"upload failed ({code}: {message})", facts)
        await self._emit("Upload Failed", started, status_code="FAILED", **failure, **facts)

    def _log(self, what: str, facts: dict[str, Any]) -> None:
        where, size = facts["file_path"], facts["bytes"]
        log.info("%s %s user=%s %s bytes=%d", self._endpoint.server_id, what, self._login.user, where, size)

    async def _emit(self, event: str, started: str, **detail: Any) -> None:
        await self._endpoint.emit(self._login, event, started, **detail)

    async def stat(self, path: bytes) -> asyncssh.SFTPAttrs:
        return await self._call(self._files.stat, path)

    lstat = stat

    def fstat(self, file_obj: object) -> asyncssh.SFTPAttrs:
        if isinstance(file_obj, Upload):
            return asyncssh.SFTPAttrs(size=file_obj.size)
        assert isinstance(file_obj, Download)
        return file_obj.attrs

    def setstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        self._set_attributes()

    def lsetstat(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        self._set_attributes()

    def fsetstat(self, file_obj: object, attrs: asyncssh.SFTPAttrs) -> None:
        self._set_attributes()

    def _set_attributes(self) -> None:
        if not self._endpoint.ignores_setstat:
            _unsupported()

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        pages = self._files.listing(path)
        while (page := await self._call(next, pages, None)) is not None:
            for name in page:
                yield name

    async def remove(self, path: bytes) -> None:
        await self._call(self._files.remove, path)

    async def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        await self._call(self._files.mkdir, path)

    async def rmdir(self, path: bytes) -> None:
        await self._call(self._files.rmdir, path)

    def realpath(self, path: bytes) -> bytes:
        return self._files.path(path).encode()

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        started = now()
        moved = await self._call(self._files.rename, oldpath, newpath)
        if moved:
            old, new = (place.path for place in moved)
            paths = {"original_file_path": old, "renamed_file_path": new}
            await self._emit("Rename Completed", started, status_code="COMPLETED", **paths)

    posix_rename = rename
    readlink = symlink = link = lock = unlock = statvfs = fstatvfs = fsync = open56 = _unsupported
    map_path = reverse_map_path = _unsupported
