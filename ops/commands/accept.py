"""`accept`: a deployed environment proves itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops import plan_store
from ops.cli import Apply, AsJson, Digest, OfCell, Reason, Root, approval, printable, refusing, to_do_it
from ops.environment import ROOT, Environment
from ops.plan import RefusedError, applying
from ops.progress import Bar

if TYPE_CHECKING:
    from ops.acceptance.acceptance import Acceptance
    from ops.acceptance.acceptance_plan import AcceptancePlan
    from ops.acceptance.observation import Observation
    from ops.logbook import Recording

Customer = Annotated[
    str, typer.Argument(metavar="CUSTOMER", help="Id of the customer that is there for acceptances.")
]
Key = Annotated[
    Path, typer.Option("--key", metavar="FILE", help="File of the private key of one of its SFTP users.")
]
WithFailover = Annotated[
    bool,
    typer.Option("--with-failover", help="Also take each region out of DNS, time it, and put it back."),
]


def accept(
    customer: Customer,
    key: Key,
    with_failover: WithFailover = False,
    reason: Reason = None,
    apply: Apply = False,
    digest: Digest = None,
    as_json: AsJson = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Prove that a deployed environment works.

    It is run after a first deployment and after every upgrade. The customer's files go by SFTP and by S3
    through both regions to its destinations. Also checked are host keys, receipts, replication, retention,
    what AWS's services have delivered, health checks and names. What was not seen is a line, and the exit
    code is then 1. All that was put is removed again; what an interrupted run has left is removed by the
    next. The report is in .build/accept.html and .build/accept.md.

    Example: mft-ops accept c7k2m --key c7k2m.key --with-failover
    """
    approved = approval(apply=apply, digest=digest, reason=reason)
    # They load pydantic and asyncssh, which verbs of an incident do without.
    import asyncssh

    from ops.acceptance import acceptance_report
    from ops.acceptance.acceptance import Acceptance
    from ops.acceptance.acceptance_plan import plan
    from ops.acceptance.accepted_cell import accepted_cells
    from ops.acceptance.observation import Observations
    from ops.acceptance.synthetic_customer import SyntheticCustomer
    from ops.registry import read_registry
    from runtime.delivery import DeliveryError

    recordings: list[Recording] = []
    with refusing(as_json=as_json, acts=apply):
        environment = Environment.read(root, cell)
        registry = read_registry(environment, root)
        sender = SyntheticCustomer.of(registry, environment, customer, key)
        cells = accepted_cells(environment, sender)
        try:
            planned = plan(environment, sender, cells, with_failover=with_failover)
        except (DeliveryError, asyncssh.Error) as error:
            raise RefusedError(f"a destination of {customer} cannot be reached from here: {error}") from error
        plan_store.review(root, planned.document, approved)
        words = ["accept", customer, "--key", str(key), *(["--with-failover"] if with_failover else [])]
        document = _document(planned, applying(*words, digest=planned.digest, reason=reason))
        if approved:
            with Bar(None, "observations") as bar:
                observed = Observations(tell=_teller(bar, as_json=as_json))
                run = Acceptance(
                    environment=environment,
                    root=root,
                    plan=planned,
                    cells=cells,
                    observed=observed,
                    stepped=lambda part: None if as_json else typer.echo(f"{part} ..."),
                )
                recordings = run.carry_out(approved.reason)
            document |= _done(run, recordings)
            pages = acceptance_report.write(root / ".build", _head(document), observed.made)
            document |= {"report": list(map(str, pages)), "result": acceptance_report.summary(observed.made)}
    if as_json:
        typer.echo(json.dumps(document))
    else:
        for line in _lines(planned, document):
            typer.echo(line)
    failed = document["unseen"] or any(not each.is_whole for each in recordings)
    raise typer.Exit(1 if failed else 0)


def _document(plan: AcceptancePlan, command: str) -> dict[str, Any]:
    return {
        "applied": False,
        "digest": plan.digest,
        "customer": plan.customer.id,
        "plan": plan.document,
        "observations": [],
        "unseen": 0,
        "command": command,
    }


def _teller(bar: Bar, *, as_json: bool) -> Callable[[Observation], None]:
    def tell(observation: Observation) -> None:
        bar.step()
        if not as_json:
            typer.echo(printable(observation.line))

    return tell


def _done(run: Acceptance, recordings: list[Recording]) -> dict[str, Any]:
    return {
        "applied": True,
        "run": run.run,
        "who": recordings[0].who,
        "observations": [asdict(each) for each in run.observed.made],
        "unseen": len(run.observed.unseen),
        "recorded": [each.folder for each in recordings],
        "warnings": [warning for each in recordings for warning in each.warnings],
    }


def _head(document: dict[str, Any]) -> dict[str, Any]:
    """Return what the report says at its top."""
    return {name: document[name] for name in ("run", "customer", "who", "digest")} | {
        "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "recorded": ", ".join(document["recorded"]),
    }


def _lines(plan: AcceptancePlan, document: dict[str, Any]) -> list[str]:
    if not document["applied"]:
        return [*map(printable, plan.lines()), to_do_it(f"plan {plan.digest}", document["command"])]
    lines = [f"warning: {each}" for each in document["warnings"]]
    lines += [f"recorded: {each}" for each in document["recorded"]]
    lines += [f"report: {each}" for each in document["report"]]
    return [*lines, document["result"]]
