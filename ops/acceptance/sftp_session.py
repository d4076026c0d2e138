"""What a client does in an SFTP session with one endpoint: put, list, stat, overwrite, rename, resume."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import asyncssh

from ops.acceptance.observation import Check, Observations
from ops.acceptance.synthetic_customer import file_name
from runtime.contract import REGION_OF
from runtime.delivery.ssh import CIPHERS, KEX, MACS, SIGNATURES

_PATIENCE = 30.0
_TEMPORARY = ".filepart"
#: How clients open a file that they continue: without emptying it.
_CONTINUED = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT

Content = Callable[[str], bytes]
_Act = Callable[[asyncssh.SFTPClient, Content], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class SftpEndpoint:
    """A side's endpoint at one address, and the fingerprints of the host keys that it may present."""

    side: str
    address: str
    port: int
    fingerprints: Collection[str]


@dataclass(frozen=True, kw_only=True)
class SftpSession:
    """One session of a user.

    `stored` is called with each file that the endpoint has taken: what it shows, its name and its content.
    """

    endpoint: SftpEndpoint
    user: str
    key: asyncssh.SSHKey = field(repr=False)
    run: str
    observed: Observations
    stored: Callable[[str, str, bytes], None]

    def send(self, content: Content) -> None:
        """Put a file, list and stat it, put another and rename it, and resume a third.

        `content` returns the bytes of a file, by what it shows. What the endpoint refuses becomes an
        observation, and the rest is tried all the same. Raises asyncssh's errors and OSError when there is no
        session.
        """
        asyncio.run(self._play(content, self._put, self._rename, self._resume))

    def overwrite(self, content: Content) -> None:
        """Put other content under the name of the first file. Raises what `send` does."""
        asyncio.run(self._play(content, self._overwrite))

    async def _play(self, content: Content, *acts: _Act) -> None:
        host = f"{self.endpoint.address}:{self.endpoint.port}"
        async with (
            asyncio.timeout(10 * _PATIENCE),
            asyncssh.connect(
                self.endpoint.address,
                self.endpoint.port,
                username=self.user,
                client_keys=[self.key],
                client_factory=lambda: _Pinned(self.endpoint.fingerprints),
                known_hosts=([], [], []),
                kex_algs=list(KEX),
                encryption_algs=list(CIPHERS),
                mac_algs=list(MACS),
                signature_algs=list(SIGNATURES),
                agent_path=None,
                config=None,
                connect_timeout=_PATIENCE,
                login_timeout=_PATIENCE,
            ) as connection,
            connection.start_sftp_client() as sftp,
        ):
            self._note("a session begins", True, f"{self.user} at {host}")
            for act in acts:
                await act(sftp, content)

    async def _put(self, sftp: asyncssh.SFTPClient, content: Content) -> None:
        name, data = self._name("put"), content("put")
        with self.observed.attempt(Check.SFTP, self._region, "a file is put"):
            await _write(sftp, name, data)
            self._stored("put", "a file is put", name, data)
        with self.observed.attempt(Check.SFTP, self._region, "stat gives its size"):
            size = (await sftp.stat(name)).size
            self._note("stat gives its size", size == len(data), f"{size} bytes, of {len(data)}")
        with self.observed.attempt(Check.SFTP, self._region, "the listing of / has it"):
            names = await sftp.listdir("/")
            self._note("the listing of / has it", name in names, f"{len(names)} names")
        with self.observed.attempt(Check.SFTP, self._region, "setting its times is accepted"):
            await sftp.utime(name, (0, 0))  # clients that preserve timestamps fail otherwise
            self._note("setting its times is accepted", True)

    async def _overwrite(self, sftp: asyncssh.SFTPClient, content: Content) -> None:
        name, data = self._name("put"), content("overwrite")
        with self.observed.attempt(Check.SFTP, self._region, "the file is overwritten"):
            await _write(sftp, name, data)
            self._stored("overwrite", "the file is overwritten", name, data)

    async def _rename(self, sftp: asyncssh.SFTPClient, content: Content) -> None:
        name, data = self._name("renamed"), content("renamed")
        with self.observed.attempt(Check.SFTP, self._region, "a file is put and renamed"):
            await _write(sftp, name + _TEMPORARY, data)
            await sftp.rename(name + _TEMPORARY, name)
            self._stored("renamed", "a file is put and renamed", name, data)

    async def _resume(self, sftp: asyncssh.SFTPClient, content: Content) -> None:
        """Continue a half uploaded file; where the endpoint refuses that, send it from the beginning.

        Either is right, as clients do both. What must not happen is that a half file is delivered.
        """
        name, data = self._name("resumed"), content("resumed")
        what = "an interrupted file is sent to its end"
        with self.observed.attempt(Check.SFTP, self._region, what):
            half = len(data) // 2
            await _write(sftp, name + _TEMPORARY, data[:half])
            try:
                file = await sftp.open(name + _TEMPORARY, _CONTINUED, encoding=None)
                await file.write(data[half:], half)
                await file.close()
                whole = (await sftp.stat(name + _TEMPORARY)).size == len(data)
                how = "resumed" if whole else "the endpoint kept only the second half; sent again as a whole"
            except asyncssh.SFTPError as error:
                whole, how = False, f"the endpoint refuses to resume ({error.reason}); sent again as a whole"
            if not whole:
                await _write(sftp, name + _TEMPORARY, data)
            await sftp.rename(name + _TEMPORARY, name)
            self._stored("resumed", what, name, data, how)

    @property
    def _region(self) -> str:
        return REGION_OF[self.endpoint.side]

    def _name(self, what: str) -> str:
        return file_name(self.run, self.endpoint.side, what)

    def _stored(self, shows: str, what: str, name: str, data: bytes, how: str = "") -> None:
        self.stored(shows, name, data)
        self._note(what, True, how or f"{len(data)} bytes")

    def _note(self, what: str, seen: bool, found: str = "") -> None:
        self.observed.note(Check.SFTP, self._region, what, seen, found)


class _Pinned(asyncssh.SSHClient):
    """Accepts the host keys with these fingerprints and no other."""

    def __init__(self, fingerprints: Collection[str]) -> None:
        self._fingerprints = fingerprints

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        return key.get_fingerprint() in self._fingerprints


async def _write(sftp: asyncssh.SFTPClient, name: str, data: bytes) -> None:
    async with sftp.open(name, "wb") as file:
        await file.write(data)
