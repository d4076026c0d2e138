"""A loopback port in front of a server.

Each connection is passed to the server as a socket of its own. So the server has no port that others could
reach, and it is cut off when this process ends, for whatever reason.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from local.sftp.partners.faults import Faults
from local.sftp.partners.wire import Wire

LOOPBACK = "127.0.0.1"
_PATIENCE = 10.0
_SERVER_ENDS_WITHIN = 3.0


class Gate:
    """A loopback port, the same from `open` to `close`, whose connections go to `serve` through `faults`.

    `serve` is a coroutine function that takes a connected socket, owns it, and returns when the connection is
    over. It runs in the thread of the gate.
    """

    def __init__(
        self,
        serve: Callable[[socket.socket], Coroutine[Any, Any, None]],
        *,
        host: str = LOOPBACK,
        port: int = 0,
    ) -> None:
        self.host, self.port = host, port
        self.faults = Faults(self.refuse)
        self._serve = serve
        self._holder: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Bind the port and accept connections."""
        # A second socket, bound and not listening, keeps the port while connections are refused.
        self._holder = self._bind()
        self.port = self._holder.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"gate {self.port}", daemon=True)
        self._thread.start()
        self.refuse(False)

    def close(self) -> None:
        """Cut all connections and release the port. Safe to call twice."""
        if self._loop is None:
            return
        self.refuse(True)
        self.cut()
        self._run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        self._loop.close()
        self._loop = None
        assert self._holder is not None
        self._holder.close()

    def cut(self) -> None:
        """Cut all connections and wait until the server has closed them."""
        self._run(self._cut_all())

    def _bind(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            sock.bind((self.host, self.port))
        except OSError:
            sock.close()
            raise
        return sock

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE)

    def refuse(self, refusing: bool) -> None:
        """Refuse new connections, or accept them again. Open ones stay."""
        self._run(self._set_refusing(refusing))

    async def _set_refusing(self, refusing: bool) -> None:
        if refusing and self._accepting:
            self._accepting.cancel()
            with suppress(asyncio.CancelledError):
                await self._accepting
            self._accepting = None
        elif not refusing and not self._accepting:
            listener = self._bind()
            listener.setblocking(False)
            listener.listen(128)
            self._accepting = asyncio.create_task(self._accept(listener))

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                outer, _ = await loop.sock_accept(listener)
                task = asyncio.create_task(self._connection(outer))
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)

    async def _cut_all(self) -> None:
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _connection(self, outer: socket.socket) -> None:
        outer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        inner, far = socket.socketpair()
        inner.setblocking(False)
        wire = Wire(outer, inner, self.faults)
        server = asyncio.create_task(self._serve(far))
        try:
            await wire.run()
        finally:
            if wire.abrupt:
                # A reset, not an orderly close: what is still on its way to the client is lost, as in a
                # crash.
                outer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            outer.close()
            inner.close()
            await asyncio.wait([server], timeout=_SERVER_ENDS_WITHIN)
            server.cancel()
            await asyncio.gather(server, return_exceptions=True)


async def _cancel_all() -> None:
    """Cancel everything that still runs in this loop, and wait for it."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
