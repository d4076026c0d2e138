"""The DNS protocol on sockets: packets in, packets out, over UDP and TCP (RFC 1035, 6891 and 7766)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

from dnslib import EDNS0, QTYPE, RCODE, DNSHeader, DNSLabel, DNSRecord

from local.dns.zone import Answer

#: Returns the answer to a question: a name and a type.
Answers = Callable[[DNSLabel, str], Answer]

LARGEST_TCP = 65535
_LARGEST_UDP = 4096
_PLAIN_UDP = 512  # for a client that gives no size
_HEADER = 12
_LONGEST_NAME = 253  # without the final dot
_QUERY = 0
_IN, _ANY = 1, 255
_BADVERS = 16
_REPLY, _OPCODE_AND_RD = 0x8000, 0x7900  # bits of a header
_IDLE = 10.0  # seconds that a TCP client may be silent


def respond(packet: bytes, answer: Answers, *, largest: int | None = None) -> bytes | None:
    """Return the reply to a packet, None if it gets none.

    A reply above `largest` bytes is truncated; by default, one above the size that the client accepts over
    UDP.
    """
    if len(packet) < _HEADER or packet[2] & 0x80:
        return None  # not a question, or itself a reply: two servers could answer each other for ever
    try:
        query = DNSRecord.parse(packet)
        [question] = query.questions
        [client] = [record for record in query.ar if record.rtype == QTYPE.OPT] or [None]
    except Exception:  # whatever the bytes make the parser raise
        return _format_error(packet)
    if len(question.qname) > _LONGEST_NAME:
        return _format_error(packet)
    header = DNSHeader(id=query.header.id, bitmap=0, qr=1, opcode=query.header.opcode, rd=query.header.rd)
    reply = DNSRecord(header, questions=[question])
    version = 0 if client is None else (client.ttl >> 16) & 0xFF
    if client is not None:
        reply.add_ar(EDNS0(udp_len=_LARGEST_UDP, ext_rcode=_BADVERS >> 4 if version else 0))
    if query.header.opcode != _QUERY:
        header.rcode = RCODE.NOTIMP
    elif question.qclass not in (_IN, _ANY):
        header.rcode = RCODE.REFUSED
    elif not version:
        found = answer(question.qname, QTYPE[question.qtype])
        header.aa, header.rcode = int(found.authoritative), getattr(RCODE, found.status)
        reply.add_answer(*found.answer)
        reply.add_auth(*found.authority)
    if largest is None:
        largest = _PLAIN_UDP if client is None else min(max(_PLAIN_UDP, client.rclass), _LARGEST_UDP)
    packed = reply.pack()
    if len(packed) > largest:
        header.tc = 1
        reply.rr, reply.auth = [], []  # RFC 2181, 9: a client ignores the rest of a truncated reply
        packed = reply.pack()
    return bytes(packed)


class Listener:
    """Answers over UDP and TCP, in a daemon thread, until closed; OSError if the port cannot be used."""

    def __init__(self, address: str, port: int, answer: Answers) -> None:
        self._answer = answer
        udp, tcp = _bind(address, port)
        self.port: int = tcp.getsockname()[1]
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)  # not the caller's loop
        self._runner.run(self._listen(udp, tcp))
        self._loop = self._runner.get_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dns", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering, and close open connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._datagrams.close()
        self._connections.close()
        self._runner.close()

    async def _listen(self, udp: socket.socket, tcp: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._answer), sock=udp)
        self._connections = await asyncio.start_server(self._converse, sock=tcp)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the questions on a connection, one after the other."""
        # Python 3.11 logs a connection whose task ends cancelled as an error, so that is suppressed too.
        ends = (asyncio.IncompleteReadError, TimeoutError, ConnectionError, asyncio.CancelledError)
        with contextlib.closing(writer), contextlib.suppress(*ends):
            while True:
                async with asyncio.timeout(_IDLE):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    packet = await reader.readexactly(size)
                if (reply := respond(packet, self._answer, largest=LARGEST_TCP)) is None:
                    return
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: Answers) -> None:
        self._answer = answer

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if (reply := respond(data, self._answer)) is not None:
            self._transport.sendto(reply, addr)


def _format_error(packet: bytes) -> bytes:
    """Return the reply to a packet whose header is all that can be read."""
    id, bits = struct.unpack("!HH", packet[:4])
    return struct.pack("!HH8x", id, _REPLY | bits & _OPCODE_AND_RD | RCODE.FORMERR)


def _bind(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Return a UDP and a TCP socket on the same port; 0 takes one that is free for both."""
    for _ in range(100):
        udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        wanted = port
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((address, wanted))
            wanted = tcp.getsockname()[1]
            udp.bind((address, wanted))
            tcp.listen()  # fails if another server listens on the port
        except OSError as error:
            udp.close()
            tcp.close()
            if port or error.errno != errno.EADDRINUSE:
                why = f"DNS cannot use port {wanted} of {address}: {error.strerror}"
                raise OSError(error.errno, why) from None
        else:
            return udp, tcp
    raise OSError(errno.EADDRINUSE, f"no port of {address} is free for both UDP and TCP")
