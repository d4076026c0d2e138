"""Partners that run other people's SFTP servers, where the machine has them: ProFTPD, dropbear and rclone.

Each connection gets a server process of its own, which ends with it, and so with this process.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from local.sftp.partners import Partner

_BLOCK = 256 * 1024
_SYSTEM = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin"


def program(name: str) -> str | None:
    """Return the path of a server's program, None if this machine does not have it."""
    return shutil.which(name) or shutil.which(name, path=_SYSTEM)


class RealPartner(Partner):
    """A partner with a server process for each connection; the files are those below its folder.

    The server's program is `program`, `command` returns its arguments, and its standard input is the
    connection, as inetd does it.
    """

    program: str

    def __init__(self, **settings: Any) -> None:
        super().__init__(user=pwd.getpwuid(os.getuid()).pw_name, **settings)
        self.host_key_file = self.root / "host_key"
        self.host_keypair.write_private_key(str(self.host_key_file), "pkcs1-pem")
        self.host_key_file.chmod(0o600)

    @classmethod
    def missing(cls) -> str | None:
        """Return why there can be no such partner on this machine, None if there can."""
        return None if program(cls.program) else f"no {cls.program} on this machine"

    @property
    def directory(self) -> str:
        return str(self.inbox)

    def log(self) -> str:
        """Return what the server has logged, all connections together."""
        return (self.root / "server.log").read_text(errors="replace")

    def command(self) -> Sequence[object]:
        raise AssertionError("a server of inetd has a command")

    def environment(self) -> dict[str, str]:
        return {}

    async def begin(self, log: Any) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Start the server of a connection; return the client's end of the connection, and the process."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            near = socket.create_connection(listener.getsockname())
            far, _ = listener.accept()
        with far:
            return near, self.popen(self.command(), log, stdin=far, stdout=far)

    def popen(self, command: Iterable[object], log: Any, **streams: Any) -> subprocess.Popen[bytes]:
        words = [program(self.program) or "", *(str(word) for word in command)]
        return subprocess.Popen(words, env=os.environ | self.environment(), stderr=log, **streams)

    async def _serve(self, sock: socket.socket) -> None:
        with sock, (self.root / "server.log").open("ab") as log:
            near, process = await self.begin(log)
            try:
                with near:
                    for each in (sock, near):
                        each.setblocking(False)
                    ways = [asyncio.create_task(_pump(sock, near)), asyncio.create_task(_pump(near, sock))]
                    try:
                        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        for way in ways:
                            way.cancel()
                        await asyncio.gather(*ways, return_exceptions=True)
            finally:
                process.kill()
                process.wait()


async def _pump(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while data := await loop.sock_recv(source, _BLOCK):
            await loop.sock_sendall(sink, data)


class ProftpdPartner(RealPartner):
    """ProFTPD with mod_sftp; `directives` are further lines of its configuration."""

    program = "proftpd"
    MODULE = Path("/usr/lib/proftpd/mod_sftp.so")

    def __init__(self, *, directives: str = "", **settings: Any) -> None:
        super().__init__(**settings)
        self._uid, self._gid = os.getuid(), os.getgid()
        files = {
            "users": f"{self.user}:x:{self._uid}:{self._gid}::{self.root}:/bin/sh\n",
            "groups": f"partner:x:{self._gid}:\n",
            "keys": self.client_key.export_public_key("rfc4716").decode(),
            "conf": self._configuration() + directives,
        }
        for name, text in files.items():
            (self.root / name).write_text(text)
            (self.root / name).chmod(0o600)

    @classmethod
    def missing(cls) -> str | None:
        return super().missing() or (None if cls.MODULE.exists() else "ProFTPD has no mod_sftp here")

    def command(self) -> Sequence[object]:
        return ("-n", "-c", self.root / "conf")

    def _configuration(self) -> str:
        return f"""
            LoadModule mod_sftp.c
            ServerType inetd
            User {self.user}
            Group {grp.getgrgid(self._gid).gr_name}
            RootLogin on
            UseReverseDNS off
            AuthOrder mod_auth_file.c
            AuthUserFile {self.root / "users"}
            AuthGroupFile {self.root / "groups"}
            RequireValidShell off
            UseFtpUsers off
            WtmpLog off
            ScoreboardFile none
            DelayEngine off
            AllowOverwrite on
            SFTPEngine on
            SFTPLog {self.root / "server.log"}
            SFTPHostKey {self.host_key_file}
            SFTPAuthMethods publickey
            SFTPAuthorizedUserKeys file:{self.root / "keys"}
        """.replace("            ", "")


class DropbearPartner(RealPartner):
    """dropbear with the `sftp-server` of OpenSSH, which it starts as its subsystem."""

    program = "dropbear"
    #: dropbear looks for keys in the account's home folder, and nowhere else, so the account gets another.
    ACCOUNTS = "libnss_wrapper.so"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        (self.root / ".ssh").mkdir(mode=0o700)
        (self.root / ".ssh" / "authorized_keys").write_bytes(self.client_key.export_public_key())
        (self.root / ".ssh" / "authorized_keys").chmod(0o600)
        self._own_key_file = self.root / "dropbear_key"
        convert = [program("dropbearconvert") or "", "openssh", "dropbear"]
        subprocess.run([*convert, self.host_key_file, self._own_key_file], check=True, capture_output=True)
        account = f"{self.user}:x:{os.getuid()}:{os.getgid()}::{self.root}:/bin/sh\n"
        (self.root / "passwd").write_text(account)
        (self.root / "group").write_text(f"partner:x:{os.getgid()}:\n")

    @classmethod
    def missing(cls) -> str | None:
        missing = super().missing()
        found = any(Path("/usr/lib").glob(f"*/{cls.ACCOUNTS}")) or Path(f"/usr/lib64/{cls.ACCOUNTS}").exists()
        return missing or (None if found else f"dropbear needs an account of ours here: no {cls.ACCOUNTS}")

    def command(self) -> Sequence[object]:
        return ("-i", "-r", self._own_key_file, "-s")

    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": self.ACCOUNTS,
            "NSS_WRAPPER_PASSWD": str(self.root / "passwd"),
            "NSS_WRAPPER_GROUP": str(self.root / "group"),
        }


class RclonePartner(RealPartner):
    """`rclone serve sftp`; `flags` are further ones of its command line."""

    program = "rclone"

    def __init__(self, *, flags: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(**settings)
        self._flags = flags
        (self.root / "keys").write_bytes(self.client_key.export_public_key())

    @property
    def directory(self) -> str:
        return "/inbox"

    async def begin(self, log: Any) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        where = ("serve", "sftp", self.root, "--addr", f"127.0.0.1:{port}", "--user", self.user)
        keys = ("--key", self.host_key_file, "--authorized-keys", self.root / "keys")
        process = self.popen((*where, *keys, "--config", self.root / "none", *self._flags), log)
        while process.poll() is None:
            with suppress(ConnectionRefusedError):
                return socket.create_connection(("127.0.0.1", port)), process
            await asyncio.sleep(0.02)
        raise RuntimeError(self.log())
