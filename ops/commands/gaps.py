"""`gaps`: what the regions disagree on, and its repair."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict
from itertools import chain
from typing import Annotated, Any, assert_never

import typer

from ops import plan_store
from ops.cli import (
    AllCustomers,
    Apply,
    AsLines,
    Digest,
    Reason,
    Root,
    approval,
    printable,
    refusing,
    to_do_it,
)
from ops.environment import ROOT, Environment
from ops.plan import applying
from ops.progress import Bar
from ops.recovery.gaps import GapReport, RepairPlan, ScanListener
from ops.recovery.reconcile import GRACE
from ops.recovery.regions import Regions
from ops.recovery.repair import Deed
from ops.recovery.window import Length, Since, Until, Window, age

Only = Annotated[
    str | None,
    typer.Option(
        "--region", metavar="REGION", help="Look at this region alone, e.g. while the other is dead."
    ),
]
RepairIt = Annotated[
    bool, typer.Option("--repair", help="Plan the copies, replications and replays that close the gaps.")
]
Confirmed = Annotated[
    list[str] | None,
    typer.Option(
        "--confirmed",
        metavar="TRANSFER",
        help="Transfer whose upload by SFTP was complete, as the customer says; may be given again.",
    ),
]


def gaps(
    customers: AllCustomers = None,
    since: Since = None,
    until: Until = None,
    window: Length = None,
    region: Only = None,
    repair: RepairIt = False,
    confirmed: Confirmed = None,
    reason: Reason = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsLines = False,
    root: Root = ROOT,
) -> None:
    """Compare what both regions have tracked, received and archived.

    A transfer is complete, or has gaps: `replicating` (younger than 15 minutes), `archive missing`, `inbound
    missing`, `record missing`, `undelivered`, `unknown to the tracker`, `waits for its rename` (an SFTP
    upload that has had a temporary name for more than a day). The exit code is 1 when gaps other than the
    first and the last kind remain, or when a region does not answer. With --repair, the command plans what
    closes them: copies in the archive, jobs in which S3 replicates again what a customer's bucket lacks,
    replays.

    Example: mft-ops gaps c7k2m --window 6h
    """
    if apply and not repair:
        raise typer.BadParameter("--apply needs --repair")
    approved = approval(apply=apply, digest=digest, reason=reason)
    asked = Window.of(since=since, until=until, length=window)
    if repair and until is None:
        # Younger gaps close by themselves, and would change the plan from minute to minute.
        asked = asked.older_than(GRACE)
    say = _documents if as_json else _lines
    with refusing(as_json=as_json, acts=apply), closing(RepairPlan()) as plan:
        regions = Regions.find(Environment.read(root), only=region)
        names = regions.customers(customers or ())
        say({"window": asked.document(), "not_looked_at": regions.unknowns})
        with Bar(len(names), "customers", "objects") as bar:
            report = GapReport(regions, names, asked, ScanListener(listed=bar.count, finished=bar.step))
            for line in report.lines(confirmed=(confirmed or ()) if repair else None):
                if "remedy" in line:
                    plan.add(line["remedy"])
                elif not apply:
                    say({"gap": line})
        counts, left = report.counts.document(), report.counts.remaining
        say({"counts": counts, "window": asked.document()})
        if repair:
            plan_store.review(root, plan.document, approved)
        if approved:
            left = plan.deeds[Deed.ASK] + _carry_out(plan, regions, approved.reason, say)
        elif repair:
            for remedy in plan.remedies():
                say({"remedy": asdict(remedy)})
            options = [("--region", region)] if region else []
            options += [("--confirmed", name) for name in confirmed or ()]
            options += [(f"--{end}", time) for end, time in asked.document().items()]
            say({"plan": _document(plan, customers or (), options, reason)})
    raise typer.Exit(1 if left or (report.counts.silent and not region) else 0)


def _carry_out(plan: RepairPlan, regions: Regions, why: str, say: Callable[[dict[str, Any]], None]) -> int:
    """Carry the plan out and say what was done; return the number of remedies that could not be."""
    failed = 0
    with Bar(plan.deeds.total() - plan.deeds[Deed.ASK], "repairs") as bar:
        for remedy, became, is_done in plan.carry_out(regions, why=why):
            say({"done" if is_done else "not_done": {**asdict(remedy), "became": became}})
            failed += not is_done
            bar.step()
    return failed


def _document(
    plan: RepairPlan, customers: Iterable[str], options: Iterable[tuple[str, str]], reason: str | None
) -> dict[str, Any]:
    words = ("gaps", *customers, "--repair", *chain.from_iterable(options))
    return {
        "digest": plan.digest,
        "deeds": {_many(deed): plan.deeds[deed] for deed in Deed if plan.deeds[deed]},
        "command": applying(*words, digest=plan.digest, reason=reason),
    }


def _many(deed: Deed) -> str:
    """Return what deeds are called where they are counted."""
    match deed:
        case Deed.COPY:
            return "copies"
        case Deed.REPLICATE:
            return "to replicate"
        case Deed.REPLAY:
            return "replays"
        case Deed.TAKE_IN:
            return "to take in"
        case Deed.ASK:
            return "to ask about"
        case unreachable:
            assert_never(unreachable)


def _documents(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document))


def _lines(document: dict[str, Any]) -> None:
    ((what, about),) = list(document.items())[:1]
    match what:
        case "window":
            for sentence in document["not_looked_at"]:
                typer.echo(sentence)
        case "gap":
            old = age(about["age_seconds"])
            file = f"{about['customer']} {printable(about['key'])} {about['transfer']}"
            typer.echo(f"{about['finding']}: {file}: {about['where']}, {old}")
        case "counts":
            found = ", ".join(f"{number:,} {name}" for name, number in about.items() if name != "transfers")
            window = "from {since} to {until}".format_map(document["window"])
            number = f"{about['transfers']:,}" if about["transfers"] else "no"
            typer.echo(f"{number} transfers {window}" + (f": {found}" if about["transfers"] else ""))
        case "remedy":
            file = f"{about['customer']} {printable(about['key'])} {about['transfer']}"
            typer.echo(f"{about['deed']}: {file}: {about['why']}")
        case "plan":
            deeds = ", ".join(f"{number:,} {word}" for word, number in about["deeds"].items())
            summary = f"plan {about['digest']}: {deeds or 'nothing to do'}"
            is_for_people = set(about["deeds"]) <= {_many(Deed.ASK)}  # also if nobody has to be asked
            typer.echo(summary if is_for_people else to_do_it(summary, about["command"]))
        case "done" | "not_done":
            file = f"{about['customer']} {printable(about['key'])} {about['transfer']}"
            typer.echo(f"{about['became']}: {file}")
