"""The clients of S3 and SQS, and what their errors mean to a sender."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore import exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from mft_client.errors import CredentialsError

#: Parts of one file that are on their way at the same time.
WORKERS = 8

#: The refusals that another try may change: S3 is busy or read the request too slowly, the clock of the
#: moment was wrong, an upload in parts was removed meanwhile. Any other stays the same: no permission, no
#: such bucket, a request that S3 does not accept.
#: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
_PASSING = {
    "BadDigest",
    "IncompleteBody",
    "NoSuchUpload",
    "OperationAborted",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "TooManyRequests",
}

#: What AWS answers to credentials that are not or no longer valid.
_NOT_VALID = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
}

_MISSING = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
)

#: How credentials are given: https://docs.aws.amazon.com/boto3/latest/guide/credentials.html
_GIVE = (
    "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    " (with AWS_SESSION_TOKEN where they are temporary)"
)


def new_client(service: str, region: str) -> Any:
    """Return a client of a region, on FIPS endpoints; CredentialsError if a profile is named that is none.

    The SHA-256 of every request's body is signed, so S3 compares it with what arrives:
    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    Where AWS_ENDPOINT_URL leads to something that stands for AWS, that is asked.
    """
    config = Config(
        use_fips_endpoint="AWS_ENDPOINT_URL" not in os.environ,
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=WORKERS,
        s3={"payload_signing_enabled": True},
    )
    try:
        return boto3.session.Session().client(service, region_name=region, config=config)
    except BotoCoreError as error:
        raise of_credentials(error) or error from error


def of_credentials(error: BotoCoreError | ClientError) -> CredentialsError | None:
    """Return the error that says how to give credentials, if it is them that are missing or not valid."""
    if isinstance(error, _MISSING):
        return CredentialsError(f"there are no usable AWS credentials: {error}; {_GIVE}")
    if code_of(error) in _NOT_VALID:
        return CredentialsError(f"AWS does not accept the credentials: {error}; {_GIVE}")
    return None


def is_final(error: BotoCoreError | ClientError) -> bool:
    """Return whether the same request would be refused again."""
    if not isinstance(error, ClientError):
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return 400 <= status < 500 and code_of(error) not in _PASSING


def code_of(error: BotoCoreError | ClientError) -> str:
    """Return the code of an answer of AWS, empty if AWS has not answered."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""
