"""The source of a delivery: one version of an S3 object, read as a stream."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from runtime import objects
from runtime.delivery.content_hash import LARGEST_WHOLE, MIB, RESERVE, ContentHash, Position, Progress
from runtime.delivery.errors import (
    ComparisonUnfinishedError,
    DeliveryError,
    PermanentDeliveryError,
    TransientDeliveryError,
)

#: The purpose of a position up to which the content was hashed.
_HASH = "hash"

#: Error codes of S3 that a retry cannot change. An error of HeadObject has no body, so its code is the HTTP
#: status.
ABSENT = objects.ABSENT | {"NoSuchBucket"}
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403"})
_OTHER = frozenset(
    {"MethodNotAllowed", "405", "InvalidObjectState", "PreconditionFailed", "412", "PermanentRedirect", "301"}
)
PERMANENT = ABSENT | DENIED | _OTHER


@dataclass(frozen=True, kw_only=True)
class Source:
    """One version of an object. `s3` is a client of the bucket's region; `size` is in bytes.

    `progress` keeps how far a large content was read. Without it, every attempt begins anew. `remaining`
    returns the seconds that are left; with fewer than RESERVE, reading to hash or to compare stops.
    """

    s3: Any = field(repr=False, compare=False)
    bucket: str
    key: str
    version_id: str
    size: int
    progress: Progress | None = field(default=None, repr=False, compare=False)
    remaining: Callable[[], float] = field(default=lambda: math.inf, repr=False, compare=False)

    @property
    def place(self) -> str:
        """The source's location in the form that messages use."""
        return f"s3://{self.bucket}/{self.key} version {self.version_id}"

    def chunks(self, start: int = 0, *, chunk: int = MIB) -> Iterator[bytes]:
        """Yield the bytes from the offset `start` on, at most `chunk` at a time and never more in memory.

        Blocks while S3 responds, for at most the client's own read timeout. Raises PermanentDeliveryError if
        the version is gone, refused or of another size, and TransientDeliveryError for any other failure.
        """
        if 0 < start >= self.size:
            return
        body = self._get(start)
        try:
            while data := body.read(chunk):
                yield data
        except BotoCoreError as error:
            raise TransientDeliveryError(self.place, "read", _words(error)) from error
        finally:
            body.close()

    def sha256(self) -> str:
        """Return the hash of the content (ContentHash.text), after reading what was not hashed before.

        Raises as `chunks` does and, when the time runs out, what `out_of_time` returns.
        """
        hashed = self.hasher()
        began = hashed.read
        for data in self.chunks(began):
            hashed.feed(data, hashed.read)
            if hashed.read < self.size and self.remaining() < RESERVE:
                self.keep(hashed)
                raise self.out_of_time("hash", hashed.read, is_ahead=hashed.position.offset > began)
        self.keep(hashed)
        return hashed.text()

    def hasher(self) -> ContentHash:
        """Return the hash of the content, as far as an earlier attempt has read it."""
        is_known = self.progress and self.size > LARGEST_WHOLE
        return ContentHash(self.size, self.progress.load(_HASH) if self.progress and is_known else Position())

    def keep(self, hashed: ContentHash) -> None:
        """Keep for later attempts how far the content was hashed."""
        if self.progress and hashed.position.offset:
            self.progress.save(_HASH, hashed.position)

    def out_of_time(self, step: str, offset: int, *, is_ahead: bool, place: str = "") -> DeliveryError:
        """Return the error of reading that ran out of time: ComparisonUnfinishedError if it got ahead.

        Otherwise it is TransientDeliveryError, which is counted. `place` is what was slow, if not the source.
        """
        kind = ComparisonUnfinishedError if is_ahead and self.progress else TransientDeliveryError
        return kind(place or self.place, step, f"the time ran out after {offset} of {self.size} bytes")

    def _get(self, start: int) -> Any:
        ranged = {"Range": f"bytes={start}-"} if start else {}
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=self.key, VersionId=self.version_id, **ranged)
        except (ClientError, BotoCoreError) as error:
            raise s3_failure(error, self.place, "read") from error
        if answer["ContentLength"] != self.size - start:
            answer["Body"].close()
            reason = f"has {start + answer['ContentLength']} bytes, not {self.size}"
            raise PermanentDeliveryError(self.place, "read", reason)
        return answer["Body"]


def code_of(error: ClientError) -> str:
    """Return S3's code of an error, such as `NoSuchKey`, or the HTTP status for HeadObject, such as `404`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def s3_failure(error: ClientError | BotoCoreError, place: str, step: str) -> DeliveryError:
    """Return the delivery error for a failure of S3 or the connection: permanent if a retry cannot help."""
    if isinstance(error, ClientError) and code_of(error) in PERMANENT:
        return PermanentDeliveryError(place, step, _words(error))
    return TransientDeliveryError(place, step, _words(error))


def _words(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return f"{code_of(error)} {error.response.get('Error', {}).get('Message', '')}".strip()
    return f"{type(error).__name__}: {error}"
