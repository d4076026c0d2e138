"""The last step of an SFTP delivery: the complete file gets its final name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncssh

from runtime.delivery.answers import ABSENT, answering, ask, tidy
from runtime.delivery.errors import DeliveryUnknownError, PermanentDeliveryError


class Publisher:
    """Gives files their final names over one connection; `seconds` is the time to wait for each response."""

    def __init__(self, sftp: asyncssh.SFTPClient, *, place: str, seconds: float) -> None:
        self._sftp, self._place, self._seconds = sftp, place, seconds

    async def publish(self, partial: str, path: str, *, aside: str) -> None:
        """Rename `partial` to `path`, replacing any file of that name, in one step if the server can do that.

        `aside` is a free name for the existing file, for servers that cannot. Raises DeliveryError, which is
        DeliveryUnknownError if the rename was requested and got no response.
        """
        with answering(self._place, "rename", naming=True):
            try:
                await self._rename(self._sftp.posix_rename, partial, path)
            except asyncssh.SFTPOpUnsupported:
                await self._in_steps(partial, path, aside)
            except asyncssh.SFTPFailure:
                await self._refuse_directory(path)
                raise

    async def _in_steps(self, partial: str, path: str, aside: str) -> None:
        """Rename where a rename replaces nothing: set an existing file aside first and remove it last.

        If the connection breaks between the two renames, the old content has a hidden name, and no file has
        the final name until the next attempt. Removing the old file first would lose it if no attempt
        succeeds.
        """
        try:
            return await self._rename(self._sftp.rename, partial, path)
        except asyncssh.SFTPError:
            await self._refuse_directory(path)
            if not await ask(self._place, "rename", self._sftp.exists(path), self._seconds):
                raise
        # A file that an interrupted attempt set aside has been replaced since, because the final name is
        # taken.
        await tidy(self._sftp.remove(aside), self._seconds)
        setting = self._sftp.rename(path, aside)
        try:
            await ask(self._place, "set aside", setting, self._seconds, naming=True, apart=ABSENT)
        except ABSENT:
            # The partner has taken the file away in the meantime, so the name is free.
            return await self._rename(self._sftp.rename, partial, path)
        try:
            await self._rename(self._sftp.rename, partial, path)
        except asyncssh.SFTPError:
            await tidy(self._sftp.rename(aside, path), self._seconds)
            raise
        return await tidy(self._sftp.remove(aside), self._seconds)

    async def _refuse_directory(self, path: str) -> None:
        if await ask(self._place, "rename", self._sftp.isdir(path), self._seconds):
            raise self._permanent("rename", f"{path} is a directory") from None

    async def _rename(self, rename: Callable[[str, str], Awaitable[None]], partial: str, path: str) -> None:
        """Rename to the final name; DeliveryUnknownError if that was requested and got no response."""
        try:
            async with asyncio.timeout(self._seconds):
                await rename(partial, path)
        except asyncssh.SFTPBadMessage as error:
            # A server reports a bad name this way, and the library a response that it does not understand.
            with suppress(asyncssh.Error, OSError):
                async with asyncio.timeout(self._seconds):
                    if await self._sftp.exists(partial):
                        raise self._permanent(
                            "rename", f"the server refused the name: {error.reason}"
                        ) from error
            raise DeliveryUnknownError(self._place, "rename", error.reason) from error
        except (TimeoutError, OSError, asyncssh.SFTPConnectionLost, asyncssh.DisconnectError) as error:
            reason = f"requested, and no response came back ({type(error).__name__})"
            raise DeliveryUnknownError(self._place, "rename", reason) from error

    def _permanent(self, step: str, reason: str) -> PermanentDeliveryError:
        return PermanentDeliveryError(self._place, step, reason)
