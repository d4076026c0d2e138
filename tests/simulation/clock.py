"""Virtual time: processes that sleep and wake on one thread, and dice that only the seed decides.

A process is a greenlet, so that the runtime's plain synchronous code can be stopped inside any call to the
outside, and others run meanwhile.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

_MASK = (1 << 64) - 1


class KilledError(BaseException):
    """The process dies here: whatever it still calls has no effect. No handler of errors catches it."""


class Dice:
    """A stream of random numbers (splitmix64) of its own name: what others draw does not change it."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, name: str) -> None:
        self._state = (seed * 0x9E3779B97F4A7C15 ^ zlib.crc32(name.encode()) * 0xD1342543DE82EF95) & _MASK

    def random(self) -> float:
        """Return a number from 0 up to 1."""
        self._state = state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ state >> 27) * 0x94D049BB133111EB) & _MASK
        return ((state ^ state >> 31) >> 11) / (1 << 53)

    def between(self, low: float, high: float) -> float:
        """Return a number from `low` up to `high`."""
        return low + (high - low) * self.random()

    def number(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both included."""
        return low + int((high - low + 1) * self.random())

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random() < probability

    def pick(self, choices: Any) -> Any:
        """Return one of a sequence."""
        return choices[int(len(choices) * self.random())]


class Process(greenlet):
    """Something that runs in virtual time, from `run` to its result or error.

    `side` is the region whose network it calls from, None outside; `freezer` is the region with which it
    stops and goes on. `faults` says what goes wrong at which of its effects, counted from 1. `read_at` is
    when it last read the tracker, `looked_at` when it last looked for a file at a partner, by name.
    """

    def __init__(
        self, clock: Clock, name: str, run: Callable[[], Any], side: str | None, freezer: Any
    ) -> None:
        super().__init__(self._live, clock.hub)
        self.clock, self.name, self.side, self.freezer = clock, name, side, freezer
        self.turn = 0
        self.killed = self.over = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.waiting: list[tuple[Process, int]] = []
        self.effects = 0
        self.faults: dict[int, Any] = {}
        self.deadline: float | None = None
        self.read_at = 0.0
        self.looked_at: dict[str, float] = {}
        self.container: Any = None
        self.event: Any = None
        self.then: Callable[[], Any] | None = None
        self._run: Callable[[], Any] | None = run
        self._dice: Dice | None = None

    @property
    def dice(self) -> Dice:
        """Its own random numbers, which follow from the seed and its name."""
        if self._dice is None:
            self._dice = Dice(self.clock.seed, self.name)
        return self._dice

    def _live(self) -> None:
        try:
            if self.killed:
                raise KilledError
            assert self._run is not None
            self.result = self._run()
        except BaseException as error:
            self.error = error
        self.over = True
        if self.then:
            self.then()
        elif self.error is not None and not isinstance(self.error, KilledError):
            self.clock.uncaught(self.name, self.error)
        # A process and what it was made of would know each other for ever.
        self.then = self._run = None
        if self.error:
            _forget(self.error)
        for waiter, turn in self.waiting:
            self.clock.wake(waiter, turn)

    def kill(self) -> None:
        """Have the process die before its next effect."""
        self.killed = True


def _forget(error: BaseException) -> None:
    """Let go of the frames that an error, and those it came of, have been through."""
    following: BaseException | None = error
    while following is not None:
        following.__traceback__ = None
        following = following.__context__


class Clock:
    """The time, in seconds since the epoch, and everything that is to happen."""

    def __init__(self, seed: int, start: float) -> None:
        self.seed = seed
        self.now = self.started = start
        self.horizon = start
        self.hub = getcurrent()
        #: Told of a process that ended in an error, by its name, unless it has a `then`.
        self.uncaught: Callable[[str, BaseException], None] = lambda name, error: None
        self.current: Process | None = None
        self._heap: list[tuple[float, int, Any, int]] = []
        self._count = 0
        self._living: dict[Process, None] = {}

    def at(self, when: float, call: Callable[[], Any]) -> None:
        """Have something done at a time; it must not sleep."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, call, -1))

    def spawn(
        self,
        name: str,
        run: Callable[[], Any],
        *,
        side: str | None = None,
        freezer: Any = None,
        after: float = 0.0,
    ) -> Process:
        """Start a process, now or later."""
        process = Process(self, name, run, side, freezer)
        self._living[process] = None
        self._push(self.now + after, process)
        return process

    def sleep(self, seconds: float) -> None:
        """Let the running process sleep; KilledError when it was killed meanwhile."""
        process = self.current
        assert process is not None
        if process.killed:
            raise KilledError
        when = self.now + seconds
        # When nothing happens before it wakes there is no need to go to sleep.
        if (self._heap and self._heap[0][0] <= when) or when > self.horizon:
            self._push(when, process)
            self._suspend(process)
        else:
            self.now = when
        if process.killed:
            raise KilledError

    def wait(self, process: Process, seconds: float) -> bool:
        """Let the running process wait for another's end; return False when that takes too long."""
        if process.over:
            return True
        waiter = self.current
        assert waiter is not None
        process.waiting.append((waiter, waiter.turn))
        self._push(self.now + seconds, waiter)
        self._suspend(waiter)
        if waiter.killed:
            raise KilledError
        return process.over

    def wait_any(self, processes: list[Process]) -> None:
        """Let the running process wait until one of others ends."""
        waiter = self.current
        assert waiter is not None
        for process in processes:
            process.waiting.append((waiter, waiter.turn))
        self._suspend(waiter)
        if waiter.killed:
            raise KilledError

    def wake(self, process: Process, turn: int) -> None:
        """Wake a process now, if it still sleeps as it did in that turn."""
        self._count += 1
        heapq.heappush(self._heap, (self.now, self._count, process, turn))

    def run(self, until: float) -> None:
        """Let everything happen that is due by a time."""
        self.horizon = until
        heap = self._heap
        while heap and heap[0][0] <= until:
            when, _, what, turn = heapq.heappop(heap)
            if turn < 0:
                self.now = max(self.now, when)
                what()
            elif turn == what.turn and not what.over:
                self.now = max(self.now, when)
                self._resume(what)
        self.now = max(self.now, until)

    @property
    def next(self) -> float | None:
        """When the next thing is due; None when nothing is."""
        heap = self._heap
        while heap and heap[0][3] >= 0 and (heap[0][3] != heap[0][2].turn or heap[0][2].over):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def living(self) -> list[Process]:
        """Return the processes that have not ended."""
        return [process for process in self._living if not process.over]

    def end(self) -> None:
        """Kill what still lives; nothing has an effect any more."""
        for process in self.living():
            process.kill()
            process.turn += 1
            if process:
                self.current = process
                process.throw(KilledError)
            process.over = True
        self._heap.clear()

    def _push(self, when: float, process: Process) -> None:
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, process, process.turn))

    def _suspend(self, process: Process) -> None:
        self.hub.switch()
        process.turn += 1
        self.current = process

    def _resume(self, process: Process) -> None:
        if process.freezer is not None and not process.killed and process.freezer.freezes(process):
            return
        self.current = process
        process.switch()
        self.current = None
        if process.over:
            self._living.pop(process, None)
