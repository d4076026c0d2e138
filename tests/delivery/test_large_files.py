"""Files that are read over many attempts: each goes on where the last one stopped (ADR 0048)."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local.sftp.partners import Partner
from runtime.delivery import (
    ComparisonUnfinishedError,
    Delivery,
    DeliveryUnfinishedError,
    Source,
    TransientDeliveryError,
    comparison,
    content_hash,
    s3,
    sftp,
    source,
    upload,
)
from runtime.delivery.content_hash import MIB, RESERVE, ContentHash, Position
from runtime.delivery.s3 import S3Target
from runtime.delivery.upload import SPAN
from tests.delivery.support import QUICK, MemoryProgress, MemoryS3, destination_of, source_of

#: Scaled down: a part of 2 MiB, of which this content has almost thirteen.
SMALL = 2 * MIB
CONTENT = os.urandom(25 * MIB + 17)


@pytest.fixture
def scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_hash, "PART", SMALL)
    monkeypatch.setattr(comparison, "PART", SMALL)
    monkeypatch.setattr(comparison, "_PIECE", MIB)
    monkeypatch.setattr(content_hash, "LARGEST_WHOLE", SMALL)
    monkeypatch.setattr(source, "LARGEST_WHOLE", SMALL)
    monkeypatch.setattr(upload, "SPAN", 4 * MIB)


def links(content: bytes, part: int = SMALL) -> str:
    """Return the hash of a large content as docs/onboarding.md says that anyone can compute it."""
    link = b""
    for at in range(0, len(content), part):
        link = hashlib.sha256(link + content[at : at + part]).digest()
    return f"{link.hex()}-{-(-len(content) // part)}"


def after(looks: int) -> Callable[[], float]:
    """Return a clock that is about to run out after a number of looks."""
    left = iter([1000.0] * looks)
    return lambda: next(left, RESERVE - 1)


def watched(content: bytes, progress: MemoryProgress, **how: Any) -> tuple[Source, list[int]]:
    """Return a source and the list to which the offset of every further read is added."""
    reads: list[int] = []
    made = source_of(content, on_read=reads.append)
    get = made.s3.get_object

    def get_object(*, Range: str = "bytes=0-", **rest: Any) -> dict[str, Any]:
        start = int(Range.removeprefix("bytes=").rstrip("-"))
        made.s3.on_read = lambda at: reads.append(start + at)
        return get(Range=Range, **rest)  # type: ignore[no-any-return]

    made.s3.get_object = get_object
    return replace(made, progress=progress, **how), reads


def send(partner: Partner, given: Source, **how: Any) -> Delivery:
    usual = {"name": "a.bin", "attempt": "try-1", "private_key": partner.private_key, "patience": QUICK}
    return sftp.deliver_now(given, destination_of(partner), **usual | how)


def find(partner: Partner, given: Source) -> Delivery | None:
    async def found() -> Delivery | None:
        target, key = destination_of(partner), partner.private_key
        async with sftp.session(target, private_key=key, patience=QUICK) as opened:
            return await opened.find(given, name="a.bin")

    return asyncio.run(found())


@pytest.mark.usefixtures("scaled")
@pytest.mark.parametrize("size", [SMALL + 1, 2 * SMALL, 2 * SMALL + 5, 3 * SMALL - 1])
def test_a_hash_that_is_put_down_anywhere_is_the_same(size: int) -> None:
    content = CONTENT[:size]
    at_once = ContentHash(size, Position())
    at_once.feed(content, 0)
    for stop in (1, SMALL - 1, SMALL, SMALL + 1, size - 1):
        first = ContentHash(size, Position())
        first.feed(content[:stop], 0)
        second = ContentHash(size, first.position)
        second.feed(content[second.read :], second.read)
        assert second.text() == at_once.text() == links(content)
        done = ContentHash(size, second.position)
        assert done.text() == links(content), "the last position is enough"


@pytest.mark.usefixtures("scaled")
def test_a_content_that_s3_copies_in_one_request_keeps_its_sha256() -> None:
    content = CONTENT[:SMALL]
    assert source_of(content).sha256() == hashlib.sha256(content).hexdigest()


@pytest.mark.usefixtures("scaled")
def test_a_continued_upload_reads_neither_what_was_hashed_nor_what_was_sent(partner: Partner) -> None:
    given, reads = watched(CONTENT, MemoryProgress())
    read = 0
    for _ in range(20):
        reads.clear()
        try:
            done = send(partner, given, remaining=after(8))
            break
        except DeliveryUnfinishedError:
            assert not read or min(reads) >= read - 4 * MIB - 3 * MIB
            read = max(reads)
    assert min(reads) > len(CONTENT) // 2, "the last attempt began far behind the beginning"
    assert done.sha256 == links(CONTENT)
    assert partner.files() == {"a.bin": CONTENT}


@pytest.mark.usefixtures("scaled")
@pytest.mark.parametrize("left", [0, 3 * MIB, 12 * MIB, len(CONTENT)])
def test_a_partner_that_has_more_or_less_than_was_hashed_gets_the_whole(partner: Partner, left: int) -> None:
    """After a crash less was kept than sent; a partner may have removed what was sent."""
    given, _ = watched(CONTENT, MemoryProgress())
    with pytest.raises(DeliveryUnfinishedError):
        send(partner, given, remaining=after(10))
    (partner.inbox / ".a.bin.try-1.part").write_bytes(CONTENT[:left])
    assert send(partner, given).sha256 == links(CONTENT)
    assert partner.files() == {"a.bin": CONTENT}


@pytest.mark.usefixtures("scaled")
def test_an_attempt_that_only_hashes_on_is_no_failed_attempt(partner: Partner) -> None:
    (partner.inbox / ".a.bin.try-1.part").write_bytes(CONTENT)
    given, _ = watched(CONTENT, MemoryProgress())
    with pytest.raises(DeliveryUnfinishedError):
        send(partner, given, remaining=after(8))
    without, _ = watched(CONTENT, MemoryProgress())
    with pytest.raises(TransientDeliveryError):
        send(partner, without, remaining=after(1))


@pytest.mark.usefixtures("scaled")
def test_a_search_goes_on_where_the_last_one_stopped(partner: Partner) -> None:
    (partner.inbox / "a.bin").write_bytes(CONTENT)
    given, reads = watched(CONTENT, MemoryProgress())
    starts = []
    for _ in range(20):
        reads.clear()
        try:
            found = find(partner, replace(given, remaining=after(6)))
            break
        except ComparisonUnfinishedError:
            starts.append(min(reads))
    assert starts == [0, 6 * MIB, 12 * MIB, 18 * MIB], "each began where the one before had its last part"
    assert found
    assert (found.sha256, found.size, found.sent) == (links(CONTENT), len(CONTENT), False)


@pytest.mark.usefixtures("scaled")
@pytest.mark.parametrize("at", [0, 10 * MIB, len(CONTENT) - 1])
def test_a_file_that_changes_between_two_searches_is_read_from_its_beginning(
    partner: Partner, at: int
) -> None:
    there = partner.inbox / "a.bin"
    there.write_bytes(CONTENT)
    given, _ = watched(CONTENT, MemoryProgress())
    with pytest.raises(ComparisonUnfinishedError):
        find(partner, replace(given, remaining=after(15)))
    there.write_bytes(CONTENT[:at] + bytes([CONTENT[at] ^ 1]) + CONTENT[at + 1 :])
    os.utime(there, (1, 1))
    assert find(partner, given) is None


@pytest.mark.usefixtures("scaled")
def test_a_search_that_gets_less_than_a_part_has_failed(partner: Partner) -> None:
    (partner.inbox / "a.bin").write_bytes(CONTENT)
    given, _ = watched(CONTENT, MemoryProgress())
    with pytest.raises(TransientDeliveryError, match=r"compare: the time ran out after 1048576 of"):
        find(partner, replace(given, remaining=after(0)))


class PartnerS3:
    """A partner's bucket with one object, of which S3 knows no SHA-256; notes where it is read from."""

    def __init__(self, content: bytes) -> None:
        self._memory, self.content, self.starts = MemoryS3(content), content, list[str]()

    def head_object(self, **_: Any) -> dict[str, Any]:
        return {"ContentLength": len(self.content), "ETag": '"e"', "LastModified": 1}

    def get_object(self, *, Range: str, **_: Any) -> dict[str, Any]:
        self.starts.append(Range)
        return self._memory.get_object(Range=Range)


@pytest.mark.usefixtures("scaled")
@pytest.mark.parametrize("is_same", [True, False])
def test_a_search_in_a_bucket_goes_on_where_the_last_one_stopped(is_same: bool) -> None:
    theirs = PartnerS3(CONTENT if is_same else CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    given, _ = watched(CONTENT, MemoryProgress())
    with pytest.raises(ComparisonUnfinishedError):
        s3.find(replace(given, remaining=after(12)), S3Target(bucket="b"), s3=theirs, name="a.bin")
    found = s3.find(given, S3Target(bucket="b"), s3=theirs, name="a.bin")
    assert (found and found.sha256) == (links(CONTENT) if is_same else None)
    assert theirs.starts == ["bytes=0-", f"bytes={13 * MIB}-"]


@pytest.mark.usefixtures("scaled")
def test_the_hash_for_a_comparison_is_read_over_many_attempts() -> None:
    given, reads = watched(CONTENT, MemoryProgress())
    for looks in (7, 11):
        with pytest.raises(ComparisonUnfinishedError, match="hash: the time ran out"):
            replace(given, remaining=after(looks)).sha256()
    reads.clear()
    assert given.sha256() == links(CONTENT)
    assert min(reads) >= 18 * MIB


class SparseS3:
    """An object of zeros of any size; counts the bytes that are read."""

    def __init__(self, size: int) -> None:
        self.size, self.read = size, 0

    def get_object(self, *, Range: str = "bytes=0-", **_: Any) -> dict[str, Any]:
        left = self.size - int(Range.removeprefix("bytes=").rstrip("-"))
        return {"Body": _Zeros(self, left), "ContentLength": left}


class _Zeros(io.RawIOBase):
    def __init__(self, s3: SparseS3, left: int) -> None:
        self._s3, self._left = s3, left

    def read(self, size: int = -1) -> bytes:
        size = min(size, self._left)
        self._left -= size
        self._s3.read += size
        return bytes(size)


class SparseFile:
    """The partner's file: only how far it was written without a hole."""

    count = 1

    def __init__(self) -> None:
        self.end = 0

    async def write(self, data: bytes, offset: int) -> int:
        assert offset <= self.end, "a hole"
        self.end = max(self.end, offset + len(data))
        return len(data)


@pytest.mark.exhaustive
def test_a_file_of_50_gb_goes_through_functions_of_15_minutes() -> None:
    """At 20 MB a second, a function sends 15.6 GB; the clock goes by what was read."""
    size, rate = 50 * 10**9, 20 * 10**6
    s3, file = SparseS3(size), SparseFile()
    given = Source(s3=s3, bucket="b", key="k", version_id="v", size=size, progress=MemoryProgress())
    attempts = began = 0

    def left() -> float:
        return 900 - (s3.read - began) / rate

    while True:
        attempts, began = attempts + 1, s3.read
        try:
            text, done = asyncio.run(
                upload.upload(
                    given,
                    file,
                    request=255 * 1024,
                    place="p",
                    path="a.bin",
                    patience=QUICK,
                    there=file.end,
                    remaining=left,
                )
            )
            break
        except DeliveryUnfinishedError:
            assert attempts < 5
    assert (attempts, done, file.end) == (4, size, size)
    assert text.endswith("-746")
    # Each of the three further attempts reads a window or a part again, and one chunk ahead.
    assert s3.read <= size + 3 * (content_hash.PART + SPAN + 4 * MIB)
