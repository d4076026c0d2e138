"""What every partner's server has and does, whatever runs it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import asyncssh

from local.sftp.partners.faults import Faults
from local.sftp.partners.gate import Gate

#: What runs a partner's server.
PartnerKind = Literal["openssh", "asyncssh"]

KEY_TYPE = "ecdsa-sha2-nistp256"

#: Requests of the protocol that a partner can be told to refuse, as OpenSSH names them.
DENIABLE = ("fsync", "mkdir", "open", "posix-rename", "read", "remove", "rename", "stat", "write")


class Partner(ABC):
    """One partner's server, with one user and one directory, between `start` and `stop`, in its own folder.

    `host_key` is the published public key, `private_key` what the platform logs in with, `directory` what the
    server calls the user's directory. `more_key_types` are types of host
    keys that it has besides; `denied` names requests that it refuses. All of these stay the same when it is
    stopped and started again; `close` removes the folder.
    """

    kind: PartnerKind

    def __init__(
        self,
        *,
        port: int = 0,
        user: str | None = None,
        key_type: str = KEY_TYPE,
        more_key_types: Iterable[str] = (),
        denied: Iterable[str] = (),
    ) -> None:
        self.denied = tuple(denied)
        if unknown := set(self.denied) - set(DENIABLE):
            raise ValueError(f"cannot deny {sorted(unknown)}; one of {DENIABLE}")
        self.user = user or pwd.getpwuid(os.getuid()).pw_name
        self.root = Path(tempfile.mkdtemp(prefix="mft-partner-"))
        self.inbox = self.root / "inbox"
        self.inbox.mkdir()
        self.client_key = asyncssh.generate_private_key(KEY_TYPE)
        self.host_keypair = asyncssh.generate_private_key(key_type)
        self.more_host_keypairs = [asyncssh.generate_private_key(other) for other in more_key_types]
        self.other_host_keypair = asyncssh.generate_private_key(key_type)
        self._gate = Gate(self._serve, port=port)
        self._opened = False

    def __enter__(self) -> Partner:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def host(self) -> str:
        """The loopback address that it answers on."""
        return self._gate.host

    @property
    def port(self) -> int:
        """The port that it answers on."""
        return self._gate.port

    @property
    def faults(self) -> Faults:
        """What goes wrong, and how to make it: see Faults."""
        return self._gate.faults

    @property
    def private_key(self) -> str:
        """The platform's client key, as OpenSSH text."""
        return self.client_key.export_private_key().decode()

    @property
    def host_key(self) -> str:
        """The published host key, as one line of OpenSSH."""
        return self.host_keypair.export_public_key().decode().strip()

    @property
    @abstractmethod
    def directory(self) -> str:
        """The user's directory, in the server's words."""

    def files(self) -> dict[str, bytes]:
        """Return every file below the directory, temporary ones included: path -> content."""
        found = {}
        for path in sorted(self.inbox.rglob("*")):
            with suppress(FileNotFoundError):
                if path.is_file():
                    found[path.relative_to(self.inbox).as_posix()] = path.read_bytes()
        return found

    def start(self) -> Partner:
        """Answer on the port: the first time on one that is then kept."""
        if self._opened:
            self._gate.refuse(False)
        else:
            self._gate.open()
            self._opened = True
        return self

    def stop(self) -> None:
        """Refuse connections and cut those that are open. Files and keys stay."""
        self._gate.refuse(True)
        self._gate.cut()

    def restart(self) -> None:
        """Cut all connections and take new ones: what a client sees of a server that was started again."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop for good, and remove the folder. Safe to call twice."""
        self._gate.close()
        shutil.rmtree(self.root, ignore_errors=True)

    @abstractmethod
    async def _serve(self, sock: socket.socket) -> None:
        """Serve one connection until it ends, and close its socket."""
