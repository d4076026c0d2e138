"""Glob patterns over keys: which keys a pattern matches, and whether two can match the same key. Pure.

`*` matches any run of characters within one segment of the key, `?` matches one character other than `/`, and
`**` matches any number of whole segments. As the last segment, `**` matches at least one, so a pattern never
matches a key outside its literal prefix. Character classes and alternatives are not supported, and their
characters are refused rather than taken literally. Only the standard library is used.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from functools import lru_cache

_REFUSED = "[]{}\\"
_SLASH = "/"
#: Represents every character other than `/` where it does not matter which one.
_OTHER = "a"


class PatternError(ValueError):
    """A text is not a pattern; the message says why, and what to write instead."""


class _Any(Enum):
    ONE = "?"  # one character of a segment
    RUN = "*"  # any run of characters of a segment
    SEGMENTS = "**/"  # any number of whole segments; the next token is INSIDE
    INSIDE = "inside one of those segments"
    REST = "**"  # everything that is left


_Token = str | _Any
_Program = tuple[_Token, ...]


def check(pattern: str) -> None:
    """Raise PatternError, with the remedy, if a text is not a pattern."""
    if not pattern:
        raise PatternError("is empty; `**` matches every key")
    for character in _REFUSED:
        if character in pattern:
            raise PatternError(
                f"has a {character!r}; only `*`, `?` and `**` are special; write one pattern per alternative"
            )
    segments = pattern.split(_SLASH)
    if "" in segments:
        raise PatternError("has an empty segment; remove any `/` at either end and any `//`")
    if any("**" in segment and segment != "**" for segment in segments):
        raise PatternError("has `**` within a segment; `**` must be a whole segment")


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> _Program:
    """Return the tokens of a pattern; the states of its automaton are the positions between them."""
    check(pattern)
    tokens: list[_Token] = []
    segments = pattern.split(_SLASH)
    for number, segment in enumerate(segments, start=1):
        last = number == len(segments)
        if segment == "**":
            tokens += [_Any.REST] if last else [_Any.SEGMENTS, _Any.INSIDE]
            continue
        tokens += [{"?": _Any.ONE, "*": _Any.RUN}.get(character, character) for character in segment]
        if not last:
            tokens.append(_SLASH)
    return tuple(tokens)


def _free(program: _Program, state: int) -> int | None:
    """Return the state that is reachable from `state` without reading a character, or None."""
    token = program[state] if state < len(program) else None
    if token in (_Any.RUN, _Any.REST):
        return state + 1
    return state + 2 if token is _Any.SEGMENTS else None


def _after(program: _Program, state: int, character: str) -> int | None:
    """Return the state after reading one character, or None if the pattern cannot read it there."""
    if state == len(program):
        return None
    token = program[state]
    if token is _Any.REST:
        return state
    if token is _Any.SEGMENTS:
        return state if character == _SLASH else state + 1
    if token is _Any.INSIDE:
        return state - 1 if character == _SLASH else state
    if token is _Any.ONE:
        return None if character == _SLASH else state + 1
    if token is _Any.RUN:
        return None if character == _SLASH else state
    return state + 1 if token == character else None


def _closure(program: _Program, states: set[int]) -> set[int]:
    """Return `states` and all states that are reachable from them without reading a character."""
    closed = set(states)
    waiting = list(states)
    while waiting:
        free = _free(program, waiting.pop())
        if free is not None and free not in closed:
            closed.add(free)
            waiting.append(free)
    return closed


def matches(pattern: str, key: str) -> bool:
    """Return whether `pattern` matches the whole of `key`. No pattern matches an empty key.

    All states are followed at once, so the time is at worst proportional to the product of the two lengths.
    """
    program = _compiled(pattern)
    if not key:
        return False
    states = _closure(program, {0})
    for character in key:
        states = _closure(
            program, {s for state in states if (s := _after(program, state, character)) is not None}
        )
        if not states:
            return False
    return len(program) in states


def literal_prefix(pattern: str) -> str:
    """Return the leading whole segments without wildcards, ending in `/`, or an empty text.

    Both `sftp/alpha/*.csv` and `sftp/alpha/report.csv` have the prefix `sftp/alpha/`.
    """
    check(pattern)
    prefix = ""
    for segment in pattern.split(_SLASH)[:-1]:
        if "*" in segment or "?" in segment:
            break
        prefix += f"{segment}/"
    return prefix


def overlaps(a: str, b: str) -> bool:
    """Return whether some key matches both patterns. The answer is exact."""
    return common_key(a, b) is not None


def common_key(a: str, b: str) -> str | None:
    """Return a shortest key that both patterns match, or None if there is none.

    The two automata are walked together, breadth first, over pairs of states.
    """
    one, two = _compiled(a), _compiled(b)
    seen: set[tuple[int, int, bool]] = set()
    waiting = deque([(0, 0, "")])
    while waiting:
        i, j, key = waiting.popleft()
        # A key is never empty, so a pair of states before the first character differs from the same pair
        # after it.
        if (i, j, bool(key)) in seen:
            continue
        seen.add((i, j, bool(key)))
        if i == len(one) and j == len(two) and key:
            return key
        # Steps that read nothing are taken first; otherwise the walk would not find a shortest key.
        if (free := _free(one, i)) is not None:
            waiting.appendleft((free, j, key))
        if (free := _free(two, j)) is not None:
            waiting.appendleft((i, free, key))
        for character in _worth_trying(one[i : i + 1] + two[j : j + 1]):
            i2, j2 = _after(one, i, character), _after(two, j, character)
            if i2 is not None and j2 is not None:
                waiting.append((i2, j2, key + character))
    return None


def _worth_trying(tokens: _Program) -> tuple[str, ...]:
    """Return the characters to try at these tokens: wildcards only distinguish `/` from all others."""
    return next(((token,) for token in tokens if isinstance(token, str)), (_SLASH, _OTHER))
