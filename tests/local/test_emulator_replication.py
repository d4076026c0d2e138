"""Replication between the regions: S3 objects and the global table."""

from __future__ import annotations

import pytest

from tests.local.conftest import EAST, ROLE, WEST, World, eventually

SIDES = {WEST: "files-west", EAST: "files-east"}


def rules(destination: str, key: str | None, **more: object) -> dict[str, object]:
    rule: dict[str, object] = {
        "ID": "all",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {"Prefix": "inbound/"},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {
            "Bucket": f"arn:aws-us-gov:s3:::{destination}",
            "ReplicationTime": {"Status": "Enabled", "Time": {"Minutes": 15}},
            "Metrics": {"Status": "Enabled", "EventThreshold": {"Minutes": 15}},
        },
    }
    if key:
        rule["SourceSelectionCriteria"] = {"SseKmsEncryptedObjects": {"Status": "Enabled"}}
        rule["Destination"] |= {"EncryptionConfiguration": {"ReplicaKmsKeyID": key}}
    return {"Role": ROLE, "Rules": [rule | more]}


@pytest.fixture(scope="module")
def keys(aws: World) -> dict[str, str]:
    """Two buckets that replicate to each other, encrypted; the key ARN of each region."""
    made = {region: aws.key(region, "data") for region in SIDES}
    for region, bucket in SIDES.items():
        aws.bucket(bucket, region)
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": made[region][0]}
        aws("s3", region).put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}]
            },
        )
    for region, peer in ((WEST, EAST), (EAST, WEST)):
        aws("s3", region).put_bucket_replication(
            Bucket=SIDES[region], ReplicationConfiguration=rules(SIDES[peer], made[peer][1])
        )
    return {region: arn for region, (arn, _) in made.items()}


def versions(aws: World, region: str, key: str) -> list[dict[str, object]]:
    return aws("s3", region).list_object_versions(Bucket=SIDES[region], Prefix=key).get("Versions", [])


@pytest.mark.parametrize("source", [WEST, EAST])
def test_a_replica_is_its_source_in_all_but_status_and_key(
    aws: World, keys: dict[str, str], source: str
) -> None:
    peer = EAST if source == WEST else WEST
    key = f"inbound/sdk/from-{source}"
    put = aws("s3", source).put_object(
        Bucket=SIDES[source],
        Key=key,
        Body=b"data",
        Metadata={"m": "1"},
        Tagging="t=1",
        ChecksumAlgorithm="SHA256",
    )
    ours = aws("s3", source).head_object(Bucket=SIDES[source], Key=key, ChecksumMode="ENABLED")
    theirs = aws("s3", peer).head_object(
        Bucket=SIDES[peer], Key=key, VersionId=put["VersionId"], ChecksumMode="ENABLED"
    )
    assert (ours["ReplicationStatus"], theirs["ReplicationStatus"]) == ("COMPLETED", "REPLICA")
    for name in ("VersionId", "LastModified", "ETag", "ContentLength", "Metadata", "ChecksumSHA256"):
        assert theirs[name] == ours[name], name
    assert (ours["SSEKMSKeyId"], theirs["SSEKMSKeyId"]) == (keys[source], keys[peer])
    tags = aws("s3", peer).get_object_tagging(Bucket=SIDES[peer], Key=key, VersionId=put["VersionId"])
    assert tags["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert aws("s3", peer).get_object(Bucket=SIDES[peer], Key=key)["Body"].read() == b"data"


def test_a_replica_raises_an_event_in_its_region_and_is_not_replicated_again(
    aws: World, keys: dict[str, str]
) -> None:
    pattern = {"source": ["aws.s3"], "detail": {"object": {"key": [{"prefix": "inbound/seen"}]}}}
    queues = {region: aws.listen(f"created-{region}", region, pattern) for region in SIDES}
    put = aws("s3").put_object(Bucket=SIDES[WEST], Key="inbound/seen", Body=b"1")
    for region in SIDES:
        (event,) = aws.bodies(queues[region], 2, region, within=1)
        assert (event["detail-type"], event["region"]) == ("Object Created", region)
        assert event["resources"] == [f"arn:aws-us-gov:s3:::{SIDES[region]}"]
        assert event["detail"]["object"]["version-id"] == put["VersionId"]
        assert event["detail"]["reason"] == "PutObject"
        assert len(versions(aws, region, "inbound/seen")) == 1


def test_copies_and_multipart_uploads_are_replicated(aws: World, keys: dict[str, str]) -> None:
    s3 = aws("s3")
    s3.put_object(Bucket=SIDES[WEST], Key="elsewhere", Body=b"copied")
    copied = s3.copy_object(
        Bucket=SIDES[WEST],
        Key="inbound/copied",
        CopySource={"Bucket": SIDES[WEST], "Key": "elsewhere"},
        ChecksumAlgorithm="SHA256",
    )
    assert copied["CopyObjectResult"]["ChecksumSHA256"]
    assert versions(aws, EAST, "elsewhere") == []
    upload = {"Bucket": SIDES[WEST], "Key": "inbound/parts"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(**upload, PartNumber=1, Body=b"parts")
    done = s3.complete_multipart_upload(
        **upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )
    for key, version in (("inbound/copied", copied["VersionId"]), ("inbound/parts", done["VersionId"])):
        (replica,) = versions(aws, EAST, key)
        assert replica["VersionId"] == version
        head = aws("s3", EAST).head_object(Bucket=SIDES[EAST], Key=key)
        assert (head["ReplicationStatus"], head["SSEKMSKeyId"]) == ("REPLICA", keys[EAST])


def test_encrypted_objects_need_the_rule_to_select_them_and_a_key_that_exists(
    aws: World, keys: dict[str, str]
) -> None:
    aws.bucket("plain", WEST)
    encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": keys[WEST]}

    def status(key: str, configuration: dict[str, object]) -> str | None:
        aws("s3").put_bucket_replication(Bucket="plain", ReplicationConfiguration=configuration)
        aws("s3").put_object(Bucket="plain", Key=key, Body=b"x", **encrypted)
        return aws("s3").head_object(Bucket="plain", Key=key).get("ReplicationStatus")

    assert status("inbound/unselected", rules(SIDES[EAST], None)) is None
    unknown = keys[EAST].rpartition(":")[0] + ":alias/unknown"
    assert status("inbound/no-key", rules(SIDES[EAST], unknown)) == "FAILED"
    assert versions(aws, EAST, "inbound/unselected") == versions(aws, EAST, "inbound/no-key") == []


def test_a_global_table_replicates_both_ways_with_its_index_and_key(aws: World, keys: dict[str, str]) -> None:
    west, east = aws("dynamodb"), aws("dynamodb", EAST)
    string = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "customer")]
    west.create_table(
        TableName="tracker",
        AttributeDefinitions=string,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-customer",
                "KeySchema": [{"AttributeName": "customer", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": keys[WEST]},
    )
    west.update_time_to_live(
        TableName="tracker", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    item = {"pk": {"S": "file"}, "sk": {"S": "1"}, "customer": {"S": "acme"}}
    west.put_item(TableName="tracker", Item=item)
    replica = {"RegionName": EAST, "KMSMasterKeyId": keys[EAST]}
    west.update_table(TableName="tracker", ReplicaUpdates=[{"Create": replica}])
    table = eventually(lambda: east.describe_table(TableName="tracker")["Table"])
    assert table["SSEDescription"]["KMSMasterKeyArn"] == keys[EAST]
    assert (
        west.describe_table(TableName="tracker")["Table"]["SSEDescription"]["KMSMasterKeyArn"] == keys[WEST]
    )
    shown = west.describe_table(TableName="tracker")["Table"]["Replicas"]
    assert [(r["RegionName"], r["ReplicaStatus"], r["KMSMasterKeyId"]) for r in shown] == [
        (EAST, "ACTIVE", keys[EAST])
    ]
    ttl = east.describe_time_to_live(TableName="tracker")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}

    east.put_item(TableName="tracker", Item=item | {"sk": {"S": "2"}})
    for client in (west, east):
        found = client.query(
            TableName="tracker",
            IndexName="by-customer",
            KeyConditionExpression="customer = :c",
            ExpressionAttributeValues={":c": {"S": "acme"}},
        )
        assert sorted(i["sk"]["S"] for i in found["Items"]) == ["1", "2"]
        with pytest.raises(client.exceptions.ConditionalCheckFailedException):
            client.put_item(TableName="tracker", Item=item, ConditionExpression="attribute_not_exists(pk)")
    west.delete_item(TableName="tracker", Key={"pk": item["pk"], "sk": {"S": "2"}})
    assert "Item" not in east.get_item(TableName="tracker", Key={"pk": item["pk"], "sk": {"S": "2"}})
