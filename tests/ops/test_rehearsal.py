"""Whose region an acceptance puts back: the one that a rehearsal took out, and no other."""

from __future__ import annotations

import pytest

from ops.acceptance import failover_rehearsal
from ops.acceptance.failover_rehearsal import FailoverRehearsal, left_out
from ops.acceptance.observation import Observations, Patience
from ops.cell import DeployedCell
from ops.environment import Environment
from ops.failover.evacuation import EVACUATE
from ops.logbook import Logbook
from ops.plan import RefusedError
from runtime.contract import EAST, WEST
from tests.ops.conftest import EASTERN, WESTERN, Place


@pytest.fixture
def rehearsed(place: Place) -> Place:
    """A place in which West is out, because a rehearsal was killed between its two moves."""
    s3 = place.aws.client("s3", EASTERN)
    cell = DeployedCell(environment=Environment.read(place.root), side=EAST)
    s3.create_bucket(Bucket=cell.bucket("audit"), CreateBucketConfiguration={"LocationConstraint": EASTERN})
    plan = {WESTERN: {"version": place.moved(WEST) + 1}}
    why = f"a test{failover_rehearsal._MARK}"
    with Logbook(cell, EVACUATE).recorded(digest="0" * 64, plan=plan, why=why):
        place.hold(WEST, "out")
    return place


def rehearsal(place: Place, observed: Observations) -> FailoverRehearsal:
    hurry = Patience(delivery=0, replication=0, schedule=0, pause=0)
    return FailoverRehearsal(Environment.read(place.root), place.root, "a test", observed, hurry)


def test_what_a_rehearsal_took_out_is_left_out_by_it(rehearsed: Place) -> None:
    assert left_out(Environment.read(rehearsed.root)) == [WEST]


def test_what_a_person_took_out_after_a_rehearsal_is_theirs(
    rehearsed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moved by hand, without a record: the rehearsal's is still the latest of the verb's."""
    for position in ("in", "out"):
        rehearsed.hold(WEST, position)
    with pytest.raises(RefusedError, match=f"{WESTERN} is out, and an acceptance needs both regions in DNS"):
        left_out(Environment.read(rehearsed.root))
    monkeypatch.setattr(failover_rehearsal, "restoration", lambda *_: pytest.fail("it is to be restored"))
    observed = Observations()
    assert not rehearsal(rehearsed, observed).restore(WEST)
    (unseen,) = observed.unseen
    assert f"no rehearsal took it out, so it is left as it is; to restore it: mft-ops restore {WESTERN}" in (
        unseen.line
    )


@pytest.mark.parametrize("position", ["out", "lost"])
def test_a_rehearsal_leaves_a_region_that_somebody_takes_out_before_it_does(
    rehearsed: Place, monkeypatch: pytest.MonkeyPatch, position: str
) -> None:
    """An acceptance takes minutes: both regions were in DNS when it was planned."""
    for each in ("in", position):
        rehearsed.hold(WEST, each)
    monkeypatch.setattr(failover_rehearsal, "restoration", lambda *_: pytest.fail("it is to be restored"))
    observed = Observations()
    rehearsal(rehearsed, observed).play()
    assert rehearsed.position(WEST) == position
    assert rehearsed.position(EAST) == "in", "the other region carries everybody"
    assert [each.where for each in observed.unseen] == [EASTERN, WESTERN, WESTERN]
