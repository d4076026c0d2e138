"""The customers' own software: an SFTP client, and boto3."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncssh

_PATIENCE = 60


class UploadError(RuntimeError):
    """The client could not upload; the message is what the client said."""


class SftpClient:
    """One SFTP user's client at one cell: OpenSSH's `sftp` where it is installed, asyncssh where it is not.

    It knows the endpoint's host keys beforehand and refuses any other.
    """

    def __init__(
        self, address: str, port: int, user: str, key: Path, *, host_keys: Sequence[str], folder: Path
    ) -> None:
        """`host_keys` are the endpoint's public keys; `folder` is where the client keeps its files."""
        self._address, self._port, self._user, self._key = address, port, user, key
        self._folder = folder
        self.kind = "openssh" if shutil.which("sftp") else "asyncssh"
        self._known_hosts = folder / f"known-hosts-{address}"
        self._known_hosts.write_text("".join(f"[{address}]:{port} {line}\n" for line in host_keys))

    @property
    def command(self) -> list[str]:
        """The command line that a person would type."""
        options = {"UserKnownHostsFile": self._known_hosts, "IdentitiesOnly": "yes", "LogLevel": "ERROR"}
        flags = [flag for name, value in options.items() for flag in ("-o", f"{name}={value}")]
        host = f"{self._user}@{self._address}"
        return ["sftp", "-F", "none", *flags, "-i", str(self._key), "-P", str(self._port), host]

    def upload(self, name: str, content: bytes) -> None:
        """Put a file in the user's home directory; UploadError when the endpoint refuses."""
        if self.kind == "asyncssh":
            asyncio.run(self._put(name, content))
            return
        local = self._folder / "upload"
        local.write_bytes(content)
        done = subprocess.run(  # noqa: S603 - our own command line
            [*self.command[:1], "-b", "-", *self.command[1:]],
            input=f'put "{local}" "{name}"\n',
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
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
        """Send a part of a file and vanish: the connection breaks, nobody closes the file."""

        async def session() -> None:
            async with self._connect() as connection, connection.start_sftp_client() as sftp:
                file = await sftp.open(name, "wb")
                await file.write(content)
                connection.abort()

        asyncio.run(session())

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
