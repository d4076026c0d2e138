"""The canary: what it publishes of a cell that works, that is slow, that alters files, that is gone."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from customers import names
from customers.document import canary_document
from local.aws.emulator import Emulator
from runtime import contract
from runtime.canary import LIMIT, Canary, Flight
from runtime.environment import ENV_CANARY_BUCKET, ENV_CELL
from runtime.metric_names import METRIC_CANARY, METRIC_CANARY_SECONDS, cell_dimensions
from runtime.transfer import Transfer
from tests.runtime.cells import NAMESPACE, CrashError, Dying, eventually, owner, sides_of_a_customer
from tests.runtime.test_handlers import Functions
from tests.runtime.watching import published

_numbers = itertools.count(300)


class Bird:
    """The sender of one cell's synthetic transfers, as the program makes it, and a clock that tests move."""

    def __init__(self, aws: Emulator) -> None:
        self.number = str(next(_numbers))
        west, _ = sides_of_a_customer(aws)
        self.cell = replace(west, customer=contract.canary(self.number)).make()
        assert self.cell.bucket == names.canary_bucket(NAMESPACE, self.number, self.cell.side)
        self.cell.register(**canary_document(NAMESPACE, self.number, self.cell.side))
        self.passed = 0.0
        self.waits = 0
        self.s3 = self.cell.client("s3")

    def objects(self, prefix: str) -> list[str]:
        """Return the keys below a prefix of the bucket."""
        listed = self.s3.list_objects_v2(Bucket=self.cell.bucket, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", ())]

    def receive(self) -> Transfer:
        """Let the cell take in what the canary put; return the transfer."""
        (key,) = self.objects(contract.CANARY_INBOUND)
        head = self.s3.head_object(Bucket=self.cell.bucket, Key=key)
        told = {"key": key, "version-id": head["VersionId"], "size": head["ContentLength"]}
        event = {"bucket": {"name": self.cell.bucket}, "object": told, "reason": "PutObject"}
        assert self.cell.accept(self.cell.event("aws.s3", "Object Created", event)) == "received"
        (started,) = self.cell.executions().values()
        return Transfer.parse(started)

    def deliver(self) -> None:
        """Let the cell do all its work."""
        transfer = self.receive()
        assert self.cell.workflow.claim(transfer, owner=owner(transfer)).action == "deliver"
        attempt = {"owner": owner(transfer), "attempt": "1", "after_unknown": False}
        assert self.cell.deliverer.attempt(transfer, "itself", **attempt) == "DELIVERED"

    def fly(self, meanwhile: Callable[[int], None] = lambda look: None) -> Flight:
        """Send one; after each look at the facts, some seconds pass and something happens."""

        def wait(seconds: float) -> None:
            assert seconds > 0
            self.passed += seconds
            self.waits += 1
            meanwhile(self.waits)

        return Canary(
            customer=self.cell.customer,
            bucket=self.cell.bucket,
            dimensions=cell_dimensions(NAMESPACE, self.number),
            tracker=self.cell.tracker,
            s3=self.cell.client("s3"),
            metrics=self.cell.client("cloudwatch"),
            clock=lambda: self.passed,
            wait=wait,
        ).fly()

    def expect(self, flight: Flight, delivered: float) -> None:
        """Expect that CloudWatch holds the flight's fate and duration."""
        found = published(self.cell.aws, self.cell.region, self.number)
        assert found == {METRIC_CANARY: [delivered], METRIC_CANARY_SECONDS: [flight.seconds]}


@pytest.fixture
def bird(aws: Emulator) -> Bird:
    return Bird(aws)


def test_a_cell_that_works(bird: Bird):
    flight = bird.fly(lambda look: bird.deliver() if look == 4 else None)
    assert flight.failure is None
    assert flight.seconds == bird.passed > 0
    assert flight.key.startswith(contract.INBOUND_SDK)
    bird.expect(flight, 1)


def test_each_goes_under_a_name_of_its_own(bird: Bird):
    keys = {bird.fly(meanwhile).key for meanwhile in [lambda look: None] * 2}
    assert len(keys) == 2


def test_a_cell_that_takes_nothing_in(bird: Bird):
    flight = bird.fly()
    assert flight.failure.endswith(f"was not delivered within {LIMIT} s; facts: none")
    assert flight.seconds == pytest.approx(LIMIT, abs=2)
    bird.expect(flight, 0)


def test_how_far_it_came_is_told(bird: Bird):
    flight = bird.fly(lambda look: bird.receive() if look == 1 else None)
    assert flight.failure.endswith("facts: RECEIVED")
    bird.expect(flight, 0)


def test_a_delivery_that_failed_for_good_is_not_waited_for(bird: Bird):
    def fail(look: int) -> None:
        if look == 1:
            transfer = bird.receive()
            failure = {"destination": "itself", "failure": {"Error": "PermanentDeliveryError", "Cause": "no"}}
            bird.cell.workflow.complete(transfer, [failure], owner=owner(transfer))

    flight = bird.fly(fail)
    assert "is failed; facts: FAILED" in flight.failure
    assert flight.seconds < LIMIT / 2
    bird.expect(flight, 0)


def test_a_copy_that_is_another(bird: Bird):
    def alter(look: int) -> None:
        if look == 1:
            bird.deliver()
            (copy,) = bird.objects(contract.CANARY_DELIVERED)
            content = bird.s3.get_object(Bucket=bird.cell.bucket, Key=copy)["Body"].read()
            bird.s3.put_object(Bucket=bird.cell.bucket, Key=copy, Body=bytes(len(content)))

    flight = bird.fly(alter)
    assert flight.failure.endswith("differs from the file that was sent")
    bird.expect(flight, 0)


def test_a_copy_that_is_not_there(bird: Bird):
    def remove(look: int) -> None:
        if look == 1:
            bird.deliver()
            (copy,) = bird.objects(contract.CANARY_DELIVERED)
            bird.s3.delete_object(Bucket=bird.cell.bucket, Key=copy)

    flight = bird.fly(remove)
    assert "NoSuchKey" in flight.failure
    bird.expect(flight, 0)


def test_a_storage_that_refuses(bird: Bird):
    bird.s3.delete_bucket(Bucket=bird.cell.bucket)
    flight = bird.fly()
    assert "NoSuchBucket" in flight.failure
    bird.expect(flight, 0)


def test_a_metric_that_cannot_be_published_is_an_error_of_the_function(bird: Bird):
    """Silence has an alarm of its own, and nobody may take it for success."""
    bird.cell = bird.cell.with_client("cloudwatch", Dying(bird.cell.client("cloudwatch"), "put_metric_data"))
    with pytest.raises(CrashError):
        bird.fly(lambda look: bird.deliver() if look == 1 else None)


def test_the_function_flies_with_the_environment_of_the_program(bird: Bird, monkeypatch: pytest.MonkeyPatch):
    class Observers(Functions):
        def _environment(self, function: str) -> dict[str, str]:
            return super()._environment(function) | {
                ENV_CELL: bird.number,
                ENV_CANARY_BUCKET: bird.cell.bucket,
            }

    def work() -> None:
        eventually(lambda: bird.objects(contract.CANARY_INBOUND))
        bird.deliver()

    with contextlib.closing(Observers(bird.cell, monkeypatch)) as functions, ThreadPoolExecutor() as cell:
        working = cell.submit(work)
        told = functions.call("canary", {})
        working.result()
    assert told["failure"] is None
    assert published(bird.cell.aws, bird.cell.region, bird.number)[METRIC_CANARY] == [1]


def test_its_document_has_what_a_customers_has(bird: Bird):
    """The functions read both alike."""
    customer = bird.cell.directory.customer(bird.cell.customer)
    assert customer.id == bird.cell.customer
    assert customer.route(f"{contract.CANARY_INBOUND}a").to == ("itself",)
    assert customer.route(f"{contract.INBOUND_SDK}a") is None
    assert customer.tracker_days > customer.inbound_days
