"""Starts Lambda workers as forks of a process that has already imported their large dependencies.

A worker with a fresh interpreter takes most of a second on a small machine to import boto3 and asyncssh, and
a drill starts dozens of workers.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any

from local.aws.ministack.forkserver import MESSAGE
from local.aws.ministack.patching import Module, after

_SERVER = Path(__file__).with_name("forkserver.py")


class Fork:
    """A forked worker, with the part of `subprocess.Popen` that its owner uses. Its exit code is unknown."""

    def __init__(self, process: int, files: tuple[int, int, int]) -> None:
        self._process = process
        self.stdin = os.fdopen(files[0], "w", buffering=1)
        self.stdout, self.stderr = (os.fdopen(file) for file in files[1:])
        weakref.finalize(self, os.close, process)

    def poll(self) -> int | None:
        """Return None while the worker runs, then 0."""
        return self._ended(0)

    def wait(self, timeout: float) -> int:
        """Wait until the worker has ended; subprocess.TimeoutExpired after `timeout` seconds."""
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired("a Lambda worker", timeout)
        return 0

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _ended(self, within: float) -> int | None:
        poll = select.poll()
        poll.register(self._process, select.POLLIN)
        return 0 if poll.poll(within * 1000) else None

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, number)


class ForkServer:
    """The process that the workers of one code bundle are forked from."""

    def __init__(self, code: Path) -> None:
        self._lock = threading.Lock()
        self._socket, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-P", str(_SERVER), str(code), str(its.fileno())]
        with its:
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, pass_fds=[its.fileno()]
            )

    def start(self, script: str, *, folder: str, environment: dict[str, str]) -> Fork:
        """Start a worker that runs `script`."""
        message = json.dumps({"script": script, "folder": folder, "environment": environment}).encode()
        (its_in, stdin), (stdout, its_out), (stderr, its_err) = os.pipe(), os.pipe(), os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._socket, [message], [its_in, its_out, its_err])
                _, processes, _, _ = socket.recv_fds(self._socket, MESSAGE, 1)
        finally:
            for file in (its_in, its_out, its_err):
                os.close(file)
        if not processes:
            raise RuntimeError("the fork server of the Lambda workers has ended; see the emulator's log")
        return Fork(processes[0], (stdin, stdout, stderr))

    def end(self) -> None:
        """Kill the process and wait for it."""
        self._process.kill()
        self._process.wait()


_servers: dict[str, ForkServer] = {}
_lock = threading.Lock()


def end_servers() -> None:
    """Stop all fork servers, whose workers must have ended before."""
    for server in _servers.values():
        server.end()


@after("core.lambda_runtime")
def _forked(runtime: Module) -> None:
    def started(command: list[str], *, cwd: str, env: dict[str, str], **how: Any) -> Any:
        """Start a worker as `subprocess.Popen` would, but from a fork server if its code contains boto3."""
        if not (Path(cwd) / "boto3").is_dir() or not hasattr(os, "pidfd_open"):
            return subprocess.Popen(command, cwd=cwd, env=env, **how)  # noqa: S603 - as it was
        with _lock:
            if cwd not in _servers:
                _servers[cwd] = ForkServer(Path(cwd))
        return _servers[cwd].start(command[1], folder=cwd, environment=env)

    runtime._mft_started = started
