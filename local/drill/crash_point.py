"""A relay to the emulated AWS that kills a process between two effects: one is done, its answer lost."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler

from local.aws.relay import Relay

_PATIENCE = 60
_REST = {"ChangeResourceRecordSets": ("POST", "/rrset")}


class CrashPoint(Relay):
    """Passes requests on until the first call of `operation`: when that is done, the process is killed.

    Operations are recognised by `X-Amz-Target`, and those of Route 53 by method and path. `killed` says
    whether it came to that.
    """

    def __init__(self, endpoint: str, operation: str) -> None:
        super().__init__(endpoint)
        self._operation = operation
        self._victim: subprocess.Popen[str] | None = None
        self._armed = threading.Event()
        self.killed = False

    def __enter__(self) -> CrashPoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def arm(self, victim: subprocess.Popen[str]) -> None:
        """Set the process to kill."""
        self._victim = victim
        self._armed.set()

    def hears(self, request: BaseHTTPRequestHandler) -> bool:
        """Kill the process if the operation is the one; its answer is then lost."""
        if not self._is_it(request):
            return True
        self._armed.wait(_PATIENCE)
        assert self._victim is not None
        self._victim.kill()
        self.killed = True
        return False

    def _is_it(self, request: BaseHTTPRequestHandler) -> bool:
        method, end = _REST.get(self._operation, ("", "?"))
        named = request.headers.get("X-Amz-Target", "").endswith(f".{self._operation}")
        return named or (request.command == method and request.path.rstrip("/").endswith(end))
