"""Host keys that SSH servers serve, servers that do not speak SSH, and the comparison of two cells' keys."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import asyncssh
import pytest

from ops.health import endpoints, served_keys
from ops.health.served_keys import Served, served
from runtime.contract import EAST, REGION_OF, WEST
from tests.ops.twins import SshServers

EASTERN, WESTERN = REGION_OF[EAST], REGION_OF[WEST]


def test_every_type_of_key_that_a_server_has_is_found():
    types = ("ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-ed25519")
    keys = {type: asyncssh.generate_private_key(type) for type in types}
    servers = SshServers()
    try:
        servers.serve("127.0.0.2", [key.export_private_key().decode() for key in keys.values()])
        servers.serve("127.0.0.3", [keys["ssh-ed25519"].export_private_key().decode()])
        found = {each.address: each for each in served(["127.0.0.2", "127.0.0.3"], servers.port)}
    finally:
        servers.close()
    assert found["127.0.0.2"].keys == {type: key.get_fingerprint() for type, key in keys.items()}
    assert found["127.0.0.3"].keys == {"ssh-ed25519": keys["ssh-ed25519"].get_fingerprint()}
    assert not any(each.problem for each in found.values())


@contextmanager
def answering(content: bytes | None) -> Iterator[int]:
    """Answer every connection with these bytes and close it; for None, send nothing and keep it open."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                kept.append(connection)
                if content is not None:
                    connection.sendall(content)
                    connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in kept:
            connection.close()


HELLO = b"SSH-2.0-strange\r\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the connection was closed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the connection was closed"),
        (HELLO, "0 bytes read on a total of 5 expected bytes"),
        (HELLO + b"x" * 100, "the server does not speak SSH"),
        (HELLO + struct.pack(">IB", 12, 4) + b"\x02" * 11, "does not begin with its algorithms"),
        (HELLO + struct.pack(">IB", 12, 4) + b"\x14" * 11, "unpack requires a buffer of 4 bytes"),
        (None, "no answer within 0 s"),
    ],
)
def test_a_server_that_does_not_speak_ssh_is_a_problem(content, problem, monkeypatch):
    monkeypatch.setattr(served_keys, "_PATIENCE", 0.3 if content is None else 60)
    with answering(content) as port:
        (found,) = served(["127.0.0.1"], port)
    assert found.keys == {}
    assert found.problem.startswith(f"port {port}: ")
    assert problem in found.problem


RSA, EC, OTHER = ({"ssh-rsa": "SHA256:a"}, {"ecdsa-sha2-nistp256": "SHA256:b"}, {"ssh-rsa": "SHA256:c"})


def compared(at_east: list[Served], at_west: list[Served], **kept: dict[str, str]) -> list[str]:
    return [
        each.line.partition(";")[0] for each in endpoints.differences({EAST: at_east, WEST: at_west}, kept)
    ]


def test_addresses_of_one_region_are_compared_too():
    one, two = (Served(address=address, keys=RSA) for address in ("192.0.2.1", "192.0.2.2"))
    odd = Served(address="192.0.2.3", keys=OTHER)
    assert compared([one, two], [one]) == []
    assert compared([one, two, odd], [one]) == [
        f"{EASTERN} at 192.0.2.1 and {EASTERN} at 192.0.2.3: the ssh-rsa host keys differ:"
        " SHA256:a and SHA256:c"
    ]


def test_host_keys_reported_by_aws_stand_in_for_a_region_that_cannot_be_reached():
    silent, well = Served(address="192.0.2.9", problem="port 22: refused"), Served(address="a", keys=RSA)
    first = f"{EASTERN}: the SFTP endpoint serves no host key at 192.0.2.9, port 22: refused"
    assert compared([silent], [well], east=RSA, west=RSA) == [first]
    assert compared([silent], [well], east=OTHER, west=RSA) == [
        first,
        f"{EASTERN} and {WESTERN}: the ssh-rsa host keys differ: SHA256:c and SHA256:a",
    ]
    assert compared([silent], [well]) == [first], "nothing is known of East's"


def test_the_oldest_key_of_a_type_is_the_one_that_is_served():
    def key(type: str, fingerprint: str, day: int) -> dict:
        at = datetime(2026, 1, day, tzinfo=UTC)
        return {"Type": type, "Fingerprint": fingerprint, "DateImported": at}

    kept = endpoints.by_type(
        [
            key("ssh-rsa", "SHA256:new=", 2),
            key("ssh-rsa", "SHA256:old=", 1),
            key("ssh-ed25519", "SHA256:x", 1),
        ]
    )
    assert kept == {"ssh-rsa": "SHA256:old"}, "and FIPS policies serve no Ed25519 key"
