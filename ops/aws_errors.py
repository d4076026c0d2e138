"""What errors from AWS mean to an operator: who or what is to blame, and so what helps."""

from __future__ import annotations

from botocore import exceptions
from botocore.exceptions import ClientError

#: What AWS answers when credentials are no longer valid; the code differs between services.
#: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
_EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)

#: What AWS answers when valid credentials do not permit a call.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
_DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "AuthorizationErrorException",
        "Forbidden",
        "UnauthorizedOperation",
    }
)

_MISSING = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
)


def is_missing(error: BaseException) -> bool:
    """Return whether no credentials were found, so that nothing was sent to AWS."""
    return isinstance(error, _MISSING)


def is_expired(error: BaseException) -> bool:
    """Return whether AWS refused because the credentials are no longer valid."""
    return isinstance(error, ClientError) and error.response["Error"]["Code"] in _EXPIRED


def is_denied(error: BaseException) -> bool:
    """Return whether AWS refused because the credentials do not permit the call."""
    return isinstance(error, ClientError) and error.response["Error"]["Code"] in _DENIED


def is_silence(error: BaseException) -> bool:
    """Return whether AWS did not answer."""
    return isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError)


def is_outage(error: BaseException) -> bool:
    """Return whether AWS did not answer, or answered that it cannot."""
    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
    return is_silence(error)


def blames_credentials(error: BaseException) -> bool:
    """Return whether credentials are missing or no longer valid, which is no fault of the region asked."""
    return is_missing(error) or is_expired(error)
