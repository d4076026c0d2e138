"""`evacuate` and `restore`: a whole region out of DNS, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, assert_never

import typer

from ops import plan_store
from ops.cli import (
    Apply,
    AsJson,
    Digest,
    Override,
    Reason,
    Region,
    Root,
    approval,
    refusing,
    to_do_it,
)
from ops.environment import ROOT, Environment
from ops.failover import switching
from ops.failover.evacuation import SwitchPlan, evacuation
from ops.failover.switching import Act
from ops.plan import Approval, applying, command
from ops.progress import Bar
from runtime.contract import Position

Lost = Annotated[
    bool, typer.Option("--lost", help="Declare it lost: its peer takes over what it has left unfinished.")
]


def evacuate(
    region: Region,
    lost: Lost = False,
    reason: Reason = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """Take a region out of DNS, through its peer's data plane only.

    A region that is well finishes what it has. If it will not come back soon, declare it lost: its peer then
    takes over what it has left unfinished. After acting, the command watches the zone's name servers until
    they answer with the peer. It works while the region is dead, and the control planes of Route 53 and IAM
    with it.

    Example: mft-ops evacuate us-gov-west-1 --lost
    """
    approved = approval(apply=apply, digest=digest, reason=reason)

    def plan(environment: Environment) -> SwitchPlan:
        position = Position.LOST if lost else Position.OUT
        return evacuation(environment, region, position, override=override)

    options = ["--lost"] if lost else []
    _move(plan, options, reason=reason, approved=approved, as_json=as_json, root=root)


def restore(
    region: Region,
    reason: Reason = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """Put a region back into DNS, once it is well and has caught up.

    Nothing overrides what replication may still bring. Files that failed at their partner, with a receipt,
    do not matter. Other gaps are named, and may be left open by the sentence that is printed. After acting,
    the command watches the zone's name servers until they answer as usual.

    Example: mft-ops restore us-gov-west-1
    """
    approved = approval(apply=apply, digest=digest, reason=reason)

    def plan(environment: Environment) -> SwitchPlan:
        from ops.failover.restoration import restoration  # loads pydantic, which `evacuate` does without

        return restoration(environment, root, region, override=override)

    _move(plan, [], reason=reason, approved=approved, as_json=as_json, root=root)


def _move(
    planned: Callable[[Environment], SwitchPlan],
    options: list[str],
    *,
    reason: str | None,
    approved: Approval | None,
    as_json: bool,
    root: Path,
) -> None:
    act: Act | None = None

    def say(line: str) -> None:
        if not as_json:
            typer.echo(line)

    def so_far() -> str:
        return act.so_far if act else "nothing was done"

    with refusing(as_json=as_json, acts=approved is not None, so_far=so_far):
        environment = Environment.read(root)
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
    if plan.is_resumed:
        lines.append(
            f"its switch stands at {plan.position.value} already, moved by a command that was cut off:"
            " this goes on from there"
        )
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
    if act.left:
        patience = f"{switching.GIVE_UP:.0f} s"
        done = f"done, the switch has moved; {len(act.left):,} answers have not after {patience}"
        if not act.plan.position.is_out:
            back = command("shift", "CUSTOMER", "--back")
            done += f"; if customers were shifted out, bring them back: {back}"
    elif act.moved_seconds is None or act.plan.servers is None:
        done = "done, the switch has moved; whether DNS has is not known: no name server was asked"
    else:
        asked = len(act.plan.servers.servers)
        servers = f"{asked} name server{'' if asked == 1 else 's'}"
        done = f"done; every answer of {servers} moved within {act.moved_seconds} s"
    lines += [f"note: {each}" for each in act.behind]
    lines += [f"recorded: {act.recording.folder}"] if act.recording.folder else []
    return [*lines, done]
