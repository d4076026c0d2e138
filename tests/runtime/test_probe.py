"""The probe: real servers on loopback, and what CloudWatch then holds."""

from __future__ import annotations

import contextlib
import itertools
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator

import pytest

from local.sftp.partners import Partner
from runtime.environment import ENV_ADDRESSES, ENV_ZONE
from runtime.metric_names import METRIC_ADDRESSES, cell_dimensions, zone_dimensions
from runtime.probe import Probe
from tests.runtime.cells import NAMESPACE, Cell
from tests.runtime.test_handlers import Functions
from tests.runtime.watching import published

REGION = "us-gov-east-1"
_cells = itertools.count(700)

Serve = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server on loopback that treats each connection in one way; return its `host:port`."""
    with contextlib.ExitStack() as servers:

        def start(greet: Callable[[socket.socket], None]) -> str:
            class Handler(socketserver.BaseRequestHandler):
                def handle(self) -> None:
                    with contextlib.suppress(OSError):
                        greet(self.request)

            server = servers.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            servers.callback(server.shutdown)
            host, port = server.server_address
            return f"{host}:{port}"

        yield start


def until_closed(connection: socket.socket) -> None:
    while connection.recv(1024):
        pass


def ssh(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-AWS_SFTP_1.1\r\n")
    until_closed(connection)


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield "{}:{}".format(*bound.getsockname())


def probe(aws, *addresses: str, patience: float = 5.0) -> tuple[dict[str, str], float]:
    """Probe as a cell of its own; return the silent addresses, and the one value that was published."""
    cell = str(next(_cells))
    silent = Probe(
        addresses=addresses,
        namespace=NAMESPACE,
        cell=cell,
        zone="b",
        metrics=aws.client("cloudwatch", REGION),
        patience=patience,
    ).publish()
    found = published(aws, REGION, cell_dimensions(NAMESPACE, cell))
    assert list(found) == [METRIC_ADDRESSES]
    assert published(aws, REGION, zone_dimensions(NAMESPACE, cell, "b")) == found
    (value,) = found[METRIC_ADDRESSES]
    return silent, value


def test_an_ssh_server_answers(aws, partner: Partner):
    assert probe(aws, f"{partner.host}:{partner.port}") == ({}, 1)


def test_a_server_may_say_something_before_it_identifies_itself(aws, serve: Serve):
    """RFC 4253, section 4.2."""

    def talkative(connection: socket.socket) -> None:
        connection.sendall(b"authorised use only\r\n")
        ssh(connection)

    assert probe(aws, serve(talkative)) == ({}, 1)


def test_addresses_that_answer_are_counted_and_the_others_are_named(aws, serve: Serve, nobody: str):
    silent, value = probe(aws, serve(ssh), nobody, serve(ssh))
    assert value == 2
    assert list(silent) == [nobody]
    assert "ConnectionRefusedError" in silent[nobody]


def test_when_none_answers_zero_is_published(aws, nobody: str):
    assert probe(aws, nobody, nobody)[1] == 0  # on one machine all addresses are one


@pytest.mark.parametrize(
    ("greet", "reason"),
    [
        (until_closed, "within 0.3 s"),
        (lambda connection: None, "closed before"),
        (lambda connection: connection.sendall(b"220 ftp\r\n" * 60), "no SSH identification in the first 50"),
        (lambda connection: connection.sendall(b"x" * 200_000), "ValueError"),
    ],
    ids=["silent", "closes", "another protocol", "no lines"],
)
def test_an_open_port_alone_is_no_answer(aws, serve: Serve, greet, reason: str):
    address = serve(greet)
    silent, value = probe(aws, address, patience=0.3)
    assert value == 0
    assert reason in silent[address]


def test_all_addresses_are_asked_at_once(aws, serve: Serve):
    """No server answers until all have been asked."""
    all_asked = threading.Barrier(3)

    def patient(connection: socket.socket) -> None:
        all_asked.wait(10)
        ssh(connection)

    assert probe(aws, *(serve(patient) for _ in range(3))) == ({}, 3)


class Observers(Functions):
    """The functions that monitor a cell, each with its environment and nothing more."""

    addresses = ""

    def _environment(self, function: str) -> dict[str, str]:
        return super()._environment(function) | {ENV_ADDRESSES: self.addresses, ENV_ZONE: "a"}


def test_the_function_asks_the_addresses_of_its_environment(
    west: Cell, monkeypatch: pytest.MonkeyPatch, serve: Serve, nobody: str
):
    with contextlib.closing(Observers(west, monkeypatch)) as functions:
        functions.addresses = f"{serve(ssh)},{nobody}"
        assert list(functions.call("probe", {})["silent"]) == [nobody]
    for dimensions in (cell_dimensions(NAMESPACE, "1"), zone_dimensions(NAMESPACE, "1", "a")):
        assert published(west.aws, west.region, dimensions)[METRIC_ADDRESSES] == [1]
