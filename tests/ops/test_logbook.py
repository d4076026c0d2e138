"""What is recorded of an action, and how an interrupted action is continued."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ops import logbook
from ops.cell import DeployedCell
from ops.environment import Environment
from ops.logbook import Logbook
from runtime.contract import EAST, REGION_OF
from tests.ops.conftest import Place

PLAN = {"c7k2m": {"primary.": "east"}}


class CutOffError(Exception):
    """The process dies here."""


@pytest.fixture
def book(place: Place, monkeypatch: pytest.MonkeyPatch) -> Logbook:
    cell = DeployedCell(environment=Environment.read(place.root), side=EAST)
    place.aws.client("s3", REGION_OF[EAST]).create_bucket(
        Bucket=cell.bucket("audit"), CreateBucketConfiguration={"LocationConstraint": REGION_OF[EAST]}
    )
    return Logbook(cell, "rehome")


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch):
    """Let time pass, by exactly what the function is called with."""
    now = [datetime.now(UTC)]
    monkeypatch.setattr(logbook, "_now", lambda: now[0])

    def pass_by(**time: float) -> None:
        now[0] += timedelta(**time)

    return pass_by


def carry_out(
    book: Logbook, *, dies: bool = False, why: str = "planned", digest: str = "0123456789ab"
) -> str:
    """Carry out a plan, or begin to; return where the action is recorded."""
    folder = ""
    try:
        with book.recorded(digest=digest, plan=PLAN, why=why) as recording:
            folder = recording.folder
            if dies:
                raise CutOffError
    except CutOffError:
        pass
    return folder


def test_an_interrupted_action_is_continued_and_a_finished_one_is_not(book, later):
    first = carry_out(book, dies=True)
    later(hours=1)
    assert book.cut_off().intent["why"] == "planned"
    assert carry_out(book, dies=True, why="another") == first, "and what was recorded first stays"
    assert book.cut_off().intent["why"] == "planned"
    later(hours=1)
    assert carry_out(book) == first
    assert book.cut_off() is None
    later(hours=1)
    assert carry_out(book) != first, "the same plan, another time"


def test_an_action_that_was_interrupted_long_ago_is_not_continued(book, later):
    first = carry_out(book, dies=True)
    later(days=8)
    assert book.cut_off() is None
    assert carry_out(book) != first


def test_an_interrupted_action_with_another_plan_is_not_continued(book, later):
    carry_out(book, dies=True)
    assert book.cut_off("ba9876543210") is None
    assert book.cut_off("0123456789ab").intent["plan"] == PLAN


def test_of_several_interrupted_actions_the_latest_is_continued(book, later):
    carry_out(book, dies=True)
    later(hours=1)
    carry_out(book, dies=True, why="another", digest="ba9876543210")
    assert book.cut_off().intent["why"] == "another"
    assert book.cut_off("0123456789ab").intent["why"] == "planned"


def test_of_two_operators_who_do_the_same_at_once_the_first_is_recorded(book, later, monkeypatch):
    """Neither operator has seen the other begin."""
    with monkeypatch.context() as blind:
        blind.setattr(Logbook, "cut_off", lambda *_: None)
        assert carry_out(book, dies=True) == carry_out(book, dies=True, why="another")
    assert book.cut_off().intent["why"] == "planned"
