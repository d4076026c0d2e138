"""The packets in which a connection sends file contents, made with few copies of the bytes.

asyncssh copies a byte a dozen times on its way out, draws random padding for each packet, writes each packet
to the socket by itself, and puts an empty one before each, which protects ciphers in CBC mode (RFC 4251
section 9.3.1) and does nothing for GCM, where each packet has an initialization vector of its own (RFC 5647).
Here, data goes into packets under AES-GCM directly; everything else, such as a key exchange, is asyncssh's,
and its order and counters are kept. The attributes that this relies on are those of the version in
`requirements.txt` (docs/adr/0044-packets-and-channels.md).
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import asyncssh
from asyncssh.constants import MSG_CHANNEL_DATA, MSG_CHANNEL_EOF, MSG_IGNORE
from asyncssh.encryption import GCMEncryption
from asyncssh.packet import UInt32
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_BLOCK, _LEAST_PADDING, _TAG = 16, 4, 16
_RANDOM = 4096


class Packets:
    """Sends the packets of one connection in place of its own method; those that are ready leave together."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection, self._usual = connection, connection.send_packet
        self._loop = asyncio.get_running_loop()
        self._cipher: Any = None
        self._ready: list[bytearray] = []
        self._random, self._drawn = b"", 0
        connection.send_packet = self.send  # type: ignore[method-assign,assignment]  # there is no hook

    def send(self, kind: int, *parts: bytes, handler: Any = None) -> None:
        """Send a packet of a kind (RFC 4250 section 4.1.2) whose payload consists of the parts."""
        connection = self._connection
        encryption: Any = connection._send_encryption
        is_gcm = isinstance(encryption, GCMEncryption)
        if is_gcm and kind == MSG_IGNORE:
            return
        if is_gcm and kind == MSG_CHANNEL_DATA and connection._kex_complete and not self._is_rekey_due():
            self._add(encryption._cipher, parts)
        else:
            self._flush()
            self._usual(kind, *parts, handler=handler)

    def _is_rekey_due(self) -> bool:
        connection = self._connection
        is_old = connection._rekey_seconds and time.monotonic() >= connection._rekey_time
        return bool(is_old) or connection._rekey_bytes_sent >= connection._rekey_bytes

    def _add(self, cipher: Any, parts: tuple[bytes, ...]) -> None:
        if cipher is not self._cipher:
            self._cipher, self._aead = cipher, AESGCM(cipher._key)
        content = 2 + sum(map(len, parts))
        padding = -content % _BLOCK
        padding += _BLOCK if padding < _LEAST_PADDING else 0
        size = content + padding
        header = UInt32(size)
        packet = bytearray(len(header) + size + _TAG)
        packet[: len(header)] = header
        plain = b"".join((bytes((padding, MSG_CHANNEL_DATA)), *parts, self._padding(padding)))
        with memoryview(packet) as view:
            self._aead.encrypt_into(cipher._iv, plain, header, view[len(header) :])
        cipher._update_iv()
        connection = self._connection
        connection._send_seq = (connection._send_seq + 1) & 0xFFFFFFFF
        connection._rekey_bytes_sent += size
        if not self._ready:
            self._loop.call_soon(self._flush)
        self._ready.append(packet)

    def _padding(self, size: int) -> bytes:
        if self._drawn + size > len(self._random):
            self._random, self._drawn = os.urandom(_RANDOM), 0
        self._drawn += size
        return self._random[self._drawn - size : self._drawn]

    def _flush(self) -> None:
        ready, self._ready = self._ready, []
        if ready:
            self._connection._send(b"".join(ready))


def flush_by_packets(channel: Any) -> None:
    """Have a channel of a client fill its packets from several pieces of data, without moving the rest."""

    def flush() -> None:
        waiting = channel._send_buf
        while waiting and channel._send_window:
            most = room = min(channel._send_window, channel._send_pktsize)
            parts = []
            while waiting and room:
                data, kind = waiting[0]
                if len(data) > room:
                    data, waiting[0] = data[:room], (data[room:], kind)
                else:
                    del waiting[0]
                parts.append(data)
                room -= len(data)
            channel._send_buf_len -= most - room
            channel._send_window -= most - room
            number, size = UInt32(channel._send_chan), UInt32(most - room)
            channel._conn.send_packet(MSG_CHANNEL_DATA, number, size, *parts, handler=channel)
        channel._pause_resume_writing()
        if not waiting and channel._send_state == "eof_pending":
            channel.send_packet(MSG_CHANNEL_EOF)
            channel._send_state = "eof"
        elif not waiting and channel._send_state == "close_pending":
            channel._close_send()

    channel._flush_send_buf = flush
