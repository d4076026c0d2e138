"""Which calls of AWS's API make each resource of the program, and with what names."""

from __future__ import annotations

from collections.abc import Mapping

from local.program import Resource
from tests.validators import nesting
from tests.validators.api_calls import Call, Made, made
from tests.validators.service_models import complaints

#: What a health check's configuration calls otherwise than Pulumi.
HEALTH_CHECK = {
    f"healthCheckConfig.{key}": member
    for key, member in {
        "cloudwatchAlarmName": "AlarmIdentifier.Name",
        "cloudwatchAlarmRegion": "AlarmIdentifier.Region",
        "childHealthThreshold": "HealthThreshold",
        "fqdn": "FullyQualifiedDomainName",
        "invertHealthcheck": "Inverted",
    }.items()
}

_KEY = {"KeyId": "12345678-90ab-cdef-1234-567890abcdef"}

#: Every type of the program that an operation of AWS's makes.
CALLS: Mapping[str, Made] = {
    "aws:cloudwatch/dashboard:Dashboard": made(Call("cloudwatch", "PutDashboard")),
    "aws:cloudwatch/eventRule:EventRule": made(Call("events", "PutRule")),
    "aws:cloudwatch/eventTarget:EventTarget": made(
        Call(
            "events",
            "PutTargets",
            {
                "arn": "Targets[].Arn",
                "targetId": "Targets[].Id",
                "retryPolicy": "Targets[].RetryPolicy",
                "deadLetterConfig": "Targets[].DeadLetterConfig",
            },
        )
    ),
    "aws:cloudwatch/logGroup:LogGroup": made(
        Call("logs", "CreateLogGroup", {"name": "logGroupName"}),
        Call("logs", "PutRetentionPolicy", {"name": "logGroupName", "retentionInDays": "retentionInDays"}),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": made(
        Call(
            "cloudwatch",
            "PutMetricAlarm",
            {
                "name": "AlarmName",
                "region": "",
                "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
            },
        )
    ),
    "aws:dynamodb/table:Table": made(
        Call(
            "dynamodb",
            "CreateTable",
            {
                "name": "TableName",
                "attributes": "AttributeDefinitions",
                "attributes.name": "AttributeName",
                "attributes.type": "AttributeType",
                "globalSecondaryIndexes.name": "IndexName",
                "globalSecondaryIndexes.projectionType": "Projection.ProjectionType",
                "globalSecondaryIndexes.keySchemas": "KeySchema",
                "serverSideEncryption": "SSESpecification",
                "serverSideEncryption.kmsKeyArn": "KMSMasterKeyId",
                "streamEnabled": "StreamSpecification.StreamEnabled",
                "streamViewType": "StreamSpecification.StreamViewType",
            },
        ),
        Call("dynamodb", "UpdateTimeToLive", {"name": "TableName", "ttl": "TimeToLiveSpecification"}),
        Call(
            "dynamodb",
            "UpdateContinuousBackups",
            {
                "name": "TableName",
                "pointInTimeRecovery": "PointInTimeRecoverySpecification",
                "pointInTimeRecovery.enabled": "PointInTimeRecoveryEnabled",
            },
        ),
        prepare=nesting.table,
    ),
    "aws:dynamodb/tableReplica:TableReplica": made(
        Call(
            "dynamodb",
            "UpdateTable",
            {
                "globalTableArn": "TableName",
                "kmsKeyArn": "ReplicaUpdates[].Create.KMSMasterKeyId",
                "region": "ReplicaUpdates[].Create.RegionName",
            },
        ),
        Call(
            "dynamodb",
            "UpdateContinuousBackups",
            {
                "globalTableArn": "TableName",
                "pointInTimeRecovery": "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled",
            },
        ),
        prepare=lambda inputs: {"region": "us-gov-east-1", **inputs},
    ),
    "aws:ec2/eip:Eip": made(Call("ec2", "AllocateAddress")),
    "aws:ec2/flowLog:FlowLog": made(
        Call(
            "ec2",
            "CreateFlowLogs",
            {"iamRoleArn": "DeliverLogsPermissionArn", "vpcId": "ResourceIds"},
            {"ResourceType": "VPC"},
        ),
        prepare=lambda inputs: {**inputs, "vpcId": [inputs["vpcId"]]},
    ),
    "aws:ec2/internetGateway:InternetGateway": made(
        Call("ec2", "AttachInternetGateway", beside={"InternetGatewayId": "igw-0123456789abcdef0"})
    ),
    "aws:ec2/natGateway:NatGateway": made(Call("ec2", "CreateNatGateway")),
    "aws:ec2/route:Route": made(Call("ec2", "CreateRoute")),
    "aws:ec2/routeTable:RouteTable": made(Call("ec2", "CreateRouteTable")),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": made(Call("ec2", "AssociateRouteTable")),
    "aws:ec2/securityGroup:SecurityGroup": made(
        Call("ec2", "CreateSecurityGroup", {"name": "GroupName"}),
        Call(
            "ec2",
            "AuthorizeSecurityGroupIngress",
            {"ipPermissions": "IpPermissions"},
            {"GroupId": "sg-0123456789abcdef0"},
        ),
        prepare=nesting.security_group,
    ),
    "aws:ec2/subnet:Subnet": made(Call("ec2", "CreateSubnet")),
    "aws:ec2/vpc:Vpc": made(
        Call("ec2", "CreateVpc"),
        Call(
            "ec2",
            "ModifyVpcAttribute",
            {
                "enableDnsHostnames": "EnableDnsHostnames.Value",
                "enableDnsSupport": "EnableDnsSupport.Value",
            },
            {"VpcId": "vpc-0123456789abcdef0"},
        ),
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": made(Call("ec2", "CreateVpcEndpoint", {"policy": "PolicyDocument"})),
    "aws:iam/role:Role": made(
        Call("iam", "CreateRole", {"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"})
    ),
    "aws:iam/rolePolicy:RolePolicy": made(
        Call("iam", "PutRolePolicy", {"name": "PolicyName", "policy": "PolicyDocument", "role": "RoleName"})
    ),
    "aws:kms/alias:Alias": made(Call("kms", "CreateAlias", {"name": "AliasName"})),
    "aws:kms/key:Key": made(
        Call("kms", "CreateKey"),
        Call("kms", "EnableKeyRotation", {"enableKeyRotation": ""}, _KEY),
        Call("kms", "ScheduleKeyDeletion", {"deletionWindowInDays": "PendingWindowInDays"}, _KEY),
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": made(Call("lambda", "CreateEventSourceMapping")),
    "aws:lambda/function:Function": made(
        Call("lambda", "CreateFunction", {"name": "FunctionName", "kmsKeyArn": "KMSKeyArn"}),
        Call(
            "lambda",
            "PutFunctionConcurrency",
            {"name": "FunctionName", "reservedConcurrentExecutions": "ReservedConcurrentExecutions"},
        ),
        prepare=lambda inputs: {**inputs, "code": {"zipFile": b"zip"}},
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": made(
        Call("lambda", "PutFunctionEventInvokeConfig")
    ),
    "aws:lambda/permission:Permission": made(Call("lambda", "AddPermission", {"function": "FunctionName"})),
    "aws:route53/healthCheck:HealthCheck": made(
        Call("route53", "CreateHealthCheck", HEALTH_CHECK), prepare=nesting.health_check
    ),
    "aws:route53/record:Record": made(
        Call("route53", "ChangeResourceRecordSets"), prepare=nesting.record_change
    ),
    "aws:s3/bucket:Bucket": made(
        Call("s3", "CreateBucket", {"objectLockEnabled": "ObjectLockEnabledForBucket", "forceDestroy": ""})
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": made(
        Call("s3", "PutBucketLifecycleConfiguration", {"rules": "LifecycleConfiguration.Rules"})
    ),
    "aws:s3/bucketNotification:BucketNotification": made(
        Call(
            "s3",
            "PutBucketNotificationConfiguration",
            {
                "eventbridge": "NotificationConfiguration.EventBridgeConfiguration",
                "queues": "NotificationConfiguration.QueueConfigurations",
            },
        ),
        prepare=lambda inputs: {**inputs, "eventbridge": {} if inputs.get("eventbridge") else None},
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": made(
        Call(
            "s3",
            "PutObjectLockConfiguration",
            {"rule": "ObjectLockConfiguration.Rule"},
            {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}},
        )
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": made(Call("s3", "PutObject", {"content": "Body"})),
    "aws:s3/bucketPolicy:BucketPolicy": made(Call("s3", "PutBucketPolicy")),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": made(
        Call(
            "s3",
            "PutPublicAccessBlock",
            {
                key: f"PublicAccessBlockConfiguration.{key[0].upper()}{key[1:]}"
                for key in (
                    "blockPublicAcls",
                    "blockPublicPolicy",
                    "ignorePublicAcls",
                    "restrictPublicBuckets",
                )
            },
        )
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": made(
        Call(
            "s3",
            "PutBucketReplication",
            {
                "rules": "ReplicationConfiguration.Rules",
                "role": "ReplicationConfiguration.Role",
                "rules.destination.replicationTime.time": "Time",
                "rules.destination.encryptionConfiguration.replicaKmsKeyId": "ReplicaKmsKeyID",
            },
        )
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": made(
        Call(
            "s3",
            "PutBucketEncryption",
            {
                "rules": "ServerSideEncryptionConfiguration.Rules",
                "rules.applyServerSideEncryptionByDefault.sseAlgorithm": "SSEAlgorithm",
                "rules.applyServerSideEncryptionByDefault.kmsMasterKeyId": "KMSMasterKeyID",
            },
        )
    ),
    "aws:s3/bucketVersioning:BucketVersioning": made(Call("s3", "PutBucketVersioning")),
    "aws:sfn/stateMachine:StateMachine": made(
        Call(
            "stepfunctions",
            "CreateStateMachine",
            {"loggingConfiguration.logDestination": "destinations[].cloudWatchLogsLogGroup.logGroupArn"},
        )
    ),
    "aws:sns/topic:Topic": made(
        Call(
            "sns",
            "CreateTopic",
            {
                "kmsMasterKeyId": "Attributes.KmsMasterKeyId",
                "signatureVersion": "Attributes.SignatureVersion",
            },
        )
    ),
    "aws:sns/topicPolicy:TopicPolicy": made(
        Call(
            "sns",
            "SetTopicAttributes",
            {"arn": "TopicArn", "policy": "AttributeValue"},
            {"AttributeName": "Policy"},
        )
    ),
    "aws:sns/topicSubscription:TopicSubscription": made(
        Call(
            "sns",
            "Subscribe",
            {"topic": "TopicArn", "rawMessageDelivery": "Attributes.RawMessageDelivery"},
        )
    ),
    "aws:sqs/queue:Queue": made(
        Call(
            "sqs",
            "CreateQueue",
            {
                "name": "QueueName",
                "kmsMasterKeyId": "Attributes.KmsMasterKeyId",
                "sqsManagedSseEnabled": "Attributes.SqsManagedSseEnabled",
                "messageRetentionSeconds": "Attributes.MessageRetentionPeriod",
                "redrivePolicy": "Attributes.RedrivePolicy",
                "visibilityTimeoutSeconds": "Attributes.VisibilityTimeout",
            },
        )
    ),
    "aws:secretsmanager/secret:Secret": made(
        # The window is for its deletion.
        Call("secretsmanager", "CreateSecret", {"recoveryWindowInDays": ""})
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": made(Call("secretsmanager", "PutSecretValue")),
    "aws:sqs/queuePolicy:QueuePolicy": made(
        Call("sqs", "SetQueueAttributes", {"policy": "Attributes.Policy"})
    ),
    "aws:ssm/parameter:Parameter": made(Call("ssm", "PutParameter")),
    "aws:transfer/hostKey:HostKey": made(Call("transfer", "ImportHostKey")),
    "aws:transfer/server:Server": made(Call("transfer", "CreateServer")),
    "aws:transfer/sshKey:SshKey": made(Call("transfer", "ImportSshPublicKey", {"body": "SshPublicKeyBody"})),
    "aws:transfer/user:User": made(Call("transfer", "CreateUser")),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": made(
        Call("ec2", "AuthorizeSecurityGroupEgress"), prepare=nesting.security_group_rule
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": made(
        Call("ec2", "AuthorizeSecurityGroupIngress"), prepare=nesting.security_group_rule
    ),
}

#: Types of the program that are not checked against a service model, with the reason.
UNCALLED = {
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "AWS makes it; the provider only removes its rules",
}


def refusals(resource: Resource) -> list[str]:
    """Return what AWS's services would refuse of a resource: service, operation, and a complaint."""
    return [
        f"{call.service} {call.operation} {complaint}"
        for call, request in CALLS[resource.type].requests(resource.inputs)
        for complaint in complaints(call.service, call.operation, request)
    ]
