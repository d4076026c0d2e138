"""The platform on one machine: `python -m local up`, `python -m local drill`, `python -m local plan`."""

from __future__ import annotations

import difflib
import json
import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from components.bundle import BundleError
from customers.names import NameRefusedError
from customers.problems import RegistryError
from local.aws.emulator import EmulatorError
from local.aws.provision import CannotMakeError
from local.drill import rto, scenarios
from local.drill.drill import Drill
from local.drill.scenario_runner import play_all
from local.drill.story import Progress, Story, StoryError
from local.preview import preview as plans
from local.preview import recording, rendering
from local.program import ROOT, ProgramError
from local.sftp.clients import UploadError
from local.world import World, WorldError
from ops.dns.name_servers import ENV_NAME_SERVERS
from ops.health.served_keys import ENV_SFTP_PORT
from runtime.contract import SIDES

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, pretty_exceptions_enable=False)
_errors = Console(stderr=True, highlight=False, soft_wrap=True)

_REFUSED = (BundleError, CannotMakeError, EmulatorError, NameRefusedError, ProgramError, RegistryError)
_REFUSED += (StoryError, UploadError, WorldError, plans.PreviewError, OSError)

_STARTING = "starting; the first time, the Lambda functions' dependencies are installed too"

Registry = Annotated[
    Path, typer.Option("--registry", help="Folder of the customers' YAML files.", show_default="customers")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


def _scenario(name: str) -> str:
    if name not in scenarios.NAMES:
        near = difflib.get_close_matches(name, scenarios.NAMES, n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise typer.BadParameter(f"{name!r} is no scenario{hint} They are {', '.join(scenarios.NAMES)}")
    return name


Scenarios = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario",
        parser=_scenario,
        metavar="NAME",
        help=f"Play this one; may be given again. {', '.join(scenarios.NAMES)}.",
    ),
]
All = Annotated[bool, typer.Option("--all", help="Play every scenario.")]
Repeat = Annotated[int, typer.Option("--repeat", min=1, help="Play so many times, for the distribution.")]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.html", help="Write a report to look at in a browser.")
]


@app.command()
def drill(
    registry: Registry = ROOT / "customers",
    scenario: Scenarios = None,
    everything: All = False,
    repeat: Repeat = 1,
    report: ReportFile = None,
    as_json: AsJson = False,
) -> None:
    """Play the whole story against both cells and judge it, or scenarios of failover, and measure those.

    Without --scenario or --all: all that customers do, and then a region that is
    lost with files in flight. Exit 0 only if every expectation held.

    Example: python -m local drill --scenario region-lost-at-rest --repeat 3 --report drill.html
    """
    if scenario and everything:
        raise typer.BadParameter("--scenario and --all exclude each other")
    names = list(scenarios.NAMES) if everything else list(scenario or ())
    if repeat > 1 and not names:
        raise typer.BadParameter("--repeat goes with --scenario or --all")
    if report and not report.parent.is_dir():
        raise typer.BadParameter(f"{report.parent} is no folder", param_hint="--report")
    story = Story(as_json=as_json)
    story.say(_STARTING)

    @contextmanager
    def world() -> Iterator[World]:
        with World(registry, tell=story.progress.made) as made, _while_alive(made):
            yield made

    with _clear_errors():
        if names:
            runs = play_all([name for name in names for _ in range(repeat)], story, world)
        else:
            with world() as one:
                runs = [Drill(one, story).play()]
        documents = [run.document() for run in runs]
        story.keep("runs", documents)
        rto.show(story, runs)
        if report:
            from local.drill.report import write  # what draws it is no load for a drill without

            write(documents, report)
            story.say(f"the report is in {report}")
    story.summary()
    if not story.held:
        raise typer.Exit(1)


@app.command()
def up(
    registry: Registry = ROOT / "customers",
    sftp_port: Annotated[int, typer.Option(help="Port of both SFTP endpoints; 0 takes a free one.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Bring both cells up, print how to reach them, and keep them running until Ctrl-C.

    Example: python -m local up --sftp-port 2222
    """
    console = Console(quiet=as_json, highlight=False, soft_wrap=True)
    progress = Progress(console)
    console.print(_STARTING)
    with (
        _clear_errors(),
        World(registry, sftp_port=sftp_port, tell=progress.made) as world,
        _while_alive(world),
    ):
        for step, seconds in world.deploy():
            console.print(f"{step}: {seconds:.1f} s")
        progress.rest()
        _print_ways_in(world, console, as_json=as_json)
        with suppress(KeyboardInterrupt):
            while world.aws.alive():
                time.sleep(1)
            raise WorldError(f"the emulated AWS has ended; what it said last:\n{world.aws.tail()}")


@app.command()
def plan(
    base: Annotated[str, typer.Option(help="Git revision that the working tree is compared with.")] = "HEAD",
    stack: Annotated[str | None, typer.Option(help="Compare this stack only, e.g. gov-west.")] = None,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")] = False,
) -> None:
    """Print what the working tree would add, change, replace and delete, per customer; no cloud is asked.

    Exit 1 when a resource would go that the base protects.

    Example: python -m local plan --base origin/main --markdown
    """
    if as_json and markdown:
        raise typer.BadParameter("--json and --markdown exclude each other")
    if stack is not None and stack not in (known := recording.stacks_of(ROOT)):
        raise typer.BadParameter(f"{stack!r} is none of the stacks {', '.join(known)}", param_hint="--stack")
    with _clear_errors(), _errors.status("") as status:
        made = plans.make(base, stack=stack, tell=status.update)
    if as_json:
        print(json.dumps(rendering.document(made), indent=2))
    elif markdown:
        print(rendering.markdown(made))
    else:
        rendering.text(made, Console(highlight=False, soft_wrap=True))
    if made.breaches:
        raise typer.Exit(1)


def _print_ways_in(world: World, console: Console, *, as_json: bool) -> None:
    users = [(user.name, side) for each in world.customers() for user in each.sftp.users for side in SIDES]
    commands = {f"{user} in {side}": " ".join(world.sftp(user, side).command) for user, side in users}
    world.serve_names()
    server = world.dns
    assert server is not None
    if as_json:
        ways = {"endpoint": world.aws.endpoint, "sftp": commands, "dns": f"{server.address}:{server.port}"}
        ways |= {"root": str(world.project), "environment": _environment(world)}
        Console(soft_wrap=True).print_json(data=ways)
        return
    console.print("\n[bold]SFTP, as each customer's user:[/]")
    for who, command in commands.items():
        console.print(f"  {who}:\n    {command}", markup=False)
    console.print(f"\n[bold]AWS, for boto3 and the CLI:[/] {world.aws.endpoint}")
    environment = " ".join(f"{name}={value}" for name, value in _environment(world).items())
    console.print(f"  export {environment} AWS_REGION=us-gov-west-1", markup=False)
    console.print("\n[bold]The operators' tools, in the same shell:[/]")
    for verb in ("ready", "status --watch", "evacuate us-gov-west-1"):
        console.print(f"  {sys.executable} -m ops {verb} --root {world.project}", markup=False)
    customer = world.customers()[0].id
    console.print(f"\n[bold]DNS, the zone {world.zone}:[/]")
    for name in (f"primary.{customer}.{world.zone} CNAME", f"_bucket.primary.{customer}.{world.zone} TXT"):
        console.print(f"  dig @{server.address} -p {server.port} {name}", markup=False)
    console.print("\nCtrl-C ends it and removes everything.")


def _environment(world: World) -> dict[str, str]:
    """Return the variables by which AWS's tools, and the operators', find this world."""
    server = world.dns
    assert server is not None
    return {
        "AWS_ENDPOINT_URL": world.aws.endpoint,
        "AWS_ACCESS_KEY_ID": world.aws.account,
        "AWS_SECRET_ACCESS_KEY": "local",
        ENV_NAME_SERVERS: f"{server.address}:{server.port}",
        ENV_SFTP_PORT: str(world.sftp_port),
    }


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn what a person can mend into one message on standard error and exit 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except _REFUSED as error:
        _errors.print(str(error), markup=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        _errors.print("interrupted; everything that was started has been stopped")
        raise typer.Exit(1) from None


@contextmanager
def _while_alive(world: World) -> Iterator[None]:
    """Say so when what failed is the emulated AWS itself."""
    try:
        yield
    except (BotoCoreError, ClientError, ProgramError) as error:
        if world.aws.alive():
            raise
        raise WorldError(
            "the emulated AWS has ended; run the command again. If it ends again, this is what it said "
            f"last:\n{world.aws.tail()}"
        ) from error


if __name__ == "__main__":
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    app()
