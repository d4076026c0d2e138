"""What operators do in a scenario: they decide, run `ops`, and wait for the zone's answers to change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from local.drill.answer_log import AnswerLog
from local.drill.measures import Timeline
from local.drill.ops_cli import OpsCli, OpsRefusedError
from local.drill.story import SOON, Story, until
from local.world import World
from ops.recovery.reconcile import GapKind
from runtime.contract import EAST, PRIMARY, REGION_OF, WEST, peer_of
from runtime.facts import Status


class OperatorActions:
    """The operators in one run of a scenario.

    `out` is the side that they last decided to take out of DNS, `decided` when they did, and `moved` when the
    names first answered otherwise, both in seconds since the epoch.
    """

    def __init__(self, world: World, story: Story, timeline: Timeline, answers: AnswerLog) -> None:
        self._world, self._story, self._timeline, self._answers = world, story, timeline, answers
        self._cli = OpsCli(world)
        self._primary = {customer.id: customer.primary for customer in world.customers()}
        self.out: str | None = None
        self.decided: float | None = None
        self.moved: float | None = None

    def evacuate(self, side: str, *, lost: bool = False, killed_after: str = "") -> None:
        """Take a region out of DNS and wait until every name answers with the other one."""
        self.decide(f"evacuate {REGION_OF[side]}{', which is lost' if lost else ''}", out=side)
        words = ["evacuate", REGION_OF[side], *(["--lost"] if lost else [])]
        self.ops(*words, killed_after=killed_after)
        self.names_leave(side)

    def restore(self, side: str) -> None:
        """Put a region back into DNS and wait until every name answers as usual."""
        self.ops("restore", REGION_OF[side])
        self.names_are_usual()

    def force_in(self, side: str) -> None:
        """Put a region in from its own side, while its keeper is silent, and wait for its names."""
        region, keeper = REGION_OF[side], REGION_OF[peer_of(side)]
        self.decide(f"force {region} in from its own side", out=peer_of(side))
        self.ops("force-in", region, "--override", f"{keeper} is silent")
        for customer in self._answers.customers:
            self.names_answer(customer, side, side)

    def names_stay(self, side: str, seconds: float) -> None:
        """Expect every name to answer with a side for so long."""
        everywhere = dict.fromkeys((EAST, WEST, PRIMARY), side)
        strays = until(
            lambda: [each for each in self._answers.customers if self._answers.of(each) != everywhere],
            within=seconds,
        )
        self._story.expect(
            f"for {seconds:g} s every name goes on answering with {REGION_OF[side]}", not strays
        )

    def decide(self, what: str, *, out: str) -> None:
        """Note the decision to take something out of a side; measures count from this moment."""
        self.out, self.decided, self.moved = out, time.time(), None
        self._timeline.note("operator", f"decides to {what}")

    def ops(self, verb: str, *words: str, killed_after: str = "") -> None:
        """Run an `ops` verb as a person does: read its plan, then run the command that the plan prints."""
        self._timeline.note("operator", f"runs ops {verb} {' '.join(words)}")
        for line in self._cli.apply(verb, *words, killed_after=killed_after):
            self._story.say(f"            {line}")
        if killed_after:
            self._timeline.note("operator", f"ops {verb} is killed after {killed_after}")

    def refused(self, verb: str, *words: str, names: str) -> None:
        """Expect a verb to refuse with a message that contains `names`, what helps instead."""
        began = time.monotonic()
        try:
            self._cli.apply(verb, *words)
            said = ""
        except OpsRefusedError as error:
            said = str(error)
        seconds = time.monotonic() - began
        self._timeline.note("operator", f"ops {verb} refuses after {seconds:.1f} s: {said}")
        self._story.expect(f"ops {verb} refuses, and names {names}", names in said)

    def notices(self) -> list[dict[str, Any]]:
        """Publish the notices to customers and return them."""
        notices = until(self._publish, within=SOON, every=1) or []
        self._story.expect("the notices were published as they were reviewed", bool(notices))
        self._timeline.note("operator", f"notifies {len(notices)} customers with ops notice")
        return notices

    def _publish(self) -> list[dict[str, Any]]:
        """Review and publish the notices; return none if they changed in between."""
        try:
            self._cli.apply("notice", "--all")
        except OpsRefusedError as error:
            self._story.say(f"            {error}")
            return []
        return list(self._cli.say("notice", "--all")["notices"])

    def release(self, transfer: str, *, is_there: bool) -> None:
        """Decide about a held file: `is_there` says whether the partner has it; if not, it is sent again."""
        word = "--delivered" if is_there else "--resend"
        self.ops("release", transfer, word)

    def gaps(self) -> list[dict[str, Any]]:
        """Return the gaps of the last hour that will not close by themselves."""
        found = [line["gap"] for line in self._cli.lines("gaps", "--window", "1h") if "gap" in line]
        return [gap for gap in found if gap["finding"] != GapKind.REPLICATING]

    def release_held(self, is_there: Callable[[str, str], bool]) -> None:
        """Release what is held, whatever else is under way; `is_there` is that of `close_gaps`."""
        self._settle_held(self.gaps(), is_there)

    def _settle_held(self, gaps: Iterable[dict[str, Any]], is_there: Callable[[str, str], bool]) -> None:
        for gap in gaps:
            description = f"{gap['finding']}: {gap['customer']} {gap['key']}: {gap['where']}"
            self._timeline.note("operator", f"finds with ops gaps: {description}")
            if gap["where"].startswith(Status.HELD):
                self.release(gap["transfer"], is_there=is_there(gap["customer"], gap["key"]))

    def close_gaps(self, is_there: Callable[[str, str], bool]) -> None:
        """Release what is held and repair the other gaps that the report shows.

        `is_there` takes a customer's id and a key, and returns whether the partner has that file.
        """
        found = self.gaps()
        self._settle_held(found, is_there)
        if any(not gap["where"].startswith(Status.HELD) for gap in found):
            self._timeline.note("operator", "runs ops gaps --repair")
            self._cli.repair()
        if found:
            closed = until(lambda: not self.gaps(), within=SOON, every=2)
            self._story.expect("ops release and ops gaps closed every gap", bool(closed))

    def scale_grace(self, seconds: float) -> None:
        """Let what is missing count as replicating for so many seconds, which stand for 15 minutes."""
        self._cli.grace = seconds

    def repair(self) -> None:
        """Close what copies, replications and replays can close, and expect no gap to remain."""
        self._timeline.note("operator", "runs ops gaps --repair")
        self._cli.repair()
        closed = until(lambda: not self.gaps(), within=SOON, every=2)
        self._story.expect("ops gaps --repair closed every gap", bool(closed))

    def names_leave(self, side: str, customers: Iterable[str] = ()) -> None:
        """Expect every name of these customers, or of all, to answer with the peer of `side`."""
        peer, customers = peer_of(side), list(customers or self._answers.customers)
        everywhere = dict.fromkeys((EAST, WEST, PRIMARY), peer)
        found = until(lambda: all(self._answers.of(each) == everywhere for each in customers), within=SOON)
        self._noted_as_moved(bool(found), f"every name of {', '.join(customers)}", peer)

    def names_answer(self, customer: str, endpoint: str, side: str) -> None:
        """Expect one name of a customer to answer with a side."""
        found = until(lambda: self._answers.of(customer)[endpoint] == side, within=SOON)
        self._noted_as_moved(bool(found), f"{endpoint}.{customer}.", side)

    def names_are_usual(self, customers: Iterable[str] = ()) -> None:
        """Expect the names of these customers, or of all, to answer as the registry says."""
        customers = list(customers or self._answers.customers)
        found = until(lambda: all(self.is_usual(each) for each in customers), within=SOON)
        self._story.expect(f"{', '.join(customers)}: every name answers as usual", bool(found))

    def others_are_usual(self, customer: str) -> bool:
        """Return whether the names of all but one customer answer as the registry says."""
        return all(self.is_usual(each) for each in self._answers.customers if each != customer)

    def moves(self, customer: str, side: str) -> tuple[str, str]:
        """Return what `ops rehome` says about Route 53 and the registry for a customer's move to a side."""
        [move] = self._cli.say("rehome", customer, "--to", REGION_OF[side])["moves"]
        return move["route53"], move["registry"]

    def _noted_as_moved(self, found: bool, whose: str, side: str) -> None:
        what = f"{whose}, CNAME and TXT, answers with {REGION_OF[side]}"
        if found:
            self.moved = self.moved or time.time()
            self._timeline.note("dns", what)
        self._story.expect(what, found)

    def is_usual(self, customer: str) -> bool:
        """Return whether the names of a customer answer as the registry says."""
        return self._answers.of(customer) == {EAST: EAST, WEST: WEST, PRIMARY: self._primary[customer]}
