"""One connection between a client and a server: what it passes on, loses and delays."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

from local.sftp.partners.faults import Faults

_BLOCK = 256 * 1024

#: Seconds between two parts of what trickles.
_TICK = 0.05


class Wire:
    """Passes data between a client's socket and a server's, with faults."""

    def __init__(self, outer: socket.socket, inner: socket.socket, faults: Faults) -> None:
        self._outer, self._inner, self._faults = outer, inner, faults
        self._cut = faults.take()
        self._stalled = False
        self.abrupt = True

    async def run(self) -> None:
        """Pass on both ways until one side ends or a fault cuts the connection."""
        ways = [self._to_server(), self._to_client()]
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _to_server(self) -> None:
        seen, cut = 0, self._cut
        async with _Road(self._inner, self._faults.delay) as road:
            async for data in _blocks(self._outer):
                if cut and seen + len(data) > cut.after:
                    self._stalled = cut.stall
                    await road.send(data[: cut.after - seen])
                    if not cut.stall:
                        return
                    await asyncio.Event().wait()
                seen += len(data)
                async for part in self._trickling(data):
                    await road.send(part)
        self.abrupt = False

    async def _trickling(self, data: bytes) -> AsyncIterator[bytes]:
        """Yield the data in parts, at the rate that the faults allow."""
        while (rate := self._faults.rate) and data:
            part, data = data[: max(1, int(rate * _TICK))], data[max(1, int(rate * _TICK)) :]
            await asyncio.sleep(len(part) / rate)
            yield part
        if data:
            yield data

    async def _to_client(self) -> None:
        async with _Road(self._outer, self._faults.delay) as road:
            async for data in _blocks(self._inner):
                lost = self._faults.answer_lost
                if lost and lost():
                    return
                if self._stalled:
                    await asyncio.Event().wait()
                await road.send(data)
        self.abrupt = False


class _Road:
    """One direction to a socket: everything that is sent arrives in order, `delay` seconds later."""

    def __init__(self, sink: socket.socket, delay: float) -> None:
        self._sink, self._delay = sink, delay
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._carrier: asyncio.Task[None] | None = None

    async def __aenter__(self) -> _Road:
        if self._delay:
            self._carrier = asyncio.create_task(self._carry())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._carrier:
            self._carrier.cancel()
            await asyncio.gather(self._carrier, return_exceptions=True)

    async def send(self, data: bytes) -> None:
        if self._delay:
            return self._queue.put_nowait((self._loop.time() + self._delay, data))
        return await self._loop.sock_sendall(self._sink, data)

    async def _carry(self) -> None:
        while True:
            due, data = await self._queue.get()
            await asyncio.sleep(due - self._loop.time())
            await self._loop.sock_sendall(self._sink, data)


async def _blocks(source: socket.socket) -> AsyncIterator[bytes]:
    """Yield what a socket receives, until its other end closes or resets it."""
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while data := await loop.sock_recv(source, _BLOCK):
            yield data
