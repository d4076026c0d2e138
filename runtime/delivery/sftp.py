"""Delivery to a partner's SFTP server: upload under a hidden name, verify, rename to the final name."""

from __future__ import annotations

import asyncio
import hashlib
import math
import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncssh

from runtime.delivery.answers import ABSENT, ask, tidy
from runtime.delivery.errors import (
    DeliveryUnfinishedError,
    DeliveryUnknownError,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from runtime.delivery.names import check_name, temporary_name
from runtime.delivery.outcome import Delivery
from runtime.delivery.publish import Publisher
from runtime.delivery.source import MIB, Source
from runtime.delivery.ssh import Patience, SftpTarget, connect
from runtime.delivery.upload import upload

__all__ = ["Patience", "SftpSession", "SftpTarget", "deliver", "deliver_now", "session"]

_T = TypeVar("_T")

#: Bytes per second of the slowest disk whose fsync is waited for.
_SLOWEST_DISK = 10 * MIB

#: The errors for a new file that exists already. SFTP version 3 has no specific one.
_EXISTS = (asyncssh.SFTPFailure, asyncssh.SFTPFileAlreadyExists)

#: The errors for a file that cannot be read for comparison.
_UNREADABLE = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPFileIsADirectory, *ABSENT)

#: The errors of servers that do not support or do not allow fsync.
_NO_FSYNC = (asyncssh.SFTPOpUnsupported, asyncssh.SFTPPermissionDenied, asyncssh.SFTPBadMessage)


class SftpSession:
    """A connection to one destination. Deliveries may share it, one after another or many at a time."""

    def __init__(self, sftp: asyncssh.SFTPClient, destination: SftpTarget, patience: Patience) -> None:
        self._sftp, self._destination, self._patience = sftp, destination, patience
        self._publisher = Publisher(sftp, place=destination.place, seconds=patience.step)

    async def deliver(
        self,
        source: Source,
        *,
        name: str,
        attempt: str,
        after_unknown: bool = False,
        abandoned: Iterable[str] = (),
        durable: bool = True,
        before: Callable[[], None] = lambda: None,
        remaining: Callable[[], float] = lambda: math.inf,
    ) -> Delivery:
        """Send the source to `name` below the destination's directory; it appears complete or not at all.

        `attempt` is part of the temporary name. An upload of the same `attempt` and version that was cut off
        or ran out of time is continued. Files that the attempts in `abandoned` left behind are removed. With
        `after_unknown`, the file is first looked for under its final name, as `find` does. An existing file
        of that name is replaced. `durable` asks the server to write the bytes to its disk before the rename.
        `before` is called in a thread between the upload and the rename, and may raise. `remaining` is that
        of `upload`. Raises DeliveryError.
        """
        path, abandoned = self._path(name), tuple(abandoned)
        partial = _beside(path, attempt)
        for earlier in abandoned:
            await self._tidy(self._sftp.remove(_beside(path, earlier)))
        done = await self.find(source, name=name) if after_unknown else None
        if done is None:
            there = None
            try:
                file, there = await self._open(partial, source.size, parents=name.split("/")[:-1])
                sha256 = await self._write(source, file, there, durable=durable, remaining=remaining)
                await self._verify(partial, source.size)
                await asyncio.to_thread(before)
                await self._publisher.publish(partial, path, aside=_beside(path, attempt, ending="old"))
            except (DeliveryUnknownError, DeliveryUnfinishedError):
                raise
            except BaseException as error:
                await self._tidy(self._sftp.remove(partial))
                if there is not None and isinstance(error, PermanentDeliveryError):
                    # Some servers only refuse to continue a file, so the next attempt starts from the
                    # beginning.
                    raise TransientDeliveryError(error.place, error.step, error.reason) from error
                raise
            done = Delivery(sha256=sha256, size=source.size, path=path)
            abandoned = (*abandoned, attempt) if there is not None else abandoned
        else:
            await self._tidy(self._sftp.remove(partial))
            abandoned = (*abandoned, attempt)
        for earlier in abandoned:
            # Old content that was set aside is removed: the new content has its place.
            await self._tidy(self._sftp.remove(_beside(path, earlier, ending="old")))
        return done

    async def find(self, source: Source, *, name: str) -> Delivery | None:
        """Return the delivery, with `sent` False, if the file `name` has the source's size and SHA-256.

        Return None if there is no such file, a different one, or one that may not be read. Both are read, the
        source first. Raises DeliveryError.
        """
        path = self._path(name)
        try:
            attrs = await self._ask("look", self._sftp.stat(path), naming=True, apart=ABSENT)
        except ABSENT:
            return None
        if attrs.size != source.size:
            return None
        sha256 = await asyncio.to_thread(source.sha256)
        try:
            theirs = await self._read_back(path, source.size)
        except _UNREADABLE:
            return None
        if theirs != sha256:
            return None
        return Delivery(sha256=sha256, size=source.size, path=path, sent=False)

    async def _read_back(self, path: str, size: int) -> str:
        file = await self._ask("read back", self._sftp.open(path, "rb"), apart=_UNREADABLE)
        digest, offset = hashlib.sha256(), 0
        try:
            while offset < size:
                request: Awaitable[bytes] = file.read(min(2 * MIB, size - offset), offset)
                data = await self._ask("read back", request, apart=_UNREADABLE)
                if not data:
                    break
                digest.update(data)
                offset += len(data)
        finally:
            await self._tidy(file.close())
        return digest.hexdigest()

    async def _open(
        self, partial: str, size: int, *, parents: list[str]
    ) -> tuple[asyncssh.SFTPClientFile, int | None]:
        """Open the temporary file; return it and the size that an earlier attempt left, None if it is new.

        The file is never truncated: an earlier attempt that is still running writes the same bytes to the
        same places.
        """
        with suppress(*_EXISTS):
            create = self._create(partial, parents)
            return await self._ask("open", create, naming=True, apart=_EXISTS), None
        attrs = await self._ask("open", self._sftp.stat(partial))
        there = min(attrs.size or 0, size)
        again = self._sftp.open(partial, asyncssh.FXF_WRITE, encoding=None, block_size=None)
        try:
            return await self._ask("open", again), there
        except PermanentDeliveryError as error:
            await self._tidy(self._sftp.remove(partial))
            raise TransientDeliveryError(error.place, error.step, error.reason) from error

    async def _write(
        self,
        source: Source,
        file: asyncssh.SFTPClientFile,
        there: int | None,
        *,
        durable: bool,
        remaining: Callable[[], float],
    ) -> str:
        try:
            sha256, sent = await upload(
                source,
                file,
                request=self._sftp.limits.max_write_len,
                place=self._destination.place,
                patience=self._patience,
                there=there or 0,
                remaining=remaining,
            )
            if sent != source.size:
                raise TransientDeliveryError(
                    source.place, "read", f"ended after {sent} of {source.size} bytes"
                )
            if durable:
                with suppress(*_NO_FSYNC):
                    seconds = self._patience.step + sent / _SLOWEST_DISK
                    await self._ask("fsync", file.fsync(), seconds=seconds, apart=_NO_FSYNC)
        except BaseException:
            # Some servers do not remove an open file.
            await self._tidy(file.close())
            raise
        await self._ask("close", file.close())
        return sha256

    async def _create(self, partial: str, parents: list[str]) -> asyncssh.SFTPClientFile:
        if parents:
            # The directory usually exists, so it is created only if the server reports that it does not.
            with suppress(*ABSENT):
                return await self._sftp.open(partial, "xb", block_size=None)
            folder = self._destination.directory
            for parent in parents:
                folder = posixpath.join(folder, parent)
                await self._make_directory(folder)
        return await self._sftp.open(partial, "xb", block_size=None)

    async def _make_directory(self, folder: str) -> None:
        try:
            await self._sftp.mkdir(folder)
        except asyncssh.SFTPError:
            # It existed before, or a concurrent delivery has created it.
            if await self._sftp.isdir(folder):
                return
            if await self._sftp.exists(folder):
                raise self._permanent("open", f"{folder} is not a directory") from None
            raise

    async def _verify(self, partial: str, size: int) -> None:
        # By name and not by handle: some servers write the last bytes, or exceed their quota, on close.
        found = (await self._ask("verify", self._sftp.stat(partial))).size
        if found is None:
            raise self._permanent("verify", "the server does not report the size of the file")
        if found != size:
            reason = f"the server has {found} of {size} bytes"
            raise TransientDeliveryError(self._destination.place, "verify", reason)

    async def _ask(
        self, step: str, request: Awaitable[_T], *, seconds: float | None = None, **how: Any
    ) -> _T:
        return await ask(self._destination.place, step, request, seconds or self._patience.step, **how)

    async def _tidy(self, request: Awaitable[Any]) -> None:
        await tidy(request, self._patience.step)

    def _path(self, name: str) -> str:
        return posixpath.join(self._destination.directory, check_name(name))

    def _permanent(self, step: str, reason: str) -> PermanentDeliveryError:
        return PermanentDeliveryError(self._destination.place, step, reason)


@asynccontextmanager
async def session(
    destination: SftpTarget, *, private_key: str, patience: Patience | None = None
) -> AsyncIterator[SftpSession]:
    """Yield a session with the destination, for one delivery or many. Raises as `connect` does."""
    patience = patience or Patience()
    async with connect(destination, private_key, patience) as sftp:
        yield SftpSession(sftp, destination, patience)


async def deliver(
    source: Source,
    destination: SftpTarget,
    *,
    private_key: str,
    patience: Patience | None = None,
    **how: Any,
) -> Delivery:
    """Deliver over a new connection. `how` are the arguments of SftpSession.deliver, such as `name`."""
    async with session(destination, private_key=private_key, patience=patience) as opened:
        return await opened.deliver(source, **how)


def deliver_now(source: Source, destination: SftpTarget, **how: Any) -> Delivery:
    """Call `deliver` from code that is not asynchronous, such as a Lambda function."""
    return asyncio.run(deliver(source, destination, **how))


def _beside(path: str, attempt: str, *, ending: str = "part") -> str:
    folder, basename = posixpath.split(path)
    return posixpath.join(folder, temporary_name(basename, attempt, ending=ending))
