"""The upload of a delivery: from S3 into an open SFTP file, hashed on the way, with a window of writes."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from runtime.delivery.channels import MOST_CHANNELS
from runtime.delivery.content_hash import MIB, RESERVE, ContentHash
from runtime.delivery.errors import DeliveryUnfinishedError, TransientDeliveryError
from runtime.delivery.pacing import Pacing
from runtime.delivery.source import Source
from runtime.delivery.ssh import Patience

#: Most bytes and most requests without a response over one channel. OpenSSH's window of 2 MiB per channel
#: limits what helps; the rest keeps it full while responses travel.
WINDOW_BYTES = 4 * MIB
WINDOW_REQUESTS = 128

#: The same for each of several channels.
_CHANNEL_BYTES = 2 * MIB

#: Most bytes without a response over however many channels: as many may be missing before the end of a file.
SPAN = max(WINDOW_BYTES, MOST_CHANNELS * _CHANNEL_BYTES)

#: Most bytes of a request, whatever the server would accept: OpenSSH closes the connection on messages above
#: 256 KiB, and a window of a few large requests runs empty.
LARGEST_REQUEST = 255 * 1024


_ADVICE = "ask the partner whether this login may write to the files that it creates"


class Writable(Protocol):
    """An open file, and over how many channels it is written."""

    @property
    def count(self) -> int: ...

    async def write(self, data: bytes, offset: int) -> int: ...


async def upload(
    source: Source,
    file: Writable,
    *,
    request: int,
    place: str,
    path: str,
    patience: Patience,
    there: int = 0,
    remaining: Callable[[], float] = lambda: math.inf,
) -> tuple[str, int]:
    """Write the source into `file`; return its hash (ContentHash.text) and the number of bytes of the file.

    The first `there` bytes were written by an earlier attempt. The last SPAN of them are sent again, because
    it is unknown which of the writes without a response were carried out. Of the bytes before, those are read
    that no earlier attempt has hashed (about a second for each 100 MB). `request` is the number of bytes that
    the server accepts in one write, and `path` names the file in errors. When `remaining` returns fewer than
    RESERVE seconds, the upload stops after the response to the last write and raises DeliveryUnfinishedError,
    or TransientDeliveryError if neither the file nor what was hashed is larger than before. Also raises the
    DeliveryError of the source, and TransientDeliveryError as `Pacing.take` does.
    """
    start = max(0, there - SPAN)
    request = min(request, LARGEST_REQUEST)
    hashed = await asyncio.to_thread(source.hasher)
    began = hashed.position.offset
    done = min(start, hashed.read)
    window: deque[asyncio.Task[int]] = deque()
    pacing = Pacing(place, patience, source.size, path=path, advice=_ADVICE)
    # A chunk is a multiple of a request; otherwise every chunk would end in a small one.
    chunks = source.chunks(done, chunk=request * max(1, MIB // request))
    # S3 is read in a thread, one chunk ahead. That costs a few per cent on a loopback; without it, one slow
    # read would hold up responses, window and keepalives, and a live connection would be given up.
    ahead = asyncio.create_task(asyncio.to_thread(_next, chunks, hashed, done))
    is_over = False
    try:
        while (chunk := await ahead) and not (is_over := remaining() < RESERVE):
            done += len(chunk)
            ahead = asyncio.create_task(asyncio.to_thread(_next, chunks, hashed, done))
            for at in range(0, len(chunk) if done > start else 0, request):
                while len(window) >= _depth(request, file.count):
                    await pacing.take(window.popleft())
                part = chunk[at : at + request]
                window.append(asyncio.create_task(file.write(part, done - len(chunk) + at)))
        while window:
            await pacing.take(window.popleft())
    finally:
        for task in (*window, ahead):
            task.cancel()
        await asyncio.gather(*window, ahead, return_exceptions=True)
        await asyncio.to_thread(source.keep, hashed)
    if is_over:
        is_ahead = done > there or hashed.position.offset > began
        kind = DeliveryUnfinishedError if is_ahead else TransientDeliveryError
        raise kind(place, "write", f"{path}: the time ran out after {done} of {source.size} bytes")
    return hashed.text(), done


def _depth(request: int, channels: int) -> int:
    """Return how many requests of this size may be without a response over so many channels."""
    most = max(WINDOW_BYTES, channels * _CHANNEL_BYTES)
    return max(1, min(WINDOW_REQUESTS * channels, most // request))


def _next(chunks: Iterator[bytes], hashed: ContentHash, offset: int) -> bytes:
    chunk = next(chunks, b"")
    hashed.feed(chunk, offset)
    return chunk
