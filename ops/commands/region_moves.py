"""How `evacuate`, `restore` and `force-in` print their plans, carry them out, and say what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_never

import typer

from ops import plan_store
from ops.cli import refusing, to_do_it
from ops.environment import Environment
from ops.failover import switching
from ops.failover.evacuation import SwitchPlan
from ops.failover.switching import Act
from ops.plan import Approval, applying, command
from ops.progress import Bar
from runtime.contract import REGION_OF, SIDE_OF, Position, peer_of


def carry_out(
    planned: Callable[[Environment], SwitchPlan],
    options: list[str],
    *,
    reason: str | None,
    approved: Approval | None,
    as_json: bool,
    root: Path,
    cell: str | None,
) -> None:
    """Print a plan of moving a region, carry it out if it was approved, and say how that ended."""
    act: Act | None = None

    def say(line: str) -> None:
        if not as_json:
            typer.echo(line)

    def so_far() -> str:
        return act.so_far if act else "nothing was done"

    with refusing(as_json=as_json, acts=approved is not None, so_far=so_far):
        environment = Environment.read(root, cell)
        plan = planned(environment)
        document = _document(plan, options, reason)
        for line in _plan(plan):
            say(line)
        plan_store.review(root, plan.document, approved)
        if approved:
            act = Act(environment=environment, plan=plan)
            with act.recorded(approved.reason):
                act.move()
                say(f"{act.so_far}; the name servers are asked for {switching.GIVE_UP:.0f} s at most")
                with Bar(act.questions, "answers") as bar:
                    act.watch(bar.steps)
            document |= _done(act)
    if as_json:
        typer.echo(json.dumps(document))
    elif act is None:
        typer.echo(to_do_it(f"plan {plan.digest}", document["command"]))
    else:
        for line in _outcome(act, document["warnings"]):
            typer.echo(line)
    raise typer.Exit(1 if act and (act.left or _lacks_record(act)) else 0)


def _lacks_record(act: Act) -> bool:
    """Return whether an action that must be recorded is not: an evacuation cannot wait for that."""
    return not act.plan.position.is_out and not act.recording.is_whole


def _document(plan: SwitchPlan, options: list[str], reason: str | None) -> dict[str, Any]:
    words = [plan.verb, plan.region, *options]
    words += ["--override", plan.override] if plan.override else []
    return {
        "applied": False,
        "region": plan.region,
        "through": plan.through,
        "position": plan.position.value,
        "now": plan.now.value,
        "digest": plan.digest,
        "customers": plan.customers if plan.servers else None,
        "names": plan.names,
        "override": plan.override,
        "resumed": plan.is_resumed,
        "warnings": list(plan.warnings),
        "command": applying(*words, digest=plan.digest, reason=reason),
    }


def _plan(plan: SwitchPlan) -> list[str]:
    region, through = plan.region, plan.through
    if plan.forces is not None:
        return [*_forced(plan), *_notes(plan)]
    out = [
        f"take {region} out of DNS, through {through}: one parameter, one datapoint",
        f"its records then answer with {through}: {plan.reach}",
    ]
    match plan.position:
        case Position.OUT:
            lines = out
        case Position.LOST:
            lines = [*out, f"it is declared lost: {through} takes over what it has left unfinished"]
        case Position.IN:
            lines = [
                f"take {region} back into DNS, through {through}: one parameter, one datapoint",
                f"its records then answer with {region}: {plan.reach}",
            ]
        case unreachable:
            assert_never(unreachable)
    return [*lines, *_notes(plan)]


def _forced(plan: SwitchPlan) -> list[str]:
    region, keeper = plan.region, REGION_OF[peer_of(SIDE_OF[plan.region])]
    if not plan.forces:
        return [
            f"let {region} no longer say of itself that it is in: one parameter",
            f"within three minutes its records answer as {keeper} said last, if {keeper} is still silent",
        ]
    return [
        f"force {region} in from its own side, through {region} alone: one parameter, one datapoint",
        f"its records then answer with {region}, while {keeper} is silent: {plan.reach}",
        f"what {keeper} had that {region} lacks is not known, and was not asked",
        f"then take {keeper} out, so that nobody is sent there: {command('evacuate', keeper)}",
    ]


def _notes(plan: SwitchPlan) -> list[str]:
    lines = []
    if plan.is_resumed:
        done = f"{plan.region} says so" if plan.forces else f"its switch stands at {plan.position.value}"
        lines.append(f"{done} already, moved by a command that was cut off: this goes on from there")
    if plan.override:
        lines.append(f"overridden: {plan.override}")
    return [*lines, *(f"warning: {each}" for each in plan.warnings)]


def _done(act: Act) -> dict[str, Any]:
    recording, plan = act.recording, act.plan
    return {
        "applied": True,
        "who": recording.who,
        "dns_moved_seconds": act.moved_seconds,
        "asked": [host for host, _ in plan.servers.servers] if plan.servers else [],
        "left": act.left,
        "recorded": recording.folder or None,
        "old_answers": act.behind,
        "warnings": [*plan.warnings, *recording.warnings],
    }


def _outcome(act: Act, warnings: list[str]) -> list[str]:
    lines = [f"warning: {each}" for each in warnings]
    lines += [f"answers otherwise: {each}" for each in act.left]
    moved, others, dns = "the switch has moved", "answers have not", "whether DNS has"
    if act.plan.forces is not None:
        moved, others, dns = "the region says so", "answers have not moved", "whether DNS follows"
    if act.left:
        patience = f"{switching.GIVE_UP:.0f} s"
        done = f"done, {moved}; {len(act.left):,} {others} after {patience}"
        if act.plan.forces:
            done += "; Route 53 hears for three minutes what a silent region said last"
        elif act.plan.position.is_out:
            done += f"; if {act.plan.through} is out itself, bring it back: {command('status')} shows how"
        else:
            back = command("shift", "CUSTOMER", "--back")
            done += f"; if customers were shifted out, bring them back: {back}"
    elif act.moved_seconds is None or act.plan.servers is None:
        done = f"done, {moved}; {dns} is not known: no name server was asked"
    else:
        asked = len(act.plan.servers.servers)
        servers = f"{asked} name server{'' if asked == 1 else 's'}"
        done = f"done; every answer of {servers} moved within {act.moved_seconds} s"
    lines += [f"note: {each}" for each in act.behind]
    lines += [f"recorded: {act.recording.folder}"] if act.recording.folder else []
    return [*lines, done]
