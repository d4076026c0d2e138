"""Keeps errors short. Step Functions carries the error of each destination from state to state.

The input and the output of a state are limited to 256 KiB
(https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html), and Lambda puts the text and the
stack of an error into it. How many destinations a route may have (limits.MOST_TARGETS) follows from
these limits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from runtime.file_names import saying

#: The longest text of an error, in bytes of JSON.
LONGEST_TEXT = 1000

#: The longest reason, in characters, that a fact has for a failure.
LONGEST_REASON = 500

#: How many of the innermost calls the stack of an error has, besides those of the handler.
DEEPEST_STACK = 5


def reason_of(cause: str | None) -> str:
    """Return the message in the cause of an error, which is a JSON document if a function raised it."""
    try:
        message = json.loads(cause or "")["errorMessage"]
    except (ValueError, TypeError, KeyError):
        message = cause
    return str(message)[:LONGEST_REASON]


@contextmanager
def brief() -> Iterator[None]:
    """Let errors pass with a text and a stack that are cut. A cut one has a class of the same name."""
    try:
        yield
    except Exception as error:
        text = str(error)
        stack = _innermost(error.__traceback__)
        if len(json.dumps(text)) <= LONGEST_TEXT:
            raise error.with_traceback(stack) from error.__cause__
        raise saying(_cut(text), error).with_traceback(stack) from None


def _cut(text: str) -> str:
    """Return the beginning of a text, as much as fits into LONGEST_TEXT."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if len(json.dumps(f"{text[:middle]}…")) <= LONGEST_TEXT:
            low = middle
        else:
            high = middle - 1
    return f"{text[:low]}…"


def _innermost(stack: TracebackType | None) -> TracebackType | None:
    calls = []
    while stack is not None:
        calls.append(stack)
        stack = stack.tb_next
    return calls[-DEEPEST_STACK:][0] if calls else None
