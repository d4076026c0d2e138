"""What all partners' servers have in common."""

from __future__ import annotations

import os
import pwd
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from typing import Literal

import asyncssh

from local import leftovers
from local.sftp.partners.faults import Faults
from local.sftp.partners.gate import Gate

#: What runs a partner's server.
PartnerKind = Literal["openssh", "asyncssh"]

KEY_TYPE = "ecdsa-sha2-nistp256"

#: Requests of the protocol that a partner can refuse, by OpenSSH's names.
DENIABLE = ("fsync", "mkdir", "open", "posix-rename", "read", "remove", "rename", "stat", "write")


class Partner(ABC):
    """A partner's server in its own folder, with one user and one directory; it runs from `start` to `stop`.

    `host_key` is the published public key, `private_key` is what the platform logs in with, and `directory`
    is the path of the user's directory on the server. `more_key_types` are the types of further host keys,
    and `denied` names requests that the server refuses. All of these stay the same when the server is stopped
    and started again; `close` removes the folder.
    """

    kind: PartnerKind
    deniable: tuple[str, ...] = DENIABLE

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
        if unknown := set(self.denied) - set(self.deniable):
            raise ValueError(f"cannot deny {sorted(unknown)}; only {', '.join(self.deniable)} can be denied")
        self.user = user or pwd.getpwuid(os.getuid()).pw_name
        self.root = leftovers.folder()
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
        """The loopback address that the server listens on."""
        return self._gate.host

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self._gate.port

    @property
    def faults(self) -> Faults:
        """The faults of the server and of its network; see Faults."""
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
        """The path of the user's directory on the server."""

    def files(self) -> dict[str, bytes]:
        """Return the content of every file below the directory, temporary ones included, by path."""
        found = {}
        for path in sorted(self.inbox.rglob("*")):
            with suppress(FileNotFoundError):
                if path.is_file():
                    found[path.relative_to(self.inbox).as_posix()] = path.read_bytes()
        return found

    def start(self) -> Partner:
        """Accept connections; the port of the first time is kept."""
        if self._opened:
            self._gate.refuse(False)
        else:
            self._gate.open()
            self._opened = True
        return self

    def stop(self) -> None:
        """Refuse connections and cut the open ones. Files and keys stay."""
        self._gate.refuse(True)
        self._gate.cut()

    def restart(self) -> None:
        """Cut all connections and accept new ones, as a server does that is restarted."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop for good, and remove the folder. Safe to call twice."""
        self._gate.close()
        leftovers.remove(self.root)

    @abstractmethod
    async def _serve(self, sock: socket.socket) -> None:
        """Serve one connection until it ends, and close its socket."""
