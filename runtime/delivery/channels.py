"""The channels over which one file is written, and its write requests.

A server lets a channel have few bytes on the way: 2 MiB in OpenSSH, which are 50 MB a second at a distance
of 40 ms. Several channels of one connection, each a session of its own, carry several times as much. That is
done only where it is known that sessions write into the same file: on POSIX systems, with OpenSSH's server
(docs/adr/0044-packets-and-channels.md).
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from typing import Any

import asyncssh
from asyncssh.constants import FXP_STATUS, FXP_WRITE
from asyncssh.packet import String, UInt32, UInt64

from runtime.delivery.answers import LOST, tidy
from runtime.delivery.packets import flush_by_packets
from runtime.delivery.source import MIB

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


class OpenFile:
    """An open file of one SFTP session, whose write requests go out without copies."""

    def __init__(self, file: asyncssh.SFTPClientFile) -> None:
        handler: Any = file._handler  # asyncssh has no other access to the channel
        self._handler, self._handle, self._channel = handler, file.handle, handler._writer.channel
        flush_by_packets(self._channel)

    async def write(self, data: bytes | memoryview, offset: int) -> int:
        """Write the data and return its length. Raises asyncssh.SFTPError."""
        handler, channel = self._handler, self._channel
        if handler._writer is None or channel.is_closing():
            raise asyncssh.SFTPNoConnection("Connection not open")
        response = asyncio.get_running_loop().create_future()
        number = handler._next_pktid
        handler._next_pktid = (number + 1) & 0xFFFFFFFF
        handler._requests[number] = response
        head = b"".join(
            (bytes((FXP_WRITE,)), UInt32(number), String(self._handle), UInt64(offset), UInt32(len(data)))
        )
        head = UInt32(len(head) + len(data)) + head
        channel._send_buf += ((memoryview(head), None), (memoryview(data), None))
        channel._send_buf_len += len(head) + len(data)
        channel._flush_send_buf()
        kind, packet = await response
        if kind != FXP_STATUS:
            raise asyncssh.SFTPBadMessage(f"Unexpected response type: {kind}")
        handler._process_status(packet)
        return len(data)


class Channels:
    """One file at `path`, open as `file` in the session `sftp`, and in others after `open_more`."""

    def __init__(self, sftp: asyncssh.SFTPClient, path: str, file: asyncssh.SFTPClientFile) -> None:
        self._sftp, self._path = sftp, path
        self._first = OpenFile(file)
        self._others: list[tuple[OpenFile, asyncssh.SFTPClientFile]] = []
        self._clients: list[asyncssh.SFTPClient] = []
        self._opening: list[asyncio.Task[None]] = []
        self._turn = 0

    @property
    def count(self) -> int:
        """The number of channels that are in use."""
        return 1 + len(self._others)

    def open_more(self) -> None:
        """Begin to open the file in further sessions, if the server is one whose sessions share files."""
        connection = self._first._channel.get_connection()
        if _SHARES_FILES.match(connection.get_extra_info("server_version") or ""):
            self._opening = [asyncio.create_task(self._open(connection)) for _ in range(MOST_CHANNELS - 1)]

    async def _open(self, connection: asyncssh.SSHClientConnection) -> None:
        # A server that has no room for a session refuses it: then there is one channel less.
        with suppress(asyncssh.Error, OSError):
            client = await connection.start_sftp_client()
            self._clients.append(client)
            file = await client.open(self._path, asyncssh.FXF_WRITE, encoding=None, block_size=None)
            self._others.append((OpenFile(file), file))

    async def write(self, data: bytes | memoryview, offset: int) -> int:
        """Write the data over the channel whose turn it is. Raises asyncssh.SFTPError.

        What one of the other sessions refuses is written over the first, and that session is used no more.
        """
        self._turn = (self._turn + 1) % self.count
        if self._turn == 0:
            return await self._first.write(data, offset)
        other = self._others[self._turn - 1]
        try:
            return await other[0].write(data, offset)
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
        closed = await asyncio.gather(*(file.close() for _, file in self._others), return_exceptions=True)
        for client in self._clients:
            client.exit()
        await asyncio.gather(*(tidy(client.wait_closed(), _LAST) for client in self._clients))
        for failure in closed:
            if isinstance(failure, BaseException):
                raise failure
