"""What is delivered: one version of an S3 object, read as a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from runtime import objects
from runtime.delivery.errors import DeliveryError, PermanentDeliveryError, TransientDeliveryError

MIB = 1024 * 1024

#: Error codes of S3 that a retry cannot change. HeadObject has no body, so its codes are HTTP's.
ABSENT = objects.ABSENT | {"NoSuchBucket"}
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403"})
_OTHER = frozenset(
    {"MethodNotAllowed", "405", "InvalidObjectState", "PreconditionFailed", "412", "PermanentRedirect", "301"}
)
PERMANENT = ABSENT | DENIED | _OTHER


@dataclass(frozen=True, kw_only=True)
class Source:
    """One version of an object. `s3` is a client of the bucket's region; `size` is in bytes."""

    s3: Any = field(repr=False, compare=False)
    bucket: str
    key: str
    version_id: str
    size: int

    @property
    def place(self) -> str:
        """Where it is, as messages name it."""
        return f"s3://{self.bucket}/{self.key} version {self.version_id}"

    def chunks(self, start: int = 0, *, chunk: int = MIB) -> Iterator[bytes]:
        """Yield the bytes from offset `start` on, at most `chunk` at a time; never more in memory.

        Blocks while S3 answers, for at most the client's own read timeout. Raises PermanentDeliveryError
        when the version is gone, refused or of another size, and TransientDeliveryError for the rest.
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
        """Return the content's SHA-256 in hex: reads the whole of it. Raises as chunks does."""
        digest = hashlib.sha256()
        for data in self.chunks():
            digest.update(data)
        return digest.hexdigest()

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
    """Return S3's code of an error, e.g. `NoSuchKey`; of a HeadObject the HTTP status, e.g. `404`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def s3_failure(error: ClientError | BotoCoreError, place: str, step: str) -> DeliveryError:
    """Return the delivery error for what S3 or the way to it answered, as far as a retry is concerned."""
    if isinstance(error, ClientError) and code_of(error) in PERMANENT:
        return PermanentDeliveryError(place, step, _words(error))
    return TransientDeliveryError(place, step, _words(error))


def _words(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return f"{code_of(error)} {error.response.get('Error', {}).get('Message', '')}".strip()
    return f"{type(error).__name__}: {error}"
