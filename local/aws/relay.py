"""A relay in front of the emulated AWS that can stop requests and lose their answers."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_PATIENCE = 60
_OF_THE_HOP = {"connection", "content-length", "transfer-encoding", "host", "expect", "date", "server"}


class Relay:
    """Passes requests on to an endpoint, each in a thread, until it is stopped."""

    def __init__(self, endpoint: str) -> None:
        self._to = urlsplit(endpoint).netloc
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                relay._pass_on(self)

            do_DELETE = do_GET = do_HEAD = do_PUT = do_POST

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Accept no more requests."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The URL to give to a client as the endpoint of AWS."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def stops(self, request: BaseHTTPRequestHandler) -> bool:
        """Return whether a request is not passed on, because it was answered here or its connection ends."""
        return False

    def hears(self, request: BaseHTTPRequestHandler) -> bool:
        """Return whether the client gets the answer to a request that was carried out."""
        return True

    def _pass_on(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        if self.stops(request):
            return
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _OF_THE_HOP}
        connection = http.client.HTTPConnection(self._to, timeout=_PATIENCE)
        try:
            connection.request(request.command, request.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (http.client.HTTPException, OSError):
            request.close_connection = True  # the region is down
            return
        finally:
            connection.close()
        if not self.hears(request):
            request.close_connection = True
            return
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_THE_HOP:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
