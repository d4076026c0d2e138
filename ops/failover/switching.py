"""Carrying out a plan that moves a switch: record, move, watch the name servers, record the outcome."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ops.cell import DeployedCell
from ops.environment import Environment
from ops.failover.evacuation import SwitchPlan
from ops.logbook import Logbook, Recording
from ops.plan import command
from ops.switches import force_of, switch_of
from runtime.contract import SIDE_OF
from runtime.timing import TTL_LIMIT

#: Seconds after which watching DNS is given up: three times the 60 s of the metric's period, the 30 s of its
#: evaluation, and the time until every name server has changed.
GIVE_UP = 300.0

#: Who stays with the region that is out, although DNS has moved.
OLD_ANSWERS = (
    f"resolvers keep the old answers for the records' TTL, {TTL_LIMIT} s at most",
    "open SFTP sessions stay where they are until they end, or until their region dies",
    "clients that ignore the TTL stay until they look the name up again: restart them",
)


def no_answers() -> str:
    """Return the sentence about those who never ask DNS."""
    return (
        f"SDK clients that do not use TXT records must retarget: {command('notice', '--all')} says where to"
    )


@dataclass(kw_only=True)
class Act:
    """A plan while it is carried out.

    `so_far` says what has been done. `moved_seconds` is the time from the switch's move until all name
    servers answered as planned, None while they do not or cannot be asked; `left` is what they answer
    instead.
    """

    environment: Environment
    plan: SwitchPlan
    recording: Recording = field(default_factory=Recording)
    so_far: str = "nothing was done"
    moved_seconds: float | None = None
    left: list[str] = field(default_factory=list)
    _began: float = 0.0

    @property
    def behind(self) -> list[str]:
        """Sentences about the clients that stay where they were, and for how long."""
        return [*OLD_ANSWERS, *([no_answers()] if self.plan.position.is_out else [])]

    @property
    def questions(self) -> int:
        """The number of answers that have to move: one of each record at each name server."""
        return len(self.plan.wanted) * len(self.plan.servers.servers) if self.plan.servers else 0

    @contextmanager
    def recorded(self, why: str) -> Iterator[None]:
        """Record what is done inside, in the region through which the switch is moved.

        Raises RefusedError when that is not possible, unless the plan is urgent.
        """
        plan = self.plan
        book = Logbook(DeployedCell(environment=self.environment, side=SIDE_OF[plan.through]), plan.verb)
        with book.recorded(
            digest=plan.digest,
            plan=plan.document,
            why=why,
            override=plan.override,
            is_emergency=plan.is_urgent,
        ) as self.recording:
            yield
            self.recording.outcome = {
                "names": plan.names,
                "dns_moved_seconds": self.moved_seconds,
                "left": self.left,
            }

    def move(self) -> None:
        """Move the switch or force the region in, and publish that; only publish what was done before."""
        plan, self._began = self.plan, time.monotonic()
        if plan.forces is not None:
            self._force(is_on=plan.forces)
            return
        switch = switch_of(self.environment, SIDE_OF[plan.region])
        if plan.is_resumed:
            self.so_far = f"the switch of {plan.region} stands at {plan.position.value}"
            switch.publish()
        else:
            switch.move(plan.position, kept=self._kept)
        self.so_far = f"the switch of {plan.region} stands at {plan.position.value}, and that is published"

    def watch(self, seen: Callable[[int], None]) -> None:
        """Ask the name servers until they answer as planned, for GIVE_UP seconds at most.

        `seen` is called with the number of further answers that are as planned.
        """
        if self.plan.servers is None or not self.plan.wanted:
            return
        self.left = self.plan.servers.unseen(self.plan.wanted, within=GIVE_UP, seen=seen)
        if not self.left:
            self.moved_seconds = round(time.monotonic() - self._began, 1)

    def _force(self, *, is_on: bool) -> None:
        plan = self.plan
        force = force_of(self.environment, SIDE_OF[plan.region])
        says = f"{plan.region} says that it is {'in' if is_on else 'not forced in any more'}"

        def kept() -> None:
            self.so_far = f"{says}, and that was not published by this command: it does so within a minute"

        if plan.is_resumed:
            kept()
            force.publish()
        else:
            force.move(is_on=is_on, kept=kept)
        self.so_far = f"{says}, and that is published"

    def _kept(self) -> None:
        plan = self.plan
        self.so_far = (
            f"the switch of {plan.region} stands at {plan.position.value}, and that was not published by this"
            f" command: {plan.through} publishes it within a minute"
        )
