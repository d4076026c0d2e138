"""The real definition, run by the emulated Step Functions with deputies for the functions."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from components.statemachine import DELIVERY_RETRY, DELIVERY_TIMEOUT, definition
from local.aws.emulator import Emulator
from runtime import contract
from runtime.timing import ATTEMPT_SECONDS
from runtime.workflow import LEASE
from tests.runtime.cells import ROLE, Cell, eventually
from tests.runtime.test_handlers import STEPS

_runs = itertools.count()

#: How often an execution waits for room here. It is more often than attempts are allowed.
ROOM = 15

DEPUTY = """
import json, pathlib

class TransientDeliveryError(Exception): pass
class PlatformUnavailableError(Exception): pass
class DeliveryUnknownError(Exception): pass
class OvertakenError(Exception): pass
class LeaseLostError(Exception): pass
class BreakerOpenError(Exception): pass
class ShareInUseError(Exception): pass

def handler(event, context):
    transfer = event["transfer"]
    step = context.function_name.removeprefix("deputy-")
    place = pathlib.Path(transfer["notes"])
    notes = json.loads(place.read_text()) if place.exists() else []
    shown = ("after_unknown", "first", "goes_on", "results", "seen")
    noted = {key: event[key] for key in shown if key in event}
    place.write_text(json.dumps([*notes, [step, noted]]))
    before = sum(1 for note in notes if note[0] == step)
    plan = transfer["plan"].get(step, [])
    answer = plan[before] if before < len(plan) else {}
    if isinstance(answer, str):
        raise (globals().get(answer) or type(answer, (Exception,), {}))(answer)  # or an error of Lambda
    usual = {
        "claim": {"action": "deliver", "destinations": ["partner"], "wait": 60, "at": "then"},
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
    quick = quick.replace('"MaxAttempts": 60', '"MaxAttempts": 2')
    quick = quick.replace('"MaxDelaySeconds": 300', '"MaxDelaySeconds": 5')
    for number in (1000, 300):
        quick = quick.replace(f'"MaxAttempts": {number}', f'"MaxAttempts": {ROOM}')
    yield states.create_state_machine(name="real", roleArn=ROLE, definition=quick)["stateMachineArn"]
    for step in STEPS:
        functions.delete_function(FunctionName=f"deputy-{step}")


@pytest.fixture
def carry(aws: Emulator, machine: str, west: Cell, tmp_path: Any) -> Callable[..., list[Any]]:
    """Return a function that runs an execution whose functions answer by plan, and returns their inputs."""
    states = aws.client("stepfunctions", west.region)

    def run(*, taken_over: bool = False, ends: str = "", **plan: list[Any]) -> list[Any]:
        notes = tmp_path / f"notes-{next(_runs)}.json"
        given = {"taken_over": taken_over, "notes": str(notes), "plan": plan}
        arn = states.start_execution(stateMachineArn=machine, input=json.dumps(given))["executionArn"]
        done = eventually(
            lambda: (seen := states.describe_execution(executionArn=arn))["status"] != "RUNNING" and seen,
            60,
        )
        assert (done["status"], done.get("error", "")) == ("FAILED" if ends else "SUCCEEDED", ends), done
        return json.loads(notes.read_text())

    return run


def deliveries(notes: list[Any]) -> list[tuple[bool, bool]]:
    return [(noted["after_unknown"], noted["first"]) for step, noted in notes if step == "deliver"]


def results(notes: list[Any]) -> Any:
    return next(noted["results"] for step, noted in reversed(notes) if step == "complete")


def steps(notes: list[Any]) -> list[str]:
    return [step for step, _ in notes]


DEAD = ["TransientDeliveryError"] * 3  # the first try, and the two more that are left of sixty


def test_the_receipt_goes_before_the_archive(carry):
    assert steps(carry()) == ["claim", "deliver", "complete", "archive"]


@pytest.mark.parametrize("failed", [1, 2])
def test_while_the_archive_fails_the_receipt_is_sent_once(carry, failed):
    assert steps(carry(archive=DEAD[:failed])) == [
        "claim",
        "deliver",
        "complete",
        *["archive"] * (failed + 1),
    ]


def test_an_archive_that_never_gets_the_file_fails_the_execution_after_the_receipt(carry):
    notes = carry(ends="NotArchived", archive=DEAD)
    assert steps(notes) == ["claim", "deliver", "complete", *["archive"] * 3]


def test_a_file_whose_receipt_cannot_be_sent_is_archived_all_the_same(carry):
    notes = carry(ends="NotCompleted", complete=DEAD)
    assert steps(notes) == ["claim", "deliver", *["complete"] * 3, "archive"]
    notes = carry(ends="NotCompleted", complete=DEAD, archive=DEAD)
    assert steps(notes)[-6:] == [*["complete"] * 3, *["archive"] * 3]


def test_a_claim_is_told_when_its_execution_began_and_then_when_it_was_last_answered(carry):
    notes = carry(deliver=["OvertakenError"])
    first, second = (noted["seen"] for step, noted in notes if step == "claim")
    began = datetime.fromisoformat(first)
    assert abs((datetime.now(UTC) - began).total_seconds()) < 300
    assert second == "then"


def test_an_attempt_that_ran_out_of_time_is_followed_by_one_that_goes_on(carry):
    notes = carry(deliver=["DeliveryUnfinishedError"] * 2)
    assert deliveries(notes) == [(False, False)] * 3
    assert [noted["goes_on"] for step, noted in notes if step == "deliver"] == [False, True, True]
    assert results(notes) == [{"destination": "partner", "outcome": "DELIVERED"}]


@pytest.mark.parametrize("taken_over", [False, True])
def test_reading_that_ran_out_of_time_goes_on_as_it_was_and_does_not_count(carry, taken_over):
    """Nothing was sent, and whether the file is there is as unknown as before."""
    notes = carry(
        taken_over=taken_over,
        claim=[{"action": "compare"}],
        compare=[*["ComparisonUnfinishedError"] * 4, {"action": "deliver", "destinations": ["partner"]}],
        deliver=["ComparisonUnfinishedError", "DeliveryUnknownError", *["ComparisonUnfinishedError"] * 14],
    )
    assert deliveries(notes) == [(taken_over, taken_over)] * 2 + [(True, False)] * 15
    assert [step for step, _ in notes].count("compare") == 5
    assert results(notes) == [{"destination": "partner", "outcome": "DELIVERED"}]


def test_a_transfer_that_was_taken_over_asks_first_and_so_does_its_retry(carry):
    notes = carry(taken_over=True, deliver=["TransientDeliveryError", "DeliveryUnfinishedError"])
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


NO_ROOM = ["Lambda.TooManyRequestsException", "ShareInUseError"]
NOT_THE_PARTNER = [*NO_ROOM, "PlatformUnavailableError"]


@pytest.mark.parametrize("error", NOT_THE_PARTNER)
def test_what_the_partner_has_no_part_in_counts_neither_as_an_attempt_nor_as_an_unknown_outcome(carry, error):
    """What waits has all its attempts left, and is not asked about."""
    notes = carry(deliver=[*[error] * ROOM, *["TransientDeliveryError"] * 12])
    assert deliveries(notes) == [(False, False)] * (ROOM + 12 + 1)
    assert results(notes) == [{"destination": "partner", "outcome": "DELIVERED"}]


@pytest.mark.parametrize("error", NOT_THE_PARTNER)
def test_a_file_that_could_never_be_tried_has_failed_for_that_reason(carry, error):
    notes = carry(deliver=[error] * (ROOM + 1))
    assert deliveries(notes) == [(False, False)] * (ROOM + 1)
    ((result,),) = [results(notes)]
    assert (result["destination"], result["failure"]["Error"]) == ("partner", error)


@pytest.mark.parametrize("error", ["Lambda.TooManyRequestsException", "PlatformUnavailableError"])
def test_after_an_unknown_outcome_waiting_takes_no_attempt_either(carry, error):
    after = [*[error] * ROOM, *["TransientDeliveryError"] * 12]
    notes = carry(deliver=["DeliveryUnknownError", *after])
    assert deliveries(notes) == [(False, False), *[(True, False)] * (ROOM + 12 + 1)]
    assert results(notes) == [{"destination": "partner", "outcome": "DELIVERED"}]


@pytest.mark.parametrize("step", ["claim", "complete", "archive"])
def test_a_step_waits_for_room_without_using_up_its_retries(carry, step):
    notes = carry(**{step: [*["Lambda.TooManyRequestsException"] * ROOM, *DEAD[:2]]})
    assert steps(notes).count(step) == ROOM + 2 + 1
    assert results(notes) == [{"destination": "partner", "outcome": "DELIVERED"}]


@pytest.mark.parametrize("error", ["LeaseLostError", "OvertakenError"])
@pytest.mark.parametrize("step", ["deliver", "complete"])
def test_an_execution_that_lost_its_lease_or_was_overtaken_claims_again(carry, step, error):
    notes = carry(**{step: [error]})
    assert [each for each, _ in notes].count("claim") == 2
    assert results(notes) == [{"destination": "partner", "outcome": "DELIVERED"}]


def test_a_lease_and_a_turn_outlast_the_longest_pause_and_the_attempt_after_it():
    assert DELIVERY_RETRY["MaxDelaySeconds"] + DELIVERY_TIMEOUT < ATTEMPT_SECONDS < LEASE
