"""The customers' SFTP clients."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import asyncssh

_PATIENCE = 60


class UploadError(RuntimeError):
    """An upload failed; the message is that of the client."""


class SftpClient:
    """An SFTP user's client at one cell: OpenSSH's `sftp` if it is installed, asyncssh otherwise.

    It knows the endpoint's host keys beforehand and refuses any other. Several clients may share a folder.
    """

    def __init__(
        self, address: str, port: int, user: str, key: Path, *, host_keys: Sequence[str], folder: Path
    ) -> None:
        """`host_keys` are the endpoint's public keys; the client keeps its files in `folder`."""
        self._address, self._port, self._user, self._key = address, port, user, key
        self._folder = folder
        self.kind = "openssh" if shutil.which("sftp") else "asyncssh"
        self._known_hosts = folder / f"known-hosts-{address}"
        lines = "".join(f"[{address}]:{port} {line}\n" for line in host_keys)
        self._write(lines.encode()).replace(self._known_hosts)

    @property
    def command(self) -> list[str]:
        """The command line that a person would type."""
        options = {"UserKnownHostsFile": self._known_hosts, "IdentitiesOnly": "yes", "LogLevel": "ERROR"}
        flags = [flag for name, value in options.items() for flag in ("-o", f"{name}={value}")]
        host = f"{self._user}@{self._address}"
        return ["sftp", "-F", "none", *flags, "-i", str(self._key), "-P", str(self._port), host]

    def upload(self, name: str, content: bytes) -> None:
        """Put a file in the user's home directory; UploadError if the endpoint refuses it."""
        if self.kind == "asyncssh":
            asyncio.run(self._put(name, content))
            return
        local = self._write(content)
        done = subprocess.run(  # noqa: S603 - our own command line
            [*self.command[:1], "-b", "-", *self.command[1:]],
            input=f'put "{local}" "{name}"\n',
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        local.unlink()
        if done.returncode:
            raise UploadError(f"sftp to {self._address}:{self._port}: {done.stderr.strip()}")

    def upload_under_another_name(self, temporary: str, name: str, content: bytes) -> None:
        """Put a file under a temporary name and rename it, as many clients do."""

        async def session() -> None:
            async with self._connect() as connection, connection.start_sftp_client() as sftp:
                async with sftp.open(temporary, "wb") as file:
                    await file.write(content)
                await sftp.rename(temporary, name)

        asyncio.run(session())

    def drop(self, name: str, content: bytes) -> None:
        """Send a part of a file, then break the connection without closing the file."""

        async def session() -> None:
            async with self._connect() as connection, connection.start_sftp_client() as sftp:
                file = await sftp.open(name, "wb")
                await file.write(content)
                connection.abort()

        asyncio.run(session())

    def session(self) -> OpenSession:
        """Open a session that stays open; UploadError if the endpoint refuses it."""
        return OpenSession(self._connect, f"{self._address}:{self._port}")

    def _write(self, content: bytes) -> Path:
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
            file.write(content)
        return Path(file.name)

    async def _put(self, name: str, content: bytes) -> None:
        try:
            async with (
                self._connect() as connection,
                connection.start_sftp_client() as sftp,
                sftp.open(name, "wb") as file,
            ):
                await file.write(content)
        except (OSError, asyncssh.Error) as error:
            raise UploadError(f"sftp to {self._address}:{self._port}: {error}") from error

    def _connect(self) -> Any:
        return asyncssh.connect(
            self._address,
            self._port,
            username=self._user,
            client_keys=[str(self._key)],
            known_hosts=str(self._known_hosts),
            agent_path=None,
            config=None,
        )


class OpenSession:
    """An SFTP session that stays open for one file after another, like those of schedulers."""

    def __init__(self, connect: Callable[[], Any], where: str) -> None:
        self._where = where
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)  # any thread may close it
        self._stack = contextlib.AsyncExitStack()
        try:
            self._run(self._open(connect))
        except BaseException:
            self.close()
            raise

    def upload(self, name: str, content: bytes) -> None:
        """Put a file in the user's home directory; UploadError if the session has ended."""
        self._run(self._put(name, content))

    def close(self) -> None:
        """Close the session, even if it is broken."""
        with contextlib.suppress(UploadError):
            self._run(self._stack.aclose())
        self._runner.close()

    async def _open(self, connect: Callable[[], Any]) -> None:
        connection = await self._stack.enter_async_context(connect())
        self._sftp = await self._stack.enter_async_context(connection.start_sftp_client())

    async def _put(self, name: str, content: bytes) -> None:
        async with self._sftp.open(name, "wb") as file:
            await file.write(content)

    def _run(self, step: Coroutine[Any, Any, None]) -> None:
        try:
            self._runner.run(asyncio.wait_for(step, _PATIENCE))
        except (OSError, asyncssh.Error) as error:
            raise UploadError(f"sftp session with {self._where}: {error}") from error
