"""Keys, secrets and buckets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.aws.resources.making import Clients, Made, pascal


def _key(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    kms = clients("kms")
    if "id" in inputs:
        kms.put_key_policy(KeyId=inputs["id"], PolicyName="default", Policy=inputs["policy"])
        made = kms.describe_key(KeyId=inputs["id"])["KeyMetadata"]
    else:
        made = kms.create_key(Description=inputs["description"], Policy=inputs["policy"])["KeyMetadata"]
    return made["KeyId"], {"arn": made["Arn"], "keyId": made["KeyId"]}


def _alias(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    clients("kms").create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
    return inputs["name"], {}


def _secret(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    made = clients("secretsmanager").create_secret(
        Name=inputs["name"], Description=inputs["description"], KmsKeyId=inputs["kmsKeyId"]
    )
    return made["ARN"], {"arn": made["ARN"]}


def _secret_version(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    made = clients("secretsmanager").put_secret_value(
        SecretId=inputs["secretId"], SecretString=inputs["secretString"]
    )
    return f"{inputs['secretId']}|{made['VersionId']}", {"versionId": made["VersionId"]}


def _bucket(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    s3, name = clients("s3"), inputs["bucket"]
    s3.create_bucket(
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name},
        ObjectLockEnabledForBucket=inputs.get("objectLockEnabled", False),
    )
    return name, {"bucket": name, "arn": f"arn:{s3.meta.partition}:s3:::{name}"}


def _versioning(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    status = pascal(inputs["versioningConfiguration"])
    clients("s3").put_bucket_versioning(Bucket=inputs["bucket"], VersioningConfiguration=status)
    return inputs["bucket"], {}


_ENCRYPTION = {"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"}


def _encryption(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": {
                _ENCRYPTION[name]: value for name, value in rule["applyServerSideEncryptionByDefault"].items()
            },
            "BucketKeyEnabled": rule.get("bucketKeyEnabled", False),
        }
        for rule in inputs["rules"]
    ]
    clients("s3").put_bucket_encryption(
        Bucket=inputs["bucket"], ServerSideEncryptionConfiguration={"Rules": rules}
    )
    return inputs["bucket"], {}


def _public_access(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    block = {name: value for name, value in pascal(inputs).items() if name not in ("Bucket", "Name")}
    clients("s3").put_public_access_block(Bucket=inputs["bucket"], PublicAccessBlockConfiguration=block)
    return inputs["bucket"], {}


def _policy(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    clients("s3").put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])
    return inputs["bucket"], {}


def _lifecycle(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    clients("s3").put_bucket_lifecycle_configuration(
        Bucket=inputs["bucket"], LifecycleConfiguration={"Rules": pascal(inputs["rules"])}
    )
    return inputs["bucket"], {}


def _notification(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    configuration: dict[str, Any] = {"EventBridgeConfiguration": {}} if inputs.get("eventbridge") else {}
    configuration["QueueConfigurations"] = [
        {"Id": each["id"], "QueueArn": each["queueArn"], "Events": each["events"]}
        for each in inputs.get("queues", ())
    ]
    clients("s3").put_bucket_notification_configuration(
        Bucket=inputs["bucket"], NotificationConfiguration=configuration
    )
    return inputs["bucket"], {}


def _object_lock(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    clients("s3").put_object_lock_configuration(
        Bucket=inputs["bucket"],
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": pascal(inputs["rule"])},
    )
    return inputs["bucket"], {}


def _replication(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    clients("s3").put_bucket_replication(
        Bucket=inputs["bucket"],
        ReplicationConfiguration={"Role": inputs["role"], "Rules": pascal(inputs["rules"])},
    )
    return inputs["bucket"], {}


def _object(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    clients("s3").put_object(
        Bucket=inputs["bucket"],
        Key=inputs["key"],
        Body=inputs["content"].encode(),
        ContentType=inputs["contentType"],
    )
    return f"{inputs['bucket']}/{inputs['key']}", {}


MAKERS = {
    "aws:kms/key:Key": _key,
    "aws:kms/alias:Alias": _alias,
    "aws:secretsmanager/secret:Secret": _secret,
    "aws:secretsmanager/secretVersion:SecretVersion": _secret_version,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:s3/bucketVersioning:BucketVersioning": _versioning,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _encryption,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _public_access,
    "aws:s3/bucketPolicy:BucketPolicy": _policy,
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _lifecycle,
    "aws:s3/bucketNotification:BucketNotification": _notification,
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": _object_lock,
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": _replication,
    "aws:s3/bucketObjectv2:BucketObjectv2": _object,
}
