"""What the processes of a world use: memory, file descriptors and processor time, read from `/proc`.

https://www.kernel.org/doc/html/latest/filesystems/proc.html
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.world import World

_PROC = Path("/proc")

#: The parts of a world, as they are named in accounts.
HERE = "clients, endpoints and partners (this process)"
AWS = "the emulated AWS"
WORKERS = "the functions' workers"
SERVERS = "partners' sshd and operators' commands"


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What the parts of a world use: memory in MB, open file descriptors, processor seconds so far.

    Memory that processes share, as forked workers do, is divided among them. Everything is empty where there
    is no `/proc`.
    """

    megabytes: dict[str, float]
    descriptors: dict[str, float]
    processor: dict[str, float]

    @property
    def kept(self) -> float:
        """The memory in MB of the processes that last as long as the world."""
        return self.megabytes.get(HERE, 0) + self.megabytes.get(AWS, 0)

    @property
    def open(self) -> int:
        """The file descriptors of these processes."""
        return round(self.descriptors.get(HERE, 0) + self.descriptors.get(AWS, 0))


def usage(world: World) -> Usage:
    """Return what a world uses now."""
    memory, files, seconds = (defaultdict[str, float](float) for _ in range(3))
    ticks = os.sysconf("SC_CLK_TCK")
    for pid, part in _parts(world.aws.pid):
        with suppress(OSError):  # it has ended
            fields = _fields(pid)
            files[part] += sum(1 for _ in (_PROC / str(pid) / "fd").iterdir())
            memory[part] += _proportional(pid)
            # Children that have ended count too, but for those of this process: operators' commands.
            own = fields[11:13] if part == HERE else fields[11:15]
            seconds[part] += sum(map(int, own)) / ticks
    return Usage(megabytes=dict(memory), descriptors=dict(files), processor=dict(seconds))


def _parts(aws: int) -> Iterator[tuple[int, str]]:
    """Yield this process and all that descend from it, each with its part of the world."""
    children: dict[int, list[int]] = {}
    for each in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            children.setdefault(int(_fields(int(each.name))[1]), []).append(int(each.name))
    waiting = [(os.getpid(), HERE)] if children else []
    while waiting:
        pid, part = waiting.pop()
        yield pid, part
        for child in children.get(pid, ()):
            below = WORKERS if part in (AWS, WORKERS) else SERVERS
            waiting.append((child, AWS if child == aws else below))


def _proportional(pid: int) -> float:
    """Return the proportional set size of a process in MB."""
    lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("Pss:"))


def _fields(pid: int) -> list[str]:
    """Return the fields of `/proc/PID/stat` from the state on, which is the third in proc(5)."""
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
