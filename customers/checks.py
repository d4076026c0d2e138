"""The rules that span several parts of one customer. Pure, and usable on a customer that is broken elsewhere.

The checks read plain data as it came out of a file and skip what has the wrong shape, because the model
reports that. This is how all problems of a file are found at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, assert_never, get_args

from customers import addresses, route_checks
from customers.fields import seconds
from customers.kinds import Lifecycle, ReceiptKind
from customers.paths import Finding, KeyPath, at, count, dotted, shown, texts

#: The type of the model's error that carries findings.
FINDINGS = "findings"

#: The model's defaults.
INBOUND_DAYS = 30
ARCHIVE_DAYS = 365
TRACKER_DAYS = 400
WINDOW = "7d"
_DAY = 86400


def findings(customer: Any) -> list[Finding]:
    """Return every violation of these rules in one customer."""
    checks: tuple[Callable[[Any], Iterator[Finding]], ...] = (
        _senders,
        route_checks.overlaps,
        route_checks.arrivals,
        route_checks.waits,
        route_checks.landing,
        route_checks.destinations,
        _networks,
        _keys,
        _held,
        _twice,
        _memory,
        _move,
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


def _networks(customer: Any) -> Iterator[Finding]:
    """A customer does not come from a large part of the internet, in one network or in many."""
    try:
        addresses.check_together(
            [cidr for _, cidr in texts(customer, "sftp", "users", ..., "source_cidrs", ...)]
        )
    except ValueError as error:
        yield ("sftp", "users"), str(error)


def _keys(customer: Any) -> Iterator[Finding]:
    """A bucket encrypts under a key of its own region."""
    for path, arn in texts(customer, "destinations", ..., "kms_key"):
        region = at(customer, *path[:-1], "region")
        if arn.count(":") >= 5 and isinstance(region, str) and arn.split(":")[3] != region:
            yield path, f"{shown(arn)} is not in {region}, where the bucket is; name the key of the bucket"


def _held(customer: Any) -> Iterator[Finding]:
    """What a partner may have taken half written cannot be held until a person knows whether it is there."""
    for path, name in texts(customer, "routes", ..., "to", ...):
        holds = at(customer, *path[:2], "on_unknown") == "hold"
        if holds and at(customer, "destinations", name, "publish") == "write":
            yield (
                path,
                f"{shown(name)} has `publish: write`, so after a crash the partner may have a part of the"
                " file, and `on_unknown: hold` could not tell; send to it from a route with"
                " `on_unknown: deliver`",
            )


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


def _move(customer: Any) -> Iterator[Finding]:
    """A customer moves while it is in service, and to another cell than its own."""
    to, stage = at(customer, "move", "to"), at(customer, "lifecycle")
    if isinstance(to, str) and to == (at(customer, "cell") or "1"):
        yield ("move", "to"), f"{shown(to)} is the cell of this customer; name another, or remove `move`"
    if at(customer, "move") is not None and stage in get_args(Lifecycle) and stage != "active":
        yield (
            ("lifecycle",),
            f"is {shown(stage)}, but a customer that moves to another cell is 'active'; put that back until"
            " the move has ended",
        )


def _memory(customer: Any) -> Iterator[Finding]:
    """Evidence must be kept as long as the file that it is about, which can be sent again until then."""
    kept = {"inbound_days": INBOUND_DAYS, "archive_days": ARCHIVE_DAYS, "tracker_days": TRACKER_DAYS}
    for name in kept:
        given = at(customer, "retention", name)
        if type(given) is int:
            kept[name] = given
    if kept["archive_days"] < kept["inbound_days"]:
        given = at(customer, "retention", "archive_days") is not None
        yield (
            ("retention", "archive_days" if given else "inbound_days"),
            f"the copy of what was sent is kept for {kept['archive_days']} days, and the file itself for"
            f" {kept['inbound_days']}; set archive_days to {kept['inbound_days']} or more",
        )
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
