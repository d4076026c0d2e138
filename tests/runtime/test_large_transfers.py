"""Large files through the deliverer and the comparison: what was read once is not read again (ADR 0048)."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.response import StreamingBody

from local.sftp.partners import AsyncsshPartner, Partner
from local.sftp.partners.inprocess import Files
from runtime import destinations
from runtime.content_progress import ContentProgress
from runtime.contract import Kind
from runtime.deliverer import CONTINUE
from runtime.delivery import ComparisonUnfinishedError, Source, comparison, content_hash, source, upload
from runtime.delivery.content_hash import MIB, RESERVE, Position
from runtime.tracker import Tracker
from tests.runtime.cells import Cell, owner

CONTENT = os.urandom(12 * MIB + 17)


@pytest.fixture
def of_large(west: Cell, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """A cell for which 1 MiB is a large file."""
    for module in (content_hash, source):
        monkeypatch.setattr(module, "LARGEST_WHOLE", MIB)
    for module in (content_hash, comparison):
        monkeypatch.setattr(module, "PART", MIB)
    monkeypatch.setattr(comparison, "_PIECE", MIB)
    monkeypatch.setattr(upload, "SPAN", MIB)
    monkeypatch.setattr(destinations, "Source", lambda **how: Source(**how | {"s3": RangedS3(how["s3"])}))
    return west


@pytest.fixture
def to_partner(of_large: Cell, partner: Partner) -> Cell:
    """The same; its partner's server is a real one."""
    of_large.register(destinations={"partner": of_large.to_server(partner)})
    return of_large


class RangedS3:
    """The emulated S3 with ranges of a version, which it ignores and S3 does not."""

    def __init__(self, s3: Any) -> None:
        self._s3, self.starts = s3, list[int]()

    def get_object(self, *, Range: str = "bytes=0-", **what: Any) -> dict[str, Any]:
        start = int(Range.removeprefix("bytes=").rstrip("-"))
        self.starts.append(start)
        content = self._s3.get_object(**what)["Body"].read()[start:]
        return {"Body": StreamingBody(io.BytesIO(content), len(content)), "ContentLength": len(content)}


def links(content: bytes) -> str:
    link, parts = b"", range(0, len(content), MIB)
    for at in parts:
        link = hashlib.sha256(link + content[at : at + MIB]).digest()
    return f"{link.hex()}-{len(parts)}"


def after(looks: int) -> Callable[[], float]:
    left = iter([1000.0] * looks)
    return lambda: next(left, RESERVE - 1)


def delivered(cell: Cell) -> list[str]:
    return [fact.detail["sha256"] for fact in cell.facts() if fact.kind is Kind.DELIVERED]


def test_a_large_file_is_sent_over_many_attempts(to_partner: Cell, partner: Partner) -> None:
    transfer = to_partner.receive(CONTENT)
    to_partner.workflow.claim(transfer, owner=owner(transfer))
    assert to_partner.attempt(transfer, remaining=after(8)) == CONTINUE
    kept = ContentProgress(to_partner.tracker, transfer.id).load("hash")
    assert kept.offset >= 5 * MIB
    assert to_partner.attempt(transfer, "2", goes_on=True) == Kind.DELIVERED
    assert partner.files() == {"a.csv": CONTENT}
    assert delivered(to_partner) == [links(CONTENT)]


def test_a_large_file_that_the_partner_takes_before_the_rename_is_sent_once(of_large: Cell) -> None:
    taken: list[bytes] = []

    class Taking(Files):
        def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
            file = Path(os.fsdecode(self.map_path(oldpath)))
            taken.append(file.read_bytes())
            file.unlink()
            super().posix_rename(oldpath, newpath)

    with AsyncsshPartner(files=Taking) as server:
        of_large.register(destinations={"partner": of_large.to_server(server)})
        transfer = of_large.receive(CONTENT)
        of_large.workflow.claim(transfer, owner=owner(transfer))
        assert of_large.attempt(transfer, remaining=after(8)) == CONTINUE
        assert of_large.attempt(transfer, "2", goes_on=True) == Kind.DELIVERED
        assert server.files() == {}
    assert taken == [CONTENT]
    assert delivered(of_large) == [links(CONTENT)]


def test_a_large_file_that_may_have_arrived_is_looked_for_over_many_attempts(
    to_partner: Cell, partner: Partner
) -> None:
    (partner.inbox / "a.csv").write_bytes(CONTENT)
    transfer = to_partner.receive(CONTENT)
    to_partner.workflow.claim(transfer, owner=owner(transfer))
    for number in ("1", "2"):
        with pytest.raises(ComparisonUnfinishedError):
            to_partner.attempt(transfer, number, after_unknown=True, remaining=after(4))
    assert to_partner.attempt(transfer, "3", after_unknown=True, remaining=after(4)) == Kind.DELIVERED
    (fact,) = (fact for fact in to_partner.facts() if fact.kind is Kind.DELIVERED)
    assert (fact.detail["sent"], fact.detail["sha256"]) == (False, links(CONTENT))


def test_a_large_resend_is_compared_over_many_attempts_and_spared(to_partner: Cell, partner: Partner) -> None:
    first = to_partner.receive(CONTENT)
    to_partner.workflow.claim(first, owner=owner(first))
    assert to_partner.attempt(first) == Kind.DELIVERED
    to_partner.workflow.complete(first, [], owner=owner(first))
    again = to_partner.receive(CONTENT)
    assert to_partner.workflow.claim(again, owner=owner(again)).action == "compare"
    s3, progress = RangedS3(to_partner.client("s3")), ContentProgress(to_partner.tracker, again.id)
    content = replace(to_partner.source(again), s3=s3, progress=progress)
    with pytest.raises(ComparisonUnfinishedError):
        to_partner.workflow.compare(again, replace(content, remaining=after(5)), owner=owner(again))
    verdict = to_partner.workflow.compare(again, content, owner=owner(again))
    assert s3.starts == [0, 6 * MIB]
    assert verdict.action == "done"
    assert len(delivered(to_partner)) == 1


def test_a_position_never_goes_back_and_is_kept_for_each_purpose(to_partner: Cell) -> None:
    progress = ContentProgress(to_partner.tracker, "t")
    for offset in (5, 9, 7):
        progress.save("hash", Position(offset, f"{offset:02}"))
    assert progress.load("hash") == Position(9, "09")
    assert progress.load("another") == Position()
    assert ContentProgress(to_partner.tracker, "u").load("hash") == Position()


def test_a_tracker_that_does_not_answer_costs_only_time(to_partner: Cell) -> None:
    transfer = to_partner.receive(CONTENT)
    gone = Tracker(table="gone", side="west", client=to_partner.tracker.client)
    lost = replace(to_partner.source(transfer), progress=ContentProgress(gone, transfer.id))
    assert lost.sha256() == links(CONTENT)
