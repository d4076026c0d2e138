"""`evacuate` and `restore`: a whole region out of DNS, and back."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.cli import (
    Apply,
    AsJson,
    Digest,
    Override,
    Region,
    Root,
    Why,
    refusing,
    reviewed_with_reason,
)
from ops.environment import ROOT, Environment
from ops.failover import switching
from ops.failover.evacuation import SwitchPlan, evacuation
from ops.failover.switching import Act
from ops.progress import Bar
from runtime.contract import Position

_ADVICE = "run the same command again: what is done is not done twice, and it goes on from there"

Lost = Annotated[
    bool, typer.Option("--lost", help="Declare it lost: its peer takes over what it has left unfinished.")
]


def evacuate(
    region: Region,
    lost: Lost = False,
    why: Why = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """Take a region out of DNS, through its peer's data plane only.

    A region that is well finishes what it has. Of one that does not come back soon,
    say that it is lost. Watches the zone's name servers until they answer with the
    peer. Works while the region, Route 53's control plane and IAM are dead.

    Example: python -m ops evacuate us-gov-west-1 --lost
    """

    def plan(environment: Environment) -> SwitchPlan:
        position = Position.LOST if lost else Position.OUT
        return evacuation(environment, region, position, override=override)

    options = ["--lost"] if lost else []
    _move(plan, options, why=why, apply=apply, digest=digest, as_json=as_json, root=root)


def restore(
    region: Region,
    why: Why = None,
    override: Override = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """Put a region back into DNS, once no gaps remain and its cell is well.

    Example: python -m ops restore us-gov-west-1
    """

    def plan(environment: Environment) -> SwitchPlan:
        from ops.failover.restoration import restoration  # pydantic is no load for `evacuate`

        return restoration(environment, root, region, override=override)

    _move(plan, [], why=why, apply=apply, digest=digest, as_json=as_json, root=root)


def _move(
    planned: Callable[[Environment], SwitchPlan],
    options: list[str],
    *,
    why: str | None,
    apply: bool,
    digest: str | None,
    as_json: bool,
    root: Path,
) -> None:
    reviewed_with_reason(apply=apply, digest=digest, why=why)
    from ops import plan_store

    act: Act | None = None
    say = (lambda line: None) if as_json else typer.echo
    with refusing(as_json=as_json, advice=_ADVICE, so_far=lambda: act.so_far if act else "nothing was done"):
        environment = Environment.read(root)
        plan = planned(environment)
        told = _document(plan, options)
        for line in _plan(told):
            say(line)
        if not apply:
            plan_store.keep(root, plan.document)
        else:
            plan_store.check(root, plan.document, str(digest))
            act = Act(environment=environment, plan=plan)
            with act.recorded(str(why)):
                act.move()
                say(f"{act.so_far}; the name servers are asked for {switching.GIVE_UP:.0f} s at most")
                with Bar(act.questions, "answers") as bar:
                    act.watch(bar.steps)
            told |= _done(act)
    if as_json:
        typer.echo(json.dumps(told))
    elif act is None:
        typer.echo(f"plan {told['digest']}: nothing was done; to do it:\n  {told['command']}")
    else:
        for line in _outcome(told):
            typer.echo(line)
    is_missing = act is not None and not plan.position.is_out and not act.recording.is_whole
    raise typer.Exit(1 if told.get("left") or is_missing else 0)


def _document(plan: SwitchPlan, options: list[str]) -> dict[str, Any]:
    words = ["python", "-m", "ops", plan.verb, plan.region, *options]
    words += ["--override", plan.override] if plan.override else []
    return {
        "applied": False,
        "region": plan.region,
        "through": plan.through,
        "position": plan.position.value,
        "now": plan.now.value,
        "digest": plan.digest,
        "customers": plan.customers,
        "names": len(plan.wanted),
        "override": plan.override,
        "resumed": plan.is_resumed,
        "warnings": list(plan.warnings),
        "command": shlex.join([*words, "--reason", "WHY", "--apply", "--digest", plan.digest]),
    }


def _plan(told: dict[str, Any]) -> list[str]:
    is_out = told["position"] != Position.IN
    region, through = told["region"], told["through"]
    lines = [
        f"take {region} {'out of' if is_out else 'back into'} DNS,"
        f" through {through}: one parameter, one datapoint",
        f"its records then answer with {through if is_out else region}:"
        f" {told['names']:,} names of {told['customers']:,} customers in service",
    ]
    if told["position"] == Position.LOST:
        lines.append(f"it is declared lost: {through} takes over what it has left unfinished")
    if told["resumed"]:
        lines.append(f"its switch stands at {told['position']}, and who moved it was cut off: this goes on")
    if told["override"]:
        lines.append(f"overridden: {told['override']}")
    return [*lines, *(f"warning: {each}" for each in told["warnings"])]


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


def _outcome(told: dict[str, Any]) -> list[str]:
    lines = [f"warning: {each}" for each in told["warnings"]]
    lines += [f"answers otherwise: {each}" for each in told["left"]]
    if told["left"]:
        patience = f"{switching.GIVE_UP:.0f} s"
        done = f"done, the switch has moved; {len(told['left']):,} answers have not after {patience}"
        if told["position"] == Position.IN:
            done += "; were customers shifted? bring them back: python -m ops shift CUSTOMER --back"
    elif told["dns_moved_seconds"] is None:
        done = "done, the switch has moved; whether DNS has is not known: no name server was asked"
    else:
        servers = f"{len(told['asked'])} name server{'' if len(told['asked']) == 1 else 's'}"
        done = f"done; every answer of {servers} moved within {told['dns_moved_seconds']} s"
    lines += [f"note: {each}" for each in told["old_answers"]]
    lines += [f"recorded: {told['recorded']}"] if told["recorded"] else []
    return [*lines, done]
