"""The upload of an SFTP delivery under its temporary name: made, filled, closed and measured."""

from __future__ import annotations

import asyncio
import math
import posixpath
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import asyncssh

from runtime.delivery.answers import ABSENT, LOST, TIDY, ask, tidy, words
from runtime.delivery.channels import FAR, LARGE, Channels
from runtime.delivery.content_hash import MIB
from runtime.delivery.errors import DeliveryError, PermanentDeliveryError, TransientDeliveryError
from runtime.delivery.source import Source
from runtime.delivery.ssh import Patience
from runtime.delivery.target import SftpTarget
from runtime.delivery.upload import upload

_T = TypeVar("_T")

#: Bytes per second of the slowest disk whose fsync is waited for.
_SLOWEST_DISK = 10 * MIB

#: The errors for a new file that exists already. SFTP version 3 has no specific one.
_EXISTS = (asyncssh.SFTPFailure, asyncssh.SFTPFileAlreadyExists)
#: The errors of servers that do not know how to create a file only if there is none.
_NOT_EXCLUSIVE = (asyncssh.SFTPOpUnsupported, asyncssh.SFTPInvalidParameter)

_FOLDERS = "ask the partner to create the folder, or to let this login create folders"
_FILES = (
    "ask the partner whether the folder exists, whether this login may create files there, and whether the"
    " server takes this name; if it refuses hidden names or this ending, set `temporary_name` for this"
    " destination"
)
_SIZES = "ask the partner to let this login look files up, or set `verify: none` for this destination"


class Partial:
    """One file at `path` on one server, which a delivery uploads over one connection."""

    def __init__(
        self,
        connection: asyncssh.SSHClientConnection,
        sftp: asyncssh.SFTPClient,
        target: SftpTarget,
        patience: Patience,
        path: str,
    ) -> None:
        self._connection, self._sftp = connection, sftp
        self._target, self._patience, self.path = target, patience, path
        #: Whether nobody else can be at work on the file: this attempt made it, or goes on with its own.
        self.is_own = False
        self._close_failure: asyncssh.SFTPError | None = None
        self._seconds = math.inf  # to the quickest response of those that open the file

    async def open(self, size: int, *, parents: list[str]) -> tuple[asyncssh.SFTPClientFile, int | None]:
        """Open the file; return it and the size that an earlier attempt left, None if it is new.

        The file is never truncated: an earlier attempt that is still running writes the same bytes to the
        same places. `parents` are created where they do not exist. Raises DeliveryError.
        """
        with suppress(*_EXISTS, *_NOT_EXCLUSIVE):
            return await self._create("xb", parents, apart=(*_EXISTS, *_NOT_EXCLUSIVE)), None
        try:
            attrs = await self._ask("open", self._sftp.stat(self.path), naming=True, apart=ABSENT)
        except ABSENT:
            # Whatever the server meant, the name is free. No other attempt uses it.
            return await self._create("wb", parents), None
        there = min(attrs.size or 0, size)
        again = self._sftp.open(self.path, asyncssh.FXF_WRITE, encoding=None, block_size=None)
        try:
            return await self._ask("open", again), there
        except PermanentDeliveryError as error:
            await self.remove()
            raise TransientDeliveryError(error.place, error.step, error.reason) from error

    async def replace(self, parents: list[str]) -> asyncssh.SFTPClientFile:
        """Open the file, empty, whatever was there. Raises DeliveryError."""
        return await self._create("wb", parents)

    async def fill(
        self,
        source: Source,
        file: asyncssh.SFTPClientFile,
        there: int,
        *,
        remaining: Callable[[], float],
    ) -> str:
        """Write the source, from near the offset `there`, and close the file; return the SHA-256 in hex.

        `remaining` is that of `upload`. Raises DeliveryError.
        """
        channels = Channels(self._connection, self.path, file)
        if self._seconds >= FAR and source.size - there >= LARGE:
            channels.open_more()
        try:
            sha256, sent = await upload(
                source,
                channels,
                request=self._sftp.limits.max_write_len,
                place=self._target.place,
                path=self.path,
                patience=self._patience,
                there=there,
                remaining=remaining,
            )
            if sent != source.size:
                raise TransientDeliveryError(
                    source.place, "read", f"ended after {sent} of {source.size} bytes"
                )
            # Every write has been answered, so the other sessions can end while the disk is waited for.
            ending = [self._ask("close", channels.close())]
            if self._target.fsync:
                ending.append(self._sync(file, sent))
            await asyncio.gather(*ending)
        except BaseException:
            # Some servers do not remove an open file.
            await tidy(asyncio.gather(channels.close(), file.close()), self._patience.step)
            raise
        try:
            await self._ask("close", file.close(), apart=(asyncssh.SFTPError,))
        except LOST as error:
            raise TransientDeliveryError(
                self._target.place, "close", f"{self.path}: {words(error)}"
            ) from error
        except asyncssh.SFTPError as error:
            self._close_failure = error  # some servers fail here although they have all bytes
        return sha256

    async def _sync(self, file: asyncssh.SFTPClientFile, sent: int) -> None:
        """Ask the server to write the bytes to its disk. A server that cannot has many ways to say so."""
        seconds = self._patience.step + sent / _SLOWEST_DISK
        try:
            await self._ask("fsync", file.fsync(), seconds=seconds, apart=(asyncssh.SFTPError,))
        except LOST as error:
            raise TransientDeliveryError(
                self._target.place, "fsync", f"{self.path}: {words(error)}"
            ) from error
        except asyncssh.SFTPError:
            return

    async def measure(self, size: int) -> bool:
        """Return whether the server shows the file; it then has `size` bytes. Raises DeliveryError.

        A file that is not there was taken by the partner as soon as it was closed, or the server shows no
        files; the rename tells which.
        """
        # By name and not by handle: some servers write the last bytes, or exceed their quota, on close.
        attrs = None
        if self._target.verifies:
            with suppress(*ABSENT):
                request = self._sftp.stat(self.path)
                attrs = await self._ask("verify", request, naming=True, advice=_SIZES, apart=ABSENT)
        if attrs is None:
            if self._close_failure:
                reason = f"{self.path}: {words(self._close_failure)}"
                raise TransientDeliveryError(self._target.place, "close", reason)
            return False
        if attrs.size is None:
            reason = f"{self.path}: the server does not report the size of the file; {_SIZES}"
            raise PermanentDeliveryError(self._target.place, "verify", reason)
        if attrs.size != size:
            reason = f"{self.path}: the server has {attrs.size} of {size} bytes"
            raise TransientDeliveryError(self._target.place, "verify", reason)
        return True

    async def is_there(self) -> bool:
        """Return whether the server has the file; it has to be one that shows files. Raises DeliveryError."""
        try:
            await self._ask("look", self._sftp.stat(self.path), naming=True, apart=ABSENT)
        except ABSENT:
            return False
        return True

    def is_left_after(self, error: BaseException) -> bool:
        """Return whether an attempt that fails with `error` leaves the file as it is.

        Whoever began the file may be about to rename it, and takes a file that is gone for delivered. One
        that the server does not let be continued is removed all the same, or no attempt would ever succeed.
        """
        is_unusable = isinstance(error, DeliveryError) and error.step == "verify"
        return not (self.is_own or is_unusable or isinstance(error, PermanentDeliveryError))

    async def remove(self, *, was_made: bool = False) -> bool:
        """Remove the file, if that can be done soon; False if it is still there, as far as the server says.

        A server that neither removes files nor shows them has the file if this delivery made it (`was_made`).
        """
        seconds = min(TIDY, self._patience.step)
        try:
            await self._ask(
                "remove", self._sftp.remove(self.path), seconds=seconds, naming=True, apart=ABSENT
            )
            return True
        except ABSENT:
            return True
        except DeliveryError as error:
            if isinstance(error.__cause__, (TimeoutError, *LOST)):
                return True
            # Some servers refuse this whether there is such a file or not.
            is_refused = isinstance(error, PermanentDeliveryError)
        try:
            await self._ask("look", self._sftp.stat(self.path), seconds=seconds, apart=ABSENT)
        except ABSENT:
            return True
        except DeliveryError:
            return not (was_made and is_refused)
        return False

    async def _create(
        self, mode: str, parents: list[str], *, apart: tuple[type[Exception], ...] = ()
    ) -> asyncssh.SFTPClientFile:
        how: dict[str, Any] = {"naming": True, "advice": _FILES}
        if parents:
            # The directory usually exists, so it is created only if the server reports that it does not.
            with suppress(*ABSENT):
                request = self._sftp.open(self.path, mode, block_size=None)
                return await self._ask("open", request, **how, apart=(*apart, *ABSENT))
            folder = self._target.directory
            for parent in parents:
                folder = posixpath.join(folder, parent)
                await self._make_directory(folder)
        return await self._ask("open", self._sftp.open(self.path, mode, block_size=None), **how, apart=apart)

    async def _make_directory(self, folder: str) -> None:
        step = "make directory"
        how: dict[str, Any] = {"path": folder, "naming": True, "advice": _FOLDERS}
        try:
            await self._ask(step, self._sftp.mkdir(folder), **how)
        except DeliveryError:
            # It existed before, or a concurrent delivery has created it.
            if await self._ask(step, self._sftp.isdir(folder), **how):
                return
            if await self._ask(step, self._sftp.exists(folder), **how):
                reason = f"{folder} is not a directory"
                raise PermanentDeliveryError(self._target.place, step, reason) from None
            raise

    async def _ask(
        self, step: str, request: Awaitable[_T], *, seconds: float | None = None, path: str = "", **how: Any
    ) -> _T:
        wait, began = seconds or self._patience.step, time.monotonic()
        try:
            return await ask(self._target.place, step, request, wait, path=path or self.path, **how)
        finally:
            self._seconds = min(self._seconds, time.monotonic() - began)
