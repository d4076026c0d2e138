"""The simulated world of one schedule: two regions, their AWS, partners, clients and operators."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from components.statemachine import DELIVERY_TIMEOUT, definition
from runtime import contract
from runtime.contract import PARTITION, REGION_OF, SIDE_OF, SIDES, Position, peer_of
from runtime.delivery import DeliveryUnknownError
from runtime.environment import (
    ENV_ARCHIVE_BUCKET,
    ENV_AUDIT_BUCKET,
    ENV_CELL,
    ENV_CONFIG_BUCKET,
    ENV_NAMESPACE,
    ENV_SESSION_LOG,
    ENV_SIDE,
    ENV_STATE_MACHINE,
    ENV_TRACKER,
)
from runtime.shares import ShareInUseError
from runtime.timing import SWEEP_MINUTES
from tests.simulation import edge
from tests.simulation.clock import Clock, Dice, KilledError, Process
from tests.simulation.functions import Functions
from tests.simulation.intake_queue import IntakeQueue
from tests.simulation.operators import Operators
from tests.simulation.partners import Partner, PartnerBucket, PartnerServer
from tests.simulation.place import CELL, NAMESPACE, TABLE, own_bucket
from tests.simulation.regions import Mode, Region
from tests.simulation.s3 import S3, Bucket, Storage, Version
from tests.simulation.schedule import (
    Abort,
    Crash,
    Decide,
    Drop,
    Evacuate,
    Expiry,
    Export,
    Lag,
    Lose,
    Noise,
    Schedule,
    Sender,
    Share,
    Silence,
    Submit,
    Sweep,
    Tick,
    Trouble,
)
from tests.simulation.senders import Clients
from tests.simulation.services import Logs, Metrics, Parameters, Secrets, SessionLog, Topics
from tests.simulation.steps import FailedError, Machine, StateMachine, StepFunctions, compiled
from tests.simulation.tidying import Tidying
from tests.simulation.tracker_table import DynamoDB, Table

#: The region that partners' buckets are in: it is not ours and is never lost.
ELSEWHERE = "us-gov-elsewhere-1"

#: Seconds of the functions, of components/failover.py and components/workflow.py; the others have 60.
_TIMEOUTS = {
    "takeover": 75,
    "compare": DELIVERY_TIMEOUT,
    "deliver": DELIVERY_TIMEOUT,
    "archive": DELIVERY_TIMEOUT,
    "sweep": DELIVERY_TIMEOUT,  # of components/sweep.py
}

#: How often the audit looks when all is quiet. A schedule may have as many of its functions die.
_PASSES = 6

#: Most rounds of sweeps that follow the last action; each is a quarter of an hour after the one before.
_SWEEPS = 12

#: How often the operators go through what is held.
_ROUNDS = 3

#: Seconds after which operators decide about what is held while other submissions of it wait.
_DECIDES = 6 * 3600.0

#: Seconds after the last action within which everything has to have come to rest.
PATIENCE = 4 * 86400.0


@dataclass(frozen=True)
class Violation:
    """A rule that was broken, and how."""

    rule: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.detail}"


@dataclass(frozen=True)
class Receipt:
    """A receipt as it went out."""

    at: float
    side: str
    message: dict[str, Any]


@dataclass
class Outcome:
    """What became of a schedule: the rules it broke, and counts of what it went through.

    `known` counts the violations that are known bugs (tests/simulation/known.py), by their names.
    """

    violations: list[Violation] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)

    def count(self, what: str, number: int = 1) -> None:
        """Count something."""
        self.counts[what] = self.counts.get(what, 0) + number


class _Cell:
    """What there is of the platform in one region."""

    def __init__(self, world: World, region: Region) -> None:
        self.region = region
        self.parameters: dict[str, str] = {
            contract.switch_parameter(NAMESPACE, CELL, peer_of(region.side)): Position.IN.value
        }
        self.written: dict[str, list[float]] = {}
        self.functions = Functions(
            world.clock,
            region,
            handlers=_entry_points(),
            timeouts={name: float(_TIMEOUTS.get(name, 60)) for name in _entry_points()},
            faults=world.faults_of,
            ended=world.ended,
            mistake=lambda name, text: world.broken("mistake", f"{name}: {text}"),
        )
        self.session_log = SessionLog(world.clock)
        self.machine = StateMachine(world.clock, region, self.functions, _machine(), note=world.note)
        self.queue = IntakeQueue(world.clock, region, self.functions, lambda: world.delays_of(region.side))
        self.variables = {
            ENV_SIDE: region.side,
            ENV_NAMESPACE: NAMESPACE,
            ENV_TRACKER: TABLE,
            ENV_CONFIG_BUCKET: own_bucket("config", region.side),
            ENV_ARCHIVE_BUCKET: own_bucket("archive", region.side),
            ENV_STATE_MACHINE: self.machine.arn,
            ENV_AUDIT_BUCKET: own_bucket("audit", region.side),
            ENV_CELL: CELL,
            ENV_SESSION_LOG: "/aws/vendedlogs/transfer/sessions",
        }


class World:
    """Everything, at the beginning of a schedule; `run` lets it happen."""

    def __init__(self, schedule: Schedule, *, traced: bool = False) -> None:
        self.schedule, self.outcome = schedule, Outcome()
        self.clock = clock = Clock(schedule.seed, schedule.start)
        clock.uncaught = self.uncaught
        self._trace = self._line if traced else None
        self.regions = {side: Region(clock, side) for side in SIDES}
        self.storage = Storage(clock, lambda side, what: self._lag("objects", side, what))
        self.table = Table(
            clock, self.regions, lambda side, what: self._lag("facts", side, what), self.broken
        )
        self._lags: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        self._crashes: dict[tuple[str, int], dict[int, Any]] = {}
        self._noises: dict[tuple[str, int], tuple[float, ...]] = {}
        self._drops: dict[str, list[tuple[float, float]]] = {}
        self._invoked: dict[str, int] = {}
        self._events: dict[str, int] = {}
        self._made: dict[tuple[str, str], Any] = {}
        self._event_dice = Dice(clock.seed, "events")
        self.receipts: list[Receipt] = []
        self.has_expired = False
        self.share: Share | None = None
        #: Why processes died, or something went wrong in them, by name; those that never ended; attempts
        #: that AWS let down, by transfer and destination.
        self.died: dict[str, str] = {}
        self.killed: set[str] = set()
        self.excused: dict[tuple[str, str], int] = {}
        self.partners: dict[tuple[str, str], Partner] = {}
        self._servers: dict[str, PartnerServer] = {}
        self.cells = {side: _Cell(self, region) for side, region in self.regions.items()}
        self._make_buckets()
        for sender in schedule.senders:
            self._make_customer(sender)
        self.operators, self.tidying = Operators(self), Tidying(self)
        self.clients = Clients(self)

    # --- What the edge asks for ---

    def client(self, service: str, region: str | None = None) -> Any:
        """Return the client of a service, in the running function's region unless another is named."""
        process = self.clock.current
        assert process is not None
        name = region or REGION_OF[process.side or ""]
        key = (service, name)
        if key not in self._made:
            self._made[key] = self._make_client(service, name)
        return self._made[key]

    def variable(self, name: str) -> str:
        """Return an environment variable of the function that is running."""
        process = self.clock.current
        assert process is not None
        return self.cells[process.side or ""].variables[name]

    def connect(self, destination: Any) -> Any:
        """Return a connection to a partner's server."""
        return self._servers[destination.host].connected()

    # --- What the parts report ---

    def uncaught(self, name: str, error: BaseException) -> None:
        """Break a rule: nobody meant a process to end in this error, unless a state's branch has failed."""
        if not isinstance(error, FailedError):
            self.broken("mistake", f"{name}: {''.join(traceback.format_exception(error))}")

    def broken(self, rule: str, detail: str) -> None:
        """Remember that a rule was broken."""
        self.outcome.violations.append(Violation(rule, detail))
        self.note(f"BROKEN {rule}: {detail}")

    def note(self, text: str) -> None:
        """Put a line into the trace, if there is one."""
        if self._trace:
            self._line("", "", text, "", "")

    def faults_of(self, function: str) -> dict[int, Any]:
        """Return what goes wrong in the next invocation of a function, by effect."""
        number = self._invoked[function] = self._invoked.get(function, 0) + 1
        return self._crashes.get((function, number), {})

    def ended(self, name: str, process: Process) -> None:
        """Note how an invocation ended, for those who will ask why."""
        if isinstance(process.error, KilledError):
            self.killed.add(process.name.replace(" ", "-"))
            lost = self.regions[process.side or ""].mode is Mode.DEAD
            self.died[process.name] = "a region was lost" if lost else "a crash"
        elif process.faults:
            self.died[process.name] = "a crash"
        elif _is_of_aws(process.error):
            self.died[process.name] = "AWS failed"
        if name == "sweep" and process.error is None:
            for what in ("taken", "restarted"):
                self.outcome.count(f"sweep: {what}", process.result[what])
        if isinstance(process.error, ShareInUseError):
            self.outcome.count("waited for a slot")
        if name == "deliver" and process.error is not None:
            key = (process.event["transfer"]["id"], process.event["destination"])
            self.excused[key] = self.excused.get(key, 0) + (process.name in self.died)

    def delays_of(self, side: str) -> tuple[float, ...]:
        """Return the seconds after which the next event of a side comes, once or more often."""
        number = self._events[side] = self._events.get(side, 0) + 1
        usual = (0.2 + self._event_dice.random(),)
        delays = self._noises.get((side, number), usual)
        if any(since <= self.clock.now < until for since, until in self._drops.get(side, ())):
            delays = ()
        if not delays:
            self.outcome.count("events lost")
        return delays

    # --- What happens ---

    def run(self) -> Outcome:
        """Let everything happen, until nothing does any more."""
        with edge.inside(self):
            self._plan()
            for end in self._ends():
                self.clock.run(self.schedule.start + end)
                self._settle()
                self._sweep_up()
                self._redrive()
                for number in range(_ROUNDS):
                    if not self.tidying.begin(after_sweeps=number == 0):
                        break
                    self._settle()
                if any(isinstance(each, Export) for each in self.schedule.actions):
                    self._export()
            self.clock.end()
        return self.outcome

    def switched_out(self, side: str) -> bool:
        """Whether an operator has declared a side out."""
        held = self.cells[peer_of(side)].parameters
        return held[contract.switch_parameter(NAMESPACE, CELL, side)] != Position.IN.value

    def is_declared_lost(self, side: str) -> bool:
        """Whether an operator has declared a side lost."""
        held = self.cells[peer_of(side)].parameters
        return held[contract.switch_parameter(NAMESPACE, CELL, side)] == Position.LOST.value

    @property
    def at_rest(self) -> bool:
        """Whether nothing is on its way any more."""
        return not (
            self.table.pending
            or self.storage.pending
            or self.clock.living()
            or any(cell.queue.messages for cell in self.cells.values())
        )

    def _ends(self) -> list[float]:
        """Return when all that is planned has been done: before days pass, if they do, and at the end."""
        expiries = [each.at for each in self.schedule.actions if isinstance(each, Expiry)]
        ends = [
            (each.at, each.at + getattr(each, "seconds", 0.0))
            for each in self.schedule.actions
            if not isinstance(each, Crash | Noise | Silence | Share)
        ]
        last = max((end for _, end in ends), default=0.0)
        before = [end for at, end in ends if at < min(expiries, default=0.0)]
        return [max(before), last] if before else [last]

    def _sweep_up(self) -> None:
        """Let the sweeps run as they do all day, until they find nothing: no person is needed for that."""
        for number in range(_SWEEPS):
            self.clock.run(self.clock.now + (SWEEP_MINUTES * 60 + 1 if number else 1))
            done = [self.operators.sweep(side) for side in SIDES]
            self._settle()
            if number > 1 and all(process is not None and _found_nothing(process) for process in done):
                return

    def _redrive(self) -> None:
        """Have operators redrive the dead letters, which nobody has waited for."""
        for cell in self.cells.values():
            if cell.queue.dead:
                self.outcome.count("dead letters", len(cell.queue.dead))
                cell.queue.redrive()
        self._settle()

    def _export(self) -> None:
        """Have both regions bring their facts into the audit chains; one that dies is followed by others."""
        for side in SIDES:
            for _ in range(_PASSES):
                done = self.operators.export(side)
                self._settle()
                if done is not None and done.error is None:
                    break

    def _plan(self) -> None:
        start = self.schedule.start
        # The sweeps have run all day before.
        for side in SIDES:
            self.clock.at(start, partial(self.operators.sweep, side))
        for action in self.schedule.actions:
            match action:
                case Crash():
                    faults = self._crashes.setdefault((action.function, action.number), {})
                    faults[action.effect] = action.fault
                case Noise():
                    self._noises[action.side, action.number] = action.delays
                case Lag():
                    end = start + action.at + action.seconds
                    lags = self._lags.setdefault((action.what, action.side), [])
                    lags.append((start + action.at, end, action.lag))
                case Trouble():
                    partner = self.partners.get((action.customer, action.destination))
                    if partner:
                        end = start + action.at + action.seconds
                        partner.outages.append((start + action.at, end, action.outage))
                case Silence():
                    pass
                case Share():
                    self.share = self.table.share = action
                case Drop():
                    period = (start + action.at, start + action.at + action.seconds)
                    self._drops.setdefault(action.side, []).append(period)
                case _:
                    self.clock.at(start + action.at, self._begin(action))

    def _begin(self, action: Any) -> Callable[[], None]:
        def begin() -> None:
            match action:
                case Submit():
                    self.clients.submit(action)
                case Lose():
                    self.operators.lose(action)
                case Evacuate():
                    self.operators.evacuate(action)
                case Tick():
                    self.operators.tick(action.side)
                case Decide():
                    self.tidying.decide(action.side)
                case Export():
                    self.operators.export(action.side)
                case Sweep():
                    self.operators.sweep(action.side)
                case Abort():
                    aborted = self.cells[action.side].machine.abort()
                    self.outcome.count("executions aborted", aborted)
                case Expiry():
                    self.has_expired = True
                    self.table.expire(action.side, action.share)

        return begin

    def _settle(self) -> None:
        """Let things run until all is at rest; what still moves after PATIENCE never will."""
        give_up, decides = self.clock.now + PATIENCE, self.clock.now + _DECIDES
        while not self.at_rest and self.clock.now < give_up:
            following = self.clock.next
            self.clock.run(min(give_up, max(self.clock.now + 600, following or give_up)))
            if self.clock.now > decides and not self.at_rest:
                # What was sent again waits for those that are held.
                decides = self.clock.now + _DECIDES
                for side in SIDES:
                    self.tidying.decide(side)
        if not self.at_rest:
            living = ", ".join(process.name for process in self.clock.living()[:3])
            self.broken("never at rest", f"after {PATIENCE / 86400:.0f} days: {living or 'messages'}")

    def _lag(self, what: str, side: str, about: str) -> float:
        now = self.clock.now
        usual = 0.3 + 1.5 * Dice(self.clock.seed, f"{what} {side} {about} {now}").random()
        slow = [lag for since, until, lag in self._lags.get((what, side), ()) if since <= now < until]
        return max(slow) + usual if slow else usual

    def _line(self, process: str, service: str, operation: str, about: str, fault: str) -> None:
        at = self.clock.now - self.schedule.start
        text = " ".join(part for part in (process, service, operation, about, fault and f"[{fault}]") if part)
        self.outcome.trace.append(f"{at:12.3f} {text}")

    # --- What there is ---

    def _make_client(self, service: str, name: str) -> Any:
        clock, trace = self.clock, self._trace
        if service == "s3" and name == ELSEWHERE:
            return S3(self.storage, None, trace)
        side = SIDE_OF[name]
        region, cell = self.regions[side], self.cells[side]
        make: dict[str, Callable[[], Any]] = {
            "s3": lambda: S3(self.storage, region, trace),
            "dynamodb": lambda: DynamoDB(self.table, region, trace),
            "stepfunctions": lambda: StepFunctions(clock, region, cell.machine, trace),
            "sns": lambda: Topics(clock, region, trace, self._published),
            "ssm": lambda: Parameters(clock, region, trace, cell.parameters, cell.written),
            "cloudwatch": lambda: Metrics(clock, region, trace),
            "logs": lambda: Logs(clock, region, trace, cell.session_log),
            "secretsmanager": lambda: Secrets(clock, region, trace),
        }
        return make[service]()

    def _make_buckets(self) -> None:
        made: dict[str, Bucket] = {}
        for side, region in self.regions.items():
            self.storage.make(own_bucket("config", side), region, versioned=False)
            self.storage.make(own_bucket("audit", side), region)
            made[side] = self.storage.make(own_bucket("archive", side), region)
        for side in SIDES:
            made[side].replica = made[peer_of(side)]

    def _make_customer(self, sender: Sender) -> None:
        made: dict[str, Bucket] = {}
        for side, region in self.regions.items():
            bucket = made[side] = self.storage.make(f"{NAMESPACE}-{sender.id}-{side}", region)
            bucket.on_created = self._reporter(bucket, side)
        for side in SIDES:
            made[side].replica = made[peer_of(side)]
        destinations = {}
        for each in sender.destinations:
            partner = Partner(
                self.clock, customer=sender.id, name=each.name, collects=each.collects, broken=self.broken
            )
            self.partners[sender.id, each.name] = partner
            address = f"{sender.id}-{each.name}"
            if each.kind == "s3":
                bucket = self.storage.make(address, None, versioned=False)
                PartnerBucket(partner, bucket, "in/")
                destinations[each.name] = {
                    "kind": "s3",
                    "bucket": address,
                    "prefix": "in",
                    "region": ELSEWHERE,
                }
            else:
                server = PartnerServer(partner, renames_over=each.renames_over, trace=self._trace)
                self._servers[address] = server
                destinations[each.name] = {
                    "kind": "sftp",
                    "host": address,
                    "port": 22,
                    "user": "mft",
                    "host_key": "",
                    "directory": server.directory,
                    "secret": "key",
                }
        for side in SIDES:
            config = self.storage.buckets[own_bucket("config", side)]
            body = json.dumps(_document(sender, destinations, side)).encode()
            config.put(contract.config_key(sender.id), body, "PutObject", checksum=None, writer="pulumi")

    def _reporter(self, bucket: Bucket, side: str) -> Callable[[Version, str], None]:
        """Return what reports a bucket's new versions as the rules of components/intake.py pick them."""

        def report(version: Version, reason: str) -> None:
            if version.is_replica:
                dice = Dice(self.clock.seed, f"replica {side} {version.id}")
                # S3 says that replicas raise events; what reason they give nobody has written down.
                if dice.chance(0.4):
                    return
                reason = dice.pick(("PutObject", "CopyObject"))
            is_sdk = version.key.startswith(contract.INBOUND_SDK)
            is_rename = version.key.startswith(contract.INBOUND_SFTP) and reason == "CopyObject"
            if is_sdk or is_rename:
                self.cells[side].queue.put(object_created(bucket.name, version, reason))

        return report

    def _published(self, message: dict[str, Any], side: str) -> None:
        if message["outcome"] != "notice":
            self.receipts.append(Receipt(self.clock.now, side, message))
        self.clients.receive(message)


def _found_nothing(sweep: Process) -> bool:
    """Whether a run of the sweep ended well, and had nothing to do and nothing left."""
    if sweep.error is not None:
        return False
    return not any(number for name, number in sweep.result.items() if name != "age")


def object_created(bucket: str, version: Version, reason: str) -> dict[str, Any]:
    """Return the event that S3 sends of a new version.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    about = {
        "key": version.key,
        "size": len(version.body),
        "etag": version.etag,
        "version-id": version.id,
        "sequencer": f"{version.sequence:08X}",
    }
    detail = {"version": "0", "bucket": {"name": bucket}, "object": about, "reason": reason}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def _document(sender: Sender, destinations: dict[str, Any], side: str) -> dict[str, Any]:
    """Return a customer's routing document, as components/tenant.py writes it."""
    to = [each.name for each in sender.destinations]
    return {
        "schema": 1,
        "id": sender.id,
        "lifecycle": "active",
        "routes": [
            {"match": "sdk/**", "to": to, "on_unknown": sender.on_unknown},
            {"match": "sftp/user/*", "to": to[:1], "on_unknown": sender.on_unknown},
        ],
        "destinations": destinations,
        "temporary_names": ["*.filepart"],
        "duplicates": {"policy": sender.policy, "window_seconds": sender.window},
        "retention": {"inbound_days": 1, "archive_days": 365, "tracker_days": sender.tracker_days},
        "receipts_topic": f"arn:{PARTITION}:sns:{REGION_OF[side]}:123456789012:{sender.id}",
    }


@cache
def _machine() -> Machine:
    """Return the state machine that the program deploys; functions go by their steps' names."""
    steps = ("claim", "compare", "deliver", "archive", "complete")
    return compiled(definition({step: step for step in steps}, partition=PARTITION))


@cache
def _entry_points() -> dict[str, Callable[[Any, Any], Any]]:
    return {name: module.handler for name, module in edge.handlers().items()}


def simulate(schedule: Schedule, *, traced: bool = False) -> Outcome:
    """Simulate a schedule and judge it. The runtime has to be attached."""
    from tests.simulation.invariants import judge
    from tests.simulation.known import set_known_apart

    world = World(schedule, traced=traced)
    world.run()
    judge(world)
    outcome = set_known_apart(world.outcome)
    # Everything here knows the world: without it, counting references is enough to free most of it.
    vars(world).clear()
    return outcome


def _is_of_aws(error: BaseException | None) -> bool:
    """Return whether an invocation ended in an error of this platform's own AWS, after what it had to do."""
    if isinstance(error, DeliveryUnknownError):
        return error.step == "attempt"
    return isinstance(error, ClientError | BotoCoreError)
