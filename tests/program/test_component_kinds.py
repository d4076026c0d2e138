"""Every member of each closed set of words is handled by the components that depend on it."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import get_args

import pytest

from components import settings
from components.alarm import Missing
from components.bucket import Keep
from components.settings import Peer
from customers.kinds import ReceiptKind
from customers.registry import load
from local import program
from local.program import Graph
from runtime.metric_names import SwitchKind
from tests.program.conftest import STACKS, recorded

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
BUCKET = "aws:s3/bucket:Bucket"
CHECK = "aws:route53/healthCheck:HealthCheck"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"

#: The key of a receipt's address in a customer's file, and whether SNS sends the bare message.
RECEIPTS = {"sqs": ("arn", True), "https": ("url", None), "email": ("address", None)}
#: An alarm for which a period without data has this meaning, and CloudWatch's word for it.
SILENCES = {
    "quiet": ("files-failed", "notBreaching"),
    "alarm": ("canary-silent", "breaching"),
    "unknown": ("canary-s3-failing", "missing"),
}
#: Whether Pulumi refuses to delete a bucket, and whether it leaves the bucket when it forgets it.
KEPT = {Keep.PROTECT: (True, False), Keep.RETAIN: (False, True), Keep.DROP: (False, False)}
#: The type of the switch's health check, and whether a bucket publishes the switch.
SWITCHES = {SwitchKind.ALARM: ("CLOUDWATCH_METRIC", False), SwitchKind.ENDPOINT: ("HTTPS", True)}
#: Whether anything is replicated.
PEERS = {Peer.ABSENT: False, Peer.PRESENT: True}


@pytest.mark.parametrize("kind", get_args(ReceiptKind))
def test_every_kind_of_receipt_is_subscribed(kind: str, graphs: dict[str, Graph]) -> None:
    key, is_raw = RECEIPTS[kind]
    customers = load(program.ROOT / "customers").customers
    wanted = {getattr(each, key) for one in customers for each in one.receipts if each.kind == kind}
    # A queue of another account is subscribed by its owner.
    wanted = {each for each in wanted if not each.startswith("arn:") or ":123456789012:" in each}
    assert wanted, f"no sample has a receipt of the kind {kind}"
    for graph in graphs.values():
        made = [each.inputs for each in graph.of(SUBSCRIPTION) if each.inputs["protocol"] == kind]
        assert {each["endpoint"] for each in made} == wanted
        assert {each.get("rawMessageDelivery") for each in made} == {is_raw}


@pytest.mark.parametrize("word", get_args(Missing))
def test_every_meaning_of_silence_is_one_of_cloudwatchs(word: str, west: Graph) -> None:
    name, treatment = SILENCES[word]
    assert west.one(ALARM, f"cell1-monitoring-{name}").inputs["treatMissingData"] == treatment


@pytest.mark.parametrize("keep", Keep)
def test_every_way_to_keep_a_bucket_is_decided(keep: Keep) -> None:
    assert keep.options == KEPT[keep]


@pytest.mark.parametrize("switch", SwitchKind)
@pytest.mark.parametrize("stack", STACKS)
def test_every_kind_of_switch_is_looked_at(stack: str, switch: SwitchKind) -> None:
    type, is_published = SWITCHES[switch]
    graph = recorded(stack, peer=Peer.PRESENT, switch=switch)
    assert graph.one(CHECK, "cell1-health-switch").inputs["type"] == type
    assert any(each.name == "cell1-publication" for each in graph.of(BUCKET)) is is_published


@pytest.mark.parametrize("peer", Peer)
def test_files_are_replicated_when_the_peer_is_there(peer: Peer) -> None:
    assert bool(recorded("gov-west", peer=peer, switch=SwitchKind.ALARM).of(REPLICATION)) is PEERS[peer]


@pytest.mark.parametrize(("key", "words"), [("peer", Peer), ("switch", SwitchKind)])
def test_the_settings_take_every_word(key: str, words: type[StrEnum]) -> None:
    pattern, meaning, _ = settings.KEYS[key]
    for word in words:
        assert re.fullmatch(pattern, word)
        assert f"'{word}'" in meaning, "a refusal names what is allowed"
