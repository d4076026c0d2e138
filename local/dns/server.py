"""A name server for the zone of the emulated Route 53, over UDP and TCP on one port of loopback.

    with DnsServer(aws.client, zone_id, "mft.example.gov", {"203.0.113.1": "127.0.0.2"}) as dns:
        dns.answer("primary.agencya.mft.example.gov", "CNAME").values

It stands for Route 53's data plane. While the control plane cannot be reached, it answers with the records
that it read last and goes on evaluating health; while the CloudWatch of a region cannot be reached, the
checks on its alarms find no new data.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, ip_address
from typing import Any

from dnslib import DNSLabel

from local.dns.health import UNREACHABLE, HealthChecks
from local.dns.wire import Listener
from local.dns.zone import Answer, ServedZone
from runtime.contract import REGION_OF, WEST

#: The region with the partition's only control plane of Route 53.
CONTROL_REGION = REGION_OF[WEST]

_RECORDS = "records"  # the name of the job that reads records
_REPORTS = "reports"  # the name of the job that reports health
_STOP_WITHIN = 5.0


class DnsServer:
    """The name server of one zone while the context is open, or from `start` to `close`.

    `client(service, region)` returns boto3 clients. `addresses` maps public addresses to loopback ones and
    may grow; an address that is not in it is answered as it is. `every` is the pause in seconds between two
    reads of the records, and between two evaluations of a health check; a job that takes longer pauses for as
    long as it took. `period_scale` multiplies the periods of alarms (see `local.dns.health`), which are timed
    by `clock`. `report` is called again and again with what health checkers report, by the ids of checks.
    """

    def __init__(
        self,
        client: Callable[[str, str], Any],
        zone_id: str,
        zone: str,
        addresses: Mapping[str, str],
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        every: float = 0.5,
        period_scale: float = 1.0,
        clock: Callable[[], float] = time.time,
        report: Callable[[dict[str, bool]], None] | None = None,
    ) -> None:
        if not IPv4Address(address).is_loopback:
            raise ValueError(f"{address} is not a loopback address")
        self.address, self.port = address, port
        self._client = client
        self._zone_id, self._zone_name, self._addresses = zone_id, zone, addresses
        self._zone = ServedZone(zone, [], addresses)
        self._checks = HealthChecks(
            client, address_of=self._address_of, period_scale=period_scale, clock=clock
        )
        self._report = report
        self._jobs = _Jobs(every)
        self._listener: Listener | None = None

    def __enter__(self) -> DnsServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> DnsServer:
        """Read records and evaluate health once, then answer; OSError if the port cannot be used."""
        self._listener = Listener(self.address, self.port, self.answer)
        self.port = self._listener.port
        try:
            self._read()
            self._jobs.once(self._checks.jobs())
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Stop for good. Safe to call twice."""
        self._jobs.stop()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def refresh(self) -> None:
        """Read the records and evaluate every health check now; what cannot be reached stays as it was."""
        self._jobs.once([_RECORDS])
        self._jobs.once([*self._checks.jobs(), _REPORTS])

    def health(self) -> dict[str, bool]:
        """Return whether each health check is healthy, by its id."""
        return self._checks.verdicts()

    def answer(self, name: str | DNSLabel, type: str) -> Answer:
        """Return the answer that a client gets to a question."""
        return self._zone.answer(DNSLabel(name), type, self._checks.healthy)

    def _read(self) -> None:
        route53 = self._client("route53", CONTROL_REGION)
        pages = route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=self._zone_id)
        record_sets = [each for page in pages for each in page["ResourceRecordSets"]]
        self._checks.read(route53)
        self._zone = ServedZone(self._zone_name, record_sets, self._addresses)
        told = {_REPORTS: self._tell} if self._report else {}
        self._jobs.keep({_RECORDS: self._read_again, **told, **self._checks.jobs()})

    def _read_again(self) -> None:
        with contextlib.suppress(*UNREACHABLE):
            self._read()

    def _tell(self) -> None:
        assert self._report is not None
        with contextlib.suppress(OSError):  # nobody listens any more
            self._report(self._checks.reports())

    def _address_of(self, host: str) -> str | None:
        """Return the address of a health check's endpoint, None if it is not on loopback."""
        found = (self._addresses.get(host, host), *self.answer(host, "A").values)
        return next((address for address in found if _on_loopback(address)), None)


class _Jobs:
    """Repeats jobs, each in its own daemon thread, so that one that hangs does not delay the others."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._jobs: dict[str, Callable[[], None]] = {}
        self._turns: dict[str, threading.Lock] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def keep(self, jobs: dict[str, Callable[[], None]]) -> None:
        """Replace the jobs, which are known by name: new ones start, and those that are missing end."""
        with self._lock:
            self._jobs = jobs
            for name in jobs.keys() - self._threads.keys():
                self._threads[name] = threading.Thread(
                    target=self._repeat, args=(name,), name=f"dns {name}", daemon=True
                )
                self._threads[name].start()

    def once(self, names: Iterable[str]) -> None:
        """Run these jobs now, each after any run of the same job that is under way."""
        for name in names:
            with self._turns.setdefault(name, threading.Lock()):
                self._jobs.get(name, _nothing)()

    def stop(self) -> None:
        """Stop the threads; one that hangs is abandoned."""
        self._stopped.set()
        give_up = time.monotonic() + _STOP_WITHIN
        for thread in list(self._threads.values()):
            thread.join(max(0.0, give_up - time.monotonic()))

    def _repeat(self, name: str) -> None:
        pause = self._every
        while not self._stopped.wait(pause):
            with self._lock:
                if name not in self._jobs:
                    del self._threads[name]
                    return
            began = time.monotonic()
            self.once([name])
            pause = max(self._every, time.monotonic() - began)


def _nothing() -> None:
    """The job in place of one that has ended."""


def _on_loopback(address: str) -> bool:
    with contextlib.suppress(ValueError):
        return ip_address(address).is_loopback
    return False
