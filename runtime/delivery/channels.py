"""The channels over which one file is written.

A server lets a channel have few bytes on the way: 2 MiB in OpenSSH, which are 50 MB a second at a distance
of 40 ms. Several channels of one connection, each a session of its own, carry several times as much. That is
done only where it is known that sessions write into the same file: on POSIX systems, with OpenSSH's server
(docs/adr/0043-channels.md).
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import asyncssh

from runtime.delivery.answers import LOST, tidy
from runtime.delivery.content_hash import MIB

#: Most channels of one file. OpenSSH allows ten sessions for one connection (MaxSessions).
MOST_CHANNELS = 8

#: Seconds to a response, from which one channel's window limits what a connection carries.
FAR = 0.02

#: The smallest file for which opening channels pays.
LARGE = 32 * MIB

#: Versions whose sessions write into the same file. Windows may lock a file that another session has open.
_SHARES_FILES = re.compile(r"SSH-2\.0-OpenSSH_\d")

#: Seconds that the other channels' last responses may take.
_LAST = 60.0


class Channels:
    """One file at `path`, open as `file` in one session of a connection, and in others after `open_more`."""

    def __init__(
        self, connection: asyncssh.SSHClientConnection, path: str, file: asyncssh.SFTPClientFile
    ) -> None:
        self._connection, self._path, self._first = connection, path, file
        self._others: list[asyncssh.SFTPClientFile] = []
        self._clients: list[asyncssh.SFTPClient] = []
        self._opening: list[asyncio.Task[None]] = []
        self._turn = 0

    @property
    def count(self) -> int:
        """The number of channels that are in use."""
        return 1 + len(self._others)

    def open_more(self) -> None:
        """Begin to open the file in further sessions, if the server is one whose sessions share files."""
        connection = self._connection
        if _SHARES_FILES.match(connection.get_extra_info("server_version") or ""):
            self._opening = [asyncio.create_task(self._open(connection)) for _ in range(MOST_CHANNELS - 1)]

    async def _open(self, connection: asyncssh.SSHClientConnection) -> None:
        # A server that has no room for a session refuses it: then there is one channel less.
        with suppress(asyncssh.Error, OSError):
            client = await connection.start_sftp_client()
            self._clients.append(client)
            file = await client.open(self._path, asyncssh.FXF_WRITE, encoding=None, block_size=None)
            self._others.append(file)

    async def write(self, data: bytes, offset: int) -> int:
        """Write the data over the channel whose turn it is. Raises asyncssh.SFTPError.

        What one of the other sessions refuses is written over the first, and that session is used no more.
        """
        self._turn = (self._turn + 1) % self.count
        if self._turn == 0:
            return await self._first.write(data, offset)
        other = self._others[self._turn - 1]
        try:
            return await other.write(data, offset)
        except LOST:
            raise
        except asyncssh.SFTPError:
            if other in self._others:
                self._others.remove(other)
            return await self._first.write(data, offset)

    async def close(self) -> None:
        """Close the file in the other sessions, and end them. Raises asyncssh.SFTPError if one fails."""
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        closed = await asyncio.gather(*(file.close() for file in self._others), return_exceptions=True)
        for client in self._clients:
            client.exit()
        await asyncio.gather(*(tidy(client.wait_closed(), _LAST) for client in self._clients))
        for failure in closed:
            if isinstance(failure, BaseException):
                raise failure
