"""The episodes of a soak: clients of several customers send, something fails, a region is moved or lost.

What happens in an episode follows from the soak's seed and its number alone. When it happens does not: the
machine and its load decide that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from random import Random

from botocore.exceptions import ClientError

from components.network import ZONES
from customers.service_quotas import START_RATE, STARTS
from local.aws.ministack.service_quotas import code_of
from local.drill.client_kinds import CustomerClient, crowd
from local.drill.ops_cli import OpsRefusedError
from local.drill.scenario_api import ScenarioApi
from local.drill.story import SOON, until
from runtime.contract import REGION_OF, SIDES, peer_of

#: Seconds for which troubles last, and a lag that stands for ten minutes.
_TROUBLE, _LAG = (4.0, 12.0), (4.0, 10.0)

#: Seconds for which operators wait until a region is ready, and between two tries.
_PATIENCE, _AGAIN = 900.0, 20.0

#: The share of requests that AWS answers with an error.
_ERRORS = (0.02, 0.1)

Trouble = Callable[[ScenarioApi, Random, str], AbstractContextManager[None]]


@contextmanager
def partner_down(api: ScenarioApi, chance: Random, _side: str) -> Iterator[None]:
    """Let the partners of one sender's files refuse connections."""
    sender = chance.choice([api.by_sftp, api.regular, api.newcomer])
    api.partner_refuses(sender)
    yield
    api.partner_answers(sender)


@contextmanager
def starts_throttled(api: ScenarioApi, _chance: Random, side: str) -> Iterator[None]:
    """Let Step Functions start one execution in a second."""
    region, codes = REGION_OF[side], (code_of(STARTS), code_of(START_RATE))
    for code in codes:
        api.world.aws.service_quota(region, code, 1)
    api.timeline.note("platform", f"{region} starts one execution in a second")
    yield
    for code in codes:
        api.world.aws.service_quota(region, code, None)
    api.timeline.note("platform", f"{region} starts executions as fast as usual")


@contextmanager
def aws_errors(api: ScenarioApi, chance: Random, side: str) -> Iterator[None]:
    """Let AWS answer some of the functions' requests with an error; half of these are carried out."""
    region, share = REGION_OF[side], chance.uniform(*_ERRORS)
    api.world.aws.service_errors(region, share, seed=chance.getrandbits(32))
    api.timeline.note("platform", f"AWS answers {share:.0%} of the requests in {region} with an error")
    yield
    api.world.aws.service_errors(region, 0)
    api.timeline.note("platform", f"AWS answers in {region} as usual")


@contextmanager
def events_lost(api: ScenarioApi, _chance: Random, side: str) -> Iterator[None]:
    """Let no event of an upload arrive, and let the sweep find what was sent."""
    api.events_stop(side)
    yield
    api.events_flow(side)
    api.timeline.note("platform", f"the sweep of {REGION_OF[side]} takes in {len(api.swept(side))} files")


@contextmanager
def executions_aborted(api: ScenarioApi, _chance: Random, side: str) -> Iterator[None]:
    """Abort what runs, twice, and let the sweep restart it."""
    states, ended = api.world.client("stepfunctions", side), 0
    for pause in (True, False):
        for each in api.observations.executions(side, statusFilter="RUNNING"):
            with suppress(ClientError):  # it has ended by itself
                states.stop_execution(executionArn=each["executionArn"])
                ended += 1
        if pause:
            yield
    done = api.restarted(side)
    api.timeline.note(
        "platform", f"{ended} executions of {REGION_OF[side]} were aborted, and {len(done)} restarted"
    )


@contextmanager
def zone_lost(api: ScenarioApi, chance: Random, side: str) -> Iterator[None]:
    """Let one zone be lost."""
    with api.zone_lost(side, chance.choice(list(ZONES))):
        yield


@contextmanager
def replication_lags(api: ScenarioApi, chance: Random, _side: str) -> Iterator[None]:
    """Let replication take ten minutes, scaled."""
    api.lag(round(chance.uniform(*_LAG)), stands_for=600)
    yield
    api.objects_go_on()


#: What can happen at once. The turn to try a partner that keeps failing, and a slot of a share, stay with an
#: execution that died for half an hour of real time: so nobody dies, here, while a partner is down.
TROUBLES: tuple[tuple[Trouble, ...], ...] = (
    (partner_down, starts_throttled, zone_lost, replication_lags),
    (aws_errors, zone_lost, replication_lags),
    (events_lost, starts_throttled, zone_lost),
    (executions_aborted, starts_throttled, replication_lags),
)


def at_rest(api: ScenarioApi, _chance: Random, _side: str) -> None:
    """Move nothing."""


def evacuated(api: ScenarioApi, chance: Random, side: str) -> None:
    """Evacuate a region that is well, and restore it; not if the other one is not ready to carry its load."""
    try:
        api.operators.evacuate(side)
    except OpsRefusedError as error:
        api.timeline.note("operator", f"leaves {REGION_OF[side]} in: {error}")
        return
    api.send("while-out.csv", to=side, by=chance.choice([api.by_sftp, api.newcomer]))
    api.put("while-out.csv", to=side)
    _restore(api, side)


def lost(api: ScenarioApi, chance: Random, side: str) -> None:
    """Lose a region with files in flight, go on in the other, bring it back and restore it."""
    senders = [api.by_sftp, api.newcomer]
    api.partner_refuses(*senders)
    for sender in senders:
        api.tried(api.send("in-flight.csv", to=side, by=sender), by=side)
    if chance.random() < 0.5:
        api.replication_stops()
        api.send("not-replicated.csv", to=side)
    api.lose(side, control_planes=chance.random() < 0.5)
    api.partner_answers(*senders)
    try:
        api.operators.evacuate(side, lost=True)
    except OpsRefusedError as error:  # alarms of the survivor are on, but it is the only one that lives
        api.timeline.note("operator", f"is warned, and overrides: {error}")
        override = f"{REGION_OF[peer_of(side)]} is not ready"
        api.operators.ops("evacuate", REGION_OF[side], "--lost", "--override", override)
        api.operators.names_leave(side)
    api.send("while-lost.csv", to=side)
    api.put("while-lost.csv", to=side)
    api.take_over(peer_of(side))
    api.notify()
    api.returns(side)
    _restore(api, side)


def _restore(api: ScenarioApi, side: str) -> None:
    """Restore a region as soon as it is ready: alarms pass, and what is held is released."""
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            return api.operators.restore(side)
        except OpsRefusedError as error:
            if time.monotonic() > give_up:
                raise
            api.timeline.note("operator", f"waits, and will try again: {error}")
            api.releases_held()
            time.sleep(_AGAIN)


MOVES: Mapping[Callable[[ScenarioApi, Random, str], None], int] = {at_rest: 2, evacuated: 2, lost: 3}


class Episode:
    """One episode: troubles at once for some seconds, then a move. Its `title` says which."""

    def __init__(self, seed: int, number: int) -> None:
        self._chance = Random(f"{seed}/{number}")  # noqa: S311 - no secret
        self._side = self._chance.choice(SIDES)
        group = self._chance.choice(TROUBLES)
        self._troubles = self._chance.sample(group, self._chance.randint(1, len(group)))
        [self._move] = self._chance.choices(list(MOVES), list(MOVES.values()))
        names = [each.__name__.replace("_", " ") for each in self._troubles]
        move = self._move.__name__.replace("_", " ")
        self.title = f"{number}: {', '.join(names)}; {REGION_OF[self._side]} {move}"

    def play(self, api: ScenarioApi) -> None:
        """Play it to its end; nothing is under way then, and operators have closed what was left open."""
        side = self._chance.choice(SIDES)
        api.clients(side, *_more_clients(api, side))
        with ExitStack() as troubles:
            for trouble in self._troubles:
                troubles.enter_context(trouble(api, self._chance, self._side))
            time.sleep(self._chance.uniform(*_TROUBLE))
        self._move(api, self._chance, self._side)
        api.clients_end()
        api.expect("nothing is under way", until(api.observations.is_still, within=SOON))
        for each in SIDES:
            # What a lost answer to an event, or an aborted execution, has left is found by a later sweep.
            api.swept(each)
            api.restarted(each)
        api.expect("nothing is under way", until(api.observations.is_still, within=SOON))
        api.closes_gaps()


def _more_clients(api: ScenarioApi, side: str) -> list[CustomerClient]:
    """Return clients of every kind for two more customers, under names of their own."""
    clients = crowd(api.world, side, by_sftp=api.by_sftp, by_sdk=api.by_sdk)
    for each in clients:
        each.kind += ", of another customer"
    return clients
