"""Keeps the names of customers' files out of logs, and so out of the errors that end up there.

Lambda logs the text of an error that a function lets pass, and traces show it. The texts of errors are also
those of partners' servers and of AWS, which repeat names.
"""

from __future__ import annotations

import re
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

from runtime.contract import INBOUND_SDK, INBOUND_SFTP

#: What stands in a text where a name stood.
THE_FILE = "(the file)"

#: Shorter names, and those of folders, are only looked for as whole words: `a` is part of every text.
_SHORT = 5


def without_names(text: str, key: str) -> str:
    """Return a text in which neither the key nor its folders nor its last segment appear, in usual spellings.

    The platform's own beginning of a key, such as `inbound/sdk/`, is no name.
    """
    below = key.removeprefix(INBOUND_SDK).removeprefix(INBOUND_SFTP)
    segments = [each for each in below.split("/") if each]
    tails = ["/".join(segments[start:]) for start in range(len(segments))]
    for name in sorted({key, below, *tails, *segments} - {""}, key=len, reverse=True):
        is_whole = len(name) < _SHORT or (name in segments and name not in tails)
        around = (r"(?<![^\W_])", r"(?![^\W_])") if is_whole else ("", "")
        for spelling in {name, repr(name)[1:-1], quote(name), quote_plus(name)}:
            text = re.sub(re.escape(spelling).join(around), THE_FILE, text)
    return text


@contextmanager
def nameless(key: str) -> Iterator[None]:
    """Let errors pass without the names in a key. One that has them, or whose cause has, is replaced.

    The error in its place has a class of the same name, derived from the same class, and no cause.
    """
    try:
        yield
    except Exception as error:
        told = "".join(traceback.format_exception(error))
        if without_names(told, key) == told:
            raise
        raise saying(without_names(str(error), key), error) from None


def saying(text: str, error: Exception) -> Exception:
    """Return an error like another one, with this text."""
    kind = type(error)
    members = {"__str__": lambda _: text, "__module__": kind.__module__}
    same = types.new_class(kind.__name__, (kind,), exec_body=lambda body: body.update(members))
    made: Exception = kind.__new__(same)
    made.__dict__.update(error.__dict__)
    made.args = (text,)
    return made
