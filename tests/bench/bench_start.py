"""The cold start of each handler: `python -m tests.bench.bench_start [ROUNDS]`.

Each handler is imported from the built bundle, in a new interpreter without compiled code, as in Lambda:
the bundle has none, and Lambda's file system keeps none. What it takes is compared with the time for
`import boto3` from the same bundle in the same round, because seconds of a busy machine mean nothing by
themselves. It ends with 1 if a handler, or the size of the bundle, is above its budget.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from components import bundle
from local import program

ROUNDS = 5
#: The most bytes of the bundle, and the most seconds of an import as multiples of those for boto3.
MOST_BYTES, MOST = 9_000_000, 2.0
#: These speak SFTP.
SPEAKS_SFTP, MOST_WITH_SFTP = ("deliver", "canary"), 4.0

_CODE = """
import sys, time
sys.path.insert(0, sys.argv[1])
began = time.process_time()
__import__(sys.argv[2])
print(time.process_time() - began, len(sys.modules))
"""


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    bundle.install(runtime)
    built = bundle.build(runtime)
    size, missed = built.stat().st_size, []
    print(f"The bundle has {size / 1e6:.1f} MB, of at most {MOST_BYTES / 1e6:.1f}")
    if size > MOST_BYTES:
        missed.append("bundle")
    folder = program.ROOT / "runtime" / "handlers"
    handlers = sorted(each.stem for each in folder.glob("*.py") if each.stem not in ("__init__", "wiring"))
    seconds: dict[str, list[float]] = {}
    modules: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as place:
        with zipfile.ZipFile(built) as archive:
            archive.extractall(place)
        for _ in range(rounds):
            for name in ("boto3", *(f"runtime.handlers.{handler}" for handler in handlers)):
                taken, modules[name] = _import(Path(place), name)
                seconds.setdefault(name, []).append(taken)
    print(f"Import, CPU ms: minimum, median, maximum of {rounds}; times boto3; modules")
    for name, taken in seconds.items():
        handler = name.rpartition(".")[2]
        times = statistics.median(a / b for a, b in zip(taken, seconds["boto3"], strict=True))
        due = MOST_WITH_SFTP if handler in SPEAKS_SFTP else MOST
        if times > due:
            missed.append(f"{handler}: {times:.2f} of {due}")
        spread = " ".join(
            f"{1000 * each:5.0f}" for each in (min(taken), statistics.median(taken), max(taken))
        )
        print(f"  {handler:<12} {spread}   {times:4.2f} of {due}   {modules[name]}")
    if missed:
        print("Above its budget:", *missed, sep="\n  ")
        sys.exit(1)


def _import(place: Path, name: str) -> tuple[float, int]:
    """Return the CPU seconds of an import, and how many modules are loaded afterwards."""
    command = [sys.executable, "-I", "-S", "-B", "-c", _CODE, str(place), name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, modules = done.stdout.split()
    return float(seconds), int(modules)


if __name__ == "__main__":
    main()
