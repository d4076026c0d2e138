"""The host keys that SFTP endpoints serve, by one handshake for each type of key, as clients make it."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import asyncssh

from ops.plan import RefusedError

#: The port of the endpoints where it is not 22, as when both cells run on one machine.
ENV_SFTP_PORT = "MFT_SFTP_PORT"
_SFTP, _LAST = 22, 65_535

#: By type of key, the names under which a server proves that it has one (RFC 8332, RFC 5656, RFC 8709).
_PROOFS = {
    "ssh-rsa": ("rsa-sha2-256", "rsa-sha2-512"),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-ed25519": ("ssh-ed25519",),
}
_AT_ONCE, _PATIENCE = 16, 10.0
_KEXINIT, _LONGEST = b"\x14", 35_000


@dataclass(frozen=True, kw_only=True)
class Served:
    """What one address serves: fingerprints by type of key, or the `problem` that prevented an answer."""

    address: str
    keys: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


def port() -> int:
    """Return the port of the endpoints, 22 or that of MFT_SFTP_PORT; RefusedError if that is not a port."""
    text = os.environ.get(ENV_SFTP_PORT, str(_SFTP))
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _LAST):
        raise RefusedError(f"{ENV_SFTP_PORT}: {text!r} is not a port; write a number such as 22, or unset it")
    return int(text)


def served(addresses: Iterable[str], port: int) -> list[Served]:
    """Return what each address serves on a port; several are asked at once."""

    async def all_of_them() -> list[Served]:
        turns = asyncio.Semaphore(_AT_ONCE)
        return list(await asyncio.gather(*(_served(address, port, turns) for address in addresses)))

    return asyncio.run(all_of_them())


async def _served(address: str, port: int, turns: asyncio.Semaphore) -> Served:
    keys: dict[str, str] = {}
    try:
        async with turns, asyncio.timeout(_PATIENCE):
            offered = await _offered(address, port)
        for type, proofs in _PROOFS.items():
            if shared := [each for each in proofs if each in offered]:
                async with turns, asyncio.timeout(_PATIENCE):
                    key = await asyncssh.get_server_host_key(
                        address, port, server_host_key_algs=shared, config=None
                    )
                if key is not None:
                    keys[type] = key.get_fingerprint()
    except (OSError, asyncssh.Error, EOFError, ValueError, TimeoutError, struct.error) as error:
        reason = str(error) or f"no answer within {_PATIENCE:.0f} s"
        return Served(address=address, problem=f"port {port}: {reason}")
    return Served(address=address, keys=keys)


async def _offered(address: str, port: int) -> list[str]:
    """Return the host key algorithms that a server offers: the second list of its SSH_MSG_KEXINIT.

    See RFC 4253, sections 4.2, 6 and 7.1. Raises ValueError if the other end is not an SSH server.
    """
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(b"SSH-2.0-mft_ready\r\n")
        while not (line := await reader.readline()).startswith(b"SSH-"):
            if not line:
                raise ValueError("the connection was closed")
        length, padding = struct.unpack(">IB", await reader.readexactly(5))
        if length > _LONGEST:
            raise ValueError("the server does not speak SSH")
        payload = (await reader.readexactly(length - 1))[:-padding]
    finally:
        writer.close()
    if payload[:1] != _KEXINIT:
        raise ValueError("the server does not begin with its algorithms, as SSH servers do")
    names = payload[17:]  # after the message number and 16 random bytes
    (skipped,) = struct.unpack(">I", names[:4])
    names = names[4 + skipped :]
    (size,) = struct.unpack(">I", names[:4])
    return names[4 : 4 + size].decode("ascii").split(",")
