"""Starts and stops the emulated AWS, and makes clients for it.

    with Emulator() as aws:
        aws.client("s3", "us-gov-west-1").create_bucket(...)

One child process on a free loopback port serves both regions. Everything that it writes is in one directory,
which is removed when it stops. It ends when this process does, for whatever reason.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path
from typing import Any, Self

import boto3
import botocore.useragent
from botocore.config import Config

from local import interrupts, leftovers
from local.aws.ministack import SERVICES
from local.aws.ministack.controls import Controls

# Every request spells out twice which SDK it is from, in the same words.
_sanitized = cache(botocore.useragent.sanitize_user_agent_string_component)
botocore.useragent.sanitize_user_agent_string_component = _sanitized

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
ACCOUNT = "123456789012"
READY_WITHIN = 60.0
STOP_WITHIN = 2.0


class EmulatorError(RuntimeError):
    """The emulated AWS could not be started, or has ended by itself."""


class Emulator(Controls):
    """An emulated AWS of two regions, running from `start` (or `with`) to `stop`.

    `directory` must be new or empty: it belongs to the emulator, which removes it when it stops. `lambdas`
    limits how many functions run at once. `wait_scale` multiplies the waits and retry intervals of Step
    Functions: 0.01 makes a minute 0.6 s.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        port: int = 0,
        account: str = ACCOUNT,
        home_region: str = "us-gov-west-1",
        lambdas: int = 8,
        wait_scale: float = 1.0,
        log_level: str = "WARNING",
    ) -> None:
        if len(account) != 12 or not account.isdigit():
            raise EmulatorError(f"account {account!r} is not 12 digits")
        self.account = account
        self.directory = directory
        self.port = port
        self._settings = (home_region, lambdas, wait_scale, log_level)
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        self._session = boto3.session.Session(
            aws_access_key_id=account,  # the emulator takes the account from the access key
            aws_secret_access_key="local",  # noqa: S106 - signatures are not checked
            region_name=home_region,
        )

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """The URL of every service in every region."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the child process, and also of the process group of the child and its workers."""
        if self._process is None:
            raise EmulatorError("the emulated AWS is not running")
        return self._process.pid

    @property
    def log(self) -> Path:
        """The file that the child and its workers log to."""
        assert self.directory is not None
        return self.directory / "emulator.log"

    def alive(self) -> bool:
        """Return whether the child process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the child and wait until it answers; EmulatorError if it does not."""
        if self._process is not None:
            raise EmulatorError("the emulated AWS is already running")
        with _listen(self.port) as listener:
            self.port = listener.getsockname()[1]
            self._own_directory()
            try:
                self._process = self._spawn(listener)
                leftovers.note_group(self._process.pid)
                self._await_ready()
            except BaseException:
                self.stop()
                raise
        return self

    def stop(self) -> None:
        """Stop the child and its workers, and remove their directory. Safe to call twice."""
        interrupts.noticed()
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self._process is not None:
            _end_group(self._process)
            self._process = None
        if self.directory is not None:
            leftovers.remove(self.directory)

    def client(self, service: str, region: str) -> Any:
        """Return the boto3 client of `service` in `region`, one for all callers."""
        key = (service, region)
        if key not in self._clients:
            self._clients[key] = self.new_client(service, region)
        return self._clients[key]

    def new_client(self, service: str, region: str, **config: Any) -> Any:
        """Return a new client, with `config` on top of the usual botocore settings."""
        usual = Config(
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "total_max_attempts": 3},
            connect_timeout=5,
            read_timeout=70,
            max_pool_connections=32,
            inject_host_prefix=False,
        )
        config_of_this = usual.merge(Config(**config))
        with self._lock:  # threads may share a session, but not while it makes a client
            return self._session.client(
                service, region_name=region, endpoint_url=self.endpoint, config=config_of_this
            )

    def _own_directory(self) -> None:
        if self.directory is None:
            self.directory = leftovers.folder()
        elif self.directory.exists() and any(self.directory.iterdir()):
            directory, self.directory = self.directory, None
            raise EmulatorError(f"{directory} is not empty; the emulated AWS removes its directory")
        for name in ("tmp", "state", "s3", "home"):
            (self.directory / name).mkdir(parents=True)

    def _spawn(self, listener: socket.socket) -> subprocess.Popen[bytes]:
        assert self.directory is not None
        command = [sys.executable, "-m", "local.aws.ministack", "--socket", str(listener.fileno())]
        command += ["--parent", str(os.getpid()), "--directory", str(self.directory)]
        with self.log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        """Return the whole environment of the child, and so of the workers: of the user's, only paths."""
        assert self.directory is not None
        region, lambdas, wait_scale, log_level = self._settings
        kept = {
            k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")
        }
        return kept | {
            "HOME": str(self.directory / "home"),  # no ~/.aws of the user
            "TMPDIR": str(self.directory / "tmp"),
            "STATE_DIR": str(self.directory / "state"),
            "S3_DATA_DIR": str(self.directory / "s3"),
            "BIND_HOST": LOOPBACK,
            "MINISTACK_HOST": LOOPBACK,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_ACCOUNT_ID": self.account,
            "MINISTACK_REGION": region,
            "SERVICES": ",".join(SERVICES),
            "SFTP_ENABLED": "0",  # the program brings its own SFTP endpoint
            "SFTP_HOST": LOOPBACK,
            "IOT_MTLS_ENABLED": "0",
            "DOCKER_HOST": f"unix://{self.directory}/no-docker",  # it would remove the user's containers
            "LAMBDA_ACCOUNT_CONCURRENCY": str(lambdas),
            "LAMBDA_WARM_TTL_SECONDS": "60",
            "SFN_WAIT_SCALE": str(wait_scale),
            "LOG_LEVEL": log_level,
            "PYTHONUNBUFFERED": "1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    def _await_ready(self) -> None:
        give_up = time.monotonic() + READY_WITHIN
        while time.monotonic() < give_up:
            if not self.alive():
                raise EmulatorError(f"the emulated AWS ended while it started:\n{self.tail()}")
            with contextlib.suppress(urllib.error.URLError, TimeoutError, ConnectionError):
                url = f"{self.endpoint}/_ministack/health"
                with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own loopback URL
                    return
        raise EmulatorError(f"the emulated AWS did not answer within {READY_WITHIN:.0f} s:\n{self.tail()}")

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _listen(port: int) -> socket.socket:
    """Return a socket that listens on `port` of the loopback interface; 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(128)
    except OSError as problem:
        listener.close()
        raise EmulatorError(f"port {port} of {LOOPBACK} cannot be used: {problem.strerror}") from None
    return listener


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask `process` to end itself and its workers; then kill what is left of its group."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_WITHIN)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    leftovers.forget_group(process.pid)
