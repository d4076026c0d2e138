"""A customer's routing document, which the program writes to the cell's config bucket, and its decisions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal, assert_never, get_args

from runtime.contract import below_inbound, config_key
from runtime.patterns import matches
from runtime.temporary_names import is_temporary

#: Seconds for which a warm function uses a document that it has read. A changed document takes effect at most
#: this long after `pulumi up`.
FRESH = 30


#: The words of the registry for what is done with content that was delivered before, and with a file when it
#: is unknown whether its partner has it.
DuplicatesPolicy = Literal["content", "version"]
OnUnknown = Literal["deliver", "hold"]
#: How a file gets its final name at a partner's server, and what is checked before.
Publish = Literal["rename", "write"]
Verify = Literal["size", "none"]


class UnknownCustomerError(LookupError):
    """The cell's config bucket has no routing document for this customer."""


class UnknownSettingError(ValueError):
    """A routing document has a setting that only a newer version of the platform knows."""


class DestinationKind(StrEnum):
    """How a destination is reached: the `kind` of its entry in a routing document."""

    SFTP = "sftp"
    S3 = "s3"


def compares(policy: DuplicatesPolicy) -> bool:
    """Return whether a policy compares submissions by content, and does not send the same content twice.

    Raises UnknownSettingError.
    """
    _refuse_unknown("the duplicates policy", policy, get_args(DuplicatesPolicy))
    match policy:
        case "content":
            return True
        case "version":
            return False
        case _:
            assert_never(policy)


def renames(publish: Publish) -> bool:
    """Return whether a file is uploaded under a temporary name and renamed. Raises UnknownSettingError."""
    _refuse_unknown("its publish", publish, get_args(Publish))
    match publish:
        case "rename":
            return True
        case "write":
            return False
        case _:
            assert_never(publish)


def verifies(verify: Verify) -> bool:
    """Return whether the size of an upload is looked up. Raises UnknownSettingError."""
    _refuse_unknown("its verify", verify, get_args(Verify))
    match verify:
        case "size":
            return True
        case "none":
            return False
        case _:
            assert_never(verify)


def _refuse_unknown(setting: str, value: str, known: Collection[str]) -> None:
    """Raise UnknownSettingError, which names the value, if this version does not know it."""
    if value not in known:
        raise UnknownSettingError(f"{setting} is {value!r}; this version knows: {', '.join(known)}")


@dataclass(frozen=True, kw_only=True)
class RoutingRule:
    """Where files go whose key below `inbound/` matches, and what to do after an unknown delivery."""

    match: str
    to: tuple[str, ...]
    on_unknown: OnUnknown

    @property
    def holds(self) -> bool:
        """Whether a file is held, and not delivered again, when it is unknown whether its partner has it.

        Raises UnknownSettingError.
        """
        _refuse_unknown("its on_unknown", self.on_unknown, get_args(OnUnknown))
        match self.on_unknown:
            case "hold":
                return True
            case "deliver":
                return False
            case _:
                assert_never(self.on_unknown)


@dataclass(frozen=True, kw_only=True)
class RoutingDocument:
    """One customer's routing document, parsed."""

    id: str
    routes: tuple[RoutingRule, ...]
    destinations: dict[str, dict[str, Any]]
    temporary_names: tuple[str, ...]
    policy: DuplicatesPolicy
    window: timedelta
    inbound_days: int
    archive_days: int
    tracker_days: int
    receipts_topic: str
    files_per_hour: int | None = None
    #: Whether files are taken in but not delivered: the cell that served the customer before is not drained.
    waits: bool = False

    @classmethod
    def parse(cls, document: dict[str, Any]) -> RoutingDocument:
        """Return the parsed document, without unknown fields; KeyError if a field is missing."""
        return cls(
            id=document["id"],
            routes=tuple(
                RoutingRule(match=route["match"], to=tuple(route["to"]), on_unknown=route["on_unknown"])
                for route in document["routes"]
            ),
            destinations=document["destinations"],
            temporary_names=tuple(document["temporary_names"]),
            policy=document["duplicates"]["policy"],
            window=timedelta(seconds=document["duplicates"]["window_seconds"]),
            inbound_days=document["retention"]["inbound_days"],
            archive_days=document["retention"]["archive_days"],
            tracker_days=document["retention"]["tracker_days"],
            receipts_topic=document["receipts_topic"],
            # A document of the previous revision has no limits.
            files_per_hour=document.get("limits", {}).get("files_per_hour"),
            waits=document.get("waits", False),
        )

    def route(self, key: str) -> RoutingRule | None:
        """Return the route that matches a key, or None. The registry refuses overlapping routes."""
        below = below_inbound(key)
        return next((route for route in self.routes if matches(route.match, below)), None)

    def is_temporary(self, key: str) -> bool:
        """Return whether the key is that of an SFTP upload that waits for its rename (`x.csv.filepart`)."""
        return is_temporary(key, self.temporary_names)


class Directory:
    """The customers of this cell, read from its config bucket on demand and kept for FRESH seconds."""

    def __init__(self, *, bucket: str, client: Any, now: Callable[[], float] = time.monotonic) -> None:
        self._bucket, self._client, self._now = bucket, client, now
        self._read: dict[str, tuple[float, RoutingDocument]] = {}

    def names(self) -> list[str]:
        """Return the ids of all customers of this cell, sorted."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=config_key("").removesuffix(".json")
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return sorted(key.rpartition("/")[2].removesuffix(".json") for key in keys)

    def customer(self, name: str) -> RoutingDocument:
        """Return a customer's routing document; UnknownCustomerError if the cell has none."""
        kept = self._read.get(name)
        if kept is None or self._now() - kept[0] > FRESH:
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=config_key(name))
            except self._client.exceptions.NoSuchKey as error:
                raise UnknownCustomerError(
                    f"no routing document for customer {name!r} in this cell"
                ) from error
            kept = self._now(), RoutingDocument.parse(json.loads(answer["Body"].read()))
            self._read[name] = kept
        return kept[1]
