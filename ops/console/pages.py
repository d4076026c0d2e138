"""The pages that ask AWS: each takes its query and returns what its template shows.

Nothing is computed here: a page shows what the verb of the same name prints, and names that command.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice
from typing import Any

from ops.console.query import BadQueryError, Query
from ops.console.source import Source
from ops.health.status_document import rows
from ops.plan import RefusedError, command
from ops.recovery.attempts import Attempts
from ops.recovery.gaps import GapReport, ScanListener
from ops.recovery.lookup import FoundFile, Lookup
from ops.recovery.regions import Regions
from ops.recovery.repair import planned_by
from ops.recovery.trace import Trace
from ops.recovery.transfer_list import TransferPage, Wanted, cursor_of, newest, page, state_of
from ops.recovery.window import Window
from runtime.facts import Status, submitted

#: Transfers on a page, and on one that asks about the executions of each.
LISTED, RETRIED = 50, 20
#: Transfers that are read for one page, wanted or not: some 100 requests.
MOST_READ = 4_000
#: Days that a list may look through, those of each customer counted: a day without transfers is a request.
MOST_DAYS = 6_000
#: Windows of the lists: a workflow ends within hours, and what is held waits for a person.
HOURS, DAYS = timedelta(hours=6), timedelta(days=3)
#: Gaps on a page, the longest window that it searches, and seconds after which the search is given up.
GAPS, LONGEST, SEARCHED = 200, timedelta(days=7), 20.0

#: The parameters by which transfers are listed.
LIST = ("customer", "key", "state", "window", "since", "until", "region", "after")


class _SearchTooLongError(RuntimeError):
    """A search for gaps was given up."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page that asks AWS: its parameters, and what makes it. `fresh` is for how many seconds it is kept."""

    parameters: tuple[str, ...]
    make: Callable[[Source, Query], dict[str, Any]]
    fresh: float = 0.0


def overview(source: Source, query: Query) -> dict[str, Any]:
    """Show both regions: switches, lag, queues, alarms, and what was found."""
    document = source.status()
    alarms = [alarm for its in document["regions"].values() for alarm in its["alarms"] or ()]
    shown = [f"the alarm {alarm['name']} is on since {alarm['since']}" for alarm in alarms]
    regions = {
        region: {
            **its,
            "rows": list(rows(its, document["shifts_according_to"])),
            "why": [each for each in document["findings"] if each.startswith(f"{region}: does not answer")],
        }
        for region, its in document["regions"].items()
    }
    findings = [each for each in document["findings"] if not any(alarm in each for alarm in shown)]
    return {**document, "regions": regions, "findings": findings, "command": command("status")}


def transfers(source: Source, query: Query) -> dict[str, Any]:
    """List the transfers of the last hours, newest first."""
    wanted = Wanted(state=query.parsed("state", state_of), key=query.pattern())
    return _list(source, query, wanted, HOURS, LISTED)


def held(source: Source, query: Query) -> dict[str, Any]:
    """List the transfers that wait for a person, with the commands that settle them."""
    return _list(source, query, Wanted(state=Status.HELD, key=query.pattern()), DAYS, LISTED)


def retrying(source: Source, query: Query) -> dict[str, Any]:
    """List the transfers under way, with the last failed attempt of each."""
    wanted = Wanted(state=Status.UNDER_WAY, key=query.pattern())

    def attempts(regions: Regions, found: TransferPage) -> dict[str, Any]:
        unknowns: list[str] = []
        asked = Attempts(regions, regions.sides, unknowns)
        failures = asked.last_failures([each.transfer for each in found.transfers])
        return {
            "failures": {each.transfer: last for each, last in zip(found.transfers, failures, strict=True)},
            "unknowns": [*regions.unknowns, *unknowns],
        }

    return _list(source, query, wanted, DAYS, RETRIED, attempts)


def _list(
    source: Source,
    query: Query,
    wanted: Wanted,
    usual: timedelta,
    limit: int,
    more: Callable[[Regions, TransferPage], dict[str, Any]] = lambda regions, found: {},
) -> dict[str, Any]:
    window, customers = query.window(usual), query.customers()
    after, only = query.parsed("after", cursor_of) or "", query.text("region") or None
    if after and not window.has(submitted(after)):
        ends = "from {since} to {until}".format_map(window.document())
        raise BadQueryError(f"after: {after} is not within the window, {ends}")

    def look(regions: Regions) -> dict[str, Any]:
        names = regions.customers(customers)
        days = (window.until.date() - window.since.date()).days + 1
        if days * len(names) > MOST_DAYS:
            raise BadQueryError(
                f"window: {days:,} days of {len(names):,} customers are more than this page reads; name"
                " customers, or take a shorter window"
            )
        found = page(
            newest(regions, names, window, after=after),
            wanted,
            limit=limit,
            most=MOST_READ,
        )
        its = {"transfers": found.transfers, "looked_at": found.looked_at, "unknowns": regions.unknowns}
        return its | more(regions, found) | {"next": _next(query, window, found.after)}

    words = (*customers, *wanted.words(), *(("--region", only) if only else ()))
    asked = command("transfers", *words, *chain.from_iterable(_ends(window).items()))
    about = {"query": query.all, "window": window.document(), "command": asked}
    return source.ask(look, only=only) | about


def _next(query: Query, window: Window, after: str | None) -> dict[str, str] | None:
    """Return the parameters of the next page of a list; the window stays as it is, whatever the time."""
    if after is None:
        return None
    kept = {name: text for name, text in query.given.items() if name != "window"}
    return {**kept, **window.document(), "after": after}


def _ends(window: Window) -> dict[str, str]:
    return {f"--{end}": time for end, time in window.document().items()}


def gaps(source: Source, query: Query) -> dict[str, Any]:
    """Search one customer's transfers for what the regions disagree on."""
    customers, window = query.customers(), query.window(HOURS, longest=LONGEST)
    about = {"query": query.all, "window": window.document()}
    if not customers:
        return {**about, "searched": False, "gaps": (), "unknowns": (), "command": command("gaps")}
    if len(customers) > 1:
        raise BadQueryError(f"customer: {' '.join(customers)!r} names several; this page searches one")

    def look(regions: Regions) -> dict[str, Any]:
        report = GapReport(regions, customers, window, ScanListener(listed=_bound(SEARCHED)))
        found: list[Mapping[str, Any]] = []
        try:
            found = list(islice(report.lines(), GAPS + 1))
        except _SearchTooLongError as error:
            return {"given_up": str(error), "gaps": (), "counts": None, "unknowns": regions.unknowns}
        settled = [{**each, "settle": planned_by(each)} for each in found[:GAPS]]
        counts = report.counts.document() if len(found) <= GAPS else None
        return {"gaps": settled, "counts": counts, "given_up": None, "unknowns": regions.unknowns}

    words = chain.from_iterable(_ends(window).items())
    return source.ask(look) | {**about, "searched": True, "command": command("gaps", *customers, *words)}


def _bound(seconds: float) -> Callable[[int], None]:
    """Return a listener of a search that ends it after this time."""
    end = time.monotonic() + seconds

    def listed(count: int) -> None:
        if time.monotonic() > end:
            raise _SearchTooLongError(f"the search took more than {seconds:g} s and was given up")

    return listed


def file(source: Source, query: Query) -> dict[str, Any]:
    """Tell one file's story across both regions."""
    wanted, customer, transfer = (
        query.text("find"),
        query.text("customer"),
        query.parsed("transfer", cursor_of),
    )
    key = query.text("key")
    about = {"query": query.all, "command": command("trace", "FILE")}
    if not (wanted or key):
        return {**about, "story": None, "settle": {}}

    def look(regions: Regions) -> dict[str, Any]:
        names = regions.customers([customer] if customer else ())
        if key:
            if not customer:
                raise BadQueryError("customer: is missing; a key is one customer's")
            found = FoundFile(customer=customer, key=key, transfer=transfer)
        else:
            found = Lookup(regions, names).find(wanted)
        story = Trace(source.environment, regions, found.customer).story(found.key, found.transfer)
        if not story.chapters:
            what = f"transfer {found.transfer} of the file" if found.transfer else "file"
            raise RefusedError(f"no {what} {found.key!r} of {found.customer} is known")
        its = [each.transfer for each in story.chapters]
        words = (found.transfer or found.key, "--customer", found.customer)
        settle = _settling(regions, found.customer, its)
        return {"story": story, "settle": settle, "command": command("trace", *words)}

    return about | source.ask(look)


def _settling(regions: Regions, customer: str, transfers: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the commands that settle these transfers, as the list of transfers has them."""
    settle = {}
    for transfer in transfers:
        at = submitted(transfer)
        for each in newest(regions, [customer], Window(since=at, until=at + timedelta(seconds=1))):
            if each.transfer == transfer:
                settle[transfer] = each.settle
    return settle


PAGES = {
    "overview": Page(parameters=(), make=overview, fresh=5.0),
    "transfers": Page(parameters=LIST, make=transfers),
    "retrying": Page(parameters=tuple(each for each in LIST if each != "state"), make=retrying),
    "held": Page(parameters=tuple(each for each in LIST if each != "state"), make=held),
    "gaps": Page(parameters=("customer", "window", "since", "until"), make=gaps),
    "file": Page(parameters=("find", "customer", "key", "transfer"), make=file),
}
