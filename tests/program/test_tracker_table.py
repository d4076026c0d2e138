"""The tracker of both stacks: one global table with one owner, protected from accidental deletion."""

from __future__ import annotations

from local.program import Graph
from runtime import contract

TABLE, REPLICA = "aws:dynamodb/table:Table", "aws:dynamodb/tableReplica:TableReplica"


def test_the_table_is_owned_in_the_west_and_joined_from_the_east(graphs: dict[str, Graph]) -> None:
    (table,) = graphs["gov-west"].of(TABLE)
    assert table.inputs["name"] == "MFT-TransferTracker"
    assert table.ignore_changes == ("replicas",), "gov-east owns its replica"
    assert not graphs["gov-east"].of(TABLE)
    (replica,) = graphs["gov-east"].of(REPLICA)
    assert replica.inputs["globalTableArn"].endswith(":us-gov-west-1:123456789012:table/MFT-TransferTracker")


def test_facts_outlive_mistakes_and_end_when_they_say(graphs: dict[str, Graph]) -> None:
    (table,), (replica,) = graphs["gov-west"].of(TABLE), graphs["gov-east"].of(REPLICA)
    assert table.inputs["pointInTimeRecovery"] == {"enabled": True}
    assert replica.inputs["pointInTimeRecovery"]
    assert table.inputs["ttl"] == {"attributeName": contract.TRACKER_TTL, "enabled": True}, "replicas follow"
    for each in (table, replica):
        assert each.inputs["deletionProtectionEnabled"]
        assert each.protect


def test_each_region_encrypts_facts_with_its_own_key(graphs: dict[str, Graph]) -> None:
    (table,), (replica,) = graphs["gov-west"].of(TABLE), graphs["gov-east"].of(REPLICA)
    used = {
        "gov-west": table.inputs["serverSideEncryption"]["kmsKeyArn"],
        "gov-east": replica.inputs["kmsKeyArn"],
    }
    own = {stack: graph.one("aws:kms/key:Key", "cell1-key").outputs["arn"] for stack, graph in graphs.items()}
    assert used == own
    assert table.inputs["serverSideEncryption"]["enabled"]
