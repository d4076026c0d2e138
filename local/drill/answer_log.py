"""A log of what the zone's name server answers for some names: every change, with its time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from customers import names
from local.drill.runs import AnswerChange
from runtime.contract import ENDPOINTS, SIDE_OF, SIDES, BucketRecord

_EVERY = 0.2

Name = tuple[str, str, str]  # endpoint, name, type


class AnswerLog:
    """Queries every name of some customers, again and again, from `start` to `stop`.

    `ask` queries the name server: it takes a name and a record type and returns the values of the answer.
    `now` returns the seconds since the scenario began, with which changes are logged.
    """

    def __init__(
        self,
        customers: Iterable[str],
        *,
        zone: str,
        cell: str,
        ask: Callable[[str, str], tuple[str, ...]],
        now: Callable[[], float],
    ) -> None:
        self._hosts = {f"{names.cell_host(side, cell, zone)}.": side for side in SIDES}
        self._ask, self._now = ask, now
        self._names: dict[str, list[Name]] = {
            customer: [
                name
                for endpoint in ENDPOINTS
                for name in (
                    (endpoint, names.endpoint_host(endpoint, customer, zone), "CNAME"),
                    (endpoint, names.bucket_record(endpoint, customer, zone), "TXT"),
                )
            ]
            for customer in dict.fromkeys(customers)
        }
        self.customers = list(self._names)
        self._sides: dict[Name, str] = {}
        self._stopped, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="answers", daemon=True)
        self.changes: list[AnswerChange] = []

    def start(self) -> None:
        """Query all names once, and from then on in a thread."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """Stop querying."""
        self._stopped.set()
        self._thread.join()

    def of(self, customer: str) -> dict[str, str]:
        """Return the side that each endpoint of a customer answers with; CNAME and TXT have to agree."""
        self.look()
        found: dict[str, str] = {}
        for name in self._names[customer]:
            side = self._sides[name]
            found[name[0]] = side if found.get(name[0], side) == side else "CNAME and TXT disagree"
        return found

    @property
    def are_steady(self) -> bool:
        """Whether no name has changed its answer since the start."""
        return len(self.changes) == len(self._sides)

    def look(self) -> None:
        """Query all names now and log what has changed."""
        with self._lock:
            for name in (each for of_one in self._names.values() for each in of_one):
                side = self._side(*name[1:])
                if self._sides.get(name) != side:
                    self._sides[name] = side
                    at = round(self._now(), 2)
                    self.changes.append(AnswerChange(name=name[1], type=name[2], at=at, side=side))

    def _watch(self) -> None:
        while not self._stopped.wait(_EVERY):
            self.look()

    def _side(self, name: str, type: str) -> str:
        values = self._ask(name, type)
        if type == "CNAME":
            return next((self._hosts[value] for value in values if value in self._hosts), "none")
        try:
            return SIDE_OF[BucketRecord.parse(values[0]).region]
        except (IndexError, KeyError, ValueError):
            return "none"
