"""A process that dies between two effects: the first is done without an answer, the second is not done."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local.aws.relay import Relay
from local.drill.crash_point import CrashPoint

#: Asks for one operation after the other, and prints each one that was answered.
CALLER = """
import sys, urllib.request
for name in sys.argv[2:]:
    method, _, path = name.rpartition(" ")
    if method:
        request = urllib.request.Request(sys.argv[1] + path, b"" if method == "POST" else None)
    else:
        request = urllib.request.Request(sys.argv[1], b"{}", {"X-Amz-Target": f"Service.{name}"})
    print(urllib.request.urlopen(request).read().decode(), name, flush=True)
"""

LIST, CHANGE = "GET /zone/rrset", "POST /zone/rrset"


@pytest.fixture
def done() -> list[str]:
    return []


@pytest.fixture
def endpoint(done: list[str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            target = self.headers.get("X-Amz-Target", f".{self.command} {self.path}")
            done.append(target.partition(".")[2])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def call(wire: CrashPoint, *operations: str) -> tuple[int, str]:
    command = [sys.executable, "-c", CALLER, wire.url, *operations]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wire.arm(process)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


@pytest.mark.parametrize(
    ("operation", "asked"), [("PutParameter", "PutParameter"), ("ChangeResourceRecordSets", CHANGE)]
)
def test_the_process_dies_when_the_operation_is_done(
    endpoint: str, done: list[str], operation: str, asked: str
) -> None:
    with CrashPoint(endpoint, operation) as wire:
        status, out = call(wire, LIST, asked, "PutMetricData")
    assert (status, out) == (-9, f"ok {LIST}\n")
    assert done == [LIST, asked]
    assert wire.killed


def test_a_process_that_does_something_else_lives(endpoint: str, done: list[str]) -> None:
    with CrashPoint(endpoint, "PutParameter") as wire:
        assert call(wire, "GetParameter", "PutMetricData") == (0, "ok GetParameter\nok PutMetricData\n")
    assert not wire.killed


@pytest.mark.parametrize("is_heard", [True, False])
def test_an_answer_that_is_lost_does_not_reach_the_client(
    endpoint: str, done: list[str], is_heard: bool
) -> None:
    class Between(Relay):
        def hears(self, request: BaseHTTPRequestHandler) -> bool:
            return is_heard

    relay = Between(endpoint)
    try:
        connection = http.client.HTTPConnection(relay.url.removeprefix("http://"), timeout=60)
        connection.request("POST", "/zone/rrset", b"")
        if is_heard:
            assert connection.getresponse().read() == b"ok"
        else:
            with pytest.raises(http.client.RemoteDisconnected):
                connection.getresponse()
        connection.close()
    finally:
        relay.stop()
    assert done == [CHANGE], "it was carried out"
