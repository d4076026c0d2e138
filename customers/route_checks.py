"""The rules of one customer's routes: which files they match, where those arrive, and where they go. Pure.

As in `customers.checks`, the data is plain, and what has the wrong shape is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, assert_never, get_args

from customers import names
from customers.kinds import IncomingClient
from customers.paths import Finding, KeyPath, at, count, nearest, shown, texts
from customers.places import Place, place_of
from runtime import limits, patterns, temporary_names

_WILD = re.compile(r"[*?]+")


def client_names(client: IncomingClient) -> tuple[str, ...]:
    """Return the patterns of what a client calls an upload that is not complete."""
    match client:
        case "any":
            return temporary_names.ANY
        case "winscp" | "rclone" | "lftp" | "spring" | "gvfs" | "in-place":
            return temporary_names.OF_CLIENT[client]
        case _:
            assert_never(client)


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


def overlaps(customer: Any) -> Iterator[Finding]:
    """No file may match two routes. Each route is compared with those before it, up to the first clash."""
    for path, pattern, earlier, other, key in _first_clashes(_globs(customer)):
        yield (
            path,
            f"{shown(pattern)} overlaps {shown(other)} of routes[{earlier[1]}]: both match {shown(key)};"
            " make them disjoint, or write one route with all destinations",
        )


def arrivals(customer: Any) -> Iterator[Finding]:
    """No two routes may write two files under the same name at one place: the second would replace the first.

    A file's name there is the part of its key after the route's literal prefix.
    """
    of_route = dict(_globs(customer))
    written: dict[Place, dict[KeyPath, str]] = {}
    for path, pattern in of_route.items():
        name = pattern.removeprefix(patterns.literal_prefix(pattern))
        for _, destination in texts(customer, "routes", path[1], "to", ...):
            if place := place_of(at(customer, "destinations", destination)):
                written.setdefault(place, {}).setdefault((*path, destination), name)
    found: set[KeyPath] = set()
    for names_there in written.values():
        for path, _, earlier, _, name in _first_clashes(list(names_there.items())):
            route, other = path[:-1], earlier[:-1]
            # Routes that overlap are a problem already.
            if route not in found and not patterns.overlaps(of_route[route], of_route[other]):
                found.add(route)
                yield (
                    route,
                    f"this and routes[{earlier[1]}] can write two files under one name at {path[-1]!r}, such"
                    f" as {shown(name)}; give one of them a destination with its own directory or prefix",
                )


def _first_clashes(globs: list[tuple[KeyPath, str]]) -> Iterator[tuple[KeyPath, str, KeyPath, str, str]]:
    """Yield each pattern that shares a key with an earlier one, the first such, and a shortest shared key.

    Most pairs differ in the text before their first wildcard or behind their last, which is quick to see.
    """
    ends = [(_WILD.split(pattern)[0], _WILD.split(pattern)[-1]) for _, pattern in globs]
    for number, (path, pattern) in enumerate(globs):
        head, tail = ends[number]
        for before in range(number):
            its_head, its_tail = ends[before]
            if (
                (head.startswith(its_head) or its_head.startswith(head))
                and (tail.endswith(its_tail) or its_tail.endswith(tail))
                and (key := patterns.common_key(pattern, globs[before][1])) is not None
            ):
                yield path, pattern, *globs[before], key
                break


def waits(customer: Any) -> Iterator[Finding]:
    """A route must match some name that is not temporary: otherwise its files wait for a rename for ever."""
    globs = [(path, pattern) for path, pattern in _globs(customer) if _is_sftp(pattern)]
    for path, temporary in texts(customer, "temporary_names", ...):
        if route := next((pattern for _, pattern in globs if _takes_all(temporary, pattern)), None):
            yield (
                path,
                f"{shown(temporary)} takes every name that {shown(route)} matches, so no file would ever be"
                " sent by that route; write a pattern for unfinished uploads only",
            )
    client = at(customer, "incoming", "client")
    known = client_names(client if client in get_args(IncomingClient) else "any")
    for path, pattern in globs:
        if temporary := next((each for each in known if _takes_all(each, pattern)), ""):
            yield (
                path,
                f"{shown(pattern)} matches only names of unfinished uploads, {temporary}, which are never"
                " sent; write a pattern for finished ones, or say in incoming.client what uploads them",
            )


def _is_sftp(route: str) -> bool:
    """Return whether a route matches files that come by SFTP, and no others."""
    return patterns.overlaps(route, "sftp/**") and not patterns.overlaps(route, "sdk/**")


def _takes_all(temporary: str, route: str) -> bool:
    """Return whether a pattern of temporary names takes all files of a route.

    It does if it takes the shortest name and one that is longer than itself, both otherwise of a character
    that is in no pattern.
    """
    last = route.rpartition("/")[2]
    if last == "**" or not temporary.strip("*?"):
        return False  # the second takes every name, and is refused for that
    drawn = (last.replace("?", "\0").replace("*", "\0" * n) for n in (0, len(temporary) + 1))
    try:
        return all(not name or temporary_names.fits(name, (temporary,)) for name in drawn)
    except patterns.PatternError:
        return False


def landing(customer: Any) -> Iterator[Finding]:
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


def destinations(customer: Any) -> Iterator[Finding]:
    """Every target of a route must be a destination, and every destination the target of a route."""
    written = at(customer, "destinations")
    if not isinstance(written, dict):
        return
    known = [name for name in written if isinstance(name, str)]
    routed = list(texts(customer, "routes", ..., "to", ...))
    for path, name in routed:
        if name not in known:
            yield path, f"{shown(name)} is not a destination of this customer; {nearest(name, known)}"
    routes = range(count(at(customer, "routes")))
    for number in routes:
        if (targets := count(at(customer, "routes", number, "to"))) > limits.MOST_TARGETS:
            yield (
                ("routes", number, "to"),
                f"has {targets} destinations; at most {limits.MOST_TARGETS} are allowed, because the errors"
                f" of all of them have to fit into the {limits.LARGEST_STATE // 1024} KiB of the workflow's"
                " state; split the route by its files",
            )
    # A route whose targets could not be read might be the missing one.
    if not routes or any(not isinstance(at(customer, "routes", n, "to"), list | tuple) for n in routes):
        return
    sent_to = {target for _, target in routed}
    for name in known:
        if name not in sent_to:
            yield (
                ("destinations", name),
                "no route sends anything here; add it to a route's 'to' or remove it",
            )
