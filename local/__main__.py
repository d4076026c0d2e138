"""The platform on one machine: play a drill against it, keep it running, or preview a change of it."""

from __future__ import annotations

import difflib
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from local import interrupts
from local.cli import ERRORS, AsJson, Registry, clear_errors, project_root, while_alive
from local.drill import scenarios

if TYPE_CHECKING:
    from local.drill.story import Story
    from local.world import World

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help=__doc__,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which wraps a paragraph of a docstring anew
)

_STARTING = "starting; the first time, the Lambda functions' dependencies are installed too"


def _scenario(name: str) -> str:
    if name not in scenarios.NAMES:
        near = difflib.get_close_matches(name, scenarios.NAMES, n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise typer.BadParameter(f"{name!r} is not a scenario{hint} Scenarios: {', '.join(scenarios.NAMES)}.")
    return name


Scenarios = Annotated[
    list[str] | None,
    typer.Option(
        "--scenario",
        parser=_scenario,
        metavar="NAME",
        help=f"Scenario to play; can be repeated. One of {', '.join(scenarios.NAMES)}.",
    ),
]
All = Annotated[bool, typer.Option("--all", help="Play every scenario.")]
Repeat = Annotated[
    int, typer.Option("--repeat", min=1, metavar="TIMES", help="How often to play each scenario.")
]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML report to this file.")
]


@app.command()
def drill(
    registry: Registry = None,
    scenario: Scenarios = None,
    everything: All = False,
    repeat: Repeat = 1,
    report: ReportFile = None,
    as_json: AsJson = False,
) -> None:
    """Play the whole story against both cells, or scenarios of failover, and judge every step.

    Without --scenario and --all, the story is everything that customers do, and then the loss of a region
    with files in flight. Exits with 0 only if every expectation held.

    Example: `mft-local drill --scenario east-lost --report drill.html`
    """
    if scenario and everything:
        raise typer.BadParameter("--scenario and --all exclude each other")
    names = list(scenarios.NAMES) if everything else list(scenario or ())
    if repeat > 1 and not names:
        raise typer.BadParameter("--repeat needs --scenario or --all")
    if report and not report.parent.is_dir():
        raise typer.BadParameter(f"{report.parent} is not a folder", param_hint="--report")
    from local.drill import rto  # the modules of a command are loaded when it runs: `plan` needs few of them
    from local.drill.drill import Drill
    from local.drill.scenario_runner import play_all
    from local.drill.story import Story
    from local.world import World

    root = project_root()
    customers = registry or root / "customers"
    story = Story(as_json=as_json)
    story.say(_STARTING)

    @contextmanager
    def world() -> Iterator[World]:
        with World(customers, root=root, tell=story.progress.made) as made, while_alive(made):
            yield made

    with clear_errors():
        if names:
            runs = play_all([name for name in names for _ in range(repeat)], story, world)
        else:
            with world() as one:
                runs = [Drill(one, story).play()]
        documents = [run.document() for run in runs]
        story.keep("runs", documents)
        rto.show(story, runs)
        if report:
            from local.drill.report import write  # loaded only where a report is asked for

            write(documents, report)
            story.say(f"the report was written to {report}")
    story.summary()
    if not story.held:
        raise typer.Exit(1)


@app.command()
def up(
    registry: Registry = None,
    sftp_port: Annotated[
        int, typer.Option(metavar="PORT", help="Port of both SFTP endpoints; 0 takes a free one.")
    ] = 0,
    empty: Annotated[
        bool,
        typer.Option("--empty", help="Make only the zone, and print how to deploy with the Pulumi CLI."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring both cells up, print how to reach them, and keep them running until Ctrl-C.

    What is typed meanwhile loses a region, stops a partner or applies a changed registry: see `help`.

    Example: `mft-local up --sftp-port 2222`
    """
    if empty and (registry or sftp_port):
        raise typer.BadParameter("--empty excludes --registry and --sftp-port")
    from local import empty_aws, ways_in
    from local.drill.story import Progress
    from local.levers import keep
    from local.world import World

    root = project_root()
    customers = registry or root / "customers"
    console = Console(quiet=as_json, highlight=False, soft_wrap=True)
    if empty:
        with clear_errors():
            empty_aws.serve(root, console, as_json=as_json)
        return
    progress = Progress(console)
    console.print(_STARTING)
    with (
        clear_errors(),
        World(customers, root=root, sftp_port=sftp_port, tell=progress.made) as world,
        while_alive(world),
    ):
        for step, seconds in world.deploy():
            console.print(f"{step}: {seconds:.1f} s")
        progress.rest()
        ways_in.show(world, console, as_json=as_json)
        keep(world, customers, console)


@app.command()
def soak(
    minutes: Annotated[
        float, typer.Option(min=0, metavar="MINUTES", help="How long to go on; the last episode is ended.")
    ] = 10,
    seed: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Seed of the episodes.", show_default="a new one")
    ] = None,
    registry: Registry = None,
    as_json: AsJson = False,
) -> None:
    """Let clients send while parts fail at random and regions are lost and moved; account for every file.

    Exits with 0 only if every acknowledged file was delivered exactly once or has a reason why not, and
    nothing grew that should not. Ctrl-C ends it with the account so far, and exit 1.

    Example: `mft-local soak --minutes 60 --seed 7`
    """
    from local.load.soak import Soak, new_seed
    from local.world import SPEED_UP

    with _load(registry, as_json=as_json, speed_up=SPEED_UP) as (world, story):
        Soak(world, story, seed=new_seed() if seed is None else seed, minutes=minutes).play()


@app.command()
def burst(
    files: Annotated[
        int, typer.Option(min=1, metavar="NUMBER", help="How many files one customer sends in a minute.")
    ] = 500,
    registry: Registry = None,
    as_json: AsJson = False,
) -> None:
    """Let one customer send many files at once, others as usual; account for every file, and name the limit.

    Exits with 0 only if every file was delivered exactly once, others' within their bound, and memory stayed
    within its own.

    Example: `mft-local burst --files 5000`
    """
    from local.load.burst import SPEED_UP, Burst

    with _load(registry, as_json=as_json, speed_up=SPEED_UP) as (world, story):
        Burst(world, story, files=files).play()


@contextmanager
def _load(registry: Path | None, *, as_json: bool, speed_up: int) -> Iterator[tuple[World, Story]]:
    """Yield a world for a soak or a burst, and its story; afterwards, print the summary and exit."""
    from local.drill.story import Story
    from local.world import World

    root, story = project_root(), Story(as_json=as_json)
    story.say(_STARTING)
    with (
        clear_errors(),
        World(
            registry or root / "customers", root=root, speed_up=speed_up, tell=story.progress.made
        ) as world,
        while_alive(world),
    ):
        yield world, story
    story.summary()
    if not story.held:
        raise typer.Exit(1)


@app.command()
def plan(
    base: Annotated[
        str, typer.Option(metavar="REVISION", help="Git revision to compare the working tree with.")
    ] = "HEAD",
    stack: Annotated[
        str | None, typer.Option(metavar="STACK", help="Only stack to compare, e.g. gov-west.")
    ] = None,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request.")] = False,
) -> None:
    """Print what the working tree would add, change, replace and delete, per customer, without a cloud.

    Exits with 1 if a resource would go that the base protects.

    Example: `mft-local plan --base origin/main --markdown`
    """
    if as_json and markdown:
        raise typer.BadParameter("--json and --markdown exclude each other")
    from local.preview import preview as plans
    from local.preview import recording, rendering

    root = project_root()
    if stack is not None and stack not in (known := recording.stacks_of(root)):
        raise typer.BadParameter(f"{stack!r} is not one of {', '.join(known)}", param_hint="--stack")
    with clear_errors(), ERRORS.status("") as status:
        made = plans.make(base, root=root, stack=stack, tell=status.update)
    if as_json:
        print(json.dumps(rendering.document(made), indent=2))
    elif markdown:
        print(rendering.markdown(made))
    else:
        rendering.text(made, Console(highlight=False, soft_wrap=True))
    if made.breaches:
        raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    interrupts.watch()
    os.environ.pop("PULUMI_BACKEND_URL", None)  # it is for the engine, whose state these commands never use
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    app()


if __name__ == "__main__":
    main()
