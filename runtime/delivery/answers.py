"""What the responses of an SFTP server, or their absence, mean for a delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import asyncssh

from runtime.delivery.errors import DeliveryError, PermanentDeliveryError, TransientDeliveryError

_T = TypeVar("_T")

#: Most seconds that one request for tidying up may take.
TIDY = 5.0

#: The errors that say that the connection is gone, and nothing about the request.
LOST = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)

#: The errors for a name that does not exist.
ABSENT = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)

#: Errors of a request for a name that the same request will get again.
_REFUSALS = (
    *ABSENT,
    asyncssh.SFTPPermissionDenied,
    asyncssh.SFTPWriteProtect,
    asyncssh.SFTPInvalidFilename,
    asyncssh.SFTPInvalidParameter,
    asyncssh.SFTPNotADirectory,
    asyncssh.SFTPFileIsADirectory,
    asyncssh.SFTPLinkLoop,
    asyncssh.SFTPCannotDelete,
    asyncssh.SFTPOpUnsupported,
    asyncssh.SFTPBadMessage,
)

#: Refusals of a channel that a working server will repeat. Other refusals are transient shortages.
_CHANNEL_REFUSALS = (
    asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED,
    asyncssh.OPEN_UNKNOWN_CHANNEL_TYPE,
    asyncssh.OPEN_REQUEST_SESSION_FAILED,
)


@contextmanager
def answering(
    place: str,
    step: str,
    *,
    path: str = "",
    naming: bool = False,
    advice: str = "",
    apart: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turn the error of a request, or the lack of a response, into a DeliveryError, except those in `apart`.

    Its reason names `path`, and `advice` if the server refused. `naming` is for requests that name a file:
    their refusal is permanent, while the same code in response to a write only means that this handle is
    unusable. An unspecific failure is transient, because OpenSSH reports a full disk and an exceeded quota
    that way. So is whatever else a request raises, such as a response that cannot be decoded.
    """
    about = f"{path}: " if path else ""
    refused = f"; {advice}" if advice else ""
    passing: tuple[type[Exception], ...] = (DeliveryError, *apart)
    try:
        yield
    except passing:
        raise
    except asyncssh.SFTPPermissionDenied as error:
        raise PermanentDeliveryError(place, step, f"{about}{words(error)}{refused}") from error
    except asyncssh.ChannelOpenError as error:
        kind = PermanentDeliveryError if error.code in _CHANNEL_REFUSALS else TransientDeliveryError
        raise kind(place, step, words(error)) from error
    except Exception as error:
        if naming and isinstance(error, _REFUSALS):
            raise PermanentDeliveryError(place, step, f"{about}{words(error)}{refused}") from error
        raise TransientDeliveryError(place, step, f"{about}{words(error)}") from error


async def ask(
    place: str,
    step: str,
    request: Awaitable[_T],
    seconds: float,
    *,
    path: str = "",
    naming: bool = False,
    advice: str = "",
    apart: tuple[type[Exception], ...] = (),
) -> _T:
    """Await a request and return its response; TransientDeliveryError if there is none within `seconds`.

    The other arguments are those of `answering`.
    """
    with answering(place, step, path=path, naming=naming, advice=advice, apart=apart):
        try:
            async with asyncio.timeout(seconds):
                return await request
        except TimeoutError as error:
            raise TransientDeliveryError(place, step, f"no answer within {seconds:g} s") from error


async def tidy(request: Awaitable[object], seconds: float) -> bool:
    """Await a request that may fail, for at most `seconds` and never long; return whether it was done."""
    with suppress(Exception):
        async with asyncio.timeout(min(TIDY, seconds)):
            await request
        return True
    return False


def words(error: Exception) -> str:
    """Return an error as one line: the exception's class and its reason."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, asyncssh.Error):
        return f"{type(error).__name__}: {error.reason}"
    strerror = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {strerror or error}"
