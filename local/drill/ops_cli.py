"""Runs `python -m ops` as an operator does, and can kill it between two of its effects."""

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
from local.drill.scaled_ops import ENV_GRACE
from local.drill.story import StoryError
from local.program import ROOT
from local.world import World
from ops.plan import NO_REASON

_CALLER = "ops-"
WHY = "the drill"


class OpsRefusedError(StoryError):
    """A verb refused or failed; the message is what it printed."""


class OpsCli:
    """Runs verbs against a world whose name server is running."""

    def __init__(self, world: World) -> None:
        self._world = world
        #: Seconds for which what is missing counts as replicating, if they are to be fewer than usual.
        self.grace: float | None = None

    def say(self, verb: str, *words: str) -> dict[str, Any]:
        """Return the document that a verb prints (a verb that acts prints its plan).

        Raises OpsRefusedError when the verb refuses.
        """
        return dict(json.loads(self._done([verb, *words, "--json"])))

    def lines(self, verb: str, *words: str) -> list[dict[str, Any]]:
        """Return the documents that a verb prints, one per line, whatever its exit code."""
        out = self._start([verb, *words, "--json"], endpoint=self._world.aws.endpoint).communicate()[0]
        return [json.loads(line) for line in out.splitlines()]

    def apply(self, verb: str, *words: str, killed_after: str = "") -> list[str]:
        """Run a verb, then the command that its plan prints; return the lines of the second.

        `killed_after` is an AWS operation: the command is killed once that is done and before it gets the
        answer; no lines are returned then.
        """
        command = self.command(verb, *words)
        if not killed_after:
            return self._done(command).splitlines()
        with CrashPoint(self._world.aws.endpoint, killed_after) as crash_point:
            process = self._start(command, endpoint=crash_point.url)
            crash_point.arm(process)
            process.communicate()
        if not crash_point.killed:
            raise StoryError(f"ops {verb} ended before it had called {killed_after}")
        return []

    def replay(self, customer: str, state: str) -> None:
        """Replay the transfers of a customer from the last hour that are in a state."""
        plan = self._world.folder / "replay.json"
        words = [customer, "--state", state, "--window", "1h", "--out", str(plan)]
        lines = self.lines("replay", "plan", *words)
        [command] = [line["plan"]["command"] for line in lines if "plan" in line]
        self._done(self._reviewed(command))

    def repair(self) -> None:
        """Close those gaps of the last hour that copies and replays can close."""
        [window, *_] = self.lines("gaps", "--window", "1h")
        ends = [f"--{end}={time}" for end, time in window["window"].items()]
        lines = self.lines("gaps", "--repair", *ends)
        [plan] = [line["plan"] for line in lines if "plan" in line]
        self._done(self._reviewed(plan["command"]))

    def command(self, verb: str, *words: str) -> list[str]:
        """Return the words of the command that carries out what a verb plans, which the plan prints."""
        return self._reviewed(str(self.say(verb, *words)["command"]))

    def _reviewed(self, command: str) -> list[str]:
        """Return the words of a command that a plan prints, without `mft-ops` and with a reason filled in."""
        return [WHY if word == NO_REASON else word for word in shlex.split(command)[1:]]

    def _done(self, command: list[str]) -> str:
        process = self._start(command, endpoint=self._world.aws.endpoint)
        out, errors = process.communicate()
        if process.returncode:
            said = (errors.strip() or out.strip()).splitlines()
            raise OpsRefusedError(f"ops {command[0]} ended with {process.returncode}: {' '.join(said[-6:])}")
        return out

    def _start(self, command: list[str], *, endpoint: str) -> subprocess.Popen[str]:
        verb = {"AWS_SDK_UA_APP_ID": f"{_CALLER}{command[0]}"}  # to attribute its calls
        module = "ops" if self.grace is None else "local.drill.scaled_ops"
        if self.grace is not None:
            verb[ENV_GRACE] = str(self.grace)
        where = ["--cell", self._world.cell, "--root", str(self._world.project)]
        return subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", module, *command, *where],
            cwd=ROOT,
            env=os.environ | self._world.environment | {"AWS_ENDPOINT_URL": endpoint} | verb,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def calls_by_verb(calls: Iterable[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Return how often each verb made each call, as `region service operation`, from the emulator's calls."""
    counts: dict[str, Counter[str]] = {}
    for call in calls:
        if call["caller"].startswith(_CALLER):
            what = f"{call['region']} {call['service']} {call['operation']}"
            counts.setdefault(call["caller"], Counter())[what] += call["count"]
    return counts
