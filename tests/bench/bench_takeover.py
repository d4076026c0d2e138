"""A takeover of thousands of files in flight: `python -m tests.bench.bench_takeover [FILES ...]`.

The emulated Step Functions refuses what AWS's would (local/aws/ministack/throttles.py), in real time. Each
pass is one of the function's: it has its timeout, its threads and its share of the rates, and the next one
begins with the next minute. What is measured is compared with what follows from the rates alone.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from components.failover import TAKEOVER_TIMEOUT
from local.aws.emulator import Emulator
from runtime import timing
from runtime.contract import Kind, Position, switch_parameter
from runtime.executions import Executions
from runtime.facts import Status
from runtime.handlers.takeover import at_the_same_time
from runtime.pace import DESCRIBE_EXECUTION, START_EXECUTION, TAKEOVER_SHARE
from runtime.switch import Switch
from runtime.takeover import Takeover
from runtime.transfer_scan import ENOUGH
from tests.runtime.cells import NAMESPACE, Cell, sides_of_a_customer

FILES = (1_000, 3_000, 10_000)
MINUTE = 60.0 * timing.SWITCH_MINUTES


def computed(files: int) -> float:
    """Return the seconds that the rates demand: whole passes, each with a full bucket, and the last one."""
    rate = START_EXECUTION.part(TAKEOVER_SHARE)
    in_a_pass = int(rate.at_once + rate.a_second * (TAKEOVER_TIMEOUT - ENOUGH))
    whole, rest = divmod(files - 1, in_a_pass)
    return whole * MINUTE + rate.seconds(rest + 1)


def in_flight(west: Cell, east: Cell, files: int) -> None:
    """Record in East that West has received a number of files; all of them are one object, which is there."""
    transfer = west.receive(b"abc")
    east.upload(b"abc")
    (version,) = east.client("s3").list_object_versions(Bucket=east.bucket)["Versions"]
    received = west.fact(Kind.RECEIVED, transfer)
    detail = {**received.detail, "version_id": version["VersionId"]}
    day = f"{datetime.now(UTC):%Y%m%d}T000000Z"

    def record(number: int) -> None:
        id = f"{day}-{number:020x}"
        assert east.tracker.record(replace(received, transfer=id, file=f"{number:x}", detail=detail))

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(record, range(files)))


def measured(aws: Emulator, files: int) -> tuple[float, int, Counter[str]]:
    """Return the seconds that a takeover of a number of files took, its passes, and the attempts of requests.

    Among the attempts, `refused` are those that Step Functions throttled.
    """
    west, east = (cell.make() for cell in sides_of_a_customer(aws))
    in_flight(west, east, files)
    switch = Switch(
        namespace=NAMESPACE,
        cell="1",
        side=west.side,
        parameters=aws.client("ssm", east.region),
        metrics=aws.client("cloudwatch", east.region),
    )
    aws.client("ssm", east.region).put_parameter(
        Name=switch_parameter(NAMESPACE, "1", west.side), Value=Position.LOST, Type="String", Overwrite=True
    )
    workflow = aws.new_client("stepfunctions", east.region, retries={"mode": "standard", "max_attempts": 5})
    attempts: Counter[str] = Counter()

    def count(response: Any, operation: Any, **_: Any) -> None:
        attempts[operation.name] += 1
        if response and response[1].get("Error", {}).get("Code") == "ThrottlingException":
            attempts["refused"] += 1

    workflow.meta.events.register("needs-retry.sfn", count)
    takeover = Takeover(
        side=east.side,
        switch=switch,
        tracker=east.tracker,
        scan=east.scan(Status.UNDER_WAY),
        orphans=east.orphans,
        executions=Executions(state_machine=east.state_machine, workflow=workflow, share=TAKEOVER_SHARE),
        s3=east.client("s3"),
        each=at_the_same_time,
    )
    began, passes, started = time.monotonic(), 0, 0
    while started < files:
        due = began + passes * MINUTE
        time.sleep(max(0.0, due - time.monotonic()))
        passes += 1
        ends = time.monotonic() + TAKEOVER_TIMEOUT
        done = takeover.run(datetime.now(UTC).date(), partial(_left, ends))
        assert not done.failed, done.failed[:3]
        started += len(done.started)
    return time.monotonic() - began, passes, attempts


def _left(ends: float) -> float:
    return ends - time.monotonic()


def main() -> int:
    """Print the curve; return 1 if a takeover took twice as long as the rates demand."""
    counts = [int(each) for each in sys.argv[1:]] or FILES
    is_slow = False
    print(f"{'files':>6}  {'by the rates':>12}  {'measured':>8}  passes  starts  questions  throttled")
    for files in counts:
        with Emulator(wait_scale=0.01, lambdas=1) as aws:
            seconds, passes, attempts = measured(aws, files)
        requests = (attempts[name] for name in ("StartExecution", "DescribeExecution", "refused"))
        print(
            f"{files:>6}  {computed(files):>10.1f} s  {seconds:>6.1f} s  {passes:>6}",
            *(f"{each:>{width}}" for each, width in zip(requests, (6, 9, 9), strict=True)),
            sep="  ",
            flush=True,
        )
        is_slow |= seconds > 2 * max(computed(files), MINUTE)
    asked_first = DESCRIBE_EXECUTION.seconds(max(counts))
    print(f"asked about first, {max(counts)} files would take {asked_first:.0f} s in each pass")
    return int(is_slow)


if __name__ == "__main__":
    sys.exit(main())
