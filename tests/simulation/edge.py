"""Where the runtime meets the simulation: time, AWS clients, SFTP connections, what functions keep warm.

Nothing of the runtime's own is replaced. Its modules get virtual time for the wall clock, simulated clients
for boto3's, a simulated server behind asyncssh's client, and one loop-less way to run coroutines: every
request is answered before it returns, so nothing is ever pending. What a handler keeps between invocations
is kept in the simulated container that it runs in.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import pkgutil
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import cache, lru_cache
from types import ModuleType, SimpleNamespace
from typing import Any, Protocol

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

import runtime
import runtime.handlers
from runtime import facts, patterns, tracker, tracker_items
from runtime.handlers import ingest, takeover, wiring
from runtime.shares import Shares
from runtime.tracker import Tracker
from tests.simulation.aws import ParameterNotFound, failed
from tests.simulation.clock import Clock, Process
from tests.simulation.schedule import Share


class World(Protocol):
    """What the edge asks of the simulated world."""

    clock: Clock
    share: Share | None

    def client(self, service: str, region: str | None) -> Any:
        """Return the client of a service for the process that is running."""

    def variable(self, name: str) -> str:
        """Return an environment variable of the function that is running."""

    def connect(self, destination: Any) -> Any:
        """Return the connection (an asynchronous context manager) to a partner's server."""


#: The operators' tools that work in a simulation.
_TOOLS = {"ops.cell", "ops.recovery.notice"}

_world: World | None = None
#: Documents of the world that were read before, by their identity.
_documents: dict[Any, tuple[Any, Any]] = {}
_deserialize, _serialize = TypeDeserializer().deserialize, TypeSerializer().serialize


def world() -> World:
    """Return the world that is being simulated."""
    assert _world is not None, "no simulation is running"
    return _world


@contextmanager
def inside(simulated: World) -> Iterator[None]:
    """Let the runtime live in a simulated world. Worlds are entered one after another."""
    global _world
    before, _world = _world, simulated
    _documents.clear()
    try:
        yield
    finally:
        _world = before


@cache
def handlers() -> dict[str, ModuleType]:
    """Return the runtime's entry points by name."""
    package = runtime.handlers
    names = [each.name for each in pkgutil.iter_modules(package.__path__)]
    modules = {name: importlib.import_module(f"runtime.handlers.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "handler")}


@contextmanager
def attached() -> Iterator[None]:
    """Attach the runtime to simulated worlds; on leaving, everything is as it was."""
    from runtime import deliverer
    from runtime.delivery import sftp

    handlers()
    undo: list[Callable[[], None]] = []

    def put(holder: Any, name: str, value: Any) -> None:
        old = getattr(holder, name)
        undo.append(lambda: setattr(holder, name, old))
        setattr(holder, name, value)

    modules = [
        module for name, module in sys.modules.items() if name.split(".")[0] == "runtime" or name in _TOOLS
    ]
    for module in modules:
        for name, value in list(vars(module).items()):
            if name in _REPLACED and value is _REPLACED[name][0]:
                put(module, name, _REPLACED[name][1])
            elif hasattr(value, "cache_info") and module.__name__.startswith("runtime.handlers"):
                put(module, name, _kept(value.__wrapped__))
            elif inspect.isclass(value) and value.__module__ == module.__name__:
                for method in vars(value).values():
                    _give_time(method, undo)
            elif inspect.isfunction(value) and value.__module__ == module.__name__:
                _give_time(value, undo)
    for module in modules:
        for name, value in list(vars(module).items()):
            if inspect.isfunction(value) and value in _PURE:
                put(module, name, _PURE[value])
    put(tracker_items, "_plain", _each_once(tracker_items._plain, lambda document: document))
    put(tracker_items, "fact", _each_once(tracker_items.fact, lambda item: item["detail"]))
    put(tracker_items, "_read", _read)
    put(tracker, "_write", _write)
    put(ingest, "_batch", _Batch())
    put(wiring, "client", lambda service, region=None: world().client(service, region))
    put(wiring, "client_once", _client_once)
    put(wiring, "_peer_parameters", _Unforced)
    put(wiring, "env", lambda name: world().variable(name))
    put(wiring, "logger", _Silence())
    put(takeover, "at_the_same_time", _one_by_one)
    if hasattr(wiring, "metrics"):
        put(wiring, "metrics", _Silence)
    put(sftp, "connect", _connect)
    put(deliverer, "Shares", _shares)
    try:
        yield
    finally:
        for each in reversed(undo):
            each()


def current() -> Process:
    """Return the process that is running."""
    process = world().clock.current
    assert process is not None
    return process


def _client_once(service: str, region: str) -> Any:
    """Return the client of a service, as one that calls nothing again by itself."""
    client = copy.copy(world().client(service, region))
    client.retries = False
    return client


def _shares(*, tracker: Tracker) -> Shares:
    """Return the shares with the numbers of slots that the schedule says, if it does."""
    share = world().share
    sizes = {"of_customer": share.of_customer, "of_destination": share.of_destination} if share else {}
    return Shares(tracker=tracker, **sizes)


class _Unforced:
    """The peer region's parameters: no simulated operator forces it in. Reading them takes no time."""

    def get_parameter(self, *, Name: str) -> dict[str, Any]:
        raise failed(ParameterNotFound, "ParameterNotFound", "GetParameter")


def _give_time(function: Any, undo: list[Callable[[], None]]) -> None:
    """Give a function with a clock for a default the virtual one."""
    defaults = getattr(function, "__kwdefaults__", None) or {}
    for name, value in list(defaults.items()):
        if value in (time.time, time.monotonic):

            def restore(name: str = name, value: Any = value) -> None:
                defaults[name] = value

            undo.append(restore)
            defaults[name] = _now


def _now() -> float:
    return world().clock.now


def _kept(make: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes a thing once for each container, as functools.cache does in a real one."""

    def keep(*about: Any) -> Any:
        kept = current().container.kept
        key = (make, about)
        if key not in kept:
            kept[key] = make(*about)
        return kept[key]

    return keep


def _one_by_one(take: Callable[[Any], Any], batch: list[Any]) -> list[Any]:
    """Call a function for each of a batch: a simulated function has one thread."""
    return [take(each) for each in batch]


class _Batch:
    """The batch processor of the container that is running."""

    def _own(self) -> BatchProcessor:
        kept = current().container.kept
        if "batch" not in kept:
            kept["batch"] = BatchProcessor(event_type=EventType.SQS)
        return kept["batch"]

    def __call__(self, *given: Any, **named: Any) -> BatchProcessor:
        return self._own()(*given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own(), name)


class _Silence:
    """Takes every log line and keeps none."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class _Datetime(datetime):
    """The class datetime, whose now() is the simulation's."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.fromtimestamp(_now(), tz)


class _Ulid:
    """An id that no other attempt has: it follows from the process and how many it has had."""

    def __init__(self) -> None:
        self._text = f"{current().name.replace(' ', '-')}-{current().effects}"

    def __str__(self) -> str:
        return self._text


# --- DynamoDB's types -------------------------------------------------------------------------------


def _read(value: dict[str, Any]) -> Any:
    """Return what boto3's TypeDeserializer makes of a value, faster: a third of the time would go there."""
    try:
        return value["S"]
    except KeyError:
        pass
    ((kind, inner),) = value.items()
    if kind == "N":
        return Decimal(inner)
    if kind == "M":
        known = _documents.get(id(inner))
        if known is None:
            known = _documents[id(inner)] = (inner, {name: _read(each) for name, each in inner.items()})
        return known[1]
    if kind == "L":
        return [_read(each) for each in inner]
    return _deserialize(value)


def _each_once(function: Callable[[Any], Any], part: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function of documents that remembers, while a world lasts, what it made of each.

    A document is known by a part of it that no other document has: facts are never changed.
    """

    def remember(document: Any) -> Any:
        if not isinstance(document, dict):
            return function(document)
        own = part(document)
        known = _documents.get((function, id(own)))
        if known is None:
            known = _documents[function, id(own)] = (own, function(document))
        return known[1]

    return remember


def _write(value: Any) -> dict[str, Any]:
    """Return what boto3's TypeSerializer makes of a value."""
    if isinstance(value, str):
        return {"S": value}
    if type(value) is int:
        return {"N": str(value)}
    if isinstance(value, dict):
        return {"M": {name: _write(each) for name, each in value.items()}}
    if type(value) is list:
        return {"L": [_write(each) for each in value]}
    return _serialize(value)


# --- Coroutines without a loop ----------------------------------------------------------------------


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end; it never has to wait, since the process itself does."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError(f"{coroutine} waits for a loop, which the simulation does not have")


class _Task:
    """A coroutine that ran when the task was made; awaiting it gives its end."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._result: Any = None
        self._error: Exception | None = None
        try:
            self._result = drive(coroutine)
        except Exception as error:
            self._error = error

    def cancel(self) -> None:
        """Do nothing: it is over."""

    def __await__(self) -> Generator[None, None, Any]:
        if self._error:
            raise self._error
        return self._result
        yield


async def _gather(*tasks: Awaitable[Any], return_exceptions: bool = False) -> list[Any]:
    results: list[Any] = []
    for task in tasks:
        try:
            results.append(await task)
        except Exception as error:
            if not return_exceptions:
                raise
            results.append(error)
    return results


async def _to_thread(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return function(*arguments, **named)


async def _sleep(seconds: float) -> None:
    world().clock.sleep(seconds)


class _Timeout:
    """asyncio.timeout: says until when a request that is never answered has to be waited for."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds

    async def __aenter__(self) -> None:
        process = current()
        self._process, self._before = process, process.deadline
        if self._seconds is not None:
            end = _now() + self._seconds
            process.deadline = end if self._before is None else min(end, self._before)

    async def __aexit__(self, *_: object) -> None:
        self._process.deadline = self._before


@asynccontextmanager
async def _connect(destination: Any, private_key: str, patience: Any) -> Any:
    async with world().connect(destination) as client:
        yield None, client


_asyncio = SimpleNamespace(
    run=drive,
    create_task=_Task,
    gather=_gather,
    to_thread=_to_thread,
    timeout=_Timeout,
    sleep=_sleep,
)


def _replaced() -> dict[str, tuple[Any, Any]]:
    import asyncio

    from ulid import ULID

    clock = SimpleNamespace(time=_now, monotonic=_now, perf_counter=_now)
    return {
        "asyncio": (asyncio, _asyncio),
        "datetime": (datetime, _Datetime),
        "time": (time, clock),
        "ULID": (ULID, _Ulid),
    }


_REPLACED = _replaced()

#: Functions of nothing but their arguments that take a good part of the time: each answer is remembered.
_PURE = {function: lru_cache(maxsize=4096)(function) for function in (facts.submitted, patterns.matches)}

__all__ = ["UTC", "attached", "current", "drive", "handlers", "inside", "world"]
