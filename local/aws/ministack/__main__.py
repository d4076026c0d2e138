"""Serves the emulated AWS on an inherited socket until its parent goes away."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import cast

from local.aws.ministack import (  # noqa: F401 - they register changes
    alarm_answers,
    alarms,
    batch_jobs,
    bucket_policies,
    events,
    forks,
    keys,
    limits,
    outage,
    patching,
    queues,
    replication,
    route53,
    security_groups,
    service_quotas,
    states,
    tables,
    transfer,
    vpc,
    workers,
)
from local.aws.ministack.edits import EDITS
from local.aws.ministack.front import Front
from local.aws.ministack.lag import QUEUE
from local.aws.ministack.request_cache import with_cache

PARENT_POLL = 0.3


def end_workers() -> None:
    """Stop the Lambda workers and their fork servers, and wait; there is no other state to save."""
    if runtime := sys.modules.get("ministack.core.lambda_runtime"):
        runtime.reset()
    forks.end_servers()


def watch(parent: int, directory: Path) -> None:
    """End this process and its workers, and remove its directory, as soon as `parent` is gone."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL)
    end_workers()
    shutil.rmtree(directory, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)  # the group is this process and whatever its workers started


def stop(*_: object) -> None:
    end_workers()
    os._exit(0)


def serve(socket_fd: int) -> None:
    """Serve requests on the listening socket `socket_fd` for ever."""
    from hypercorn.asyncio import serve as hypercorn_serve
    from hypercorn.config import Config
    from hypercorn.typing import ASGIFramework
    from ministack import app
    from ministack.services import s3

    bucket_region = patching.original("front", s3, "_replication_destination_region")
    config = Config()
    config.bind = [f"fd://{socket_fd}"]
    config.keep_alive_timeout = 75
    config.loglevel = os.environ["LOG_LEVEL"]
    front = Front(with_cache(app.app), bucket_region)

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(QUEUE.run())
            served = cast(ASGIFramework, front)  # hypercorn's types spell out every message of ASGI
            tasks.create_task(hypercorn_serve(served, config, shutdown_trigger=asyncio.Event().wait))

    asyncio.run(run())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.aws.ministack", description=__doc__)
    parser.add_argument("--socket", type=int, required=True, help="file descriptor of a listening socket")
    parser.add_argument("--parent", type=int, required=True, help="process this one must not outlive")
    parser.add_argument("--directory", type=Path, required=True, help="removed when the parent is gone")
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which stops this process
    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=watch, args=(args.parent, args.directory), daemon=True).start()
    try:
        patching.check_version()
        patching.install(EDITS)
    except patching.PatchError as problem:
        sys.exit(f"emulated AWS not started: {problem}")
    serve(args.socket)


if __name__ == "__main__":
    main()
