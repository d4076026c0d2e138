"""Plays scenarios one after the other, in one world for as long as each leaves it as it found it."""

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
from local.drill.scenario_api import ScenarioApi
from local.drill.scenarios import Scenario
from local.drill.sender import Cast, Sender, sftp_senders
from local.drill.story import Story, StoryError
from local.sftp.clients import UploadError
from local.world import World
from runtime.contract import peer_of

NEWCOMER = Path(__file__).parent / "newcomer.yaml"

_BROKEN = (StoryError, UploadError, NotInDnsError, ClientError, BotoCoreError, OSError)


class ScenarioRunner:
    """Plays scenarios in one world whose cells are up and whose registry has the newcomer."""

    def __init__(self, world: World, story: Story, observations: Observations) -> None:
        self._world, self._story, self._observations = world, story, observations
        self._cast = Cast.of(world.customers())
        self._newcomer = newcomer(world)
        self._number = 0

    def play(self, scenario: Scenario) -> Run:
        """Play a scenario to its end, or to where it broke, and return its record."""
        world, story = self._world, self._story
        before = calls_by_verb(world.aws.calls())
        self._number += 1
        with story.step(scenario.title) as step:
            api = ScenarioApi(
                world, story, self._observations, self._cast, self._newcomer, number=self._number
            )
            try:
                with api:
                    scenario.play(api)
                    api.account()
            except _BROKEN as error:
                if not world.aws.alive():
                    raise
                api.expect(f"the scenario ran to its end: {error}", False)
        after = calls_by_verb(world.aws.calls())
        calls = {verb: made - before.get(verb, Counter()) for verb, made in sorted(after.items())}
        return Run(
            scenario=scenario.name,
            title=scenario.title,
            held=step.held,
            seconds=round(step.seconds, 1),
            scale=api.scale,
            expectations=list(step.expectations),
            timeline=api.timeline.events,
            measures=_measures(api),
            answers=[change for each in (api, *api.beside) for change in each.answers.changes],
            transfers=[account.fate() for each in (api, *api.beside) for account in each.accounts],
            clients=api.counts(),
            calls={verb: dict(sorted(made.items())) for verb, made in calls.items() if made},
        )


def newcomer(world: World) -> Sender:
    """Return the SFTP user of the customer that the drill adds to the registry."""
    return sftp_senders([each for each in world.customers() if each.id == "n3w0k"])[0]


def play_all(
    names: Iterable[str], story: Story, make: Callable[[], AbstractContextManager[World]]
) -> list[Run]:
    """Play scenarios in one world that `make` makes, and in a fresh one after each that did not hold."""
    left, runs = deque(names), []
    while left:
        with make() as world:
            Cast.of(
                world.customers()
            )  # so that a registry that lacks a part is refused before the deployment
            world.add_customer(NEWCOMER)
            with story.step("Both cells come up, made by the program"):
                for step, seconds in world.deploy():
                    story.say(f"{step}: {seconds:.1f} s")
            runner = ScenarioRunner(world, story, Observations(world))
            while left:
                runs.append(runner.play(scenarios.load(left.popleft())))
                if not runs[-1].held:
                    break
    return runs


def _measures(api: ScenarioApi) -> Measures:
    operators = api.operators
    if operators.decided is None or operators.out is None:
        return Measures()
    return measures(
        api.accounts,
        survivor=peer_of(operators.out),
        began=api.timeline.began,
        died=api.died or operators.decided,
        decided=operators.decided,
        moved=operators.moved,
        lost=api.unreplicated,
    )
