"""`replay plan` and `replay apply`: carrying transfers again."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from ops.cli import AsLines, Reason, Root, printable, refusing
from ops.environment import ROOT, Environment
from ops.plan import RefusedError
from ops.progress import Bar
from ops.recovery.regions import Regions
from ops.recovery.replay import Choice, ReplayVerdict
from ops.recovery.replay_plan import Application, ReplayPlan, StartPace, State, Wanted, look
from ops.recovery.window import Length, Since, Until, Window
from runtime.facts import submitted
from runtime.patterns import PatternError, check

app = typer.Typer(no_args_is_help=True)


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
        raise typer.BadParameter(f"{text!r} is no rate; write how many a second, such as 5/s or 0.5/s")
    return rate


Customer = Annotated[str, typer.Option("--customer", help="Whose transfers.")]
InState = Annotated[State | None, typer.Option("--state", help="Only transfers in this state.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", parser=_pattern, metavar="GLOB", help="Only keys below inbound/ like this, as in routes."
    ),
]
Transfers = Annotated[
    list[str] | None, typer.Option("--transfer", help="Only this transfer; may be given again.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Also what was delivered or is held: the partner may get it twice.")
]
Out = Annotated[Path | None, typer.Option("--out", help="File to write the plan to.")]
PlanFile = Annotated[Path, typer.Argument(help="The file that --out named.")]
Digest = Annotated[str, typer.Option("--digest", help="Digest of the plan that was reviewed.")]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate", parser=_rate, metavar="N/s", help="Transfers started a second; 5/s if nothing is said."
    ),
]
_USUAL_RATE = 5.0


@app.callback()
def replay() -> None:
    """Carry transfers again that did not reach their destinations."""


@app.command()
def plan(
    customer: Customer,
    reason: Reason,
    since: Since = None,
    until: Until = None,
    window: Length = None,
    state: InState = None,
    key: Key = None,
    transfer: Transfers = None,
    force: Force = False,
    out: Out = None,
    as_json: AsLines = False,
    root: Root = ROOT,
) -> None:
    """Say of each transfer whether it would be skipped, delivered or asked about.

    Changes nothing. Delivered ones are skipped, and held ones left to `ops release`,
    unless --force. Exit 0, also when there is nothing to do.

    Example: python -m ops replay plan --customer c7k2m --window 6h --state failed
    --reason "partner was down" --out replay.json
    """
    asked = _window(transfer or (), since, until, window)
    wanted = {"customer": customer, "window": asked, "transfers": transfer or ()}
    wanted |= {"state": state, "key": key or ""}
    counts: Counter[Choice] = Counter()
    steps: list[ReplayVerdict] = []
    with refusing(as_json=as_json, advice="planning changes nothing: run it again"):
        regions = Regions.find(Environment.read(root))
        regions.customers([customer])
        for sentence in regions.unknowns:
            typer.echo(json.dumps({"unknown": sentence}) if as_json else sentence)
        with Bar(None, "transfers") as bar:
            for verdict in look(regions, Wanted(**wanted), force=force):
                counts[verdict.choice] += 1
                if verdict.choice is Choice.DELIVER:
                    steps.append(verdict)
                line = f"{verdict.choice}: {printable(verdict.key)} {verdict.transfer}: {verdict.why}"
                typer.echo(json.dumps({"verdict": asdict(verdict)}) if as_json else line)
                bar.step()
        made = ReplayPlan(customer=customer, reason=reason, force=force, steps=tuple(steps))
        if out:
            made.write(out)
    words = ["python", "-m", "ops", "replay", "apply", str(out or "PLANFILE"), "--digest", made.digest]
    told = {
        "digest": made.digest,
        "counts": {choice.value: counts[choice] for choice in Choice},
        "command": shlex.join(words) if out else None,
    }
    if as_json:
        typer.echo(json.dumps({"plan": told, "window": asked.document()}))
        return
    if not counts:
        typer.echo("no such transfers from {since} to {until}".format_map(asked.document()))
        return
    typer.echo(", ".join(f"{counts[choice]:,} to {choice}" for choice in Choice) + f"; digest {made.digest}")
    typer.echo(
        f"nothing was done; to do it:\n  {told['command']}"
        if out
        else "nothing was done, nor written: add --out FILE"
    )


@app.command()
def apply(
    planfile: PlanFile,
    digest: Digest,
    rate: Rate = None,
    as_json: AsLines = False,
    root: Root = ROOT,
) -> None:
    """Do exactly what was planned, unless something has changed since.

    First everything is compared with the facts as they are now; a difference is
    named, and nothing done. When it was interrupted, run it again: what is done
    stays done.

    Example: python -m ops replay apply replay.json --digest 0123456789ab
    """
    failed = 0
    with refusing(as_json=as_json, advice="what was started stays started: run it again"):
        made = ReplayPlan.read(planfile)
        if made.digest != digest:
            raise RefusedError(
                f"{planfile} is not what was reviewed: its digest is {made.digest}, not {digest}"
            )
        regions = Regions.find(Environment.read(root))
        application, total = Application(regions, made), len(made.steps)
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
                f"interrupted after {done:,} of {total:,}: run it again for the others"
            ) from error
    summary = f"{total - failed:,} of {total:,} started"
    typer.echo(json.dumps({"counts": {"steps": total, "not_done": failed}}) if as_json else summary)
    raise typer.Exit(1 if failed else 0)


def _window(
    transfers: list[str] | tuple[()], since: datetime | None, until: datetime | None, length: timedelta | None
) -> Window:
    """Return the window that was asked for; that of the transfers, where they are named and it is not."""
    if not transfers or since or until or length:
        return Window.of(since=since, until=until, length=length)
    try:
        times = [submitted(name) for name in transfers]
    except ValueError as error:
        raise typer.BadParameter(f"a transfer's id begins with its time: {error}") from error
    return Window(since=min(times), until=max(times) + timedelta(seconds=1))
