"""Delivery to a partner's SFTP server: upload under a hidden name, verify, rename to the final name."""

from __future__ import annotations

import asyncio
import math
import posixpath
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import asyncssh

from runtime.delivery.answers import ABSENT, ask, tidy
from runtime.delivery.comparison import Comparison
from runtime.delivery.content_hash import RESERVE
from runtime.delivery.errors import (
    DeliveryError,
    DeliveryUnfinishedError,
    DeliveryUnknownError,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from runtime.delivery.names import ASIDE, check_name, temporary_name
from runtime.delivery.outcome import Delivery
from runtime.delivery.partial import Partial
from runtime.delivery.publish import Publisher, Way
from runtime.delivery.source import Source
from runtime.delivery.ssh import Patience, connect
from runtime.delivery.target import SftpTarget

__all__ = ["Patience", "SftpSession", "SftpTarget", "Way", "deliver", "deliver_now", "session"]

_T = TypeVar("_T")

#: The errors for a file that cannot be looked at.
_UNREADABLE = (asyncssh.SFTPPermissionDenied, asyncssh.SFTPFileIsADirectory, *ABSENT)


class SftpSession:
    """A connection to one destination. Deliveries may share it, one after another or many at a time."""

    def __init__(
        self,
        connection: asyncssh.SSHClientConnection,
        sftp: asyncssh.SFTPClient,
        destination: SftpTarget,
        patience: Patience,
        ways: dict[str, Way],
    ) -> None:
        self._connection, self._sftp = connection, sftp
        self._destination, self._patience = destination, patience
        self._publisher = Publisher(
            sftp, place=destination.place, login=destination.login, seconds=patience.step, ways=ways
        )

    async def deliver(
        self,
        source: Source,
        *,
        name: str,
        attempt: str,
        after_unknown: bool = False,
        abandoned: Iterable[str] = (),
        goes_on: bool = False,
        before: Callable[[], None] = lambda: None,
        remaining: Callable[[], float] = lambda: math.inf,
    ) -> Delivery:
        """Send the source to `name` below the destination's directory; it appears complete or not at all.

        `attempt` is part of the temporary name. An upload of the same `attempt` and version that was cut off,
        was too slow or ran out of time is continued; `goes_on` means that the time of whoever began it has
        run out. Once the file is at the destination, those that the attempts in `abandoned` left behind are
        removed: one of them may still be at work, and takes its file for delivered if that is gone. With
        `after_unknown`, the file is first looked for under its final name, as `find` does. An existing file
        of that name is replaced. `before` is called in a thread before the file can appear, and may raise.
        `remaining` is that of `upload`. A destination without renames shows the file while it grows. Raises
        DeliveryError.
        """
        path = self._path(name)
        abandoned = old = tuple(abandoned)
        partial = self._partial(self._beside(path, attempt))
        left: list[str | None] = []
        done = await self.find(source, name=name) if after_unknown else None
        if done is not None:
            left.append(await self._remove(partial.path))
            old = (*abandoned, attempt)
        elif self._destination.renames:
            done, is_resumed = await self._send(source, partial, name, attempt, goes_on, before, remaining)
            old = (*abandoned, attempt) if is_resumed else abandoned
        else:
            done = await self._write_plainly(source, name, before, remaining)
        left += [await self._remove(self._beside(path, earlier)) for earlier in abandoned]
        # Old content that was set aside is removed: the new content has its place.
        left += [await self._remove(self._beside(path, earlier, pattern=ASIDE)) for earlier in old]
        return replace(done, left=tuple(sorted({*done.left, *filter(None, left)})))

    async def _remove(self, path: str) -> str | None:
        """Remove a file; return its path if the server shows that it is still there."""
        return None if await self._partial(path).remove() else path

    async def _send(
        self,
        source: Source,
        partial: Partial,
        name: str,
        attempt: str,
        goes_on: bool,
        before: Callable[[], None],
        remaining: Callable[[], float],
    ) -> tuple[Delivery, bool]:
        """Upload and rename; return the delivery, and whether it continued an earlier upload."""
        there, was_made = None, False
        try:
            file, there = await partial.open(source.size, parents=name.split("/")[:-1])
            partial.is_own, was_made = goes_on or there is None, True
            sha256 = await partial.fill(source, file, there or 0, remaining=remaining)
            is_shown = await partial.measure(source.size)
            await asyncio.to_thread(before)
            done = await self._publish(source, partial, name, attempt, sha256, is_shown, before)
            return done, there is not None
        except (DeliveryUnknownError, DeliveryUnfinishedError):
            raise  # with what was uploaded: it is continued, or an earlier attempt may be about to rename it
        except BaseException as error:
            is_kept = isinstance(error, TransientDeliveryError) and error.keeps
            is_kept = is_kept or (partial.is_left_after(error) and remaining() >= RESERVE)
            is_gone = is_kept or await partial.remove(was_made=was_made)
            if isinstance(error, DeliveryError) and not is_gone:
                error.reason += f"; {partial.path} is still there, because the server does not remove it"
            if there is not None and isinstance(error, PermanentDeliveryError):
                # Some servers only refuse to continue a file, so the next attempt starts from the beginning.
                raise TransientDeliveryError(error.place, error.step, error.reason) from error
            raise

    async def _publish(
        self,
        source: Source,
        partial: Partial,
        name: str,
        attempt: str,
        sha256: str,
        is_shown: bool,
        before: Callable[[], None],
    ) -> Delivery:
        """Give the file its final name; after an error, look what has become of it."""
        path = self._path(name)
        done = Delivery(sha256=sha256, size=source.size, path=path)
        aside = self._beside(path, attempt, pattern=ASIDE)
        try:
            if await self._publisher.publish(partial.path, path, aside=aside):
                done = replace(done, left=(aside,))
        except DeliveryUnknownError:
            raise
        except DeliveryError as error:
            with _unclear_after(error):
                # A server that shows no files only says so in the rename itself.
                is_gone = not await partial.is_there() if is_shown else isinstance(error.__cause__, ABSENT)
                if is_gone:
                    await asyncio.to_thread(before)
                    if await self.find(source, name=name):
                        return done
                    if partial.is_own:
                        # No other attempt removes it before it is delivered: the partner has taken it.
                        return replace(done, path=partial.path)
                    reason = "the partner has taken the file, or whoever began the upload removed it"
                    raise DeliveryUnknownError(error.place, "look", reason) from error
            raise
        return done

    async def _write_plainly(
        self, source: Source, name: str, before: Callable[[], None], remaining: Callable[[], float]
    ) -> Delivery:
        """Write the file under its final name, from the beginning."""
        file_at = self._partial(self._path(name))
        await asyncio.to_thread(before)
        file = await file_at.replace(name.split("/")[:-1])
        try:
            sha256 = await file_at.fill(source, file, 0, remaining=remaining)
        except DeliveryUnfinishedError as error:
            reason = f"{error.reason}; with `publish: write`, an upload cannot be continued"
            raise PermanentDeliveryError(error.place, error.step, reason) from error
        await file_at.measure(source.size)
        return Delivery(sha256=sha256, size=source.size, path=file_at.path)

    async def find(self, source: Source, *, name: str) -> Delivery | None:
        """Return the delivery, with `sent` False, if the file `name` has the source's size and content.

        Return None if there is no such file, a different one, or one that may not be looked at. Both are
        read, in step. Raises DeliveryError: ComparisonUnfinishedError when the source's time runs out. The
        next call then goes on there, unless the file has changed meanwhile.
        """
        path = self._path(name)
        try:
            attrs = await self._ask("look", self._sftp.stat(path), path, naming=True, apart=_UNREADABLE)
        except _UNREADABLE:
            return None
        if attrs.size != source.size:
            return None
        # Without a time of modification nothing shows whether the file is still the same.
        identity = None if attrs.mtime is None else f"{self._destination.login} {path} {attrs.mtime}"
        comparison = Comparison(source, self._destination.place, identity=identity)
        try:
            is_same = await self._is_same(path, comparison)
        except _UNREADABLE:
            return None
        if not is_same:
            return None
        return Delivery(sha256=comparison.sha256, size=source.size, path=path, sent=False)

    async def _is_same(self, path: str, comparison: Comparison) -> bool:
        step, how = "read back", {"apart": _UNREADABLE}
        file = await self._ask(step, self._sftp.open(path, "rb"), path, **how)
        try:
            with closing(comparison.pieces()) as pieces:
                while piece := await asyncio.to_thread(next, pieces, None):
                    offset, ours = piece
                    while ours:
                        request: Awaitable[bytes] = file.read(len(ours), offset)
                        theirs = await self._ask(step, request, path, **how)
                        if not theirs or theirs != ours[: len(theirs)]:
                            return False
                        offset, ours = offset + len(theirs), ours[len(theirs) :]
        finally:
            await tidy(file.close(), self._patience.step)
        return True

    async def _ask(self, step: str, request: Awaitable[_T], path: str, **how: Any) -> _T:
        return await ask(self._destination.place, step, request, self._patience.step, path=path, **how)

    def _partial(self, path: str) -> Partial:
        return Partial(self._connection, self._sftp, self._destination, self._patience, path)

    def _path(self, name: str) -> str:
        return posixpath.join(self._destination.directory, check_name(name))

    def _beside(self, path: str, attempt: str, *, pattern: str | None = None) -> str:
        folder, basename = posixpath.split(path)
        pattern = pattern or self._destination.temporary_name
        return posixpath.join(folder, temporary_name(basename, attempt, pattern=pattern))


@contextmanager
def _unclear_after(error: DeliveryError) -> Iterator[None]:
    """Raise DeliveryUnknownError if looking for a file fails after a rename that failed with `error`."""
    try:
        yield
    except DeliveryError as failure:
        reason = f"{error.reason}; afterwards, {failure.step}: {failure.reason}"
        raise DeliveryUnknownError(error.place, error.step, reason) from failure


@asynccontextmanager
async def session(
    destination: SftpTarget,
    *,
    private_key: str,
    patience: Patience | None = None,
    ways: dict[str, Way] | None = None,
) -> AsyncIterator[SftpSession]:
    """Yield a session with the destination, for one delivery or many. Raises as `connect` does.

    `ways` remembers, by server and login, how files get their final names there.
    """
    patience = patience or Patience()
    async with connect(destination, private_key, patience) as (connection, sftp):
        yield SftpSession(connection, sftp, destination, patience, {} if ways is None else ways)


async def deliver(
    source: Source,
    destination: SftpTarget,
    *,
    private_key: str,
    patience: Patience | None = None,
    ways: dict[str, Way] | None = None,
    **how: Any,
) -> Delivery:
    """Deliver over a new connection. `how` are the arguments of SftpSession.deliver, such as `name`."""
    async with session(destination, private_key=private_key, patience=patience, ways=ways) as opened:
        return await opened.deliver(source, **how)


def deliver_now(source: Source, destination: SftpTarget, **how: Any) -> Delivery:
    """Call `deliver` from code that is not asynchronous, such as a Lambda function."""
    return asyncio.run(deliver(source, destination, **how))
