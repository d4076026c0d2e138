"""A soak and a burst: their plans, their accounts, what they measure, and the errors of AWS in them."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from customers.registry import load
from local.drill.acknowledged_files import Account, SentFile
from local.drill.scenario_runner import NEWCOMER
from local.drill.sender import sdk_senders
from local.load import episodes
from local.load.balance import Balance
from local.load.episodes import MOVES, TROUBLES, Episode
from local.load.processes import AWS, HERE, usage
from runtime.contract import WEST, Kind
from runtime.facts import Fact
from tests.local.conftest import LIMIT, start
from tests.local.conftest import WEST as REGION
from tests.local.conftest import World as Emulated

CONTENT = b"a,b\n1,2\n"


# --- The plan ------------------------------------------------------------------------------------


def test_a_seed_and_a_number_make_one_episode() -> None:
    titles = [Episode(7, number).title for number in range(30)]
    assert titles == [Episode(7, number).title for number in range(30)]
    assert titles != [Episode(8, number).title for number in range(30)]
    assert len(set(titles)) > 20


def test_every_trouble_every_move_and_both_regions_come_up() -> None:
    said = "\n".join(Episode(seed, 1).title for seed in range(300))
    wanted = {each.__name__ for group in TROUBLES for each in group} | {each.__name__ for each in MOVES}
    assert not [each for each in wanted if each.replace("_", " ") not in said]
    assert "us-gov-east-1 lost" in said
    assert "us-gov-west-1 lost" in said


def test_every_trouble_is_in_a_group() -> None:
    made = {name for name, each in vars(episodes).items() if hasattr(each, "__wrapped__")}
    assert {each.__name__ for group in TROUBLES for each in group} == made - {"contextmanager"}


# --- The account ---------------------------------------------------------------------------------


class Kept:
    """What a balance asks: the facts, the receipts that customers got, and what destinations have."""

    def __init__(self, tmp_path: Path) -> None:
        (tmp_path / "n3w0k.yaml").write_text(NEWCOMER.read_text())
        [sender] = sdk_senders(load(tmp_path).customers)
        self.file = SentFile(sender=sender, name="a.csv", side=WEST, at=0)
        self.there: bytes | None = CONTENT
        self.receipts = [{"transfer": "20261130T120000Z-1", "outcome": "delivered"}]
        self.facts: list[Fact] = []
        parties = SimpleNamespace(receipts={("n3w0k", WEST): "url"}, take_receipts=lambda *_: self.receipts)
        self.balance = Balance(
            SimpleNamespace(external_parties=parties),  # type: ignore[arg-type]
            SimpleNamespace(delivered=lambda *_: self.there),  # type: ignore[arg-type]
        )
        self.add(Kind.RECEIVED, destinations=["feed"])

    def add(self, kind: Kind, *, writer: str = "w", destination: str = "", **detail: Any) -> None:
        self.facts.append(
            Fact(
                file=self.file.id,
                transfer="20261130T120000Z-1",
                kind=kind,
                customer="n3w0k",
                key=self.file.key,
                side=WEST,
                writer=writer,
                at="2026-11-30T12:00:00+00:00",
                expires=0,
                destination=destination,
                detail=detail,
            )
        )

    def delivered(self, *, writer: str = "w", content: bytes = CONTENT) -> None:
        sha256 = hashlib.sha256(content).hexdigest()
        self.add(Kind.DELIVERED, writer=writer, destination="feed", sha256=sha256, sent=True)

    def faults(self) -> list[str]:
        account = Account(file=self.file, facts=tuple(self.facts))
        acknowledged = SimpleNamespace(accounts=lambda side, files: [account for _ in files])
        self.balance.add([self.file], acknowledged, WEST)  # type: ignore[arg-type]
        return [each.removeprefix("n3w0k: a.csv: ") for each in self.balance.faults]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_a_file_that_was_delivered_once_balances(kept: Kept) -> None:
    kept.delivered()
    assert kept.faults() == []
    assert kept.balance.line == "1 acknowledged files: 1 delivered"


def test_a_lost_file_does_not(kept: Kept) -> None:
    kept.facts.clear()
    assert kept.faults() == ["no fact is about it"]


def test_a_file_under_way_does_not(kept: Kept) -> None:
    assert "it is still under way" in kept.faults()


def test_a_file_that_was_sent_twice_does_not(kept: Kept) -> None:
    kept.delivered()
    kept.delivered(writer="another")
    assert kept.faults() == ["it was sent 2 times to one destination"]


def test_a_delivered_file_has_to_be_at_its_destination_and_the_customer_to_have_a_receipt(kept: Kept) -> None:
    kept.delivered()
    kept.there = None
    kept.receipts = []
    assert kept.faults() == [
        "the customer got no receipt for its transfer 20261130T120000Z-1",
        "feed does not have it",
    ]


def test_its_bytes_have_to_be_those_that_were_sent(kept: Kept) -> None:
    kept.delivered(content=b"other")
    assert kept.faults() == ["feed has other bytes"]


@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.HELD])
def test_a_file_that_has_a_reason_is_explained(kept: Kept, kind: Kind) -> None:
    kept.add(kind, destination="feed", reason="the partner is down")
    assert kept.faults() == []
    assert list(kept.balance.explained) == [f"n3w0k: a.csv: {kind.lower()}: the partner is down"]


# --- What is measured, and what goes wrong -------------------------------------------------------


def test_what_a_world_uses_is_read_from_its_processes(aws: Emulated, tmp_path: Path) -> None:
    world: Any = SimpleNamespace(aws=aws.emulator)
    before = usage(world)
    assert {HERE, AWS} <= before.megabytes.keys()
    assert before.kept > 50
    files = [(tmp_path / f"{number}").open("w") for number in range(50)]
    assert usage(world).descriptors[HERE] >= before.descriptors[HERE] + 50
    for each in files:
        each.close()
    kept = bytearray(100_000_000)
    assert usage(world).megabytes[HERE] > before.megabytes[HERE] + 50, len(kept)


def test_aws_answers_requests_of_functions_with_errors_and_does_half_of_them(aws: Emulated) -> None:
    once = {"retries": {"total_max_attempts": 1}}
    function = aws.emulator.new_client("sqs", REGION, user_agent_appid="cell1-ingest", **once)
    operator = aws.emulator.new_client("sqs", REGION, user_agent_appid="ops-gaps", **once)
    url, _ = aws.queue("errors")
    aws.emulator.service_errors(REGION, 1, seed=1)
    try:
        for number in range(40):
            with pytest.raises(ClientError) as failure:
                function.send_message(QueueUrl=url, MessageBody=str(number))
            assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        operator.get_queue_attributes(QueueUrl=url)
        shown = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        assert 10 < int(shown["Attributes"]["ApproximateNumberOfMessages"]) < 30
    finally:
        aws.emulator.service_errors(REGION, 0)
    function.send_message(QueueUrl=url, MessageBody="well")


# --- The commands --------------------------------------------------------------------------------


def finished(process: subprocess.Popen[str], folder: Path) -> dict[str, Any]:
    out, errors = process.communicate(timeout=LIMIT)
    story = json.loads(out or "{}")
    broken = [what for step in story.get("steps", ()) for what, held in step["expectations"] if not held]
    assert (process.returncode, broken) == (0, []), errors
    assert [*folder.iterdir()] == [], "something was left behind"
    return dict(story)


@pytest.mark.exhaustive
def test_a_soak_of_one_episode_balances(tmp_path: Path) -> None:
    folder = tmp_path / "soak"
    story = finished(start("soak", "--minutes", "0", "--seed", "1", "--json", folder=folder), folder)
    assert story["figures"]["episodes"] == 1
    assert story["balance"]["files"] >= 10
    assert story["balance"]["faults"] == []


@pytest.mark.exhaustive
def test_a_burst_of_two_hundred_files_is_accounted_for(tmp_path: Path) -> None:
    folder = tmp_path / "burst"
    out, errors = start("burst", "--files", "200", "--json", folder=folder).communicate(timeout=LIMIT)
    story = json.loads(out or "{}")
    assert story, errors  # whether the others' files were quick depends on what else the machine does
    assert story["balance"]["faults"] == []
    assert list(story["balance"]["fates"]) == ["delivered"]
    assert story["balance"]["files"] > 200
    assert story["figures"]["what limits"]
    assert [*folder.iterdir()] == [], "something was left behind"


@pytest.mark.exhaustive
def test_an_interrupted_soak_ends_soon_with_its_account(tmp_path: Path) -> None:
    folder = tmp_path / "soak"
    soak = start("soak", "--minutes", "60", "--seed", "5", folder=folder)
    assert soak.stdout
    for line in soak.stdout:
        if re.search("clients of every kind have sent", line):
            break
    began = time.monotonic()
    soak.send_signal(signal.SIGINT)
    out, _ = soak.communicate(timeout=LIMIT)
    assert time.monotonic() - began < 30
    assert soak.returncode == 1
    assert re.search(r"interrupted; seed 5; so far 0 acknowledged files: none; \d+ more of the episode", out)
    assert [*folder.iterdir()] == []


@pytest.mark.parametrize(
    "words", [["soak", "--minutes", "-1"], ["burst", "--files", "0"], ["soak", "--seed", "x"]]
)
def test_what_is_no_load_is_refused(words: list[str]) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "local", *words], capture_output=True, text=True, check=False
    )
    assert said.returncode == 2
