"""An emulated AWS, and what an operator types on a shell that reaches it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.endpoint
import pytest
import typer.testing
import yaml
from botocore.config import Config

import ops.__main__
from local.aws.emulator import ROOT, Emulator
from local.aws.relay import Relay
from ops import environment
from ops.dns.name_servers import ENV_NAME_SERVERS
from runtime.contract import REGION_OF, WEST, Position, peer_of, switch_parameter
from runtime.metric_names import switch_dimensions
from tests.ops.cell_numbers import new_cell
from tests.ops.transfers import estate  # noqa: F401 - a fixture

NAMESPACE, WESTERN, EASTERN = "ops-mft", "us-gov-west-1", "us-gov-east-1"
_SCOPE = re.compile(r"Credential=\d+/\d{8}/([^/]+)/([^/]+)/")

# Typer would make every verb's parser again for every command line.
typer.testing._get_command = cache(typer.testing._get_command)


@pytest.fixture(scope="session")
def aws() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


class RecordingRelay(Relay):
    """A relay to the emulated AWS that records each call with its region, and can leave calls unanswered."""

    def __init__(self, aws: Emulator) -> None:
        self.open()
        super().__init__(aws.endpoint)

    def open(self) -> None:
        """Let all calls through again, and forget the recorded ones."""
        self.calls: list[str] = []
        self.closed: set[str] = set()
        #: The error that a call is answered with, by a part of its name.
        self.expired: dict[str, str] = {}
        #: Asked `before` and `after` each request, by method and path: whether its connection ends there.
        self.cut: Callable[[str, str], bool] = lambda when, what: False

    def forget(self) -> None:
        self.calls.clear()

    def stops(self, request: BaseHTTPRequestHandler) -> bool:
        region, service = _SCOPE.search(request.headers["Authorization"]).groups()
        target = request.headers.get("X-Amz-Target", request.path).rpartition(".")[2].rpartition("/")[2]
        call = f"{region} {service} {target}"
        self.calls.append(call)
        if any(closed in call for closed in self.closed):
            request.close_connection = True  # as a dead host: without an answer
            return True
        if code := next((code for part, code in self.expired.items() if part in call), None):
            self._refuse(request, service, code)
            return True
        request.close_connection = bool(self.cut("before", f"{request.command} {request.path}"))
        return request.close_connection

    def hears(self, request: BaseHTTPRequestHandler) -> bool:
        return not self.cut("after", f"{request.command} {request.path}")

    def _refuse(self, request: BaseHTTPRequestHandler, service: str, code: str) -> None:
        """Answer with an error, as the service's protocol has it."""
        if "X-Amz-Target" in request.headers:
            content = json.dumps({"__type": code, "message": "it is over"}).encode()
        else:
            error = f"<Error><Code>{code}</Code><Message>it is over</Message></Error>"
            content = (error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>").encode()
        request.send_response(400)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """The output of a command, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line that it printed on stderr."""
        (line,) = self.err.splitlines()
        assert not self.out
        return line


@dataclass
class Place:
    """A pair of stacks: its files, its switches, and what an operator types to move them."""

    aws: Emulator
    relay: RecordingRelay
    root: Path
    cell: str = field(default_factory=new_cell)

    @property
    def facts(self) -> dict[str, Any]:
        """The settings that both stack files contain."""
        return {
            "mft:namespace": NAMESPACE,
            "mft:cell": self.cell,
            "mft:zone": "mft.example.gov",
            "mft:zoneId": "Z0123456789EXAMPLE",
            "mft:accountId": "123456789012",
            "mft:groupRuleQuota": "60",
            "mft:switch": "alarm",
        }

    def file(self, side: str) -> Path:
        return self.root / f"Pulumi.gov-{side}.yaml"

    def write(self, side: str, **instead: Any) -> None:
        """Write a side's stack file, with some settings replaced (None removes one)."""
        facts = self.facts | {f"mft:{key}": value for key, value in instead.items()}
        config = {"mft:region": REGION_OF[side]} | {k: v for k, v in facts.items() if v is not None}
        self.file(side).write_text(yaml.safe_dump({"config": config}))

    def parameter(self, side: str) -> dict[str, str]:
        return {"Name": switch_parameter(NAMESPACE, self.cell, side)}

    def keeper(self, side: str, service: str = "ssm") -> Any:
        """Return the client of the region that keeps a side's switch."""
        return self.aws.client(service, REGION_OF[peer_of(side)])

    def hold(self, side: str, value: str) -> None:
        which = self.parameter(side)
        self.keeper(side).put_parameter(**which, Value=value, Type="String", Overwrite=True)

    def position(self, side: str) -> str:
        return self.keeper(side).get_parameter(**self.parameter(side))["Parameter"]["Value"]

    def moved(self, side: str) -> int:
        """Return how often a side's parameter was written."""
        return self.keeper(side).get_parameter(**self.parameter(side))["Parameter"]["Version"] - 1

    def published(self, side: str) -> bool:
        """Return whether the position of a side's switch was ever published."""
        dimensions = [
            {"Name": n, "Value": v} for n, v in switch_dimensions(NAMESPACE, self.cell, side).items()
        ]
        return bool(self.keeper(side, "cloudwatch").list_metrics(Dimensions=dimensions)["Metrics"])

    def command(self, *words: str) -> CommandResult:
        """Run `python -m ops` as a process of its own."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "ops", *words, "--root", str(self.root)],
            cwd=ROOT,
            env={
                **{name: os.environ[name] for name in ("PATH", ENV_NAME_SERVERS) if name in os.environ},
                **{"HOME": str(self.root), **self.credentials},
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return CommandResult(code=done.returncode, out=done.stdout, err=done.stderr)

    @property
    def credentials(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.relay.url,
            "AWS_ACCESS_KEY_ID": "123456789012",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def ops(self, *words: str) -> CommandResult:
        """Run the same in this process, which is quicker."""
        done = typer.testing.CliRunner().invoke(ops.__main__.app, [*words, "--root", str(self.root)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return CommandResult(code=done.exit_code, out=done.stdout, err=done.stderr)

    def json(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Run with `--json`; return the exit code and the one document that was printed."""
        result = self.ops(*words, "--json")
        assert not result.err
        return result.code, json.loads(result.out)


class Clients:
    """Clients for all tests: to make one takes longer than to use it.

    A client that had to retry is dropped after its test, because it counts its retries.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[Any, ...], Any] = {}
        self._tired: set[tuple[Any, ...]] = set()
        self._make = boto3.client

    def client(self, service: str, *, region_name: str, config: Config) -> Any:
        """Be `boto3.client`."""
        shell = [(name, value) for name, value in sorted(os.environ.items()) if name.startswith("AWS_")]
        # Of a configuration with equal options there are many objects.
        options = repr(sorted(vars(config)["_user_provided_options"].items()))
        key = (service, region_name, options, *shell)
        if key not in self._made:
            made = self._make(service, region_name=region_name, config=config)
            made.meta.events.register("needs-retry", partial(self._watch, key))
            self._made[key] = made
        return self._made[key]

    def _watch(
        self, key: tuple[Any, ...], attempts: int, caught_exception: Exception | None, **_: Any
    ) -> None:
        if caught_exception or attempts > 1:
            self._tired.add(key)

    def rest(self) -> None:
        """Close the clients that have had to retry."""
        while self._tired:
            if client := self._made.pop(self._tired.pop(), None):
                client.close()

    def close(self) -> None:
        self._tired.update(self._made)
        self.rest()


@pytest.fixture(scope="session")
def relay(aws: Emulator) -> Iterator[RecordingRelay]:
    made = RecordingRelay(aws)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def clients() -> Iterator[Clients]:
    made = Clients()
    yield made
    made.close()


@contextmanager
def shell(made: Place, clients: Clients, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Let what is typed in this process reach a place."""
    made.relay.open()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in made.credentials.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the credentials that it saw first
    monkeypatch.setattr(boto3, "client", clients.client)
    # Between two tries of a request; nobody counts these seconds here.
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda s: time.sleep(s / 10)))
    environment._client.cache_clear()
    yield made
    environment._client.cache_clear()
    clients.rest()


@pytest.fixture
def place(
    aws: Emulator, relay: RecordingRelay, clients: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    """Stack files and two switches that stand at `in`."""
    made = Place(aws=aws, relay=relay, root=tmp_path)
    for side in REGION_OF:
        made.write(side)
        made.hold(side, Position.IN.value)
    with shell(made, clients, monkeypatch):
        yield made


@pytest.fixture
def west_out(place: Place) -> Place:
    """The same, with West out."""
    place.hold(WEST, Position.OUT.value)
    return place
