"""The bytes of a delivery: from S3 into an open SFTP file, hashed on the way, a window of writes ahead."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterator

import asyncssh

from runtime.delivery.answers import ask
from runtime.delivery.errors import DeliveryUnfinishedError, TransientDeliveryError
from runtime.delivery.source import MIB, Source
from runtime.delivery.ssh import Patience

#: Most bytes and most requests on their way without an answer. OpenSSH's window of 2 MiB a channel bounds
#: what helps; the rest keeps it full while answers travel.
WINDOW_BYTES = 4 * MIB
WINDOW_REQUESTS = 128


#: Bytes of a request at most, whatever the server would take: OpenSSH hangs up on messages above 256 KiB,
#: and a window of a few large requests runs empty.
LARGEST_REQUEST = 255 * 1024


#: Seconds that an upload which is stopped needs to have its last writes answered.
RESERVE = 120.0


async def upload(
    source: Source,
    file: asyncssh.SFTPClientFile,
    *,
    request: int,
    place: str,
    patience: Patience,
    there: int = 0,
    remaining: Callable[[], float] = lambda: math.inf,
) -> tuple[str, int]:
    """Write the source into `file`; return the SHA-256 (hex) and the number of bytes that are there.

    The first `there` bytes were written before, as an earlier attempt left them. Its last window is sent
    again: of what was never answered, nobody knows what has been written. The bytes before are read for the
    hash only (about a second for each 100 MB). `request` is the number of bytes that the server takes in one
    write, and `file` is open with `block_size=None`, so that one write is one request. When `remaining` says
    that fewer than RESERVE seconds are left, it stops after the last write's answer: DeliveryUnfinishedError,
    or TransientDeliveryError when no more is there than before. Raises DeliveryError: the source's, or the
    server's as TransientDeliveryError when a write fails or the oldest stays unanswered for a step.
    """
    start = max(0, there - WINDOW_BYTES)
    request = min(request, LARGEST_REQUEST)
    digest = hashlib.sha256()
    window: deque[asyncio.Task[int]] = deque()
    depth = max(1, min(WINDOW_REQUESTS, WINDOW_BYTES // request))
    # Whole requests, or every chunk would end in a small one.
    chunks = source.chunks(chunk=request * max(1, MIB // request))
    # S3 is read in a thread, one chunk ahead. The hop costs a few per cent on a loopback; without it one
    # slow read would hold up answers, window and keepalives, and a live connection would be given up.
    ahead = asyncio.create_task(asyncio.to_thread(_next, chunks, digest))
    done = 0
    is_over = False
    try:
        while (chunk := await ahead) and not (is_over := remaining() < RESERVE):
            ahead = asyncio.create_task(asyncio.to_thread(_next, chunks, digest))
            done += len(chunk)
            for at in range(0, len(chunk) if done > start else 0, request):
                if len(window) == depth:
                    await ask(place, "write", window.popleft(), patience.step)
                part = chunk[at : at + request]
                window.append(asyncio.create_task(file.write(part, done - len(chunk) + at)))
        while window:
            await ask(place, "write", window.popleft(), patience.step)
    finally:
        for task in (*window, ahead):
            task.cancel()
        await asyncio.gather(*window, ahead, return_exceptions=True)
    if is_over:
        kind = DeliveryUnfinishedError if done > there else TransientDeliveryError
        raise kind(place, "write", f"the time ran out after {done} of {source.size} bytes")
    return digest.hexdigest(), done


def _next(chunks: Iterator[bytes], digest: hashlib._Hash) -> bytes:
    chunk = next(chunks, b"")
    digest.update(chunk)
    return chunk
