"""A soak: episodes of failures at random, for as long as it is told, and an account at the end."""

from __future__ import annotations

import secrets
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local import interrupts
from local.drill.observations import Observations
from local.drill.scenario_api import ScenarioApi
from local.drill.scenario_runner import NEWCOMER, ScenarioRunner
from local.drill.scenarios import Scenario
from local.drill.sender import Cast
from local.drill.story import SOON, Story, until
from local.load.balance import Balance
from local.load.episodes import Episode
from local.load.processes import Usage, usage
from local.world import World
from runtime.contract import WEST

#: How much the processes that last as long as a world may grow: file descriptors, memory in MB at once, and
#: in MB for each file. The emulated AWS keeps every object's facts, executions and messages in its memory.
DESCRIPTORS, MEGABYTES, MEGABYTES_OF_FILE = 40, 60, 0.25


def new_seed() -> int:
    """Return a seed that nobody has chosen."""
    return secrets.randbelow(1_000_000)


#: Seconds after which idle workers have ended: the emulated AWS keeps each for a minute.
_COOL = 75.0


class Soak:
    """A soak in one world, which it deploys."""

    def __init__(self, world: World, story: Story, *, seed: int, minutes: float) -> None:
        """Raises StoryError if the registry has no customer for a part."""
        Cast.of(world.customers())
        self._world, self._story, self._seed, self._seconds = world, story, seed, minutes * 60
        self._observations = Observations(world)
        self._balance = Balance(world, self._observations)
        self._acknowledged = 0
        self._is_interrupted = False

    def play(self) -> None:
        """Play episodes until the time is over or one does not hold; the account is in the story.

        The episode that is played when the time is over is played to its end. KeyboardInterrupt passes, after
        the account so far.
        """
        try:
            self._play()
        except KeyboardInterrupt:
            self._account_so_far()
            raise

    def _play(self) -> None:
        world, story = self._world, self._story
        story.say(f"seed {self._seed}; the same episodes again: mft-local soak --seed {self._seed}")
        world.add_customer(NEWCOMER)
        with story.step("Both cells come up, made by the program"):
            for step, seconds in world.deploy():
                story.say(f"{step}: {seconds:.1f} s")
        world.serve_names()
        runner = ScenarioRunner(world, story, self._observations)
        began, number = time.monotonic(), 0
        first: tuple[Usage, int] | None = None
        while story.held and (first is None or time.monotonic() - began < self._seconds):
            number += 1
            self._episode(runner, number)
            story.say(f"{time.monotonic() - began:.0f} s of {self._seconds:.0f} s; {self._balance.line}")
            # What is kept for as long as the world lasts is there from now on.
            first = first or (self._usage_at_rest(), self._balance.files)
        assert first is not None
        with story.step("The accounts"):
            self._account(number)
            if number > 1:
                self._growth(*first, self._usage_at_rest())

    def _usage_at_rest(self) -> Usage:
        """Return what the world uses once the workers that nobody needs any more have ended."""
        time.sleep(_COOL if self._story.held else 0)
        return usage(self._world)

    def _episode(self, runner: ScenarioRunner, number: int) -> None:
        episode, played = Episode(self._seed, number), []

        def play(api: ScenarioApi) -> None:
            played.append(api)
            try:
                episode.play(api)
            except KeyboardInterrupt:  # here, because the clients take their time to end
                self._acknowledged = len(api.acknowledged_files.files())
                self._account_so_far()
                raise

        runner.play(Scenario(name=f"episode-{number}", title=f"Episode {episode.title}", play=play))
        try:
            until(self._observations.is_still, within=SOON)
            for api in played:
                self._balance.add(api.acknowledged_files.files(), api.acknowledged_files, WEST)
        except (BotoCoreError, ClientError) as error:  # the episode broke off while a region was dead
            self._balance.faults.append(f"the account of the last episode cannot be read: {error}")
        self._acknowledged = 0
        self._story.expect(f"the account is balanced: {self._faults()}", not self._balance.faults)

    def _account(self, episodes: int) -> None:
        story, balance = self._story, self._balance
        for line in balance.explained:
            story.say(f"explained: {line}")
        story.expect(f"{balance.line}; not accounted for: {self._faults()}", not balance.faults)
        story.figure("seed", self._seed)
        story.figure("episodes", episodes)
        story.figure("account", balance.line)
        story.keep("balance", balance.document)

    def _growth(self, first: Usage, files: int, last: Usage) -> None:
        """Expect little growth since the end of the first episode, after which there were so many files."""
        more = self._balance.files - files
        most = MEGABYTES + MEGABYTES_OF_FILE * more
        self._story.expect(
            f"file descriptors: {first.open} after the first episode, {last.open} at the end,"
            f" at most {DESCRIPTORS} more",
            last.open - first.open <= DESCRIPTORS,
        )
        self._story.expect(
            f"memory: {first.kept:.0f} MB after the first episode, {last.kept:.0f} MB at the end,"
            f" at most {most:.0f} MB more for {more} files, which the emulated AWS remembers",
            last.kept - first.kept <= most,
        )
        self._story.keep("usage", {"first": _document(first), "last": _document(last)})

    def _account_so_far(self) -> None:
        """Print the account of the episodes that have ended; nothing is asked, so that the end is soon."""
        interrupts.noticed()
        if not self._is_interrupted:
            self._is_interrupted = True
            more = f"; {self._acknowledged} more of the episode that was cut short" * bool(self._acknowledged)
            self._story.say(f"interrupted; seed {self._seed}; so far {self._balance.line}{more}")
            self._story.say(f"not accounted for: {self._faults()}")

    def _faults(self) -> str:
        return "; ".join(self._balance.faults) or "none"


def _document(found: Usage) -> dict[str, Any]:
    return {name: dict(getattr(found, name)) for name in ("megabytes", "descriptors", "processor")}
