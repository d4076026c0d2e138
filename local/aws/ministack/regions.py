"""Which regions are down; all threads of the emulated AWS check this, and wait for it to change."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds that `settle` waits for work that was under way when its region died; it takes milliseconds.
SETTLE_WITHIN = 5.0


class DownRegions:
    """The regions that are down, and how often each has died."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._down: set[str] = set()
        self._deaths: Counter[str | None] = Counter()
        self._working: Counter[str | None] = Counter()
        self._inside = threading.local()
        self._without_control_planes: set[str] = set()

    @property
    def down(self) -> frozenset[str]:
        return frozenset(self._down)

    @property
    def control_planes_down(self) -> bool:
        """Whether the APIs that all regions share died with the region that hosts them."""
        return bool(self._without_control_planes)

    def is_down(self, region: str | None) -> bool:
        return region in self._down

    def life(self, region: str | None) -> int | None:
        """Return a number that changes with each death of the region, None while the region is down."""
        with self._changed:
            return None if region in self._down else self._deaths[region]

    def hold(self, *regions: str | None) -> None:
        """Wait until all these regions are up.

        The main thread answers requests and never waits; for it, `front` drops the requests instead.
        """
        if threading.current_thread() is not threading.main_thread():
            with self._changed:
                self._changed.wait_for(lambda: self._down.isdisjoint(regions))

    @contextmanager
    def working(self, region: str | None) -> Iterator[None]:
        """Wait until the region is up, and delay its death until the short work in this context is done."""
        if getattr(self._inside, "working", False) or threading.current_thread() is threading.main_thread():
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: region not in self._down)
            self._working[region] += 1
        self._inside.working = True
        try:
            yield
        finally:
            self._inside.working = False
            with self._changed:
                self._working[region] -= 1
                self._changed.notify_all()

    def kill(self, region: str, *, control_planes: bool) -> None:
        """Let nothing begin in the region any more; `settle` waits for what has begun."""
        with self._changed:
            if region not in self._down:
                self._down.add(region)
                self._deaths[region] += 1
            if control_planes:
                self._without_control_planes.add(region)

    def settle(self, region: str) -> None:
        """Wait until no short work is under way in the region; RuntimeError if it does not end."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._working[region], SETTLE_WITHIN):
                raise RuntimeError(f"{region} is down, but work is still under way in it")

    def revive(self, region: str, *, first: Callable[[], None]) -> None:
        """Bring the region back: call `first`, then wake everything that waits for the region."""
        with self._changed:
            self._down.discard(region)
            self._without_control_planes.discard(region)
        first()
        with self._changed:
            self._changed.notify_all()


REGIONS = DownRegions()
