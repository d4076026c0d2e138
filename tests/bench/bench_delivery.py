"""Deliveries by SFTP beside the tools that people use: `python -m tests.bench.bench_delivery [ROUNDS]`.

One run sends the same files to the same OpenSSH server on loopback with `sftp`, with rclone and with the
product, in turn, and prints ratios: how many times as long the tool took, as minimum, median and maximum over
the rounds. Seconds of a busy machine mean nothing by themselves; the client's CPU seconds say more there. The
product is measured as in a warm function: from before the connection until after the rename, with SHA-256,
fsync and everything else; the tools from start to exit. It ends with 1 if a median is below its budget.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from runtime.delivery import channels, content_hash, sftp
from runtime.delivery.target import SftpTarget
from tests.bench.sftp_ground import MB, LoopbackServer, delayed, source_of, write_file

ROUNDS = 5
#: Seconds in each direction.
DELAY = 0.02
#: The budgets, as multiples of the speed of `sftp`.
NEAR, FAR, SEVERAL_CHANNELS, MANY_SMALL = 1.0, 1.2, 2.4, 2.0
SMALL, SMALL_AWAY, SMALL_SIZE, AT_ONCE = 2000, 200, 10_000, 64
#: The most megabytes that a process that delivers may ever have, and the files for which that is measured.
MOST_MEMORY = 128
MEMORY_SIZES = (1, 256, 4096)

Timed = Callable[[], Any]


class Bench:
    """The comparisons of one run; `missed` are the budgets that were not met."""

    def __init__(self, server: LoopbackServer, folder: Path, rounds: int) -> None:
        self.server, self._folder, self._rounds = server, folder, rounds
        self.missed: list[str] = []

    def compare(self, what: str, tools: dict[str, Timed], ours: dict[str, tuple[Timed, float]]) -> None:
        """Run all in turn, several times, and print how often each of ours fits into each tool's time.

        Beside each of ours is its budget, which is about the first tool; 0 is none.
        """
        taken: dict[str, list[float]] = {}
        worked: dict[str, list[float]] = {}
        for number in range(self._rounds):
            both = [*tools.items(), *((name, run) for name, (run, _) in ours.items())]
            for name, run in both if number % 2 == 0 else reversed(both):
                began, work = time.perf_counter(), _cpu()
                run()
                taken.setdefault(name, []).append(time.perf_counter() - began)
                worked.setdefault(name, []).append(_cpu() - work)
                self.server.empty()
        print(f"\n{what}; load {os.getloadavg()[0]:.0f}")
        for name in tools:
            print(f"  {name:<28} {_spread(taken[name])} s   CPU {_spread(worked[name])} s")
        for name, (_, budget) in ours.items():
            print(f"  {name:<28} {_spread(taken[name])} s   CPU {_spread(worked[name])} s")
            for tool in tools:
                ratios = [theirs / own for theirs, own in zip(taken[tool], taken[name], strict=True)]
                due = budget if tool == next(iter(tools)) else 0
                is_met = statistics.median(ratios) >= due
                print(f"    {tool:<26} {_spread(ratios)} x" + (f"   budget {due} x" if due else ""))
                if not is_met:
                    self.missed.append(f"{what}: {name}: {statistics.median(ratios):.2f} x of {due} x")

    def one(self, port: int, path: Path, **target: Any) -> None:
        """Deliver one file over a connection of its own."""
        sftp.deliver_now(
            source_of(path),
            self.server.target(port, **target),
            private_key=self.server.private_key,
            name=path.name,
            attempt="bench",
        )

    def many(self, port: int, paths: list[Path], **target: Any) -> None:
        """Deliver files over one connection, many at a time."""

        async def each() -> None:
            to = self.server.target(port, **target)
            async with sftp.session(to, private_key=self.server.private_key) as opened:
                room = asyncio.Semaphore(AT_ONCE)

                async def send(path: Path) -> None:
                    async with room:
                        await opened.deliver(source_of(path), name=path.name, attempt="bench")

                await asyncio.gather(*map(send, paths))

        asyncio.run(each())

    def large(self, port: int, size: int, what: str, budget: float) -> None:
        path = write_file(self._folder / f"{size}.bin", size * MB)

        def without_hash() -> None:
            with _changed(content_hash, "hashlib", _NoHash):
                self.one(port, path, fsync=False)

        def one_channel() -> None:
            with _changed(channels, "MOST_CHANNELS", 1):
                self.one(port, path)

        ours = {"product": (lambda: self.one(port, path), budget)}
        if port != self.server.own_port:
            ours = {
                "product": (lambda: self.one(port, path), 2.4),
                "product, one channel": (one_channel, budget),
            }
        self.compare(
            what,
            {
                "sftp": lambda: self.server.sftp(port, f"put {path}\n"),
                "rclone": lambda: self.server.rclone(port, path),
            },
            {
                **ours,
                "without fsync": (lambda: self.one(port, path, fsync=False), 0),
                "without fsync and SHA-256": (without_hash, 0),
            },
        )
        path.unlink()

    def small(self, port: int, count: int, where: str) -> None:
        folder = self._folder / f"small-{count}"
        folder.mkdir()
        paths = [write_file(folder / f"{number:05}.csv", SMALL_SIZE) for number in range(count)]
        self.compare(
            f"{count} files of {SMALL_SIZE // 1000} KB over one connection, {where}",
            {
                "sftp -b": lambda: self.server.sftp(port, "".join(f"put {path}\n" for path in paths)),
                "rclone, 16 at a time": lambda: self.server.rclone(port, folder, "--transfers", "16"),
            },
            {
                f"product, {AT_ONCE} at a time": (lambda: self.many(port, paths), MANY_SMALL),
                "without fsync": (lambda: self.many(port, paths, fsync=False), 0),
            },
        )

    def memory(self, size: int) -> None:
        """Deliver a file of `size` megabytes in a process of its own, and print the most that it ever had."""
        path = self._folder / "sparse.bin"
        with path.open("wb") as file:
            file.truncate(size * MB)
        command = [sys.executable, "-m", "tests.bench.bench_delivery", "--peak", str(path)]
        to = [str(self.server.own_port), self.server.user, self.server.host_key, self.server.directory]
        done = subprocess.run(
            [*command, *to], input=self.server.private_key, text=True, capture_output=True, check=True
        )
        self.server.empty()
        path.unlink()
        peak = int(done.stdout)
        print(f"  {size:>5} MB: {peak} MB")
        if peak > MOST_MEMORY:
            self.missed.append(f"memory at {size} MB: {peak} MB of {MOST_MEMORY}")


class _NoHash:
    """A hash of nothing, for what SHA-256 costs."""

    @staticmethod
    def sha256(begin: bytes) -> _NoHash:
        del begin
        return _NoHash()

    def update(self, data: bytes) -> None:
        del data

    def hexdigest(self) -> str:
        return hashlib.sha256().hexdigest()


@contextmanager
def _changed(module: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _cpu() -> float:
    """Return the CPU seconds of this process and of the clients that it has run."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _spread(values: list[float]) -> str:
    return f"{min(values):6.2f} {statistics.median(values):6.2f} {max(values):6.2f}"


def _peak(path: str, port: str, user: str, host_key: str, directory: str) -> None:
    target = SftpTarget(host="127.0.0.1", port=int(port), user=user, host_key=host_key, directory=directory)
    key = sys.stdin.read()
    sftp.deliver_now(source_of(Path(path)), target, private_key=key, name="a.bin", attempt="bench")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main() -> None:
    if "--peak" in sys.argv:
        return _peak(*sys.argv[2:])
    if missing := [tool for tool in ("sshd", "sftp", "rclone") if not shutil.which(tool)]:
        return print(f"bench_delivery is left out: there is no {', '.join(missing)} on this machine")
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as name, closing(LoopbackServer()) as server:
        bench = Bench(server, Path(name), rounds)
        print(f"SFTP: minimum, median, maximum of {rounds} rounds")
        bench.large(server.own_port, 256, "256 MB, no delay", NEAR)
        bench.large(server.own_port, 1000, "1 GB, no delay", NEAR)
        with delayed(server.own_port, DELAY) as port:
            away = f"{2000 * DELAY:.0f} ms there and back"
            bench.large(port, 128, f"128 MB, {away}", FAR)
            bench.small(port, SMALL_AWAY, away)
        bench.small(server.own_port, SMALL, "no delay")
        print("\nPeak memory of a process that delivers one file")
        for size in MEMORY_SIZES:
            bench.memory(size)
    if bench.missed:
        print("\nBudgets that were missed:", *bench.missed, sep="\n  ")
        sys.exit(1)
    return None


if __name__ == "__main__":
    main()
