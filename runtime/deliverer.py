"""One attempt to deliver a transfer to one destination, and the facts that it records."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from runtime.breaker import Breaker, BreakerOpenError
from runtime.contract import Kind, below_inbound
from runtime.decision import replayed
from runtime.delivery import (
    Delivery,
    DeliveryError,
    DeliveryUnfinishedError,
    DeliveryUnknownError,
    PermanentDeliveryError,
    PlatformUnavailableError,
    TransientDeliveryError,
    name_for,
)
from runtime.destinations import Destinations, Work
from runtime.facts import Fact, standing, submitted
from runtime.intent import EarlierAttemptError, Intent
from runtime.overtaken import OvertakenError, overtaken
from runtime.release import ReleaseDecision
from runtime.routing import Directory, UnknownSettingError, compares
from runtime.shares import ShareInUseError, Shares
from runtime.timing import FACTS_SECONDS
from runtime.tracker import Tracker
from runtime.transfer import Transfer
from runtime.workflow import LeaseLostError, Leases

#: Why a route holds a file that is not at its destination: after an attempt whose end is not known, and after
#: this region stood still.
UNANSWERED = "an attempt ended without an answer, and the file is not at the destination"
THAWED = "this region stood still, the other may have delivered, and the file is not at the destination"

#: The result of an attempt that ran out of time and is continued by the next one. The other results are
#: DELIVERED and HELD.
CONTINUE = "CONTINUE"


class Deliverer:
    """Delivers from one region. `s3` and `s3_once` make S3 clients, as for Destinations.

    Without `shares`, those of the tracker with their usual sizes are used.
    """

    def __init__(
        self,
        *,
        namespace: str,
        side: str,
        tracker: Tracker,
        directory: Directory,
        s3: Callable[[str | None], Any],
        s3_once: Callable[[str], Any],
        secrets: Any,
        shares: Shares | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._side, self._tracker, self._directory, self._now = side, tracker, directory, now
        self._destinations = Destinations(
            namespace=namespace, s3=s3, s3_once=s3_once, secrets=secrets, tracker=tracker
        )
        self._leases = Leases(tracker=tracker)
        self._breaker, self._shares = Breaker(tracker=tracker), shares or Shares(tracker=tracker)

    def attempt(
        self,
        transfer: Transfer,
        destination: str,
        *,
        owner: str,
        attempt: str,
        after_unknown: bool,
        first: bool = False,
        goes_on: bool = False,
        remaining: Callable[[], float] = lambda: math.inf,
    ) -> str:
        """Deliver unless the tracker or the destination shows that it is done; DELIVERED, HELD or CONTINUE.

        `attempt` is unique and becomes the writer of the fact. `remaining` returns the seconds that are left.
        `after_unknown` means that an earlier attempt may have delivered: the destination is asked first and,
        if the file is not there (the partner may have taken it), the route decides whether to deliver again
        or to hold. `first` means that this execution has not tried before: a file that an operator released
        to it is then sent without holding. An execution that has thawed may have been overtaken by the other
        region, whatever the tracker shows, so its attempts are like those after an unknown one; and a late
        transfer is asked about before it is sent, but not when an attempt `goes_on` with an upload for which
        the time did not suffice: comparing a large file takes as long. Raises DeliveryError, LeaseLostError,
        OvertakenError, BreakerOpenError, ShareInUseError, and nothing else: whatever fails before the file
        can appear is a TransientDeliveryError, and what fails afterwards a DeliveryUnknownError. That is also
        raised if an earlier attempt of this execution may have delivered, of which the caller does not know.
        """
        intent = Intent(self._tracker, transfer, destination, owner=owner, attempt=attempt)
        try:
            return self._attempt(
                transfer,
                destination,
                owner=owner,
                attempt=attempt,
                after_unknown=after_unknown,
                first=first,
                goes_on=goes_on,
                remaining=remaining,
                intent=intent,
            )
        except UnknownSettingError as error:
            raise PermanentDeliveryError(destination, "route", str(error)) from error
        except (PermanentDeliveryError, LeaseLostError, OvertakenError):
            with suppress(ClientError, BotoCoreError):
                self._breaker.leave(transfer.customer, destination, owner)
            raise
        except (DeliveryError, BreakerOpenError, ShareInUseError):
            raise
        except Exception as error:
            kind = DeliveryUnknownError if intent.is_declared else TransientDeliveryError
            raise kind(destination, "attempt", f"{type(error).__name__}: {error}") from error

    def _attempt(
        self,
        transfer: Transfer,
        destination: str,
        *,
        owner: str,
        attempt: str,
        after_unknown: bool,
        first: bool,
        goes_on: bool,
        remaining: Callable[[], float],
        intent: Intent,
    ) -> str:
        with _nothing_sent_yet(destination):
            customer = self._directory.customer(transfer.customer)
            compared = compares(customer.policy) and not transfer.asks
            window = customer.window if compared else None
            history = self._tracker.history(
                transfer.file, transfer.id, destinations=(destination,), window=window
            )
            own = standing(history.of(transfer.id))
            about = [fact for fact in own if fact.destination == destination]
            if any(fact.kind is Kind.DELIVERED for fact in about):
                self._breaker.leave(transfer.customer, destination, owner)
                return Kind.DELIVERED
            thawed = self._leases.keep(transfer, owner, history)
            overtaken(history.facts, transfer, destination, window=window)
            route = customer.route(transfer.key)
            if route is None or destination not in customer.destinations:
                reason = "the registry no longer routes this file to the destination"
                raise PermanentDeliveryError(destination, "route", reason)
            holds = route.holds
            if word := _word(about):
                sha256 = self._destinations.source(transfer, remaining).sha256()
                return self._take_word(transfer, destination, attempt, word, sha256)
            name = name_for(route.match, below_inbound(transfer.key))
            work = Work(transfer, name, owner, remaining, goes_on)
            opened = self._destinations.open(customer, destination, work)
            had_failed = self._breaker.enter(customer.id, destination, owner)
        was_reopened, is_ours = destination in replayed(own), _is_release(own, owner)
        is_released = first and not thawed and was_reopened and is_ours
        # What an operator has released to another execution, that one may have sent.
        after_unknown = after_unknown or (was_reopened and not is_ours)
        is_unknown = after_unknown or thawed
        asks_first = is_unknown or (self._is_late(transfer) and not goes_on)
        if transfer.asks or (is_unknown and holds and not is_released):
            # A file that is found is the delivery. Looking again could miss it, and would then send it again.
            begin: Callable[[], Delivery | None] = opened.find
        else:
            # Where a route does not hold, a file that the destination was asked about may be sent again.
            declare = partial(intent.declare, is_only=holds or not is_unknown)
            confirm = partial(self._confirm, transfer, destination, owner, window, declare)
            begin = partial(opened.deliver, after_unknown=asks_first, before=confirm)
        try:
            turn = self._turn(transfer, destination, owner, attempt, tries=had_failed)
            with turn, intent.until_it_is_known():
                done = begin()
        except DeliveryUnfinishedError:
            return CONTINUE
        except (PlatformUnavailableError, EarlierAttemptError):
            raise  # the destination has not failed
        except (TransientDeliveryError, DeliveryUnknownError) as error:
            if error.place != self._destinations.source(transfer).place:
                with suppress(ClientError, BotoCoreError):
                    self._breaker.failed(customer.id, destination, owner)
            elif isinstance(error, TransientDeliveryError):
                raise PlatformUnavailableError(error.place, error.step, error.reason) from error
            raise
        reason = UNANSWERED if after_unknown else THAWED
        held = {"name": name, "reason": reason}
        became = self._settle(transfer, destination, attempt, done, held, after_unknown=asks_first)
        if had_failed:
            with suppress(ClientError, BotoCoreError):
                self._breaker.worked(customer.id, destination)
        return became

    @contextmanager
    def _turn(
        self, transfer: Transfer, destination: str, owner: str, attempt: str, *, tries: bool
    ) -> Iterator[None]:
        """Have a slot of the customer's share. One that `tries` the breaker and gets none lets others try."""
        with _nothing_sent_yet(destination):
            try:
                slot = self._shares.take(transfer.customer, destination, attempt)
            except ShareInUseError:
                if tries:
                    self._breaker.leave(transfer.customer, destination, owner)
                raise
        try:
            yield
        finally:
            with suppress(ClientError, BotoCoreError):
                self._shares.leave(transfer.customer, slot, attempt)

    def _settle(
        self,
        transfer: Transfer,
        destination: str,
        attempt: str,
        done: Delivery | None,
        held: dict[str, str],
        *,
        after_unknown: bool,
    ) -> str:
        if done is not None:
            detail = {"sha256": done.sha256, "size": done.size, "path": done.path, "sent": done.sent}
            detail["after_unknown"] = after_unknown
            detail |= {"note": done.note} if done.note else {}
            self._record(transfer, Kind.DELIVERED, attempt, destination, **detail)
            return Kind.DELIVERED
        if not transfer.asks:
            self._record(transfer, Kind.HELD, attempt, destination, **held)
        return Kind.HELD

    def _is_late(self, transfer: Transfer) -> bool:
        """Return whether a transfer was submitted so long ago that the other region may have delivered it.

        Until then the other region does not know of it. The time of submission is S3's, and a part of the
        transfer's id: no fact that has yet to replicate can change it, and nothing that was frozen with an
        execution.
        """
        return self._now() - submitted(transfer.id).timestamp() > FACTS_SECONDS

    def _confirm(
        self,
        transfer: Transfer,
        destination: str,
        owner: str,
        window: timedelta | None,
        declare: Callable[[], None],
    ) -> None:
        """Check that the file may be sent, just before it is; from then on its fate can be unknown."""
        with _nothing_sent_yet(destination):
            self._leases.may_send(transfer, owner, destination, window=window)
            declare()

    def _take_word(self, transfer: Transfer, destination: str, attempt: str, word: Fact, sha256: str) -> str:
        """Record a delivery that an operator has confirmed; the content was read only for its hash."""
        detail = {"size": transfer.size, "path": "", "sent": False, "after_unknown": True}
        who = word.detail["who"]
        self._record(transfer, Kind.DELIVERED, attempt, destination, sha256=sha256, word_of=who, **detail)
        return Kind.DELIVERED

    def _record(self, transfer: Transfer, kind: Kind, attempt: str, destination: str, **detail: Any) -> None:
        fact = transfer.fact(kind, side=self._side, writer=attempt, destination=destination, **detail)
        self._tracker.record(fact)


def _word(about: list[Fact]) -> Fact | None:
    """Return the fact in which an operator states that the destination has the file."""
    said = (fact for fact in about if fact.kind is Kind.REPLAYED)
    return next((fact for fact in said if ReleaseDecision(fact.detail["decision"]).is_there), None)


def _is_release(own: list[Fact], owner: str) -> bool:
    """Return whether an operator's decision started this execution.

    Of two executions that were started at once, either serves the destinations of both decisions.
    """
    return any(fact.kind is Kind.REPLAYED and fact.writer == owner for fact in own)


@contextmanager
def _nothing_sent_yet(destination: str) -> Iterator[None]:
    """Raise PlatformUnavailableError for a failure of AWS: nothing was sent, so the result is known."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise PlatformUnavailableError(destination, "prepare", f"{type(error).__name__}: {error}") from error
