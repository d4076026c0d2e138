"""Which type of CloudFormation each type of the program is, and what its properties are called there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.validators.service_calls import CALLS, HEALTH_CHECK
from tests.validators.translation import Renames


@dataclass(frozen=True)
class Template:
    """The CloudFormation type of a type of the program, with the inputs that have another name there.

    `beside` is what CloudFormation requires and the provider adds.
    """

    type: str
    renames: Renames = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)


_RULE = {"securityGroupId": "GroupId", "cidrIpv4": "CidrIp", "prefixListId": "DestinationPrefixListId"}
_BUCKET = {"bucket": "BucketName"}
_DOCUMENT = {"policy": "PolicyDocument"}

#: Every type of the program that CloudFormation has too.
TEMPLATES = {
    "aws:cloudwatch/dashboard:Dashboard": Template("AWS::CloudWatch::Dashboard"),
    "aws:cloudwatch/eventRule:EventRule": Template("AWS::Events::Rule"),
    "aws:cloudwatch/logGroup:LogGroup": Template("AWS::Logs::LogGroup", {"name": "LogGroupName"}),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Template(
        "AWS::CloudWatch::Alarm",
        {
            "name": "AlarmName",
            "region": "",
            "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
        },
    ),
    "aws:dynamodb/table:Table": Template(
        "AWS::DynamoDB::Table",
        {
            **CALLS["aws:dynamodb/table:Table"].calls[0].takes,
            "serverSideEncryption.enabled": "SSEEnabled",
            "streamEnabled": "",
            "ttl": "TimeToLiveSpecification",
            "pointInTimeRecovery": "PointInTimeRecoverySpecification",
            "pointInTimeRecovery.enabled": "PointInTimeRecoveryEnabled",
        },
    ),
    "aws:ec2/eip:Eip": Template("AWS::EC2::EIP"),
    "aws:ec2/flowLog:FlowLog": Template(
        "AWS::EC2::FlowLog",
        {"iamRoleArn": "DeliverLogsPermissionArn", "vpcId": "ResourceId"},
        {"ResourceType": "VPC"},
    ),
    "aws:ec2/internetGateway:InternetGateway": Template(
        "AWS::EC2::VPCGatewayAttachment", {}, {"InternetGatewayId": "igw-0123456789abcdef0"}
    ),
    "aws:ec2/natGateway:NatGateway": Template("AWS::EC2::NatGateway"),
    "aws:ec2/route:Route": Template("AWS::EC2::Route"),
    "aws:ec2/routeTable:RouteTable": Template("AWS::EC2::RouteTable"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Template("AWS::EC2::SubnetRouteTableAssociation"),
    "aws:ec2/securityGroup:SecurityGroup": Template(
        "AWS::EC2::SecurityGroup",
        {"name": "GroupName", "description": "GroupDescription", "ingress": "SecurityGroupIngress"},
    ),
    "aws:ec2/subnet:Subnet": Template("AWS::EC2::Subnet"),
    "aws:ec2/vpc:Vpc": Template("AWS::EC2::VPC"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Template("AWS::EC2::VPCEndpoint", _DOCUMENT),
    "aws:iam/role:Role": Template(
        "AWS::IAM::Role", {"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"}
    ),
    "aws:iam/rolePolicy:RolePolicy": Template(
        "AWS::IAM::RolePolicy", {**_DOCUMENT, "name": "PolicyName", "role": "RoleName"}
    ),
    "aws:kms/alias:Alias": Template("AWS::KMS::Alias", {"name": "AliasName"}),
    "aws:kms/key:Key": Template(
        "AWS::KMS::Key", {"policy": "KeyPolicy", "deletionWindowInDays": "PendingWindowInDays"}
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": Template("AWS::Lambda::EventSourceMapping"),
    "aws:lambda/function:Function": Template(
        "AWS::Lambda::Function",
        {"name": "FunctionName", "code": "", "publish": ""},  # CloudFormation has versions as resources
        {"Code": {"S3Bucket": "code", "S3Key": "runtime.zip"}},
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": Template(
        "AWS::Lambda::EventInvokeConfig", beside={"Qualifier": "$LATEST"}
    ),
    "aws:lambda/permission:Permission": Template(
        "AWS::Lambda::Permission", {"function": "FunctionName", "statementId": ""}
    ),
    "aws:route53/healthCheck:HealthCheck": Template(
        "AWS::Route53::HealthCheck", {**HEALTH_CHECK, "callerReference": "", "healthCheckConfig.disabled": ""}
    ),
    "aws:route53/record:Record": Template(
        "AWS::Route53::RecordSet",
        {"zoneId": "HostedZoneId", "records": "ResourceRecords"},
    ),
    "aws:s3/bucket:Bucket": Template("AWS::S3::Bucket", {**_BUCKET, "forceDestroy": ""}),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Template(
        "AWS::S3::Bucket",
        {
            **_BUCKET,
            "rules": "LifecycleConfiguration.Rules",
            "rules.filter": "",
            "rules.expiration": "",
            "rules.prefix": "Prefix",
            "rules.expirationInDays": "ExpirationInDays",
            "rules.expiredObjectDeleteMarker": "ExpiredObjectDeleteMarker",
        },
    ),
    "aws:s3/bucketNotification:BucketNotification": Template(
        "AWS::S3::Bucket",
        {
            **_BUCKET,
            "eventbridge": "NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled",
            "queues": "NotificationConfiguration.QueueConfigurations",
            "queues.queueArn": "Queue",
            "queues.events": "Event",
            "queues.id": "",
        },
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": Template(
        "AWS::S3::Bucket",
        {**_BUCKET, "rule": "ObjectLockConfiguration.Rule"},
        {"ObjectLockEnabled": True},
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Template("AWS::S3::BucketPolicy", _DOCUMENT),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Template(
        "AWS::S3::Bucket",
        {
            **_BUCKET,
            **CALLS["aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"].calls[0].takes,
        },
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": Template(
        "AWS::S3::Bucket",
        {
            **_BUCKET,
            **CALLS["aws:s3/bucketReplicationConfig:BucketReplicationConfig"].calls[0].takes,
            "rules.destination.encryptionConfiguration.replicaKmsKeyId": "ReplicaKmsKeyID",
        },
        {"VersioningConfiguration": {"Status": "Enabled"}},
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Template(
        "AWS::S3::Bucket",
        {
            **_BUCKET,
            "rules": "BucketEncryption.ServerSideEncryptionConfiguration",
            "rules.applyServerSideEncryptionByDefault": "ServerSideEncryptionByDefault",
        },
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Template("AWS::S3::Bucket", _BUCKET),
    "aws:sfn/stateMachine:StateMachine": Template(
        "AWS::StepFunctions::StateMachine",
        {
            "name": "StateMachineName",
            "type": "StateMachineType",
            "loggingConfiguration.logDestination": "Destinations[].CloudWatchLogsLogGroup.LogGroupArn",
        },
    ),
    "aws:sns/topic:Topic": Template("AWS::SNS::Topic", {"name": "TopicName"}),
    "aws:sns/topicPolicy:TopicPolicy": Template(
        "AWS::SNS::TopicInlinePolicy", {**_DOCUMENT, "arn": "TopicArn"}
    ),
    "aws:secretsmanager/secret:Secret": Template("AWS::SecretsManager::Secret", {"recoveryWindowInDays": ""}),
    "aws:sns/topicSubscription:TopicSubscription": Template("AWS::SNS::Subscription", {"topic": "TopicArn"}),
    "aws:sqs/queue:Queue": Template(
        "AWS::SQS::Queue",
        {
            "name": "QueueName",
            "messageRetentionSeconds": "MessageRetentionPeriod",
            "visibilityTimeoutSeconds": "VisibilityTimeout",
        },
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Template(
        "AWS::SQS::QueueInlinePolicy", {**_DOCUMENT, "queueUrl": "Queue"}
    ),
    "aws:ssm/parameter:Parameter": Template("AWS::SSM::Parameter"),
    "aws:transfer/server:Server": Template("AWS::Transfer::Server", {"hostKey": ""}),
    "aws:transfer/user:User": Template("AWS::Transfer::User"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Template(
        "AWS::EC2::SecurityGroupEgress", {**_RULE, "referencedSecurityGroupId": "DestinationSecurityGroupId"}
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Template(
        "AWS::EC2::SecurityGroupIngress", {**_RULE, "referencedSecurityGroupId": "SourceSecurityGroupId"}
    ),
}

#: Types of the program that are not linted, with the reason.
UNLINTED = {
    "aws:cloudwatch/eventTarget:EventTarget": "CloudFormation has targets within rules only",
    "aws:dynamodb/tableReplica:TableReplica": "CloudFormation has replicas within global tables only",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "CloudFormation does not manage it",
    "aws:s3/bucketObjectv2:BucketObjectv2": "CloudFormation has no objects",
    "aws:secretsmanager/secretVersion:SecretVersion": "CloudFormation has values within secrets only",
    "aws:transfer/hostKey:HostKey": "CloudFormation has no imported host keys",
    "aws:transfer/sshKey:SshKey": "CloudFormation has public keys within users only",
}
