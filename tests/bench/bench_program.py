"""The program at many customers: seconds, memory, and the ratio to a bare loop that makes the same resources.

`python -m tests.bench.bench_program [CUSTOMERS...]`, 10, 100 and 1,000 by default. Each figure
comes from a process of its own, in seconds of its CPU time, with resources echoed: it is Python's share of a
`pulumi up`, without engine and provider. The bare loop makes what the program made, of the same classes and
with the same dependencies, its inputs ready-made: it fails if what it registers is anything else. Where a run
takes seconds, the two take turns and each is the median of its runs.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import asyncssh

from components import bundle
from customers import quota
from local import program
from tests.bench import bare_loop
from tests.program.conftest import RUNTIME, SECRETS, ask, echo

STACK = "gov-west"
SIZES = (10, 100, 1_000)
#: What is run, by what is measured.
MAINS = {"program": program.ROOT / "__main__.py", "bare": Path(bare_loop.__file__)}
#: What the ratio may be, by the project's budget.
BUDGET = 1.15


def registry(count: int, folder: Path) -> None:
    """Write a registry of `count` customers, each with one SFTP user and a health check of its own."""
    sample = (program.ROOT / "local/drill/newcomer.yaml").read_text()
    (folder / "customers").mkdir()
    for number in range(count):
        id = f"b{number:05d}"
        key = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode().strip()
        text = sample.replace("n3w0k", id).replace("partner-n-lake", f"partner-{id}-lake")
        text = text.replace("user: newcomer", f"user: {id}")
        text = re.sub(r"- ecdsa-sha2-nistp256 \S+", f"- {key}", text)
        (folder / "customers" / f"{id}.yaml").write_text(text)


def run_program(folder: Path, main: Path = MAINS["program"]) -> program.Graph:
    """Run the program of a stack on a registry; every resource is echoed."""
    config = {**program.stack_config(STACK), "mft:lambdaRuntime": RUNTIME, "mft:healthCheckQuota": "99999"}
    return program.run(STACK, make=echo, ask=ask, config=config, secrets=SECRETS, root=folder, main=main)


def child(what: str, count: int) -> None:
    """Measure one run in this process, and print it as JSON."""
    quota.ZONE_LIMIT = 2 * count * quota.RECORDS_OF_CUSTOMER  # Python is measured, not what a zone holds
    gc.enable = lambda: None  # a process of `pulumi up` ends before anything is collected
    asyncio.set_event_loop(asyncio.new_event_loop())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry(count, folder)
        graph = run_program(folder)  # the bundle is written, the modules are read
        bare_loop.prepare(graph)
        gc.collect()
        began = time.process_time()
        again = run_program(folder, MAINS[what])
        seconds = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert not bare_loop.differences(again)
    print(json.dumps({"seconds": seconds, "memory": memory, "all": len(graph.resources)}))


def measured(what: str, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", __spec__.name, what, str(count)]
    done = subprocess.run(command, cwd=program.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def median(runs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    ordered = sorted(runs, key=lambda each: each["seconds"])
    return ordered[len(ordered) // 2]


def main(sizes: list[int]) -> None:
    """Print a line for each number of customers."""
    bundle.install(RUNTIME)
    for size in sizes:
        rounds = max(1, min(7, 300 // size))
        turns = [(measured("program", size), measured("bare", size)) for _ in range(rounds)]
        ours, bare = (median(turn[which] for turn in turns) for which in (0, 1))
        print(
            f"program: {size:>5,} customers  {ours['all']:>7,} resources  {ours['seconds']:6.1f} s"
            f"  {1000 * ours['seconds'] / ours['all']:5.2f} ms each  {ours['memory']:6.0f} MB"
            f"  bare loop {bare['seconds']:6.1f} s  ratio {ours['seconds'] / bare['seconds']:.2f}"
            f" (budget {BUDGET})",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in MAINS:
        child(sys.argv[1], int(sys.argv[2]))
    else:
        main([int(each) for each in sys.argv[1:]] or list(SIZES))
