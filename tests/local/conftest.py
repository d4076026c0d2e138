"""One emulated AWS for the tests of this directory, and short ways to fill it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.aws.emulator import ACCOUNT, Emulator
from local.program import ROOT
from tests.ops import acceptance

WEST, EAST = "us-gov-west-1", "us-gov-east-1"
ROLE = f"arn:aws-us-gov:iam::{ACCOUNT}:role/anything"

HANDLER = """
import os, time

class TransientDelivery(Exception):
    pass

def handler(event, context):
    match event.get("do"):
        case "raise": raise TransientDelivery("the partner refused")
        case "exit": os._exit(3)
        case "sleep": time.sleep(event["seconds"])
        case "environment": return dict(os.environ)
        case "process": return [os.getpid(), __file__]
        case "bundled":
            import botocore
            return botocore.__version__
        case "put":
            import boto3
            boto3.client("s3").put_object(Bucket=event["bucket"], Key="from-worker", Body=b"x")
        case "batch":
            pass
    if "Records" in event:
        bad = [r["messageId"] for r in event["Records"] if r["body"] == "bad"]
        return {"batchItemFailures": [{"itemIdentifier": i} for i in bad]}
    return event
"""


def zipped(**files: str) -> bytes:
    """Return a Lambda zip of the given texts; `package__module` is `package/module.py`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("__", "/") + ".py", text)
    return stream.getvalue()


#: A worker of its own interpreter, and one that is forked because its code has boto3 in it.
CODES = {"spawned": zipped(index=HANDLER), "forked": zipped(index=HANDLER, boto3__nothing="")}


def eventually(question: Callable[[], Any], within: float = 60) -> Any:
    """Return the first true answer; fail after a time limit."""
    give_up = time.monotonic() + within
    while time.monotonic() < give_up:
        if answer := question():
            return answer
        time.sleep(0.03)
    pytest.fail(f"no answer within {within} s")


class World:
    """The emulator, with the operations that these tests repeat."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    def __call__(self, service: str, region: str = WEST) -> Any:
        return self.emulator.client(service, region)

    def function(
        self, name: str, region: str = WEST, code: bytes | None = None, timeout: int = 10, **variables: str
    ) -> str:
        answer = self("lambda", region).create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=ROLE,
            Handler="index.handler",
            Code={"ZipFile": code or CODES["spawned"]},
            Timeout=timeout,
            Environment={"Variables": variables},
        )
        self("lambda", region).get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.05}
        )
        return answer["FunctionArn"]

    def call(self, name: str, **event: Any) -> Any:
        answer = self("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    def machine(self, name: str, states: dict[str, Any]) -> str:
        definition = json.dumps({"StartAt": next(iter(states)), "States": states})
        return self("stepfunctions").create_state_machine(name=name, roleArn=ROLE, definition=definition)[
            "stateMachineArn"
        ]

    def run(self, machine: str, **given: Any) -> dict[str, Any]:
        """Run to the end; return the description, its output parsed."""
        states = self("stepfunctions")
        arn = states.start_execution(stateMachineArn=machine, input=json.dumps(given))["executionArn"]
        done = eventually(
            lambda: (d := states.describe_execution(executionArn=arn))["status"] != "RUNNING" and d, 20
        )
        return done | {"output": json.loads(done.get("output") or "null")}

    def queue(self, name: str, region: str = WEST, **attributes: str) -> tuple[str, str]:
        """Return the URL and the ARN of a new queue."""
        url = self("sqs", region).create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        got = self("sqs", region).get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, got["Attributes"]["QueueArn"]

    def bodies(self, url: str, count: int, region: str = WEST, within: float = 8) -> list[Any]:
        """Take `count` messages from a queue; return their bodies."""
        taken: list[Any] = []
        give_up = time.monotonic() + within
        while len(taken) < count and time.monotonic() < give_up:
            answer = self("sqs", region).receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1
            )
            taken += [json.loads(m["Body"]) for m in answer.get("Messages", [])]
        return taken

    def key(self, region: str, alias: str) -> tuple[str, str]:
        """Return the ARNs of a new KMS key and of its alias."""
        arn = self("kms", region).create_key()["KeyMetadata"]["Arn"]
        self("kms", region).create_alias(AliasName=f"alias/{alias}", TargetKeyId=arn)
        return arn, arn.rpartition(":")[0] + f":alias/{alias}"

    def bucket(self, name: str, region: str) -> None:
        s3 = self("s3", region)
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

    def listen(self, name: str, region: str, pattern: dict[str, Any]) -> str:
        """Return the URL of a queue that gets the events of `pattern` in `region`."""
        url, arn = self.queue(name, region)
        events = self("events", region)
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": arn}])
        return url


#: Seconds within which a command of `python -m local` has to end, and those that each scenario may add.
LIMIT, A_SCENARIO = 1800, 300


def start(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    """Start `python -m local` with a temporary folder of its own, which has to be empty again at the end."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "local", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


#: What scenarios left, each as its JSON document, by their names.
Runs = dict[str, dict[str, Any]]


def play(names: Sequence[str], folder: Path) -> Runs:
    """Play scenarios one after the other in one world, in which every expectation has to hold."""
    words = [word for name in names for word in ("--scenario", name)]
    drill = start("drill", *words, "--json", folder=folder)
    try:
        out, errors = drill.communicate(timeout=LIMIT + len(names) * A_SCENARIO)
    except subprocess.TimeoutExpired:
        drill.kill()
        raise
    runs = json.loads(out or "{}").get("runs", [])
    broken = [what for each in runs for what, held in each["expectations"] if not held]
    assert (drill.returncode, broken) == (0, []), errors
    assert [*folder.iterdir()] == [], "the drill left something behind"
    return {each["scenario"]: each for each in runs}


@dataclass(frozen=True)
class Played:
    """A finished drill: its exit code, its JSON output, and the folder it was given.

    Another world, of `python -m local up`, was started at the same time and is running; `ways` lead to it.
    Its registry has one more customer, which is there for acceptances.
    """

    status: int
    story: dict[str, Any]
    errors: str
    folder: Path
    up: subprocess.Popen[str]
    up_folder: Path
    ways: dict[str, Any]


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A drill, played while another world comes up beside it."""
    folder, up_folder = tmp_path_factory.mktemp("drill"), tmp_path_factory.mktemp("up")
    customers = tmp_path_factory.mktemp("customers")
    for path in (ROOT / "customers").glob("*.yaml"):
        shutil.copy(path, customers)
    acceptance.add_to(customers)
    drill = start("drill", "--json", folder=folder)
    up = start("up", "--registry", str(customers), "--json", folder=up_folder)
    try:
        text = ""
        while not text.endswith("\n}\n") and up.stdout and (line := up.stdout.readline()):
            text += line
        out, errors = drill.communicate(timeout=LIMIT)
        story = json.loads(out or "{}")
        yield Played(drill.returncode, story, errors, folder, up, up_folder, json.loads(text or "{}"))
    finally:
        for process in (drill, up):
            process.terminate()
            process.communicate(timeout=LIMIT)  # which closes its pipes, too


@pytest.fixture(scope="session")
def aws() -> Iterator[World]:
    with Emulator(wait_scale=0.01, lambdas=3) as emulator:
        yield World(emulator)
