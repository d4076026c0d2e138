"""The process that Lambda workers are forked from, after it has imported their large dependencies.

`forks` runs it as a file, with nothing of this program on the path, so that a function can import only what
is in its own code. Each message on the socket starts a worker: it carries the worker's standard streams, and
its script, folder and environment. The answer is a file descriptor of the worker's process (`man
pidfd_open`). The process ends when the socket closes.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from typing import Any

#: The modules that take longest to import.
_HEAVY = ("boto3.session", "boto3.s3.transfer", "aws_lambda_powertools", "asyncssh")
#: The services that functions call, whose models are parsed once for all workers.
_REGION = "us-gov-west-1"
_SERVICES = ("cloudwatch", "dynamodb", "s3", "sns", "sqs", "ssm", "stepfunctions")
MESSAGE = 1 << 18


def _warm(code: str) -> None:
    sys.path.insert(0, code)
    for name in _HEAVY:
        with contextlib.suppress(ImportError):  # a worker that needs the module will fail itself
            importlib.import_module(name)
    if botocore := sys.modules.get("botocore.session"):
        _share_models(botocore)
    sys.path.remove(code)
    gc.collect()
    gc.freeze()


def _share_models(botocore: Any) -> None:
    loader = botocore.create_loader()
    botocore.create_loader = lambda *paths: loader
    session = botocore.Session()
    session.set_credentials("none", "none")
    for name in _SERVICES:
        session.create_client(name, region_name=_REGION)


def _become(worker: dict[str, Any], files: list[int]) -> None:
    """Turn this process into a worker, and run it to its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(worker["folder"])
    os.environ.clear()
    os.environ.update(worker["environment"])
    runpy.run_path(worker["script"], run_name="__main__")


def main() -> None:
    code, descriptor = sys.argv[1:]
    _warm(code)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # workers are not waited for here
    with socket.socket(fileno=int(descriptor)) as asked:
        while True:
            message, files, _, _ = socket.recv_fds(asked, MESSAGE, 3)
            if not message:
                return
            if not (pid := os.fork()):
                break
            process = os.pidfd_open(pid)  # still running, because it waits for its first line of input
            socket.send_fds(asked, [b"."], [process])
            for file in (process, *files):
                os.close(file)
    _become(json.loads(message), files)


if __name__ == "__main__":
    main()
