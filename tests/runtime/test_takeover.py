"""Takeover: which of a lost region's transfers the survivor starts or leaves alone, and how they end."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.statemachine import definition
from local.aws.emulator import Emulator
from runtime import contract
from runtime.contract import EAST, REGION_OF, WEST, Kind, Outcome, Position, peer_of, switch_parameter
from runtime.decision import Action
from runtime.executions import Executions
from runtime.facts import Status, submitted
from runtime.handlers.takeover import at_the_same_time
from runtime.pace import START_EXECUTION, TAKEOVER_SHARE, Pace, Rate
from runtime.release import ReleaseDecision
from runtime.switch import Switch
from runtime.takeover import TakenOver, Takeover
from runtime.timing import ATTEMPT_SECONDS
from runtime.transfer import Transfer
from runtime.workflow import LeaseLostError, Leases
from tests.runtime.cells import NAMESPACE, ROLE, Cell, CrashError, Dying, eventually, owner
from tests.runtime.test_handlers import ATTEMPTS, STATES, STEPS
from tests.runtime.test_intake import replicate
from tests.runtime.test_switch import Failover, calls, number

SDK = "inbound/sdk/a.csv"
NOTHING = TakenOver()
TWO = [{"match": "sdk/**", "to": ["partner", "other"], "on_unknown": "deliver"}]
HOLD = [{"match": "sdk/**", "to": ["partner"], "on_unknown": "hold"}]


def today() -> date:
    return datetime.now(UTC).date()


def switch_of(lost: Cell) -> Switch:
    """Return a region's switch, which its peer keeps."""
    parameters, metrics = (
        lost.aws.client(name, REGION_OF[peer_of(lost.side)]) for name in ("ssm", "cloudwatch")
    )
    return Switch(
        namespace=NAMESPACE, cell=number(lost), side=lost.side, parameters=parameters, metrics=metrics
    )


def declare(lost: Cell, position: str) -> None:
    """Declare a region lost, or not lost."""
    ssm = lost.aws.client("ssm", REGION_OF[peer_of(lost.side)])
    name = switch_parameter(NAMESPACE, number(lost), lost.side)
    ssm.put_parameter(Name=name, Value=position, Type="String", Overwrite=True)


def take_over(
    survivor: Cell,
    lost: Cell,
    on: date | None = None,
    *,
    now: Callable[[], datetime] | None = None,
    **how: Any,
) -> TakenOver:
    """Make one pass, as a function that has just started."""
    return starting(survivor, lost, now=now or later()).run(on or today(), **how)


def later(minutes: float = ATTEMPT_SECONDS / 60 + 1) -> Callable[[], datetime]:
    """Return a clock that is ahead: by then, a lost region has died for good, and nobody waits for it."""
    return lambda: datetime.now(UTC) + timedelta(minutes=minutes)


def starting(survivor: Cell, lost: Cell, **instead: Any) -> Takeover:
    """Return the takeover of a function that has just started, with some fields replaced."""
    usual = {
        "side": survivor.side,
        "switch": switch_of(lost),
        "tracker": survivor.tracker,
        "scan": survivor.scan(Status.UNDER_WAY),
        "orphans": survivor.orphans,
        "executions": survivor.its_executions,
        "s3": survivor.client("s3"),
        "now": later(),
    }
    return Takeover(**usual | instead)


def name(transfer: Transfer, generation: int = 1) -> str:
    """Return the name of an execution that takes a transfer over, which owns its lease."""
    return f"{transfer.id}-takeover-{generation}"


def taken_over(cell: Cell) -> dict[str, Transfer]:
    """Return what the cell's executions have taken over, by their names."""
    return {its: Transfer.parse(given) for its, given in cell.executions().items() if "-takeover-" in its}


def end(cell: Cell, transfer: Transfer, kind: Kind, destination: str = "partner") -> None:
    """Record that a destination has ended."""
    detail = {
        Kind.DELIVERED: {"sha256": hashlib.sha256(b"abc").hexdigest(), "size": 3},
        Kind.DUPLICATE: {"of": "20260101T000000Z-0"},
    }.get(kind, {"reason": "x", "error": "x"})
    assert cell.tracker.record(
        transfer.fact(kind, side=cell.side, writer="a", destination=destination, **detail)
    )


@pytest.fixture
def east(west: Cell, sides: tuple[Cell, Cell]) -> Cell:
    """East, to which West's objects replicate; West is declared lost."""
    east = sides[1].make()
    replicate(west, east)
    declare(west, "lost")
    return east


# --- Only when an operator declares the loss ---------------------------------------------------------


class Untouched:
    """A client that must not be used."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")


def test_nothing_happens_while_the_peer_is_in_however_old_its_work(west, east):
    """It looks like a lost region, but only its replication is slow."""
    west.receive(b"abc")
    declare(west, "in")
    blind = east
    for service in ("dynamodb", "s3", "stepfunctions"):
        blind = blind.with_client(service, Untouched())
    for days in range(4):
        assert take_over(blind, west, today() + timedelta(days=days)) == NOTHING
    assert east.executions() == {}


def test_only_the_peers_switch_counts(west, east):
    """East's own position, `lost`, is kept in West; what East keeps is West's."""
    west.receive(b"abc")
    declare(west, "in")
    declare(east, "lost")
    assert take_over(east, west) == NOTHING


def test_a_region_that_is_out_and_well_finishes_its_own(west, east):
    west.receive(b"abc")
    declare(west, "out")
    assert take_over(east, west) == NOTHING


def test_a_switch_that_cannot_be_read_declares_nothing(west, east):
    west.receive(b"abc")
    for garbage in ("OUT", "yes", "gone"):
        declare(west, garbage)
        with pytest.raises(ValueError, match=f"switch/west holds '{garbage}'"):
            take_over(east, west)
    east.client("ssm").delete_parameter(Name=switch_parameter(NAMESPACE, number(west), WEST))
    with pytest.raises(ClientError, match="ParameterNotFound"):
        take_over(east, west)
    assert east.executions() == {}


# --- What is taken over, and what is not -------------------------------------------------------------


@pytest.mark.parametrize("lost_side", [WEST, EAST])
def test_a_transfer_of_the_lost_region_continues_with_its_id_and_this_regions_object(sides, lost_side):
    cells = {cell.side: cell.make() for cell in sides}
    lost, survivor = cells[lost_side], cells[peer_of(lost_side)]
    replicate(lost, survivor)
    declare(lost, "lost")
    transfer = lost.receive(b"abc")
    assert take_over(survivor, lost) == TakenOver(started=(transfer.id,))
    expected = replace(transfer, bucket=survivor.bucket, taken_over=True)
    assert taken_over(survivor) == {name(transfer): expected}
    assert survivor.source(expected).sha256() == hashlib.sha256(b"abc").hexdigest()


def test_a_transfer_that_has_ended_is_left_alone_whichever_region_ended_it(west, east):
    """This includes HELD: asking the partner from another region proves no more than the first time."""
    for kind in (Kind.DELIVERED, Kind.DUPLICATE, Kind.HELD, Kind.FAILED, Kind.REJECTED):
        for cell in (west, east):
            end(cell, west.receive(b"abc", f"inbound/sdk/{kind}-{cell.side}.csv"), kind)
    left = west.receive(b"abc")
    end(west, left, Kind.CONFLICT)
    assert take_over(east, west) == TakenOver(started=(left.id,))


def test_a_regions_own_work_is_not_its_peers(west, east):
    mine = east.receive(b"abc")
    theirs = west.receive(b"xyz", "inbound/sdk/b.csv")
    assert take_over(east, west) == TakenOver(started=(theirs.id,))
    assert name(mine) not in east.executions()


def test_a_transfer_without_received_cannot_be_taken_over(west, east):
    """A limit: without RECEIVED the object and the destinations are not known. Other facts do not help."""
    transfer = west.receive(b"abc")
    fact = west.fact(Kind.RECEIVED, transfer)
    end(west, transfer, Kind.DELIVERED, "other")
    keys = {contract.TRACKER_PK: {"S": fact.file}, contract.TRACKER_SK: {"S": fact.sort_key}}
    east.client("dynamodb").delete_item(TableName=east.table, Key=keys)
    assert take_over(east, west) == NOTHING


def test_an_object_that_has_not_arrived_is_named_and_started_by_a_later_pass(aws: Emulator, west, east):
    """West dies while the object is replicating, and returns; until then East does not call it."""
    here = west.receive(b"abc")
    aws.replication_lag(s3=600)
    try:
        missing = west.receive(b"xyz", "inbound/sdk/b.csv")
        aws.replication_lag()
        aws.region_down(west.region)
        assert take_over(east, west) == TakenOver(started=(here.id,), absent=(missing.id,))
        assert take_over(east, west).absent == (missing.id,)
        assert set(taken_over(east)) == {name(here)}
    finally:
        aws.replication_lag()
        aws.region_up(west.region)
    eventually(lambda: missing.id in take_over(east, west).started)
    assert set(taken_over(east)) == {name(here), name(missing)}


@pytest.mark.parametrize("absent", [0, 1])
def test_another_version_of_the_object_is_not_the_one_that_was_received(west, east, absent):
    """Both are usually of the same second, so their ids have an order and their contents do not."""
    transfers = sorted((west.receive(b"abc"), west.receive(b"xyz")), key=lambda each: each.id)
    missing, here = transfers[absent], transfers[1 - absent]
    east.client("s3").delete_object(Bucket=east.bucket, Key=missing.key, VersionId=missing.version_id)
    assert take_over(east, west) == TakenOver(started=(here.id,), absent=(missing.id,))


# --- Repeated, interrupted, refused ------------------------------------------------------------------


def running(cell: Cell) -> None:
    """Let executions that start from now on run for days."""
    waiting = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 10**7, "End": True}}}
    cell.client("stepfunctions").update_state_machine(
        stateMachineArn=cell.state_machine, definition=json.dumps(waiting)
    )


def test_repeated_passes_start_nothing_twice(west, east):
    """A transfer with a running execution is listed again: Step Functions answers as if it were new."""
    ended = west.receive(b"abc")
    assert take_over(east, west).started == (ended.id,)
    states = east.client("stepfunctions")
    which = {"stateMachineArn": east.state_machine, "statusFilter": "SUCCEEDED"}
    eventually(lambda: states.list_executions(**which)["executions"])
    running(east)
    runs = west.receive(b"xyz")
    for _ in range(3):
        assert take_over(east, west) == TakenOver(started=(runs.id,))
    assert set(east.executions()) == {name(ended), name(runs)}


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_between_two_starts_is_made_good(west, east, after):
    transfers = [west.receive(b"abc", f"inbound/sdk/{n}.csv") for n in range(3)]
    second = sorted(transfers, key=lambda each: each.id)[1]
    states = Dying(east.client("stepfunctions"), "start_execution", after=after, at=second.id)
    with pytest.raises(CrashError):
        take_over(east.with_client("stepfunctions", states), west)
    assert len(east.executions()) == (2 if after else 1)
    take_over(east, west)
    assert set(east.executions()) == {name(each) for each in transfers}
    assert {each.id: each.key for each in taken_over(east).values()} == {
        each.id: each.key for each in transfers
    }


@pytest.mark.parametrize(("service", "call"), [("s3", "HeadObject"), ("stepfunctions", "StartExecution")])
def test_a_transfer_that_aws_refuses_does_not_hold_back_the_others(west, east, service, call):
    transfers = sorted((west.receive(b"abc", f"inbound/sdk/{n}.csv") for n in range(3)), key=lambda t: t.id)
    bad = transfers[0]

    class Refusing:
        def __getattr__(self, name: str) -> Any:
            real = getattr(east.client(service), name)
            if name not in ("head_object", "start_execution"):
                return real

            def ask(**request: Any) -> Any:
                if bad.version_id in json.dumps(request):
                    raise ClientError({"Error": {"Code": "403", "Message": f"Forbidden: {bad.key}"}}, call)
                return real(**request)

            return ask

    done = take_over(east.with_client(service, Refusing()), west)
    assert done.started == tuple(each.id for each in transfers[1:])
    assert re.fullmatch(rf"{bad.id}: .*{call}.*Forbidden: \(the file\)", *done.failed)
    assert set(east.executions()) == {name(each) for each in transfers[1:]}
    assert take_over(east, west).started[0] == bad.id


# --- Executions that die ------------------------------------------------------------------------------


def die(cell: Cell, execution: str) -> None:
    """Stop an execution, as a region that dies would, or an operator."""
    arn = cell.state_machine.replace(":stateMachine:", ":execution:") + f":{execution}"
    states = cell.client("stepfunctions")
    states.stop_execution(executionArn=arn)
    eventually(lambda: states.describe_execution(executionArn=arn)["status"] == "ABORTED")


def in_minutes(cell: Cell, minutes: float) -> Executions:
    """Return the cell's executions as they are seen after a number of minutes."""
    when = datetime.now(UTC) + timedelta(minutes=minutes)
    return Executions(
        state_machine=cell.state_machine, workflow=cell.client("stepfunctions"), now=lambda: when
    )


def test_an_execution_that_died_is_followed_by_another_after_a_pause_that_grows(west, east):
    running(east)
    transfer = west.receive(b"abc")
    for generation, (too_soon, in_time) in enumerate([(0, 0), (1.9, 2.1), (3.9, 4.1), (7.9, 8.1)], start=1):
        if generation > 1:
            die(east, name(transfer, generation - 1))
            early = starting(east, west, executions=in_minutes(east, too_soon)).run(today())
            assert early == NOTHING
        done = starting(east, west, executions=in_minutes(east, in_time)).run(today())
        assert done.started == (transfer.id,)
        assert set(taken_over(east)) == {name(transfer, number) for number in range(1, generation + 1)}
    assert len({str(given) for given in taken_over(east).values()}) == 1


def test_a_release_that_runs_here_is_left_to_carry_the_transfer(west, east):
    """A second execution beside it could have the lease first, and would hold what the operator released."""
    held = west.receive(b"abc")
    end(west, held, Kind.HELD)
    running(east)
    decision = {"who": "me", "why": "the partner does not have it"}
    released = east.release.release(
        Transfer.here(west.fact(Kind.RECEIVED, held), EAST), "partner", ReleaseDecision.RESEND, **decision
    )
    assert take_over(east, west) == NOTHING
    assert taken_over(east) == {}
    die(east, released)
    assert take_over(east, west) == TakenOver(started=(held.id,))


def test_a_release_that_the_lost_region_had_begun_is_taken_over(west, east):
    """Whether the lost region sent the file is not known, so the takeover asks, and may hold it again."""
    held = west.receive(b"abc")
    end(west, held, Kind.HELD)
    running(west)
    decision = {"who": "me", "why": "the partner does not have it"}
    west.release.release(held, "partner", ReleaseDecision.RESEND, **decision)
    assert take_over(east, west) == TakenOver(started=(held.id,))


def test_the_pause_between_two_executions_ends_at_a_day(west, east):
    transfer = Transfer.here(west.fact(Kind.RECEIVED, west.receive(b"abc")), EAST, taken_over=True)
    for generation in range(1, 14):
        east.its_executions.start(transfer, name(transfer, generation))
    eventually(lambda: all(east.its_executions.find(each).ended for each in taken_over(east)))
    assert not in_minutes(east, 24 * 60 - 1).again(transfer, "takeover")
    assert in_minutes(east, 24 * 60 + 1).again(transfer, "takeover")
    assert name(transfer, 14) in east.executions()


@pytest.fixture
def hours_later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a takeover's clock, some hours ahead: transfers that were submitted now are no longer young."""
    return lambda: datetime.now(UTC) + timedelta(hours=4)


def test_a_second_loss_finds_what_the_lost_region_had_taken_over(west, east, hours_later):
    """West was lost; East took over its file and is lost in turn. West's own execution died with West."""
    running(west)
    transfer = west.receive(b"abc")
    take_over(east, west)
    die(west, owner(transfer))
    replicate(east, west)
    declare(east, "lost")
    assert starting(west, east).run(today()) == NOTHING  # it may still be at work
    assert starting(west, east, now=hours_later).run(today()).started == (transfer.id,)
    assert taken_over(west) == {name(transfer): replace(transfer, taken_over=True)}


def test_a_transfer_in_this_regions_own_running_execution_is_left_to_it(west, east, hours_later):
    running(east)
    mine = east.receive(b"abc")
    assert starting(east, west, now=hours_later).run(today()) == NOTHING
    die(east, owner(mine))
    assert starting(east, west, now=hours_later).run(today()).started == (mine.id,)


# --- The time there is --------------------------------------------------------------------------------


def test_a_pass_that_runs_out_of_time_names_what_is_left_and_the_next_continues_there(west, east):
    """Today and yesterday always come first; the earlier days follow from where the last pass ended."""
    running(east)
    transfer = west.receive(b"abc")
    received = west.fact(Kind.RECEIVED, transfer)
    end(west, transfer, Kind.DELIVERED)
    old = [today() - timedelta(days=back) for back in (14, 9, 4)]
    ids = [f"{day:%Y%m%d}T120000Z-{n}" for n, day in enumerate(old)]
    for n, each in enumerate(ids):
        assert west.tracker.record(replace(received, transfer=each, file=str(n)))
    takeover = starting(east, west)

    def for_questions(count: int) -> Any:
        """Allow a number of readings of the clock: one before each day, one after each transfer."""
        moments = iter([1000.0] * count)
        return lambda: next(moments, 0.0)

    recent = 1 + 2
    first = takeover.run(today(), for_questions(recent + 2 + 1))
    assert (first.started, first.left) == ((ids[0],), 15 - 4)
    second = takeover.run(today(), for_questions(4 + 2 + 1))
    assert (second.started, second.left) == ((ids[1],), 11 - 6)
    third = takeover.run(today())
    assert (third.started, third.left) == ((ids[2],), 0)
    # All days have had their turn, and those that were empty are left alone for a while.
    fourth = takeover.run(today(), for_questions(recent + 2))
    assert (set(fourth.started), fourth.left) == ({ids[0]}, 5 - 3)


def test_the_canarys_transfers_stay_in_their_region(west, east):
    cells = [replace(cell, customer=contract.canary("1")).make() for cell in (west, east)]
    try:
        replicate(*cells)
        copied = {"Bucket": cells[1].config_bucket, "Key": contract.config_key(contract.canary("1"))}
        east.client("s3").copy_object(
            Bucket=east.config_bucket, Key=contract.config_key(contract.canary("1")), CopySource=copied
        )
        cells[0].receive(b"abc")
        theirs = west.receive(b"abc")
        assert take_over(east, west) == TakenOver(started=(theirs.id,))
    finally:
        for cell in cells:
            cell.client("stepfunctions").delete_state_machine(stateMachineArn=cell.state_machine)


# --- Order: an older version and a newer one ----------------------------------------------------------


def test_an_older_version_that_is_taken_over_does_not_replace_a_newer_one_and_can_be_released(west, east):
    """The customer resent a corrected file through East; then East took over the first."""
    older = west.receive(b"abc")
    eventually(lambda: datetime.now(UTC).timestamp() > submitted(older.id).timestamp() + 1.1)
    newer = east.receive(b"corrected")
    east.workflow.claim(newer, owner=owner(newer))
    east.attempt(newer)
    take_over(east, west)
    mine = taken_over(east)[name(older)]
    decision = east.workflow.claim(mine, owner=name(mine))
    assert (decision.action, decision.held) == (Action.DONE, (("partner", newer.id),))
    assert east.workflow.complete(mine, [], owner=name(mine)) is Outcome.HELD
    held = east.receipts_published(1)[0]["destinations"][0]
    assert held["reason"] == "a newer version of this key was delivered"
    assert east.at_partner() == b"corrected"
    assert take_over(east, west) == NOTHING
    released = east.release.release(mine, "partner", ReleaseDecision.RESEND, who="ops", why="they want both")
    assert east.workflow.claim(mine, owner=released).action is Action.DELIVER
    east.attempt(mine, owner=released, after_unknown=True, first=True)
    assert east.at_partner() == b"abc"


# --- Customers, days, pages --------------------------------------------------------------------------


def test_a_pass_covers_all_customers_of_the_cell_and_no_others(west, east):
    """`second` is in East's registry too; the third customer's routing document does not exist (any more)."""
    started = [west.receive(b"abc").id]
    for letter in "xy":
        cells = [replace(cell, customer=f"{west.customer}{letter}").make() for cell in (west, east)]
        replicate(*cells)
        transfer = cells[0].receive(b"abc")
        if letter == "x":
            started.append(transfer.id)
            key = contract.config_key(cells[1].customer)
            copied = {"Bucket": cells[1].config_bucket, "Key": key}
            east.client("s3").copy_object(Bucket=east.config_bucket, Key=key, CopySource=copied)
    assert take_over(east, west).started == tuple(started)
    assert {each.bucket for each in taken_over(east).values()} == {
        east.bucket,
        f"{NAMESPACE}-{west.customer}x-east",
    }


def test_a_pass_covers_the_days_that_inbound_files_are_kept(west, east):
    """By the day of the submission in UTC: the objects of older transfers have expired."""
    east.register(retention={"inbound_days": 5, "archive_days": 365, "tracker_days": 90})
    transfer = west.receive(b"abc")
    day = datetime.strptime(transfer.id[:8], "%Y%m%d").replace(tzinfo=UTC).date()
    for days in (-1, 6):
        assert take_over(east, west, day + timedelta(days=days)) == NOTHING
    running(east)
    for days in (0, 1, 2, 5):
        assert take_over(east, west, day + timedelta(days=days)).started == (transfer.id,)


def test_versions_of_a_file_are_started_one_after_the_other_also_across_midnight(west, east):
    """Otherwise the partner would get the older file last, or it would be held for the newer one."""
    running(east)
    transfer = west.receive(b"abc")
    end(west, transfer, Kind.DELIVERED)
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    moments = [midnight - timedelta(seconds=1), midnight, midnight + timedelta(hours=23, minutes=59)]
    ids = [f"{moment:%Y%m%dT%H%M%SZ}-{'cab'[n] * 20}" for n, moment in enumerate(moments)]
    for each in ids:
        received = west.fact(Kind.RECEIVED, transfer)
        assert west.tracker.record(replace(received, transfer=each))
    for each in ids:
        for _ in range(2):
            assert take_over(east, west, midnight.date()).started == (each,)
        end(east, replace(transfer, id=each), Kind.DELIVERED)
    assert take_over(east, west, midnight.date()) == NOTHING


def test_facts_of_one_transfer_on_several_pages_of_the_index_belong_together(aws: Emulator, west, east):
    done, left = west.receive(b"abc"), west.receive(b"abc", "inbound/sdk/b.csv")
    end(west, done, Kind.DELIVERED)
    queries = []

    def one_a_page(params: dict[str, Any], **_: Any) -> None:
        params["Limit"] = 1
        queries.append(params)

    narrow = aws.new_client("dynamodb", east.region)
    narrow.meta.events.register("provide-client-params.dynamodb.Query", one_a_page)
    try:
        assert take_over(east.with_client("dynamodb", narrow), west).started == (left.id,)
    finally:
        narrow.close()
    assert len(queries) > 3 + 2


# --- How a transfer that was taken over goes on ------------------------------------------------------


def asks_first(transfer: Transfer) -> bool:
    """Return whether the definition begins a destination of this transfer as after an unknown result."""
    payload = ATTEMPTS[STATES["Deliver"]["ItemProcessor"]["StartAt"]]["Parameters"]["Payload"]
    assert payload["after_unknown.$"] == payload["first.$"]
    *_, field = payload["after_unknown.$"].partition("$$.Execution.Input.")
    return bool(transfer.document()[field])


def attempt(cell: Cell, transfer: Transfer, destination: str = "partner", number: str = "1") -> str:
    """Make the first attempt at a destination, as the definition does."""
    asks = asks_first(transfer)
    return cell.deliverer.attempt(
        transfer, destination, owner=name(transfer), attempt=number, after_unknown=asks
    )


def claimed(east: Cell, west: Cell, transfer: Transfer) -> Transfer:
    """Take over a transfer and claim it; return the transfer of East's execution."""
    assert transfer.id in take_over(east, west).started
    mine = taken_over(east)[name(transfer)]
    assert east.workflow.claim(mine, owner=name(mine)).action is Action.DELIVER
    return mine


DEPUTY = """
def handler(event, context):
    if "destination" in event:
        asked = {name: event[name] for name in ("after_unknown", "first")}
        return {"destination": event["destination"], "outcome": "DELIVERED", **asked}
    return {"action": "deliver", "destinations": event["transfer"]["destinations"]}
"""


@pytest.fixture
def outcomes(aws: Emulator, east: Cell) -> Iterator[Any]:
    """Run the real definition in East with a deputy for each function; return the results of an execution."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("index.py", DEPUTY)
    functions, states = (aws.client(service, east.region) for service in ("lambda", "stepfunctions"))
    deputy = functions.create_function(
        FunctionName=east.customer,
        Runtime="python3.13",
        Role=ROLE,
        Handler="index.handler",
        Code={"ZipFile": archive.getvalue()},
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName=east.customer, WaiterConfig={"Delay": 0.05})
    real = definition(dict.fromkeys(STEPS, deputy), partition=contract.PARTITION)
    states.update_state_machine(stateMachineArn=east.state_machine, definition=json.dumps(real))

    def of(execution: str) -> Any:
        arn = east.state_machine.replace(":stateMachine:", ":execution:") + f":{execution}"
        done = eventually(
            lambda: (seen := states.describe_execution(executionArn=arn))["status"] != "RUNNING" and seen,
            30,
        )
        return json.loads(done["output"])["results"]

    yield of
    functions.delete_function(FunctionName=east.customer)


def test_an_execution_asks_the_destination_first_if_and_only_if_it_took_over(west, east, outcomes):
    theirs, mine = west.receive(b"abc"), east.receive(b"xyz", "inbound/sdk/b.csv")
    take_over(east, west)
    done = {"destination": "partner", "outcome": "DELIVERED"}
    assert outcomes(name(theirs)) == [done | {"after_unknown": True, "first": True}]
    assert outcomes(owner(mine)) == [done | {"after_unknown": False, "first": False}]
    assert asks_first(taken_over(east)[name(theirs)])
    assert not asks_first(mine)


@pytest.mark.parametrize("kind", [Kind.DELIVERED, Kind.FAILED])
def test_only_the_remaining_destination_of_two_is_served(west, east, kind):
    for cell in (west, east):
        cell.register(routes=TWO, destinations={"partner": cell.to_bucket(), "other": cell.to_bucket("o")})
    transfer = west.receive(b"abc")
    west.workflow.claim(transfer, owner=owner(transfer))  # of West: its lease is nothing to East
    end(west, transfer, kind)
    assert take_over(east, west).started == (transfer.id,)
    mine = taken_over(east)[name(transfer)]
    assert mine.destinations == ("partner", "other")
    decision = east.workflow.claim(mine, owner=name(mine))
    assert (decision.action, decision.destinations) == (Action.DELIVER, ("other",))
    assert attempt(east, mine, "other") == Kind.DELIVERED
    assert east.at_partner("o/a.csv") == b"abc"
    assert east.at_partner("in/a.csv") is None
    assert take_over(east, west) == NOTHING


def test_a_file_that_the_partner_does_not_have_is_held_where_the_route_says_so(west, east):
    for cell in (west, east):
        cell.register(routes=HOLD)
    transfer = west.receive(b"abc")
    mine = claimed(east, west, transfer)
    assert attempt(east, mine) == Kind.HELD
    assert east.at_partner() is None
    done = [{"destination": "partner", "outcome": "HELD"}]
    assert east.workflow.complete(mine, done, owner=name(mine)) is Outcome.HELD
    assert east.receipts_published(1)[0]["outcome"] == "held"
    assert take_over(east, west) == NOTHING
    end(west, transfer, Kind.DELIVERED)  # West's last fact arrives after all
    assert east.status(transfer) is Status.DELIVERED


@pytest.mark.parametrize("on_unknown", ["hold", "deliver"])
def test_a_file_that_the_partner_has_is_delivered_without_sending_it(west, east, on_unknown):
    """West delivered it in its last moment, and the fact was lost with West."""
    east.register(routes=[HOLD[0] | {"on_unknown": on_unknown}])
    east.client("s3").put_object(Bucket=east.partner_bucket, Key="in/a.csv", Body=b"abc")
    mine = claimed(east, west, west.receive(b"abc"))
    with calls(east.client("s3")) as counted:
        assert attempt(east, mine) == Kind.DELIVERED
    assert (east.region, "CopyObject") not in counted
    detail = east.fact(Kind.DELIVERED, mine).detail
    assert (detail["sent"], detail["after_unknown"]) == (False, True)


def test_a_file_that_the_partner_does_not_have_is_sent_where_the_route_says_so(west, east):
    mine = claimed(east, west, west.receive(b"abc"))
    assert attempt(east, mine) == Kind.DELIVERED
    assert east.at_partner() == b"abc"
    assert east.fact(Kind.DELIVERED, mine).detail["sent"] is True


def test_a_resend_through_the_survivor_waits_for_the_takeover_and_is_a_duplicate(west, east):
    """A customer without a receipt sends the file again, and customers of a lost region have none."""
    mine = claimed(east, west, west.receive(b"abc"))
    resent = east.receive(b"abc")
    own = owner(resent)
    assert east.workflow.claim(resent, owner=own).action is Action.WAIT
    attempt(east, mine)
    assert east.workflow.claim(resent, owner=own).action is Action.COMPARE
    decision = east.workflow.compare(resent, east.source(resent), owner=own)
    assert decision.spared == (("partner", mine.id),)


def test_a_takeover_after_the_resend_was_delivered_is_the_duplicate(west, east):
    transfer, resent = west.receive(b"abc"), east.receive(b"abc")
    east.workflow.claim(resent, owner=owner(resent))
    east.deliverer.attempt(resent, "partner", owner=owner(resent), attempt="1", after_unknown=False)
    take_over(east, west)
    mine = taken_over(east)[name(transfer)]
    assert east.workflow.claim(mine, owner=name(mine)).action is Action.COMPARE
    decision = east.workflow.compare(mine, east.source(mine), owner=name(mine))
    assert (decision.action, decision.spared) == (Action.DONE, (("partner", resent.id),))
    assert take_over(east, west) == NOTHING


# --- The lost region returns -------------------------------------------------------------------------


def test_an_execution_of_the_lost_region_that_goes_on_does_not_send_again(west, east, partner):
    """It had the lease and was about to send; the partner has collected the file that East sent."""
    for cell in (west, east):
        cell.register(destinations={"partner": cell.to_server(partner)})
    transfer = west.receive(b"abc")
    west.workflow.claim(transfer, owner=owner(transfer))
    mine = claimed(east, west, transfer)
    assert attempt(east, mine) == Kind.DELIVERED
    done = [{"destination": "partner", "outcome": "DELIVERED"}]
    assert east.workflow.complete(mine, done, owner=name(mine)) is Outcome.DELIVERED
    (partner.inbox / "a.csv").unlink()
    assert west.attempt(transfer, "2") == Kind.DELIVERED
    assert west.attempt(transfer, "3", after_unknown=True) == Kind.DELIVERED
    assert partner.files() == {}
    assert west.workflow.complete(transfer, done, owner=owner(transfer)) is Outcome.DELIVERED
    assert west.kinds(transfer) == [Kind.DELIVERED, Kind.RECEIPT, Kind.RECEIVED]
    assert west.fact(Kind.DELIVERED, transfer).side == EAST


def test_a_takeover_that_learns_of_the_lost_regions_delivery_does_not_send_again(west, east, partner):
    for cell in (west, east):
        cell.register(destinations={"partner": cell.to_server(partner)})
    transfer = west.receive(b"abc")
    mine = claimed(east, west, transfer)
    end(west, transfer, Kind.DELIVERED)  # its replication was slow
    assert attempt(east, mine) == Kind.DELIVERED
    assert partner.files() == {}
    assert east.workflow.claim(mine, owner=name(mine)).action is Action.DONE


def test_a_region_that_has_returned_keeps_what_it_took_in_since_it_was_declared_lost(west, east):
    """It is out of DNS, but clients that have looked earlier still send to it."""
    before = west.receive(b"abc")
    declare(west, "lost")
    transfer = west.receive(b"abc", "inbound/sdk/b.csv")
    assert take_over(east, west, now=later(4)).started == (before.id,)
    assert transfer.id in take_over(east, west, now=later(6)).started


def test_a_region_that_has_returned_keeps_what_it_is_at_work_on(west, east):
    """Until its lease is older than an execution that is at work ever leaves it."""
    transfer = west.receive(b"abc")
    west.workflow.claim(transfer, owner=owner(transfer))
    longest = ATTEMPT_SECONDS / 60
    assert take_over(east, west, now=later(longest - 1)) == NOTHING
    assert take_over(east, west, now=later(longest + 1)).started == (transfer.id,)


def taken_over_while(west: Cell, east: Cell) -> tuple[Transfer, Transfer]:
    """Have East take over what an execution of West's still carries; return each region's transfer.

    West has returned, and knows of East's lease.
    """
    transfer = west.receive(b"abc")
    west.workflow.claim(transfer, owner=owner(transfer))
    mine = claimed(east, west, transfer)
    eventually(lambda: west.tracker.newest(transfer.file).peers)
    return transfer, mine


def test_a_region_that_has_returned_leaves_to_its_peer_what_that_has_taken_over(west, east, partner):
    for cell in (west, east):
        cell.register(destinations={"partner": cell.to_server(partner)})
    transfer, mine = taken_over_while(west, east)
    with pytest.raises(LeaseLostError, match=r"taken .* over"):
        west.attempt(transfer)
    assert partner.files() == {}
    assert west.workflow.claim(transfer, owner=owner(transfer)).action is Action.WAIT
    assert attempt(east, mine) == Kind.DELIVERED
    (partner.inbox / "a.csv").unlink()  # the partner takes it away
    eventually(lambda: Kind.DELIVERED in west.kinds(transfer))
    assert west.workflow.claim(transfer, owner=owner(transfer)).action is Action.DONE
    assert partner.files() == {}


def test_a_region_that_learns_of_it_while_it_sends_stops_before_the_file_appears(west, east, partner):
    for cell in (west, east):
        cell.register(destinations={"partner": cell.to_server(partner)})
    transfer, _ = taken_over_while(west, east)
    real = Leases.yields
    answers = iter([False])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Leases, "yields", lambda self, *about: next(answers, None) or real(self, *about))
        with pytest.raises(LeaseLostError, match=r"taken .* over"):
            west.attempt(transfer)
    assert "a.csv" not in partner.files()


@pytest.mark.parametrize(("passed", "waits"), [(ATTEMPT_SECONDS - 30, True), (ATTEMPT_SECONDS + 30, False)])
def test_it_waits_for_its_peer_no_longer_than_an_execution_leaves_its_lease(west, east, passed, waits):
    transfer, mine = taken_over_while(west, east)
    leases = Leases(tracker=west.tracker, now=lambda: time.time() + passed)
    assert leases.yields(transfer, west.tracker.newest(transfer.file)) is waits
    there = Leases(tracker=east.tracker, now=lambda: time.time() + passed)
    assert not there.yields(mine, east.tracker.newest(mine.file)), "or both would wait"


def test_what_its_peer_has_held_the_region_that_received_it_sends(west, east):
    """It knows what it has sent itself, and the peer has only asked."""
    transfer, mine = taken_over_while(west, east)
    end(east, mine, Kind.HELD)
    eventually(lambda: Kind.HELD in west.kinds(transfer))
    assert west.attempt(transfer) == Kind.DELIVERED


def released(west: Cell, transfer: Transfer) -> tuple[Transfer, str]:
    """Have West's operator decide that a held transfer is sent again; return the execution's transfer."""
    name = west.release.release(
        transfer, "partner", ReleaseDecision.RESEND, who="somebody", why="they have nothing"
    )
    return replace(transfer, taken_over=True), name


def test_what_its_peer_has_held_is_released_at_once_although_the_peers_lease_is_fresh(west, east):
    """The execution that has the lease has ended: its transfer was held when the operator decided."""
    transfer, mine = taken_over_while(west, east)
    end(east, mine, Kind.HELD)
    eventually(lambda: Kind.HELD in west.kinds(transfer))
    again, name = released(west, transfer)
    assert west.workflow.claim(again, owner=name).action is Action.DELIVER
    assert west.attempt(again, owner=name, after_unknown=True, first=True) == Kind.DELIVERED


def test_what_both_regions_have_released_is_left_to_the_peer(west, east):
    """Each operator decided before the other's decision had arrived."""
    transfer, mine = taken_over_while(west, east)
    end(east, mine, Kind.HELD)
    eventually(lambda: Kind.HELD in west.kinds(transfer))
    seen = east.tracker.newest(mine.file)
    over = [fact for fact in seen.facts if fact.kind is Kind.HELD]
    again, name = released(west, transfer)
    their_name = east.release.reopen(
        mine, ["partner"], over, ReleaseDecision.RESEND, history=seen, who="somebody", why="x"
    )
    eventually(lambda: west.kinds(transfer).count(Kind.REPLAYED) == 2)
    assert west.workflow.claim(again, owner=name).action is Action.WAIT
    assert east.workflow.claim(mine, owner=their_name).action is Action.DELIVER


def test_what_its_peer_may_have_sent_after_a_release_is_held_and_not_sent(west, east, partner):
    """The execution that received the file waits for the partner all the while, and has sent nothing."""
    for cell in (west, east):
        cell.register(
            destinations={"partner": cell.to_server(partner)},
            routes=[{"match": "sdk/**", "to": ["partner"], "on_unknown": "hold"}],
        )
    transfer, mine = taken_over_while(west, east)
    assert attempt(east, mine) == Kind.HELD
    again, name = released(east, mine)
    assert east.workflow.claim(again, owner=name).action is Action.DELIVER
    how = {"owner": name, "after_unknown": True}
    dying = east.with_client("dynamodb", Dying(east.client("dynamodb"), "put_item", at="#DELIVERED#"))
    with pytest.raises(CrashError):
        dying.attempt(again, "2", first=True, **how)
    (partner.inbox / "a.csv").unlink()  # the partner takes it away
    assert east.attempt(again, "3", **how) == Kind.HELD
    eventually(lambda: west.kinds(transfer).count(Kind.HELD) == 2)
    assert west.attempt(transfer, "4") == Kind.HELD
    assert partner.files() == {}


def test_another_transfers_lease_there_keeps_nothing_back(west, east):
    other, transfer = west.receive(b"xyz"), west.receive(b"abc")
    west.workflow.claim(other, owner=owner(other))
    end(west, other, Kind.DELIVERED)
    assert take_over(east, west).started == (transfer.id,)


# --- The entry point ---------------------------------------------------------------------------------


def test_the_function_starts_transfers_whose_objects_arrived_and_names_the_others(sides, monkeypatch):
    west, east = (replace(cell, cell_number=number(cell)).make() for cell in sides)
    replicate(west, east)
    here, missing = west.receive(b"abc"), west.receive(b"xyz", "inbound/sdk/b.csv")
    east.client("s3").delete_object(Bucket=east.bucket, Key=missing.key, VersionId=missing.version_id)
    functions = Failover(east, monkeypatch)
    try:
        declare(west, Position.IN)
        names = ("started", "absent", "adopted", "unproven", "failed", "asked")
        nothing = {key: [] for key in names} | {"left": 0}
        assert functions.call("takeover", {}) == nothing
        assert functions.call("takeover", {}, seconds=1) == nothing | {"left": 15}, (
            "held files are of any day"
        )
        switch_of(west).move(Position.LOST)
        found = {"started": [here.id], "absent": [missing.id]}
        assert functions.call("takeover", {}) == nothing | found
    finally:
        functions.close()
    assert set(taken_over(east)) == {name(here)}


# --- How fast, and in which order --------------------------------------------------------------------


def test_a_transfer_that_runs_costs_one_request_of_step_functions_and_no_question(west, east):
    """Questions are answered fifteen times slower than executions are started."""
    running(east)
    transfers = {west.receive(b"abc", f"inbound/sdk/{number}.csv").id for number in range(3)}
    for _ in range(2):
        with calls(east.client("stepfunctions")) as counted:
            assert set(take_over(east, west).started) == transfers
        assert counted == {(east.region, "StartExecution"): 3}


def test_an_execution_with_another_input_is_asked_about_and_left_to_run(west, east):
    """An earlier release may have started it; its name is taken."""
    running(east)
    transfer = west.receive(b"abc")
    here = Transfer.here(west.fact(Kind.RECEIVED, transfer), EAST, taken_over=True)
    east.its_executions.start(replace(here, size=here.size + 1), name(here))
    with calls(east.client("stepfunctions")) as counted:
        assert take_over(east, west) == TakenOver(started=(transfer.id,))
    assert counted == {(east.region, "StartExecution"): 1, (east.region, "DescribeExecution"): 1}
    assert set(taken_over(east)) == {name(transfer)}


def out_of_time(after: int) -> Any:
    """Return a clock on which the time is up after a number of readings."""
    moments = iter([1000.0] * after)
    return lambda: next(moments, 0.0)


def test_a_pass_goes_on_behind_the_transfer_at_which_the_last_one_stopped(west, east):
    """Within one day, so that the first files of a busy day do not starve the others."""
    running(east)
    transfers = sorted(west.receive(b"abc", f"inbound/sdk/{number}.csv").id for number in range(5))
    takeover = starting(east, west)
    yesterday = 1
    assert takeover.run(today(), out_of_time(yesterday + 1 + 1)).started == tuple(transfers[:2])
    assert takeover.run(today(), out_of_time(1 + 1)).started == tuple(transfers[2:4])
    assert takeover.run(today()) == TakenOver(started=(transfers[4],))
    assert takeover.run(today()).started == tuple(transfers)  # from the beginning again


def test_a_submission_waits_for_an_older_one_that_an_interrupted_pass_has_started(west, east):
    running(east)
    older, newer = sorted(west.receive(content).id for content in (b"abc", b"xyz"))
    takeover = starting(east, west)
    assert takeover.run(today(), out_of_time(2)).started == (older,)
    assert takeover.run(today()) == NOTHING
    assert takeover.run(today()).started == (older,)
    assert newer not in {each.id for each in taken_over(east).values()}


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_within_a_batch_that_startsat_the_same_time_is_made_good(west, east, after):
    transfers = [west.receive(b"abc", f"inbound/sdk/{number}.csv") for number in range(4)]
    second = sorted(transfers, key=lambda each: each.id)[1]
    states = Dying(east.client("stepfunctions"), "start_execution", after=after, at=second.id)
    executions = east.with_client("stepfunctions", states).its_executions
    with pytest.raises(CrashError):
        starting(east, west, each=at_the_same_time, executions=executions).run(today())
    done = starting(east, west, each=at_the_same_time).run(today())
    assert set(done.started) <= {each.id for each in transfers}
    assert set(east.executions()) == {name(each) for each in transfers}


def test_a_share_of_the_rate_is_kept_from_any_number_of_threads() -> None:
    """In virtual time: ten threads, a bucket of 533 and 100 a second, as `Rate.seconds` computes."""
    slept: list[float] = []
    pace = Pace(START_EXECUTION.part(TAKEOVER_SHARE), clock=lambda: 0.0, sleep=slept.append)
    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda _: pace.wait(), range(10_000)))
    assert len(slept) == 10_000 - 533
    assert max(slept) == pytest.approx(START_EXECUTION.part(TAKEOVER_SHARE).seconds(10_000))
    assert max(slept) == pytest.approx(94.67)


def test_a_pace_fills_its_bucket_again_and_no_further() -> None:
    now, slept = [0.0], list[float]()
    pace = Pace(Rate(2, 1), clock=lambda: now[0], sleep=slept.append)
    for _ in range(3):
        pace.wait()
    now[0] = 100.0
    for _ in range(3):
        pace.wait()
    assert slept == [1.0, 1.0]
