"""`replay plan` and `replay apply`: carrying transfers again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, assert_never

import typer

from ops import plan_store
from ops.cli import AsLines, OfCell, Root, not_blank, printable, refusing, to_do_it
from ops.environment import ROOT, Environment
from ops.plan import NO_REASON, Approval, RefusedError, command
from ops.progress import Bar
from ops.recovery.regions import Regions
from ops.recovery.replay import Choice, ReplayVerdict
from ops.recovery.replay_plan import Application, ReplayPlan, StartPace, State, Wanted, look
from ops.recovery.window import Length, Since, Until, Window
from runtime.facts import submitted
from runtime.patterns import PatternError, check

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def _pattern(text: str) -> str:
    try:
        check(text)
    except PatternError as error:
        raise typer.BadParameter(f"{text!r} {error}") from error
    return text


def _rate(text: str) -> float:
    number = text.removesuffix("/s")
    try:
        rate = float(number)
    except ValueError:
        rate = 0
    if not 0 < rate <= 1000:
        raise typer.BadParameter(f"{text!r} is not a rate; write a number per second, such as 5/s or 0.5/s")
    return rate


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(State)}") from error


_USUAL_RATE = 5.0

Customer = Annotated[str, typer.Argument(metavar="CUSTOMER", help="Customer whose transfers they are.")]
InState = Annotated[
    State | None,
    typer.Option(
        "--state",
        parser=_state,
        metavar="STATE",
        help=f"Only transfers in this state: {', '.join(State)}.",
    ),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        parser=_pattern,
        metavar="GLOB",
        help="Only keys that match this below inbound/, as in routes.",
    ),
]
Transfers = Annotated[
    list[str] | None,
    typer.Option("--transfer", metavar="TRANSFER", help="Only this transfer; may be given again."),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Also what was delivered and what is held: the partner may get it twice."),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="File to write the plan to.")]
PlanFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file that --out named.")]
Digest = Annotated[
    str, typer.Option("--digest", metavar="DIGEST", help="Digest of the plan that was reviewed.")
]
Reason = Annotated[
    str,
    typer.Option("--reason", parser=not_blank, metavar="TEXT", help="Reason, which is recorded."),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        parser=_rate,
        metavar="N/s",
        help=f"Transfers started a second; {_USUAL_RATE:g}/s by default.",
    ),
]


@app.callback()
def replay() -> None:
    """Deliver transfers again that did not reach their destinations."""


@app.command()
def plan(
    customer: Customer,
    since: Since = None,
    until: Until = None,
    window: Length = None,
    state: InState = None,
    key: Key = None,
    transfer: Transfers = None,
    force: Force = False,
    out: Out = None,
    as_json: AsLines = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Say of each transfer whether it would be skipped, delivered or asked about.

    This changes nothing. Transfers that were delivered are skipped, and those that are held are left to
    `release`, unless --force is given. The exit code is 0, also when there is nothing to do.

    Example: mft-ops replay plan c7k2m --window 6h --state failed --out replay.json
    """
    asked = _window(transfer or (), since, until, window)
    wanted = Wanted(customer=customer, window=asked, transfers=transfer or (), state=state, key=key or "")
    counts: Counter[Choice] = Counter()
    steps: list[ReplayVerdict] = []
    with refusing(as_json=as_json):
        regions = Regions.find(Environment.read(root, cell))
        regions.customers([customer])
        for sentence in regions.unknowns:
            typer.echo(json.dumps({"unknown": sentence}) if as_json else sentence)
        with Bar(None, "transfers") as bar:
            for verdict in look(regions, wanted, force=force):
                counts[verdict.choice] += 1
                match verdict.choice:
                    case Choice.DELIVER:
                        steps.append(verdict)
                    case Choice.SKIP | Choice.ASK:
                        pass
                    case _:
                        assert_never(verdict.choice)
                line = f"{verdict.choice}: {printable(verdict.key)} {verdict.transfer}: {verdict.why}"
                typer.echo(json.dumps({"verdict": asdict(verdict)}) if as_json else line)
                bar.step()
        planned = datetime.now(UTC).isoformat(timespec="microseconds")
        made = ReplayPlan(customer=customer, planned=planned, force=force, steps=tuple(steps))
        plan_store.review(root, made.document, None)
        if out:
            made.write(out)
    if as_json:
        document = {
            "digest": made.digest,
            "counts": {choice.value: counts[choice] for choice in Choice},
            "command": _command(out, made.digest) if out else None,
        }
        typer.echo(json.dumps({"plan": document, "window": asked.document()}))
    elif not counts:
        typer.echo("no such transfers from {since} to {until}".format_map(asked.document()))
    else:
        found = ", ".join(f"{counts[choice]:,} to {choice}" for choice in Choice)
        summary = f"plan {made.digest}: {found}"
        typer.echo(
            to_do_it(summary, _command(out, made.digest))
            if out
            else f"{summary}; nothing was done, and the plan was not written: add --out FILE"
        )


def _command(file: Path, digest: str) -> str:
    return command("replay", "apply", str(file), "--reason", NO_REASON, "--digest", digest)


@app.command()
def apply(
    file: PlanFile,
    digest: Digest,
    reason: Reason,
    rate: Rate = None,
    as_json: AsLines = False,
    cell: OfCell = None,
    root: Root = ROOT,
) -> None:
    """Do exactly what was planned, unless something has changed since.

    The plan is first compared with the facts as they are now; if there is a difference, it is named and
    nothing is done. A command that was interrupted is run again, and does what is left.

    Example: mft-ops replay apply replay.json --digest 0123456789ab --reason "partner is back"
    """
    failed = 0
    with refusing(as_json=as_json, acts=True):
        made = ReplayPlan.read(file)
        environment = Environment.read(root, cell)  # the digest is of one cell
        plan_store.review(root, made.document, Approval(digest=digest, reason=reason))
        regions = Regions.find(environment)
        application, total = Application(regions, made, reason=reason), len(made.steps)
        with Bar(total, "checked") as bar:
            application.confirm(bar.step)
        done = 0
        try:
            with Bar(total, "started") as bar:
                for step, became, is_done in application.run(StartPace(rate=rate or _USUAL_RATE)):
                    about = {"key": step.key, "transfer": step.transfer, "became": became}
                    line = f"{'started' if is_done else 'not done'}: {printable(step.key)}: {became}"
                    typer.echo(json.dumps({"started" if is_done else "not_done": about}) if as_json else line)
                    failed += not is_done
                    done += 1
                    bar.step()
        except KeyboardInterrupt as error:
            raise RefusedError(
                f"interrupted after {done:,} of {total:,}: run the same command again for the others"
            ) from error
    summary = f"{total - failed:,} of {total:,} started"
    typer.echo(json.dumps({"counts": {"steps": total, "not_done": failed}}) if as_json else summary)
    raise typer.Exit(1 if failed else 0)


def _window(
    transfers: list[str] | tuple[()], since: datetime | None, until: datetime | None, length: timedelta | None
) -> Window:
    """Return the window that was asked for; that of the transfers when only they are named."""
    if not transfers or since or until or length:
        return Window.of(since=since, until=until, length=length)
    try:
        times = [submitted(name) for name in transfers]
    except ValueError as error:
        raise typer.BadParameter(f"a transfer's id begins with its time: {error}") from error
    return Window(since=min(times), until=max(times) + timedelta(seconds=1))
