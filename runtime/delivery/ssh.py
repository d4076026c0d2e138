"""A connection to one partner's SFTP server with FIPS-approved algorithms and one pinned host key only.

The lists contain everything that is offered. The annexes of FIPS 140-3 approve ECDH over the NIST curves and
finite-field groups 14, 16 and 18 (SP 800-56A rev. 3), AES in GCM and CTR (FIPS 197), HMAC-SHA-2 (FIPS 198-1),
RSA and ECDSA with SHA-2 and, since February 2023, Ed25519 signatures (FIPS 186-5 section 7). Curve25519 key
agreement and its hybrids are popular, but are not in SP 800-56A and are left out. Approved algorithms do not
make the library that computes them a validated module.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncssh

from runtime.delivery.answers import ask
from runtime.delivery.errors import DeliveryError, PermanentDeliveryError
from runtime.delivery.login import Login, connecting, named, other_key, starting
from runtime.delivery.target import SftpTarget

KEX = (
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
)
#: Fastest first: AES-128-GCM is 1.3 to 1.8 times as fast as CTR with a MAC.
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
MACS = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
SIGNATURES = (
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-256",
    "rsa-sha2-512",
    "ssh-ed25519",
)

#: The errors of a connection that the server ends without a message.
_SILENT = (asyncssh.ConnectionLost, asyncssh.KeyExchangeFailed, ConnectionResetError)

#: Seconds that an orderly close may take before the connection is aborted.
_GOODBYE = 2.0


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Times to wait, in seconds: to connect and log in, for one response, and between keepalives.

    A server that is silent for `keepalive` seconds is sent a keepalive, up to `keepalive_count` times, and
    the connection is then given up. A server that responds to keepalives but not to a request is given up
    after `step`. One that takes an upload is given up when it took fewer than `slowest` bytes a second over
    `pace` seconds of waiting for it.
    """

    connect: float = 30.0
    step: float = 60.0
    keepalive: float = 15.0
    keepalive_count: int = 3
    pace: float = 60.0
    slowest: float = 8 * 1024


@asynccontextmanager
async def connect(
    destination: SftpTarget, private_key: str, patience: Patience
) -> AsyncIterator[tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]]:
    """Yield a connection and its SFTP client. It is closed afterwards, or aborted after an error.

    `private_key` is PEM or OpenSSH text without a passphrase. Raises PermanentDeliveryError if either side
    refuses a key or no algorithm is agreed on, and TransientDeliveryError if the server cannot be reached.
    """
    pinned = _host_key(destination)
    login = Login(_client_key(destination, private_key))
    options = _options(patience, username=destination.user, client_keys=login.keys)
    try:
        with connecting(destination, login, pinned):
            connection = await asyncssh.connect(
                destination.host,
                destination.port,
                options=options,
                config=None,
                client_factory=lambda: login,
                known_hosts=([pinned], [], []),
                server_host_key_algs=[a for a in _text(pinned.sig_algorithms) if a in SIGNATURES],
            )
    except DeliveryError as failure:
        if isinstance(failure.__cause__, _SILENT):
            await _refuse_other_key(destination, pinned, patience)
        raise
    well = False
    try:
        with starting(destination):
            sftp = await ask(destination.place, "start sftp", connection.start_sftp_client(), patience.step)
        yield connection, sftp
        well = True
    finally:
        await _close(connection, politely=well)


def _options(patience: Patience, **who: Any) -> asyncssh.SSHClientConnectionOptions:
    return asyncssh.SSHClientConnectionOptions(
        kex_algs=list(KEX),
        encryption_algs=list(CIPHERS),
        mac_algs=list(MACS),
        signature_algs=list(SIGNATURES),
        compression_algs=["none"],
        # Nothing on the local machine has an influence: no files, agent, tickets or certificates.
        config=None,
        agent_path=None,
        x509_trusted_certs=None,
        gss_host=None,
        # The methods after the first are never answered: they tell what else the server asks for.
        preferred_auth=["publickey", "keyboard-interactive", "password"],
        utf8_decode_errors="replace",
        connect_timeout=patience.connect,
        login_timeout=patience.connect,
        keepalive_interval=patience.keepalive,
        keepalive_count_max=patience.keepalive_count,
        **who,
    )


async def _refuse_other_key(destination: SftpTarget, pinned: asyncssh.SSHKey, patience: Patience) -> None:
    """Raise PermanentDeliveryError if the server has host keys, but none of the pinned type, or only SHA-1.

    OpenSSH then closes the connection without a message, which would look like a transient fault. The pinned
    type is requested first, so that a server that has it presents it, whatever other keys it has.
    """
    own = [name for name in _text(pinned.sig_algorithms) if name in SIGNATURES]
    key = await _server_key(destination, patience, [*own, *(name for name in SIGNATURES if name not in own)])
    if key is not None and key.get_algorithm() != pinned.get_algorithm():
        raise PermanentDeliveryError(destination.place, "host key", other_key(named(key), pinned))
    if key is None and (old := await _server_key(destination, patience, ["ssh-rsa"])) is not None:
        reason = (
            f"the server's key {named(old)} is offered with SHA-1 signatures only (ssh-rsa), which are not"
            " approved; ask the partner for rsa-sha2-256, or for an ECDSA key"
        )
        raise PermanentDeliveryError(destination.place, "host key", reason)


async def _server_key(
    destination: SftpTarget, patience: Patience, algorithms: list[str]
) -> asyncssh.SSHKey | None:
    """Return the host key that the server presents for one of these algorithms; None if it presents none."""
    try:
        return await asyncssh.get_server_host_key(
            destination.host,
            destination.port,
            options=_options(patience, client_keys=None),
            config=None,
            kex_algs=list(KEX),
            server_host_key_algs=algorithms,
        )
    except (asyncssh.Error, OSError):
        return None


async def _close(connection: asyncssh.SSHClientConnection, *, politely: bool) -> None:
    if politely:
        connection.close()
        try:
            async with asyncio.timeout(_GOODBYE):
                return await connection.wait_closed()
        except TimeoutError:
            pass
    # Closing flushes first, which never ends if the server has stopped reading.
    connection.abort()
    return await connection.wait_closed()


def _host_key(destination: SftpTarget) -> asyncssh.SSHKey:
    try:
        key = asyncssh.import_public_key(destination.host_key)
    except ValueError as error:
        raise PermanentDeliveryError(destination.place, "host key", "the pinned key is unreadable") from error
    if not set(_text(key.sig_algorithms)) & set(SIGNATURES):
        reason = f"the pinned key's type {key.get_algorithm()} is not approved"
        raise PermanentDeliveryError(destination.place, "host key", reason)
    return key


def _client_key(destination: SftpTarget, private_key: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(private_key)
    except ValueError:
        # The parser's message could quote the key, so it is neither passed on nor kept as the cause.
        pass
    raise PermanentDeliveryError(destination.place, "log in", "the client's private key is unreadable")


def _text(names: Sequence[bytes]) -> list[str]:
    return [name.decode() for name in names]
