"""The tracker table and its replica."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.aws.resources.making import Clients, Made


def _table(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    dynamodb = clients("dynamodb")
    keys = {"HASH": inputs["hashKey"], "RANGE": inputs["rangeKey"]}
    indexes = [
        {
            "IndexName": index["name"],
            "KeySchema": [
                {"AttributeName": key["attributeName"], "KeyType": key["keyType"]}
                for key in index["keySchemas"]
            ],
            "Projection": {"ProjectionType": index["projectionType"]},
        }
        for index in inputs["globalSecondaryIndexes"]
    ]
    made = dynamodb.create_table(
        TableName=inputs["name"],
        BillingMode=inputs["billingMode"],
        KeySchema=_schema(keys),
        AttributeDefinitions=[
            {"AttributeName": each["name"], "AttributeType": each["type"]} for each in inputs["attributes"]
        ],
        GlobalSecondaryIndexes=indexes,
        StreamSpecification={"StreamEnabled": True, "StreamViewType": inputs["streamViewType"]},
        SSESpecification={
            "Enabled": True,
            "SSEType": "KMS",
            "KMSMasterKeyId": inputs["serverSideEncryption"]["kmsKeyArn"],
        },
        DeletionProtectionEnabled=inputs["deletionProtectionEnabled"],
    )["TableDescription"]
    dynamodb.get_waiter("table_exists").wait(TableName=inputs["name"])
    dynamodb.update_time_to_live(
        TableName=inputs["name"],
        TimeToLiveSpecification={"Enabled": True, "AttributeName": inputs["ttl"]["attributeName"]},
    )
    dynamodb.update_continuous_backups(
        TableName=inputs["name"], PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    return inputs["name"], {"arn": made["TableArn"], "name": inputs["name"]}


def _schema(keys: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for kind, name in keys.items()]


def _replica(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    here = clients("dynamodb").meta.region_name
    region, table = inputs["globalTableArn"].split(":")[3], inputs["globalTableArn"].partition("/")[2]
    replica = {"RegionName": here, "KMSMasterKeyId": inputs["kmsKeyArn"]}
    clients("dynamodb", region).update_table(TableName=table, ReplicaUpdates=[{"Create": replica}])
    return f"{table}:{here}", {"arn": inputs["globalTableArn"].replace(region, here)}


MAKERS = {
    "aws:dynamodb/table:Table": _table,
    "aws:dynamodb/tableReplica:TableReplica": _replica,
}
