"""A way to the emulated AWS on which a process dies between two effects: one is done, unheard of."""

from __future__ import annotations

import subprocess
import threading
from http.server import BaseHTTPRequestHandler

from local.aws.relay import Relay

_PATIENCE = 60
_REST = {"ChangeResourceRecordSets": ("POST", "/rrset")}


class CrashPoint(Relay):
    """Passes requests on, until the first one whose operation is `operation`: after that the process dies.

    Operations are known by `X-Amz-Target`, and those of Route 53 by method and path.
    """

    def __init__(self, endpoint: str, operation: str) -> None:
        super().__init__(endpoint)
        self._operation = operation
        self._victim: subprocess.Popen[str] | None = None
        self._armed = threading.Event()
        self.fell = False

    def __enter__(self) -> CrashPoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def arm(self, victim: subprocess.Popen[str]) -> None:
        """Say which process dies."""
        self._victim = victim
        self._armed.set()

    def hears(self, request: BaseHTTPRequestHandler) -> bool:
        """Kill the process when the operation is done."""
        if not self._is_it(request):
            return True
        self._armed.wait(_PATIENCE)
        assert self._victim is not None
        self._victim.kill()
        self.fell = True
        return False

    def _is_it(self, request: BaseHTTPRequestHandler) -> bool:
        method, end = _REST.get(self._operation, ("", "?"))
        named = request.headers.get("X-Amz-Target", "").endswith(f".{self._operation}")
        return named or (request.command == method and request.path.rstrip("/").endswith(end))
