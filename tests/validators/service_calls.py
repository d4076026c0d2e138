"""Which calls of AWS's API make each resource of the program, and with what names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.program import Resource
from tests.validators.service_models import ShapeNode, complaints, operation
from tests.validators.translation import Renames, translate


@dataclass(frozen=True)
class Call:
    """An operation of a service. `takes` are the inputs of a resource that go into it, renamed where needed.

    `beside` is what the provider adds to the request: ids of what an earlier call made.
    """

    service: str
    operation: str
    takes: Renames = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)

    def request(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request that carries some inputs; UnmappedError for one that it has no place for."""
        shape = operation(self.service, self.operation).input_shape
        return {**self.beside, **translate(ShapeNode(shape), inputs, self.takes)}


@dataclass(frozen=True)
class Made:
    """How a type is made: the first call takes every input that no later one takes."""

    calls: tuple[Call, ...]
    prepare: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict

    def requests(self, inputs: Mapping[str, Any]) -> list[tuple[Call, dict[str, Any]]]:
        """Return the calls that the provider makes for some inputs, each with its request."""
        inputs = self.prepare(inputs)
        first, *later = self.calls
        taken = {key.split(".")[0] for call in later for key in call.takes} - set(first.takes)
        made = [(first, first.request({k: v for k, v in inputs.items() if k not in taken}))]
        for call in later:
            own = {k: v for k, v in inputs.items() if k in call.takes}
            if own.keys() & taken:
                made.append((call, call.request(own)))
        return made


def made(*calls: Call, prepare: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict) -> Made:
    """Return how a type is made by some calls."""
    return Made(calls, prepare)


def _group(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    rules = [
        {
            "ipProtocol": rule["protocol"],
            "fromPort": rule["fromPort"],
            "toPort": rule["toPort"],
            "ipRanges": [{"cidrIp": each, "description": rule["description"]} for each in rule["cidrBlocks"]],
        }
        for rule in inputs.get("ingress", ())
    ]
    return {**inputs, "ingress": rules or None}


def _function(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**inputs, "code": {"zipFile": b"zip"}}


def _keys(names: Mapping[str, Any]) -> list[dict[str, str]]:
    kinds = {"HASH": "hashKey", "RANGE": "rangeKey"}
    return [{"attributeName": names[key], "keyType": kind} for kind, key in kinds.items() if key in names]


def _table(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {key: value for key, value in inputs.items() if key not in ("hashKey", "rangeKey")}
    encryption = {**inputs["serverSideEncryption"], "sseType": "KMS"}  # the provider adds the type
    return {**kept, "keySchema": _keys(inputs), "serverSideEncryption": encryption}


def _record(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    quote = '"{}"' if inputs["type"] == "TXT" else "{}"  # the provider adds them
    return {**inputs, "records": [{"value": quote.format(each)} for each in inputs["records"]]}


def _queues(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**inputs, "eventbridge": {} if inputs.get("eventbridge") else None}


_RULE = (
    {"referencedSecurityGroupId": "IpPermissions[].UserIdGroupPairs[].GroupId"}
    | {
        key: f"IpPermissions[].{member}"
        for key, member in {
            "ipProtocol": "IpProtocol",
            "fromPort": "FromPort",
            "toPort": "ToPort",
            "cidrIpv4": "IpRanges[].CidrIp",
            "prefixListId": "PrefixListIds[].PrefixListId",
        }.items()
    }
    | {"securityGroupId": "GroupId"}
)
_CHECK = "ResourceRecordSet"
_CHANGE = f"ChangeBatch.Changes[].{_CHECK}"
_HEALTH = {
    "cloudwatchAlarmName": "AlarmIdentifier.Name",
    "cloudwatchAlarmRegion": "AlarmIdentifier.Region",
    "childHealthchecks": "ChildHealthChecks",
    "childHealthThreshold": "HealthThreshold",
    "fqdn": "FullyQualifiedDomainName",
    "enableSni": "EnableSNI",
    "invertHealthcheck": "Inverted",
    **{each: each[0].upper() + each[1:] for each in ("type", "port", "resourcePath", "requestInterval")},
    **{each: each[0].upper() + each[1:] for each in ("failureThreshold", "disabled")},
    "insufficientDataHealthStatus": "InsufficientDataHealthStatus",
}
_ENCRYPTION = "ServerSideEncryptionConfiguration.Rules"
_AN_ID = {"GroupId": "sg-0123456789abcdef0"}

#: Every type of the program that an operation of AWS's makes.
CALLS: Mapping[str, Made] = {
    "aws:cloudwatch/dashboard:Dashboard": made(Call("cloudwatch", "PutDashboard")),
    "aws:cloudwatch/eventRule:EventRule": made(Call("events", "PutRule")),
    "aws:cloudwatch/eventTarget:EventTarget": made(
        Call("events", "PutTargets", {"arn": "Targets[].Arn", "targetId": "Targets[].Id"})
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
        Call(
            "dynamodb",
            "UpdateTimeToLive",
            {"name": "TableName", "ttl": "TimeToLiveSpecification"},
        ),
        Call(
            "dynamodb",
            "UpdateContinuousBackups",
            {
                "name": "TableName",
                "pointInTimeRecovery": "PointInTimeRecoverySpecification",
                "pointInTimeRecovery.enabled": "PointInTimeRecoveryEnabled",
            },
        ),
        prepare=_table,
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
        Call("ec2", "AuthorizeSecurityGroupIngress", {"ingress": "IpPermissions"}, _AN_ID),
        prepare=_group,
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
    "aws:kms/grant:Grant": made(Call("kms", "CreateGrant")),
    "aws:kms/key:Key": made(
        Call("kms", "CreateKey"),
        Call(
            "kms",
            "EnableKeyRotation",
            {"enableKeyRotation": ""},
            {"KeyId": "12345678-90ab-cdef-1234-567890abcdef"},
        ),
        Call(
            "kms",
            "ScheduleKeyDeletion",
            {"deletionWindowInDays": "PendingWindowInDays"},
            {"KeyId": "12345678-90ab-cdef-1234-567890abcdef"},
        ),
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": made(Call("lambda", "CreateEventSourceMapping")),
    "aws:lambda/function:Function": made(
        Call("lambda", "CreateFunction", {"name": "FunctionName", "kmsKeyArn": "KMSKeyArn"}),
        prepare=_function,
    ),
    "aws:lambda/permission:Permission": made(Call("lambda", "AddPermission", {"function": "FunctionName"})),
    "aws:route53/healthCheck:HealthCheck": made(
        Call(
            "route53",
            "CreateHealthCheck",
            {
                "referenceName": "CallerReference",
                **{key: f"HealthCheckConfig.{member}" for key, member in _HEALTH.items()},
            },
        ),
        prepare=lambda inputs: {"referenceName": "terraform", **inputs},
    ),
    "aws:route53/record:Record": made(
        Call(
            "route53",
            "ChangeResourceRecordSets",
            {
                "zoneId": "HostedZoneId",
                "action": "ChangeBatch.Changes[].Action",
                "name": f"{_CHANGE}.Name",
                "type": f"{_CHANGE}.Type",
                "ttl": f"{_CHANGE}.TTL",
                "records": f"{_CHANGE}.ResourceRecords",
                "setIdentifier": f"{_CHANGE}.SetIdentifier",
                "healthCheckId": f"{_CHANGE}.HealthCheckId",
                "failoverRoutingPolicies": f"{_CHANGE}.Failover",
            },
        ),
        prepare=lambda inputs: {
            **_record(inputs),
            "action": "CREATE",
            "failoverRoutingPolicies": next(
                (each["type"] for each in inputs.get("failoverRoutingPolicies") or ()), None
            ),
        },
    ),
    "aws:s3/bucket:Bucket": made(
        Call("s3", "CreateBucket", {"objectLockEnabled": "ObjectLockEnabledForBucket"})
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
        prepare=_queues,
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
                "rules": _ENCRYPTION,
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
    "aws:sns/topic:Topic": made(Call("sns", "CreateTopic", {"kmsMasterKeyId": "Attributes.KmsMasterKeyId"})),
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
                "messageRetentionSeconds": "Attributes.MessageRetentionPeriod",
                "redrivePolicy": "Attributes.RedrivePolicy",
                "visibilityTimeoutSeconds": "Attributes.VisibilityTimeout",
            },
        )
    ),
    "aws:sqs/queuePolicy:QueuePolicy": made(
        Call("sqs", "SetQueueAttributes", {"policy": "Attributes.Policy"})
    ),
    "aws:ssm/parameter:Parameter": made(Call("ssm", "PutParameter")),
    "aws:transfer/hostKey:HostKey": made(Call("transfer", "ImportHostKey")),
    "aws:transfer/server:Server": made(Call("transfer", "CreateServer")),
    "aws:transfer/sshKey:SshKey": made(Call("transfer", "ImportSshPublicKey", {"body": "SshPublicKeyBody"})),
    "aws:transfer/user:User": made(Call("transfer", "CreateUser")),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": made(
        Call("ec2", "AuthorizeSecurityGroupEgress", _RULE)
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": made(
        Call("ec2", "AuthorizeSecurityGroupIngress", _RULE)
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
