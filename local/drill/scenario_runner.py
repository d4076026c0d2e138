"""Plays scenarios, one after the other, in one world for as long as that is as it was found."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from local.dns.resolver import NotInDnsError
from local.drill import scenarios
from local.drill.measures import measures
from local.drill.observations import Observations
from local.drill.ops_cli import calls_by_verb
from local.drill.runs import Measures, Run
from local.drill.scenario_api import Stage
from local.drill.scenarios import Scenario
from local.drill.sender import Cast, Sender, sftp_senders
from local.drill.story import Story, StoryError
from local.sftp.clients import UploadError
from local.world import World
from runtime.contract import peer_of

NEWCOMER = Path(__file__).parent / "newcomer.yaml"

_BROKEN = (StoryError, UploadError, NotInDnsError, ClientError, BotoCoreError, OSError)


class Plays:
    """The plays of one world whose cells stand and whose registry has the newcomer."""

    def __init__(self, world: World, story: Story, evidence: Observations) -> None:
        self._world, self._story, self._evidence = world, story, evidence
        self._cast = Cast.of(world.customers())
        self._newcomer = newcomer(world)
        self._number = 0

    def play(self, scenario: Scenario) -> Run:
        """Play a scenario to its end, or to where it broke, and return what it left."""
        world, story = self._world, self._story
        before = calls_by_verb(world.aws.calls())
        self._number += 1
        with story.step(scenario.title) as step:
            stage = Stage(world, story, self._evidence, self._cast, self._newcomer, number=self._number)
            try:
                with stage:
                    scenario.play(stage)
                    stage.account()
            except _BROKEN as error:
                if not world.aws.alive():
                    raise
                stage.expect(f"it went on to its end: {error}", False)
        after = calls_by_verb(world.aws.calls())
        calls = {verb: made - before.get(verb, Counter()) for verb, made in sorted(after.items())}
        return Run(
            scenario=scenario.name,
            title=scenario.title,
            held=step.held,
            seconds=round(step.seconds, 1),
            scale=stage.scale,
            expectations=list(step.expectations),
            timeline=stage.timeline.events,
            measures=_measures(stage),
            answers=stage.answers.changes,
            transfers=[account.fate() for account in stage.accounts],
            clients=stage.fared(),
            calls={verb: dict(sorted(made.items())) for verb, made in calls.items() if made},
        )


def newcomer(world: World) -> Sender:
    """Return the SFTP user of the customer that the drill brings along."""
    return sftp_senders([each for each in world.customers() if each.id == "n3w0k"])[0]


def play_all(
    names: Iterable[str], story: Story, make: Callable[[], AbstractContextManager[World]]
) -> list[Run]:
    """Play scenarios in worlds that `make` makes: one for all, and another after one that did not hold."""
    left, runs = deque(names), []
    while left:
        with make() as world:
            Cast.of(world.customers())  # refused before anything is made
            world.add_customer(NEWCOMER)
            with story.step("Both cells come up, made by the program"):
                for step, seconds in world.deploy():
                    story.say(f"{step}: {seconds:.1f} s")
            plays = Plays(world, story, Observations(world))
            while left:
                runs.append(plays.play(scenarios.load(left.popleft())))
                if not runs[-1].held:
                    break
    return runs


def _measures(stage: Stage) -> Measures:
    nis = stage.nis
    if nis.decided is None or nis.out is None:
        return Measures()
    return measures(
        stage.accounts,
        survivor=peer_of(nis.out),
        began=stage.timeline.began,
        died=stage.died or nis.decided,
        decided=nis.decided,
        moved=nis.moved,
        lost=stage.unreplicated,
    )
