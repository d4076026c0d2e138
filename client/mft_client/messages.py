"""The messages of the receipt topic: taken out of their envelope, and checked. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from mft_client.errors import MessageError
from mft_client.protocol import NOTICE, Outcome

#: The `Type` in an envelope: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
ENVELOPE = "Notification"


def understood(message: object, topics: Collection[str] = ()) -> dict[str, Any]:
    """Return a receipt or notice, without SNS's envelope; MessageError if it is neither.

    `topics` are the ARNs of the topics that an envelope may name; if there are none, it may name any. Of an
    outcome that this version does not know nothing is required.
    """
    read = _object(message)
    if read.get("Type") == ENVELOPE and "TopicArn" in read:
        if topics and read["TopicArn"] not in topics:
            raise MessageError(f"it comes from {read['TopicArn']}, which is not a topic in the settings")
        read = _object(_parsed(read.get("Message")))
    outcome = read.get("outcome")
    if outcome == NOTICE:
        _check_notice(read)
    elif outcome in list(Outcome):
        for name in ("version_id", "key"):
            if not _is_text(read.get(name)):
                raise MessageError(f"it is a receipt without the text `{name}`")
    return read


def delivered_contents(receipt: Mapping[str, Any]) -> set[str]:
    """Return the hashes of what a receipt says was delivered."""
    lines = receipt.get("destinations")
    return {
        each["sha256"]
        for each in (lines if isinstance(lines, list) else ())
        if isinstance(each, Mapping) and _is_text(each.get("sha256"))
    }


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
