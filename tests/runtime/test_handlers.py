"""The entry points, with the environment that the program sets and events in AWS's format."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from components.statemachine import definition
from runtime.breaker import BreakerOpenError
from runtime.contract import Kind
from runtime.decision import Action
from runtime.delivery import PermanentDeliveryError, errors
from runtime.environment import (
    ENV_ARCHIVE_BUCKET,
    ENV_CELL,
    ENV_CONFIG_BUCKET,
    ENV_NAMESPACE,
    ENV_SESSION_LOG,
    ENV_SIDE,
    ENV_STATE_MACHINE,
    ENV_TRACKER,
)
from runtime.facts import SUBMITTED
from runtime.overtaken import OvertakenError
from runtime.shares import ShareInUseError
from runtime.timing import ATTEMPT_SECONDS
from runtime.workflow import LeaseLostError
from tests.runtime.cells import NAMESPACE, Cell, owner

ROOT = Path(__file__).parents[2]
STEPS = ("claim", "compare", "deliver", "archive", "complete")
NOT_BUNDLED = ("pulumi", "yaml", "pydantic", "customers", "components", "local")


# --- Import --------------------------------------------------------------------------------------

IMPORT = f"""
import socket, sys

def refuse(*_):
    raise AssertionError("a connection at import")

socket.socket.connect = socket.getaddrinfo = refuse
import importlib
module = importlib.import_module("runtime.handlers." + sys.argv[1])
assert callable(module.handler)
print(*(name for name in {NOT_BUNDLED} if name in sys.modules))
print("asyncssh" in sys.modules)
"""


@pytest.mark.parametrize("function", ["ingest", "sweep", *STEPS])
def test_an_entry_point_is_imported_without_environment_or_network(function):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT, function],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    not_bundled, loads_ssh = done.stdout.splitlines()
    assert not_bundled == ""
    assert loads_ssh == str(function == "deliver")  # it takes a fifth of a second to load


# --- Called as in AWS ----------------------------------------------------------------------------


class Context:
    """What Lambda says of an invocation."""

    def __init__(self, seconds: int = 900) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return 1000 * self._seconds


class Functions:
    """The functions of a cell, each with its environment and nothing more."""

    def __init__(self, cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
        self._cell, self._patch = cell, monkeypatch
        self._clients: list[Any] = []
        self.answered = datetime.now(UTC).isoformat()
        lambda_sets = {
            "AWS_REGION": cell.region,
            "AWS_DEFAULT_REGION": cell.region,
            "AWS_ACCESS_KEY_ID": cell.aws.account,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_ENDPOINT_URL": cell.aws.endpoint,
        }
        for name, value in lambda_sets.items():
            monkeypatch.setenv(name, value)
        make = boto3.client

        def client(*args: Any, **how: Any) -> Any:
            self._clients.append(make(*args, **how))
            return self._clients[-1]

        monkeypatch.setattr(boto3, "client", client)

    def call(self, function: str, event: dict[str, Any], *, seconds: int = 900) -> Any:
        """Call a newly started function, which has so many seconds; return its answer as AWS receives it."""
        module = importlib.import_module(f"runtime.handlers.{function}")
        for cached in (*vars(module).values(), *vars(module.wiring).values()):
            getattr(cached, "cache_clear", int)()
        for name in [name for name in os.environ if name.startswith("MFT_")]:
            self._patch.delenv(name)
        for name, value in self._environment(function).items():
            self._patch.setenv(name, value)
        return json.loads(json.dumps(module.handler(json.loads(json.dumps(event)), Context(seconds))))

    def _environment(self, function: str) -> dict[str, str]:
        """Return the variables that the program sets on a function."""
        cell = self._cell
        all_have = {
            ENV_SIDE: cell.side,
            ENV_NAMESPACE: NAMESPACE,
            ENV_CELL: self._cell.cell_number,
            ENV_TRACKER: cell.table,
            ENV_CONFIG_BUCKET: cell.config_bucket,
        }
        match function:
            case "ingest":
                return all_have | {ENV_STATE_MACHINE: cell.state_machine}
            case "sweep":
                return all_have | {ENV_STATE_MACHINE: cell.state_machine, ENV_SESSION_LOG: "sessions"}
            case "archive":
                return all_have | {ENV_ARCHIVE_BUCKET: cell.archive_bucket}
        return all_have

    def step(self, name: str, state: dict[str, Any], execution: str, **given: Any) -> Any:
        """Call a step with the payload that its state in the definition makes of `given`."""
        paths = {"$$.Execution.Name": execution, **{f"$.{name}": value for name, value in given.items()}}
        paths["$$.Execution.Input"] = given["transfer"]
        paths["$$.Execution.Input.taken_over"] = given["transfer"]["taken_over"]
        paths["$$.Execution.StartTime"] = self.answered
        paths["$.verdict.answer.at"] = self.answered
        payload = state["Parameters"]["Payload"]
        event = {
            field.removesuffix(".$"): paths[value] if field.endswith(".$") else value
            for field, value in payload.items()
        }
        assert state["Parameters"]["FunctionName"] == name
        answer = self.call(name, event)
        self.answered = answer.get("at", self.answered)
        return answer

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def functions(west, monkeypatch):
    made = Functions(west, monkeypatch)
    yield made
    made.close()


STATES = definition({step: step for step in STEPS}, partition="aws-us-gov")["States"]
ATTEMPTS = STATES["Deliver"]["ItemProcessor"]["States"]


def test_an_event_that_lacks_a_field_has_the_destination_asked_first(west, functions):
    functions.call("ingest", {"Records": [message(west.upload(b"abc"))]})
    ((name, document),) = west.executions().items()
    functions.step("claim", STATES["Claim"], name, transfer=document)
    west.client("s3").put_object(Bucket=west.partner_bucket, Key="in/a.csv", Body=b"abc")
    event = {"execution": name, "transfer": document, "destination": "partner", "priority": 1}
    assert functions.call("deliver", event) == {"destination": "partner", "outcome": "DELIVERED"}
    assert west.fact(Kind.DELIVERED, west.received("inbound/sdk/a.csv")).detail["sent"] is False


def test_the_sweep_reports_what_it_found_in_numbers(west, functions, capsys):
    """What is too young for it is nothing; the metrics are in the log, with the cell's dimensions."""
    west.upload(b"abc")
    counts = {"taken": 0, "doubts": 0, "restarted": 0, "waiting": 0, "stalled": 0, "failed": 0, "left": 0}
    assert functions.call("sweep", {}) == counts | {"age": 0}
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    published = {}
    for line in map(json.loads, lines):
        for each in line.get("_aws", {}).get("CloudWatchMetrics", ()):
            (metric,) = each["Metrics"]
            published[metric["Name"]] = line[metric["Name"]], each["Dimensions"]
    names = {"UnknownToTracker", "UploadsUnproven", "SweepAge", "TransfersRestarted", "TransfersStalled"}
    assert published.keys() == names
    assert all(sorted(dimensions[0]) == ["Cell", "Namespace"] for _, dimensions in published.values())


def test_restarts_have_half_of_the_time_of_a_sweep(west, functions):
    """In 50 seconds there is time for a pass over the bucket, and none for one over fifteen days of facts."""
    assert functions.call("sweep", {}, seconds=50)["left"] == 15
    assert functions.call("sweep", {}, seconds=100)["left"] == 0


def message(event: dict[str, Any], id: str = "1") -> dict[str, Any]:
    """Return an event as SQS hands it to Lambda."""
    return {
        "messageId": id,
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
        "body": json.dumps(event),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:ingest",
        "awsRegion": "us-gov-west-1",
    }


def test_a_file_and_its_resend_from_the_queue_to_their_receipts(west, functions):
    events = [west.upload(b"abc"), west.upload(b"abc")]
    answer = functions.call("ingest", {"Records": [message(e, str(n)) for n, e in enumerate(events)]})
    assert answer == {"batchItemFailures": []}
    (first, document), (second, resent) = west.executions().items()

    verdict = functions.step("claim", STATES["Claim"], first, transfer=document)
    assert (verdict["action"], verdict["destinations"]) == ("deliver", ["partner"])
    assert functions.step("claim", STATES["Claim"], second, transfer=resent)["action"] == "wait"
    given = {"transfer": document, "destination": "partner"}
    delivered = functions.step("deliver", ATTEMPTS["Attempt"], first, **given)
    assert delivered == {"destination": "partner", "outcome": "DELIVERED"}
    assert functions.step("deliver", ATTEMPTS["AttemptAfterUnknown"], first, **given) == delivered
    assert west.at_partner() == b"abc"
    key = f"{west.customer}/{document['id']}/sdk/a.csv"
    assert functions.step("archive", STATES["Archive"], first, transfer=document) == {"archive_key": key}
    results = {"transfer": document, "results": [delivered]}
    assert functions.step("complete", STATES["Complete"], first, **results) == {"outcome": "delivered"}

    assert functions.step("claim", STATES["Claim"], second, transfer=resent)["action"] == "compare"
    verdict = functions.step("compare", STATES["Compare"], second, transfer=resent)
    assert verdict["action"] == "done"
    assert [fact.detail["of"] for fact in west.facts() if fact.kind is Kind.DUPLICATE] == [document["id"]]
    results = {"transfer": resent, "results": STATES["NothingToSend"]["Result"]}
    assert functions.step("complete", STATES["Complete"], second, **results) == {"outcome": "duplicate"}
    assert {each["outcome"] for each in west.receipts_published(2)} == {"delivered", "duplicate"}


@pytest.mark.parametrize("waits", [1, 3])
def test_an_execution_that_stood_still_is_not_at_work_because_it_waits(west, functions, waits):
    """It thaws before it has a lease that remembers, and is answered to wait for another transfer."""
    first, second = west.receive(b"abc"), west.receive(b"xyz")
    west.workflow.claim(first, owner=owner(first))
    began = datetime.now(UTC) - timedelta(seconds=ATTEMPT_SECONDS + 60)
    functions.answered = began.isoformat()
    late = replace(second, id=f"{began:{SUBMITTED}}{second.id[16:]}").document()
    assert functions.step("claim", STATES["Claim"], "late", transfer=late)["action"] == "wait"
    for _ in range(waits):
        assert functions.step("claim", STATES["ClaimAgain"], "late", transfer=late)["action"] == "wait"
    failed = {"destination": "partner", "failure": {"Error": "PermanentDeliveryError"}}
    west.workflow.complete(first, [failed], owner=owner(first))
    assert functions.step("claim", STATES["ClaimAgain"], "late", transfer=late)["action"] == "deliver"
    assert west.tracker.newest(first.file).lease.thawed is True


def test_the_actions_are_the_words_of_the_definition():
    """An action that the definition does not know would end a transfer without sending it."""
    known = {choice["StringEquals"] for choice in STATES["Decide"]["Choices"]}
    assert known | {"done"} == set(Action)


def test_a_failure_reaches_the_receipt_through_the_definitions_states(west, functions):
    transfer = west.receive(b"abc")
    functions.step("claim", STATES["Claim"], owner(transfer), transfer=transfer.document())
    west.register(destinations={})
    with pytest.raises(PermanentDeliveryError) as raised:
        functions.step(
            "deliver",
            ATTEMPTS["Attempt"],
            owner(transfer),
            transfer=transfer.document(),
            destination="partner",
        )
    cause = json.dumps({"errorMessage": str(raised.value), "errorType": type(raised.value).__name__})
    known = {"$.destination": "partner", "$.failure": {"Error": "PermanentDeliveryError", "Cause": cause}}
    result = {name[:-2]: known[path] for name, path in ATTEMPTS["Failed"]["Parameters"].items()}
    given = {"transfer": transfer.document(), "results": [result]}
    assert functions.step("complete", STATES["Complete"], owner(transfer), **given) == {"outcome": "failed"}
    reason = "partner: route: the registry no longer routes this file to the destination"
    assert west.fact(Kind.FAILED, transfer).detail["reason"] == reason


class Losing(BaseHTTPRequestHandler):
    """S3 behind a connection that loses the answers to copies, and only those."""

    protocol_version = "HTTP/1.1"
    s3 = ""
    copies = 0

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        behind = HTTPConnection(urlsplit(self.s3).netloc)
        behind.request(self.command, self.path, body, dict(self.headers))
        answer = behind.getresponse()
        content = answer.read()
        behind.close()
        if "x-amz-copy-source" in self.headers:
            type(self).copies += 1
            self.close_connection = True
            return
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_HEAD = do_GET = do_PUT = answer

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def losing(west, monkeypatch):
    """A connection to S3 that loses the answers to copies; the handler counts them."""
    handler = type("Line", (Losing,), {"s3": west.aws.endpoint})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
        yield handler
        server.shutdown()


def test_a_copy_without_an_answer_is_not_repeated_before_the_partner_is_asked(west, functions, losing):
    """The partner may have collected the first copy: the SDK's own retry would deliver a second."""
    transfer = west.receive(b"abc")
    given = {"transfer": transfer.document(), "destination": "partner"}
    functions.step("claim", STATES["Claim"], owner(transfer), transfer=transfer.document())
    with pytest.raises(errors.DeliveryUnknownError):
        functions.step("deliver", ATTEMPTS["Attempt"], owner(transfer), **given)
    assert losing.copies == 1
    found = functions.step("deliver", ATTEMPTS["AttemptAfterUnknown"], owner(transfer), **given)
    assert found["outcome"] == "DELIVERED"
    assert losing.copies == 1


def test_one_bad_event_does_not_hold_back_the_others(west, functions):
    good, stranger = west.upload(b"abc"), west.upload(b"abc", "inbound/sdk/b.csv")
    stranger["detail"]["bucket"]["name"] = "somebody-else"
    records = [message(good, "good"), message(stranger, "bad"), message({"detail": {}}, "worse")]
    answer = functions.call("ingest", {"Records": records})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}, {"itemIdentifier": "worse"}]}
    assert len(west.executions()) == 1


def test_the_errors_that_the_definition_matches_are_classes_of_the_runtime():
    named = {name for state in ATTEMPTS.values() for rule in rules(state) for name in rule["ErrorEquals"]}
    ours = {name for name in named if "." not in name}
    known = {*vars(errors), LeaseLostError.__name__, OvertakenError.__name__, BreakerOpenError.__name__}
    known |= {ShareInUseError.__name__}
    assert ours <= known
    assert {"PermanentDeliveryError", "TransientDeliveryError", "LeaseLostError"} <= ours


def rules(state: dict[str, Any]) -> list[dict[str, Any]]:
    return state.get("Retry", []) + state.get("Catch", [])
