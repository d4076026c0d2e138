"""`python -m ops takeover`: planning and completing the lost region's transfers in the other region."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields

import pytest

from ops.commands.takeover import WORDS
from runtime import contract
from runtime.contract import EAST, REGION_OF, WEST, Kind, switch_parameter
from runtime.facts import status
from runtime.takeover import TakenOver
from runtime.transfer import Transfer
from tests.ops.transfers import NAMESPACE, Estate, deliver, other_customer, replicate

WESTERN, EASTERN = REGION_OF[WEST], REGION_OF[EAST]
APPLY = ("--apply", "--reason", "West does not answer")


def declare(estate: Estate, position: str) -> None:
    name = switch_parameter(NAMESPACE, estate.place.cell, WEST)
    ssm = estate.east.client("ssm")
    ssm.put_parameter(Name=name, Value=position, Type="String", Overwrite=True)


@pytest.fixture
def lost(estate: Estate) -> Iterator[Estate]:
    """A customer whose West is declared lost."""
    replicate(estate)
    declare(estate, "lost")
    yield estate
    estate.place.aws.replication_lag()


def received(lost: Estate, key: str = "inbound/sdk/a.csv") -> Transfer:
    """Have West receive a file and be declared lost afterwards: what it receives later is its own."""
    transfer = lost.west.receive(b"abc", key)
    declare(lost, "lost")
    return transfer


def taken_over(estate: Estate) -> list[str]:
    return sorted(name for name in estate.east.executions() if "-takeover-" in name)


def test_a_takeover_is_planned_and_then_carried_out_with_the_other_region_dead(lost: Estate) -> None:
    delivered = deliver(lost.west, key="inbound/sdk/done.csv")
    under_way = received(lost, "inbound/sdk/left.csv")
    lost.west.upload(b"abc", "inbound/sdk/unknown.csv")
    lost.lose(WEST)
    plan = {"out": WESTERN, "region": EASTERN, "started": [under_way.id], "left": 0}
    plan |= {"absent": [], "adopted": ["inbound/sdk/unknown.csv"], "unproven": []}
    plan |= {"recorded": None, "warnings": [], "command": f"mft-ops takeover {WESTERN} --reason WHY --apply"}
    assert lost.json("takeover", WESTERN) == (0, {"applied": False, **plan})
    assert taken_over(lost) == []
    assert lost.east.facts("inbound/sdk/unknown.csv") == []
    code, done = lost.json("takeover", WESTERN, *APPLY)
    command = f"mft-ops takeover {WESTERN} --reason 'West does not answer' --apply"
    plan |= {"recorded": done["recorded"], "command": command}
    assert (code, done) == (0, {"applied": True, **plan})
    assert done["recorded"].startswith("s3://")
    assert taken_over(lost) == [f"{under_way.id}-takeover-1"]
    assert [fact.kind for fact in lost.east.facts("inbound/sdk/unknown.csv")] == [Kind.RECEIVED]
    assert lost.east.status(delivered) == status(lost.east.facts(delivered.key))


def test_a_takeover_as_text(lost: Estate) -> None:
    under_way = received(lost)
    lost.west.upload(b"abc", "inbound/sdk/unknown.csv")
    assert lost.ops("takeover", WESTERN).out.splitlines() == [
        f"{under_way.id} would go on here",
        "inbound/sdk/unknown.csv would be taken in: no fact is about it",
        f"{EASTERN}: 1 started, 0 absent, 1 adopted, 0 unproven; nothing was done; to do it:",
        f"  mft-ops takeover {WESTERN} --reason WHY --apply",
    ]
    result = lost.ops("takeover", WESTERN, *APPLY)
    assert f"{under_way.id} goes on here" in result.out
    assert result.out.endswith("done\n")


def test_a_takeover_needs_a_reason_which_is_recorded(lost: Estate) -> None:
    assert lost.ops("takeover", WESTERN, "--apply").code == 2
    assert taken_over(lost) == []
    under_way = received(lost)
    bucket, _, folder = (
        lost.json("takeover", WESTERN, *APPLY)[1]["recorded"].removeprefix("s3://").partition("/")
    )
    assert taken_over(lost) == [f"{under_way.id}-takeover-1"]
    s3 = lost.east.client("s3")
    intent, outcome = (
        json.loads(s3.get_object(Bucket=bucket, Key=f"{folder}{name}.json")["Body"].read())
        for name in ("intent", "outcome")
    )
    assert (intent["verb"], intent["why"]) == ("takeover", "West does not answer")
    assert outcome["started"] == 1


def test_every_list_of_a_pass_is_printed() -> None:
    lists = {field.name for field in fields(TakenOver) if field.default == ()}
    assert lists == {*WORDS, "failed"}  # failures are the text of the refusal


def test_an_object_that_has_not_arrived_is_named(lost: Estate) -> None:
    lost.place.aws.replication_lag(s3=600)
    missing = received(lost)
    lost.lose(WEST)
    assert lost.json("takeover", WESTERN, *APPLY)[1]["absent"] == [missing.id]
    assert taken_over(lost) == []


@pytest.mark.parametrize("position", ["in", "out"])
def test_a_region_that_is_not_declared_lost_is_left_alone(lost: Estate, position: str) -> None:
    lost.west.receive(b"abc")
    declare(lost, position)
    for words in ((), APPLY):
        result = lost.ops("takeover", WESTERN, *words)
        assert result.code == 1
        assert result.line == (
            f"{WESTERN} is not declared lost, so {EASTERN} takes nothing over from it; "
            f"if it is: mft-ops evacuate {WESTERN} --lost"
        )
    assert taken_over(lost) == []


def test_a_repeated_takeover_starts_nothing_twice(lost: Estate) -> None:
    under_way = received(lost)
    for _ in range(2):
        assert lost.ops("takeover", WESTERN, *APPLY).code == 0
    assert taken_over(lost) == [f"{under_way.id}-takeover-1"]


def test_a_refusal_by_aws_is_named_and_stops_nothing_else(lost: Estate) -> None:
    """The customer's bucket is gone; another customer's transfer goes on."""
    gone = other_customer(lost)
    lost.east.client("s3").delete_bucket(Bucket=contract.bucket_of(gone, lost.east.stem, EAST))
    under_way = received(lost)
    result = lost.ops("takeover", WESTERN, *APPLY)
    assert result.code == 1
    assert result.line.startswith(f"1 started, 1 failed: {gone}: ")
    assert "NoSuchBucket" in result.line
    assert result.line.endswith("; run it again: nothing is started twice")
    assert taken_over(lost) == [f"{under_way.id}-takeover-1"]


def test_an_unknown_region_is_refused_with_the_nearest(lost: Estate) -> None:
    result = lost.ops("takeover", "us-gov-wst-1")
    assert (result.code, "did you mean us-gov-west-1" in result.line) == (1, True)
