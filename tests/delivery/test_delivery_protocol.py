"""The protocol of a delivery over SFTP: its algorithms, its window and its memory."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import asyncssh
import pytest

from local.sftp.partners import OpenSshPartner, Partner, openssh_missing, partner
from runtime.delivery import TransientDeliveryError
from runtime.delivery.sftp import Patience, deliver_now
from runtime.delivery.upload import WINDOW_BYTES, WINDOW_REQUESTS, upload
from tests.delivery.support import MemoryS3, destination_of, source_of

ROOT = Path(__file__).resolve().parents[2]

#: NIST SP 800-56A rev. 3, FIPS 186-5, FIPS 197 with SP 800-38A and D, FIPS 198-1. Written out, not imported.
APPROVED = {
    "kex": {
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
    },
    "host key": {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}
    | {"rsa-sha2-256", "rsa-sha2-512", "ssh-ed25519"},
    "cipher": {"aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"},
    "mac": {
        "hmac-sha2-256",
        "hmac-sha2-512",
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
    },
    "compression": {"none"},
}
#: Not algorithms: what a client says about the protocol in the same list (RFC 8308, OpenSSH PROTOCOL 1.10).
MARKERS = {"ext-info-c", "kex-strict-c-v00@openssh.com"}


def offer(host_key: str) -> dict[str, list[str]]:
    """Return what a delivery's first connection offers a server: it is sent before anything is encrypted."""
    heard: list[bytes] = []

    def listen(server: socket.socket) -> None:
        for _ in range(2):  # the second connection asks which other key there is
            connection, _ = server.accept()
            with connection, connection.makefile("rwb") as stream:
                stream.write(b"SSH-2.0-ear\r\n")
                stream.flush()
                stream.readline()
                length = int.from_bytes(stream.read(4), "big")
                heard.append(stream.read(length))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        partner = {"host": "127.0.0.1", "port": server.getsockname()[1], "user": "u", "directory": "d"}
        to = destination_of(type("P", (), partner | {"host_key": host_key})())
        key = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_private_key().decode()
        with pytest.raises(TransientDeliveryError):
            deliver_now(
                source_of(b""), to, private_key=key, name="a", attempt="1", patience=Patience(connect=5)
            )
        thread.join(5)
    packet, lists = heard[0][1 + 1 + 16 :], []  # padding length, message number, cookie
    for _ in range(8):
        length = int.from_bytes(packet[:4], "big")
        lists.append(packet[4 : 4 + length].decode().split(","))
        packet = packet[4 + length :]
    kex, host, cipher, cipher_back, mac, mac_back, compression, compression_back = lists
    assert (cipher, mac, compression) == (cipher_back, mac_back, compression_back)
    return {"kex": kex, "host key": host, "cipher": cipher, "mac": mac, "compression": compression}


@pytest.mark.parametrize("key_type", ["ecdsa-sha2-nistp256", "ssh-rsa", "ssh-ed25519"])
def test_only_approved_algorithms_are_offered(key_type: str) -> None:
    host_key = asyncssh.generate_private_key(key_type).export_public_key().decode()
    offered = offer(host_key)
    assert {what: set(names) - APPROVED[what] - MARKERS for what, names in offered.items()} == {
        what: set() for what in APPROVED
    }
    own = {"ssh-rsa": {"rsa-sha2-256", "rsa-sha2-512"}}.get(key_type, {key_type})
    assert set(offered["host key"]) == own, "only the pinned key's own type"


@pytest.mark.skipif(bool(openssh_missing()), reason=openssh_missing() or "")
def test_the_fastest_approved_algorithms_are_agreed_with_openssh() -> None:
    with OpenSshPartner() as partner:
        how = {"private_key": partner.private_key, "name": "a", "attempt": "1"}
        deliver_now(source_of(b"x"), destination_of(partner), **how)
        log = partner.log()
    assert re.search(r"kex: algorithm: ecdh-sha2-nistp256", log)
    assert re.search(r"kex: host key algorithm: ecdsa-sha2-nistp256", log)
    assert re.search(r"kex: client->server cipher: aes128-gcm@openssh.com .* compression: none", log)


# --- The window ----------------------------------------------------------------------------------


class SlowFile:
    """An open file that answers writes late and in any order; it records the most bytes in flight."""

    def __init__(self, size: int) -> None:
        self.content, self.requests, self.bytes, self.most = bytearray(size), 0, 0, (0, 0)

    async def write(self, data: bytes, offset: int) -> int:
        self.requests, self.bytes = self.requests + 1, self.bytes + len(data)
        self.most = max(self.most[0], self.requests), max(self.most[1], self.bytes)
        await asyncio.sleep(0.1 if offset % 7 else 0.05)
        self.content[offset : offset + len(data)] = data
        self.requests, self.bytes = self.requests - 1, self.bytes - len(data)
        return len(data)


@pytest.mark.parametrize("request_size", [16_384, 261_120, 8 * WINDOW_BYTES])
def test_the_window_is_used_and_bounded(request_size: int) -> None:
    content = bytes(range(256)) * 40_000
    file = SlowFile(len(content))
    sha256, size = asyncio.run(
        upload(source_of(content), file, request=request_size, place="p", patience=Patience(), path="f")  # type: ignore[arg-type]
    )
    assert (bytes(file.content), size) == (content, len(content))
    assert sha256 == source_of(content).sha256()
    requests, on_the_way = file.most
    assert requests <= WINDOW_REQUESTS
    assert 0.9 * min(WINDOW_BYTES, WINDOW_REQUESTS * request_size) < on_the_way <= WINDOW_BYTES


# --- Memory --------------------------------------------------------------------------------------

MEASURE = """
import io, resource, sys
from botocore.response import StreamingBody
from runtime.delivery import Source
from runtime.delivery.sftp import SftpTarget, deliver_now

class Zeros(io.RawIOBase):
    def __init__(self, size):
        self.left = size
    def read(self, size=-1):
        size = self.left if size is None or size < 0 else min(size, self.left)
        self.left -= size
        return bytes(size)

class S3:
    def get_object(self, **_):
        return {"Body": StreamingBody(Zeros(size), size), "ContentLength": size}

host, port, user, host_key, directory, size = sys.argv[1:]
size = int(size)
to = SftpTarget(host=host, port=int(port), user=user, host_key=host_key, directory=directory)
source = Source(s3=S3(), bucket="b", key="k", version_id="v", size=size)
deliver_now(source, to, private_key=sys.stdin.read(), name=str(size), attempt="1")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_file() -> None:
    def peak(partner: Partner, mib: int) -> int:
        to = [partner.host, str(partner.port), partner.user, partner.host_key, partner.directory]
        command = [sys.executable, "-c", MEASURE, *to, str(mib << 20)]
        measured = subprocess.run(
            command, input=partner.private_key, capture_output=True, text=True, check=True, cwd=ROOT
        )
        return int(measured.stdout)

    with partner() as started:
        small, large = peak(started, 1), peak(started, 64)
        assert (started.inbox / str(64 << 20)).stat().st_size == 64 << 20
    # A window, what the channel holds back, and a chunk or two; the whole file would be 64 more.
    assert large - small < 32, f"{small} MiB for 1 MiB, {large} MiB for 64 MiB"


# --- The source ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("start", "chunk"), [(0, 1 << 20), (0, 7), (5, 7), (99, 7), (100, 7), (200, 7)])
def test_a_source_is_read_from_any_offset_in_small_pieces(start: int, chunk: int) -> None:
    content = bytes(range(100))
    pieces = list(source_of(content).chunks(start, chunk=chunk))
    assert b"".join(pieces) == content[start:]
    assert all(0 < len(piece) <= chunk for piece in pieces)


def test_an_empty_source_is_read_too() -> None:
    requests: list[dict[str, object]] = []

    class S3(MemoryS3):
        def get_object(self, **how: object) -> dict[str, object]:  # type: ignore[override]
            requests.append(how)
            return super().get_object()

    assert list(source_of(b"", s3=S3(b"")).chunks()) == []
    assert requests == [{"Bucket": "mft-acme-west", "Key": "inbound/sftp/acme/a.bin", "VersionId": "v1"}]
