"""The SFTP endpoint of one cell on one machine: an AWS Transfer Family server over real SSH.

Users, keys and directories come from the emulated Transfer API at every login, files go to the emulated S3,
and events to the default bus, as the user guide describes them:
https://docs.aws.amazon.com/transfer/latest/userguide/events-detail-reference.html

The events of uploads and completed renames are sent; those of downloads, deletions and directories, which the
service sends too, are not. The user's IAM role is not applied, because the emulated S3 enforces no
permissions.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncssh
from asyncssh.kex import get_kex_algs
from botocore.exceptions import BotoCoreError, ClientError

from local.sftp.session_log import SessionLogWriter
from local.sftp.sessions import Login, now
from runtime.contract import PARTITION

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class SecurityPolicy:
    """The SSH algorithms of a server's security policy."""

    kexs: tuple[str, ...]
    ciphers: tuple[str, ...] = (
        "aes256-gcm@openssh.com",
        "aes128-gcm@openssh.com",
        "aes256-ctr",
        "aes192-ctr",
        "aes128-ctr",
    )
    macs: tuple[str, ...] = ("hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com")


_ECDH = ("ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521")
_DH = ("diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512")
_MLKEM = ("mlkem768x25519-sha256", "mlkem768nistp256-sha256", "mlkem1024nistp384-sha384")

#: https://docs.aws.amazon.com/transfer/latest/userguide/security-policies.html
#: FIPS-2024-01 differs from FIPS-2024-05 only in SHA-1 RSA signatures, which are not offered here.
POLICIES = {
    "TransferSecurityPolicy-FIPS-2024-01": SecurityPolicy(kexs=_ECDH + _DH),
    "TransferSecurityPolicy-FIPS-2024-05": SecurityPolicy(kexs=_ECDH + _DH),
    "TransferSecurityPolicy-FIPS-2025-03": SecurityPolicy(
        kexs=(*_MLKEM, *_ECDH, "diffie-hellman-group-exchange-sha256", *_DH)
    ),
}
#: Signature algorithms of host keys and of users' keys.
SIGNATURES = (
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "ssh-ed25519",
)


class TransferEndpoint:
    """A Transfer Family server that listens on a loopback address while the context is open.

    `s3`, `transfer` and `events` are boto3 clients of the emulated AWS in `region`; the caller closes them.
    The user agent of `events` must contain TRANSFER_AGENT of the emulated AWS, or the bus refuses its events.
    With a `session_log`, the ends of uploads are written there too. `set_stat_option` is the server's
    ProtocolDetails.SetStatOption: SETSTAT fails on S3 unless it is ENABLE_NO_OP.
    """

    def __init__(
        self,
        *,
        server_id: str,
        region: str,
        address: str,
        host_keys: Sequence[str],
        s3: Any,
        transfer: Any,
        events: Any,
        session_log: SessionLogWriter | None = None,
        port: int = 0,
        security_policy: str = "TransferSecurityPolicy-FIPS-2024-01",
        set_stat_option: str = "DEFAULT",
    ) -> None:
        if security_policy not in POLICIES:
            raise ValueError(f"security policy {security_policy!r} is not one of {', '.join(POLICIES)}")
        self.server_id = server_id
        self.region = region
        self.address = address
        self.port = port
        self.ignores_setstat = set_stat_option == "ENABLE_NO_OP"
        self.stopping = False
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.s3 = s3
        self.transfer = transfer
        self._events, self._session_log = events, session_log
        self._policy = POLICIES[security_policy]
        self._keys = [asyncssh.import_private_key(text) for text in host_keys]
        self._thread: threading.Thread | None = None

    def __enter__(self) -> TransferEndpoint:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def fingerprints(self) -> list[str]:
        """Return the SHA256 fingerprints of the host keys, as OpenSSH prints them, in the order given."""
        return [key.get_fingerprint("sha256") for key in self._keys]

    def start(self) -> None:
        """Start listening; OSError if the address or port cannot be used, RuntimeError if already started."""
        if self._thread:
            raise RuntimeError(f"{self.server_id} is already started")
        self.stopping = False
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix=self.server_id)
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name=f"sftp-{self.server_id}", daemon=True
        )
        self._thread.start()
        try:
            started.result()
        except BaseException:
            self._join()
            raise

    def stop(self) -> None:
        """Die as a region does: drop every session at once, store nothing more and send no more events.

        Returns when the last call to the emulated AWS that was under way has ended.
        """
        if self._thread:
            self.stopping = True
            self._loop.call_soon_threadsafe(self._stop.set)
            self._join()

    def _join(self) -> None:
        assert self._thread
        self._thread.join()
        self._pool.shutdown(cancel_futures=True)
        self._thread = None

    async def _serve(self, started: Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        known = {name.decode() for name in get_kex_algs()}  # ML-KEM depends on how OpenSSL was built
        try:
            listener = await asyncssh.listen(
                self.address,
                self.port,
                server_factory=lambda: Login(self),
                server_host_keys=self._keys,
                kex_algs=[name for name in self._policy.kexs if name in known],
                encryption_algs=list(self._policy.ciphers),
                mac_algs=list(self._policy.macs),
                signature_algs=list(SIGNATURES),
                compression_algs=None,
                password_auth=False,
                kbdint_auth=False,
                gss_host=None,
                agent_forwarding=False,
                server_version="AWS_SFTP_1.1",
            )
        except OSError as exc:
            where = f"{self.address} port {self.port}"
            started.set_exception(
                OSError(exc.errno, f"{self.server_id} cannot listen on {where}: {exc.strerror}")
            )
            return
        except BaseException as exc:
            started.set_exception(exc)
            return
        self.port = listener.get_port()
        started.set_result(None)
        await self._stop.wait()
        listener.close()
        for connection in self.connections:
            connection.abort()
        await asyncio.gather(*(connection.wait_closed() for connection in self.connections))

    async def call(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a blocking function in a thread; errors of AWS become errors of SFTP."""
        task = functools.partial(function, *args, **kwargs)
        try:
            return await self._loop.run_in_executor(self._pool, task)
        except ClientError as exc:
            status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
            kinds = {403: asyncssh.SFTPPermissionDenied, 404: asyncssh.SFTPNoSuchFile}
            raise kinds.get(status, asyncssh.SFTPFailure)(str(exc)) from exc
        except BotoCoreError as exc:
            raise asyncssh.SFTPFailure(str(exc)) from exc

    async def emit(self, login: Login, event: str, started: str, **detail: Any) -> None:
        """Put an event on the default bus; if the bus refuses it, it is logged and lost."""
        if self.stopping:
            return
        if self._session_log:
            entry = functools.partial(self._session_log.write, event, user=login.user)
            await self.call(entry, session=login.session_id, detail=detail)
        body = {
            "protocol": "SFTP",
            "client-ip": login.client_ip,
            "start-timestamp": started,
            "end-timestamp": now(),
            "server-id": self.server_id,
            "username": login.user,
            "session-id": login.session_id,
        } | {name.replace("_", "-"): value for name, value in detail.items()}
        put = {
            "Source": "aws.transfer",
            "DetailType": f"SFTP Server File {event}",
            "Detail": json.dumps(body),
            "Resources": [f"arn:{PARTITION}:transfer:{self.region}:{login.account}:server/{self.server_id}"],
        }
        try:
            answer = await self.call(self._events.put_events, Entries=[put])
        except asyncssh.SFTPError as exc:
            log.error("%s lost the event %s of %s: %s", self.server_id, event, login.user, exc)
        else:
            if answer["FailedEntryCount"]:
                log.error(
                    "%s lost the event %s of %s: %s", self.server_id, event, login.user, answer["Entries"]
                )
