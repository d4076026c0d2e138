"""The messages of the receipt topic: taken out of their envelope, and checked. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from runtime.contract import Outcome

#: The `outcome` of a notice; every other message of the receipt topic is a receipt.
NOTICE = "notice"

#: The `Type` in an envelope: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
_ENVELOPE = "Notification"


class MessageError(ValueError):
    """Something that is not a message of the receipt topic; the message says what is wrong with it."""


def understood(message: object) -> dict[str, Any]:
    """Return a receipt or notice, without SNS's envelope; MessageError if it is neither.

    Of an outcome that this version does not know nothing is required.
    """
    read = _object(message)
    if read.get("Type") == _ENVELOPE and "TopicArn" in read:
        read = _object(_parsed(read.get("Message")))
    outcome = read.get("outcome")
    if outcome == NOTICE:
        _check_notice(read)
    elif outcome in list(Outcome) and not _is_text(read.get("version_id")):
        raise MessageError("it is a receipt without the text `version_id`")
    return read


def _parsed(text: object) -> object:
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError as error:
        raise MessageError(f"the Message in its envelope is not JSON: {error}") from error


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise MessageError(f"it is no JSON object but {type(value).__name__}: parse it before `receive`")
    return dict(value)


def _check_notice(notice: Mapping[str, Any]) -> None:
    if not _is_text(notice.get("out")):
        raise MessageError("it is a notice without the text `out`")
    try:
        since = datetime.fromisoformat(notice["since"])
    except (KeyError, TypeError, ValueError) as error:
        raise MessageError(f"it is a notice whose `since` is not a time: {error}") from error
    if since.tzinfo is None:
        raise MessageError("it is a notice whose `since` has no time zone")
    for outcome in (Outcome.DELIVERED, Outcome.HELD):
        listed = notice.get(outcome)
        files = listed.get("files") if isinstance(listed, Mapping) else None
        if not isinstance(files, list) or not all(map(_is_file, files)):
            raise MessageError(f"it is a notice whose `{outcome}` has no list of files with key and transfer")


def _is_file(entry: object) -> bool:
    return isinstance(entry, Mapping) and _is_text(entry.get("key")) and _is_text(entry.get("transfer"))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
