"""The process that Lambda workers are forked from: it has imported what their code brings along.

Run by `forks` as a file, with nothing of this program on the path: what a function imports is found in its
code, or is missing. Each message on the socket is a worker: its files, and where, how and what it is to
run. The answer is a file descriptor of its process (`man pidfd_open`). It ends when the socket closes.
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

#: What takes a worker longest to import.
_HEAVY = ("boto3.session", "boto3.s3.transfer", "aws_lambda_powertools", "asyncssh")
#: What AWS's services are like is parsed once for all workers; these are what functions call.
_REGION = "us-gov-west-1"
_SERVICES = ("cloudwatch", "dynamodb", "s3", "sns", "sqs", "ssm", "stepfunctions")
MESSAGE = 1 << 18


def _warm(code: str) -> None:
    sys.path.insert(0, code)
    for name in _HEAVY:
        with contextlib.suppress(ImportError):  # the worker's own import will say so, if it needs it
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
    """Be the worker until it ends."""
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
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here waits for them
    with socket.socket(fileno=int(descriptor)) as asked:
        while True:
            message, files, _, _ = socket.recv_fds(asked, MESSAGE, 3)
            if not message:
                return
            if not (pid := os.fork()):
                break
            process = os.pidfd_open(pid)  # it is there still: it waits for its first line
            socket.send_fds(asked, [b"."], [process])
            for file in (process, *files):
                os.close(file)
    _become(json.loads(message), files)


if __name__ == "__main__":
    main()
