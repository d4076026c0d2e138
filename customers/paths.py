"""Places in the plain data of a customer's file: how they are found, and how messages write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from types import EllipsisType
from typing import Any

#: The keys and list positions that lead to a value.
KeyPath = tuple[str | int, ...]
#: A place, and a sentence about what is wrong there.
Finding = tuple[KeyPath, str]


def at(data: Any, *path: str | int) -> Any:
    """Return the value at a path, or None if the data has another shape."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list | tuple) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def texts(data: Any, *path: str | int | EllipsisType) -> Iterator[tuple[KeyPath, str]]:
    """Yield the strings at a path, with their paths; `...` stands for every item of a list or mapping."""
    above: list[str | int] = []
    for number, step in enumerate(path, start=1):
        if isinstance(step, EllipsisType):
            items = at(data, *above)
            for item in items if isinstance(items, dict) else range(count(items)):
                yield from texts(data, *above, item, *path[number:])
            return
        above.append(step)
    if isinstance(text := at(data, *above), str):
        yield tuple(above), text


def count(items: Any) -> int:
    """Return the length of a list; 0 for anything else."""
    return len(items) if isinstance(items, list | tuple) else 0


def dotted(path: KeyPath) -> str:
    """Return a path as people write it: `sftp.users[0].name`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{_plain(step)}" for step in path)
    return text.removeprefix(".")


def shown(value: object) -> str:
    """Return a value as messages quote it: at most about 60 characters, with the full length if it is cut."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}…{text[-1]} ({len(str(value))} characters)"


def nearest(word: str, known: list[str]) -> str:
    """Return the remedy for an unknown word: the known word that was probably meant, or all of them."""
    close = get_close_matches(word, known, n=1)
    if close:
        return f"did you mean {shown(close[0])}?"
    return f"use one of {', '.join(map(_plain, sorted(known)))}" if known else "there are none"


def _plain(key: str) -> str:
    """Return a key as it is if it is a plain word, and quoted otherwise."""
    return key if re.fullmatch(r"[\w*-]{1,60}", key, re.ASCII) else shown(key)
