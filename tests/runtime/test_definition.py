"""The real definition, run by the emulated Step Functions with deputies for the functions."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from components.statemachine import DELIVERY_RETRY, DELIVERY_TIMEOUT, definition
from local.aws.emulator import Emulator
from runtime import contract
from runtime.timing import ATTEMPT_SECONDS
from runtime.workflow import LEASE
from tests.runtime.cells import ROLE, Cell, eventually
from tests.runtime.test_handlers import STEPS

DEPUTY = """
import json, pathlib

class TransientDeliveryError(Exception): pass
class DeliveryUnknownError(Exception): pass
class OvertakenError(Exception): pass
class LeaseLostError(Exception): pass
class BreakerOpenError(Exception): pass

def handler(event, context):
    transfer = event["transfer"]
    step = context.function_name.removeprefix("deputy-")
    place = pathlib.Path(transfer["notes"])
    notes = json.loads(place.read_text()) if place.exists() else []
    noted = {key: event[key] for key in ("after_unknown", "first", "results") if key in event}
    place.write_text(json.dumps([*notes, [step, noted]]))
    before = sum(1 for note in notes if note[0] == step)
    plan = transfer["plan"].get(step, [])
    answer = plan[before] if before < len(plan) else {}
    if isinstance(answer, str):
        raise globals()[answer](answer)
    usual = {
        "claim": {"action": "deliver", "destinations": ["partner"], "wait": 60},
        "deliver": {"destination": "partner", "outcome": "DELIVERED"},
        "complete": {"outcome": "delivered"},
    }
    return {**usual.get(step, {}), **answer}
"""


@pytest.fixture(scope="module")
def machine(aws: Emulator) -> Iterator[str]:
    """Return the ARN of a state machine with the real definition."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", DEPUTY)
    region = contract.REGION_OF[contract.WEST]
    functions, states = (aws.client(service, region) for service in ("lambda", "stepfunctions"))
    deputies = {}
    for step in STEPS:
        deputies[step] = functions.create_function(
            FunctionName=f"deputy-{step}",
            Runtime="python3.13",
            Role=ROLE,
            Handler="index.handler",
            Code={"ZipFile": archive.getvalue()},
        )["FunctionArn"]
        functions.get_waiter("function_active_v2").wait(
            FunctionName=f"deputy-{step}", WaiterConfig={"Delay": 0.05}
        )
    real = json.dumps(definition(deputies, partition=contract.PARTITION))
    # The emulator scales pauses; the longest are still too long for a test.
    quick = real.replace('"MaxDelaySeconds": 900', '"MaxDelaySeconds": 30')
    yield states.create_state_machine(name="real", roleArn=ROLE, definition=quick)["stateMachineArn"]
    for step in STEPS:
        functions.delete_function(FunctionName=f"deputy-{step}")


@pytest.fixture
def carry(aws: Emulator, machine: str, west: Cell, tmp_path: Any) -> Callable[..., list[Any]]:
    """Return a function that runs an execution whose functions answer by plan, and returns their inputs."""
    states = aws.client("stepfunctions", west.region)

    def run(*, taken_over: bool = False, **plan: list[Any]) -> list[Any]:
        notes = tmp_path / "notes.json"
        given = {"taken_over": taken_over, "notes": str(notes), "plan": plan}
        arn = states.start_execution(stateMachineArn=machine, input=json.dumps(given))["executionArn"]
        done = eventually(
            lambda: (seen := states.describe_execution(executionArn=arn))["status"] != "RUNNING" and seen,
            60,
        )
        assert done["status"] == "SUCCEEDED", done
        return json.loads(notes.read_text())

    return run


def deliveries(notes: list[Any]) -> list[tuple[bool, bool]]:
    return [(noted["after_unknown"], noted["first"]) for step, noted in notes if step == "deliver"]


def results(notes: list[Any]) -> Any:
    return notes[-1][1]["results"]


def test_an_attempt_that_ran_out_of_time_is_followed_by_one_that_goes_on(carry):
    more = {"outcome": "CONTINUE"}
    notes = carry(deliver=[more, more])
    assert deliveries(notes) == [(False, False)] * 3
    assert results(notes) == [{"destination": "partner", "outcome": "DELIVERED"}]


def test_a_transfer_that_was_taken_over_asks_first_and_so_does_its_retry(carry):
    notes = carry(taken_over=True, deliver=["TransientDeliveryError", {"outcome": "CONTINUE"}])
    assert deliveries(notes) == [(True, True), (True, True), (False, False)]


@pytest.mark.parametrize("taken_over", [False, True])
def test_after_an_attempt_with_an_unknown_outcome_the_retry_asks_first(carry, taken_over):
    notes = carry(taken_over=taken_over, deliver=["DeliveryUnknownError", {"outcome": "HELD"}])
    assert deliveries(notes) == [(taken_over, taken_over), (True, False)]
    assert results(notes) == [{"destination": "partner", "outcome": "HELD"}]


def test_waiting_for_the_breaker_does_not_count_as_an_attempt(carry):
    """It waits more often than attempts are allowed."""
    notes = carry(deliver=["BreakerOpenError"] * 15)
    assert results(notes) == [{"destination": "partner", "outcome": "DELIVERED"}]
    assert len(deliveries(notes)) == 16


@pytest.mark.parametrize("error", ["LeaseLostError", "OvertakenError"])
@pytest.mark.parametrize("step", ["deliver", "complete"])
def test_an_execution_that_lost_its_lease_or_was_overtaken_claims_again(carry, step, error):
    notes = carry(**{step: [error]})
    assert [each for each, _ in notes].count("claim") == 2
    assert results(notes) == [{"destination": "partner", "outcome": "DELIVERED"}]


def test_a_lease_and_a_turn_outlast_the_longest_pause_and_the_attempt_after_it():
    assert DELIVERY_RETRY["MaxDelaySeconds"] + DELIVERY_TIMEOUT < ATTEMPT_SECONDS < LEASE
