"""`gaps`: what the regions disagree on, and its repair."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from itertools import chain
from typing import Annotated, Any

import typer

from ops.cli import Apply, AsLines, Digest, Root, Why, printable, refusing
from ops.environment import ROOT, Environment
from ops.plan import RefusedError
from ops.progress import Bar
from ops.recovery.gaps import GapReport, RepairPlan, ScanListener
from ops.recovery.reconcile import GRACE
from ops.recovery.regions import Regions
from ops.recovery.repair import Deed
from ops.recovery.window import Length, Since, Until, Window, age

Customers = Annotated[
    list[str] | None, typer.Option("--customer", help="A customer's id; may be given again. All without it.")
]
Only = Annotated[
    str | None, typer.Option("--region", help="Look at this region alone, e.g. while the other is dead.")
]
RepairIt = Annotated[bool, typer.Option("--repair", help="Plan the copies and replays that close the gaps.")]
Confirmed = Annotated[
    list[str] | None,
    typer.Option("--confirmed", help="Transfer whose upload by SFTP was complete, as the customer says."),
]
_ADVICE = "looking changes nothing, and a repair may be repeated: run it again"
_DEEDS = {Deed.COPY: "copies", Deed.REPLAY: "replays", Deed.TAKE_IN: "to take in", Deed.ASK: "to ask about"}


def gaps(
    customer: Customers = None,
    since: Since = None,
    until: Until = None,
    window: Length = None,
    region: Only = None,
    repair: RepairIt = False,
    confirmed: Confirmed = None,
    why: Why = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsLines = False,
    root: Root = ROOT,
) -> None:
    """Compare the tracker with both regions' inbound files and archives.

    A transfer is complete, or has gaps: `replicating` (younger than 15 minutes),
    `archive missing`, `inbound missing`, `record missing`, `undelivered`,
    `unknown to the tracker`. Exit 1 when any but the first remain, or when a
    region does not answer. With --repair, plans what closes them.

    Example: python -m ops gaps --customer c7k2m --window 6h
    """
    if apply and not (repair and digest and why):
        raise typer.BadParameter("--apply needs --repair, the --digest of its plan, and a --reason")
    asked = Window.of(since=since, until=until, length=window)
    if repair and until is None:
        # What is younger closes by itself, and would change the plan from minute to minute.
        asked = asked.older_than(GRACE)
    say = _documents if as_json else _lines
    with refusing(as_json=as_json, advice=_ADVICE), closing(RepairPlan()) as plan:
        regions = Regions.find(Environment.read(root), only=region)
        names = regions.customers(customer or ())
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
        if apply:
            if plan.digest != digest:
                raise RefusedError(f"the plan is {plan.digest} now, not {digest}: look at it without --apply")
            left = plan.deeds[Deed.ASK] + _carry_out(plan, regions, str(why), say)
        elif repair:
            for remedy in plan.remedies():
                say({"remedy": asdict(remedy)})
            options = [("--customer", name) for name in customer or ()]
            options += [("--region", region)] if region else []
            options += [("--confirmed", name) for name in confirmed or ()]
            options += [(f"--{end}", time) for end, time in asked.document().items()]
            say({"plan": _told(plan, options)})
    raise typer.Exit(1 if left or (report.counts.silent and not region) else 0)


def _carry_out(plan: RepairPlan, regions: Regions, why: str, say: Any) -> int:
    """Do what the plan says and tell it; return how much of it could not be done."""
    failed = 0
    with Bar(plan.deeds.total() - plan.deeds[Deed.ASK], "repairs") as bar:
        for remedy, became, is_done in plan.carry_out(regions, why=why):
            say({"done" if is_done else "not_done": {**asdict(remedy), "became": became}})
            failed += not is_done
            bar.step()
    return failed


def _told(plan: RepairPlan, options: Iterable[tuple[str, str]]) -> dict[str, Any]:
    words = ["python", "-m", "ops", "gaps", "--repair", *chain.from_iterable(options)]
    words += ["--reason", "WHY", "--apply", "--digest", plan.digest]
    deeds = {word: plan.deeds[deed] for deed, word in _DEEDS.items() if plan.deeds[deed]}
    return {"digest": plan.digest, "deeds": deeds, "command": shlex.join(words)}


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
            deeds = (
                ", ".join(f"{number:,} {word}" for word, number in about["deeds"].items()) or "nothing to do"
            )
            typer.echo(f"plan {about['digest']}: {deeds}; nothing was done; to do it:")
            typer.echo(f"  {about['command']}")
        case "done" | "not_done":
            file = f"{about['customer']} {printable(about['key'])} {about['transfer']}"
            typer.echo(f"{about['became']}: {file}")
