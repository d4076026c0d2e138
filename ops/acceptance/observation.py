"""What an acceptance has looked for, and whether it was seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

import asyncssh
from botocore.exceptions import BotoCoreError, ClientError

from ops.aws_errors import blames_credentials
from ops.plan import RefusedError
from runtime.delivery import DeliveryError

#: What a check may come upon without keeping the others from being made.
_FAILURES = (BotoCoreError, ClientError, DeliveryError, OSError, RefusedError, asyncssh.Error)


class Check(StrEnum):
    """The parts of an acceptance, in the order of the report."""

    READY = "Both cells are alike and well"
    HOST_KEYS = "Host keys"
    SFTP = "Sending by SFTP"
    S3 = "Sending by S3"
    DELIVERY = "Delivery, archive, facts"
    RECEIPTS = "Receipts"
    REPLICATION = "Replication"
    AUDIT = "Audit"
    EVENTS = "What AWS has delivered"
    SCHEDULES = "Canary and probe"
    HEALTH = "Health checks and names"
    FAILOVER = "Failover"
    REMOVED = "Nothing is left behind"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One thing that has to be so. `found` is what was seen, or what was found instead.

    `where` is a region, `Route 53` or `DNS`; `seconds` is how long it took, for what is timed.
    """

    check: Check
    where: str
    what: str
    seen: bool
    found: str = ""
    seconds: float | None = None

    @property
    def line(self) -> str:
        """The whole observation on one line."""
        found = f": {self.found}" if self.found else ""
        took = "" if self.seconds is None else f" ({self.seconds:,.1f} s)"
        return f"{'seen' if self.seen else 'NOT SEEN'}: {self.where}: {self.what}{found}{took}"


@dataclass(kw_only=True)
class Observations:
    """Collects observations; `tell` is called with each one."""

    tell: Callable[[Observation], None] = lambda observation: None
    made: list[Observation] = field(default_factory=list)

    def note(
        self,
        check: Check,
        where: str,
        what: str,
        seen: bool,
        found: str = "",
        *,
        seconds: float | None = None,
    ) -> bool:
        """Add an observation; return whether it was seen."""
        rounded = None if seconds is None else round(seconds, 1)
        one = Observation(check=check, where=where, what=what, seen=seen, found=found, seconds=rounded)
        self.made.append(one)
        self.tell(one)
        return seen

    @contextmanager
    def attempt(self, check: Check, where: str, what: str) -> Iterator[None]:
        """Turn a failure inside into the observation that `what` was not seen.

        Raises what botocore raises when credentials are missing or no longer valid: nothing more can be seen.
        """
        try:
            yield
        except _FAILURES as error:
            if blames_credentials(error):
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            self.note(check, where, what, False, reason)

    @property
    def unseen(self) -> list[Observation]:
        """What was not seen."""
        return [each for each in self.made if not each.seen]


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Seconds for which an acceptance waits for something, and between two looks.

    `delivery` is for a file's receipt, `replication` for its copies (S3 promises 15 minutes), and `schedule`
    for functions that run every few minutes.
    """

    delivery: float = 300.0
    replication: float = 1_000.0
    schedule: float = 420.0
    pause: float = 1.0

    def until(self, seen: Callable[[], bool], *, within: float) -> bool:
        """Look again and again until `seen` is true; return False if it is not within this many seconds."""
        give_up = time.monotonic() + within
        while not seen():
            if time.monotonic() >= give_up:
                return False
            time.sleep(self.pause)
        return True
