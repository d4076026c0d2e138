"""The order in which the versions of one file were submitted. Pure.

The ids of transfers have the time of submission to the second, which is what S3 gives a version. Within one
second the RECEIVED facts decide: by the `sequencer` of S3's events
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html) or, where an event
has none, by the listing of the file's versions that was read when it was taken in.
"""

from __future__ import annotations

from collections.abc import Iterable

from runtime.contract import Kind
from runtime.facts import Fact, submitted


def is_newer(facts: Iterable[Fact], one: str, other: str) -> bool:
    """Return whether a transfer was submitted after another one of the same file.

    False if it was not, and if that is unknown: two regions have no common order within a second, and a
    RECEIVED fact may be missing or of a version of the platform that recorded no order.
    """
    if submitted(one) != submitted(other):
        return submitted(one) > submitted(other)
    received = [fact for fact in facts if fact.kind is Kind.RECEIVED]
    pairs = [
        (mine, its)
        for mine in received
        for its in received
        if (mine.transfer, its.transfer) == (one, other) and mine.side == its.side
    ]
    # After a takeover a transfer has a fact of each region; where the two disagree, there is no order.
    follows = any(_follows(mine, its) for mine, its in pairs)
    return follows and not any(_follows(its, mine) for mine, its in pairs)


def _follows(mine: Fact, its: Fact) -> bool:
    """Return whether one of two versions in a bucket was written after the other.

    A version that is missing from a listing was written after it. Two listings that contradict each other,
    because versions were removed, say nothing.
    """
    a, b = mine.detail.get("sequencer"), its.detail.get("sequencer")
    if a and b:
        length = max(len(a), len(b))
        # The page above: pad the shorter one on the right with zeros, and compare as text.
        return bool(a.upper().ljust(length, "0") > b.upper().ljust(length, "0"))
    says = set()
    if (earlier := mine.detail.get("earlier")) is not None:
        says.add(its.transfer in earlier)
    if (earlier := its.detail.get("earlier")) is not None:
        says.add(mine.transfer not in earlier)
    return says == {True}
