"""Which regions are down, for every thread of the emulated AWS: who asks, who waits, who is waited for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: Seconds that `settle` gives to work that had begun when its region died; such work takes milliseconds.
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
        """Whether the APIs that all regions share died with the region that they are in."""
        return bool(self._without_control_planes)

    def is_down(self, region: str | None) -> bool:
        return region in self._down

    def life(self, region: str | None) -> int | None:
        """Return a number that is another after each death, or None while the region is down."""
        with self._changed:
            return None if region in self._down else self._deaths[region]

    def hold(self, *regions: str | None) -> None:
        """Wait until all these regions are up.

        The main thread answers requests and never waits: what it does is refused at the door instead.
        """
        if threading.current_thread() is not threading.main_thread():
            with self._changed:
                self._changed.wait_for(lambda: self._down.isdisjoint(regions))

    @contextmanager
    def working(self, region: str | None) -> Iterator[None]:
        """Wait until the region is up, and let its death wait until this short piece of work is done."""
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
        """Let nothing of the region begin any more; `settle` waits for what had begun."""
        with self._changed:
            if region not in self._down:
                self._down.add(region)
                self._deaths[region] += 1
            if control_planes:
                self._without_control_planes.add(region)

    def settle(self, region: str) -> None:
        """Wait until no short work of the region is under way; RuntimeError when it does not end."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._working[region], SETTLE_WITHIN):
                raise RuntimeError(f"{region} is down, but something of it still works")

    def revive(self, region: str, *, first: Callable[[], None]) -> None:
        """Bring the region back: call `first`, then let go on what waited for it."""
        with self._changed:
            self._down.discard(region)
            self._without_control_planes.discard(region)
        first()
        with self._changed:
            self._changed.notify_all()


REGIONS = DownRegions()
