"""The last step of an SFTP delivery: the complete file gets its final name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum

import asyncssh

from runtime.delivery.answers import ABSENT, LOST, answering, ask, tidy, words
from runtime.delivery.errors import DeliveryUnknownError, PermanentDeliveryError, TransientDeliveryError

#: What a partner can do about a refused rename.
_ADVICE = "ask the partner to let this login rename files, or set `publish: write` for this destination"


class Way(StrEnum):
    """A way to give a file its final name. Each is tried after the one before, and none loses a file."""

    POSIX_RENAME = "posix-rename"
    RENAME = "rename"


class Publisher:
    """Gives files their final names over one connection; `seconds` is the time to wait for each response.

    `ways` is what has worked, by server and login. It is looked up before and kept up to date.
    """

    def __init__(
        self, sftp: asyncssh.SFTPClient, *, place: str, login: str, seconds: float, ways: dict[str, Way]
    ) -> None:
        self._sftp, self._place, self._login, self._seconds = sftp, place, login, seconds
        self._ways = ways

    async def publish(self, partial: str, path: str, *, aside: str) -> bool:
        """Rename `partial` to `path`, replacing any file of that name, in one step if the server can do that.

        `aside` is a free name for the existing file, for servers that cannot. Return whether that file may
        still be there, because the server did not remove it when asked. Raises DeliveryError, which is
        DeliveryUnknownError if the rename was requested and got no response. After any other error the file
        may have its final name all the same: some servers rename a file and respond with a failure.
        """
        with answering(self._place, "rename", path=path, naming=True, advice=_ADVICE):
            if self._ways.get(self._login, Way.POSIX_RENAME) is Way.POSIX_RENAME:
                return not await self._in_one(partial, path) and await self._in_steps(partial, path, aside)
            try:
                return await self._in_steps(partial, path, aside)
            except (*ABSENT, *LOST):
                raise
            except (asyncssh.SFTPError, PermanentDeliveryError):
                # The server behaves in another way than when this one worked.
                if not await self._in_one(partial, path):
                    raise
                return False

    async def _in_one(self, partial: str, path: str) -> bool:
        """Return whether the server has renamed in one step, replacing any file."""
        try:
            await self._rename(self._sftp.posix_rename, partial, path)
        except (*ABSENT, *LOST):
            raise
        except asyncssh.SFTPError:
            # Some servers advertise the request and refuse it, or refuse to replace a file by it.
            await self._refuse_directory(path)
            return False
        self._ways[self._login] = Way.POSIX_RENAME
        return True

    async def _in_steps(self, partial: str, path: str, aside: str) -> bool:
        """Rename where a rename replaces nothing: set an existing file aside first and remove it last.

        If the connection breaks between the two renames, the old content has a hidden name, and no file has
        the final name until the next attempt. Removing the old file first would lose it if no attempt
        succeeds. Return as `publish` does.
        """
        is_left = await self._replace(partial, path, aside)
        self._ways[self._login] = Way.RENAME
        return is_left

    async def _replace(self, partial: str, path: str, aside: str) -> bool:
        try:
            await self._rename(self._sftp.rename, partial, path)
            return False
        except (*ABSENT, *LOST):
            raise
        except asyncssh.SFTPError:
            await self._refuse_directory(path)
            if not await self._ask("rename", self._sftp.exists(path), path):
                raise
        # A file that an interrupted attempt set aside has been replaced since, because the final name is
        # taken.
        await tidy(self._sftp.remove(aside), self._seconds)
        try:
            await self._ask("set aside", self._sftp.rename(path, aside), path, naming=True, apart=ABSENT)
        except ABSENT:
            # The partner has taken the file away in the meantime, so the name is free.
            await self._rename(self._sftp.rename, partial, path)
            return False
        try:
            await self._rename(self._sftp.rename, partial, path)
        except asyncssh.SFTPError as error:
            if not await tidy(self._sftp.rename(aside, path), self._seconds):
                error.reason += f"; the earlier file is at {aside} now"
            raise
        return not await tidy(self._sftp.remove(aside), self._seconds)

    async def _refuse_directory(self, path: str) -> None:
        try:
            is_directory = await self._ask("rename", self._sftp.isdir(path), path)
        except PermanentDeliveryError:
            return  # a server that shows no files
        if is_directory:
            raise PermanentDeliveryError(self._place, "rename", f"{path} is a directory") from None

    async def _rename(self, rename: Callable[[str, str], Awaitable[None]], partial: str, path: str) -> None:
        """Rename to the final name; DeliveryUnknownError if that was requested and got no response."""
        try:
            async with asyncio.timeout(self._seconds):
                await rename(partial, path)
        except (TimeoutError, OSError, asyncssh.DisconnectError, *LOST) as error:
            reason = f"{path}: requested, and no response came back ({type(error).__name__})"
            raise DeliveryUnknownError(self._place, "rename", reason) from error
        except asyncssh.SFTPError:
            raise
        except Exception as error:
            # The response came and cannot be read, so the caller has to look.
            raise TransientDeliveryError(self._place, "rename", f"{path}: {words(error)}") from error

    async def _ask(
        self,
        step: str,
        request: Awaitable[bool] | Awaitable[None],
        path: str,
        *,
        naming: bool = False,
        apart: tuple[type[Exception], ...] = (),
    ) -> bool | None:
        return await ask(
            self._place, step, request, self._seconds, path=path, naming=naming, advice=_ADVICE, apart=apart
        )
