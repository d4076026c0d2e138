"""A schedule: the customers and everything that happens, as a list that can be stored and shortened.

Everything else that is random in a simulation (latencies, jitter, orders) follows from the seed and from the
name of what it happens to, so that an action taken out of the list leaves the rest as it was.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, get_args

from runtime.contract import EAST, INBOUND_SDK, PRIMARY, WEST, peer_of
from runtime.timing import ATTEMPT_SECONDS
from tests.simulation.aws import Fault
from tests.simulation.clock import Dice
from tests.simulation.partners import Outage
from tests.simulation.regions import Mode

#: The longest that replication is to take, in seconds: Replication Time Control's 15 minutes.
BOUND = 900.0


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A destination; `collects` is the range of seconds after which a file is collected there."""

    name: str
    kind: str
    collects: tuple[float, float] | None
    renames_over: bool = True


@dataclass(frozen=True, kw_only=True)
class Sender:
    """A customer: its registry entry, and how long its clients wait for a receipt before they send again."""

    id: str
    primary: str
    destinations: tuple[Destination, ...]
    on_unknown: str = "deliver"
    policy: str = "content"
    window: int = 86400
    tracker_days: int = 90
    patience: float = 1800.0
    resends: int = 2

    def to(self, key: str) -> tuple[str, ...]:
        """Return the destinations of a key, as the routing document has them."""
        names = tuple(each.name for each in self.destinations)
        return names if key.startswith(INBOUND_SDK) else names[:1]


@dataclass(frozen=True, kw_only=True)
class Submit:
    """A client sends a file. `via` is an endpoint name; `how`: put, sftp, rename, partial (cut off first)."""

    at: float
    customer: str
    key: str
    content: str
    via: str = "primary"
    how: str = "put"
    loses_answer: bool = False


@dataclass(frozen=True, kw_only=True)
class Lose:
    """A region is lost for a time. `declared`, `restored`: seconds until an operator does that."""

    at: float
    side: str
    mode: Mode
    seconds: float
    declared: float | None = None
    restored: float = 600.0


@dataclass(frozen=True, kw_only=True)
class Evacuate:
    """An operator takes a healthy region out, and puts it back."""

    at: float
    side: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Lag:
    """Replication from a side takes longer for a time: of `facts` or of `objects`."""

    at: float
    side: str
    what: str
    lag: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A partner fails for a time."""

    at: float
    customer: str
    destination: str
    outage: Outage
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Crash:
    """Something goes wrong at one effect of the n-th invocation of a function."""

    function: str
    number: int
    effect: int
    fault: Fault


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The n-th event of a side comes to its queue after these seconds: late, more than once, or never."""

    side: str
    number: int
    delays: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Silence:
    """The n-th event of Transfer Family in a side is lost."""

    side: str
    number: int


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A side's takeover runs, whether or not the peer was declared lost."""

    at: float
    side: str


@dataclass(frozen=True, kw_only=True)
class Decide:
    """An operator asks the partners about the files that are held, and releases them through a side."""

    at: float
    side: str


@dataclass(frozen=True, kw_only=True)
class Export:
    """A side exports its facts to the audit chains, as it does every quarter of an hour and at the end."""

    at: float
    side: str


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """Days pass, and TTL deletes a share of the expired items in a side's table."""

    at: float
    side: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A side's sweep runs; it does so every quarter of an hour, unless the tick is lost, late or repeated."""

    at: float
    side: str


@dataclass(frozen=True, kw_only=True)
class Drop:
    """All events of a side are lost for a time, S3's and Transfer Family's."""

    at: float
    side: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Share:
    """Every customer has this many slots for deliveries in each region, and so many for one destination."""

    of_customer: int
    of_destination: int


@dataclass(frozen=True, kw_only=True)
class Abort:
    """All executions that run in a side end, and no state of theirs says so."""

    at: float
    side: str


Action = (
    Submit
    | Lose
    | Evacuate
    | Lag
    | Trouble
    | Crash
    | Noise
    | Silence
    | Tick
    | Decide
    | Export
    | Expiry
    | Sweep
    | Drop
    | Share
    | Abort
)
_ACTIONS: tuple[type[Any], ...] = get_args(Action)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The customers and the actions; `start` is in seconds since the epoch, and all times count from it."""

    seed: int
    start: float
    senders: tuple[Sender, ...]
    actions: tuple[Action, ...]

    def without(self, *indexes: int) -> Schedule:
        """Return the schedule without some actions."""
        kept = tuple(action for index, action in enumerate(self.actions) if index not in indexes)
        return replace(self, actions=kept)

    def document(self) -> dict[str, Any]:
        """Return the schedule, JSON-ready."""
        return {
            "seed": self.seed,
            "start": self.start,
            "senders": [asdict(sender) for sender in self.senders],
            "actions": [{"do": type(action).__name__, **asdict(action)} for action in self.actions],
        }

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Schedule:
        """Return the schedule that a document describes."""
        kinds = {kind.__name__: kind for kind in _ACTIONS}
        senders = tuple(
            Sender(**{**each, "destinations": tuple(_destination(d) for d in each["destinations"])})
            for each in document["senders"]
        )
        actions = tuple(
            kinds[each["do"]](**{name: _value(name, value) for name, value in each.items() if name != "do"})
            for each in document["actions"]
        )
        return cls(seed=document["seed"], start=document["start"], senders=senders, actions=actions)

    def lines(self) -> list[str]:
        """Return the schedule in words, a line for each customer and action, in the order of time."""
        lines = [f"{sender.id}: {_fields(sender, 'id')}" for sender in self.senders]
        timed = sorted(self.actions, key=lambda each: getattr(each, "at", -1.0))
        return lines + [
            f"{getattr(action, 'at', 0.0):9.1f} {type(action).__name__.lower()} {_fields(action, 'at')}"
            for action in timed
        ]


def _destination(document: dict[str, Any]) -> Destination:
    collects = document["collects"]
    return Destination(**{**document, "collects": tuple(collects) if collects else None})


def _value(name: str, value: Any) -> Any:
    kinds: dict[str, Any] = {"mode": Mode, "outage": Outage, "fault": Fault, "delays": tuple}
    return kinds[name](value) if name in kinds else value


def _fields(thing: Any, *but: str) -> str:
    shown = {name: value for name, value in asdict(thing).items() if name not in but and value is not None}
    return json.dumps(shown, default=str)


# --- Making one from a seed -------------------------------------------------------------------------

_FUNCTIONS = {
    "ingest": 8,
    "claim": 7,
    "compare": 7,
    "deliver": 24,
    "archive": 5,
    "complete": 8,
    "takeover": 9,
    "audit": 9,
}
#: Submissions after which no client sends anything again of its own accord.
_MOST = 4
_IDS = ("alpha", "bravo", "corps")
_NAMES = ("a.csv", "b.csv", "c.csv")
#: x and y have the same length; e is empty, l needs several writes.
CONTENTS = {"x": b"ten bytes x", "y": b"ten bytes y", "l": b"a longer content, in parts", "e": b""}
_FAULTS = (
    Fault.DIE_BEFORE,
    Fault.DIE_BEFORE,
    Fault.DIE_AFTER,
    Fault.DIE_AFTER,
    Fault.FAIL,
    Fault.LOSE_ANSWER,
    Fault.TWICE,
    Fault.STALL,
)


@dataclass
class _Theme:
    """What goes wrong in one schedule: not everything at once, so that each fault also occurs alone."""

    loss: bool
    evacuation: bool
    crashes: bool
    lag: bool
    partners: bool
    noise: bool
    impatient: bool
    days: bool = False
    actions: list[Action] = field(default_factory=list)


def generate(seed: int) -> Schedule:
    """Return the schedule of a seed."""
    dice = Dice(seed, "schedule")
    theme = _Theme(
        loss=dice.chance(0.45),
        evacuation=dice.chance(0.12),
        crashes=dice.chance(0.5),
        lag=dice.chance(0.35),
        partners=dice.chance(0.35),
        noise=dice.chance(0.35),
        impatient=dice.chance(0.3),
        days=dice.chance(0.08),
    )
    senders = tuple(_sender(dice, name) for name in _IDS[: dice.pick((1, 1, 1, 2, 3))])
    _submissions(dice, theme, senders)
    if theme.loss:
        _losses(dice, theme)
    if theme.evacuation and not theme.loss:
        side, seconds = dice.pick((EAST, WEST)), round(dice.between(60, 3600))
        at = _about(dice, theme)
        theme.actions.append(Evacuate(at=at, side=side, seconds=seconds))
        if dice.chance(0.5):
            slow = Lag(at=max(0.0, at - 10), side=side, what="facts", lag=dice.number(5, 120), seconds=600)
            theme.actions.append(slow)
    if theme.lag:
        _lags(dice, theme)
    if theme.partners:
        _troubles(dice, theme, senders)
    if theme.crashes:
        _crashes(dice, theme)
    if theme.noise:
        _noises(dice, theme)
    for _ in range(dice.pick((0, 0, 1, 2))):
        theme.actions.append(Tick(at=round(dice.between(1, 1200), 1), side=dice.pick((EAST, WEST))))
    for _ in range(dice.pick((0, 0, 0, 0, 0, 0, 1, 2))):
        at = max(0.0, _about(dice, theme))
        theme.actions.append(Export(at=at, side=dice.pick((EAST, WEST))))
    if theme.days:
        _later(dice, theme, senders)
    _lost_events(Dice(seed, "lost events"), theme)
    _pairs(Dice(seed, "pairs"), theme)
    # With dice of their own, so that schedules without these stay what they were.
    is_calm = not (theme.loss or theme.evacuation or theme.days)
    if is_calm and not _thaw(Dice(seed, "thaw"), theme, senders):
        _return(Dice(seed, "return"), theme, senders)
    _shares(Dice(seed, "shares"), theme)
    # 2026-03-02, at any time of the day: some schedules cross midnight.
    start = 1772409600 + round(dice.between(0, 86400))
    return Schedule(seed=seed, start=start, senders=senders, actions=tuple(theme.actions))


def _sender(dice: Dice, name: str) -> Sender:
    destinations = tuple(
        Destination(
            name=f"to{number}",
            kind=dice.pick(("sftp", "sftp", "s3")),
            collects=dice.pick((None, (1.0, 5.0), (1.0, 30.0), (30.0, 1800.0))),
            renames_over=dice.chance(0.8),
        )
        for number in range(dice.pick((1, 1, 1, 2)))
    )
    return Sender(
        id=name,
        primary=dice.pick((EAST, WEST)),
        destinations=destinations,
        on_unknown=dice.pick(("deliver", "hold")),
        policy=dice.pick(("content", "content", "content", "content", "version")),
        window=dice.pick((3600, 86400)),
        tracker_days=dice.pick((3, 90)),
        patience=dice.pick((1200.0, 1800.0, 3600.0)),
        resends=dice.pick((0, 1, 1, 2)),
    )


def _submissions(dice: Dice, theme: _Theme, senders: tuple[Sender, ...]) -> None:
    for _ in range(dice.pick((1, 1, 1, 2, 2, 3))):
        sender = dice.pick(senders)
        at, name, how = round(dice.between(0, 300), 1), dice.pick(_NAMES[:2]), _how(dice)
        first = Submit(
            at=at,
            customer=sender.id,
            key=f"sdk/{name}" if how == "put" else f"sftp/user/u{name}",
            content=dice.pick(("x", "x", "y", "l", "e")),
            via=dice.pick(("primary", "primary", EAST, WEST)),
            how=how,
            loses_answer=dice.chance(0.05),
        )
        theme.actions.append(first)
        if theme.impatient and len(theme.actions) < _MOST:
            _again(dice, theme, first)


def _how(dice: Dice) -> str:
    return str(dice.pick(("put", "put", "put", "put", "sftp", "sftp", "rename", "partial")))


def _again(dice: Dice, theme: _Theme, first: Submit) -> None:
    """Have the client send the name again: the same content, or another content and then the first again."""
    at = first.at
    how = first.how if first.how != "partial" else "sftp"
    for content in dice.pick(((first.content,), (first.content,), ("y",), ("y", first.content), ("y", "y"))):
        at = round(at + dice.pick((dice.between(0.1, 5), dice.between(5, 120), dice.between(120, 2400))), 1)
        via = dice.pick((first.via, first.via, EAST, WEST))
        theme.actions.append(replace(first, at=at, content=content, via=via, how=how, loses_answer=False))


def _pairs(dice: Dice, theme: _Theme) -> None:
    """Have a client write a name twice within a second: nothing, as some do, and then the content.

    The events come in any order, and the first may come late.
    """
    if not dice.chance(0.1):
        return
    sent = dice.pick([each for each in theme.actions if isinstance(each, Submit)])
    how = sent.how if sent.how != "partial" else "sftp"
    second = replace(
        sent, at=round(sent.at + dice.between(0.05, 0.5), 2), content=dice.pick(("l", "x", "y")), how=how
    )
    theme.actions.append(replace(second, loses_answer=False))
    theme.actions[theme.actions.index(sent)] = replace(sent, content="e", how=how, loses_answer=False)
    if dice.chance(0.7):
        for side in (EAST, WEST):
            late = (round(dice.between(0.5, 60), 1),)
            theme.actions.append(Noise(side=side, number=dice.number(1, 2), delays=late))


def _about(dice: Dice, theme: _Theme) -> float:
    """Return a moment near one of the submissions: mostly within the seconds that its transfer takes."""
    sent = dice.pick([each for each in theme.actions if isinstance(each, Submit)])
    after = dice.pick(
        (dice.between(0.05, 4), dice.between(0.05, 4), dice.between(-20, 0), dice.between(4, 300))
    )
    return round(max(0.05, sent.at + after), 2)


def _losses(dice: Dice, theme: _Theme) -> None:
    at = _about(dice, theme)
    for _ in range(dice.pick((1, 1, 1, 2))):
        seconds = round(
            dice.pick((dice.between(60, 900), dice.between(900, 7200), dice.between(7200, 14400)))
        )
        theme.actions.append(
            Lose(
                at=at,
                side=dice.pick((EAST, WEST)),
                mode=dice.pick((Mode.DEAD, Mode.DEAD, Mode.IMPAIRED, Mode.CUT)),
                seconds=seconds,
                declared=round(dice.between(30, min(900, seconds))) if dice.chance(0.8) else None,
                restored=round(dice.between(1, 1800)),
            )
        )
        at = round(at + seconds + 2000 + dice.between(0, 600), 2)


def _thaw(dice: Dice, theme: _Theme, senders: tuple[Sender, ...]) -> bool:
    """Have a region stand still for long, and go on before it knows what the other has done meanwhile.

    In half of these schedules the partner is down when the region is lost, so that it was about to try again.
    Return whether there is a thaw in this schedule.
    """
    if not dice.chance(0.12):
        return False
    sent = dice.pick([each for each in theme.actions if isinstance(each, Submit)])
    sender = next(each for each in senders if each.id == sent.customer)
    side = {PRIMARY: sender.primary}.get(sent.via, sent.via)
    at = round(sent.at + dice.between(0.05, 4), 2)
    if dice.chance(0.6):
        at = round(sent.at + dice.between(5, 600), 2)
        down = Trouble(
            at=0.0,
            customer=sender.id,
            destination=dice.pick(sender.destinations).name,
            outage=dice.pick((Outage.DOWN, Outage.DROPS)),
            seconds=at + dice.number(30, 120),
        )
        theme.actions.append(down)
    declared = round(dice.between(30, 300))
    seconds = round(dice.pick((dice.between(2000, 2400), dice.between(2400, 7200))))
    assert seconds > ATTEMPT_SECONDS
    lost = Lose(at=at, side=side, mode=dice.pick((Mode.DEAD, Mode.IMPAIRED)), seconds=seconds)
    theme.actions.append(replace(lost, declared=declared, restored=round(dice.between(1, 1800))))
    lag = round(seconds + dice.between(600, 5400))
    theme.actions.append(Lag(at=at, side=peer_of(side), what="facts", lag=lag, seconds=seconds + 600))
    if dice.chance(0.7):
        decided = round(at + dice.between(declared + 120, seconds), 1)
        theme.actions.append(Decide(at=decided, side=peer_of(side)))
    return True


def _return(dice: Dice, theme: _Theme, senders: tuple[Sender, ...]) -> None:
    """Have a region that was lost return while the partner is still down, so that both carry what it had.

    The facts of the other region reach it some minutes late.
    """
    if not dice.chance(0.1):
        return
    sent = dice.pick([each for each in theme.actions if isinstance(each, Submit)])
    sender = next(each for each in senders if each.id == sent.customer)
    at, seconds = round(sent.at + dice.between(5, 300), 2), round(dice.between(300, 1800))
    down = Trouble(
        at=0.0,
        customer=sender.id,
        destination=dice.pick(sender.destinations).name,
        outage=dice.pick((Outage.DOWN, Outage.FULL)),
        seconds=at + seconds + dice.number(0, 600),
    )
    side = {PRIMARY: sender.primary}.get(sent.via, sent.via)
    lost = Lose(at=at, side=side, mode=dice.pick((Mode.DEAD, Mode.IMPAIRED)), seconds=seconds)
    lost = replace(lost, declared=round(dice.between(30, 200)), restored=round(dice.between(1, 600)))
    lag = Lag(at=at, side=peer_of(side), what="facts", lag=dice.number(10, 300), seconds=seconds + 7200)
    theme.actions += [down, lost, lag]


def _shares(dice: Dice, theme: _Theme) -> None:
    """Give customers few slots for more files, and have attempts end in any way while they have one."""
    if not dice.chance(0.08):
        return
    of_customer = dice.number(1, 3)
    theme.actions.append(Share(of_customer=of_customer, of_destination=dice.number(1, of_customer)))
    sent = dice.pick([each for each in theme.actions if isinstance(each, Submit)])
    for name in dice.pick((("c.csv",), ("c.csv", "d.csv"), ("c.csv", "d.csv", "e.csv"))):
        at = round(sent.at + dice.between(0, 2), 2)
        theme.actions.append(replace(sent, at=at, key=f"sdk/{name}", how="put", loses_answer=False))
    for _ in range(dice.number(1, 3)):
        theme.actions.append(
            Crash(
                function="deliver",
                number=dice.number(1, 6),
                effect=dice.number(1, 28),
                fault=dice.pick(_FAULTS),
            )
        )


def _lags(dice: Dice, theme: _Theme) -> None:
    for _ in range(dice.number(1, 3)):
        theme.actions.append(
            Lag(
                at=max(0.0, round(_about(dice, theme) - dice.between(0, 60), 1)),
                side=dice.pick((EAST, WEST)),
                what=dice.pick(("facts", "objects")),
                lag=round(
                    dice.pick((dice.between(5, 60), dice.between(60, BOUND), dice.between(BOUND, 5400)))
                ),
                seconds=round(dice.between(60, 3600)),
            )
        )


def _troubles(dice: Dice, theme: _Theme, senders: tuple[Sender, ...]) -> None:
    for _ in range(dice.number(1, 2)):
        sender = dice.pick(senders)
        longest = dice.pick((60, 300, 900, 900, 1800, 1800, 3600, 14400))
        theme.actions.append(
            Trouble(
                at=max(0.0, round(_about(dice, theme) - dice.pick((0, dice.between(0, 60))), 2)),
                customer=sender.id,
                destination=dice.pick(sender.destinations).name,
                outage=dice.pick(tuple(Outage)),
                seconds=round(dice.between(10, longest)),
            )
        )


def _crashes(dice: Dice, theme: _Theme) -> None:
    for _ in range(dice.pick((1, 1, 2, 3, 5))):
        function = dice.pick(("deliver", "deliver", "deliver", *_FUNCTIONS))
        theme.actions.append(
            Crash(
                function=function,
                number=dice.pick((1, 1, 1, 2, 2, 3, 4)),
                effect=dice.number(1, _FUNCTIONS[function]),
                fault=dice.pick(_FAULTS),
            )
        )


def _noises(dice: Dice, theme: _Theme) -> None:
    for _ in range(dice.number(1, 3)):
        delays = [round(dice.pick((dice.between(0.1, 30), dice.between(30, 1200))), 1)]
        if dice.chance(0.6):
            delays.append(round(dice.pick((dice.between(0.1, 5), dice.between(5, 7200))), 1))
        noise = Noise(side=dice.pick((EAST, WEST)), number=dice.number(1, 4), delays=tuple(delays))
        theme.actions.append(noise)
    # After days the tracker has forgotten what the gap report would have to know.
    if dice.chance(0.4) and not theme.days:
        theme.actions.append(Silence(side=dice.pick((EAST, WEST)), number=dice.number(1, 2)))


def _lost_events(dice: Dice, theme: _Theme) -> None:
    """Lose events of every kind, end executions, and run sweeps at any time."""
    if dice.chance(0.3):
        for _ in range(dice.number(1, 3)):
            theme.actions.append(Noise(side=dice.pick((EAST, WEST)), number=dice.number(1, 4), delays=()))
    if dice.chance(0.2):
        at = max(0.0, _about(dice, theme) - dice.between(0, 5))
        side = dice.pick((EAST, WEST))
        theme.actions.append(Drop(at=at, side=side, seconds=round(dice.between(5, 3600))))
    if dice.chance(0.15):
        theme.actions.append(Silence(side=dice.pick((EAST, WEST)), number=dice.number(1, 2)))
    if dice.chance(0.2):
        sent = dice.pick([each for each in theme.actions if isinstance(each, Submit)])
        at = round(sent.at + dice.between(0.3, 2.5), 2)
        theme.actions.append(Abort(at=at, side=dice.pick((EAST, WEST))))
    for _ in range(dice.pick((0, 0, 1, 2, 3))):
        sweep = Sweep(at=round(dice.between(1, 7200), 1), side=dice.pick((EAST, WEST)))
        theme.actions.append(sweep)
        if dice.chance(0.2):
            theme.actions.append(replace(sweep, at=round(sweep.at + dice.between(0, 2), 1)))
    if dice.chance(0.15):
        for _ in range(dice.number(1, 2)):
            theme.actions.append(
                Crash(
                    function="sweep",
                    number=dice.number(2, 8),
                    effect=dice.number(1, 25),
                    fault=dice.pick(_FAULTS),
                )
            )


def _later(dice: Dice, theme: _Theme, senders: tuple[Sender, ...]) -> None:
    """Continue days later: files are sent again near the end of the window, and TTL has begun to delete."""
    sender = dice.pick(senders)
    days = dice.pick((0.9, sender.tracker_days + 0.5))
    at = 86400.0 * days
    side = dice.pick((EAST, WEST))
    theme.actions.append(Expiry(at=at, side=side, share=dice.pick((0.5, 1.0))))
    sent = next((each for each in theme.actions if isinstance(each, Submit)), None)
    if sent:
        theme.actions.append(replace(sent, at=at + 60, how="put" if sent.how == "put" else "sftp"))
    theme.actions.append(Expiry(at=at + 7200, side=peer_of(side), share=1.0))
