"""Objects in S3: whether one is there, and what S3 says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The error codes by which S3 says that an object is not there. HeadObject has no body, so its code is the
#: HTTP status: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
ABSENT = frozenset({"404", "NoSuchKey", "NoSuchVersion"})


def head(s3: Any, bucket: str, key: str, version_id: str | None = None) -> Mapping[str, Any] | None:
    """Return what HeadObject answers about an object, or about one version of it; None when it is not there.

    Raises botocore's ClientError for every other answer: an object that may not be read is not absent.
    """
    version = {} if version_id is None else {"VersionId": version_id}
    try:
        answer: Mapping[str, Any] = s3.head_object(Bucket=bucket, Key=key, **version)
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise
    return answer


def holds(s3: Any, bucket: str, key: str, size: int) -> bool:
    """Return whether an object of this size, in bytes, is there. Raises ClientError as `head` does."""
    answer = head(s3, bucket, key)
    return answer is not None and answer["ContentLength"] == size
