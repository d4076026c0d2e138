"""A chain of audit records, in which each link names the one before, so that tampering shows. Pure.

A link is a text of JSON lines that anyone can check with `sha256sum`: a header, a line for each fact, and a
seal, which is the SHA-256 of all lines above it. The header holds the previous link's seal. Nothing in a
chain can therefore be altered, removed or moved without changing every later seal, and the last seal is also
kept in the tracker.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeGuard

from runtime.facts import Fact

#: The prefix of the customers' chains in an audit bucket.
PREFIX = "audit/"

_HEADER: dict[str, type] = dict.fromkeys(("customer", "region", "previous", "previous_at", "day", "at"), str)
_HEADER |= {"number": int, "facts": int}
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_FACT: dict[str, type] = dict.fromkeys(Fact.__dataclass_fields__, str) | {"expires": int, "detail": dict}
del _FACT["extra"]
_KEY = re.compile(rf"{PREFIX}([a-z0-9]+)/([0-9]{{12}})\.jsonl")


class BrokenLinkError(ValueError):
    """A text that should be a whole, sealed link is not one; the message says what is wrong with it."""


def key(customer: str, number: int) -> str:
    """Return the key of a customer's link in a region's audit bucket; keys sort like their numbers."""
    return f"{PREFIX}{customer}/{number:012}.jsonl"


def number_in(key: str) -> int | None:
    """Return the number of the link that belongs under this key, or None if the key is not a link's."""
    found = _KEY.fullmatch(key)
    return int(found[2]) if found and int(found[2]) else None


def document(fact: Fact) -> dict[str, Any]:
    """Return a fact in the form that a link holds, with the fields that a newer version has added."""
    known = dict(vars(fact))
    extra: dict[str, Any] = known.pop("extra")
    return extra | known


def identity(fact: Mapping[str, Any]) -> bytes:
    """Return 32 bytes that identify a fact by its key in the tracker, which no other fact shares."""
    place = (fact["file"], *(fact[part] for part in ("transfer", "kind", "destination", "side", "writer")))
    return hashlib.sha256(_line(place)).digest()


def content(fact: Mapping[str, Any]) -> bytes:
    """Return 32 bytes that represent the whole content of a fact."""
    return hashlib.sha256(_line(fact)).digest()


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last link of a chain: its number, its seal and its time. Number 0 is a chain without links."""

    number: int = 0
    seal: str = "0" * 64
    at: str = ""


@dataclass(frozen=True, kw_only=True)
class Link:
    """Some facts of one region about transfers that one customer submitted on one day (`YYYY-MM-DD`, UTC).

    `at` is the time at which the link was made; `previous` and `previous_at` are the seal and the time of the
    link before it. `extra` are the fields that a newer version has added to the header.
    """

    customer: str
    region: str
    number: int
    previous: str
    previous_at: str
    day: str
    at: str
    facts: tuple[dict[str, Any], ...]
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def after(
        cls, head: Head, facts: Iterable[Fact], *, customer: str, region: str, day: str, at: str
    ) -> Link:
        """Return the link that continues a chain with these facts, in an order that the facts determine."""
        documents = sorted((document(fact) for fact in facts), key=_order)
        return cls(
            customer=customer,
            region=region,
            number=head.number + 1,
            previous=head.seal,
            previous_at=head.at,
            day=day,
            at=at,
            facts=tuple(documents),
        )

    def render(self) -> bytes:
        """Return the link's text, sealed."""
        return self._body() + _line({"seal": self.seal})

    @property
    def seal(self) -> str:
        """SHA-256, in hex, of the link's lines above its seal."""
        return hashlib.sha256(self._body()).hexdigest()

    @property
    def head(self) -> Head:
        """The head of the chain that ends here."""
        return Head(number=self.number, seal=self.seal, at=self.at)

    def _body(self) -> bytes:
        header = {**self.extra, **{name: getattr(self, name) for name in _HEADER}, "facts": len(self.facts)}
        return _line(header) + b"".join(map(_line, self.facts))


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What could be read of a text that should be a link: the link, and the seal at the end of the text.

    `problems` lists what shows that the text was changed; facts that cannot be read are left out.
    """

    link: Link
    seal: str
    problems: tuple[str, ...] = ()


def read(text: bytes) -> Reading:
    """Return what can be read of a link; BrokenLinkError if its header or its seal cannot be read."""
    lines = text.splitlines(keepends=True)
    header, end = (_parsed(lines[0]), _parsed(lines[-1])) if len(lines) > 1 else (None, None)
    if not _is_of(header, _HEADER):
        raise BrokenLinkError("its first line is not a link's header")
    if not _is_of(end, {"seal": str}):
        raise BrokenLinkError("its last line is not a seal")
    problems, facts = [], []
    if hashlib.sha256(b"".join(lines[:-1])).hexdigest() != end["seal"]:
        problems.append("its content is not what it was sealed with")
    for number, line in enumerate(lines[1:-1], start=2):
        fact = _parsed(line)
        if _is_of(fact, _FACT):
            facts.append(fact)
        else:
            problems.append(f"its line {number} is not a fact")
    if header.pop("facts") != len(lines) - 2:
        problems.append("it does not hold as many facts as its header says")
    problems += _out_of_order(facts)
    extra = {name: header.pop(name) for name in set(header) - set(_HEADER)}
    link = Link(**header, facts=tuple(facts), extra=extra)
    return Reading(link=link, seal=end["seal"], problems=tuple(problems))


def whole(text: bytes) -> Link:
    """Return the link that a text represents; BrokenLinkError if anything about it is wrong."""
    found = read(text)
    if found.problems:
        raise BrokenLinkError("; ".join(found.problems))
    if found.link.render() != text:
        raise BrokenLinkError("its text differs from what its fields render as")
    return found.link


def breaks(head: Head, link: Link, *, customer: str, region: str, number: int) -> list[str]:
    """Return why a link is not link `number` of the chain whose last link is `head`; empty if it is."""
    problems = []
    if (link.customer, link.region, link.number) != (customer, region, number):
        problems.append(f"it is link {link.number} of {link.customer} in {link.region}")
    if (link.previous, link.previous_at) != (head.seal, head.at):
        problems.append(f"it does not continue link {head.number}")
    return problems


def _is_of(value: Any, form: Mapping[str, type]) -> TypeGuard[dict[str, Any]]:
    """Return whether a value is a JSON object with these fields of these types; it may have others."""
    return isinstance(value, dict) and all(isinstance(value.get(name), type_) for name, type_ in form.items())


def _out_of_order(facts: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"{after['key']} {after['kind']} of {after['transfer']} is out of order"
        for before, after in pairwise(facts)
        if _order(before) >= _order(after)
    ]


def _order(fact: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(fact[name] for name in ("transfer", "kind", "destination", "side", "writer", "file"))


def _line(value: Any) -> bytes:
    return _ENCODER.encode(value).encode() + b"\n"


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
