"""A relay on loopback that delays every byte and limits nothing: `python -m tests.bench.relay PORT SECONDS`.

It prints the port that it listens on, and passes each connection on to PORT. What arrives on one side leaves
on the other SECONDS later, in each direction; meanwhile there may be any number of bytes on the way.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress
from queue import SimpleQueue

_PIECE = 1024 * 1024


def main() -> None:
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", port))
            for one, other in ((near, far), (far, near)):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                way: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
                threading.Thread(target=_take, args=(one, way, seconds), daemon=True).start()
                threading.Thread(target=_pass_on, args=(other, way), daemon=True).start()


def _take(sock: socket.socket, way: SimpleQueue[tuple[float, bytes]], seconds: float) -> None:
    data = b"-"
    while data:
        data = b""
        with suppress(OSError):
            data = sock.recv(_PIECE)
        way.put((time.monotonic() + seconds, data))


def _pass_on(sock: socket.socket, way: SimpleQueue[tuple[float, bytes]]) -> None:
    with suppress(OSError):
        while True:
            due, data = way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                return sock.shutdown(socket.SHUT_WR)
            sock.sendall(data)


if __name__ == "__main__":
    main()
