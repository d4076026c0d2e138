"""What of AWS is on this machine: where the cells' SFTP endpoints listen, and the endpoint of the others."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator, Mapping

from runtime.contract import EAST, WEST

#: Where each cell's endpoint listens. DNS carries no port, so the cells differ in address.
ADDRESSES = {WEST: "127.0.0.2", EAST: "127.0.0.3"}
#: The same for a second cell of each region.
NEIGHBOURS = {WEST: "127.0.0.4", EAST: "127.0.0.5"}
_ENDPOINT = "AWS_ENDPOINT_URL"
SIDE_AT = {address: side for cell in (ADDRESSES, NEIGHBOURS) for side, address in cell.items()}


class LoopbackError(RuntimeError):
    """The endpoints have nowhere to listen; the message says what to do."""


def free_port(wanted: int, addresses: Mapping[str, str] = ADDRESSES) -> int:
    """Return a port that is free at both addresses of a cell number: the wanted one, or any for 0.

    Raises LoopbackError when the wanted port is in use, or when an address does not exist.
    """
    for _ in range(100):
        with contextlib.ExitStack() as probes:
            port = wanted
            try:
                for address in addresses.values():
                    probe = probes.enter_context(socket.socket())
                    probe.bind((address, port))
                    port = probe.getsockname()[1]
                return port
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise LoopbackError(
                        f"the loopback address {address} does not exist; on macOS run: "
                        f"sudo ifconfig lo0 alias {address}"
                    ) from error
                if wanted:
                    raise LoopbackError(
                        f"port {wanted} of {address} cannot be used ({error.strerror}); "
                        "choose another with --sftp-port, or leave it out for a free one"
                    ) from error
    raise LoopbackError("no port is free at both cells' loopback addresses; stop some servers and try again")


@contextlib.contextmanager
def endpoint_in_environment(endpoint: str) -> Iterator[None]:
    """Let code of this process find the emulated AWS as a command would that is given AWS_ENDPOINT_URL."""
    before = os.environ.get(_ENDPOINT)
    os.environ[_ENDPOINT] = endpoint
    try:
        yield
    finally:
        if before is None:
            del os.environ[_ENDPOINT]
        else:
            os.environ[_ENDPOINT] = before
