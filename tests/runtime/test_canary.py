"""The canary: what it publishes about a cell that works, is slow, alters files, or is gone."""

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


class CanaryCell:
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
        """Let the cell take in the canary's file; return the transfer."""
        (key,) = self.objects(contract.CANARY_INBOUND)
        head = self.s3.head_object(Bucket=self.cell.bucket, Key=key)
        stored = {"key": key, "version-id": head["VersionId"], "size": head["ContentLength"]}
        event = {"bucket": {"name": self.cell.bucket}, "object": stored, "reason": "PutObject"}
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
        """Send a synthetic transfer; after each reading of the facts, call `meanwhile` some seconds later."""

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
        """Assert that CloudWatch holds the result and the duration of the flight."""
        found = published(self.cell.aws, self.cell.region, self.number)
        assert found == {METRIC_CANARY: [delivered], METRIC_CANARY_SECONDS: [flight.seconds]}


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
            failure = {"destination": "itself", "failure": {"Error": "PermanentDeliveryError", "Cause": "no"}}
            canary.cell.workflow.complete(transfer, [failure], owner=owner(transfer))

    flight = canary.fly(fail)
    assert "is failed; facts: FAILED" in flight.failure
    assert flight.seconds < LIMIT / 2
    canary.expect(flight, 0)


def test_an_altered_copy(canary: CanaryCell):
    def alter(look: int) -> None:
        if look == 1:
            canary.deliver()
            (copy,) = canary.objects(contract.CANARY_DELIVERED)
            content = canary.s3.get_object(Bucket=canary.cell.bucket, Key=copy)["Body"].read()
            canary.s3.put_object(Bucket=canary.cell.bucket, Key=copy, Body=bytes(len(content)))

    flight = canary.fly(alter)
    assert flight.failure.endswith("differs from the file that was sent")
    canary.expect(flight, 0)


def test_a_missing_copy(canary: CanaryCell):
    def remove(look: int) -> None:
        if look == 1:
            canary.deliver()
            (copy,) = canary.objects(contract.CANARY_DELIVERED)
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


def test_the_function_runs_with_the_environment_that_the_program_sets(
    canary: CanaryCell, monkeypatch: pytest.MonkeyPatch
):
    class Observers(Functions):
        def _environment(self, function: str) -> dict[str, str]:
            return super()._environment(function) | {
                ENV_CELL: canary.number,
                ENV_CANARY_BUCKET: canary.cell.bucket,
            }

    def work() -> None:
        eventually(lambda: canary.objects(contract.CANARY_INBOUND))
        canary.deliver()

    with contextlib.closing(Observers(canary.cell, monkeypatch)) as functions, ThreadPoolExecutor() as cell:
        working = cell.submit(work)
        result = functions.call("canary", {})
        working.result()
    assert result["failure"] is None
    assert published(canary.cell.aws, canary.cell.region, canary.number)[METRIC_CANARY] == [1]


def test_the_canarys_routing_document_has_the_fields_of_a_customers(canary: CanaryCell):
    """The functions read both alike."""
    customer = canary.cell.directory.customer(canary.cell.customer)
    assert customer.id == canary.cell.customer
    assert customer.route(f"{contract.CANARY_INBOUND}a").to == ("itself",)
    assert customer.route(f"{contract.INBOUND_SDK}a") is None
    assert customer.tracker_days > customer.inbound_days
