"""The rules that span several parts of one customer. Pure, and usable on a customer that is broken elsewhere.

The checks read plain data as it came out of a file and skip what has the wrong shape, because the model
reports that. This is how all problems of a file are found at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeGuard, assert_never, get_args

from customers import names
from customers.fields import seconds
from customers.kinds import DestinationKind, ReceiptKind
from customers.paths import Finding, KeyPath, at, count, dotted, nearest, shown, texts
from runtime import patterns

#: The type of the model's error that carries findings.
FINDINGS = "findings"

#: The model's defaults.
INBOUND_DAYS = 30
TRACKER_DAYS = 400
WINDOW = "7d"
_DAY = 86400


def findings(customer: Any) -> list[Finding]:
    """Return every violation of these rules in one customer."""
    checks: tuple[Callable[[Any], Iterator[Finding]], ...] = (
        _senders,
        _routes,
        _arrivals,
        _landing,
        _targets,
        _keys,
        _twice,
        _memory,
    )
    return [finding for check in checks for finding in check(customer)]


def _senders(customer: Any) -> Iterator[Finding]:
    """Somebody must be able to send."""
    users, principals = at(customer, "sftp", "users"), at(customer, "sdk", "principals")
    # A section of the wrong shape is an attempt to name a sender, and the model reports it.
    malformed = at(customer, "sftp") is not None and not isinstance(at(customer, "sftp"), dict)
    malformed |= at(customer, "sdk") is not None and not isinstance(at(customer, "sdk"), dict)
    if isinstance(customer, dict) and not users and not principals and not malformed:
        yield (), "nobody can send; add a user under 'sftp.users' or an ARN under 'sdk.principals'"


def _globs(customer: Any) -> list[tuple[KeyPath, str]]:
    """Return the valid patterns of the routes, with their paths."""
    found = []
    for path, pattern in texts(customer, "routes", ..., "match"):
        try:
            patterns.check(pattern)
        except patterns.PatternError:
            continue
        found.append((path, pattern))
    return found


def _routes(customer: Any) -> Iterator[Finding]:
    """No file may match two routes."""
    globs = _globs(customer)
    for number, (path, pattern) in enumerate(globs):
        for earlier, other in globs[:number]:
            if (key := patterns.common_key(pattern, other)) is not None:
                yield (
                    path,
                    f"{shown(pattern)} overlaps {shown(other)} of routes[{earlier[1]}]: both match"
                    f" {shown(key)}; make them disjoint, or write one route with all destinations",
                )


def _arrivals(customer: Any) -> Iterator[Finding]:
    """No two routes may write two files under the same name at one place: the second would replace the first.

    A file's name there is the part of its key after the route's literal prefix.
    """
    globs = _globs(customer)
    for number, (path, pattern) in enumerate(globs):
        for earlier, other in globs[:number]:
            shared = _places(customer, path[1]).keys() & _places(customer, earlier[1]).keys()
            if not shared or patterns.overlaps(pattern, other):
                continue
            name = patterns.common_key(
                *(p.removeprefix(patterns.literal_prefix(p)) for p in (pattern, other))
            )
            if name is not None:
                to = min(_places(customer, path[1])[place] for place in shared)
                yield (
                    path,
                    f"this and routes[{earlier[1]}] can write two files under one name at {to!r}, such as"
                    f" {shown(name)}; give one of them a destination with its own directory or prefix",
                )


def _places(customer: Any, route: str | int) -> dict[KeyPath, str]:
    """Return the places that a route sends to, each with the name of its destination."""
    found: dict[KeyPath, str] = {}
    for _, name in texts(customer, "routes", route, "to", ...):
        destination = at(customer, "destinations", name)
        kind = at(destination, "kind")
        if is_destination_kind(kind) and (place := _place(kind, destination)):
            found[place] = name
    return found


def is_destination_kind(word: object) -> TypeGuard[DestinationKind]:
    """Return whether a word is a kind of destination."""
    return word in get_args(DestinationKind)


def _place(kind: DestinationKind, destination: dict[str, Any]) -> KeyPath | None:
    """Return what distinguishes a destination's place from all others, or None if it cannot be read."""
    match kind:
        case "sftp":
            folder = str(destination.get("directory", ".")).rstrip("/")
            port, user = str(destination.get("port", 22)), str(destination.get("user"))
            return (host, port, user, folder) if isinstance(host := destination.get("host"), str) else None
        case "s3":
            prefix = str(destination.get("prefix", ""))
            return (bucket, prefix) if isinstance(bucket := destination.get("bucket"), str) else None
        case _:
            assert_never(kind)


def _landing(customer: Any) -> Iterator[Finding]:
    """Every place where files arrive must have a route, and every route must match such a place."""
    globs = _globs(customer)
    users = list(texts(customer, "sftp", "users", ..., "name"))
    places = [
        (path, f"sftp/{user}/**", f"files of SFTP user {user!r}")
        for path, user in users
        if re.fullmatch(names.USER, user)
    ]
    # A route or user that could not be read might be the missing one.
    all_globs = len(globs) == count(at(customer, "routes"))
    all_places = len(places) == count(at(customer, "sftp", "users"))
    if at(customer, "sdk", "principals"):
        places.append((("sdk",), "sdk/**", "files of SDK clients"))
    for path, place, whose in places if all_globs and globs else ():
        if not any(patterns.overlaps(place, pattern) for _, pattern in globs):
            yield path, f"no route matches {whose}; add one that matches {place!r}"
    for path, pattern in globs if all_places and places else ():
        if not any(patterns.overlaps(place, pattern) for _, place, _ in places):
            landings = ", ".join(place for _, place, _ in places)
            yield path, f"{shown(pattern)} matches no file that can arrive; files arrive as {landings}"


def _targets(customer: Any) -> Iterator[Finding]:
    """Every target of a route must be a destination, and every destination the target of a route."""
    destinations = at(customer, "destinations")
    if not isinstance(destinations, dict):
        return
    known = [name for name in destinations if isinstance(name, str)]
    routed = list(texts(customer, "routes", ..., "to", ...))
    for path, name in routed:
        if name not in known:
            yield path, f"{shown(name)} is not a destination of this customer; {nearest(name, known)}"
    routes = range(count(at(customer, "routes")))
    # A route whose targets could not be read might be the missing one.
    if not routes or any(not isinstance(at(customer, "routes", n, "to"), list | tuple) for n in routes):
        return
    for name in known:
        if name not in {target for _, target in routed}:
            yield (
                ("destinations", name),
                "no route sends anything here; add it to a route's 'to' or remove it",
            )


def _keys(customer: Any) -> Iterator[Finding]:
    """A bucket encrypts under a key of its own region."""
    for path, arn in texts(customer, "destinations", ..., "kms_key"):
        region = at(customer, *path[:-1], "region")
        if arn.count(":") >= 5 and isinstance(region, str) and arn.split(":")[3] != region:
            yield path, f"{shown(arn)} is not in {region}, where the bucket is; name the key of the bucket"


def _twice(customer: Any) -> Iterator[Finding]:
    """No list may contain an entry twice."""
    lists = [texts(customer, "sftp", "users", ..., "name")]
    lists += [texts(customer, "sdk", key, ...) for key in ("principals", "source_cidrs", "vpc_endpoints")]
    lists += [texts(customer, "receipts", ..., _receipt_key(kind)) for kind in get_args(ReceiptKind)]
    for list_path in (("routes", "to"), ("sftp.users", "public_keys"), ("sftp.users", "source_cidrs")):
        outer = tuple(list_path[0].split("."))
        items = at(customer, *outer)
        for number in range(count(items)):
            lists.append(texts(customer, *outer, number, list_path[1], ...))
    for entries in lists:
        first: dict[str, KeyPath] = {}
        for path, text in entries:
            # The comment is not part of a key's identity.
            same = " ".join(text.split()[:2]) if "public_keys" in path else text
            if same in first:
                yield path, f"is listed twice, first as {dotted(first[same])}; remove one"
            first.setdefault(same, path)


def _receipt_key(kind: ReceiptKind) -> str:
    """Return the key that holds the address of a receipt target of this kind."""
    match kind:
        case "sqs":
            return "arn"
        case "https":
            return "url"
        case "email":
            return "address"
        case _:
            assert_never(kind)


def _memory(customer: Any) -> Iterator[Finding]:
    """The tracker must remember a file for as long as it is kept and can be sent again."""
    kept = {"inbound_days": INBOUND_DAYS, "tracker_days": TRACKER_DAYS}
    for name in kept:
        given = at(customer, "retention", name)
        if type(given) is int:
            kept[name] = given
    window = at(customer, "duplicates", "window")
    try:
        needed = kept["inbound_days"] + -(-seconds(window if isinstance(window, str) else WINDOW) // _DAY)
    except ValueError:
        return
    if kept["tracker_days"] < needed:
        path = ("retention", "tracker_days")
        if at(customer, *path) is None:
            path = ("retention", "inbound_days") if at(customer, "retention") else ("duplicates", "window")
        yield (
            path,
            f"the tracker forgets a file after {kept['tracker_days']} days, but it can be sent again for"
            f" {needed} (inbound_days plus the window); set tracker_days to {needed} or more",
        )
