"""The upload of a delivery: from S3 into an open SFTP file, hashed on the way, with a window of writes."""

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

#: Most bytes and most requests without a response. OpenSSH's window of 2 MiB per channel limits what helps;
#: the rest keeps it full while responses travel.
WINDOW_BYTES = 4 * MIB
WINDOW_REQUESTS = 128


#: Most bytes of a request, whatever the server would accept: OpenSSH closes the connection on messages above
#: 256 KiB, and a window of a few large requests runs empty.
LARGEST_REQUEST = 255 * 1024


_ADVICE = "ask the partner whether this login may write to the files that it creates"

#: Seconds that a stopped upload needs to get the responses to its last writes.
RESERVE = 120.0


async def upload(
    source: Source,
    file: asyncssh.SFTPClientFile,
    *,
    request: int,
    place: str,
    path: str,
    patience: Patience,
    there: int = 0,
    remaining: Callable[[], float] = lambda: math.inf,
) -> tuple[str, int]:
    """Write the source into `file`; return the SHA-256 (hex) and the number of bytes that the file has.

    The first `there` bytes were written by an earlier attempt. Its last window is sent again, because it is
    unknown which of the writes without a response were carried out. The bytes before are read only for the
    hash (about a second for each 100 MB). `request` is the number of bytes that the server accepts in one
    write. `file` is open with `block_size=None`, so that one write is one request, and `path` names it in
    errors. When `remaining` returns fewer than RESERVE seconds, the upload stops after the response to the
    last write and raises DeliveryUnfinishedError, or TransientDeliveryError if the file has no more bytes
    than before. Also raises the DeliveryError of the source, and TransientDeliveryError if a write fails or
    the oldest gets no response within `patience.step`.
    """
    start = max(0, there - WINDOW_BYTES)
    request = min(request, LARGEST_REQUEST)
    digest = hashlib.sha256()
    window: deque[asyncio.Task[int]] = deque()
    depth = max(1, min(WINDOW_REQUESTS, WINDOW_BYTES // request))
    # A chunk is a multiple of a request; otherwise every chunk would end in a small one.
    chunks = source.chunks(chunk=request * max(1, MIB // request))
    # S3 is read in a thread, one chunk ahead. That costs a few per cent on a loopback; without it, one slow
    # read would hold up responses, window and keepalives, and a live connection would be given up.
    ahead = asyncio.create_task(asyncio.to_thread(_next, chunks, digest))
    done = 0
    is_over = False
    try:
        while (chunk := await ahead) and not (is_over := remaining() < RESERVE):
            ahead = asyncio.create_task(asyncio.to_thread(_next, chunks, digest))
            done += len(chunk)
            for at in range(0, len(chunk) if done > start else 0, request):
                if len(window) == depth:
                    await ask(place, "write", window.popleft(), patience.step, path=path, advice=_ADVICE)
                part = chunk[at : at + request]
                window.append(asyncio.create_task(file.write(part, done - len(chunk) + at)))
        while window:
            await ask(place, "write", window.popleft(), patience.step, path=path, advice=_ADVICE)
    finally:
        for task in (*window, ahead):
            task.cancel()
        await asyncio.gather(*window, ahead, return_exceptions=True)
    if is_over:
        kind = DeliveryUnfinishedError if done > there else TransientDeliveryError
        raise kind(place, "write", f"{path}: the time ran out after {done} of {source.size} bytes")
    return digest.hexdigest(), done


def _next(chunks: Iterator[bytes], digest: hashlib._Hash) -> bytes:
    chunk = next(chunks, b"")
    digest.update(chunk)
    return chunk
