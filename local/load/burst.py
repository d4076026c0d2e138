"""A burst: one customer sends many files within a minute while others send as usual; all are accounted for.

The waits of the workflow are less scaled than in a drill: a burst may take longer here than its scaled budget
of waits for room.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from local.drill.acknowledged_files import AcknowledgedFiles, SentFile
from local.drill.observations import Observations
from local.drill.scenario_runner import NEWCOMER, newcomer
from local.drill.sender import Cast, Sender, sdk_senders
from local.drill.story import SOON, Story, until
from local.load.balance import Balance
from local.load.processes import Usage, usage
from local.world import World
from runtime.contract import WEST, Kind

#: How much faster than the platform's own the waits of Step Functions are.
SPEED_UP = 20

#: Seconds for which the burst lasts, if the machine can take it that fast, and within which the files of
#: other customers are delivered meanwhile (docs/adr/0039-fair-shares.md).
BURST, OTHERS = 60.0, 120.0

#: Memory that the processes of a world may use at most: with all functions warm, and for each file.
MEGABYTES, MEGABYTES_OF_FILE = 2_500, 0.5

#: Seconds without a file's arrival after which a burst is given up, and between two looks.
_STUCK, _LOOK = 300.0, 2.0

#: Connections of the customer that sends the burst, and seconds between two files of another customer.
_CONNECTIONS, _PAUSE = 8, 2.0

_SIZE = 10_000  # bytes


@dataclass
class _Peak:
    """The most that the processes of a world have used, in MB and in file descriptors."""

    megabytes: float = 0.0
    descriptors: float = 0.0
    processes: dict[str, float] = field(default_factory=dict)

    def see(self, now: Usage) -> None:
        """Take another look into account."""
        self.descriptors = max(self.descriptors, sum(now.descriptors.values()))
        if (total := sum(now.megabytes.values())) > self.megabytes:
            self.megabytes, self.processes = total, now.megabytes


class Burst:
    """A burst in one world, which it deploys; the world's `speed_up` is SPEED_UP."""

    def __init__(self, world: World, story: Story, *, files: int) -> None:
        """Raises StoryError if the registry has no customer for a part."""
        self._world, self._story, self._files = world, story, files
        cast = Cast.of(world.customers())
        self._other_senders = (cast.by_sftp, cast.by_sdk)
        self._observations = Observations(world)
        self._acknowledged = AcknowledgedFiles(self._observations)
        self._others = AcknowledgedFiles(self._observations)
        self._is_over = threading.Event()

    def play(self) -> None:
        """Send the burst, wait until it is delivered, and account for it in the story."""
        world, story = self._world, self._story
        world.add_customer(NEWCOMER)
        with story.step("Both cells come up, made by the program"):
            for step, seconds in world.deploy():
                story.say(f"{step}: {seconds:.1f} s")
        [sender] = sdk_senders([newcomer(world).customer])
        with story.step("Other customers send a file each, alone"):
            alone = [self._usual(other, 0) for other in self._other_senders]
        before, began, peak = usage(world), time.monotonic(), _Peak()
        with story.step(f"{self._files} files of one customer at once, while others send as usual"):
            with self._other_customers() as waits:
                self._send(sender)
                sent = time.monotonic() - began
                story.say(f"{self._files} files are acknowledged after {sent:.0f} s")
                self._until_arrived(sender, peak)
                whole = time.monotonic() - began
            still = until(self._observations.is_still, within=SOON)
            story.expect("nothing is under way any more", bool(still))
        with story.step("The accounts"):
            self._account(alone, waits)
            self._memory(peak)
        self._profile(before, usage(world), time.monotonic() - began)
        story.figure(
            "files in a second, from the first upload to the last delivery", round(self._files / whole, 1)
        )

    def _send(self, sender: Sender) -> None:
        """Upload the files, evenly over the burst's time or as fast as the machine takes them."""
        bucket = self._world.graphs[WEST].exports["buckets"][sender.customer.id]
        s3, began = self._world.client("s3", WEST), time.monotonic()

        def upload(number: int) -> None:
            time.sleep(max(0.0, began + BURST * number / self._files - time.monotonic()))
            name = f"burst-{number:06}.csv"
            s3.put_object(Bucket=bucket, Key=sender.key(name), Body=secrets.token_bytes(_SIZE))
            self._acknowledged.add(SentFile(sender=sender, name=name, side=WEST, at=time.time()))

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            for _ in pool.map(upload, range(self._files)):
                pass

    @contextmanager
    def _other_customers(self) -> Iterator[list[float]]:
        """Let two other customers send a file now and then; yield the seconds that each took to arrive."""
        waits: list[float] = []
        threads = [
            threading.Thread(target=self._live, args=(sender, waits), daemon=True)
            for sender in self._other_senders
        ]
        for each in threads:
            each.start()
        try:
            yield waits
        finally:
            self._is_over.set()
            for each in threads:
                each.join()

    def _live(self, sender: Sender, waits: list[float]) -> None:
        number = 0
        while not self._is_over.wait(_PAUSE):
            number += 1
            waits.append(self._usual(sender, number))

    def _usual(self, sender: Sender, number: int) -> float:
        """Send a file of another customer; return the seconds until it has arrived."""
        file = SentFile(sender=sender, name=f"usual-{number:04}.csv", side=WEST, at=time.time())
        content = secrets.token_bytes(_SIZE)
        if sender.user:
            self._world.sftp(sender.user, WEST).upload(file.name, content)
        else:
            bucket = self._world.graphs[WEST].exports["buckets"][sender.customer.id]
            self._world.client("s3", WEST).put_object(Bucket=bucket, Key=file.key, Body=content)
        self._others.add(file)
        until(lambda: self._has_arrived(file), within=_STUCK, every=1)
        return time.time() - file.at

    def _has_arrived(self, file: SentFile) -> bool:
        return all(
            self._observations.delivered(file.sender.customer, destination, name) is not None
            for destination, name in file.destinations.items()
        )

    def _until_arrived(self, sender: Sender, peak: _Peak) -> None:
        """Wait until the partner has all files, or gets none any more; tell how many it has."""
        [[destination, name]] = self._acknowledged.files()[0].destinations.items()
        partner = self._world.external_parties.partners[sender.customer.id, destination]
        folder = (partner.inbox / name).parent
        arrived, last = 0, time.monotonic()
        told = last
        while arrived < self._files and time.monotonic() - last < _STUCK:
            peak.see(usage(self._world))
            found = sum(1 for each in folder.glob("burst-*.csv"))
            if found > arrived:
                arrived, last = found, time.monotonic()
            if time.monotonic() - told >= 5 * _LOOK:
                told = time.monotonic()
                self._story.say(
                    f"{arrived} of {self._files} files have arrived; {peak.megabytes:.0f} MB at most"
                )
            time.sleep(_LOOK)

    def _account(self, alone: list[float], waits: list[float]) -> None:
        story, balance = self._story, Balance(self._world, self._observations)
        for files in (self._acknowledged, self._others):
            balance.add(files.files(), files, WEST)
        faults = "; ".join(balance.faults) or "none"
        story.expect(f"{balance.line}; not accounted for: {faults}", not balance.faults)
        story.keep("balance", balance.document)
        delay = max(waits, default=0) - max(alone)
        story.expect(
            f"{len(waits)} files of other customers arrived within {max(waits, default=0):.0f} s (median"
            f" {median(waits or [0]):.0f} s), and alone within {max(alone):.0f} s: {delay:.0f} s of delay, at"
            f" most {OTHERS:.0f} s",
            bool(waits) and delay <= OTHERS,
        )
        for what, seconds in self._stages().items():
            story.figure(f"{what}, median and longest", f"{median(seconds):.1f} s, {max(seconds):.1f} s")

    def _stages(self) -> dict[str, list[float]]:
        """Return how many seconds each stage took, for each file of the burst that has reached its end."""
        stages: dict[str, list[float]] = {}
        for account in self._acknowledged.accounts(WEST):
            at = {fact.kind: datetime.fromisoformat(fact.at).timestamp() for fact in account.facts}
            moments = [
                account.file.at,
                *(at.get(kind) for kind in (Kind.RECEIVED, Kind.DELIVERED, Kind.ARCHIVED)),
            ]
            names = ("until taken in", "from there until delivered", "from there until archived")
            for name, begin, end in zip(names, moments, moments[1:], strict=False):
                if begin is not None and end is not None:
                    stages.setdefault(name, []).append(max(0.0, end - begin))
        return stages

    def _memory(self, peak: _Peak) -> None:
        most = MEGABYTES + MEGABYTES_OF_FILE * self._files
        parts = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in sorted(peak.processes.items()))
        self._story.expect(
            f"memory: {peak.megabytes:.0f} MB at most ({parts}), within {most:.0f} MB;"
            f" file descriptors: {peak.descriptors:.0f} at most",
            peak.megabytes <= most,
        )

    def _profile(self, before: Usage, after: Usage, seconds: float) -> None:
        """Say which part of the world was busiest: a process of Python cannot use much more than one core."""
        cores: dict[str, Any] = {
            name: (total - before.processor.get(name, 0)) / seconds for name, total in after.processor.items()
        }
        for name, used in sorted(cores.items(), key=lambda each: -each[1]):
            self._story.figure(f"cores used by {name}", round(used, 2))
        if cores:
            self._story.figure("what limits", max(cores, key=lambda name: cores[name]))
