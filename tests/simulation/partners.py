"""Simulated partners: SFTP servers and buckets that collect files, fail in every way, and keep a history."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

import asyncssh
from botocore.exceptions import ClientError, ReadTimeoutError

from runtime.delivery.errors import PermanentDeliveryError, TransientDeliveryError
from tests.simulation.aws import Client, failed
from tests.simulation.clock import Clock, Dice, Process
from tests.simulation.s3 import Bucket, Version
from tests.simulation.unknown import NotSimulatedError

#: Seconds that each of the writes on their way takes to be given up.
_WRITE_HANGS = 20.0


class Outage(StrEnum):
    """How a partner fails: not reached, refuses for good, does not answer, hangs up, has no room."""

    DOWN = "down"
    DENIED = "denied"
    HANGS = "hangs"
    DROPS = "drops"
    FULL = "full"


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """A file that appeared under its final name: the time, the content, and who sent it."""

    at: float
    name: str
    content: bytes
    transfer: str
    process: str
    side: str
    execution: str
    read_at: float
    looked_at: float


@dataclass
class Troubles:
    """How the attempts of one transfer at one partner failed."""

    permanent: int = 0
    attempts: dict[str, None] = field(default_factory=dict)


class Partner:
    """One destination of a customer: which files appeared, which were collected, and what went wrong.

    `collects` is the range of seconds after which a file is collected, or None for never.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        customer: str,
        name: str,
        collects: tuple[float, float] | None,
        broken: Callable[[str, str], None],
    ) -> None:
        self.clock, self.customer, self.name, self.collects = clock, customer, name, collects
        self.outages: list[tuple[float, float, Outage]] = []
        self.appearances: dict[str, list[Appearance]] = {}
        #: When each appearance was taken away or replaced, by its place in `appearances`.
        self.gone: dict[tuple[str, int], float] = {}
        self.troubles: dict[str, Troubles] = {}
        self.broken = broken
        self.dice = Dice(clock.seed, f"partner {customer} {name}")

    @property
    def outage(self) -> Outage | None:
        """How the partner fails now."""
        now = self.clock.now
        return next((kind for start, end, kind in self.outages if start <= now < end), None)

    def trouble(self, *, permanent: bool = False) -> None:
        """Note that the running attempt failed here."""
        process = self.clock.current
        assert process is not None
        troubles = self.troubles.setdefault(transfer_of(process), Troubles())
        troubles.permanent += permanent
        troubles.attempts[process.name] = None

    def appeared(self, name: str, content: bytes, is_there: Callable[[], bool], remove: Any) -> None:
        """Note that a file now has its final name, and collect it later."""
        process = self.clock.current
        assert process is not None
        appearance = Appearance(
            at=self.clock.now,
            name=name,
            content=content,
            transfer=transfer_of(process),
            process=process.name,
            side=process.side or "",
            execution=process.event["execution"],
            read_at=process.read_at,
            looked_at=process.looked_at.get(name, 0.0),
        )
        several = self.appearances.setdefault(name, [])
        if several:
            self.gone.setdefault((name, len(several) - 1), self.clock.now)
        number = len(several)
        several.append(appearance)
        if self.collects is None:
            return

        def take() -> None:
            if is_there():
                self.gone[name, number] = self.clock.now
                remove()

        self.clock.at(self.clock.now + self.dice.between(*self.collects), take)

    def looked(self, name: str) -> None:
        """Note that the running process has checked whether a file is there."""
        process = self.clock.current
        assert process is not None
        process.looked_at[name] = self.clock.now

    def says_it_has(self, name: str, content: bytes, transfer: str) -> bool:
        """Answer an operator who asks for a file: whether it came, or the last file had the same content."""
        several = self.appearances.get(name, [])
        came = any(each.transfer == transfer for each in several)
        return came or bool(several and several[-1].content == content)

    def has_had(self, name: str, content: bytes) -> bool:
        """Whether a file of this name and content has been here."""
        return any(each.content == content for each in self.appearances.get(name, ()))


def transfer_of(process: Process) -> str:
    """Return the id of a process's transfer, or an empty text."""
    event = process.event
    return event["transfer"]["id"] if isinstance(event, dict) and "transfer" in event else ""


class PartnerBucket:
    """A partner's bucket: an S3 bucket whose owner has outages and deletes the files that it collects."""

    def __init__(self, partner: Partner, bucket: Bucket, prefix: str) -> None:
        self._partner, self._bucket, self._prefix = partner, bucket, prefix
        bucket.gate = self._gate
        bucket.on_created = self._created

    def _gate(self, operation: str, key: str) -> bool:
        """Answer for the partner: raise, or return whether the answer is lost after the effect."""
        partner = self._partner
        outage = partner.outage
        if operation == "HeadObject":
            partner.looked(key.removeprefix(self._prefix))
        if outage is None or (outage is Outage.FULL and operation != "CopyObject"):
            return False
        if outage is Outage.DENIED:
            partner.trouble(permanent=True)
            raise failed(ClientError, "AccessDenied", operation)
        if outage is Outage.DROPS and partner.dice.chance(0.6):
            return False
        partner.trouble()
        if outage in (Outage.DOWN, Outage.FULL):
            raise failed(ClientError, "ServiceUnavailable", operation)
        partner.clock.sleep(60 if outage is Outage.HANGS else 1)
        if partner.dice.chance(0.5):
            return True
        raise ReadTimeoutError(endpoint_url=self._bucket.name)

    def _created(self, version: Version, reason: str) -> None:
        bucket, key = self._bucket, version.key
        self._partner.appeared(
            key.removeprefix(self._prefix),
            version.body,
            lambda: bucket.find(key) is version,
            lambda: bucket.delete(key),
        )


@dataclass(eq=False)
class _File:
    content: bytearray = field(default_factory=bytearray)


class PartnerServer(Client):
    """A partner's SFTP server, as asyncssh's client of one connection sees it.

    `renames_over` says whether it has posix-rename@openssh.com, which replaces what is there.
    """

    service = "sftp"
    retries = False
    directory = "in"

    def __init__(self, partner: Partner, *, renames_over: bool, trace: Any) -> None:
        super().__init__(partner.clock, None, trace)
        self._partner, self._renames_over = partner, renames_over
        self.files: dict[str, _File] = {}
        self.folders = {self.directory}
        # Two or three writes make a file.
        self.limits = SimpleNamespace(max_write_len=8, max_read_len=8)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[PartnerServer]:
        """Yield a connection; raises what runtime.delivery.ssh.connect raises."""
        place = f"{self._partner.name}:22"

        def connect() -> None:
            outage = self._partner.outage
            if outage is Outage.DENIED:
                self._partner.trouble(permanent=True)
                raise PermanentDeliveryError(place, "log in", "the server refused the key")
            if outage is Outage.DOWN:
                self._partner.trouble()
                self._clock.sleep(5)
                raise TransientDeliveryError(place, "connect", "refused")

        try:
            self._effect("connect", place, connect)
        except asyncssh.SFTPConnectionLost as error:
            raise TransientDeliveryError(place, "connect", error.reason) from error
        yield self

    async def stat(self, path: str) -> Any:
        def size() -> Any:
            self._partner.looked(path.removeprefix(f"{self.directory}/"))
            return SimpleNamespace(size=len(self._file(path).content), mtime=None)

        return self._ask("stat", path, size)

    async def exists(self, path: str) -> bool:
        return self._ask("exists", path, lambda: path in self.files or path in self.folders)

    async def isdir(self, path: str) -> bool:
        return self._ask("isdir", path, lambda: path in self.folders)

    async def mkdir(self, path: str) -> None:
        def make() -> None:
            if path in self.folders or path in self.files:
                raise asyncssh.SFTPFailure("exists")
            self.folders.add(path)

        self._ask("mkdir", path, make)

    async def remove(self, path: str) -> None:
        self._ask("remove", path, lambda: (self._file(path), self.files.pop(path)))

    async def posix_rename(self, old: str, new: str) -> None:
        if not self._renames_over:
            raise asyncssh.SFTPOpUnsupported("posix-rename@openssh.com")
        self._ask("posix_rename", f"{old} -> {new}", lambda: self._move(old, new))

    async def rename(self, old: str, new: str) -> None:
        def move() -> None:
            self._file(old)
            if new in self.files:
                raise asyncssh.SFTPFailure("exists")
            self._move(old, new)

        self._ask("rename", f"{old} -> {new}", move)

    async def open(self, path: str, mode: str | int, **_: Any) -> Handle:
        def opened() -> Handle:
            if posixpath.dirname(path) not in self.folders:
                raise asyncssh.SFTPNoSuchFile(path)
            if mode == "xb" and path in self.files:
                raise asyncssh.SFTPFailure("exists")
            if mode in ("wb", "xb"):
                self.files[path] = _File()
                self._shown(path)
            elif mode not in ("rb", "r+b", asyncssh.FXF_READ, asyncssh.FXF_WRITE):
                raise NotSimulatedError(f"the simulated server does not open with {mode!r}")
            return Handle(self, path, self._file(path))

        return self._ask("open", f"{path} {mode}", opened)

    def _refusal(self, operation: str) -> Exception:
        return asyncssh.SFTPConnectionLost("connection lost")

    def _silence(self) -> Exception:
        return asyncssh.SFTPConnectionLost("connection lost")

    def _file(self, path: str) -> _File:
        if path not in self.files:
            raise asyncssh.SFTPNoSuchFile(path)
        return self.files[path]

    def _move(self, old: str, new: str) -> None:
        self.files[new] = self._file(old)
        del self.files[old]
        self._shown(new)

    def _shown(self, path: str) -> None:
        """Show the partner a file whose name is not hidden: from now on it may be collected."""
        if posixpath.basename(path).startswith("."):
            return
        file = self.files[path]
        self._partner.appeared(
            path.removeprefix(f"{self.directory}/"),
            bytes(file.content),
            lambda: self.files.get(path) is file,
            lambda: self.files.pop(path),
        )

    def _ask(self, operation: str, about: str, apply: Callable[[], Any]) -> Any:
        return self._effect(
            operation, f"{self._partner.customer}/{about}", lambda: self._answer(operation, apply)
        )

    def _answer(self, operation: str, apply: Callable[[], Any]) -> Any:
        partner = self._partner
        outage = partner.outage
        if outage is None:
            return apply()
        if outage is Outage.FULL:
            if operation != "write":
                return apply()
            partner.trouble()
            raise asyncssh.SFTPFailure("no space left")
        if outage is Outage.DROPS and partner.dice.chance(0.8):
            return apply()
        partner.trouble()
        if outage is Outage.HANGS or outage is Outage.DROPS:
            if partner.dice.chance(0.5):
                apply()
            if outage is Outage.HANGS:
                self._hang()
        raise asyncssh.SFTPConnectionLost("connection lost")

    def _hang(self) -> None:
        """Give no answer until the caller has stopped waiting."""
        process = self._clock.current
        assert process is not None
        # A write is asked for without a limit, and awaited with one: here it has ended by then.
        until = process.deadline if process.deadline is not None else self._clock.now + _WRITE_HANGS
        self._clock.sleep(max(0.0, until - self._clock.now))
        raise TimeoutError


class Handle:
    """An open file on a partner's server."""

    def __init__(self, server: PartnerServer, path: str, file: _File) -> None:
        self._server, self._path, self._file = server, path, file

    async def write(self, data: bytes, offset: int) -> int:
        def put() -> int:
            content = self._file.content
            if len(content) < offset:
                content.extend(bytes(offset - len(content)))
            content[offset : offset + len(data)] = data
            return len(data)

        return self._server._ask("write", f"{self._path} {offset}+{len(data)}", put)

    async def read(self, size: int, offset: int) -> bytes:
        return self._server._ask(
            "read", self._path, lambda: bytes(self._file.content[offset : offset + size])
        )

    async def fsync(self) -> None:
        self._server._ask("fsync", self._path, lambda: None)

    async def stat(self) -> Any:
        return self._server._ask("fstat", self._path, lambda: SimpleNamespace(size=len(self._file.content)))

    async def close(self) -> None:
        self._server._ask("close", self._path, lambda: None)
