"""Where deliveries are measured: OpenSSH's server on loopback, the tools that people use, and files."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from botocore.response import StreamingBody

from local.sftp.partners import OpenSshPartner
from runtime.delivery import Source
from runtime.delivery.target import SftpTarget

MB = 1_000_000


class LoopbackServer(OpenSshPartner):
    """OpenSSH's server with a port of its own, so that nothing of ours is between it and the client."""

    def __init__(self) -> None:
        super().__init__()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.own_port = free.getsockname()[1]
        # sshd takes the first of several values. Both ends log little, and no connection is refused.
        first = {"Port": self.own_port, "ListenAddress": "127.0.0.1", "LogLevel": "ERROR", "MaxStartups": 500}
        lines = "".join(f"{name} {value}\n" for name, value in first.items())
        configuration = self.root / "listening.conf"
        configuration.write_text(lines + (self.root / "host_key.conf").read_text())
        self.key = self.root / "client_key"
        self.client_key.write_private_key(str(self.key))
        self.key.chmod(0o600)
        self._process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", str(configuration)], stderr=subprocess.DEVNULL
        )
        _wait_for(self.own_port)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        super().close()

    def target(self, port: int, **instead: Any) -> SftpTarget:
        """Return the server as a destination, by way of `port`."""
        usual = {
            "host": "127.0.0.1",
            "user": self.user,
            "host_key": self.host_key,
            "directory": self.directory,
        }
        return SftpTarget(port=port, **usual | instead)

    def empty(self) -> None:
        """Remove what was delivered."""
        for path in self.inbox.rglob("*"):
            if path.is_file():
                path.unlink()

    def sftp(self, port: int, batch: str) -> None:
        """Run OpenSSH's `sftp` with a batch of commands."""
        options = [f"IdentityFile={self.key}", "IdentitiesOnly=yes", "StrictHostKeyChecking=no"]
        options += ["UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "Compression=no"]
        command = ["sftp", "-F", "/dev/null", "-c", "aes128-gcm@openssh.com", "-P", str(port), "-b", "-"]
        command += [part for option in options for part in ("-o", option)]
        _run([*command, f"{self.user}@127.0.0.1"], batch)

    def rclone(self, port: int, source: Path, *how: str) -> None:
        """Run `rclone copy` with the settings of its manual for speed: no hashes, no times."""
        at = {"host": "127.0.0.1", "port": port, "user": self.user, "key-file": self.key}
        command = ["rclone", "copy", str(source), f":sftp:{self.directory}", "--config", "/dev/null", *how]
        command += [part for name, value in at.items() for part in (f"--sftp-{name}", str(value))]
        _run([*command, "--sftp-disable-hashcheck", "--sftp-set-modtime=false", "--ignore-times"], "")


class FileS3:
    """The one call of S3 that a source makes, answered with a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_object(self, *, Range: str = "bytes=0-", **_: Any) -> dict[str, Any]:
        start = int(Range.removeprefix("bytes=").rstrip("-"))
        length = self._path.stat().st_size - start
        body = self._path.open("rb")
        body.seek(start)
        return {"Body": StreamingBody(body, length), "ContentLength": length}


def source_of(path: Path) -> Source:
    """Return a file as the source of a delivery."""
    return Source(s3=FileS3(path), bucket="b", key=path.name, version_id="v", size=path.stat().st_size)


def write_file(path: Path, size: int) -> Path:
    """Write `size` bytes that do not compress; return the path."""
    piece = os.urandom(MB)
    with path.open("wb") as file:
        for _ in range(size // MB):
            file.write(piece)
        file.write(piece[: size % MB])
    return path


@contextmanager
def delayed(port: int, seconds: float) -> Iterator[int]:
    """Yield a port that leads to `port`, `seconds` away in each direction."""
    command = [sys.executable, "-m", "tests.bench.relay", str(port), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout is not None
        try:
            yield int(relay.stdout.readline())
        finally:
            relay.kill()


def _run(command: list[str], text: str) -> None:
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} exited {done.returncode}: {done.stderr.strip()}")


def _wait_for(port: int) -> None:
    for _ in range(100):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError("sshd does not listen")
