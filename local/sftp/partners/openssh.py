"""A partner's server that runs OpenSSH."""

from __future__ import annotations

import asyncio
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from local import leftovers
from local.sftp.partners.privsep import PrivilegeSeparation
from local.sftp.partners.server import DENIABLE, Partner

_STOP_WITHIN = 3.0

#: Requests that deliveries do not need, or not from every server.
BESIDES = ("close", "fsetstat", "fstat", "limits", "lstat", "opendir", "readdir", "realpath", "setstat")


class OpenSshPartner(Partner):
    """A partner with OpenSSH's server: one `sshd -i` per connection, run as the current user.

    Each `sshd` ends with its connection, and so with this process, even if this process is killed.
    """

    kind = "openssh"
    #: What `sftp-server -P` takes since OpenSSH 9.2: `sftp-server -Q requests` lists it.
    deniable = (*DENIABLE, *BESIDES)

    def __init__(self, **settings: Any) -> None:
        if why := openssh_missing():
            raise RuntimeError(why)
        super().__init__(user=pwd.getpwuid(os.getuid()).pw_name, **settings)
        self._separation = PrivilegeSeparation() if os.getuid() == 0 else None
        more = [(f"more_key_{n}", key) for n, key in enumerate(self.more_host_keypairs)]
        for name, key in (("host_key", self.host_keypair), ("other_key", self.other_host_keypair), *more):
            key.write_private_key(str(self.root / name))
            (self.root / name).chmod(0o600)
        besides = [self.root / name for name, _ in more]
        for name in ("host_key", "other_key"):
            (self.root / f"{name}.conf").write_text(self._configuration([self.root / name, *besides]))
        (self.root / "authorized_keys").write_bytes(self.client_key.export_public_key())

    @property
    def directory(self) -> str:
        return str(self.inbox)

    def log(self) -> str:
        """Return what sshd has logged, all connections together, at DEBUG1."""
        return (self.root / "sshd.log").read_text(errors="replace")

    def _configuration(self, host_keys: list[Path]) -> str:
        sftp = f"internal-sftp -d {self.inbox}"
        if self.denied:
            sftp += f" -P {','.join(self.denied)}"
        settings = {
            "AuthorizedKeysFile": self.root / "authorized_keys",
            "AllowUsers": self.user,
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "StrictModes": "no",
            "UsePAM": "no",
            "UseDNS": "no",
            "PidFile": "none",
            "PrintMotd": "no",
            "PermitUserRC": "no",
            "DisableForwarding": "yes",
            "LogLevel": "DEBUG1",
            "Subsystem": "sftp internal-sftp",
            "ForceCommand": sftp,
        }
        lines = [("HostKey", key) for key in host_keys] + list(settings.items())
        return "".join(f"{name} {value}\n" for name, value in lines)

    async def _serve(self, sock: socket.socket) -> None:
        name = "other_key" if self.faults.other_host_key else "host_key"
        with sock, (self.root / "sshd.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - a fixed command of ours
                [_sshd() or "", "-i", "-e", "-f", str(self.root / f"{name}.conf")],
                stdin=sock.fileno(),
                stdout=sock.fileno(),
                stderr=log,
                start_new_session=True,
                # Python ignores SIGXFSZ, and sshd inherits that: a write that is too long fails, but kills
                # nothing.
                restore_signals=False,
            )
        leftovers.note_group(process.pid)
        try:
            if self.faults.full_after is not None:
                # Not a full disk, but the same answer to the client: the write fails.
                _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (self.faults.full_after, hard))
            while process.poll() is None:
                await asyncio.sleep(0.02)
        finally:
            _end(process)

    def close(self) -> None:
        super().close()
        if self._separation:
            self._separation.release()


def openssh_missing() -> str | None:
    """Return why there can be no OpenSshPartner on this machine, None if there can."""
    if _sshd() is None:
        return "no OpenSSH server (sshd) on this machine"
    try:
        pwd.getpwuid(os.getuid())
        if os.getuid() == 0:
            pwd.getpwnam("sshd")
    except KeyError as missing:
        return f"OpenSSH's server needs an account that does not exist: {missing}"
    return None


def _sshd() -> str | None:
    # It is rarely on an ordinary user's path, and starts only by an absolute path.
    return shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a server and the processes that it started, by force if necessary, and wait for it."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_WITHIN)
            leftovers.forget_group(process.pid)
            return
