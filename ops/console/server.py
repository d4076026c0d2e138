"""The server of the console: on loopback, with a thread for each connection, until Ctrl-C."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from ops.plan import RefusedError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

#: The address that is bound: no other machine reaches it.
LOOPBACK = "127.0.0.1"


class _Handler(WSGIRequestHandler):
    """Names no software and logs no requests: their addresses contain names of files."""

    server_version, sys_version = "console", ""
    timeout = 60  # an idle connection is closed

    def log(self, type: str, message: str, *args: object) -> None:
        """Log nothing."""


def listen(app: WSGIApplication, port: int) -> BaseWSGIServer:
    """Return a server that listens on a port, or on any free one for 0; RefusedError if it is taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((LOOPBACK, port))
            bound.listen(64)
        except OSError as error:
            raise RefusedError(
                f"port {port} of {LOOPBACK} cannot be used: {error.strerror}; name another with --port"
            ) from error
        return make_server(
            LOOPBACK, bound.getsockname()[1], app, threaded=True, request_handler=_Handler, fd=bound.fileno()
        )


def serve(server: BaseWSGIServer) -> None:
    """Answer until Ctrl-C."""
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        return
    finally:
        server.server_close()
