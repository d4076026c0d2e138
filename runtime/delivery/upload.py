"""The bytes of a delivery: from S3 into an open SFTP file, hashed on the way, a window of writes ahead."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Iterator

import asyncssh

from runtime.delivery.answers import ask
from runtime.delivery.source import MIB, Source
from runtime.delivery.ssh import Patience

#: Most bytes and most requests on their way without an answer. OpenSSH's window of 2 MiB a channel bounds
#: what helps; the rest keeps it full while answers travel.
WINDOW_BYTES = 4 * MIB
WINDOW_REQUESTS = 128


#: Bytes of a request at most, whatever the server would take: OpenSSH hangs up on messages above 256 KiB,
#: and a window of a few large requests runs empty.
LARGEST_REQUEST = 255 * 1024


async def upload(
    source: Source, file: asyncssh.SFTPClientFile, *, request: int, place: str, patience: Patience
) -> tuple[str, int]:
    """Write the whole source into `file`; return the SHA-256 (hex) and the number of the bytes written.

    `request` is the number of bytes that the server takes in one write, and `file` is open with
    `block_size=None`, so that one write is one request. Raises DeliveryError: the source's, or the
    server's as TransientDeliveryError when a write fails or the oldest stays unanswered for a step.
    """
    request = min(request, LARGEST_REQUEST)
    digest = hashlib.sha256()
    window: deque[asyncio.Task[int]] = deque()
    depth = max(1, min(WINDOW_REQUESTS, WINDOW_BYTES // request))
    # Whole requests, or every chunk would end in a small one.
    chunks = source.chunks(chunk=request * max(1, MIB // request))
    # S3 is read in a thread, one chunk ahead. The hop costs a few per cent on a loopback; without it one
    # slow read would hold up answers, window and keepalives, and a live connection would be given up.
    ahead = asyncio.create_task(asyncio.to_thread(_next, chunks, digest))
    sent = 0
    try:
        while chunk := await ahead:
            ahead = asyncio.create_task(asyncio.to_thread(_next, chunks, digest))
            for at in range(0, len(chunk), request):
                if len(window) == depth:
                    await ask(place, "write", window.popleft(), patience.step)
                part = chunk[at : at + request]
                window.append(asyncio.create_task(file.write(part, sent)))
                sent += len(part)
        while window:
            await ask(place, "write", window.popleft(), patience.step)
    finally:
        for task in (*window, ahead):
            task.cancel()
        await asyncio.gather(*window, ahead, return_exceptions=True)
    return digest.hexdigest(), sent


def _next(chunks: Iterator[bytes], digest: hashlib._Hash) -> bytes:
    chunk = next(chunks, b"")
    digest.update(chunk)
    return chunk
