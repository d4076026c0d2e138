"""The program at many customers: seconds, memory, and the ratio to a bare loop that makes the same resources.

`python -m tests.bench.bench_program [CUSTOMERS...]`, 10, 100 and 1,000 unless told otherwise. Each figure
comes from a process of its own, in seconds of its CPU time, with resources echoed: it is Python's share of a
`pulumi up`, without engine and provider. The bare loop makes what the program made, of the same classes, with
the inputs ready-made.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import logging
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncssh
import pulumi
from pulumi.runtime import mocks, settings
from pulumi.runtime.stack import run_in_stack
from pulumi.runtime.sync_await import _sync_await

from components import bundle
from customers import quota
from local import program
from tests.program.conftest import RUNTIME, SECRETS, ask, echo

STACK = "gov-west"
SIZES = (10, 100, 1_000)
#: What the ratio may be, by the project's budget.
BUDGET = 1.15


def registry(count: int, folder: Path) -> None:
    """Write a registry of so many customers: each with one SFTP user and a health check of its own."""
    sample = (program.ROOT / "local" / "newcomer.yaml").read_text()
    (folder / "customers").mkdir()
    for number in range(count):
        id = f"b{number:05d}"
        key = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode().strip()
        text = sample.replace("n3w0k", id).replace("partner-n-lake", f"partner-{id}-lake")
        text = re.sub(r"- ecdsa-sha2-nistp256 \S+", f"- {key}", text)
        (folder / "customers" / f"{id}.yaml").write_text(text)


def run_program(folder: Path) -> program.Graph:
    """Run the program of a stack on a registry; every resource is echoed."""
    config = {**program.stack_config(STACK), "mft:lambdaRuntime": RUNTIME, "mft:healthCheckQuota": "99999"}
    return program.run(STACK, make=echo, ask=ask, config=config, secrets=SECRETS, root=folder)


def class_of(token: str) -> type[pulumi.CustomResource]:
    """Return the class of a type: `aws:s3/bucket:Bucket` is `pulumi_aws.s3.Bucket`."""
    _, module, name = token.split(":")
    area = module.partition("/")[0]
    return getattr(importlib.import_module(f"pulumi_aws.{area}{'_' if area == 'lambda' else ''}"), name)


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)


def bare_loop(graph: program.Graph) -> None:
    """Register what a graph holds, in its order, with nothing computed."""
    monitor = program._Monitor(echo, ask)
    settings.configure(
        mocks.MockSettings(
            engine=mocks.MockEngine(logging.getLogger("pulumi")),
            monitor=monitor,
            project="mft",
            stack=STACK,
            organization="local",
            root_directory=".",
            dry_run=False,
        )
    )

    classes = {each.type: class_of(each.type) for each in graph.resources if each.type.startswith("aws:")}
    inputs = {
        each.urn: {snake(name): value for name, value in each.inputs.items()} for each in graph.resources
    }

    def loop() -> None:
        made: dict[str, Any] = {}
        for each in graph.resources:
            opts = pulumi.ResourceOptions(parent=made.get(each.parent))
            if each.type.startswith("pulumi:providers:"):
                provider = pulumi.ProviderResource("aws", each.name, dict(each.inputs), opts)
                made[each.urn] = provider
            elif each.custom:
                opts.provider = provider
                made[each.urn] = classes[each.type](each.name, opts=opts, **inputs[each.urn])
            else:
                made[each.urn] = pulumi.ComponentResource(each.type, each.name, None, opts)

    gc.disable()  # as the program does
    _sync_await(run_in_stack(loop))
    assert len(monitor.recorded) == len(graph.resources)


def child(what: str, count: int) -> None:
    """Measure one run in this process, and print it as JSON."""
    quota.ZONE_LIMIT = 2 * count * quota.RECORDS_OF_CUSTOMER  # Python is measured, not what a zone holds
    asyncio.set_event_loop(asyncio.new_event_loop())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry(count, folder)
        if what == "program":
            run_program(folder)  # the bundle is written, the modules are read
            gc.collect()
            began = time.process_time()
            graph = run_program(folder)
        else:
            graph = run_program(folder)
            gc.collect()
            began = time.process_time()
            bare_loop(graph)
        seconds = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    aws = sum(each.type.startswith("aws:") for each in graph.resources)
    print(json.dumps({"seconds": seconds, "memory": memory, "aws": aws, "all": len(graph.resources)}))


def measured(what: str, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", __spec__.name, what, str(count)]
    done = subprocess.run(command, cwd=program.ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main(sizes: list[int]) -> None:
    """Print a line for each number of customers."""
    bundle.install(RUNTIME)
    for size in sizes:
        ours, bare = measured("program", size), measured("bare", size)
        print(
            f"program: {size:>5,} customers  {ours['all']:>7,} resources  {ours['seconds']:6.1f} s"
            f"  {1000 * ours['seconds'] / ours['all']:5.2f} ms each  {ours['memory']:6.0f} MB"
            f"  bare loop {bare['seconds']:6.1f} s  ratio {ours['seconds'] / bare['seconds']:.2f}"
            f" (budget {BUDGET})",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in ("program", "bare"):
        child(sys.argv[1], int(sys.argv[2]))
    else:
        main([int(each) for each in sys.argv[1:]] or list(SIZES))
