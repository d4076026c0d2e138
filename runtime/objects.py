"""Objects in S3: whether an object exists, and what S3 reports about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The error codes by which S3 reports that an object does not exist. An error of HeadObject has no body, so
#: its code is the HTTP status: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
ABSENT = frozenset({"404", "NoSuchKey", "NoSuchVersion"})


def head(s3: Any, bucket: str, key: str, version_id: str | None = None) -> Mapping[str, Any] | None:
    """Return the response of HeadObject for an object or one version of it, or None if that does not exist.

    Raises botocore's ClientError for every other error: an object that may not be read is not absent.
    """
    version = {} if version_id is None else {"VersionId": version_id}
    try:
        response: Mapping[str, Any] = s3.head_object(Bucket=bucket, Key=key, **version)
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise
    return response


def holds(s3: Any, bucket: str, key: str, size: int) -> bool:
    """Return whether an object of this size, in bytes, exists. Raises ClientError as `head` does."""
    found = head(s3, bucket, key)
    return found is not None and found["ContentLength"] == size
