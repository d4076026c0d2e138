"""The canary: what it publishes about a cell that works, is slow, alters files, or is gone."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import asyncssh
import pytest
from botocore.exceptions import NoCredentialsError, ReadTimeoutError

from customers import names
from customers.document import canary_document
from local.aws.emulator import Emulator
from local.sftp.endpoint import TransferEndpoint
from runtime import canary_legs, contract
from runtime.canary import LIMIT, Canary, Flight, Upload
from runtime.canary_legs import Leg
from runtime.canary_upload import PATIENCE, SftpUpload
from runtime.environment import ENV_ADDRESSES, ENV_CANARY_BUCKET, ENV_CELL, ENV_HOST_KEY
from runtime.metric_names import (
    METRIC_CANARY,
    METRIC_CANARY_SECONDS,
    cell_dimensions,
    leg_dimensions,
)
from runtime.transfer import Transfer
from tests.runtime.cells import NAMESPACE, CrashError, Dying, eventually, owner, sides_of_a_customer
from tests.runtime.test_handlers import Functions, message
from tests.runtime.watching import embedded, published

_numbers = itertools.count(300)
_KEY, _HOST_KEY = (asyncssh.generate_private_key("ecdsa-sha2-nistp256") for _ in range(2))


class CanaryCell:
    """The sender of one cell's synthetic transfers, as the program makes it, and a clock that tests move."""

    def __init__(self, aws: Emulator) -> None:
        self.number = str(next(_numbers))
        west, _ = sides_of_a_customer(aws)
        self.cell = replace(west, customer=contract.canary(self.number), cell_number=self.number).make()
        assert self.cell.bucket == names.canary_bucket(NAMESPACE, self.number, self.cell.side)
        self.register("127.0.0.1", 22, _HOST_KEY.export_public_key().decode().strip())
        self.passed = 0.0
        self.waits = 0
        self.s3 = self.cell.client("s3")

    def register(self, host: str, port: int, host_key: str) -> None:
        """Write the routing document, with the place of the endpoint."""
        document = canary_document(NAMESPACE, self.number, self.cell.side, host=host, host_key=host_key)
        document["destinations"][Leg.SFTP]["port"] = port
        self.cell.register(**document)

    def put(self, name: str, content: bytes) -> None:
        """Upload by S3."""
        key = f"{self.inbound(Leg.S3)}{name}"
        self.s3.put_object(Bucket=self.cell.bucket, Key=key, Body=content)

    def inbound(self, leg: Leg) -> str:
        return canary_legs.inbound(self.number, leg)

    def objects(self, prefix: str) -> list[str]:
        """Return the keys below a prefix of the bucket."""
        listed = self.s3.list_objects_v2(Bucket=self.cell.bucket, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", ())]

    def receive(self) -> Transfer:
        """Let the cell take in the canary's file; return the transfer."""
        (key,) = self.objects(self.inbound(Leg.S3))
        head = self.s3.head_object(Bucket=self.cell.bucket, Key=key)
        stored = {"key": key, "version-id": head["VersionId"], "size": head["ContentLength"]}
        event = {"bucket": {"name": self.cell.bucket}, "object": stored, "reason": "PutObject"}
        assert self.cell.accept(self.cell.event("aws.s3", "Object Created", event)) == "received"
        (started,) = self.cell.executions().values()
        return Transfer.parse(started)

    def deliver(self, transfer: Transfer | None = None) -> None:
        """Let the cell do all its work, for a transfer or for the file that was put."""
        transfer = transfer or self.receive()
        assert self.cell.workflow.claim(transfer, owner=owner(transfer)).action == "deliver"
        attempt = {"owner": owner(transfer), "attempt": "1", "after_unknown": False}
        assert self.cell.deliverer.attempt(transfer, transfer.destinations[0], **attempt) == "DELIVERED"

    def fly(self, meanwhile: Callable[[int], None] = lambda look: None) -> Flight:
        """Send a synthetic transfer by S3; return what became of it."""
        (flight,) = self.fly_all({Leg.S3: self.put}, meanwhile)
        return flight

    def fly_all(
        self, uploads: dict[Leg, Upload], meanwhile: Callable[[int], None] = lambda look: None
    ) -> list[Flight]:
        """Send synthetic transfers; after each reading of the facts, call `meanwhile` some seconds later."""

        def wait(seconds: float) -> None:
            assert seconds > 0
            self.passed += seconds
            self.waits += 1
            meanwhile(self.waits)

        return Canary(
            namespace=NAMESPACE,
            cell=self.number,
            bucket=self.cell.bucket,
            uploads=uploads,
            tracker=self.cell.tracker,
            s3=self.cell.client("s3"),
            metrics=self.cell.client("cloudwatch"),
            clock=lambda: self.passed,
            wait=wait,
        ).fly()

    def expect(self, flight: Flight, delivered: float) -> None:
        """Assert that CloudWatch holds the result and the duration of the only flight, for leg and cell."""
        for found in (self.published(), self.published(flight.leg)):
            assert found == {METRIC_CANARY: [delivered], METRIC_CANARY_SECONDS: [flight.seconds]}

    def published(self, leg: Leg | None = None) -> dict[str, list[float]]:
        """Return what CloudWatch holds of a leg, or of the whole cell."""
        dimensions = (
            leg_dimensions(NAMESPACE, self.number, leg) if leg else cell_dimensions(NAMESPACE, self.number)
        )
        return published(self.cell.aws, self.cell.region, dimensions)


@pytest.fixture
def canary(aws: Emulator) -> CanaryCell:
    return CanaryCell(aws)


def test_a_cell_that_works(canary: CanaryCell):
    flight = canary.fly(lambda look: canary.deliver() if look == 4 else None)
    assert flight.failure is None
    assert flight.seconds == canary.passed > 0
    assert flight.key.startswith(contract.INBOUND_SDK)
    canary.expect(flight, 1)


def test_each_synthetic_transfer_has_a_key_of_its_own(canary: CanaryCell):
    keys = {canary.fly(meanwhile).key for meanwhile in [lambda look: None] * 2}
    assert len(keys) == 2


def test_a_cell_that_takes_nothing_in(canary: CanaryCell):
    flight = canary.fly()
    assert flight.failure.endswith(f"was not delivered within {LIMIT} s; facts: none")
    assert flight.seconds == pytest.approx(LIMIT, abs=2)
    canary.expect(flight, 0)


def test_a_failure_says_how_far_the_transfer_came(canary: CanaryCell):
    flight = canary.fly(lambda look: canary.receive() if look == 1 else None)
    assert flight.failure.endswith("facts: RECEIVED")
    canary.expect(flight, 0)


def test_a_delivery_that_failed_for_good_is_not_waited_for(canary: CanaryCell):
    def fail(look: int) -> None:
        if look == 1:
            transfer = canary.receive()
            failure = {"destination": "s3", "failure": {"Error": "PermanentDeliveryError", "Cause": "no"}}
            canary.cell.workflow.complete(transfer, [failure], owner=owner(transfer))

    flight = canary.fly(fail)
    assert "is failed; facts: FAILED" in flight.failure
    assert flight.seconds < LIMIT / 2
    canary.expect(flight, 0)


def test_an_altered_copy(canary: CanaryCell):
    def alter(look: int) -> None:
        if look == 1:
            canary.deliver()
            (copy,) = canary.objects(canary_legs.delivered(Leg.S3))
            content = canary.s3.get_object(Bucket=canary.cell.bucket, Key=copy)["Body"].read()
            canary.s3.put_object(Bucket=canary.cell.bucket, Key=copy, Body=bytes(len(content)))

    flight = canary.fly(alter)
    assert flight.failure.endswith("differs from the file that was sent")
    canary.expect(flight, 0)


def test_a_missing_copy(canary: CanaryCell):
    def remove(look: int) -> None:
        if look == 1:
            canary.deliver()
            (copy,) = canary.objects(canary_legs.delivered(Leg.S3))
            canary.s3.delete_object(Bucket=canary.cell.bucket, Key=copy)

    flight = canary.fly(remove)
    assert "NoSuchKey" in flight.failure
    canary.expect(flight, 0)


def test_a_missing_bucket(canary: CanaryCell):
    canary.s3.delete_bucket(Bucket=canary.cell.bucket)
    flight = canary.fly()
    assert "NoSuchBucket" in flight.failure
    canary.expect(flight, 0)


def test_a_metric_that_cannot_be_published_is_an_error_of_the_function(canary: CanaryCell):
    """A missing metric has an alarm of its own, and must not be taken for success."""
    canary.cell = canary.cell.with_client(
        "cloudwatch", Dying(canary.cell.client("cloudwatch"), "put_metric_data")
    )
    with pytest.raises(CrashError):
        canary.fly(lambda look: canary.deliver() if look == 1 else None)


# --- By SFTP -------------------------------------------------------------------------------------


class Endpoint:
    """The cell's SFTP endpoint with the canary's two logins, as the program makes them.

    `work` lets the cell do all its work for the file of each event that the endpoint sends.
    """

    def __init__(self, canary: CanaryCell) -> None:
        self._canary, cell = canary, canary.cell
        self.login = contract.canary(canary.number)
        self.events: list[dict[str, Any]] = []
        self.host_key = _HOST_KEY.export_public_key().decode().strip()
        transfer = cell.client("transfer")
        server = transfer.create_server(Protocols=["SFTP"])["ServerId"]
        for login, folder in (
            (self.login, canary.inbound(Leg.SFTP)),
            (canary_legs.partner(canary.number), canary_legs.delivered(Leg.SFTP)),
        ):
            target = f"/{cell.bucket}/{folder.rstrip('/')}"
            transfer.create_user(
                ServerId=server,
                UserName=login,
                Role="arn:aws-us-gov:iam::123456789012:role/sftp",
                HomeDirectoryType="LOGICAL",
                HomeDirectoryMappings=[{"Entry": "/", "Target": target}],
                SshPublicKeyBody=_KEY.export_public_key().decode(),
            )
        cell.client("secretsmanager").create_secret(
            Name=contract.secret_name(NAMESPACE, self.login, canary_legs.KEY_NAME),
            SecretString=_KEY.export_private_key().decode(),
        )
        self.server = TransferEndpoint(
            server_id=server,
            region=cell.region,
            address="127.0.0.1",
            host_keys=[_HOST_KEY.export_private_key().decode()],
            s3=cell.client("s3"),
            transfer=transfer,
            events=self,
        )

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.events += Entries
        return {"FailedEntryCount": 0, "Entries": []}

    @property
    def address(self) -> str:
        return f"{self.server.address}:{self.server.port}"

    def upload(self, *addresses: str, **instead: Any) -> SftpUpload:
        """Return the canary's upload to these addresses, its own by default, with fields replaced."""
        usual: dict[str, Any] = {
            "addresses": addresses or [self.address],
            "login": self.login,
            "host_key": self.host_key,
            "private_key": lambda: _KEY.export_private_key().decode(),
        }
        return SftpUpload(**usual | instead)

    def work(self, look: int) -> None:
        """Take in and deliver the file that was uploaded, once."""
        canary = self._canary
        for event in [each for each in self.events if json.loads(each["Detail"])["username"] == self.login]:
            self.events.remove(event)
            detail = json.loads(event["Detail"])
            arrived = canary.cell.event("aws.transfer", event["DetailType"], detail)
            assert canary.cell.accept(arrived) == "received"
            transfer = canary.cell.received(detail["file-path"].split("/", 2)[2])
            canary.deliver(transfer)


@pytest.fixture
def endpoint(canary: CanaryCell) -> Iterator[Endpoint]:
    made = Endpoint(canary)
    with made.server:
        canary.register(made.server.address, made.server.port, made.host_key)
        yield made


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield "{}:{}".format(*bound.getsockname())


def test_a_file_goes_through_a_login_to_another_login(canary: CanaryCell, endpoint: Endpoint):
    (flight,) = canary.fly_all({Leg.SFTP: endpoint.upload()}, endpoint.work)
    assert flight.failure is None
    (copy,) = canary.objects(canary_legs.delivered(Leg.SFTP))
    assert copy.rpartition("/")[2] == flight.key.rpartition("/")[2]
    canary.expect(flight, 1)


def test_one_address_that_is_silent_is_no_failure(canary: CanaryCell, endpoint: Endpoint, nobody: str):
    for _ in range(4):  # the order of addresses is random
        (flight,) = canary.fly_all({Leg.SFTP: endpoint.upload(nobody, endpoint.address)}, endpoint.work)
        assert flight.failure is None


def test_when_no_address_answers_the_failure_names_each(canary: CanaryCell, nobody: str):
    upload = SftpUpload(
        addresses=[nobody, nobody.replace("127.0.0.1", "127.0.0.9")],
        login="canary",
        host_key=_HOST_KEY.export_public_key().decode(),
        private_key=lambda: _KEY.export_private_key().decode(),
    )
    (flight,) = canary.fly_all({Leg.SFTP: upload})
    assert flight.failure.startswith("NotSentError: ")
    assert flight.failure.count("connect") == 2
    canary.expect(flight, 0)


def test_a_silent_address_leaves_time_for_the_others():
    assert len("abc") * PATIENCE.connect < LIMIT / 2


def test_a_refused_login_and_a_foreign_host_key_are_failures(canary: CanaryCell, endpoint: Endpoint):
    other = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    refused = endpoint.upload(private_key=lambda: other.export_private_key().decode())
    foreign = endpoint.upload(host_key=other.export_public_key().decode())
    for upload, said in ((refused, "the server refused the key of user"), (foreign, "the pinned key is")):
        (flight,) = canary.fly_all({Leg.SFTP: upload})
        assert said in flight.failure
        assert "PRIVATE KEY" not in flight.failure
    assert not canary.objects(canary.inbound(Leg.SFTP))


@pytest.mark.parametrize("error", [ReadTimeoutError(endpoint_url="https://s3"), NoCredentialsError()])
def test_aws_that_does_not_answer_is_a_failure_that_is_published(canary: CanaryCell, error: Exception):
    def silent(name: str, content: bytes) -> None:
        raise error

    (flight,) = canary.fly_all({Leg.S3: silent})
    assert flight.failure.startswith(f"{type(error).__name__}: ")
    assert canary.published()[METRIC_CANARY] == [0]


def test_one_failed_leg_is_the_cells_failure_and_the_other_legs_success(
    canary: CanaryCell, nobody: str, endpoint: Endpoint
):
    def deliver(look: int) -> None:
        if look == 1:
            canary.deliver()

    flights = canary.fly_all({Leg.SFTP: endpoint.upload(nobody), Leg.S3: canary.put}, deliver)
    assert [bool(flight.failure) for flight in flights] == [True, False]
    assert canary.published()[METRIC_CANARY] == [0]
    assert canary.published()[METRIC_CANARY_SECONDS] == [max(flight.seconds for flight in flights)]
    assert [canary.published(leg)[METRIC_CANARY] for leg in Leg] == [[0], [1]]


def test_the_function_runs_with_the_environment_that_the_program_sets(
    canary: CanaryCell, monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint
):
    class Observers(Functions):
        def _environment(self, function: str) -> dict[str, str]:
            return super()._environment(function) | {
                ENV_CELL: canary.number,
                ENV_CANARY_BUCKET: canary.cell.bucket,
                ENV_ADDRESSES: endpoint.address,
                ENV_HOST_KEY: endpoint.host_key,
            }

    def work() -> None:
        eventually(lambda: canary.objects(canary.inbound(Leg.S3)))
        canary.deliver()
        eventually(lambda: endpoint.events)
        endpoint.work(0)

    with contextlib.closing(Observers(canary.cell, monkeypatch)) as functions, ThreadPoolExecutor() as cell:
        working = cell.submit(work)
        results = functions.call("canary", {})
        working.result()
    assert {leg: result["failure"] for leg, result in results.items()} == {"sftp": None, "s3": None}
    assert canary.published()[METRIC_CANARY] == [1]


def test_what_ingest_refuses_of_the_canary_is_in_no_count_of_customers_files(
    canary: CanaryCell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    unrouted = canary.cell.upload(b"abc", "inbound/sdk/elsewhere.csv")
    with contextlib.closing(Functions(canary.cell, monkeypatch)) as functions:
        assert functions.call("ingest", {"Records": [message(unrouted)]}) == {"batchItemFailures": []}
    assert "REJECTED" in {fact.kind for fact in canary.cell.facts("inbound/sdk/elsewhere.csv")}
    assert embedded(capsys) == []


def test_the_canarys_routing_document_has_the_fields_of_a_customers(canary: CanaryCell):
    """The functions read both alike."""
    customer = canary.cell.directory.customer(canary.cell.customer)
    assert customer.id == canary.cell.customer
    for leg in Leg:
        assert customer.route(f"{canary.inbound(leg)}a").to == (leg,)
    assert customer.route(f"{contract.INBOUND_SDK}a") is None
    assert customer.route(f"{canary_legs.inbound('1', Leg.SFTP)}a") is None
    assert customer.tracker_days > customer.inbound_days
