"""A partner's server in this process, for machines without OpenSSH and for faults that it cannot have."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import asyncssh

from local.sftp.partners.server import Partner


class AsyncsshPartner(Partner):
    """A partner with a server in this process. Its user sees the partner's folder as `/`.

    `files` serves its files; a class derived from Files imitates a server that behaves in its own way.
    """

    kind = "asyncssh"

    def __init__(self, *, files: type[Files] | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._files = files or Files

    @property
    def directory(self) -> str:
        return "/inbox"

    async def _serve(self, sock: socket.socket) -> None:
        connection = await asyncssh.run_server(
            sock,
            server_factory=lambda: _Login(self.user, self.client_key.export_public_key()),
            server_host_keys=[
                self.other_host_keypair if self.faults.other_host_key else self.host_keypair,
                *self.more_host_keypairs,
            ],
            sftp_factory=lambda channel: self._files(channel, self),
            config=None,
            allow_scp=False,
        )
        try:
            await connection.wait_closed()
        finally:
            connection.abort()


class _Login(asyncssh.SSHServer):
    def __init__(self, user: str, key: bytes) -> None:
        self._user, self._key = user, asyncssh.import_public_key(key)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == self._user and key == self._key


class Files(asyncssh.SFTPServer):
    """The files of one connection. The methods are requests of the protocol, as asyncssh names them."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], partner: AsyncsshPartner) -> None:
        super().__init__(channel, chroot=str(partner.root).encode())
        self._faults = partner.faults
        for request in partner.denied:
            setattr(self, request.replace("-", "_"), _denied(request))

    async def write(self, file_obj: Any, offset: int, data: bytes) -> int:
        try:
            while self._faults.frozen:
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            self.close(file_obj)
            raise
        full_after = self._faults.full_after
        if full_after is not None and offset + len(data) > full_after:
            raise asyncssh.SFTPNoSpaceOnFilesystem("no space left")
        written = super().write(file_obj, offset, data)
        assert isinstance(written, int)  # the base writes to this machine's files at once
        return written


def _denied(request: str) -> Callable[..., None]:
    def refuse(*_: Any) -> None:
        # These are extensions of the protocol, which are unknown to a server that does not have them.
        if request in ("posix-rename", "fsync"):
            raise asyncssh.SFTPOpUnsupported(f"no {request}")
        raise asyncssh.SFTPPermissionDenied(f"{request} is denied")

    return refuse
