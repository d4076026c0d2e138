"""The operators, NIS: they run `python -m ops` as a person does, and are killed in the middle of it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from local.drill.crash_point import CrashPoint
from local.drill.story import StoryError
from local.program import ROOT
from local.world import World
from ops.plan import NO_REASON

_CALLER = "ops-"
WHY = "the drill"


class OpsRefusedError(StoryError):
    """A verb did not do what it was asked for; the message is what it said."""


class Operators:
    """Runs verbs against a world whose name server answers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def say(self, verb: str, *words: str) -> dict[str, Any]:
        """Return the document that a verb prints, its plan for one that acts; OpsRefusedError otherwise."""
        return dict(json.loads(self._done([verb, *words, "--json"])))

    def lines(self, verb: str, *words: str) -> list[dict[str, Any]]:
        """Return the documents that a verb prints, one a line, whether or not it found something."""
        out = self._start([verb, *words, "--json"], endpoint=self._world.aws.endpoint).communicate()[0]
        return [json.loads(line) for line in out.splitlines()]

    def apply(self, verb: str, *words: str, killed_after: str = "") -> list[str]:
        """Plan, and do what the plan says; return what was printed, nothing of one that was killed.

        `killed_after` is the operation of AWS after which the process dies, before it knows that it is done.
        """
        command = self.command(verb, *words)
        if not killed_after:
            return self._done(command).splitlines()
        with CrashPoint(self._world.aws.endpoint, killed_after) as wire:
            process = self._start(command, endpoint=wire.url)
            wire.arm(process)
            process.communicate()
        if not wire.fell:
            raise StoryError(f"ops {verb} ended before it had called {killed_after}")
        return []

    def replay(self, customer: str, state: str) -> None:
        """Carry a customer's transfers of the last hour again that are in a state."""
        plan = self._world.folder / "replay.json"
        words = [customer, "--state", state, "--window", "1h", "--out", str(plan)]
        lines = self.lines("replay", "plan", *words)
        [command] = [line["plan"]["command"] for line in lines if "plan" in line]
        self._done(self._reviewed(command))

    def repair(self) -> None:
        """Close what gaps of the last hour can be closed by copies and replays."""
        [window, *_] = self.lines("gaps", "--window", "1h")
        ends = [f"--{end}={time}" for end, time in window["window"].items()]
        told = self.lines("gaps", "--repair", *ends)
        [plan] = [line["plan"] for line in told if "plan" in line]
        self._done(self._reviewed(plan["command"]))

    def command(self, verb: str, *words: str) -> list[str]:
        """Return the words that carry out what the verb now plans: the command that it prints."""
        return self._reviewed(str(self.say(verb, *words)["command"]))

    def _reviewed(self, command: str) -> list[str]:
        """Return the words of a command that a plan prints, without `mft-ops` and with a reason in it."""
        return [WHY if word == NO_REASON else word for word in shlex.split(command)[1:]]

    def _done(self, command: list[str]) -> str:
        process = self._start(command, endpoint=self._world.aws.endpoint)
        out, errors = process.communicate()
        if process.returncode:
            said = (errors.strip() or out.strip()).splitlines()
            raise OpsRefusedError(f"ops {command[0]} ended with {process.returncode}: {' '.join(said[-6:])}")
        return out

    def _start(self, command: list[str], *, endpoint: str) -> subprocess.Popen[str]:
        verb = {"AWS_SDK_UA_APP_ID": f"{_CALLER}{command[0]}"}  # by which its calls are told apart
        return subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "ops", *command, "--root", str(self._world.project)],
            cwd=ROOT,
            env=os.environ | self._world.environment | {"AWS_ENDPOINT_URL": endpoint} | verb,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def calls_by_verb(calls: Iterable[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Return how often each verb called what, as `region service operation`, of the emulated AWS's calls."""
    counts: dict[str, Counter[str]] = {}
    for call in calls:
        if call["caller"].startswith(_CALLER):
            what = f"{call['region']} {call['service']} {call['operation']}"
            counts.setdefault(call["caller"], Counter())[what] += call["count"]
    return counts
